//! See `fuzz::dns_files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::dns_files::run(octets));
