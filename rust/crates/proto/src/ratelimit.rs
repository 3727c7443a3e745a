//! The rate limit of handshakes per source under load (section 5.3): a token bucket for each source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Handshakes per second of a source in the long term.
const PER_SECOND: u32 = 20;
/// Handshakes of a source in a burst.
const BURST: u32 = 5;
/// The cost of one handshake, as time.
const COST: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64);
/// A full bucket, as time.
const FULL: Duration = Duration::from_nanos(COST.as_nanos() as u64 * BURST as u64);
/// Sources remembered. Each was accepted by mac2, so each is a real address; 64 Ki of them take 5 MB.
const SOURCES: usize = 65_536;

/// Token buckets, one for each IPv4 address or IPv6 /64.
#[derive(Default)]
pub(crate) struct RateLimit {
    /// The credit of a source and when it was computed.
    buckets: HashMap<IpAddr, (Duration, Duration)>,
}

impl RateLimit {
    /// Take one handshake from the bucket of `source`; false if it is empty.
    pub(crate) fn allow(&mut self, source: IpAddr, boot: Duration) -> bool {
        if self.buckets.len() >= SOURCES {
            self.forget(boot);
        }
        let full = self.buckets.len() >= SOURCES;
        let source = network(source);
        if full && !self.buckets.contains_key(&source) {
            return false;
        }
        let (credit, counted) = self.buckets.entry(source).or_insert((FULL, boot));
        *credit = (*credit + boot.saturating_sub(*counted)).min(FULL);
        *counted = boot;
        let allowed = *credit >= COST;
        if allowed {
            *credit -= COST;
        }
        allowed
    }

    /// Remove the sources whose bucket is full again.
    fn forget(&mut self, boot: Duration) {
        self.buckets.retain(|_, (credit, counted)| *credit + boot.saturating_sub(*counted) < FULL);
    }
}

/// Return the network of a source: one host commonly has a whole /64.
fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let (mut limit, source) = (RateLimit::default(), "2001:db8::1".parse().unwrap());
        let neighbour = "2001:db8::2".parse().unwrap();
        let allowed = (0..100).filter(|_| limit.allow(source, Duration::ZERO)).count();
        assert_eq!(allowed, 5);
        assert!(!limit.allow(neighbour, Duration::ZERO), "the same /64");
        assert!(limit.allow("2001:db8:0:1::1".parse().unwrap(), Duration::ZERO));
        let allowed = (0..1000).filter(|ms| limit.allow(source, Duration::from_millis(*ms))).count();
        assert_eq!(allowed, 19);
    }

    #[test]
    fn memory_is_bounded_and_freed() {
        let mut limit = RateLimit::default();
        for host in 0..SOURCES as u32 + 10 {
            limit.allow(std::net::Ipv4Addr::from_bits(host).into(), Duration::ZERO);
        }
        assert_eq!(limit.buckets.len(), SOURCES);
        assert!(limit.allow("203.0.113.1".parse().unwrap(), Duration::from_secs(1)));
        assert_eq!(limit.buckets.len(), 1);
    }
}
