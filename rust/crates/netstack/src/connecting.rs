//! What becomes of a client's request for a stream: a dial to a peer, or one of this host where the listener allows it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use device::place::Place;
use proto::NoRoute;

use crate::dial::{Connect, Dial, Failure};
use crate::policy::Port;
use crate::relay::Relays;
use crate::shared::Shared;
use crate::tcpflow::TcpFlows;

/// Requests that wait to be routed.
#[derive(Default)]
pub(crate) struct Connecting {
    unrouted: VecDeque<Dial>,
}

impl Connecting {
    /// Begin to connect to the addresses of a target, in their order.
    pub(crate) fn start(&mut self, connect: Connect, addresses: &[IpAddr], tcp: &mut TcpFlows, shared: &mut Shared) {
        let Connect { target, timeout, client, caller, is_direct } = connect;
        let addresses = addresses.iter().map(|address| (*address, target.port).into()).collect();
        let dial = Dial { addresses, timeout, client, caller };
        if dial.addresses.is_empty() {
            dial.fail(Failure::UnknownName);
        } else if is_direct {
            self.unrouted.push_back(dial);
        } else {
            tcp.dial(dial, shared);
        }
    }

    /// Return whether requests wait to be routed.
    pub(crate) fn has_work(&self) -> bool {
        !self.unrouted.is_empty()
    }

    /// Dial through the tunnel what a peer has, and the rest outside: only here is it known which peer has an address.
    pub(crate) fn route(&mut self, place: &impl Place, tcp: &mut TcpFlows, relays: &mut Relays, shared: &mut Shared) {
        for mut dial in self.unrouted.drain(..) {
            let has_peer = |address: &SocketAddr| !matches!(place.route_to(address.ip()), Err(NoRoute::NoPeer));
            if dial.addresses.iter().any(has_peer) {
                dial.addresses.retain(has_peer);
                tcp.dial(dial, shared);
                continue;
            }
            dial.addresses.retain(|address| shared.may_dial_outside(address.ip(), Port::Tcp(address.port())));
            if dial.addresses.is_empty() {
                dial.fail(Failure::Prohibited);
            } else {
                relays.dial(dial, shared);
            }
        }
    }
}
