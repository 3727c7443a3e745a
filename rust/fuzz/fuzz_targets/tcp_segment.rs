//! See `fuzz::tcp_segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::tcp_segment::run(octets));
