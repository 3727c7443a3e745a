//! See `fuzz::fragments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::fragments::run(octets));
