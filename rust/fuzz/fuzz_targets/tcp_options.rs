//! See `fuzz::tcp_options`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::tcp_options::run(octets));
