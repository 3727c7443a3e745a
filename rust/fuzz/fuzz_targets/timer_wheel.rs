//! See `fuzz::timer_wheel`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::timer_wheel::run(octets));
