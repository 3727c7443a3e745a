//! A client of the SOCKS5 proxy: read alike in any pieces, and answered by the grammar; datagrams for the relay.

use netstack::socks::{self, Credentials, Handshake, HandshakeError, Request};
use netstack::target::Target;

/// Run with a variant, the size of pieces, and what the client sends.
pub fn run(octets: &[u8]) {
    let [variant, piece, octets @ ..] = octets else { return };
    let credentials = || (variant & 1 == 1).then(|| Credentials::new("ann", b"secret"));
    let (mut whole, mut pieces) = (Handshake::new(credentials()), Handshake::new(credentials()));
    let (mut written, mut out) = (Vec::new(), Vec::new());
    let expected = whole.receive(octets, &mut written);
    let mut result = Ok(None);
    for part in octets.chunks(usize::from(*piece).max(1)) {
        if result.is_err() {
            break;
        }
        let next = pieces.receive(part, &mut out);
        assert!(!matches!(result, Ok(Some(_))) || next == Err(HandshakeError::EarlyData));
        result = next;
    }
    assert_eq!((&result, &out), (&expected, &written));
    assert!(out.is_empty() || out[0] == socks::VERSION && out.len() <= 14);
    if let Ok(Some(Request::Connect(target) | Request::UdpAssociate(target))) = expected {
        assert!(target.port == 0 || Target::parse(&target.to_string(), None) == Ok(target));
    }
    if let Some((target, content)) = socks::parse_datagram(octets) {
        assert!(target.port != 0 && octets.ends_with(content));
    }
}
