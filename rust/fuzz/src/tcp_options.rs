//! Bytes as the options of a TCP segment, against a plain reading of RFC 9293, section 3.1.

use tcp::Options;
use tcp::options::MAX_OPTIONS;

/// Parse bytes as options, compare with the plain reading, and encode what was understood.
pub fn run(octets: &[u8]) {
    let octets = &octets[..octets.len().min(MAX_OPTIONS)];
    let options = Options::parse(octets);
    assert_eq!(options.is_some(), is_well_formed(octets), "{octets:02x?}");
    let Some(options) = options else { return };
    assert!(options.window_scale.is_none_or(|shift| shift <= 14));
    let (encoded, len) = options.encode();
    assert_eq!((len, len % 4), (options.encoded_len(), 0));
    assert!(len <= MAX_OPTIONS);
    let again = Options::parse(&encoded[..len]).expect("what was encoded");
    let blocks = again.sack;
    assert!(options.sack.as_slice().starts_with(blocks.as_slice()));
    assert_eq!(again, Options { sack: blocks, ..options });
}

/// Walk through the list, as the RFCs say which lengths an option may have.
fn is_well_formed(octets: &[u8]) -> bool {
    let mut at = 0;
    while at < octets.len() {
        match octets[at] {
            0 => return true,
            1 => at += 1,
            kind => {
                let Some(&len) = octets.get(at + 1) else { return false };
                let len = usize::from(len);
                let is_right = match kind {
                    2 => len == 4,
                    3 => len == 3,
                    4 => len == 2,
                    5 => len >= 2 && (len - 2) % 8 == 0,
                    8 => len == 10,
                    _ => len >= 2,
                };
                if !is_right || at + len > octets.len() {
                    return false;
                }
                at += len;
            }
        }
    }
    true
}
