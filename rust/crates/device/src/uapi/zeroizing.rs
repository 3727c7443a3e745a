//! Buffers for secrets, zeroized before they are freed.

use std::io::{self, Write};

use zeroize::{Zeroize, Zeroizing};

/// Octets gathered before they are written: one system call for about 200 peers.
const OUTBOX_BYTES: usize = 64 << 10;

/// Replace `octets` by a copy with space for `capacity`; the old memory is zeroized.
pub(super) fn regrow(octets: &mut Zeroizing<Vec<u8>>, capacity: usize) {
    let mut larger = Zeroizing::new(vec![0; capacity.max(octets.len())]);
    larger[..octets.len()].copy_from_slice(octets);
    *octets = larger;
}

/// A buffered writer whose buffer is zeroized after every write. Octets that are not flushed are lost.
pub(super) struct Outbox<W: Write> {
    out: W,
    held: Zeroizing<Vec<u8>>,
}

impl<W: Write> Outbox<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, held: Zeroizing::new(Vec::with_capacity(OUTBOX_BYTES)) }
    }
}

impl<W: Write> Write for Outbox<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.held.len() == OUTBOX_BYTES {
            self.flush()?;
        }
        // Never beyond the capacity: growing would leave a copy behind.
        let taken = octets.len().min(OUTBOX_BYTES - self.held.len());
        self.held.extend_from_slice(&octets[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.held);
        self.held.zeroize();
        written?;
        self.out.flush()
    }
}
