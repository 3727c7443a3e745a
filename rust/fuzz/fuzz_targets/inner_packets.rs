//! See `fuzz::inner_packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::inner_packets::run(octets));
