//! Protection against DNS rebinding: a server of the public DNS names no address of an internal network.
//!
//! A web page could otherwise reach hosts of the network behind the browser, by a name of its own that leads there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::rdata::AllRecordData;
use domain::rdata::svcb::SvcParams;
use ipnet::IpNet;

use crate::message::reply::{Record, Reply};

/// Service parameters that hold addresses (RFC 9460, section 14.3.2).
const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;

/// Remove the records that lead to an address of this host, a link, a private network or one of `mesh`.
pub(crate) fn filter(reply: &mut Reply, mesh: &[IpNet]) {
    reply.answers.retain(|record| !addresses(record).any(|address| is_internal(address, mesh)));
}

fn addresses(record: &Record) -> Box<dyn Iterator<Item = IpAddr> + '_> {
    match record.data() {
        AllRecordData::A(data) => Box::new(std::iter::once(data.addr().into())),
        AllRecordData::Aaaa(data) => Box::new(std::iter::once(data.addr().into())),
        AllRecordData::Svcb(data) => Box::new(hints(data.params())),
        AllRecordData::Https(data) => Box::new(hints(data.params())),
        _ => Box::new(std::iter::empty()),
    }
}

fn hints(params: &SvcParams<Vec<u8>>) -> impl Iterator<Item = IpAddr> + '_ {
    params.iter_raw().flat_map(|param| {
        let octets = *param.value();
        match param.key().to_int() {
            IPV4_HINT => octets.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets).into()).collect(),
            IPV6_HINT => octets.as_chunks::<16>().0.iter().map(|octets| Ipv6Addr::from(*octets).into()).collect(),
            _ => Vec::new(),
        }
    })
}

fn is_internal(address: IpAddr, mesh: &[IpNet]) -> bool {
    if mesh.iter().any(|prefix| prefix.contains(&address)) {
        return true;
    }
    match address {
        IpAddr::V4(v4) => is_internal_v4(v4),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => is_internal(v4.into(), mesh),
            None => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_unique_local(),
        },
    }
}

/// `0.0.0.0/8` leads to this host, `100.64.0.0/10` to the network of a provider or of an overlay (RFC 6598).
fn is_internal_v4(v4: Ipv4Addr) -> bool {
    let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
    v4.octets()[0] == 0 || v4.is_loopback() || v4.is_link_local() || v4.is_private() || is_shared
}

/// Return the IPv4 address in an IPv4-mapped or -compatible (RFC 4291), NAT64 (RFC 6052) or 6to4 address (RFC 3056).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let low = |octets: u128| Ipv4Addr::from(octets as u32);
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(low(v6.to_bits())),
        [0x2002, ..] => Some(low(v6.to_bits() >> 80)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::base::iana::{Class, Rcode, Rtype};
    use domain::base::message::Message;
    use domain::base::record::Ttl;
    use domain::rdata::Cname;

    use super::*;
    use crate::HostName;
    use crate::message::question::Question;

    fn left(addresses: &[&str]) -> Vec<String> {
        let name: HostName = "www.example.org".parse().unwrap();
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let mut reply = Reply::empty(Rcode::NOERROR);
        for kind in [Rtype::A, Rtype::AAAA] {
            reply.answers.extend(Reply::addresses(&name, kind, &addresses, Ttl::from_secs(60)).answers);
        }
        let alias = AllRecordData::Cname(Cname::new(name.clone()));
        reply.answers.push(Record::new(name, Class::IN, Ttl::from_secs(60), alias));
        filter(&mut reply, &["198.51.100.0/24".parse().unwrap(), "2001:db8:5::/48".parse().unwrap()]);
        reply.answers.pop();
        reply.answers.iter().map(|record| record.data().to_string()).collect()
    }

    #[test]
    fn internal_addresses_go_in_every_notation_and_public_ones_stay() {
        let internal = [
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "198.51.100.7",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fdff::1",
            "::ffff:10.0.0.1",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "64:ff9b::192.168.0.1",
            "2002:a00:1::1",
            "2001:db8:5::9",
            "64:ff9b::198.51.100.7",
        ];
        for address in internal {
            assert_eq!(left(&[address, "192.0.2.1"]), ["192.0.2.1"], "{address}");
        }
        let public = [
            "192.0.2.1",
            "172.32.0.1",
            "100.128.0.1",
            "2001:db8::1",
            "2001:db8:6::1",
            "64:ff9b::c000:201",
            "::ffff:192.0.2.1",
            "2002:c000:201::1",
        ];
        assert_eq!(
            left(&public),
            [
                "192.0.2.1",
                "172.32.0.1",
                "100.128.0.1",
                "2001:db8::1",
                "2001:db8:6::1",
                "64:ff9b::c000:201",
                "::ffff:192.0.2.1",
                "2002:c000:201::1"
            ]
        );
    }

    #[test]
    fn hints_of_a_service_binding_are_addresses_too() {
        let answer = |hint: &[u8]| {
            let asked = Question { name: "www.example.org".parse().unwrap(), kind: Rtype::HTTPS };
            let data = [&b"\x00\x01\x00"[..], hint].concat();
            let record = [&b"\xc0\x0c\x00\x41\x00\x01\x00\x00\x00\x3c\x00"[..], &[data.len() as u8], &data].concat();
            let mut octets = [asked.encode(1, false), record].concat();
            (octets[2], octets[7]) = (0x81, 1);
            let mut reply = Reply::read(Message::from_slice(&octets).unwrap()).unwrap();
            assert_eq!(reply.answers.len(), 1);
            filter(&mut reply, &[]);
            reply.answers.len()
        };
        assert_eq!(answer(b"\x00\x04\x00\x08\xc0\x00\x02\x01\x0a\x00\x00\x01"), 0);
        assert_eq!(answer(b"\x00\x04\x00\x04\xc0\x00\x02\x01"), 1);
        assert_eq!(answer(&[&b"\x00\x06\x00\x10\xfd"[..], &[0; 15]].concat()), 0);
        assert_eq!(answer(b""), 1);
    }
}
