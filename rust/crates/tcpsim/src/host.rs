//! One end of a connection as the simulation drives it.

use tcp::Time;

/// A TCP implementation with an application on top.
pub trait Host {
    /// Process a packet that arrived.
    fn receive(&mut self, packet: &[u8], now: Time);

    /// End a batch of packets, and let the application read and write.
    fn end_batch(&mut self, now: Time);

    /// Give the packets that are to be sent now.
    fn transmit(&mut self, now: Time, send: &mut dyn FnMut(&[u8]));

    /// Return when [`on_deadline`](Self::on_deadline) is to be called.
    fn next_deadline(&self) -> Option<Time>;

    /// Process the timers that have expired, and let the application read and write.
    fn on_deadline(&mut self, now: Time);

    /// Return whether the connection has ended.
    fn has_ended(&self) -> bool;

    /// Return the application.
    fn application(&self) -> &crate::application::Application;
}
