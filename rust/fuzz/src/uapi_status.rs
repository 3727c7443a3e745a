//! The response of any server: rejected with a line, or a status that round-trips.

use device::uapi::{format, parse};

/// Parse any octets as a response without its empty line.
pub fn run(octets: &[u8]) {
    let lines = octets.iter().filter(|octet| **octet == b'\n').count();
    if let Ok(errno) = parse::errno(octets) {
        assert!(errno >= 0);
    }
    match parse::status(octets) {
        Ok(status) => {
            let mut text = Vec::new();
            format::status(&status, &mut text).expect("memory takes all");
            assert_eq!(parse::status(&text), Ok(status));
        }
        Err(error) => assert!((1..=lines + 1).contains(&error.line), "{error}"),
    }
}
