//! See `fuzz::uapi_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| fuzz::uapi_request::run(octets));
