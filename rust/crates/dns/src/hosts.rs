//! Addresses of hosts(5), and the names that need no server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Return the addresses of a name in the text of hosts(5), in its order. Like the system, skip invalid lines.
#[must_use]
pub fn addresses(text: &str, name: &str) -> Vec<IpAddr> {
    let wanted = name.trim_end_matches('.');
    text.lines().filter_map(|line| address(line, wanted)).collect()
}

fn address(line: &str, wanted: &str) -> Option<IpAddr> {
    let line = line.split('#').next()?;
    let mut words = line.split_ascii_whitespace();
    let address = words.next()?.parse().ok()?;
    words.any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(wanted)).then_some(address)
}

/// Return the addresses of `localhost` and of names below it, which no server is asked for (RFC 6761, section 6.3).
#[must_use]
pub fn loopback(name: &str) -> Vec<IpAddr> {
    if has_domain(name, "localhost") {
        return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
    }
    Vec::new()
}

/// Return whether the name can never exist (RFC 6761, section 6.4; RFC 7686, section 2).
#[must_use]
pub fn is_never_registered(name: &str) -> bool {
    has_domain(name, "invalid") || has_domain(name, "onion")
}

fn has_domain(name: &str, domain: &str) -> bool {
    name.trim_end_matches('.').rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_addresses_of_all_its_lines() {
        let text =
            "127.0.0.1 localhost\n# 10.0.0.1 vpn\n10.0.0.2\tVPN.example.org vpn # home\nfd00::2 vpn.\nnonsense vpn\n\n";
        assert_eq!(addresses(text, "vpn"), ["10.0.0.2", "fd00::2"].map(|text| text.parse::<IpAddr>().unwrap()));
        assert_eq!(addresses(text, "vpn.example.org."), ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert!(addresses(text, "home").is_empty());
    }

    #[test]
    fn special_names_need_no_server() {
        assert_eq!(loopback("a.LOCALHOST.").len(), 2);
        assert!(loopback("localhost.example").is_empty());
        assert!(
            is_never_registered("a.invalid") && is_never_registered("x.onion") && !is_never_registered("invalid.a")
        );
    }
}
