//! See `fuzz::nat_mappings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::nat_mappings::run(octets));
