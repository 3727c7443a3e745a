//! See `fuzz::allowed_ips`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::allowed_ips::run(octets));
