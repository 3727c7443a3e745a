//! The server: a sink and a source of TCP, and a sink of UDP, on one port.

use std::io::{self, ErrorKind};
use std::net::{SocketAddrV4, TcpListener, UdpSocket};

use rustix::event::epoll::EventFlags;
use rustix::net::sockopt;

use crate::buffers;
use crate::control::{self, Control};
use crate::flows::{Flows, Role};
use crate::poller::{Poller, STDIN};

const LISTENER: u64 = 0;
const DATAGRAMS: u64 = 1;
const FIRST_FLOW: u64 = 2;
/// Datagrams that are read at once.
const MAX_BATCH: usize = 256;

/// Serve until standard input ends.
pub(crate) fn serve(at: SocketAddrV4, congestion: &str) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    sockopt::set_tcp_congestion(&listener, congestion)?; // accepted sockets inherit it
    let at = listener.local_addr()?;
    let datagrams = UdpSocket::bind(at)?;
    datagrams.set_nonblocking(true)?;
    buffers::enlarge(&datagrams)?;
    let mut poller = Poller::new()?;
    poller.add(&listener, LISTENER, EventFlags::IN)?;
    poller.add(&datagrams, DATAGRAMS, EventFlags::IN)?;
    let (mut flows, mut count) = (Flows::new(FIRST_FLOW), 0);
    control::print(&at.to_string())?;
    loop {
        for token in poller.wait()? {
            match token {
                STDIN => {
                    let report = || format!("{{\"datagrams\": {count}, {}}}", flows.report());
                    if control::answer(report)? == Control::End {
                        return Ok(());
                    }
                }
                LISTENER => accept(&listener, &mut flows, &poller)?,
                DATAGRAMS => count += receive(&datagrams)?,
                flow => flows.serve(flow, &poller),
            }
        }
    }
}

fn accept(listener: &TcpListener, flows: &mut Flows, poller: &Poller) -> io::Result<()> {
    loop {
        match listener.accept() {
            // A connection that was reset meanwhile has no peer.
            Ok((stream, _)) => drop(flows.add(stream, Role::Choose, poller)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Return how many datagrams were there.
fn receive(datagrams: &UdpSocket) -> io::Result<u64> {
    let mut buffer = [0; 2048];
    for count in 0..MAX_BATCH as u64 {
        match datagrams.recv(&mut buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
            Err(error) => return Err(error),
        }
    }
    Ok(MAX_BATCH as u64)
}
