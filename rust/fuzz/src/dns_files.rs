//! The files of the resolver, which other programs write: read without a failure, within their limits.

use std::net::{IpAddr, Ipv4Addr};

use dns::hosts;
use dns::resolv_conf::ResolvConf;
use dns::search::candidates;

/// Read any text as resolv.conf(5) and as hosts(5).
pub fn run(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let conf = ResolvConf::parse(&text, "host.example.org");
    assert!((1..=3).contains(&conf.servers.len()) && conf.search.len() <= 32);
    assert!((1..=5).contains(&conf.attempts) && conf.ndots <= 15 && (1..=30).contains(&conf.timeout.as_secs()));
    let name = text.lines().next().unwrap_or_default();
    let names = candidates(name, &conf);
    assert!(names.len() <= 33);
    let hosts_text = format!("192.0.2.7 {name}\n{text}");
    if let Some(word) = name.split_ascii_whitespace().next().filter(|word| !word.contains('#')) {
        let found = hosts::addresses(&hosts_text, word);
        assert_eq!(found.first(), Some(&IpAddr::from(Ipv4Addr::new(192, 0, 2, 7))));
    }
}
