//! ICMP echo that peers exchange with the outside, by ping sockets (icmp(7)): one for each peer and identifier.

use device::udp::{Family, Fields, HostSocket, Kind};
use proto::PeerId;

use crate::icmp::{self, next_ttl};
use crate::mapping::Inner;
use crate::outside::Outside;
use crate::packet::Packet;
use crate::shared::Shared;

/// The setting that says which groups may open ping sockets.
const GROUPS: &str = "/proc/sys/net/ipv4/ping_group_range";

/// The echo sessions.
pub(crate) struct Echoes {
    pub(crate) outside: Outside,
    message: Vec<u8>,
}

impl Echoes {
    pub(crate) fn new() -> Self {
        Self { outside: Outside::new(Kind::Echo), message: Vec::new() }
    }

    /// Process an echo request of a peer to an address outside; `was_split` says that it came in fragments.
    pub(crate) fn receive(
        &mut self,
        shared: &mut Shared,
        peer: PeerId,
        packet: &Packet<'_>,
        identifier: u16,
        was_split: bool,
    ) {
        let Some(ttl) = next_ttl(packet) else {
            return shared.report(peer, packet, icmp::Error::TimeExceeded);
        };
        let inner = Inner { peer, endpoint: (packet.source, identifier).into() };
        let destination = (packet.destination, 0).into();
        let Some(id) = self.outside.admit(shared, packet, inner, destination) else { return };
        let fields = Fields { ttl, tos: packet.tos, dont_fragment: packet.dont_fragment && !was_split };
        // The kernel sets the identifier and the checksum.
        self.message.clear();
        self.message.extend_from_slice(packet.payload());
        self.outside.send(shared, id, destination, &self.message, self.message.len(), fields);
    }
}

/// Return why there are no ping sockets; `None` if there are.
pub(crate) fn unavailable() -> Option<String> {
    let error = HostSocket::open(Kind::Echo, Family::V4).err()?;
    let groups = std::fs::read_to_string(GROUPS).unwrap_or_default();
    let groups: Vec<_> = groups.split_whitespace().collect();
    Some(match error {
        rustix::io::Errno::ACCESS => format!("unavailable (net.ipv4.ping_group_range is \"{}\")", groups.join(" ")),
        error => format!("unavailable ({error})"),
    })
}
