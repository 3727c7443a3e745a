//! The names that this node answers itself: its own zone with the reverse names, and names that are never asked for.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::name::{Label, Name, ToName};
use domain::base::record::Ttl;
use domain::base::serial::Serial;
use domain::rdata::{AllRecordData, Ptr, Soa};
use ipnet::IpNet;

use crate::HostName;
use crate::hosts;
use crate::message::question::Question;
use crate::message::reply::{Record, Reply};

/// The TTL of every own record: an address that moved is right again after a minute.
const TTL: Ttl = Ttl::from_secs(60);
/// Times of the SOA record for secondary servers, of which there are none; the values are those of RIPE-203.
const REFRESH: Ttl = Ttl::from_secs(86_400);
const RETRY: Ttl = Ttl::from_secs(7200);
const EXPIRE: Ttl = Ttl::from_secs(3_600_000);

/// The domain of a network's nodes, with their addresses and the reverse names of these.
#[derive(Debug, Clone)]
pub struct Zone {
    domain: HostName,
    addresses: HashMap<HostName, Vec<IpAddr>>,
    /// Names without records above those with records; they exist (RFC 8020, section 2).
    ancestors: HashSet<HostName>,
    names: HashMap<IpAddr, HostName>,
    prefixes: Vec<IpNet>,
}

impl Zone {
    /// Return the zone of a domain with these names; a name may also lie outside of the domain.
    ///
    /// No other name of the domain exists, and no other reverse name of the network's `prefixes`.
    #[must_use]
    pub fn new(domain: HostName, hosts: &[(HostName, Vec<IpAddr>)], prefixes: Vec<IpNet>) -> Self {
        let mut zone =
            Self { domain, addresses: HashMap::new(), ancestors: HashSet::new(), names: HashMap::new(), prefixes };
        for (name, addresses) in hosts {
            for address in addresses {
                zone.names.entry(*address).or_insert_with(|| name.clone());
            }
            zone.addresses.entry(name.clone()).or_default().extend(addresses);
            let above = name.iter_suffixes().skip(1).take_while(|suffix| suffix.ends_with(&zone.domain));
            zone.ancestors.extend(above.map(|suffix| suffix.to_name()));
        }
        zone.ancestors.insert(zone.domain.clone());
        zone
    }

    /// Return the number of labels in which a name matches the zone; None if it is not of the zone.
    #[must_use]
    pub fn matching_labels(&self, name: &HostName) -> Option<usize> {
        if self.addresses.contains_key(name) || self.is_reverse(name) {
            return Some(name.label_count());
        }
        name.ends_with(&self.domain).then(|| self.domain.label_count())
    }

    fn is_reverse(&self, name: &HostName) -> bool {
        let contains = |address| self.prefixes.iter().any(|prefix| prefix.contains(&address));
        reverse_address(name).is_some_and(|address| self.names.contains_key(&address) || contains(address))
    }

    /// Answer a question for a name of the zone.
    #[must_use]
    pub fn answer(&self, question: &Question) -> Reply {
        let (name, kind) = (&question.name, question.kind);
        let reply = if let Some(address) = reverse_address(name) {
            self.names.get(&address).map(|host| pointer(name, kind, host))
        } else if let Some(addresses) = self.addresses.get(name) {
            Some(Reply::addresses(name, kind, addresses, TTL))
        } else {
            self.ancestors.contains(name).then(|| self.apex(name, kind))
        };
        let mut reply = reply.unwrap_or_else(|| Reply::empty(Rcode::NXDOMAIN));
        reply.authoritative = true;
        if reply.answers.is_empty() {
            reply.authority = vec![self.soa()];
        }
        reply
    }

    fn apex(&self, name: &HostName, kind: Rtype) -> Reply {
        let mut reply = Reply::empty(Rcode::NOERROR);
        if kind == Rtype::SOA && *name == self.domain {
            reply.answers.push(self.soa());
        }
        reply
    }

    fn soa(&self) -> Record {
        let server = self.domain.clone();
        // Without a mailbox: RFC 2606, section 2 reserves `invalid`.
        let mailbox = Name::from_octets(b"\x06nobody\x07invalid\x00".to_vec()).unwrap_or_else(|_| server.clone());
        let data = Soa::new(server.clone(), mailbox, Serial::from(1), REFRESH, RETRY, EXPIRE, TTL);
        Record::new(server, Class::IN, TTL, AllRecordData::Soa(data))
    }
}

fn pointer(name: &HostName, kind: Rtype, host: &HostName) -> Reply {
    let mut reply = Reply::empty(Rcode::NOERROR);
    if kind == Rtype::PTR {
        let data = AllRecordData::Ptr(Ptr::new(host.clone()));
        reply.answers.push(Record::new(name.clone(), Class::IN, TTL, data));
    }
    reply
}

/// Answer a question for `localhost` (RFC 6761, section 6.3) or for a name that can never exist (section 6.4; RFC 7686).
///
/// Return None for any other name.
#[must_use]
pub fn answer_special(question: &Question) -> Option<Reply> {
    let name = question.name.to_string();
    let loopback = hosts::loopback(&name);
    if !loopback.is_empty() {
        return Some(Reply::addresses(&question.name, question.kind, &loopback, TTL));
    }
    hosts::is_never_registered(&name).then(|| Reply::empty(Rcode::NXDOMAIN))
}

/// Return the address of a whole reverse name (RFC 1035, section 3.5; RFC 3596, section 2.5).
#[must_use]
pub fn reverse_address(name: &HostName) -> Option<IpAddr> {
    let labels: Vec<&[u8]> = name.iter().map(Label::as_slice).collect();
    match labels.as_slice() {
        [octets @ .., zone, arpa, []] if octets.len() == 4 && is(zone, b"in-addr") && is(arpa, b"arpa") => {
            let mut address = [0; 4];
            for (place, label) in address.iter_mut().rev().zip(octets) {
                *place = decimal(label)?;
            }
            Some(Ipv4Addr::from(address).into())
        }
        [digits @ .., zone, arpa, []] if digits.len() == 32 && is(zone, b"ip6") && is(arpa, b"arpa") => {
            let mut address = 0u128;
            for label in digits.iter().rev() {
                let [digit] = *label else { return None };
                address = address << 4 | u128::from((*digit as char).to_digit(16)?);
            }
            Some(Ipv6Addr::from(address).into())
        }
        _ => None,
    }
}

fn is(label: &[u8], text: &[u8]) -> bool {
    label.eq_ignore_ascii_case(text)
}

fn decimal(label: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(label).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))?;
    if text.len() > 1 && text.starts_with('0') { None } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        let host = |name: &str, addresses: &[&str]| {
            (name.parse().unwrap(), addresses.iter().map(|text| text.parse().unwrap()).collect())
        };
        let hosts = [
            host("a.warren.internal", &["10.10.0.1", "fd00::1"]),
            host("deep.below.warren.internal", &["10.10.0.2"]),
            host("printer.corp.example", &["10.10.0.3"]),
        ];
        Zone::new("warren.internal".parse().unwrap(), &hosts, vec!["10.10.0.0/16".parse().unwrap()])
    }

    fn question(name: &str, kind: Rtype) -> Question {
        Question { name: name.parse().unwrap(), kind }
    }

    fn answer(name: &str, kind: Rtype) -> (Rcode, Vec<String>) {
        let reply = zone().answer(&question(name, kind));
        assert!(reply.authoritative);
        assert_eq!(reply.answers.is_empty(), reply.authority.len() == 1, "a negative answer has the SOA record");
        assert!(reply.answers.iter().all(|record| record.ttl() == TTL));
        (reply.code, reply.answers.iter().map(|record| record.data().to_string()).collect())
    }

    #[test]
    fn own_names_have_their_addresses_whatever_their_case() {
        assert_eq!(answer("A.Warren.Internal", Rtype::A), (Rcode::NOERROR, vec!["10.10.0.1".into()]));
        assert_eq!(answer("a.warren.internal", Rtype::AAAA), (Rcode::NOERROR, vec!["fd00::1".into()]));
        assert_eq!(answer("printer.corp.example", Rtype::A), (Rcode::NOERROR, vec!["10.10.0.3".into()]));
        assert_eq!(answer("warren.internal", Rtype::SOA).1.len(), 1);
    }

    #[test]
    fn a_missing_type_is_no_data_and_a_missing_name_nxdomain() {
        assert_eq!(answer("a.warren.internal", Rtype::MX), (Rcode::NOERROR, vec![]));
        assert_eq!(answer("printer.corp.example", Rtype::AAAA), (Rcode::NOERROR, vec![]));
        assert_eq!(answer("below.warren.internal", Rtype::A), (Rcode::NOERROR, vec![]), "an empty non-terminal");
        assert_eq!(answer("warren.internal", Rtype::A), (Rcode::NOERROR, vec![]));
        assert_eq!(answer("gone.warren.internal", Rtype::A), (Rcode::NXDOMAIN, vec![]));
    }

    #[test]
    fn reverse_names_of_the_network_are_own() {
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.F.ip6.arpa";
        for name in ["1.0.10.10.IN-ADDR.arpa", v6] {
            assert_eq!(answer(name, Rtype::PTR), (Rcode::NOERROR, vec!["a.warren.internal.".into()]));
            assert_eq!(answer(name, Rtype::A), (Rcode::NOERROR, vec![]));
        }
        assert_eq!(answer("9.9.10.10.in-addr.arpa", Rtype::PTR), (Rcode::NXDOMAIN, vec![]));
        let labels = |name: &str| zone().matching_labels(&name.parse().unwrap());
        assert_eq!(labels("9.9.10.10.in-addr.arpa"), Some(7));
        for other in ["9.9.11.10.in-addr.arpa", "010.9.10.10.in-addr.arpa", "10.10.in-addr.arpa", "x.ip6.arpa", "."] {
            assert_eq!(labels(other), None, "{other}");
        }
        assert_eq!(labels("x.warren.internal"), Some(3));
        assert_eq!(labels("xwarren.internal"), None);
    }

    #[test]
    fn special_names_are_answered_and_others_are_not() {
        let code = |name, kind| answer_special(&question(name, kind)).map(|reply| (reply.code, reply.answers.len()));
        assert_eq!(code("localhost", Rtype::A), Some((Rcode::NOERROR, 1)));
        assert_eq!(code("x.LocalHost", Rtype::AAAA), Some((Rcode::NOERROR, 1)));
        assert_eq!(code("localhost", Rtype::TXT), Some((Rcode::NOERROR, 0)));
        assert_eq!(code("a.invalid", Rtype::A), Some((Rcode::NXDOMAIN, 0)));
        assert_eq!(code("abc.onion", Rtype::A), Some((Rcode::NXDOMAIN, 0)));
        assert_eq!(code("localhost.example", Rtype::A), None);
    }
}
