//! See `fuzz::socks_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::socks_client::run(octets));
