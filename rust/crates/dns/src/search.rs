//! The names to ask for one name: as it is, and with the domains of the search list (resolv.conf(5)).

use std::fmt::Write as _;

use crate::HostName;
use crate::resolv_conf::ResolvConf;

/// Return the names in the order in which they are asked; none if the name cannot be one of DNS.
///
/// A name with at least `ndots` dots is asked as it is first, any other last. A name that ends with a dot is asked only
/// as it is.
#[must_use]
pub fn candidates(name: &str, conf: &ResolvConf) -> Vec<HostName> {
    let Ok(plain) = name.parse::<HostName>() else { return Vec::new() };
    if name.ends_with('.') {
        return vec![plain];
    }
    let dots = name.bytes().filter(|octet| *octet == b'.').count();
    let mut names: Vec<HostName> = conf.search.iter().filter_map(|domain| joined(name, domain)).collect();
    let place = if dots >= usize::from(conf.ndots) { 0 } else { names.len() };
    names.insert(place, plain);
    let mut unique: Vec<HostName> = Vec::new();
    for name in names {
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    unique
}

/// Return the name in the domain, unless that is too long.
fn joined(name: &str, domain: &HostName) -> Option<HostName> {
    let mut text = String::from(name);
    write!(text, ".{domain}").ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, ndots: u8) -> Vec<String> {
        let conf = ResolvConf { ndots, ..ResolvConf::parse("search corp.example lab.example\n", "") };
        candidates(name, &conf).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_number_of_dots_decides_what_comes_first() {
        assert_eq!(asked("vpn", 1), ["vpn.corp.example", "vpn.lab.example", "vpn"]);
        assert_eq!(
            asked("vpn.example.org", 1),
            ["vpn.example.org", "vpn.example.org.corp.example", "vpn.example.org.lab.example"]
        );
        assert_eq!(asked("a.b", 2), ["a.b.corp.example", "a.b.lab.example", "a.b"]);
        assert_eq!(asked("vpn", 0), ["vpn", "vpn.corp.example", "vpn.lab.example"]);
        assert_eq!(asked("vpn.", 1), ["vpn"]);
    }

    #[test]
    fn a_name_that_is_too_long_or_invalid_is_not_asked() {
        let long = vec!["a".repeat(63); 3].join(".") + "." + &"b".repeat(50);
        assert_eq!(asked(&long, 1).len(), 1);
        assert!(asked("a..b", 1).is_empty());
        assert!(asked(&"a".repeat(64), 1).is_empty());
    }
}
