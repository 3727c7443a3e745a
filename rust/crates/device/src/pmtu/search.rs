//! The search for the path MTU of one peer, as a state machine: times, replies and refusals go in, sizes to probe come
//! out.
//!
//! RFC 8899 with these choices:
//!
//! - Only the sizes of [`SIZES`] are tried, each at most [`TRIES`] times, and one probe is in flight at a time.
//! - The largest size is tried first, since most paths have it. If it is lost, the smallest follows, which tells a
//!   narrow path from a peer that does not answer. Then the sizes between are halved (section 5.3.2).
//! - The size found is confirmed every [`CONFIRM_INTERVAL`]. Two losses in a row are a black hole (section 4.4): the next
//!   lower size is used, and the search begins again below.
//! - Nothing is sent to a peer that is not sent anything else, so that an idle tunnel stays silent.
//!
//! Sizes are those of outer packets with their IP header. Times are those of [`proto::clock::Now::boot`].

use std::time::Duration;

/// The sizes that are tried: those of the links, tunnels and access networks that paths are made of, in ascending order.
/// The first is what every path of IPv6 has (RFC 8200, section 5).
pub const SIZES: [u16; 15] = [1280, 1340, 1380, 1400, 1420, 1440, 1452, 1460, 1472, 1480, 1492, 1500, 4000, 8901, 9000];
/// Probes of one size without a reply after which it is taken to be too large (MAX_PROBES, section 5.1.2).
pub const TRIES: u8 = 3;
/// How long a reply is waited for (PROBE_TIMER, section 5.1.1).
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the size found is confirmed while the peer is in use (CONFIRMATION_TIMER, section 5.1.1).
pub const CONFIRM_INTERVAL: Duration = Duration::from_secs(30);
/// How often a larger size is searched for, or any if none was answered (PMTU_RAISE_TIMER, section 5.1.1).
pub const SEARCH_INTERVAL: Duration = Duration::from_secs(600);
/// Lost confirmations in a row that make a black hole.
const BLACK_HOLE_LOSSES: u8 = 2;

/// What is known of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing yet: there is no session, or the first search has found none of the sizes so far.
    Nothing,
    /// The smallest size was not answered: the path MTU is unknown.
    NoAnswer,
    /// Packets of this size arrive.
    Size {
        /// The size of the outer packet, in octets.
        bytes: u16,
        /// When a packet of this size was last answered, or when the size was chosen after a black hole.
        since: Duration,
    },
}

/// The search of one peer.
#[derive(Debug)]
pub struct Search {
    phase: Phase,
    /// The number of sizes that may be tried.
    limit: usize,
    found: Found,
    /// When the next search for a larger size is due.
    search_at: Duration,
}

#[derive(Debug)]
enum Phase {
    /// There is no session: nothing is due.
    Idle,
    /// Sizes are tried.
    Searching(Bounds, Trial),
    /// A size was found; it is confirmed from time to time.
    Confirming {
        /// Lost confirmations in a row.
        losses: u8,
        /// Whether a reply is due by `at`; otherwise the next confirmation is.
        in_flight: bool,
        at: Duration,
    },
    /// No size was answered.
    Waiting {
        /// When the next search is due.
        at: Duration,
        /// Whether the peer answered before: then a sign of life is reason enough to search again.
        answered: bool,
    },
}

/// What one search knows, as positions in [`SIZES`].
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// The largest size that was answered.
    floor: Option<usize>,
    /// The smallest size that is too large.
    ceiling: usize,
    /// Whether a probe was lost; before that the largest size is tried.
    lossy: bool,
}

/// The size that is being tried.
#[derive(Debug, Clone, Copy)]
struct Trial {
    index: usize,
    /// Probes of it that were sent.
    sent: u8,
    /// When the next probe is sent, or the size is given up.
    at: Duration,
}

impl Bounds {
    /// Return the size to try next; `None` if there is none between the bounds.
    fn next(&self) -> Option<usize> {
        match self.floor {
            None if self.ceiling == 0 => None,
            None if self.lossy => Some(0),
            Some(floor) if floor + 1 >= self.ceiling => None,
            Some(floor) if self.lossy => Some(floor + (self.ceiling - floor) / 2),
            None | Some(_) => Some(self.ceiling - 1),
        }
    }
}

impl Default for Search {
    fn default() -> Self {
        Self { phase: Phase::Idle, limit: 0, found: Found::Nothing, search_at: Duration::ZERO }
    }
}

impl Search {
    /// Begin with a new path, as with the first session or a new endpoint: what is known of the former one is dropped.
    /// No size above the first one that holds `largest` octets is tried.
    pub fn start(&mut self, largest: usize, now: Duration) {
        self.limit = SIZES.iter().position(|size| usize::from(*size) >= largest).map_or(SIZES.len(), |at| at + 1);
        self.found = Found::Nothing;
        self.search(Bounds { floor: None, ceiling: self.limit, lossy: false }, now);
    }

    /// Stop, as when the session is lost. What is known is dropped.
    pub fn stop(&mut self) {
        *self = Self::default();
    }

    /// Return whether the search was stopped, or never started.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Return what is known of the path.
    #[must_use]
    pub fn found(&self) -> Found {
        self.found
    }

    /// Return when [`Search::poll`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Searching(_, Trial { at, .. }) | Phase::Confirming { at, .. } | Phase::Waiting { at, .. } => {
                Some(*at)
            }
        }
    }

    /// Return the size of the probe to send now. `in_use` tells whether the peer was sent other packets since the last
    /// probe. Called until it returns `None`.
    pub fn poll(&mut self, in_use: bool, now: Duration) -> Option<u16> {
        if self.next_deadline().is_none_or(|at| at > now) {
            return None;
        }
        let raise_is_due = now >= self.search_at && self.floor() != self.limit.checked_sub(1);
        match &mut self.phase {
            Phase::Idle => None,
            Phase::Searching(bounds, trial) if trial.sent >= TRIES => {
                let bounds = Bounds { ceiling: trial.index, lossy: true, ..*bounds };
                self.search(bounds, now);
                self.poll(in_use, now)
            }
            Phase::Searching(_, trial) => {
                trial.sent += 1;
                trial.at = now + REPLY_TIMEOUT;
                Some(SIZES[trial.index])
            }
            Phase::Confirming { losses, in_flight: true, .. } if *losses + 1 >= BLACK_HOLE_LOSSES => {
                self.leave_black_hole(now);
                self.poll(in_use, now)
            }
            Phase::Confirming { losses, in_flight, at } if *in_flight => {
                *losses += 1;
                *in_flight = false;
                *at += CONFIRM_INTERVAL - REPLY_TIMEOUT;
                None
            }
            Phase::Confirming { losses: 0, at, .. } | Phase::Waiting { at, .. } if !in_use => {
                *at = now + CONFIRM_INTERVAL;
                None
            }
            Phase::Confirming { .. } if raise_is_due => {
                let bounds = Bounds { floor: self.floor(), ceiling: self.limit, lossy: false };
                self.search(bounds, now);
                self.poll(in_use, now)
            }
            Phase::Confirming { in_flight, at, .. } => {
                *in_flight = true;
                *at = now + REPLY_TIMEOUT;
                self.floor().map(|index| SIZES[index])
            }
            Phase::Waiting { .. } => {
                let bounds = Bounds { floor: None, ceiling: self.limit, lossy: false };
                self.search(bounds, now);
                self.poll(in_use, now)
            }
        }
    }

    /// Note the reply to a probe of this size. One that is late counts as long as its size is being tried.
    pub fn on_reply(&mut self, bytes: u16, now: Duration) {
        let size = Found::Size { bytes, since: now };
        match &mut self.phase {
            Phase::Searching(bounds, trial) if SIZES[trial.index] == bytes => {
                let bounds = Bounds { floor: Some(trial.index), ..*bounds };
                self.found = size;
                self.search(bounds, now);
            }
            Phase::Confirming { losses, in_flight, at } if matches!(self.found, Found::Size { bytes: known, .. } if known == bytes) =>
            {
                *losses = 0;
                if std::mem::take(in_flight) {
                    *at = now + CONFIRM_INTERVAL;
                }
                self.found = size;
            }
            _ => {}
        }
    }

    /// Note that this host's own link does not take a packet of this size.
    pub fn on_refused(&mut self, bytes: u16, now: Duration) {
        match &self.phase {
            Phase::Searching(bounds, trial) if SIZES[trial.index] == bytes => {
                let bounds = Bounds { ceiling: trial.index, ..*bounds };
                self.search(bounds, now);
            }
            Phase::Confirming { .. } if self.floor().is_some_and(|index| SIZES[index] == bytes) => {
                self.leave_black_hole(now);
            }
            _ => {}
        }
    }

    /// Note a new session with the peer. It is a sign that the path may have changed: confirm the size now.
    pub fn on_session(&mut self, now: Duration) {
        match &mut self.phase {
            Phase::Confirming { in_flight: false, at, .. } | Phase::Waiting { at, answered: true } => *at = now,
            _ => {}
        }
    }

    /// Try the next size between the bounds, or end the search.
    fn search(&mut self, bounds: Bounds, now: Duration) {
        if let Some(index) = bounds.next() {
            self.phase = Phase::Searching(bounds, Trial { index, sent: 0, at: now });
            return;
        }
        self.search_at = now + SEARCH_INTERVAL;
        self.phase = if bounds.floor.is_some() {
            Phase::Confirming { losses: 0, in_flight: false, at: now + CONFIRM_INTERVAL }
        } else {
            let answered = matches!(self.found, Found::Size { .. });
            self.found = Found::NoAnswer;
            Phase::Waiting { at: self.search_at, answered }
        };
    }

    /// Use the next lower size until a search below the lost one has ended.
    fn leave_black_hole(&mut self, now: Duration) {
        let lost = self.floor().unwrap_or(0);
        if let Some(below) = lost.checked_sub(1) {
            self.found = Found::Size { bytes: SIZES[below], since: now };
        }
        self.search(Bounds { floor: None, ceiling: lost, lossy: false }, now);
    }

    /// Return the position of the size that was found.
    fn floor(&self) -> Option<usize> {
        match self.found {
            Found::Size { bytes, .. } => SIZES.iter().position(|size| *size == bytes),
            Found::Nothing | Found::NoAnswer => None,
        }
    }
}

#[cfg(test)]
mod tests;
