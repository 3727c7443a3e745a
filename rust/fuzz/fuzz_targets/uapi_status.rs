//! See `fuzz::uapi_status`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::uapi_status::run(octets));
