//! See `fuzz::uapi_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::uapi_server::run(octets));
