//! The packets of a group as lanes. A lane without a packet has no text.

use crate::packet::{Entry, Packet};

/// Size of a ChaCha20 block, and of the chunks in which text is processed.
pub(crate) const CHUNK: usize = 64;
/// Words of a ChaCha20 block.
pub(crate) const WORDS: usize = 16;

/// "expand 32-byte k" (RFC 8439, section 2.3).
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// ChaCha20's state before a block, aligned as registers are.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct State(pub(crate) [u32; WORDS]);

/// The texts of up to `N` packets, and their associated data. Lanes without a packet come last.
pub(crate) struct Lanes<'a, const N: usize> {
    pub(crate) texts: [&'a mut [u8]; N],
    pub(crate) associated: [&'a [u8]; N],
    present: usize,
}

impl<'a, const N: usize> Lanes<'a, N> {
    /// Return the lanes of a group of packets, of the first `N` if there are more.
    pub(crate) fn of(group: &'a mut [Option<Entry<'_>>]) -> Self {
        let texts = std::array::from_fn(|_| -> &mut [u8] { &mut [] });
        let mut lanes = Self { texts, associated: [&[]; N], present: 0 };
        let packets = group.iter_mut().flatten().map(|entry| &mut entry.packet);
        for ((text, associated), packet) in lanes.texts.iter_mut().zip(&mut lanes.associated).zip(packets) {
            *text = packet.text;
            *associated = packet.associated;
            lanes.present += 1;
        }
        lanes
    }

    /// Return the lanes of a group of packets twice: of the first `N`, and of the rest.
    pub(crate) fn two(group: &'a mut [Option<Entry<'_>>]) -> [Self; 2] {
        let (first, second) = group.split_at_mut(N.min(group.len()));
        [Self::of(first), Self::of(second)]
    }

    /// Return the number of chunks that every packet has in full.
    pub(crate) fn full_chunks(&self) -> usize {
        self.texts[..self.present].iter().map(|text| text.len() / CHUNK).min().unwrap_or(0)
    }

    /// Return the number of chunks that the longest packet has in full.
    pub(crate) fn most_full_chunks(&self) -> usize {
        self.texts.iter().map(|text| text.len() / CHUNK).max().unwrap_or(0)
    }

    /// Return the number of chunks of the longest packet, including a partial one.
    pub(crate) fn chunks(&self) -> usize {
        self.texts.iter().map(|text| text.len().div_ceil(CHUNK)).max().unwrap_or(0)
    }

    /// Return the size of the longest associated data.
    pub(crate) fn longest_associated(&self) -> usize {
        self.associated.iter().map(|associated| associated.len()).max().unwrap_or(0)
    }
}

/// Return the initial states (RFC 8439, section 2.3) of `L` lanes for `P` packets: lane `i` has packet `i` modulo `P`,
/// and its block number `i / P`. A lane without a packet has a state of zeros, which protects nothing.
pub(crate) fn states<const L: usize, const P: usize>(group: &[Option<Entry<'_>>]) -> [State; L] {
    let mut states = [State([0; WORDS]); L];
    for (number, entry) in group.iter().take(P).flatten().enumerate() {
        let state = state(&entry.packet);
        for block in 0..L / P {
            states[block * P + number] = state;
            states[block * P + number].0[12] = block as u32;
        }
    }
    states
}

/// Return the state of block 0 of a packet.
fn state(packet: &Packet<'_>) -> State {
    let mut words = [0; WORDS];
    words[..4].copy_from_slice(&CONSTANTS);
    read_words(&mut words[4..12], packet.key.octets());
    read_words(&mut words[13..], packet.nonce.octets());
    State(words)
}

fn read_words(words: &mut [u32], octets: &[u8]) {
    for (word, octets) in words.iter_mut().zip(octets.as_chunks().0) {
        *word = u32::from_le_bytes(*octets);
    }
}

#[cfg(test)]
pub(crate) mod block {
    //! A block of RFC 8439, section 2.3.2.

    use super::{State, WORDS};

    /// Its state.
    pub(crate) const STATE: State = State([
        0x6170_7865,
        0x3320_646e,
        0x7962_2d32,
        0x6b20_6574,
        0x0302_0100,
        0x0706_0504,
        0x0b0a_0908,
        0x0f0e_0d0c,
        0x1312_1110,
        0x1716_1514,
        0x1b1a_1918,
        0x1f1e_1d1c,
        0x0000_0001,
        0x0900_0000,
        0x4a00_0000,
        0x0000_0000,
    ]);
    /// Its words.
    pub(crate) const WORDS_OF_BLOCK: [u32; WORDS] = [
        0xe4e7_f110,
        0x1559_3bd1,
        0x1fdd_0f50,
        0xc471_20a3,
        0xc7f4_d1c7,
        0x0368_c033,
        0x9aaa_2204,
        0x4e6c_d4c3,
        0x4664_82d2,
        0x09aa_9f07,
        0x05d7_c214,
        0xa202_8bd9,
        0xd19c_12b5,
        0xb94e_16de,
        0xe883_d0cb,
        0x4e3c_50a2,
    ];
}
