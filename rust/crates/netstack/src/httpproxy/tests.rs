//! Heads that are forwarded, answered, or refused because two servers could read them in two ways.

use super::*;
use proptest::prelude::*;

fn read(head: &str) -> Result<Request, Answer> {
    let mut reader = HeadReader::new(None);
    reader.receive(head.as_bytes()).map(|request| request.expect("a complete head"))
}

/// Return the lines of the head that is forwarded.
fn forwarded(head: &str) -> Vec<String> {
    match read(head) {
        Ok(Request::Forward { head, .. }) => {
            let text = String::from_utf8(head).unwrap();
            let lines = text.strip_suffix("\r\n\r\n").unwrap();
            lines.split("\r\n").map(str::to_owned).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn target(text: &str) -> Target {
    Target::parse(text, None).unwrap()
}

#[test]
fn connect_names_a_host_and_a_port() {
    let connect = |uri: &str| read(&format!("CONNECT {uri} HTTP/1.1\r\nHost: {uri}\r\nUser-Agent: curl\r\n\r\n"));
    assert_eq!(connect("example.org:443"), Ok(Request::Connect(target("example.org:443"))));
    assert_eq!(connect("[2001:db8::1]:443"), Ok(Request::Connect(target("[2001:db8::1]:443"))));
    for uri in ["example.org", "http://example.org:443", "example.org:0", "example.org:443/", "a@example.org:443"] {
        let head = format!("CONNECT {uri} HTTP/1.1\r\nHost: example.org\r\n\r\n");
        assert_eq!(read(&head), Err(Answer::BadRequest), "{uri}");
    }
}

#[test]
fn an_absolute_uri_becomes_a_path_and_a_host() {
    let cases = [
        ("GET", "http://example.org/a?b=c", "GET /a?b=c HTTP/1.1", "Host: example.org"),
        ("GET", "HTTP://Example.org:8080", "GET / HTTP/1.1", "Host: example.org:8080"),
        ("POST", "http://192.0.2.1:80/", "POST / HTTP/1.1", "Host: 192.0.2.1"),
        ("GET", "http://[2001:db8::1]?q", "GET /?q HTTP/1.1", "Host: [2001:db8::1]"),
        ("OPTIONS", "http://example.org", "OPTIONS * HTTP/1.1", "Host: example.org"),
        ("PROPFIND", "http://example.org/http://other", "PROPFIND /http://other HTTP/1.1", "Host: example.org"),
    ];
    for (method, uri, line, host) in cases {
        let lines = forwarded(&format!("{method} {uri} HTTP/1.1\r\nHost: other.example\r\n\r\n"));
        assert_eq!(lines, [line, host, "Connection: close"], "{uri}");
    }
    assert_eq!(forwarded("GET http://a.example/ HTTP/1.0\r\n\r\n")[0], "GET / HTTP/1.0");
    for uri in ["/", "*", "https://example.org/", "http:/a/", "http:///a", "http://a@b/", "http://a/#b", "http://a:b/"]
    {
        let head = format!("GET {uri} HTTP/1.1\r\nHost: example.org\r\n\r\n");
        assert_eq!(read(&head), Err(Answer::BadRequest), "{uri}");
    }
}

#[test]
fn headers_for_this_hop_are_removed() {
    let head = "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nConnection: keep-alive, X-Token\r\n\
                Proxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\n\
                Proxy-Authorization: Basic eDp5\r\nx-token: 1\r\nCookie: a=b\r\nProxy-Authenticate: x\r\n\
                connection: Cookie2\r\nCookie2: c\r\n\r\n";
    let expected = ["GET / HTTP/1.1", "Host: a.example", "Accept: */*", "Cookie: a=b", "Connection: close"];
    assert_eq!(forwarded(head), expected);
}

#[test]
fn the_framing_of_a_body_is_forwarded() {
    let body = |headers: &str| match read(&format!("PUT http://a.example/ HTTP/1.1\r\nHost: a\r\n{headers}\r\n")) {
        Ok(Request::Forward { head, body, .. }) => (String::from_utf8(head).unwrap(), body),
        other => panic!("{other:?}"),
    };
    let (head, framing) = body("Content-Length: 5\r\n");
    assert!(head.contains("Content-Length: 5\r\n") && framing == Body::of_length(5));
    let (head, framing) = body("transfer-encoding: Chunked\r\n");
    assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n") && framing == Body::chunked());
    assert_eq!(body("").1, Body::none());
}

#[test]
fn malformed_and_ambiguous_heads_are_refused() {
    let start = "POST http://a.example/ HTTP/1.1\r\n";
    let headers = [
        // Host.
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        // Content-Length.
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "Host: a\r\nContent-Length: 1\r\ncontent-length: 2\r\n",
        "Host: a\r\nContent-Length: 1, 1\r\n",
        "Host: a\r\nContent-Length: +1\r\n",
        "Host: a\r\nContent-Length: -1\r\n",
        "Host: a\r\nContent-Length: 0x1\r\n",
        "Host: a\r\nContent-Length: \r\n",
        "Host: a\r\nContent-Length: 99999999999999999999\r\n",
        // Transfer-Encoding.
        "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, identity\r\n",
        "Host: a\r\nTransfer-Encoding: identity\r\n",
        "Host: a\r\nTransfer-Encoding: xchunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked;q=1\r\n",
        "Host: a\r\nTransfer-Encoding: \x0bchunked\r\n",
        // Names and lines.
        "Host: a\r\nContent-Length : 1\r\n",
        "Host: a\r\n Content-Length: 1\r\n",
        "Host: a\r\nX: a\r\n\tb\r\n",
        "Host: a\r\nX: a\nContent-Length: 1\r\n",
        "Host: a\r\nX: a\rContent-Length: 1\r\n",
        "Host: a\r\nX: a\0b\r\n",
        "Host: a\r\nX\r\n",
        "Host: a\r\n: b\r\n",
        "Host: a\r\nX(: b\r\n",
        // Headers without which it is another request.
        "Host: a\r\nConnection: content-length\r\nContent-Length: 1\r\n",
        "Host: a\r\nConnection: close, Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nConnection: Host\r\n",
        "Host: a\r\nProxy-Authorization: Basic a\r\nProxy-Authorization: Basic b\r\n",
    ];
    for headers in headers {
        assert_eq!(read(&format!("{start}{headers}\r\n")), Err(Answer::BadRequest), "{headers:?}");
    }
    let heads = [
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET http://a.example/\r\n\r\n",
        "GET  http://a.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a.example/ HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET http://a.example/ b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a.example/ HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\nHost: a\r\n\r\n",
        "\nGET http://a.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        "G\x01T http://a.example/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST http://a.example/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
    ];
    for head in heads {
        assert_eq!(read(head), Err(Answer::BadRequest), "{head:?}");
    }
}

#[test]
fn trace_is_not_forwarded() {
    assert_eq!(read("TRACE http://a.example/ HTTP/1.1\r\nHost: a\r\n\r\n"), Err(Answer::MethodNotAllowed));
}

#[test]
fn a_head_has_limits_of_its_length_and_of_its_headers() {
    let head = |count: usize| {
        let headers: String = (1..count).map(|number| format!("X{number}: a\r\n")).collect();
        format!("GET http://a.example/ HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
    };
    assert!(read(&head(MAX_HEADERS)).is_ok());
    assert_eq!(read(&head(MAX_HEADERS + 1)), Err(Answer::HeadTooLarge));
    let long = |length: usize| {
        let start = "GET http://a.example/ HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{start}{}\r\n\r\n", "a".repeat(length - start.len() - 4))
    };
    assert!(read(&long(MAX_HEAD)).is_ok());
    assert_eq!(read(&long(MAX_HEAD + 1)), Err(Answer::HeadTooLarge));
    let mut endless = HeadReader::new(None);
    assert_eq!(endless.receive(&vec![b'a'; MAX_HEAD]), Ok(None));
    assert_eq!(endless.receive(b"a"), Err(Answer::HeadTooLarge));
}

#[test]
fn user_and_password_are_required_of_every_method() {
    let mut answers = Vec::new();
    for line in ["CONNECT a.example:443", "GET http://a.example/", "TRACE http://a.example/"] {
        for (value, is_right) in [
            ("Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n", true),
            ("proxy-authorization: bAsIc   YW5uOnNlY3JldA==  \r\n", true),
            ("Proxy-Authorization: Basic YW5uOnNlY3JldB==\r\n", false),
            ("Proxy-Authorization: Basic\r\n", false),
            ("Proxy-Authorization: Bearer YW5uOnNlY3JldA==\r\n", false),
            ("Authorization: Basic YW5uOnNlY3JldA==\r\n", false),
            ("", false),
        ] {
            let mut reader = HeadReader::new(Some(Authorization::new("ann", b"secret")));
            let result = reader.receive(format!("{line} HTTP/1.1\r\nHost: a\r\n{value}\r\n").as_bytes());
            assert_eq!(result == Err(Answer::AuthenticationRequired), !is_right, "{line} {value}");
            answers.push(result);
        }
    }
    assert_eq!(answers.iter().filter(|result| result.is_ok()).count(), 4);
    assert_eq!(format!("{:?}", Authorization::new("ann", b"secret")), "Authorization { .. }");
}

#[test]
fn base64_is_that_of_rfc_4648() {
    let vectors =
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
    for (octets, expected) in vectors {
        assert_eq!(base64(octets.as_bytes()), expected.as_bytes());
    }
}

#[test]
fn what_follows_the_head_is_kept() {
    let mut reader = HeadReader::new(None);
    let octets = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n\x16\x03\x01\r\n\r\n";
    assert_eq!(reader.receive(octets), Ok(Some(Request::Connect(target("a.example:443")))));
    assert_eq!((reader.take_rest(), reader.take_rest()), (b"\x16\x03\x01\r\n\r\n".to_vec(), vec![]));
}

#[test]
fn each_answer_is_a_head_that_ends_the_connection() {
    let written = |answer: Answer| {
        let mut out = Vec::new();
        answer.write(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written(Answer::Established), "HTTP/1.1 200 Connection Established\r\n\r\n");
    let end = "\r\nContent-Length: 0\r\nConnection: close\r\n";
    let cases = [
        (Answer::BadRequest, "400 Bad Request", ""),
        (Answer::Forbidden, "403 Forbidden", ""),
        (Answer::HeadTooLarge, "431 Request Header Fields Too Large", ""),
        (Answer::GatewayTimeout, "504 Gateway Timeout", ""),
        (Answer::BadGateway(GatewayError::Refused), "502 Bad Gateway", "Warren-Error: refused\r\n"),
        (Answer::BadGateway(GatewayError::Unreachable), "502 Bad Gateway", "Warren-Error: unreachable\r\n"),
        (Answer::BadGateway(GatewayError::Name), "502 Bad Gateway", "Warren-Error: name\r\n"),
    ];
    for (answer, status, header) in cases {
        assert_eq!(written(answer), format!("HTTP/1.1 {status}{end}{header}\r\n"));
    }
    assert!(written(Answer::AuthenticationRequired).contains("407 Proxy Authentication Required\r\n"));
    assert!(written(Answer::AuthenticationRequired).contains("Proxy-Authenticate: Basic realm=\"warren\""));
    assert!(written(Answer::MethodNotAllowed).contains("Allow: CONNECT, "));
}

proptest! {
    #[test]
    fn a_head_is_read_alike_in_any_pieces(
        parts in prop::collection::vec(prop::sample::select(vec![
            "GET ", "CONNECT ", "http://a.example/", "a.example:443", " HTTP/1.1", "\r\n", "\r\n\r\n", "Host: a",
            "Content-Length: 1", "Transfer-Encoding: chunked", ": ", "X", "\n", "\0", " ", "Connection: close",
        ]), 0..20),
        cuts in prop::collection::vec(1usize..20, 0..60),
    ) {
        let octets = parts.concat().into_bytes();
        let mut reader = HeadReader::new(None);
        let whole = reader.receive(&octets);
        let (mut pieces, mut result, mut rest) = (HeadReader::new(None), Ok(None), &octets[..]);
        let mut cuts = cuts.into_iter();
        while !rest.is_empty() && result == Ok(None) {
            let (piece, after) = rest.split_at(cuts.next().unwrap_or(9).min(rest.len()));
            (rest, result) = (after, pieces.receive(piece));
        }
        prop_assert_eq!(&result, &whole);
        prop_assert_eq!([pieces.take_rest(), rest.to_vec()].concat(), reader.take_rest());
    }

    /// A head that is forwarded has one framing, whoever reads it.
    #[test]
    fn a_forwarded_head_is_framed_once(
        headers in prop::collection::vec((
            prop::sample::select(vec!["Content-Length", "transfer-encoding", "Connection", "X", "TE", "Host", "Upgrade"]),
            prop::sample::select(vec!["1", "chunked", "close", "x", "te, upgrade", "content-length", "a.example", "1,1"]),
        ), 0..6),
    ) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if let Ok(Request::Forward { head, body, .. }) = read(&format!("PUT http://a.example/ HTTP/1.1\r\n{lines}\r\n")) {
            let text = String::from_utf8(head).unwrap().to_ascii_lowercase();
            let count = |name: &str| text.matches(&format!("\r\n{name}:")).count();
            let framed = count("content-length") + count("transfer-encoding");
            prop_assert_eq!((framed, count("host"), count("connection")), (usize::from(body != Body::none()), 1, 1));
            prop_assert_eq!(count("te") + count("upgrade"), 0);
            prop_assert_eq!(read(&text.replacen("put /", "PUT http://a.example/", 1).replacen("http/1.1", "HTTP/1.1", 1)).is_ok(), true);
        }
    }
}
