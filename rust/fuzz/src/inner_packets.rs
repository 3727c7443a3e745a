//! Packets of a peer: parsed or refused, and an error about one quotes it and is read again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netstack::icmp::{self, Error};
use netstack::packet::{self, Packet, Transport};

const ERRORS: [Error; 8] = [
    Error::NetworkUnreachable,
    Error::HostUnreachable,
    Error::ProtocolUnreachable,
    Error::PortUnreachable,
    Error::Prohibited,
    Error::TimeExceeded,
    Error::ReassemblyTimeExceeded,
    Error::TooBig { mtu: 1380 },
];

/// Run with a number of an error and a packet, whose IPv4 checksum is corrected.
pub fn run(octets: &[u8]) {
    let Some((number, octets)) = octets.split_first() else { return };
    let octets = with_checksum(octets);
    let Ok(packet) = packet::parse(&octets) else { return };
    assert!(octets.starts_with(packet.octets) && packet.octets.ends_with(packet.payload()));
    match packet.transport() {
        Ok(Transport::Tcp { segment, .. }) => assert!(segment.len() >= 20),
        Ok(Transport::Udp { payload, .. }) => assert!(payload.len() + 8 <= packet.payload().len()),
        Ok(Transport::EchoRequest { payload, .. }) => assert_eq!(payload.len() + 8, packet.payload().len()),
        Ok(Transport::Icmp { message, .. }) => {
            let _ = icmp::read_error(packet.source.is_ipv6(), message);
        }
        Ok(Transport::Other) | Err(_) => {}
    }
    report(&packet, ERRORS[usize::from(*number) % ERRORS.len()]);
}

fn with_checksum(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    let header_bytes = octets.first().map_or(0, |first| usize::from(first & 15) * 4);
    if octets.first().is_some_and(|first| first >> 4 == 4) && (20..=octets.len()).contains(&header_bytes) {
        octets[10..12].fill(0);
        let words = octets[..header_bytes].chunks(2);
        let sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        octets[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    }
    octets
}

fn report(about: &Packet<'_>, error: Error) {
    let is_v6 = about.source.is_ipv6();
    let router: IpAddr = if is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::new(192, 0, 2, 1).into() };
    let mut out = Vec::new();
    assert_eq!(icmp::write_error(about, error, router, &mut out), icmp::may_report(about));
    if out.is_empty() {
        return;
    }
    let sent = packet::parse(&out).expect("what is written is valid");
    assert_eq!((sent.source, sent.destination), (router, about.source));
    let Ok(Transport::Icmp { message, .. }) = sent.transport() else { panic!("not an error") };
    assert!(out.len() <= if is_v6 { 1280 } else { 576 } && about.octets.starts_with(&message[8..]));
    assert!(!icmp::may_report(&sent), "an error about an error");
    if let Some(read) = icmp::read_error(is_v6, message) {
        assert_eq!((read.about.source, read.about.destination), (about.source, about.destination));
    } else {
        assert!(is_v6, "only a long chain of extension headers is cut off");
    }
}
