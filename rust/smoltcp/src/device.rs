//! A device of smoltcp that is two queues of IP packets.

use std::cell::RefCell;
use std::collections::VecDeque;

use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// The queues. Packets that were received and sent are used again.
#[derive(Debug)]
pub struct Queues {
    mtu: usize,
    received: RefCell<VecDeque<Vec<u8>>>,
    sent: RefCell<VecDeque<Vec<u8>>>,
    free: RefCell<Vec<Vec<u8>>>,
}

impl Queues {
    /// Create empty queues for packets of at most `mtu` bytes.
    #[must_use]
    pub fn new(mtu: usize) -> Self {
        Self { mtu, received: RefCell::default(), sent: RefCell::default(), free: RefCell::default() }
    }

    /// Add a packet that arrives, given in two parts.
    pub fn receive(&self, head: &[u8], rest: &[u8]) {
        let mut packet = self.free.borrow_mut().pop().unwrap_or_default();
        packet.clear();
        packet.extend_from_slice(head);
        packet.extend_from_slice(rest);
        self.received.borrow_mut().push_back(packet);
    }

    /// Take a packet that is to be sent.
    pub fn take(&self) -> Option<Vec<u8>> {
        self.sent.borrow_mut().pop_front()
    }

    /// Give a packet back that was taken.
    pub fn put_back(&self, packet: Vec<u8>) {
        self.free.borrow_mut().push(packet);
    }

    /// Move the packets that are to be sent to the other side of a cable, and take back as many that were received there.
    pub fn carry_to(&self, other: &Self) {
        let mut sent = self.sent.borrow_mut();
        let mut free = other.free.borrow_mut();
        let kept = free.len().saturating_sub(sent.len());
        self.free.borrow_mut().extend(free.drain(kept..));
        other.received.borrow_mut().append(&mut sent);
    }
}

impl Device for Queues {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let packet = self.received.borrow_mut().pop_front()?;
        Some((Received { packet, queues: self }, Sending(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }
}

/// A packet that arrived.
#[derive(Debug)]
pub struct Received<'a> {
    packet: Vec<u8>,
    queues: &'a Queues,
}

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, process: F) -> R {
        let result = process(&self.packet);
        self.queues.put_back(self.packet);
        result
    }
}

/// Room for a packet that is sent.
#[derive(Debug)]
pub struct Sending<'a>(&'a Queues);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut packet = self.0.free.borrow_mut().pop().unwrap_or_default();
        packet.resize(len, 0);
        let result = write(&mut packet);
        self.0.sent.borrow_mut().push_back(packet);
        result
    }
}
