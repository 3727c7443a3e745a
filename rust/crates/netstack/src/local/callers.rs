//! What clients of the host are told about their dials, in their own protocols.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::dial::{Caller, Failure};
use crate::httpbody::Body;
use crate::httpproxy::{Answer, GatewayError};
use crate::permit::Permit;
use crate::socks::Reply;

/// What a client asked for, by which it is answered.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// CONNECT of SOCKS5.
    Socks,
    /// CONNECT of HTTP, and the octets that came behind its head.
    Tunnel(Vec<u8>),
    /// A request of HTTP: its head and the part of the body that came with it, and the framing of the rest.
    Request(Vec<u8>, Body),
    /// A stream without a protocol of its own.
    Plain,
}

/// A client of a listener.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) exchange: Exchange,
    pub(crate) permit: Option<Permit>,
}

impl Caller for Client {
    fn connected(&mut self, remote: SocketAddr) -> Vec<u8> {
        let mut out = Vec::new();
        match self.exchange {
            Exchange::Socks => Reply::Succeeded.write(unspecified(remote), &mut out),
            Exchange::Tunnel(_) => Answer::Established.write(&mut out),
            Exchange::Request(..) | Exchange::Plain => {}
        }
        out
    }

    fn failed(&mut self, failure: Failure) -> Vec<u8> {
        let mut out = Vec::new();
        match self.exchange {
            Exchange::Socks => reply(failure).write((Ipv4Addr::UNSPECIFIED, 0).into(), &mut out),
            Exchange::Tunnel(_) | Exchange::Request(..) => answer(failure).write(&mut out),
            Exchange::Plain => {}
        }
        out
    }

    fn preface(&mut self) -> Vec<u8> {
        match &mut self.exchange {
            Exchange::Tunnel(octets) | Exchange::Request(octets, _) => std::mem::take(octets),
            Exchange::Socks | Exchange::Plain => Vec::new(),
        }
    }

    fn framing(&mut self) -> Option<Body> {
        match &mut self.exchange {
            Exchange::Request(_, body) => Some(std::mem::replace(body, Body::none())),
            Exchange::Socks | Exchange::Tunnel(_) | Exchange::Plain => None,
        }
    }

    fn permit(&mut self) -> Option<Permit> {
        self.permit.take()
    }
}

/// Return the address that a reply gives for the own end, which is of no use to a client.
fn unspecified(remote: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    (ip, 0).into()
}

fn reply(failure: Failure) -> Reply {
    match failure {
        Failure::NoPeer | Failure::Prohibited => Reply::NotAllowed,
        Failure::NetworkUnreachable => Reply::NetworkUnreachable,
        Failure::Unreachable | Failure::UnknownName => Reply::HostUnreachable,
        Failure::Refused => Reply::Refused,
        Failure::TimedOut => Reply::TimedOut,
        Failure::Limit | Failure::Closed => Reply::Failure,
    }
}

fn answer(failure: Failure) -> Answer {
    match failure {
        Failure::NoPeer | Failure::Prohibited => Answer::Forbidden,
        Failure::Refused => Answer::BadGateway(GatewayError::Refused),
        Failure::UnknownName => Answer::BadGateway(GatewayError::Name),
        Failure::TimedOut => Answer::GatewayTimeout,
        Failure::NetworkUnreachable | Failure::Unreachable | Failure::Limit | Failure::Closed => {
            Answer::BadGateway(GatewayError::Unreachable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_reply_and_its_answer() {
        let cases = [
            (Failure::NoPeer, 2, "403 Forbidden", ""),
            (Failure::Prohibited, 2, "403 Forbidden", ""),
            (Failure::NetworkUnreachable, 3, "502 Bad Gateway", "unreachable"),
            (Failure::Unreachable, 4, "502 Bad Gateway", "unreachable"),
            (Failure::UnknownName, 4, "502 Bad Gateway", "name"),
            (Failure::Refused, 5, "502 Bad Gateway", "refused"),
            (Failure::TimedOut, 6, "504 Gateway Timeout", ""),
            (Failure::Limit, 1, "502 Bad Gateway", "unreachable"),
        ];
        for (failure, code, status, reason) in cases {
            let failed = |exchange| Client { exchange, permit: None }.failed(failure);
            assert_eq!(failed(Exchange::Socks), [5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
            let answer = String::from_utf8(failed(Exchange::Tunnel(Vec::new()))).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
            assert_eq!(
                answer.split("Warren-Error: ").nth(1).map_or("", |rest| rest.split('\r').next().unwrap()),
                reason
            );
        }
    }
}
