//! See `fuzz::coalescer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::coalescer::run(octets));
