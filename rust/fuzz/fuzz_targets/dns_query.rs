//! See `fuzz::dns_query`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::dns_query::run(octets));
