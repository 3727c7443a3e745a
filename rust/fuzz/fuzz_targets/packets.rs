//! See `fuzz::packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::packets::run(octets));
