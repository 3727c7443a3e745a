//! Random numbers of the kernel.

/// Fill `octets`, at most 256, with random values (getrandom(2)).
pub(crate) fn fill(octets: &mut [u8]) {
    debug_assert!(octets.len() <= 256, "more than getrandom gives at once");
    while rustix::rand::getrandom(&mut *octets, rustix::rand::GetRandomFlags::empty()) != Ok(octets.len()) {}
}
