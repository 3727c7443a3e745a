//! A session: the two keys of a handshake, their counters and their limits (sections 5.4.6 and 6.2).

use std::ops::Range;
use std::time::Duration;

use aead::{Aead, Key, Packet};

use crate::hash::TAG_BYTES;
use crate::message::{DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, DataHeader};
use crate::noise::SessionKeys;
use crate::replay::ReplayWindow;
use crate::timers::{REJECT_AFTER_TIME, REKEY_AFTER_TIME, RENEW_ON_RECEIPT};

/// Messages after which a new session is started (section 6.1).
const REKEY_AFTER_MESSAGES: u64 = 1 << 60;
/// Messages after which a session is rejected (section 6.1).
const REJECT_AFTER_MESSAGES: u64 = u64::MAX - (1 << 13);

/// Transport keys between two hosts, one for each direction.
pub(crate) struct Session {
    sending: Key,
    receiving: Key,
    pub(crate) local_index: u32,
    remote_index: u32,
    pub(crate) initiator: bool,
    born: Duration,
    next_counter: u64,
    window: ReplayWindow,
    /// False once nothing more may be sent, though late packets may still arrive.
    may_send: bool,
}

impl Session {
    /// Create a session whose handshake was completed at `born`.
    pub(crate) fn new(keys: SessionKeys, local_index: u32, remote_index: u32, initiator: bool, born: Duration) -> Self {
        Self {
            sending: keys.sending.into(),
            receiving: keys.receiving.into(),
            local_index,
            remote_index,
            initiator,
            born,
            next_counter: 0,
            window: ReplayWindow::new(),
            may_send: true,
        }
    }

    /// Return when the handshake was completed.
    pub(crate) fn born(&self) -> Duration {
        self.born
    }

    /// Stop sending with these keys, as after a change of our own key.
    pub(crate) fn stop_sending(&mut self) {
        self.may_send = false;
    }

    /// Return whether `packets` may be sent at `boot` (section 6.2).
    pub(crate) fn may_send(&self, packets: u64, boot: Duration) -> bool {
        self.may_send && !self.expired(boot) && packets <= REJECT_AFTER_MESSAGES.saturating_sub(self.next_counter)
    }

    /// Return whether a new session is due because of what was sent (section 6.2).
    pub(crate) fn needs_renewal(&self, boot: Duration) -> bool {
        self.next_counter > REKEY_AFTER_MESSAGES || (self.initiator && self.age(boot) >= REKEY_AFTER_TIME)
    }

    /// Return whether a new session is due because something was received: a host that only receives must renew it
    /// before it expires (section 6.2).
    pub(crate) fn needs_renewal_as_receiver(&self, boot: Duration) -> bool {
        self.initiator && self.age(boot) >= RENEW_ON_RECEIPT
    }

    fn age(&self, boot: Duration) -> Duration {
        boot.saturating_sub(self.born)
    }

    /// Return whether nothing may be sent or received any more (section 6.2).
    pub(crate) fn expired(&self, boot: Duration) -> bool {
        self.age(boot) >= REJECT_AFTER_TIME
    }

    /// Seal datagrams in place, each of `stride` octets except the last, which may be shorter: space of 16 octets, the
    /// padded plaintext, space of 16 octets for the tag. Each uses one counter, even if it is not sent. Requires
    /// [`Session::may_send`].
    pub(crate) fn seal_batch(&mut self, aead: Aead, batch: &mut [u8], stride: usize) {
        let first = self.next_counter;
        self.next_counter += batch.len().div_ceil(stride) as u64;
        let (key, receiver) = (&self.sending, self.remote_index);
        aead.seal(batch.chunks_mut(stride).zip(first..).filter_map(|(datagram, counter)| {
            let (header, text) = datagram.split_at_mut(DATA_HEADER_BYTES);
            header.copy_from_slice(&DataHeader { receiver, counter }.encode());
            Packet::numbered(key, counter, text)
        }));
    }

    /// Open data messages of this session in place, each of `stride` octets except the last, which may be shorter. For
    /// each, report the position of its plaintext in `batch`, or why there is none. No counter is accepted twice.
    pub(crate) fn open_batch(
        &mut self,
        aead: Aead,
        batch: &mut [u8],
        stride: usize,
        boot: Duration,
        mut report: impl FnMut(Result<Range<usize>, Refused>),
    ) {
        let limit = if self.expired(boot) { 0 } else { REJECT_AFTER_MESSAGES };
        let (key, window, base) = (&self.receiving, &mut self.window, batch.as_ptr().addr());
        let mut beyond = 0;
        let packets = batch.chunks_mut(stride).filter_map(|datagram| {
            let counter = DataHeader::parse(datagram).map(|header| header.counter).filter(|counter| *counter < limit);
            let packet = counter.and_then(|counter| Packet::numbered(key, counter, &mut datagram[DATA_HEADER_BYTES..]));
            beyond += u64::from(packet.is_none());
            packet
        });
        aead.open(packets, |opened| {
            report(match opened.text {
                None => Err(Refused::NotAuthentic),
                Some(_) if !window.accept(opened.nonce.counter()) => Err(Refused::Replayed),
                Some(text) => {
                    let start = text.as_ptr().addr() - base;
                    Ok(start..start + text.len())
                }
            });
        });
        (0..beyond).for_each(|_| report(Err(Refused::Expired)));
    }
}

/// Why a datagram is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Expired,
    NotAuthentic,
    Replayed,
}

/// Return the size of a plaintext of `length` octets padded to 16 (section 5.4.6), at most `mtu` octets. Of a packet
/// longer than the MTU, as while the known MTU is outdated, the part after the last multiple of the MTU is padded. 0 is
/// an unknown MTU.
pub(crate) fn padded(length: usize, mtu: usize) -> usize {
    let (last, limit) = match mtu {
        0 => (length, usize::MAX),
        mtu if length > mtu => (length % mtu, mtu),
        mtu => (length, mtu),
    };
    length - last + last.next_multiple_of(16).min(limit)
}

/// Return the size on the wire of a plaintext of `padded` octets.
pub(crate) fn sealed(padded: usize) -> usize {
    padded + DATA_OVERHEAD_BYTES
}

const _: () = assert!(DATA_OVERHEAD_BYTES == DATA_HEADER_BYTES + TAG_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Secret;

    fn pair() -> (Session, Session) {
        let key = |seed| Secret::from(&[seed; 32]);
        let (a, b) =
            (SessionKeys { sending: key(1), receiving: key(2) }, SessionKeys { sending: key(2), receiving: key(1) });
        (Session::new(a, 10, 20, true, Duration::ZERO), Session::new(b, 20, 10, false, Duration::ZERO))
    }

    fn sealed_by(session: &mut Session, text: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; sealed(text.len())];
        packet[16..16 + text.len()].copy_from_slice(text);
        let stride = packet.len();
        session.seal_batch(Aead::fastest(), &mut packet, stride);
        packet
    }

    fn open(session: &mut Session, packet: &[u8], boot: Duration) -> Result<Vec<u8>, Refused> {
        let (mut packet, mut results) = (packet.to_vec(), Vec::new());
        let stride = packet.len();
        session.open_batch(Aead::fastest(), &mut packet, stride, boot, |opened| results.push(opened));
        assert_eq!(results.len(), 1);
        results.remove(0).map(|text| packet[text].to_vec())
    }

    #[test]
    fn a_sealed_packet_opens_once() {
        let (mut alice, mut bob) = pair();
        let packet = sealed_by(&mut alice, b"hello");
        assert_eq!(&packet[..16], [4, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(open(&mut bob, &packet, Duration::ZERO).unwrap(), b"hello");
        assert_eq!(open(&mut bob, &packet, Duration::ZERO), Err(Refused::Replayed));
        let mut forged = packet.clone();
        forged[20] ^= 1;
        assert_eq!(open(&mut bob, &forged, Duration::ZERO), Err(Refused::NotAuthentic));
    }

    #[test]
    fn a_session_keeps_the_limits_of_section_6_2() {
        let (mut alice, mut bob) = pair();
        let packet = sealed_by(&mut alice, b"late");
        assert!(!alice.needs_renewal(Duration::from_secs(119)) && alice.needs_renewal(Duration::from_secs(120)));
        assert!(!bob.needs_renewal(Duration::from_secs(170)), "only the initiator renews by age");
        assert!(alice.may_send(1, Duration::from_secs(179)) && !alice.may_send(1, Duration::from_secs(180)));
        assert_eq!(open(&mut bob, &packet, Duration::from_secs(180)), Err(Refused::Expired));
        bob.next_counter = REKEY_AFTER_MESSAGES + 1;
        assert!(bob.needs_renewal(Duration::ZERO));
        bob.next_counter = REJECT_AFTER_MESSAGES;
        assert!(!bob.may_send(1, Duration::ZERO));
        bob.next_counter = REJECT_AFTER_MESSAGES - 1;
        let packet = sealed_by(&mut bob, b"last");
        assert!(open(&mut alice, &packet, Duration::ZERO).is_ok());
        bob.next_counter = REJECT_AFTER_MESSAGES;
        let packet = sealed_by(&mut bob, b"beyond");
        assert_eq!(open(&mut alice, &packet, Duration::ZERO), Err(Refused::Expired));
    }

    #[test]
    fn padding_stays_within_the_mtu() {
        assert_eq!(padded(0, 1420), 0);
        assert_eq!(padded(1, 1420), 16);
        assert_eq!(padded(1419, 1420), 1420);
        assert_eq!(padded(1500, 1420), 1500);
        assert_eq!(padded(1501, 1420), 1516);
        assert_eq!(padded(1501, 0), 1504);
    }
}
