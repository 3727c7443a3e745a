//! The blocks of which the rings of all connections are made.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The size of a block: two blocks hold the payload of any segment, and an idle connection holds none.
pub const BLOCK: usize = 32 * 1024;
/// Blocks beyond this many that nobody uses go back to the system (4 MiB).
const MAX_FREE: usize = 128;

/// A block of bytes.
pub type Block = Box<[u8; BLOCK]>;

/// A supply of blocks, shared by the connections of a stack. Clones are handles of the same supply.
#[derive(Debug, Clone, Default)]
pub struct Pool(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    free: Mutex<Vec<Block>>,
    used: AtomicUsize,
}

impl Pool {
    /// Create a supply without blocks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Return how many bytes the blocks in use have.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.0.used.load(Ordering::Relaxed) * BLOCK
    }

    /// Return how many bytes the blocks have that are kept for use.
    #[must_use]
    pub fn free_bytes(&self) -> usize {
        self.0.free.lock().unwrap_or_else(PoisonError::into_inner).len() * BLOCK
    }

    /// Take a block; its contents are those of its last use.
    #[must_use]
    pub fn take(&self) -> Block {
        self.0.used.fetch_add(1, Ordering::Relaxed);
        let block = self.0.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        block.unwrap_or_else(|| Box::new([0; BLOCK]))
    }

    /// Give a block back.
    pub fn put(&self, block: Block) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MAX_FREE {
            free.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_up_to_a_limit() {
        let pool = Pool::new();
        let blocks: Vec<_> = (0..MAX_FREE + 3).map(|_| pool.take()).collect();
        assert_eq!((pool.used_bytes(), pool.free_bytes()), ((MAX_FREE + 3) * BLOCK, 0));
        for block in blocks {
            pool.put(block);
        }
        assert_eq!((pool.used_bytes(), pool.free_bytes()), (0, MAX_FREE * BLOCK));
        let block = pool.take();
        assert_eq!(pool.free_bytes(), (MAX_FREE - 1) * BLOCK);
        pool.put(block);
    }
}
