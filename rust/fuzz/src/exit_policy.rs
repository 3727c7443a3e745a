//! Entries of the exit policy, then destinations: what is never reached is not, in any notation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netstack::policy::{Entry, HostTable, Policy, Port, Refusal, Rules};
use netstack::special::{self, Class};

use crate::script::Script;

const OWN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// Run with lines of entries, the first half for `allow` and the rest for `deny`, a line of zero, and destinations.
pub fn run(octets: &[u8]) {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    let text = String::from_utf8_lossy(&octets[..end]);
    let entries: Vec<Entry> = text.lines().filter_map(parse).collect();
    let (allow, deny) = entries.split_at(entries.len().div_ceil(2));
    let everything = [(Ipv4Addr::UNSPECIFIED.into(), 0), (Ipv6Addr::UNSPECIFIED.into(), 0)];
    let routes = everything.into_iter().filter_map(|(address, length)| ipnet::IpNet::new(address, length).ok());
    let rules = Rules { allow: allow.to_vec(), deny: deny.to_vec(), routes: routes.collect(), allow_lan: true };
    let host = HostTable::new(&[OWN.into()], &[], &[]);
    let policy = Policy::new(&rules, host);
    let mut script = Script(&octets[end..]);
    script.octet();
    while !script.is_over() {
        judge(&policy, deny, &mut script);
    }
}

/// Parse an entry, which prints to a text with the same meaning.
fn parse(line: &str) -> Option<Entry> {
    let entry: Entry = line.parse().ok()?;
    assert_eq!(entry.to_string().parse(), Ok(entry));
    Some(entry)
}

fn judge(policy: &Policy, deny: &[Entry], script: &mut Script<'_>) {
    let (kind, number) = (script.octet(), script.short());
    let mut bits = [0; 16];
    let taken = script.take(if kind & 1 == 0 { 4 } else { 16 });
    bits[..taken.len()].copy_from_slice(taken);
    let v4 = Ipv4Addr::new(bits[0], bits[1], bits[2], bits[3]);
    let address = if kind & 1 == 0 { IpAddr::V4(v4) } else { IpAddr::V6(bits.into()) };
    let port = [Port::Tcp(number), Port::Udp(number), Port::Echo][usize::from(kind >> 1) % 3];
    let verdict = policy.judge(address, port);
    if let IpAddr::V4(v4) = address {
        // Wrapped it is refused as well, unless an entry of `allow` names it as it is.
        let wrapped = Ipv6Addr::from_bits(0x64_ff9b << 96 | u128::from(v4.to_bits()));
        let other = policy.judge(wrapped.into(), port);
        let is_refused = verdict.is_err() && verdict != Err(Refusal::NotAllowed);
        assert!(!is_refused || other.is_err(), "{address} is refused, and {wrapped} is not");
    }
    if verdict.is_ok() {
        let readings = special::readings(address);
        for address in readings.iter().chain([address]) {
            assert_ne!(special::class(address), Some(Class::Never));
            assert_ne!(address, IpAddr::V4(OWN));
            assert!(!deny.iter().any(|entry| entry.ports.is_none() && entry.prefix.contains(&address)));
        }
    } else {
        assert_eq!(policy.judge_direct(address, port).is_ok(), is_beyond_direct(verdict), "{address}");
    }
}

/// Return whether a destination is refused by the rules that a direct dial is not bound by.
fn is_beyond_direct(verdict: Result<(), Refusal>) -> bool {
    matches!(verdict, Err(Refusal::OutsideRoutes | Refusal::NotAllowed))
}
