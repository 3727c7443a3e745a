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

/// The credit of a source, and when it was computed.
type Buckets = HashMap<IpAddr, (Duration, Duration)>;

/// Token buckets, one for each IPv4 address or IPv6 /64.
///
/// A bucket that was not used for `FULL` is full again, like that of an unknown source, and is forgotten. So the buckets
/// are kept in two generations of that length, of which the older is dropped as a whole: no message pays for the others.
#[derive(Default)]
pub(crate) struct RateLimit {
    recent: Buckets,
    /// The sources that were last seen in the generation before.
    older: Buckets,
    /// When `recent` began.
    since: Duration,
}

impl RateLimit {
    /// Take one handshake from the bucket of `source`; false if it is empty.
    pub(crate) fn allow(&mut self, source: IpAddr, boot: Duration) -> bool {
        self.rotate(boot);
        let source = network(source);
        let known = self.recent.remove(&source).or_else(|| self.older.remove(&source));
        if known.is_none() && self.len() >= SOURCES {
            return false;
        }
        let (credit, counted) = known.unwrap_or((FULL, boot));
        let credit = (credit + boot.saturating_sub(counted)).min(FULL);
        let allowed = credit >= COST;
        self.recent.insert(source, (if allowed { credit - COST } else { credit }, boot));
        allowed
    }

    /// Return how many sources are remembered.
    fn len(&self) -> usize {
        self.recent.len() + self.older.len()
    }

    /// Begin a new generation if the recent one is `FULL` old; each bucket that is dropped is full by then.
    fn rotate(&mut self, boot: Duration) {
        let age = boot.saturating_sub(self.since);
        if age >= FULL {
            self.older = if age < FULL * 2 { std::mem::take(&mut self.recent) } else { Buckets::new() };
            self.recent = Buckets::new();
            self.since = boot;
        }
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
        assert_eq!(limit.len(), SOURCES);
        let fresh = "203.0.113.1".parse().unwrap();
        assert!(!limit.allow(fresh, FULL), "the sources of the generation before count until it is dropped");
        assert!(limit.allow(fresh, FULL * 2));
        assert_eq!(limit.len(), 1);
    }

    #[test]
    fn a_source_is_forgotten_only_when_its_bucket_is_full() {
        let (mut limit, mut all) = (RateLimit::default(), Buckets::new());
        let (mut boot, mut random) = (Duration::from_secs(7), 1_u32);
        for _ in 0..100_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            boot += Duration::from_millis(u64::from(random >> 28));
            let source = std::net::Ipv4Addr::from_bits((random >> 8) % 40).into();
            let (credit, counted) = all.get(&source).copied().unwrap_or((FULL, boot));
            let credit = (credit + boot - counted).min(FULL);
            let expected = credit >= COST;
            all.insert(source, (if expected { credit - COST } else { credit }, boot));
            assert_eq!(limit.allow(source, boot), expected);
        }
    }
}
