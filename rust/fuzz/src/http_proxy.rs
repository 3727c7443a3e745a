//! A client of the HTTP proxy: read alike in any pieces; what is forwarded is one request with one framing.

use netstack::httpproxy::{Authorization, HeadReader, Request};

/// Run with a variant, the size of pieces, and what the client sends.
pub fn run(octets: &[u8]) {
    let [variant, piece, octets @ ..] = octets else { return };
    let authorization = || (variant & 1 == 1).then(|| Authorization::new("ann", b"secret"));
    let mut whole = HeadReader::new(authorization());
    let expected = whole.receive(octets);
    let (mut pieces, mut result, mut rest) = (HeadReader::new(authorization()), Ok(None), octets);
    while !rest.is_empty() && result == Ok(None) {
        let (part, after) = rest.split_at(usize::from(*piece).clamp(1, rest.len()));
        (rest, result) = (after, pieces.receive(part));
    }
    assert_eq!(result, expected);
    let body = whole.take_rest();
    match expected {
        Err(answer) => {
            let mut out = Vec::new();
            answer.write(&mut out);
            assert!(out.starts_with(b"HTTP/1.1 4") && out.ends_with(b"\r\n\r\n"));
        }
        Ok(Some(Request::Forward { head, body: mut framing, .. })) => {
            verify_head(&head);
            let used = framing.take(&body);
            assert!(used.is_ok_and(|used| used == body.len() || framing.is_complete()) || framing.is_chunked());
        }
        Ok(_) => {}
    }
}

/// Verify that a head that is forwarded ends once, and frames its body once.
fn verify_head(head: &[u8]) {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    assert_eq!(text.find("\r\n\r\n"), Some(text.len() - 4));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    let count = |name: &str| text.matches(&format!("\r\n{name}:")).count();
    assert!(count("content-length") + count("transfer-encoding") <= 1);
    assert_eq!((count("host"), count("connection"), count("proxy-authorization")), (1, 1, 0));
}
