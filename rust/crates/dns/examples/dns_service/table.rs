//! Tables in lines, each ended by an empty one:
//!
//! ```text
//! own NAME ADDRESS...        a name of this node, below warren.internal or elsewhere
//! mesh PREFIX                a prefix of the network
//! route DOMAIN SERVER...     dns_routes
//! others SERVER...           the servers of all other names
//! host NAME SERVER...        a name that is asked only of these
//! allow DOMAIN               dns_rebind_allow
//! ```

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::HostName;
use dns::route::{NameServer, Path, Servers, Table};
use dns::zone::Zone;

/// A request on standard input.
pub(crate) enum Command {
    Table(Arc<Table>),
    Counters,
}

/// The lines that came on standard input.
#[derive(Default)]
pub(crate) struct Commands {
    text: Vec<u8>,
    lines: Vec<String>,
}

impl Commands {
    /// Read what there is, and return the requests that are whole; None at the end of the input.
    pub(crate) fn read(&mut self) -> io::Result<Option<Vec<Command>>> {
        let mut buffer = [0; 4096];
        let length = rustix::io::read(io::stdin(), &mut buffer)?;
        if length == 0 {
            return Ok(None);
        }
        self.text.extend(&buffer[..length]);
        let mut commands = Vec::new();
        while let Some(end) = self.text.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            match String::from_utf8_lossy(&line).trim() {
                "" => commands.push(Command::Table(Arc::new(parse(&std::mem::take(&mut self.lines))?))),
                "counters" => commands.push(Command::Counters),
                line => self.lines.push(line.to_owned()),
            }
        }
        Ok(Some(commands))
    }
}

fn parse(lines: &[String]) -> io::Result<Table> {
    let domain: HostName = value("warren.internal")?;
    let (mut hosts, mut mesh, mut routes) = (Vec::new(), Vec::new(), HashMap::new());
    let (mut others, mut host): (Servers, Servers) = ([].into(), [].into());
    let (mut host_names, mut rebind_allow) = (HashSet::new(), HashSet::new());
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["own", name, addresses @ ..] => hosts.push((value(name)?, values::<IpAddr>(addresses)?)),
            ["mesh", prefix] => mesh.push(value(prefix)?),
            ["route", domain, addresses @ ..] => {
                routes.insert(value(domain)?, servers(addresses, Path::Tunnel)?);
            }
            ["others", addresses @ ..] => others = servers(addresses, Path::Tunnel)?,
            ["host", name, addresses @ ..] => {
                host_names.insert(value(name)?);
                host = servers(addresses, Path::Host)?;
            }
            ["allow", domain] => {
                rebind_allow.insert(value(domain)?);
            }
            _ => return Err(io::Error::other(format!("unknown line: {line:?}"))),
        }
    }
    let zone = Zone::new(domain, &hosts, mesh.clone());
    Ok(Table { zone, routes, others, host_names, host, mesh, rebind_allow })
}

fn servers(addresses: &[&str], path: Path) -> io::Result<Servers> {
    let addresses = values::<SocketAddr>(addresses)?;
    Ok(addresses.into_iter().map(|address| NameServer { address, path }).collect())
}

fn values<T: std::str::FromStr>(texts: &[&str]) -> io::Result<Vec<T>> {
    texts.iter().map(|text| value(text)).collect()
}

fn value<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| io::Error::other(format!("invalid value: {text:?}")))
}
