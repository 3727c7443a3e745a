//! CUBIC (RFC 9438) with HyStart++ in the first slow start and Proportional Rate Reduction in recovery.
//!
//! The window follows a cubic function of the time since the last reduction: fast towards the window at which that happened,
//! flat around it, fast beyond. Where Reno would have the greater window, Reno's is taken. Section numbers are of RFC 9438.

use core::time::Duration;

use crate::hystart::HyStart;
use crate::prr::Recovery;
use crate::rate::{Ack, Sample};
use crate::round::{Rounds, WindowUse};
use crate::time::Time;

/// The multiplicative decrease (β_cubic, section 4.6).
const BETA: f64 = 0.7;
/// How aggressive the growth is, in segments per cubic second (C, section 5.1).
const C: f64 = 0.4;
/// The additive increase of the Reno-friendly window that with [`BETA`] takes the share of a Reno flow (α_cubic, section 4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// The initial window, in segments (RFC 6928).
const INITIAL_WINDOW: u64 = 10;
/// The least window after a reduction, in segments (section 4.6).
const MIN_WINDOW: f64 = 2.0;
/// How much faster than window over round-trip time is sent in slow start. At 2 ln 2 the window doubles without a burst, so the
/// round-trip time grows as soon as the path is full, and HyStart++ sees it. Linux takes 2.
const SLOW_START_PACING: f64 = 2.0 * core::f64::consts::LN_2;
/// The same in congestion avoidance, as in Linux: pacing smooths bursts and does not hold back the window.
const AVOIDANCE_PACING: f64 = 1.2;

/// The curve of one stage of congestion avoidance. Windows are in segments, times in seconds (section 4.1.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Curve {
    /// The window on which the plateau lies (W_max).
    w_max: f64,
    /// The time to the plateau (K).
    k: f64,
    /// When the stage began, without the time in which the application limited the flow (t_epoch, section 5.8).
    since: Time,
    /// The window that Reno would have (W_est).
    w_est: f64,
}

impl Curve {
    /// Begin a stage with a window (section 4.2 and 4.3).
    pub(crate) fn new(window: f64, w_max: f64, now: Time) -> Self {
        let w_max = w_max.max(window);
        Self { w_max, k: ((w_max - window) / C).cbrt(), since: now, w_est: window }
    }

    /// Return the cubic window after a time (equation 1).
    pub(crate) fn at(&self, elapsed: Duration) -> f64 {
        C * (elapsed.as_secs_f64() - self.k).powi(3) + self.w_max
    }

    /// Return the window after `acked` segments were acknowledged.
    pub(crate) fn grow(&mut self, window: f64, prior: f64, acked: f64, rtt: Duration, now: Time) -> f64 {
        let alpha = if self.w_est >= prior { 1.0 } else { ALPHA };
        self.w_est += alpha * acked / window;
        let elapsed = now - self.since;
        if self.at(elapsed) < self.w_est {
            return window.max(self.w_est);
        }
        let target = self.at(elapsed + rtt).clamp(window, 1.5 * window);
        window + (target - window) / window * acked
    }
}

/// What an undo restores (section 4.9).
#[derive(Debug, Clone, Copy)]
struct Saved {
    window: f64,
    threshold: f64,
    w_max: f64,
    prior: f64,
    curve: Option<Curve>,
}

/// CUBIC's state. Windows are in segments.
#[derive(Debug)]
pub(crate) struct Cubic {
    mss: u64,
    window: f64,
    /// The slow start threshold (ssthresh).
    threshold: f64,
    /// The window at which the next plateau lies; 0 after a timeout, so that it lies where congestion avoidance begins
    /// (section 4.8).
    w_max: f64,
    /// The window before the last reduction (cwnd_prior).
    prior: f64,
    curve: Option<Curve>,
    recovery: Option<Recovery>,
    /// Whether a timeout was answered, and nothing was acknowledged since.
    is_timed_out: bool,
    hystart: HyStart,
    rounds: Rounds,
    window_use: WindowUse,
    /// What to restore if the losses of the last recovery turn out to be none, which may be known only after it.
    saved: Option<Saved>,
    /// Whether a recovery is going on, also one after a timeout.
    in_episode: bool,
    srtt: Option<Duration>,
    last_ack: Time,
}

impl Cubic {
    pub(crate) fn new(mss: u64, now: Time) -> Self {
        Self {
            mss,
            window: INITIAL_WINDOW as f64,
            threshold: f64::INFINITY,
            w_max: 0.0,
            prior: 0.0,
            curve: None,
            recovery: None,
            is_timed_out: false,
            hystart: HyStart::default(),
            rounds: Rounds::default(),
            window_use: WindowUse::default(),
            saved: None,
            in_episode: false,
            srtt: None,
            last_ack: now,
        }
    }

    /// Change the segment size; the window in bytes stays.
    pub(crate) fn set_mss(&mut self, mss: u64) {
        let scale = self.mss as f64 / mss as f64;
        for window in [&mut self.window, &mut self.threshold, &mut self.w_max, &mut self.prior] {
            *window *= scale;
        }
        (self.mss, self.curve, self.saved) = (mss, None, None);
    }

    pub(crate) const fn on_handshake(&mut self, rtt: Duration) {
        self.srtt = Some(rtt);
    }

    /// Record a segment that is sent; `in_flight` is with it.
    pub(crate) fn on_send(&mut self, bytes: u64, in_flight: u64) {
        self.window_use.on_send(in_flight, self.window(), self.mss);
        if let Some(recovery) = &mut self.recovery {
            recovery.on_send(bytes);
        }
    }

    /// Process an acknowledgement; `delivered` is the count of the connection after it.
    pub(crate) fn on_ack(&mut self, ack: &Ack, sample: Option<&Sample>, delivered: u64, now: Time) {
        self.srtt = ack.srtt.or(self.srtt);
        let is_round_start = sample.is_some_and(|sample| self.rounds.update(sample.prior_delivered, delivered));
        if let Some(recovery) = &mut self.recovery {
            let is_safe = ack.has_advanced && ack.lost_bytes == 0;
            let window = recovery.window(ack.acked_bytes, ack.in_flight, is_safe, self.mss);
            self.window = window as f64 / self.mss as f64;
        } else if ack.acked_bytes > 0 {
            self.is_timed_out = false;
            self.grow(ack, is_round_start, now);
        }
        if is_round_start {
            self.window_use.on_round();
        }
        self.last_ack = now;
    }

    fn grow(&mut self, ack: &Ack, is_round_start: bool, now: Time) {
        let is_first = self.threshold.is_infinite();
        if is_first && self.hystart.on_ack(ack.rtt, is_round_start) {
            self.threshold = self.window;
        }
        if self.in_slow_start() {
            // The window may double as long as half of it is used; pacing and growth come one after the other.
            if self.window() < 2 * self.window_use.max_in_flight() {
                let bytes = if is_first { self.hystart.growth(ack.acked_bytes) } else { ack.acked_bytes };
                self.window += bytes as f64 / self.mss as f64;
            }
        } else if self.window_use.was_full() {
            let acked = ack.acked_bytes as f64 / self.mss as f64;
            let rtt = ack.srtt.unwrap_or_default();
            let curve = self.curve.get_or_insert_with(|| Curve::new(self.window, self.w_max, now));
            self.window = curve.grow(self.window, self.prior, acked, rtt, now);
        } else if let Some(curve) = &mut self.curve {
            curve.since += now - self.last_ack;
        }
    }

    fn in_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// Begin fast recovery; `flight_size` is what was in flight before the losses were found.
    pub(crate) fn enter_recovery(&mut self, flight_size: u64) {
        self.save();
        self.reduce(flight_size);
        self.recovery = Some(Recovery::new(flight_size, (self.threshold * self.mss as f64) as u64));
    }

    /// Reduce the threshold, and set the next plateau with fast convergence (section 4.6 and 4.7).
    fn reduce(&mut self, flight_size: u64) {
        let in_flight = flight_size as f64 / self.mss as f64;
        let used = if self.window_use.was_full() { self.window } else { self.window.min(in_flight) };
        self.prior = self.window;
        self.w_max = if self.window < self.w_max { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (used * BETA).max(MIN_WINDOW);
        self.curve = None;
    }

    fn save(&mut self) {
        let Self { window, threshold, w_max, prior, curve, .. } = *self;
        if !self.in_episode {
            self.saved = Some(Saved { window, threshold, w_max, prior, curve });
        }
        self.in_episode = true;
    }

    /// End fast recovery, or the recovery after a timeout.
    pub(crate) fn exit_recovery(&mut self) {
        if let Some(recovery) = self.recovery.take() {
            self.window = recovery.threshold() as f64 / self.mss as f64;
        }
        self.in_episode = false;
    }

    /// Answer to a retransmission timeout (section 4.8).
    pub(crate) fn on_timeout(&mut self, flight_size: u64) {
        self.save();
        if !self.is_timed_out {
            if self.recovery.take().is_none() {
                self.reduce(flight_size);
            }
            (self.w_max, self.curve) = (0.0, None);
        }
        self.is_timed_out = true;
        self.window = 1.0;
    }

    /// Take back the last reduction (section 4.9).
    pub(crate) fn on_spurious(&mut self) {
        let Some(saved) = self.saved.take() else { return };
        self.recovery = None;
        (self.is_timed_out, self.in_episode) = (false, false);
        self.window = self.window.max(saved.window);
        (self.threshold, self.w_max, self.prior, self.curve) = (saved.threshold, saved.w_max, saved.prior, saved.curve);
    }

    /// Restart after an idle time from at most the initial window, in slow start up to the former one
    /// (RFC 5681, section 4.1).
    pub(crate) fn on_idle_restart(&mut self, now: Time) {
        if let Some(curve) = &mut self.curve {
            curve.since += now - self.last_ack;
        }
        self.last_ack = now;
        if !self.in_slow_start() {
            self.threshold = self.window;
        }
        self.window = self.window.min(INITIAL_WINDOW as f64);
    }

    /// Return the congestion window in bytes.
    pub(crate) fn window(&self) -> u64 {
        (self.window * self.mss as f64) as u64
    }

    /// Return the pacing rate in bytes per second. The initial window leaves at once (RFC 6928, section 2).
    pub(crate) fn pacing_rate(&self) -> u64 {
        if self.rounds.count == 0 {
            return u64::MAX;
        }
        let Some(srtt) = self.srtt.filter(|srtt| !srtt.is_zero()) else { return u64::MAX };
        let gain = if self.window < self.threshold / 2.0 { SLOW_START_PACING } else { AVOIDANCE_PACING };
        // In recovery the window follows what is in flight; the rate is that of the threshold.
        let window = if self.recovery.is_some() { self.window.max(self.threshold) } else { self.window };
        (gain * window * self.mss as f64 / srtt.as_secs_f64()) as u64
    }

    /// Return the phase, for traces.
    pub(crate) fn phase(&self) -> &'static str {
        match (&self.recovery, self.in_slow_start()) {
            (Some(_), _) => "recovery",
            (None, true) if self.threshold.is_infinite() && self.hystart.is_conservative() => "conservative slow start",
            (None, true) => "slow start",
            (None, false) => "congestion avoidance",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u64 = 1_000;
    const RTT: Duration = Duration::from_millis(100);

    fn seconds(seconds: f64) -> Time {
        Time::ZERO + Duration::from_secs_f64(seconds)
    }

    /// Return a flow in congestion avoidance with a window in segments, reduced from `before`.
    fn reduced(before: f64) -> Cubic {
        let mut cubic = Cubic::new(MSS, Time::ZERO);
        cubic.window = before;
        cubic.window_use.on_send(cubic.window(), cubic.window(), MSS);
        cubic.enter_recovery(cubic.window());
        cubic.exit_recovery();
        cubic
    }

    /// Acknowledge a full window each round-trip time, and return the window of each round.
    fn run(cubic: &mut Cubic, from: Time, rounds: u32) -> Vec<f64> {
        (0..rounds)
            .map(|round| {
                let now = from + RTT * round;
                let window = cubic.window();
                cubic.on_send(MSS, window);
                let ack = Ack { acked_bytes: window, srtt: Some(RTT), has_advanced: true, ..Ack::default() };
                cubic.on_ack(&ack, None, 0, now);
                cubic.window
            })
            .collect()
    }

    #[test]
    fn window_follows_the_cubic_function() {
        // W_max = 1000, reduced to 700: K = cbrt(300 / 0.4) = 9.0856 s.
        let curve = Curve::new(700.0, 1000.0, Time::ZERO);
        assert!((curve.k - 9.0856).abs() < 1e-4);
        assert!((curve.at(Duration::ZERO) - 700.0).abs() < 1e-6);
        assert!((curve.at(Duration::from_secs_f64(curve.k)) - 1000.0).abs() < 1e-6);
        let symmetric = curve.at(Duration::from_secs_f64(2.0 * curve.k));
        assert!((symmetric - 1300.0).abs() < 1e-6);
    }

    #[test]
    fn large_window_reaches_its_plateau_at_k_and_then_grows_convexly() {
        let mut cubic = reduced(4000.0);
        assert!((cubic.window - 2800.0).abs() < 1e-6);
        // K = cbrt(1200 / 0.4) = 14.42 s, so 144 rounds.
        let windows = run(&mut cubic, Time::ZERO, 200);
        assert!((windows[144] - 4000.0).abs() < 10.0, "{}", windows[144]);
        assert!(windows[100] > 3900.0 && windows[180] > 4010.0);
        assert!(windows[199] - windows[198] > windows[150] - windows[149]);
    }

    #[test]
    fn small_window_grows_as_reno_would() {
        // With 20 segments and 100 ms the cubic function is below Reno's: α = 0.53 a round up to the prior window, then 1.
        let mut cubic = reduced(20.0);
        let windows = run(&mut cubic, Time::ZERO, 16);
        for pair in windows[..10].windows(2) {
            assert!((pair[1] - pair[0] - ALPHA).abs() < 0.05, "{pair:?}");
        }
        assert!((windows[15] - windows[14] - 1.0).abs() < 0.1, "{windows:?}");
    }

    #[test]
    fn reduction_below_the_last_plateau_releases_bandwidth() {
        let mut cubic = reduced(100.0);
        assert!((cubic.w_max - 100.0).abs() < 1e-9);
        cubic.enter_recovery(70 * MSS);
        // Fast convergence: 70 * (1 + 0.7) / 2.
        assert!((cubic.w_max - 59.5).abs() < 1e-9, "{}", cubic.w_max);
        assert!((cubic.threshold - 49.0).abs() < 1e-9);
    }

    #[test]
    fn window_grows_by_at_most_half_in_a_round() {
        let mut curve = Curve::new(10.0, 10.0, Time::ZERO);
        let window = curve.grow(10.0, 10.0, 10.0, RTT, seconds(100.0));
        assert!((window - 15.0).abs() < 1e-9, "{window}");
    }

    #[test]
    fn slow_start_doubles_only_a_window_that_is_used() {
        let mut cubic = Cubic::new(MSS, Time::ZERO);
        let windows = run(&mut cubic, Time::ZERO, 2);
        assert!((windows[1] - 40.0).abs() < 1e-9);
        let mut idle = Cubic::new(MSS, Time::ZERO);
        idle.on_send(MSS, 3 * MSS);
        idle.on_ack(&Ack { acked_bytes: 3 * MSS, ..Ack::default() }, None, 0, Time::ZERO);
        assert!((idle.window - 10.0).abs() < 1e-9);
    }

    #[test]
    fn timeout_leads_to_one_segment_and_a_plateau_where_avoidance_begins() {
        let mut cubic = reduced(100.0);
        cubic.on_timeout(70 * MSS);
        assert_eq!(cubic.window(), MSS);
        assert!((cubic.threshold - 49.0).abs() < 1e-9);
        cubic.on_timeout(MSS);
        assert!((cubic.threshold - 49.0).abs() < 1e-9, "a second timeout reduces no further");
        let windows = run(&mut cubic, Time::ZERO, 8);
        let curve = cubic.curve.unwrap();
        assert!(curve.k.abs() < 1e-9 && windows[7] > 49.0, "{windows:?}");
    }

    #[test]
    fn spurious_loss_is_taken_back() {
        let mut cubic = reduced(100.0);
        run(&mut cubic, Time::ZERO, 5);
        let (window, w_max) = (cubic.window, cubic.w_max);
        cubic.enter_recovery(70 * MSS);
        cubic.on_timeout(10 * MSS);
        cubic.on_spurious();
        assert!((cubic.window - window).abs() < 1e-9 && (cubic.w_max - w_max).abs() < 1e-9);
        assert!(cubic.curve.is_some() && cubic.recovery.is_none());
        // A report of duplicates may come when the recovery is over.
        cubic.enter_recovery(70 * MSS);
        cubic.exit_recovery();
        cubic.on_spurious();
        assert!((cubic.window - window).abs() < 1e-9 && (cubic.w_max - w_max).abs() < 1e-9);
    }

    #[test]
    fn time_that_the_application_limits_does_not_count() {
        let mut cubic = reduced(1000.0);
        run(&mut cubic, Time::ZERO, 2);
        let before = cubic.window;
        cubic.window_use = WindowUse::default();
        for tenths in 2..1000 {
            let ack = Ack { acked_bytes: MSS, srtt: Some(RTT), ..Ack::default() };
            cubic.on_ack(&ack, None, 0, Time::ZERO + RTT * tenths);
        }
        assert!((cubic.window - before).abs() < 1e-9);
        let windows = run(&mut cubic, seconds(100.0), 2);
        assert!(windows[1] - before < 20.0, "{} after {before}", windows[1]);
    }

    #[test]
    fn idle_flow_restarts_from_the_initial_window() {
        let mut cubic = reduced(1000.0);
        cubic.on_idle_restart(seconds(9.0));
        assert_eq!((cubic.window(), cubic.threshold as u64), (10 * MSS, 700));
    }
}
