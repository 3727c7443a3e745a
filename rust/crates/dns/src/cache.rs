//! Answers of servers, kept for their TTL. Memory is bounded, and what was not used longest goes first.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use domain::base::iana::Opcode;
use domain::base::message::Message;

use crate::lookup::Transport;
use crate::message::query::{Head, Query};
use crate::message::question::Question;
use crate::message::reply::Reply;

/// The most entries.
pub const MAX_ENTRIES: usize = 4096;
/// The most memory.
pub const MAX_BYTES: usize = 4 << 20;
/// The longest time an answer is kept, whatever its TTL: an operator who corrects an error waits no longer.
pub const MAX_TTL_SECONDS: u32 = 3600;
/// The same for an answer that says that there is nothing (RFC 2308, section 5 allows hours).
pub const MAX_NEGATIVE_TTL_SECONDS: u32 = 300;
/// How long a failure is kept (RFC 2308, section 7 allows 5 minutes): a dead server is not asked by every query.
pub const FAILURE: Duration = Duration::from_secs(5);
/// How long an answer may be used after its TTL while servers are silent (RFC 8767).
pub const STALE: Duration = Duration::from_secs(600);
/// The TTL of a stale answer (RFC 8767, section 5.2).
const STALE_TTL_SECONDS: u32 = 30;
/// What an entry takes beside its octets: two copies of the question, the structures and the maps.
const ENTRY_BYTES: usize = 256;

/// Why servers gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A server said that it cannot answer.
    Refused,
    /// None said anything.
    Silent,
}

/// What the cache has for a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Hit {
    /// An answer whose TTL has not passed; its TTLs are what is left.
    Fresh(Reply),
    /// Servers failed within [`FAILURE`].
    Failed(Failure),
}

/// Answers by their questions.
#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<Question, Entry>,
    /// The questions in the order of their last use.
    used: BTreeMap<u64, Question>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    answer: Option<Answer>,
    failure: Option<(Failure, Instant)>,
    used: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    /// The message, as it is the smallest form of the records.
    message: Vec<u8>,
    stored: Instant,
    ttl: Duration,
}

impl Cache {
    /// Keep an answer for its TTL. One without a TTL is not kept.
    pub fn store(&mut self, question: &Question, reply: &Reply, now: Instant) {
        let cap = if reply.is_negative() { MAX_NEGATIVE_TTL_SECONDS } else { MAX_TTL_SECONDS };
        let ttl = Duration::from_secs(reply.ttl_seconds().unwrap_or(0).min(cap).into());
        self.remove(question);
        if !ttl.is_zero() {
            let answer = Answer { message: encode(question, reply), stored: now, ttl };
            self.insert(question, Entry { answer: Some(answer), ..Entry::default() });
        }
    }

    /// Note that servers failed; a stale answer is kept with it.
    pub fn store_failure(&mut self, question: &Question, failure: Failure, now: Instant) {
        let answer = self.remove(question).and_then(|entry| entry.answer);
        self.insert(question, Entry { answer, failure: Some((failure, now)), ..Entry::default() });
    }

    /// Return what is known without asking a server.
    pub fn get(&mut self, question: &Question, now: Instant) -> Option<Hit> {
        self.note_use(question);
        let entry = self.entries.get(question)?;
        if let Some(answer) = entry.answer.as_ref().filter(|answer| now < answer.stored + answer.ttl) {
            let age = now.saturating_duration_since(answer.stored).as_secs() as u32;
            let mut reply = answer.reply()?;
            let max = answer.ttl.as_secs() as u32;
            reply.map_ttls(|ttl| ttl.min(max).saturating_sub(age).max(1));
            return Some(Hit::Fresh(reply));
        }
        let (failure, at) = entry.failure?;
        (now < at + FAILURE).then_some(Hit::Failed(failure))
    }

    /// Return an answer whose TTL has passed, for use while servers are silent.
    #[must_use]
    pub fn stale(&self, question: &Question, now: Instant) -> Option<Reply> {
        let answer = self.entries.get(question)?.answer.as_ref()?;
        if now >= answer.stored + answer.ttl + STALE {
            return None;
        }
        let mut reply = answer.reply()?;
        reply.map_ttls(|_| STALE_TTL_SECONDS);
        Some(reply)
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Return the number of entries and the memory they take.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    fn insert(&mut self, question: &Question, mut entry: Entry) {
        let message = entry.answer.as_ref().map_or(0, |answer| answer.message.len());
        entry.bytes = ENTRY_BYTES + 2 * question.name.len() + message;
        self.uses += 1;
        entry.used = self.uses;
        self.bytes += entry.bytes;
        self.used.insert(self.uses, question.clone());
        self.entries.insert(question.clone(), entry);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.used.first_key_value() else { break };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, question: &Question) -> Option<Entry> {
        let entry = self.entries.remove(question)?;
        self.used.remove(&entry.used);
        self.bytes -= entry.bytes;
        Some(entry)
    }

    fn note_use(&mut self, question: &Question) {
        let Some(entry) = self.entries.get_mut(question) else { return };
        self.uses += 1;
        if let Some(question) = self.used.remove(&entry.used) {
            self.used.insert(self.uses, question);
        }
        entry.used = self.uses;
    }
}

impl Answer {
    fn reply(&self) -> Option<Reply> {
        Reply::read(Message::from_slice(&self.message).ok()?).ok()
    }
}

fn encode(question: &Question, reply: &Reply) -> Vec<u8> {
    let head = Head { id: 0, opcode: Opcode::QUERY, recursion_desired: true };
    let query = Query { head, question: question.clone(), edns: None };
    reply.encode(&query, query.max_answer_bytes(Transport::Tcp))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use domain::base::iana::Rtype;
    use domain::base::record::Ttl;
    use proptest::prelude::*;

    use super::*;
    use crate::zone::Zone;

    fn question(number: u32) -> Question {
        Question { name: format!("n{number}.example.org").parse().unwrap(), kind: Rtype::A }
    }

    fn reply(question: &Question, ttl: u32, count: u8) -> Reply {
        let addresses: Vec<IpAddr> = (0..count).map(|number| IpAddr::from([192, 0, 2, number])).collect();
        Reply::addresses(&question.name, question.kind, &addresses, Ttl::from_secs(ttl))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The TTL of a fresh answer.
    fn left(cache: &mut Cache, question: &Question, now: Instant) -> Option<u32> {
        match cache.get(question, now) {
            Some(Hit::Fresh(reply)) => {
                reply.answers.iter().chain(&reply.authority).map(|record| record.ttl().as_secs()).min()
            }
            _ => None,
        }
    }

    #[test]
    fn an_answer_is_kept_for_its_ttl_and_stale_for_ten_minutes_more() {
        let (now, asked, mut cache) = (Instant::now(), question(1), Cache::default());
        cache.store(&asked, &reply(&asked, 60, 2), now);
        assert_eq!(left(&mut cache, &asked, now), Some(60));
        assert_eq!(
            left(&mut cache, &Question { name: "N1.Example.ORG".parse().unwrap(), kind: Rtype::A }, now),
            Some(60)
        );
        assert_eq!(left(&mut cache, &asked, now + seconds(59)), Some(1));
        assert_eq!(cache.get(&asked, now + seconds(60)), None);
        let stale = cache.stale(&asked, now + seconds(659)).unwrap();
        assert!(stale.answers.len() == 2 && stale.answers.iter().all(|record| record.ttl().as_secs() == 30));
        assert_eq!(cache.stale(&asked, now + seconds(660)), None);
    }

    #[test]
    fn no_answer_is_kept_longer_than_an_hour_and_no_negative_one_longer_than_five_minutes() {
        let (now, asked, mut cache) = (Instant::now(), question(1), Cache::default());
        cache.store(&asked, &reply(&asked, 90_000, 1), now);
        assert_eq!(left(&mut cache, &asked, now + seconds(3599)), Some(1));
        assert_eq!(cache.get(&asked, now + seconds(3600)), None);
        let zone = Zone::new("example.org".parse().unwrap(), &[], Vec::new());
        let mut negative = zone.answer(&asked);
        negative.map_ttls(|_| 900);
        cache.store(&asked, &negative, now);
        assert_eq!(left(&mut cache, &asked, now + seconds(59)), Some(1), "the minimum of the SOA record is 60");
        cache.store(&asked, &reply(&asked, 0, 1), now);
        assert_eq!((cache.get(&asked, now), cache.size()), (None, (0, 0)));
    }

    #[test]
    fn a_failure_is_kept_for_five_seconds_beside_a_stale_answer() {
        let (now, asked, mut cache) = (Instant::now(), question(1), Cache::default());
        cache.store(&asked, &reply(&asked, 60, 1), now);
        let later = now + seconds(70);
        cache.store_failure(&asked, Failure::Silent, later);
        assert_eq!(cache.get(&asked, later + seconds(4)), Some(Hit::Failed(Failure::Silent)));
        assert_eq!(cache.get(&asked, later + seconds(5)), None);
        assert!(cache.stale(&asked, later).is_some());
        cache.clear();
        assert_eq!((cache.stale(&asked, later), cache.size()), (None, (0, 0)));
    }

    #[test]
    fn what_was_not_used_longest_goes_first() {
        let (now, mut cache) = (Instant::now(), Cache::default());
        for number in 0..MAX_ENTRIES as u32 {
            cache.store(&question(number), &reply(&question(number), 60, 1), now);
        }
        assert!(cache.get(&question(0), now).is_some());
        cache.store(&question(5000), &reply(&question(5000), 60, 1), now);
        assert!(cache.get(&question(0), now).is_some() && cache.get(&question(1), now).is_none());
        assert_eq!(cache.size().0, MAX_ENTRIES);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn memory_is_bounded_and_counted(steps in prop::collection::vec((0u32..900, 0u8..4, 0u8..=255), 1..2000)) {
            let (mut now, mut cache) = (Instant::now(), Cache::default());
            for (number, step, count) in steps {
                let asked = question(number);
                match step {
                    0 | 1 => cache.store(&asked, &reply(&asked, count.into(), count), now),
                    2 => cache.store_failure(&asked, Failure::Refused, now),
                    _ => { cache.get(&asked, now); }
                }
                now += Duration::from_millis(count.into());
                let (entries, bytes) = cache.size();
                prop_assert!(entries <= MAX_ENTRIES && bytes <= MAX_BYTES);
                prop_assert_eq!(bytes, cache.entries.values().map(|entry| entry.bytes).sum::<usize>());
                prop_assert_eq!(cache.used.len(), entries);
            }
        }
    }
}
