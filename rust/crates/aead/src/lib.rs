//! ChaCha20-Poly1305 (RFC 8439), one and many packets at a time.
//!
//! Three paths give the same octets: sixteen packets in lockstep on AVX-512 with IFMA, eight on AVX2, and one after the
//! other by ring. [`Aead`] is one of them, chosen once. Its packets may differ in key, nonce and length, and those of
//! similar length are processed in lockstep. Remaining packets, and those that would gain nothing, are processed by
//! ring on every path: `plan` has the numbers from which a group pays off, by length.
//!
//! ```
//! use aead::{Aead, Key, Packet};
//!
//! let (aead, key) = (Aead::fastest(), Key::from([7; 32]));
//! // Two data packets in one buffer: 16 octets of header, 100 of text, space for the tag.
//! let mut batch = [0; 2 * 132];
//! aead.seal(batch.chunks_mut(132).zip(0..).filter_map(|(room, counter)| {
//!     Packet::numbered(&key, counter, &mut room[16..])
//! }));
//! batch[132 + 16] ^= 1;
//! let mut authentic = Vec::new();
//! let packets = batch.chunks_mut(132).zip(0..).filter_map(|(room, counter)| {
//!     Packet::numbered(&key, counter, &mut room[16..])
//! });
//! aead.open(packets, |packet| authentic.push(packet.text.is_some()));
//! assert_eq!(authentic, [true, false]);
//! ```
//!
//! # Performance
//! Measured by `make bench-aead`: sixteen packets, sealed, nanoseconds per packet, and the ratio to ring. Opening costs
//! the same.
//!
//! | octets | AMD family 25, AVX-512 | the same, AVX2 | ring  | Intel family 6 model 207, AVX-512 | ring  |
//! |-------:|-----------------------:|---------------:|------:|----------------------------------:|------:|
//! |     64 |             63 (2.7 x) |     90 (1.9 x) |   170 |                        54 (3.6 x) |   195 |
//! |    256 |            114 (2.1 x) |    161 (1.5 x) |   243 |                       106 (2.8 x) |   298 |
//! |    512 |            178 (2.0 x) |    250 (1.4 x) |   352 |                                   |       |
//! |   1024 |            318 (1.8 x) |    440 (1.3 x) |   563 |                                   |       |
//! |   1420 |            436 (1.7 x) |    613 (1.2 x) |   730 |                       437 (2.2 x) |   953 |
//! |   4096 |           1187 (1.4 x) |        as ring |  1687 |                      1165 (1.9 x) |  2200 |
//!
//! They vary by a tenth, ring's as well, with the load of the machine; the ratios vary by a twentieth. One packet or two
//! cost as much as with ring, and a batch without a group up to 20 ns more.
//!
//! # Timing
//! The time does not depend on keys, texts and tags. ChaCha20 adds, rotates and mixes whole registers; Poly1305
//! multiplies, adds and shifts them; no processor is known that is faster for some operands (VPMADD52, MUL). No branch, index or address depends on a secret, only on the number and the lengths of packets, which every observer
//! sees. The last reduction selects by a mask. Tags are compared as a whole by `subtle`; whether a packet is authentic
//! is public. ring states the same of its code.
//!
//! # Memory
//! A key is stored in key memory (`keymem`) and wiped when dropped. In lockstep, keys, cipher states and Poly1305 keys
//! are overwritten before the packets are returned. Not overwritten are registers, copies that the compiler keeps on
//! the stack, and key stream, which reveals no key. ring does not wipe its copy of a key on the stack: the caller wipes
//! or protects the stack. The text of a forged packet is overwritten.
//!
//! # Unsafe code
//! Intrinsics that compute are safe where their feature is enabled. The loads and stores of `row` are unsafe, each
//! through a reference that covers it, and so are the calls in `lockstep`, each with an [`Aead`] that exists only on a
//! processor with the features of its path. Texts are slices throughout.

mod aead;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod batch;
mod key;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod lockstep;
mod packet;
mod path;
mod plan;
#[cfg(all(test, target_arch = "x86_64"))]
mod poly_cases;
mod single;

pub use aead::{Aead, ChoiceError};
pub use key::{KEY_BYTES, Key};
pub use packet::{NONCE_BYTES, Nonce, Opened, Packet, TAG_BYTES};
pub use path::Path;
pub use single::{open, seal};
