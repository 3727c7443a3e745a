//! See `fuzz::http_proxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::http_proxy::run(octets));
