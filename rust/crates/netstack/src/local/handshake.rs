//! What a client of a listener says before its dial: octets in, answers and a request out.

use super::callers::Exchange;
use super::config::{Protocol, Proxy};
use crate::httpproxy::{self, Answer, Authorization, HeadReader};
use crate::socks::{self, Credentials};
use crate::target::Target;

/// The handshake of one client.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// The protocol, as far as it is known.
    protocol: Protocol,
    socks: socks::Handshake,
    http: HeadReader,
}

/// What is to be done after octets of a client.
#[derive(Debug)]
pub(crate) enum Step {
    /// More octets are needed.
    More,
    /// The connection is closed once the client was answered.
    Refuse,
    /// A dial.
    Dial(Target, Exchange),
    /// A relay of datagrams.
    Associate,
}

impl Handshake {
    /// Return the handshake for a proxy.
    pub(crate) fn new(proxy: &Proxy) -> Self {
        let login = proxy.login.as_ref();
        let credentials = login.map(|login| Credentials::new(&login.user, &login.password));
        let authorization = login.map(|login| Authorization::new(&login.user, &login.password));
        Self {
            protocol: proxy.protocol,
            socks: socks::Handshake::new(credentials),
            http: HeadReader::new(authorization),
        }
    }

    /// Process octets of the client, at least one, and append what it is to be sent to `out`.
    pub(crate) fn receive(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Step {
        if self.protocol == Protocol::Mixed {
            let is_socks = octets.first() == Some(&socks::VERSION);
            self.protocol = if is_socks { Protocol::Socks5 } else { Protocol::Http };
        }
        match self.protocol {
            Protocol::Socks5 => receive_socks(&mut self.socks, octets, out),
            Protocol::Http | Protocol::Mixed => receive_http(&mut self.http, octets, out),
        }
    }
}

fn receive_socks(socks: &mut socks::Handshake, octets: &[u8], out: &mut Vec<u8>) -> Step {
    match socks.receive(octets, out) {
        Ok(None) => Step::More,
        Ok(Some(socks::Request::Connect(target))) => Step::Dial(target, Exchange::Socks),
        Ok(Some(socks::Request::UdpAssociate(_))) => Step::Associate,
        Err(_) => Step::Refuse,
    }
}

fn receive_http(http: &mut HeadReader, octets: &[u8], out: &mut Vec<u8>) -> Step {
    let refuse = |answer: Answer, out: &mut Vec<u8>| {
        answer.write(out);
        Step::Refuse
    };
    match http.receive(octets) {
        Ok(None) => Step::More,
        Ok(Some(httpproxy::Request::Connect(target))) => Step::Dial(target, Exchange::Tunnel(http.take_rest())),
        Ok(Some(httpproxy::Request::Forward { target, mut head, mut body })) => {
            let rest = http.take_rest();
            let Ok(count) = body.take(&rest) else { return refuse(Answer::BadRequest, out) };
            head.extend_from_slice(&rest[..count]);
            Step::Dial(target, Exchange::Request(head, body))
        }
        Err(answer) => refuse(answer, out),
    }
}
