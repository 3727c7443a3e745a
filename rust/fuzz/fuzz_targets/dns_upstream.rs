//! See `fuzz::dns_upstream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::dns_upstream::run(octets));
