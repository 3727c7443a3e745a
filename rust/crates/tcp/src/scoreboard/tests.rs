//! Segments are acknowledged, judged lost and sent again, once each.

use super::*;
use proptest::prelude::*;

const LEN: u32 = 100;

fn at(milliseconds: u64) -> Time {
    Time::ZERO + Duration::from_millis(milliseconds)
}

/// Return ten segments of 100 bytes, sent a millisecond apart.
fn ten() -> Scoreboard {
    let mut board = Scoreboard::default();
    for index in 0..10 {
        let start = Seq(LEN * index);
        board.push(start, start + LEN, at(u64::from(index)), SentState::default());
    }
    board
}

fn block(start: u32, end: u32) -> SackBlock {
    SackBlock { start: Seq(start), end: Seq(end) }
}

fn starts(mut run: impl FnMut(&mut dyn FnMut(&Sent))) -> Vec<u32> {
    let mut starts = Vec::new();
    run(&mut |sent| starts.push(sent.start.0));
    starts
}

#[test]
fn what_is_acknowledged_leaves_nothing_behind() {
    let mut board = Scoreboard::default();
    for index in 0..1000 {
        let start = Seq(LEN * index);
        board.push(start, start + LEN, at(1), SentState::default());
        board.mark_first_lost(&mut |_| {});
        let (number, _) = board.next_lost().unwrap();
        board.on_retransmit(number, at(2), SentState::default());
        board.acknowledge(start + LEN, &mut |_| {});
    }
    assert!(board.is_empty());
    assert_eq!((board.retransmissions.len(), board.next_lost().is_none()), (0, true));
}

fn latest(milliseconds: u64, end: u32, age: u64) -> Delivered {
    Delivered { sent_at: at(milliseconds), end: Seq(end), age: Duration::from_millis(age) }
}

#[test]
fn a_segment_counts_once_and_when_the_whole_of_it_is_reported() {
    let mut board = ten();
    assert_eq!(starts(|each| board.sack(block(250, 500), each)), [300, 400]);
    assert_eq!(starts(|each| board.sack(block(150, 620), each)), [200, 500]);
    assert_eq!((board.in_flight(), board.sacked_segments()), (600, 4));
    assert_eq!(starts(|each| board.acknowledge(Seq(350), each)), [0, 100, 200, 300]);
    assert_eq!((board.in_flight(), board.sacked, board.front().unwrap().start), (400, 250, Seq(350)));
}

#[test]
fn what_was_sent_before_a_delivered_segment_is_lost_when_it_is_old_enough() {
    let mut board = ten();
    board.sack(block(500, 600), &mut |_| ());
    let mut next = None;
    let lost = starts(|each| next = board.detect_lost(latest(5, 600, 20), at(22), &mut |sent| each(sent)));
    assert_eq!((lost, next), (vec![0, 100, 200], Some(at(23))));
    let lost = starts(|each| next = board.detect_lost(latest(5, 600, 20), at(30), &mut |sent| each(sent)));
    assert_eq!((lost, next), (vec![300, 400], None));
    assert_eq!((board.in_flight(), board.lost()), (400, 500));
}

#[test]
fn a_retransmission_that_is_lost_is_sent_again() {
    let mut board = ten();
    board.sack(block(100, 300), &mut |_| ());
    board.detect_lost(latest(2, 300, 0), at(20), &mut |_| ());
    let (number, sent) = board.next_lost().unwrap();
    assert_eq!((sent.start, board.lost()), (Seq(0), 100));
    board.on_retransmit(number, at(30), SentState::default());
    assert_eq!((board.lost(), board.in_flight(), board.next_lost().is_none()), (0, 800, true));
    let mut lost = |latest| starts(|each| _ = board.detect_lost(latest, at(40), &mut |sent| each(sent)));
    assert_eq!(lost(latest(29, 400, 0)), [300, 400, 500, 600, 700, 800, 900]);
    assert_eq!(lost(latest(31, 400, 5)), [0]);
}

#[test]
fn spurious_losses_are_taken_back_and_a_timeout_queues_in_order() {
    let mut board = ten();
    board.mark_older_lost(Duration::from_millis(5), at(10), &mut |_| ());
    assert_eq!((board.lost(), board.next_lost().unwrap().1.start), (600, Seq(0)));
    board.unmark_lost();
    assert_eq!((board.lost(), board.in_flight(), board.next_lost().is_none()), (0, 1000, true));
    board.sack(block(0, 200), &mut |_| ());
    board.forget_sacks();
    assert_eq!((board.lost(), board.in_flight(), board.next_lost().unwrap().1.start), (200, 800, Seq(0)));
}

#[test]
fn segments_are_cut_to_a_smaller_size() {
    let mut board = ten();
    board.sack(block(100, 200), &mut |_| ());
    board.mark_first_lost(&mut |_| ());
    board.cut(40);
    assert_eq!((board.in_flight(), board.lost(), board.sacked, board.sacked_segments()), (800, 100, 100, 3));
    let sizes: Vec<_> = core::iter::from_fn(|| {
        let (number, sent) = board.next_lost()?;
        board.on_retransmit(number, at(20), SentState::default());
        Some(sent.len())
    })
    .collect();
    assert_eq!(sizes, [40, 40, 20]);
}

#[derive(Debug, Clone)]
enum Step {
    Push(u32),
    Acknowledge(u32),
    Sack(u32, u32),
    Detect(u64),
    Timeout,
    Undo,
    Retransmit,
    Cut(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u32..200).prop_map(Step::Push),
        2 => (0u32..300).prop_map(Step::Acknowledge),
        4 => (0u32..1500, 1u32..400).prop_map(|(start, len)| Step::Sack(start, len)),
        2 => (0u64..20).prop_map(Step::Detect),
        1 => Just(Step::Timeout),
        1 => Just(Step::Undo),
        4 => Just(Step::Retransmit),
        1 => (20u32..200).prop_map(Step::Cut),
    ]
}

proptest! {
    #[test]
    fn the_counts_agree_with_the_segments(steps in prop::collection::vec(step(), 1..120), base: u32) {
        let (mut board, mut una, mut next, mut now) = (Scoreboard::default(), Seq(base), Seq(base), at(0));
        let mut delivered = None;
        for step in steps {
            now += Duration::from_millis(1);
            let mut each = |sent: &Sent| delivered = Some((sent.sent_at, sent.end));
            match step {
                Step::Push(len) => {
                    board.push(next, next + len, now, SentState::default());
                    next += len;
                }
                Step::Acknowledge(ahead) => {
                    una = (una + ahead).min(next);
                    board.acknowledge(una, &mut each);
                }
                Step::Sack(start, len) => {
                    let (start, end) = ((una + start).min(next), (una + start + len).min(next));
                    if start.before(end) {
                        board.sack(SackBlock { start, end }, &mut each);
                    }
                }
                Step::Detect(age) => {
                    if let Some((sent_at, end)) = delivered {
                        let age = Duration::from_millis(age);
                        let due = board.detect_lost(Delivered { sent_at, end, age }, now, &mut |_| ());
                        prop_assert!(due.is_none_or(|due| due > now));
                    }
                }
                Step::Timeout => board.mark_older_lost(Duration::ZERO, now, &mut |_| ()),
                Step::Undo => board.unmark_lost(),
                Step::Retransmit => {
                    if let Some((number, _)) = board.next_lost() {
                        board.on_retransmit(number, now, SentState::default());
                    }
                }
                Step::Cut(mss) => board.cut(mss),
            }
            let sum = |fate| {
                let of_fate = board.segments.iter().filter(|sent| sent.fate == fate);
                of_fate.map(|sent| u64::from(sent.len())).sum::<u64>()
            };
            prop_assert_eq!(board.in_flight(), sum(Fate::InFlight));
            prop_assert_eq!(board.lost(), sum(Fate::Lost));
            prop_assert_eq!(board.sacked, sum(Fate::Sacked));
            prop_assert_eq!(board.lost() > 0, board.has_queued_loss());
            let ends: Vec<_> = board.segments.iter().map(|sent| (sent.start, sent.end)).collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0));
            prop_assert_eq!(ends.first().map_or(next, |first| first.0), una);
        }
    }
}

impl Scoreboard {
    /// Return whether a lost segment is queued.
    fn has_queued_loss(&self) -> bool {
        self.queue.iter().any(|&number| self.get(number).is_some_and(|sent| sent.fate == Fate::Lost))
    }
}
