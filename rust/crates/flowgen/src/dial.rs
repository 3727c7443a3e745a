//! Connections of a client, directly or through a SOCKS5 proxy (RFC 1928, CONNECT without authentication).

use std::io::{self, Error, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with};

use crate::arguments::Target;
use crate::control;
use crate::direction::Service;

/// How long a step of a connection may take.
const TIMEOUT: Duration = Duration::from_secs(10);
const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const IPV6: u8 = 4;

impl Target {
    /// Open a connection on which a byte has come back from the server: a forwarder may accept before it has connected.
    pub(crate) fn dial(&self) -> io::Result<TcpStream> {
        let mut stream = self.connect()?;
        // What is still in the buffers when this program ends is of no interest, and would be sent for a long time.
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        stream.write_all(&[Service::Echo.byte()])?;
        stream.read_exact(&mut [0])?;
        Ok(stream)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
        sockopt::set_tcp_congestion(&socket, &self.congestion)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        for timeout in [Timeout::Send, Timeout::Recv] {
            sockopt::set_socket_timeout(&socket, timeout, Some(TIMEOUT))?;
        }
        connect(&socket, &self.proxy.unwrap_or(self.address))?;
        let mut stream = TcpStream::from(socket);
        if self.proxy.is_some() {
            request(&mut stream, self.address)?;
        }
        Ok(stream)
    }
}

/// Have a proxy connect to an address.
fn request(stream: &mut TcpStream, to: SocketAddrV4) -> io::Result<()> {
    stream.write_all(&[VERSION, 1, 0])?;
    let mut method = [0; 2];
    stream.read_exact(&mut method)?;
    if method != [VERSION, 0] {
        return Err(Error::other(format!("the proxy chose the method {}", method[1])));
    }
    let mut request = vec![VERSION, CONNECT, 0, IPV4];
    request.extend_from_slice(&to.ip().octets());
    request.extend_from_slice(&to.port().to_be_bytes());
    stream.write_all(&request)?;
    let mut reply = [0; 4];
    stream.read_exact(&mut reply)?;
    if reply[1] != 0 {
        return Err(Error::other(format!("the proxy replied {}", reply[1])));
    }
    let mut bound = [0; 18];
    let len = if reply[3] == IPV6 { 18 } else { 6 };
    stream.read_exact(&mut bound[..len])
}

/// Open connections one after the other, each for one byte there and back, and print their times.
pub(crate) fn measure(to: &Target, count: usize) -> io::Result<()> {
    let mut times = Vec::with_capacity(count);
    let start = Instant::now();
    for _ in 0..count {
        let dialled_at = Instant::now();
        match to.dial() {
            Ok(_) => times.push(dialled_at.elapsed().as_secs_f64()),
            Err(error) => eprintln!("warren-flowgen: {error}"),
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let times: Vec<_> = times.iter().map(|time| format!("{time:.6}")).collect();
    control::print(&format!("{{\"seconds\": {seconds:.6}, \"times\": [{}]}}", times.join(", ")))
}
