//! A queue of bytes made of blocks, so that it holds memory only for what is in it.

use std::collections::VecDeque;

use crate::pool::{BLOCK, Block, Pool};

/// A queue of bytes. Bytes can also be written behind its end, with a hole before them that is filled later.
#[derive(Debug)]
pub(crate) struct Ring {
    pool: Pool,
    blocks: VecDeque<Option<Block>>,
    /// How many blocks it holds.
    held: usize,
    /// Where the first byte is in the first block.
    start: usize,
    /// How many bytes there are before the first hole.
    len: usize,
    /// Where the last byte ends, those behind holes included.
    extent: usize,
}

impl Ring {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, blocks: VecDeque::new(), held: 0, start: 0, len: 0, extent: 0 }
    }

    /// Return how many bytes are in the queue.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Return the memory that it holds, in bytes.
    pub(crate) const fn memory(&self) -> usize {
        self.held * BLOCK
    }

    /// Append bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.write_at(self.len, bytes);
        self.len += bytes.len();
    }

    /// Write bytes at an offset from the first byte, without making them part of the queue.
    pub(crate) fn write_at(&mut self, offset: usize, mut bytes: &[u8]) {
        self.extent = self.extent.max(offset + bytes.len());
        let mut at = self.start + offset;
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(BLOCK - at % BLOCK));
            let block = self.block(at / BLOCK);
            block[at % BLOCK..at % BLOCK + part.len()].copy_from_slice(part);
            at += part.len();
            bytes = rest;
        }
    }

    /// Make `count` bytes that were written behind the end part of the queue.
    pub(crate) fn extend(&mut self, count: usize) {
        self.len = (self.len + count).min(self.extent);
    }

    /// Remove the first `count` bytes, at most those that are there.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.len);
        self.start += count;
        self.len -= count;
        self.extent -= count;
        self.release();
    }

    /// Return up to `count` bytes from an offset, in two parts. It is less only if there are fewer in the queue, or if
    /// they are in more than two blocks.
    pub(crate) fn slices(&self, offset: usize, count: usize) -> (&[u8], &[u8]) {
        let count = count.min(self.len.saturating_sub(offset));
        let at = self.start + offset;
        let first = self.slice(at, count);
        (first, self.slice(at + first.len(), count - first.len()))
    }

    /// Return up to `room` free bytes behind the queue, in two parts, to be filled and committed.
    pub(crate) fn space(&mut self, room: usize) -> (&mut [u8], &mut [u8]) {
        let at = self.start + self.len;
        let first_room = room.min(BLOCK - at % BLOCK);
        let second_room = (room - first_room).min(BLOCK);
        if first_room > 0 {
            self.block(at / BLOCK);
        }
        if second_room > 0 {
            self.block(at / BLOCK + 1);
        }
        let mut blocks = self.blocks.range_mut((at / BLOCK).min(self.blocks.len())..).flatten();
        let first = blocks.next().map_or(&mut [][..], |block| &mut block[at % BLOCK..][..first_room]);
        let second = blocks.next().map_or(&mut [][..], |block| &mut block[..second_room]);
        (first, second)
    }

    /// Append the first `count` bytes of the space, and give back blocks that stay empty.
    pub(crate) fn commit(&mut self, count: usize) {
        let held = self.blocks.len() * BLOCK - self.start;
        self.len = (self.len + count).min(held.max(self.len));
        self.extent = self.extent.max(self.len);
        self.release();
    }

    /// Remove everything, and give back all blocks.
    pub(crate) fn clear(&mut self) {
        (self.start, self.len, self.extent) = (0, 0, 0);
        self.release();
    }

    fn slice(&self, at: usize, count: usize) -> &[u8] {
        let block = self.blocks.get(at / BLOCK).and_then(Option::as_ref);
        block.map_or(&[], |block| &block[at % BLOCK..][..count.min(BLOCK - at % BLOCK)])
    }

    fn block(&mut self, index: usize) -> &mut Block {
        while self.blocks.len() <= index {
            self.blocks.push_back(None);
        }
        self.blocks[index].get_or_insert_with(|| {
            self.held += 1;
            self.pool.take()
        })
    }

    /// Give back the blocks before the first byte and behind the last.
    fn release(&mut self) {
        if self.extent == 0 {
            self.start = 0;
        }
        while self.start >= BLOCK {
            let block = self.blocks.pop_front().flatten();
            self.give_back(block);
            self.start -= BLOCK;
        }
        let needed = if self.extent == 0 { 0 } else { (self.start + self.extent).div_ceil(BLOCK) };
        while self.blocks.len() > needed {
            let block = self.blocks.pop_back().flatten();
            self.give_back(block);
        }
    }

    fn give_back(&mut self, block: Option<Block>) {
        if let Some(block) = block {
            self.held -= 1;
            self.pool.put(block);
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined((first, second): (&[u8], &[u8])) -> Vec<u8> {
        [first, second].concat()
    }

    #[test]
    fn an_empty_ring_holds_no_block() {
        let pool = Pool::new();
        let mut ring = Ring::new(pool.clone());
        ring.write(&[1; 3 * BLOCK]);
        assert_eq!(pool.used_bytes(), 3 * BLOCK);
        ring.consume(BLOCK + 5);
        assert_eq!(pool.used_bytes(), 2 * BLOCK);
        ring.consume(2 * BLOCK);
        assert_eq!((pool.used_bytes(), ring.len()), (0, 0));
        let (first, second) = ring.space(100_000);
        assert_eq!((first.len(), second.len()), (BLOCK, BLOCK));
        ring.commit(0);
        assert_eq!(pool.used_bytes(), 0);
        ring.write_at(70_000, b"late");
        drop(ring);
        assert_eq!(pool.used_bytes(), 0);
    }

    #[test]
    fn bytes_behind_a_hole_join_when_it_is_filled() {
        let mut ring = Ring::new(Pool::new());
        ring.write(b"first ");
        ring.write_at(13, b"third");
        assert_eq!(joined(ring.slices(0, 100)), b"first ");
        ring.consume(6);
        ring.write(b"second ");
        ring.extend(5);
        assert_eq!(joined(ring.slices(0, 100)), b"second third");
        assert_eq!(joined(ring.slices(7, 2)), b"th");
    }

    proptest! {
        #[test]
        fn the_ring_agrees_with_a_queue(
            steps in prop::collection::vec((0usize..3, 0usize..50_000), 1..60),
        ) {
            let pool = Pool::new();
            let (mut ring, mut model, mut next) = (Ring::new(pool.clone()), Vec::new(), 0u8);
            for (kind, count) in steps {
                let bytes: Vec<u8> = (0..count).map(|_| { next = next.wrapping_add(7); next }).collect();
                match kind {
                    0 => {
                        ring.write(&bytes);
                        model.extend(bytes);
                    }
                    1 => {
                        let (first, second) = ring.space(count);
                        let split = first.len();
                        let filled = split + second.len();
                        prop_assert!(filled == count.min(filled) && (count == 0 || filled > 0));
                        first.copy_from_slice(&bytes[..split]);
                        second.copy_from_slice(&bytes[split..filled]);
                        ring.commit(filled);
                        model.extend(&bytes[..filled]);
                    }
                    _ => {
                        ring.consume(count);
                        model.drain(..count.min(model.len()));
                    }
                }
                prop_assert_eq!(ring.len(), model.len());
                let offset = count.min(model.len());
                let end = model.len().min(offset + 1400);
                prop_assert_eq!(joined(ring.slices(offset, 1400)), &model[offset..end]);
                prop_assert!(pool.used_bytes() <= model.len() + 2 * BLOCK);
            }
        }
    }
}
