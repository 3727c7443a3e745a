//! The rules for names of a network stack, as Python configures them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::HostName;
use dns::resolv_conf::ResolvConf;
use dns::route::{NameServer, Path, Servers, Table};
use dns::zone::Zone;
use netstack::Dns;
use pyo3::prelude::*;

use crate::failure;

/// The port of name servers.
const PORT: u16 = 53;
/// The domain of own names, which are never asked of a server.
const OWN_DOMAIN: &str = "warren.internal";
/// The servers of the host's resolver (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The table `dns` of `warren.tunnel.netstack`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct FromDns {
    routes: HashMap<String, Vec<String>>,
    servers: Vec<String>,
    rebind_allow: Vec<String>,
    host_only: Vec<String>,
    listen: Option<String>,
}

impl FromDns {
    /// Return the rules; `mesh` are the prefixes of the network, and with an exit its peers are answered, too. The servers of
    /// the host are read now.
    pub(crate) fn rules(self, py: Python<'_>, mesh: Vec<ipnet::IpNet>, serves_peers: bool) -> PyResult<Dns> {
        let host = host_servers();
        let tunnel = servers(py, &self.servers)?;
        let routes = self.routes.iter().map(|(domain, texts)| Ok((name(py, domain)?, servers(py, texts)?)));
        let table = Table {
            zone: Zone::new(name(py, OWN_DOMAIN)?, &[], Vec::new()),
            routes: routes.collect::<PyResult<_>>()?,
            others: if tunnel.is_empty() { Arc::clone(&host) } else { tunnel },
            host_names: names(py, &self.host_only)?,
            host,
            mesh,
            rebind_allow: names(py, &self.rebind_allow)?,
        };
        let listen = self
            .listen
            .iter()
            .map(|text| text.parse().map_err(|_| failure::value(py, format!("invalid address to listen on {text:?}"))));
        Ok(Dns { rules: Arc::new(table), serves_peers, listen: listen.collect::<PyResult<_>>()? })
    }
}

fn names(py: Python<'_>, texts: &[String]) -> PyResult<HashSet<HostName>> {
    texts.iter().map(|text| name(py, text)).collect()
}

fn name(py: Python<'_>, text: &str) -> PyResult<HostName> {
    text.parse().map_err(|_| failure::value(py, format!("invalid name {text:?}")))
}

/// Return servers that are reached through the tunnel.
fn servers(py: Python<'_>, texts: &[String]) -> PyResult<Servers> {
    let server = |text: &String| {
        let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT)).or_else(|_| text.parse());
        let address = address.map_err(|_| failure::value(py, format!("invalid name server {text:?}")))?;
        Ok(NameServer { address, path: Path::Tunnel })
    };
    texts.iter().map(server).collect()
}

/// Return the servers of the host's resolver; none if there is no file.
fn host_servers() -> Servers {
    let conf = ResolvConf::parse(&fs::read_to_string(RESOLV_CONF).unwrap_or_default(), "");
    conf.servers.iter().map(|server| NameServer { address: server.address, path: Path::Host }).collect()
}
