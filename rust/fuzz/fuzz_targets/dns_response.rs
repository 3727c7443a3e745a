//! See `fuzz::dns_response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::dns_response::run(octets));
