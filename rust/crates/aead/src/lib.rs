//! ChaCha20-Poly1305 (RFC 8439), one and many packets at a time.
//!
//! Three paths give the same octets: sixteen packets in lockstep on AVX-512 with IFMA, eight on AVX2, one after the
//! other by ring. [`Aead`] is one of them, chosen once; its packets may differ in key, nonce and length, and those alike
//! enough in length go in lockstep. What is left over, or would gain nothing, goes to ring on every path.
//!
//! ```
//! use aead::{Aead, Key, Packet};
//!
//! let (aead, key) = (Aead::fastest(), Key::from([7; 32]));
//! // Two data packets in one buffer: 16 octets of header, 100 of text, room for the tag.
//! let mut train = [0; 2 * 132];
//! aead.seal(train.chunks_mut(132).zip(0..).filter_map(|(room, counter)| {
//!     Packet::numbered(&key, counter, &mut room[16..])
//! }));
//! train[132 + 16] ^= 1;
//! let mut authentic = Vec::new();
//! let packets = train.chunks_mut(132).zip(0..).filter_map(|(room, counter)| {
//!     Packet::numbered(&key, counter, &mut room[16..])
//! });
//! aead.open(packets, |packet| authentic.push(packet.text.is_some()));
//! assert_eq!(authentic, [true, false]);
//! ```
//!
//! # How fast
//! `make bench-aead` measures it. On an Intel Xeon with AVX-512 (family 6, model 207, shared with others), sixteen
//! packets, sealed, nanoseconds for each, and how many times as fast as ring:
//!
//! | octets | AVX-512     | AVX2        | ring |
//! |-------:|------------:|------------:|-----:|
//! |     64 |  54 (3.6 x) | 109 (1.8 x) |  195 |
//! |    256 | 106 (2.8 x) | 222 (1.3 x) |  298 |
//! |   1420 | 437 (2.2 x) | as ring     |  953 |
//! |   4096 | 1165 (1.9 x) | as ring    | 2200 |
//!
//! They rise and fall by a tenth, ring's as well, with what others do on the machine; the ratios move by a twentieth.
//! Opening costs the same. A packet alone costs what ring's costs and some 15 ns for the looking round: who knows that
//! there is only one calls [`seal`] or [`open`].
//!
//! # What shows in the time
//! Nothing of keys, texts and tags. ChaCha20 adds, turns and mixes whole registers; Poly1305 multiplies, adds and shifts
//! them; no processor is known that does so faster for some operands than for others (VPMADD52, VPMULUDQ). No branch, no
//! index and no address comes from a secret: those there are come from the number and the lengths of packets, which
//! anyone on the wire sees. The last reduction selects by a mask. Tags are compared whole, by `subtle`; whether a packet
//! is authentic is public. ring says the same of its code.
//!
//! # What stays in memory
//! A key lies in key memory (`keymem`) and is wiped when dropped. In lockstep, keys, cipher states and the codes' keys are overwritten before the packets
//! are given back; what is not: registers, copies that the compiler keeps on the stack, and key stream, which betrays no
//! key. ring does not wipe its copy of a key, which lies on the stack: that is for
//! whoever calls to wipe or to shield. The text of a forged packet is overwritten.
//!
//! # Unsafe code
//! Intrinsics that compute are safe where their feature is enabled. Unsafe are the loads and stores of `row`, each through
//! a reference that covers it, and the calls in `lockstep`, each behind an [`Aead`] that exists only on a processor that
//! has what its path needs. Texts are slices all the way down.

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
