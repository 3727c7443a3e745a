//! See `fuzz::exit_policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::exit_policy::run(octets));
