//! The configuration of a stack. It is replaced as a whole.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tcp::Algorithm;

use crate::budget;
use crate::listen::Forward;
use crate::local::config::Listener;
use crate::mapping::Filtering;
use crate::policy::Rules;

/// The configuration of a stack.
#[derive(Debug, Clone)]
pub struct Tables {
    /// The own addresses, with the prefixes of their networks.
    pub addresses: Vec<IpNet>,
    /// The longest packet, in octets.
    pub mtu: u16,
    /// How the congestion window of own connections is found.
    pub congestion: Algorithm,
    /// The memory of all flows, in bytes.
    pub memory: usize,
    /// The number of TCP flows.
    pub max_flows: usize,
    /// Which outer endpoints may send to a mapping of UDP.
    pub udp_filtering: Filtering,
    /// Ports of the own addresses that lead to targets of the host.
    pub forwards: Vec<Forward>,
    /// The exit; `None` forwards nothing.
    pub exit: Option<Exit>,
    /// The listeners on the host: proxies, and forwards to targets behind peers.
    pub listeners: Vec<Listener>,
    /// The rules for names; `None` knows no name.
    pub dns: Option<Dns>,
}

/// The configuration of the DNS service.
#[derive(Debug, Clone)]
pub struct Dns {
    /// Who answers for which names.
    pub rules: Arc<dns::route::Table>,
    /// Whether peers are answered at port 53 of the own addresses.
    pub serves_peers: bool,
    /// Addresses of the host at which its programs are answered, over UDP and TCP.
    pub listen: Vec<SocketAddr>,
}

/// The configuration of an exit.
#[derive(Debug, Clone, Default)]
pub struct Exit {
    /// What its peers may reach.
    pub rules: Rules,
    /// Prefixes of the tunnel itself, which are not reached through the outside.
    pub mesh: Vec<IpNet>,
    /// Addresses at which this host is reached from outside, such as one that a router translates.
    pub endpoints: Vec<std::net::IpAddr>,
}

impl Tables {
    /// Return the rules for what this host dials outside for local clients, if it dials anything for them: those of the
    /// exit, or the rules without entries and the networks of the own addresses.
    pub(crate) fn direct(&self) -> Option<Exit> {
        let mesh = || self.addresses.iter().map(IpNet::trunc).collect();
        let is_direct = self.listeners.iter().any(|listener| listener.service.is_direct());
        is_direct.then(|| self.exit.clone().unwrap_or_else(|| Exit { mesh: mesh(), ..Exit::default() }))
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            mtu: 1420,
            congestion: Algorithm::default(),
            memory: budget::DEFAULT_BYTES,
            max_flows: 8192,
            udp_filtering: Filtering::default(),
            forwards: Vec::new(),
            exit: None,
            listeners: Vec::new(),
            dns: None,
        }
    }
}
