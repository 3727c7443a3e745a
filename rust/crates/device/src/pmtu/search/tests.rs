use proptest::prelude::*;

use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A path that carries packets up to a size, and a peer at its end that answers.
struct Path {
    search: Search,
    now: Duration,
    /// The largest packet that passes; 0 for a path that is cut.
    carries: u16,
    /// The largest packet that this host's link takes.
    link: u16,
    round_trip: Duration,
    in_use: bool,
    /// Probes that are lost for another reason, by their number.
    lost: Box<dyn FnMut(usize) -> bool>,
    /// The probes that were sent, and when.
    sent: Vec<(Duration, u16)>,
    replies: Vec<(Duration, u16)>,
}

impl Path {
    fn of(carries: u16) -> Self {
        Self {
            search: Search::default(),
            now: seconds(1000),
            carries,
            link: u16::MAX,
            round_trip: Duration::from_millis(50),
            in_use: true,
            lost: Box::new(|_| false),
            sent: Vec::new(),
            replies: Vec::new(),
        }
    }

    fn started(mut self, largest: usize) -> Self {
        self.search.start(largest, self.now);
        self
    }

    /// Let time pass, to `end` at most, until the next event; process it. Return false at the end.
    fn step(&mut self, end: Duration) -> bool {
        let reply = self.replies.iter().map(|(at, _)| *at).min();
        let Some(next) = self.search.next_deadline().into_iter().chain(reply).min().filter(|next| *next <= end) else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        if let Some(at) = self.replies.iter().position(|(at, _)| *at <= self.now) {
            let (_, bytes) = self.replies.remove(at);
            self.search.on_reply(bytes, self.now);
        }
        while let Some(bytes) = self.search.poll(self.in_use, self.now) {
            if bytes > self.link {
                self.search.on_refused(bytes, self.now);
                continue;
            }
            self.sent.push((self.now, bytes));
            if bytes <= self.carries && !(self.lost)(self.sent.len()) {
                self.replies.push((self.now + self.round_trip, bytes));
            }
        }
        true
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    fn size(&self) -> Option<u16> {
        match self.search.found() {
            Found::Size { bytes, .. } => Some(bytes),
            Found::Nothing | Found::NoAnswer => None,
        }
    }

    /// Return how long it takes until the size satisfies a condition.
    fn time_until(&mut self, condition: impl Fn(Option<u16>) -> bool) -> Duration {
        let start = self.now;
        while !condition(self.size()) {
            assert!(self.step(start + seconds(3600)), "it did not happen within an hour: {:?}", self.search);
        }
        self.now - start
    }
}

/// Return the largest size of the table that a path and a limit allow.
fn best(carries: u16, largest: usize) -> Option<u16> {
    let limit = SIZES.into_iter().find(|size| usize::from(*size) >= largest).unwrap_or(9000);
    SIZES.into_iter().rfind(|size| *size <= carries && *size <= limit)
}

#[test]
fn a_path_that_carries_the_largest_size_takes_one_probe() {
    let mut path = Path::of(1500).started(1480);
    path.pass(seconds(29));
    assert_eq!((path.size(), path.sent.as_slice()), (Some(1480), [(seconds(1000), 1480)].as_slice()));
}

#[test]
fn no_size_above_the_first_that_holds_the_mtu_is_tried() {
    for (largest, tried) in
        [(1200, 1280), (1280, 1280), (1281, 1340), (1480, 1480), (1481, 1492), (9000, 9000), (20_000, 9000)]
    {
        let mut path = Path::of(9000).started(largest);
        path.pass(seconds(60));
        assert_eq!(path.sent.iter().map(|(_, bytes)| *bytes).max(), Some(tried));
    }
}

#[test]
fn a_lost_largest_size_is_followed_by_the_smallest_and_then_by_halves() {
    let mut path = Path::of(1300).started(1480);
    path.pass(seconds(20));
    let sizes: Vec<u16> = path.sent.iter().map(|(_, bytes)| *bytes).collect();
    assert_eq!(sizes, [1480, 1480, 1480, 1280, 1420, 1420, 1420, 1380, 1380, 1380, 1340, 1340, 1340]);
    assert_eq!(path.size(), Some(1280));
}

#[test]
fn a_peer_that_does_not_answer_is_tried_six_times_and_again_after_ten_minutes() {
    let mut path = Path::of(0).started(1480);
    path.pass(seconds(599));
    assert_eq!(path.sent.len(), 2 * usize::from(TRIES));
    assert_eq!(path.search.found(), Found::NoAnswer);
    path.carries = 1400;
    assert!(path.time_until(|size| size == Some(1400)) < seconds(20));
}

#[test]
fn sizes_that_the_link_refuses_take_no_time() {
    let mut path = Path::of(1500).started(9000);
    path.link = 1500;
    path.pass(seconds(1));
    assert_eq!((path.size(), path.sent.len()), (Some(1500), 1));
    path.link = 1300;
    path.pass(seconds(31));
    assert_eq!(path.size(), Some(1280), "the link became narrower");
}

#[test]
fn an_idle_peer_is_sent_nothing_after_the_search() {
    for carries in [1500, 1300, 0] {
        let mut path = Path::of(carries).started(1480);
        path.pass(seconds(25));
        let (sent, found) = (path.sent.len(), path.search.found());
        path.in_use = false;
        path.pass(seconds(3000));
        assert_eq!((path.sent.len(), path.search.found()), (sent, found));
        path.in_use = true;
        path.pass(seconds(31));
        assert!(path.sent.len() > sent, "no probe although the peer is in use again");
    }
}

#[test]
fn one_lost_confirmation_changes_nothing_and_two_in_a_row_are_a_black_hole() {
    let mut path = Path::of(1500).started(1480);
    path.lost = Box::new(|number| matches!(number, 2 | 4 | 6 | 7));
    path.pass(seconds(179));
    assert_eq!((path.sent.len(), path.size()), (6, Some(1480)));
    path.pass(seconds(5));
    assert_eq!(path.size(), Some(1472), "the next lower size");
    path.pass(seconds(600));
    assert_eq!(path.size(), Some(1480), "found again by the search for a larger size");
}

#[test]
fn a_peer_that_is_back_with_a_new_session_is_searched_at_once() {
    let mut path = Path::of(1500).started(1480);
    path.pass(seconds(10));
    path.carries = 0;
    path.pass(seconds(90));
    assert_eq!(path.search.found(), Found::NoAnswer);
    path.carries = 1500;
    path.search.on_session(path.now);
    assert!(path.time_until(|size| size == Some(1480)) < seconds(1));
}

#[test]
fn a_new_session_confirms_the_size_without_a_pause() {
    let mut path = Path::of(1500).started(1480);
    path.pass(seconds(5));
    path.search.on_session(path.now);
    path.pass(seconds(1));
    assert_eq!(path.sent.len(), 2);
}

#[test]
fn a_late_reply_counts_while_its_size_is_tried() {
    let mut path = Path::of(1400).started(1480);
    path.round_trip = Duration::from_millis(2500);
    path.pass(seconds(60));
    assert_eq!(path.size(), Some(1400));
}

#[test]
fn a_stopped_search_is_silent_and_knows_nothing() {
    let mut path = Path::of(1500).started(1480);
    path.pass(seconds(5));
    path.search.stop();
    assert_eq!((path.search.next_deadline(), path.search.found()), (None, Found::Nothing));
    path.search.on_reply(1480, path.now);
    path.search.on_session(path.now);
    assert!(path.search.is_idle());
}

proptest! {
    #[test]
    fn a_path_without_loss_has_its_largest_size_found(
        carries in 1280u16..9100, link in 1280u16..9100, largest in 1280usize..9100, round_trip in 0u64..999,
    ) {
        let mut path = Path::of(carries).started(largest);
        path.link = link;
        path.round_trip = Duration::from_millis(round_trip);
        path.pass(seconds(30));
        prop_assert_eq!(path.size(), best(carries.min(link), largest));
    }

    #[test]
    fn two_losses_in_three_do_not_spoil_a_search(carries in 1280u16..9100, largest in 1280usize..9100, third in 0usize..3) {
        let mut path = Path::of(carries).started(largest);
        path.lost = Box::new(move |number| number % 3 != third);
        let mut largest_found = None;
        path.time_until(|size| size == best(carries, largest));
        for _ in 0..200 {
            path.pass(seconds(1));
            largest_found = largest_found.max(path.size());
        }
        prop_assert_eq!(largest_found, best(carries, largest));
    }

    #[test]
    fn a_path_that_shrinks_in_use_is_followed_within_90_seconds(
        before in 1340u16..9100, after in 1280u16..9000, largest in 1340usize..9100, when in 30_000u64..100_000,
    ) {
        prop_assume!(after < before);
        let mut path = Path::of(before).started(largest);
        path.pass(Duration::from_millis(when));
        path.carries = after;
        let shrunk = path.now;
        path.time_until(|size| size == best(after, largest));
        prop_assert!(path.now - shrunk < seconds(90));
    }

    #[test]
    fn a_path_that_widens_is_followed_after_ten_minutes(before in 1280u16..9000, after in 1281u16..9100, largest in 1280usize..9100) {
        prop_assume!(before < after);
        let mut path = Path::of(before).started(largest);
        path.pass(seconds(30));
        path.carries = after;
        let time = path.time_until(|size| size == best(after, largest));
        prop_assert!(time < SEARCH_INTERVAL + CONFIRM_INTERVAL + seconds(30));
    }

    #[test]
    fn probes_of_an_answering_peer_are_few(carries in 1280u16..9100, largest in 1280usize..9100, lost in prop::collection::vec(any::<bool>(), 64)) {
        let mut path = Path::of(carries).started(largest);
        path.lost = Box::new(move |number| lost[number % 64]);
        path.pass(seconds(3600));
        for (start, _) in &path.sent {
            let minute = path.sent.iter().filter(|(at, _)| (*start..*start + seconds(60)).contains(at)).count();
            prop_assert!(minute <= 60, "{minute} probes within a minute");
        }
        prop_assert!(path.sent.len() < 3600);
        prop_assert!(path.sent.iter().all(|(_, bytes)| usize::from(*bytes) < largest || best(u16::MAX, largest) == Some(*bytes)));
    }
}
