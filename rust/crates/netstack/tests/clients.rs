//! curl as the client of both proxies on one listener: the parsers, with plain sockets around them.
//!
//! ```text
//! curl -> listener (SOCKS5 or HTTP by the first octet) -> origin, which answers with what it was asked
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what cannot be set up is a failure of its own")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use netstack::httpproxy::{Answer, Authorization, HeadReader, Request as HttpRequest};
use netstack::socks::{self, Credentials, Handshake, Reply, Request as SocksRequest};
use netstack::target::{Host, Target};

const NAME: &str = "a.example";
const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Serve every connection of a new listener by `serve`, and return its address.
fn listen(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Answer a request with its own octets, up to the end of its body.
fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
        if head.contains("chunked") { body.ends_with("0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) }
    };
    while !is_whole(&request) {
        let count = stream.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..count]);
    }
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", request.len())?;
    stream.write_all(&request)
}

/// Serve a client of either proxy, for which the only host is the origin.
fn proxy(mut client: TcpStream, origin: SocketAddr, requires_login: bool) -> std::io::Result<()> {
    let mut first = [0];
    client.peek(&mut first)?;
    if first[0] == socks::VERSION {
        serve_socks(&mut client, origin, requires_login.then(|| Credentials::new("ann", b"secret")))
    } else {
        serve_http(&mut client, origin, requires_login.then(|| Authorization::new("ann", b"secret")))
    }
}

/// Connect to the origin by its name, or to nothing.
fn dial(target: &Target, origin: SocketAddr) -> Option<TcpStream> {
    let is_origin = target.host == Host::Name(NAME.to_owned()) || target.host == Host::Address(origin.ip());
    is_origin.then(|| TcpStream::connect(origin).ok())?
}

fn serve_socks(client: &mut TcpStream, origin: SocketAddr, credentials: Option<Credentials>) -> std::io::Result<()> {
    let mut handshake = Handshake::new(credentials);
    let (mut buffer, mut out) = ([0; 7], Vec::new());
    let request = loop {
        let count = client.read(&mut buffer)?;
        let result = handshake.receive(&buffer[..count], &mut out);
        client.write_all(&out)?;
        out.clear();
        match result {
            Ok(None) if count > 0 => {}
            Ok(Some(SocksRequest::Connect(target))) => break target,
            _ => return Ok(()),
        }
    };
    let outside = dial(&request, origin);
    let reply = if outside.is_some() { Reply::Succeeded } else { Reply::HostUnreachable };
    reply.write(client.local_addr()?, &mut out);
    client.write_all(&out)?;
    outside.map_or(Ok(()), |outside| relay(client, outside))
}

fn serve_http(client: &mut TcpStream, origin: SocketAddr, login: Option<Authorization>) -> std::io::Result<()> {
    let mut reader = HeadReader::new(login);
    let (mut buffer, mut out) = ([0; 50], Vec::new());
    let request = loop {
        let count = client.read(&mut buffer)?;
        match reader.receive(&buffer[..count]) {
            Ok(None) if count > 0 => {}
            Ok(None) => return Ok(()),
            Ok(Some(request)) => break request,
            Err(answer) => {
                answer.write(&mut out);
                return client.write_all(&out);
            }
        }
    };
    let (HttpRequest::Connect(target) | HttpRequest::Forward { target, .. }) = &request;
    let Some(mut outside) = dial(target, origin) else {
        Answer::Forbidden.write(&mut out);
        return client.write_all(&out);
    };
    match request {
        HttpRequest::Connect(_) => {
            Answer::Established.write(&mut out);
            client.write_all(&out)?;
            outside.write_all(&reader.take_rest())?;
        }
        HttpRequest::Forward { head, mut body, .. } => {
            outside.write_all(&head)?;
            let mut part = reader.take_rest();
            loop {
                let used = body.take(&part).map_err(std::io::Error::other)?;
                outside.write_all(&part[..used])?;
                if body.is_complete() {
                    break;
                }
                let count = client.read(&mut buffer)?;
                part = buffer[..count].to_vec();
            }
        }
    }
    relay(client, outside)
}

/// Copy octets both ways until the outside ends.
fn relay(client: &mut TcpStream, mut outside: TcpStream) -> std::io::Result<()> {
    let (mut from_client, mut to_outside) = (client.try_clone()?, outside.try_clone()?);
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_outside));
    std::io::copy(&mut outside, client)?;
    client.shutdown(std::net::Shutdown::Both)
}

/// Run curl through the proxy. Return its exit status, and what it printed.
fn curl(requires_login: bool, scheme: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let origin = listen(echo);
    let listener = listen(move |client| proxy(client, origin, requires_login));
    let done = Command::new("curl")
        .args(["--silent", "--max-time", "60", "--proxy", &format!("{scheme}{listener}")])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("curl is installed");
    (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn curl_reaches_a_name_and_an_address_through_socks5() {
    for host in [NAME, "127.0.0.1"] {
        let (status, text) = curl(false, "socks5h://", &[&format!("http://{host}/b?c=d")]);
        assert!(status == Some(0) && text.starts_with("GET /b?c=d HTTP/1.1\r\n"), "{status:?} {text}");
    }
    let (status, _) = curl(false, "socks5h://", &["http://b.example/"]);
    assert_eq!(status, Some(97), "a reply that says why");
}

#[test]
fn curl_logs_in_to_socks5() {
    let (status, text) = curl(true, "socks5h://ann:secret@", &["http://a.example/"]);
    assert!(status == Some(0) && text.starts_with("GET / HTTP/1.1\r\n"), "{status:?} {text}");
    for login in ["ann:wrong@", ""] {
        let (status, _) = curl(true, &format!("socks5h://{login}"), &["http://a.example/"]);
        assert_eq!(status, Some(97), "{login}");
    }
}

#[test]
fn curl_has_requests_forwarded() {
    let (status, text) = curl(false, "http://", &["http://a.example/b?c=d"]);
    assert!(status == Some(0) && text.starts_with("GET /b?c=d HTTP/1.1\r\nHost: a.example\r\n"), "{status:?} {text}");
    assert!(text.contains("\r\nConnection: close\r\n") && !text.contains("Proxy"), "{text}");
    let body = "x".repeat(3000);
    let (status, text) = curl(false, "http://", &["--data", &body, "http://a.example/"]);
    assert!(status == Some(0) && text.ends_with(&format!("\r\n\r\n{body}")), "{status:?} {text}");
    let chunked = ["--header", "Transfer-Encoding: chunked", "--data", &body, "http://a.example/"];
    let (status, text) = curl(false, "http://", &chunked);
    assert!(status == Some(0) && text.ends_with(&format!("{body}\r\n0\r\n\r\n")), "{status:?} {text}");
}

#[test]
fn curl_opens_a_stream_by_connect() {
    let (status, text) = curl(false, "http://", &["--proxytunnel", "http://a.example/b"]);
    assert!(status == Some(0) && text.starts_with("GET /b HTTP/1.1\r\nHost: a.example\r\n"), "{status:?} {text}");
    let (status, code) =
        curl(false, "http://", &["--proxytunnel", "--write-out", "%{http_connect}", "http://b.example/"]);
    assert_eq!((status, code.as_str()), (Some(56), "403"));
}

#[test]
fn curl_logs_in_to_the_http_proxy() {
    let code = ["--output", "/dev/null", "--write-out", "%{http_code}", "http://a.example/"];
    assert_eq!(curl(true, "http://ann:secret@", &code), (Some(0), "200".to_owned()));
    assert_eq!(curl(true, "http://ann:wrong@", &code), (Some(0), "407".to_owned()));
    assert_eq!(curl(true, "http://", &code), (Some(0), "407".to_owned()));
    assert_eq!(
        curl(false, "http://", &["--output", "/dev/null", "--write-out", "%{http_code}", "http://b.example/"]).1,
        "403"
    );
}
