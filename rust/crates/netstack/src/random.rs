//! Random numbers of the kernel.

/// Return a random number of two octets.
pub(crate) fn short() -> u16 {
    let mut octets = [0; 2];
    fill(&mut octets);
    u16::from_ne_bytes(octets)
}

/// Return a random number of four octets.
pub(crate) fn word() -> u32 {
    let mut octets = [0; 4];
    fill(&mut octets);
    u32::from_ne_bytes(octets)
}

/// Fill `octets`, at most 256, with random values (getrandom(2)).
pub(crate) fn fill(octets: &mut [u8]) {
    debug_assert!(octets.len() <= 256, "more than getrandom gives at once");
    while rustix::rand::getrandom(&mut *octets, rustix::rand::GetRandomFlags::empty()) != Ok(octets.len()) {}
}
