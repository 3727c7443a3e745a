//! Serves the resolver on sockets of this host: `dns_service ADDRESS:PORT`, over UDP and TCP.
//!
//! Tables come on standard input, see `table`. It says `ready ADDRESS` after the first, `table` after each later one, and
//! ends with its input. A line `counters` shows what became of the queries.

mod clients;
mod servers;
mod table;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use dns::resolver::Resolver;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::clients::Clients;
use crate::servers::Servers;
use crate::table::{Command, Commands};

fn main() -> io::Result<()> {
    let usage = || io::Error::other("usage: dns_service ADDRESS:PORT");
    let address: SocketAddr = std::env::args().nth(1).and_then(|text| text.parse().ok()).ok_or_else(usage)?;
    raise_descriptor_limit();
    let mut service = DnsService { clients: Clients::listen(address)?, servers: Servers::default(), resolver: None };
    let mut commands = Commands::default();
    while service.turn(&mut commands)? {}
    Ok(())
}

/// A port for each question in flight takes more descriptors than the usual soft limit.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

struct DnsService {
    clients: Clients,
    servers: Servers,
    resolver: Option<Resolver>,
}

impl DnsService {
    /// Wait for one event, and act on all there are; return false at the end of the input.
    fn turn(&mut self, commands: &mut Commands) -> io::Result<bool> {
        let deadline = self.resolver.as_ref().and_then(Resolver::next_deadline);
        let stdin = io::stdin();
        let mut watched = vec![PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
        if self.resolver.is_some() {
            watched.extend(self.clients.watched());
        }
        watched.extend(self.servers.watched());
        let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        poll(&mut watched, timeout.and_then(|timeout| Timespec::try_from(round_up(timeout)).ok()).as_ref())?;
        let has_input = watched.first().is_some_and(|fd| !fd.revents().is_empty());
        if has_input && !self.take_commands(commands)? {
            return Ok(false);
        }
        self.progress()?;
        Ok(true)
    }

    fn progress(&mut self) -> io::Result<()> {
        let Some(resolver) = &mut self.resolver else { return Ok(()) };
        let mut random = random;
        self.clients.receive(|client, octets| resolver.receive(client, octets, Instant::now(), &mut random))?;
        self.servers.receive(resolver, &mut random);
        resolver.on_deadline(Instant::now(), &mut random);
        while let Some(outgoing) = resolver.take_outgoing() {
            self.servers.carry_out(outgoing, resolver, &mut random);
        }
        while let Some(answer) = resolver.take_answer() {
            self.clients.answer(&answer);
        }
        Ok(())
    }

    fn take_commands(&mut self, commands: &mut Commands) -> io::Result<bool> {
        let Some(lines) = commands.read()? else { return Ok(false) };
        for command in lines {
            match (command, &mut self.resolver) {
                (Command::Table(table), Some(resolver)) => {
                    resolver.set_table(table, Instant::now(), &mut random);
                    println!("table");
                }
                (Command::Table(table), none) => {
                    *none = Some(Resolver::new(table));
                    println!("ready {}", self.clients.address()?);
                }
                (Command::Counters, resolver) => println!("{:?}", resolver.as_ref().map(Resolver::counters)),
            }
        }
        io::stdout().flush()?;
        Ok(true)
    }
}

/// poll(2) counts milliseconds in places, and must not return before the deadline again and again.
fn round_up(timeout: Duration) -> Duration {
    timeout + Duration::from_micros(500)
}

fn random() -> u16 {
    let mut octets = [0; 2];
    while getrandom(&mut octets, GetRandomFlags::empty()).is_err() {}
    u16::from_ne_bytes(octets)
}
