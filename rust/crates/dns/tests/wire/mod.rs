//! Messages as a server writes them.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

pub const A: u16 = 1;
pub const CNAME: u16 = 5;
pub const AAAA: u16 = 28;
pub const OPT: u16 = 41;
/// A pointer to the name of the question.
pub const ASKED: [u8; 2] = [0xc0, 0x0c];
pub const NO_ERROR: u8 = 0;
pub const FORMERR: u8 = 1;
pub const SERVFAIL: u8 = 2;
pub const NXDOMAIN: u8 = 3;

pub fn labels(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(label.len() as u8);
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

pub fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut octets = owner.to_vec();
    octets.extend(kind.to_be_bytes());
    octets.extend([0, 1, 0, 0, 0, 60]);
    octets.extend((data.len() as u16).to_be_bytes());
    octets.extend(data);
    octets
}

pub fn address(owner: &[u8], address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        std::net::IpAddr::V4(v4) => record(owner, A, &v4.octets()),
        std::net::IpAddr::V6(v6) => record(owner, AAAA, &v6.octets()),
    }
}

/// The name, the type, and whether there is an OPT record.
pub fn asked(query: &[u8]) -> (String, u16, bool) {
    let (mut at, mut name) = (12, Vec::new());
    while query[at] > 0 {
        let length = usize::from(query[at]);
        name.push(String::from_utf8(query[at + 1..=at + length].to_vec()).unwrap());
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    (name.join("."), kind, u16::from_be_bytes([query[10], query[11]]) > 0)
}

pub fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] > 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 5
}

/// A response with those records; `truncated` sets TC.
pub fn response(query: &[u8], code: u8, truncated: bool, records: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = query[..2].to_vec();
    octets.extend([0x81 | u8::from(truncated) << 1, 0x80 | code, 0, 1]);
    octets.extend((records.len() as u16).to_be_bytes());
    octets.extend([0; 4]);
    octets.extend(&query[12..question_end(query)]);
    octets.extend(records.concat());
    octets
}
