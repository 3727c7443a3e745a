//! See `fuzz::tcp_connection`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::tcp_connection::run(octets));
