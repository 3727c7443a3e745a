//! See `fuzz::insider`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::insider::run(octets));
