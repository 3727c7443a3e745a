//! The settings of resolv.conf(5).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::HostName;

/// The port of name servers.
const PORT: u16 = 53;
/// Limits of resolv.conf(5): more servers, and larger values of options, are ignored by the system too.
const MAX_SERVERS: usize = 3;
const MAX_NDOTS: u8 = 15;
const MAX_TIMEOUT_SECONDS: u8 = 30;
const MAX_ATTEMPTS: u8 = 5;
/// glibc has had no limit since 2.26; this one bounds the time of a lookup.
const MAX_SEARCH: usize = 32;

/// A name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its address.
    pub address: SocketAddr,
    /// The link of a link-local address.
    pub zone: Option<String>,
}

/// The settings of a resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// The servers, asked in this order.
    pub servers: Vec<Server>,
    /// The domains to append to names.
    pub search: Vec<HostName>,
    /// A name with so many dots is asked as it is before it is asked with a domain.
    pub ndots: u8,
    /// How long to wait for one answer.
    pub timeout: Duration,
    /// How often to ask each server.
    pub attempts: u8,
    /// Whether successive lookups begin with another server.
    pub rotate: bool,
    /// Whether to use TCP only.
    pub use_tcp: bool,
    /// Whether to ask for IPv4 addresses only.
    pub no_aaaa: bool,
}

impl Default for ResolvConf {
    /// Return the settings of an empty file, apart from its server on the host itself.
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            use_tcp: false,
            no_aaaa: false,
        }
    }
}

impl Server {
    /// Return the server at an address, on the port of name servers.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self { address: SocketAddr::new(address, PORT), zone: None }
    }

    /// Read an address, with the link of a link-local one behind `%`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
        Some(Self { zone: zone.map(str::to_owned), ..Self::new(address.parse().ok()?) })
    }
}

impl ResolvConf {
    /// Read a file. Like the system's resolver, it ignores lines and options that it does not know.
    ///
    /// Without a search list, the domain of `host_name` is the only one in it. Without a server it is the host itself.
    #[must_use]
    pub fn parse(text: &str, host_name: &str) -> Self {
        let mut conf = Self::default();
        let mut search: Option<Vec<HostName>> = None;
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") if conf.servers.len() < MAX_SERVERS => {
                    conf.servers.extend(words.next().and_then(Server::parse));
                }
                // The last of both lines counts.
                Some("search") => search = Some(words.filter_map(domain).take(MAX_SEARCH).collect()),
                Some("domain") => search = Some(words.take(1).filter_map(domain).collect()),
                Some("options") => words.for_each(|option| conf.set(option)),
                _ => {}
            }
        }
        let own_domain = || host_name.split_once('.').and_then(|(_, rest)| domain(rest)).into_iter().collect();
        conf.search = search.unwrap_or_else(own_domain);
        if conf.servers.is_empty() {
            conf.servers.push(Server::new(IpAddr::from([127, 0, 0, 1])));
        }
        conf
    }

    fn set(&mut self, option: &str) {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        match (name, value.parse::<u8>()) {
            ("ndots", Ok(ndots)) => self.ndots = ndots.min(MAX_NDOTS),
            ("timeout", Ok(seconds)) => {
                self.timeout = Duration::from_secs(seconds.clamp(1, MAX_TIMEOUT_SECONDS).into())
            }
            ("attempts", Ok(attempts)) => self.attempts = attempts.clamp(1, MAX_ATTEMPTS),
            ("rotate", _) => self.rotate = true,
            ("use-vc" | "usevc", _) => self.use_tcp = true,
            ("no-aaaa", _) => self.no_aaaa = true,
            _ => {}
        }
    }
}

/// Return a domain of the search list; the root stands for the name alone, which is asked anyway.
fn domain(text: &str) -> Option<HostName> {
    text.parse::<HostName>().ok().filter(|name| !name.is_root())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(conf: &ResolvConf) -> Vec<String> {
        conf.search.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_setting_is_read_and_the_last_search_list_counts() {
        let text = "# a comment\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\nnameserver nonsense\n\
                    domain example.net\nsearch corp.example  lab.example.\n\
                    options ndots:2 timeout:1 attempts:9 rotate use-vc no-aaaa edns0 unknown:7\n";
        let conf = ResolvConf::parse(text, "host.example.org");
        assert_eq!(conf.servers[0], Server::new("192.0.2.53".parse().unwrap()));
        assert_eq!((conf.servers[1].zone.as_deref(), conf.servers.len()), (Some("eth0"), 2));
        assert_eq!(names(&conf), ["corp.example", "lab.example"]);
        assert_eq!((conf.ndots, conf.timeout, conf.attempts), (2, Duration::from_secs(1), 5));
        assert!(conf.rotate && conf.use_tcp && conf.no_aaaa);
    }

    #[test]
    fn an_empty_file_has_the_defaults_of_the_manual() {
        let conf = ResolvConf::parse("", "host.corp.example");
        assert_eq!(conf.servers, [Server::new("127.0.0.1".parse().unwrap())]);
        assert_eq!((names(&conf), conf.ndots, conf.attempts), (vec!["corp.example".to_owned()], 1, 2));
        assert!(ResolvConf::parse("search .\n", "host.corp.example").search.is_empty());
        assert!(ResolvConf::parse("", "host").search.is_empty());
    }

    #[test]
    fn more_servers_than_the_system_asks_are_ignored() {
        let text: String = (1..=5).map(|number| format!("nameserver 192.0.2.{number}\n")).collect();
        assert_eq!(ResolvConf::parse(&text, "").servers.len(), 3);
    }
}
