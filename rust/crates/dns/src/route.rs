//! Who answers a question: this node, the servers of a domain, or those of all other names.
//!
//! The longest suffix by labels decides. A rule that matches and fails is a failure: no other server is asked, so a name of
//! an internal network never reaches a server of another one.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::HostName;
use crate::message::question::Question;
use crate::message::reply::Reply;
use crate::rebind;
use crate::zone::{Zone, answer_special};

/// The way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// Through the tunnel.
    Tunnel,
    /// Over the network of the host, outside the tunnel.
    Host,
}

/// A server to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameServer {
    /// Its address.
    pub address: SocketAddr,
    /// The way there.
    pub path: Path,
}

/// Servers of which each knows the same names.
pub type Servers = Arc<[NameServer]>;

/// Who answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// This node, with this answer.
    Own(Reply),
    /// One of these servers.
    Forward(Rule),
}

/// The servers for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The servers; without one the question fails.
    pub servers: Servers,
    /// Whether internal addresses are removed from the answer.
    pub is_filtered: bool,
}

/// The rules of a network. A table is never changed: a new one takes its place.
#[derive(Debug, Clone)]
pub struct Table {
    /// The names of this node.
    pub zone: Zone,
    /// The servers of each domain (`dns_routes`).
    pub routes: HashMap<HostName, Servers>,
    /// The servers of all other names: those of the network, else those of the host.
    pub others: Servers,
    /// Names that are asked only of the host: endpoints and the authentication server (W-39).
    pub host_names: HashSet<HostName>,
    /// The servers of the host.
    pub host: Servers,
    /// The prefixes of the mesh.
    pub mesh: Vec<IpNet>,
    /// Domains whose names may lead to internal addresses (`dns_rebind_allow`).
    pub rebind_allow: HashSet<HostName>,
}

impl Table {
    /// Return who answers a question.
    #[must_use]
    pub fn route(&self, question: &Question) -> Route {
        if let Some(reply) = answer_special(question) {
            return Route::Own(reply);
        }
        if self.host_names.contains(&question.name) {
            return Route::Forward(Rule { servers: Arc::clone(&self.host), is_filtered: self.filters(question) });
        }
        let own = self.zone.matching_labels(&question.name);
        match self.longest_route(&question.name) {
            Some((labels, servers)) if own.is_none_or(|own| labels > own) => {
                Route::Forward(Rule { servers: Arc::clone(servers), is_filtered: false })
            }
            _ if own.is_some() => Route::Own(self.zone.answer(question)),
            _ => Route::Forward(Rule { servers: Arc::clone(&self.others), is_filtered: self.filters(question) }),
        }
    }

    /// Remove from an answer what a rule does not let through.
    pub fn filter(&self, rule: &Rule, reply: &mut Reply) {
        if rule.is_filtered {
            rebind::filter(reply, &self.mesh);
        }
    }

    fn longest_route(&self, name: &HostName) -> Option<(usize, &Servers)> {
        let mut suffixes = name.iter_suffixes();
        suffixes.find_map(|suffix| Some((suffix.label_count(), self.routes.get(suffix.for_slice())?)))
    }

    fn filters(&self, question: &Question) -> bool {
        !question.name.iter_suffixes().any(|suffix| self.rebind_allow.contains(suffix.for_slice()))
    }
}

#[cfg(test)]
mod tests {
    use domain::base::iana::Rtype;

    use super::*;

    fn servers(port: u16) -> Servers {
        Arc::from([NameServer { address: ([192, 0, 2, 1], port).into(), path: Path::Tunnel }])
    }

    fn table() -> Table {
        let own = ("a.warren.internal".parse().unwrap(), vec!["10.10.0.1".parse().unwrap()]);
        let routes = [("corp.example", 1), ("lab.corp.example", 2), ("x.warren.internal", 3), ("10.in-addr.arpa", 4)];
        Table {
            zone: Zone::new("warren.internal".parse().unwrap(), &[own], vec!["10.10.0.0/16".parse().unwrap()]),
            routes: routes.map(|(name, port)| (name.parse().unwrap(), servers(port))).into(),
            others: servers(9),
            host_names: ["vpn.corp.example".parse().unwrap()].into(),
            host: servers(8),
            mesh: Vec::new(),
            rebind_allow: ["home.example".parse().unwrap()].into(),
        }
    }

    /// The port of the server that is asked, 0 for this node, and whether the answer is filtered.
    fn asked(name: &str) -> (u16, bool) {
        match table().route(&Question { name: name.parse().unwrap(), kind: Rtype::A }) {
            Route::Own(_) => (0, false),
            Route::Forward(rule) => (rule.servers[0].address.port(), rule.is_filtered),
        }
    }

    #[test]
    fn the_longest_suffix_by_labels_decides() {
        assert_eq!(asked("corp.example"), (1, false));
        assert_eq!(asked("www.CORP.example"), (1, false));
        assert_eq!(asked("a.b.lab.corp.example"), (2, false));
        assert_eq!(asked("xcorp.example"), (9, true));
        assert_eq!(asked("corp.example.org"), (9, true));
        assert_eq!(asked("."), (9, true));
    }

    #[test]
    fn own_names_are_answered_here_unless_a_longer_suffix_is_routed() {
        assert_eq!(asked("a.warren.internal"), (0, false));
        assert_eq!(asked("gone.warren.internal"), (0, false));
        assert_eq!(asked("y.x.warren.internal"), (3, false));
        assert_eq!(asked("1.0.10.10.in-addr.arpa"), (0, false));
        assert_eq!(asked("1.0.11.10.in-addr.arpa"), (4, false));
        assert_eq!(asked("localhost"), (0, false));
        assert_eq!(asked("x.onion"), (0, false));
    }

    #[test]
    fn names_of_endpoints_are_asked_of_the_host() {
        assert_eq!(asked("VPN.corp.example"), (8, true));
        assert_eq!(asked("a.vpn.corp.example"), (1, false));
    }

    #[test]
    fn rebinding_is_allowed_for_whole_domains() {
        assert_eq!(asked("nas.home.example"), (9, false));
        assert_eq!(asked("home.example"), (9, false));
        assert_eq!(asked("nothome.example"), (9, true));
    }
}
