//! Messages in a stream, each behind its length (RFC 1035, section 4.2.2).

/// The messages of a stream, from whatever pieces arrive. It holds at most one incomplete message.
#[derive(Debug, Default)]
pub struct Frames {
    incoming: Vec<u8>,
    taken: usize,
}

impl Frames {
    /// Add octets that arrived; take the messages before adding more.
    pub fn push(&mut self, octets: &[u8]) {
        self.incoming.drain(..self.taken);
        self.taken = 0;
        self.incoming.extend(octets);
    }

    /// Return the next whole message.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let (head, rest) = self.incoming[self.taken..].split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*head));
        let message = rest.get(..length)?.to_vec();
        self.taken += 2 + length;
        Some(message)
    }
}

/// Return a message with its length before it; one that no stream can carry comes back empty.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let Ok(length) = u16::try_from(message.len()) else { return Vec::new() };
    [&length.to_be_bytes()[..], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_in_any_pieces() {
        let stream = [framed(b"one"), framed(b""), framed(&[7; 300])].concat();
        for size in [1, 2, 3, 7, stream.len()] {
            let (mut frames, mut messages) = (Frames::default(), Vec::new());
            for piece in stream.chunks(size) {
                frames.push(piece);
                messages.extend(std::iter::from_fn(|| frames.take()));
            }
            assert_eq!(messages, [b"one".to_vec(), Vec::new(), vec![7; 300]]);
        }
        assert!(framed(&[0; 0x1_0000]).is_empty());
    }
}
