//! The clock that stamps entries.
//!
//! The state machine knows no clock: each entry carries the time at which its leader appended it, and
//! apply uses the largest seen so far. So one wrong clock on a leader could move the whole cluster
//! into the future for good. Before a node stamps, its clock is compared with others; see
//! [`ClockVerdict`].

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use raft_types::MillisUtc;

/// How far a clock may be off the others before it is not trusted, and how far it may jump against
/// the monotonic clock before that is reported.
pub const TOLERANCE: Duration = Duration::from_secs(2);

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, as far as this node knows. May jump either way.
    fn now(&self) -> MillisUtc;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> MillisUtc {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        MillisUtc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What a comparison of clocks says about this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// Fewer than three clocks to compare: it stamps, and only warns.
    TooFew,
    /// Within [`TOLERANCE`] of the median: it stamps.
    Agrees,
    /// Off the median: it does not stamp. The node should hand leadership over.
    Off,
    /// No majority of clocks agrees: it does not stamp.
    NoMajority,
}

/// Compares this node's clock with those of its peers and backends.
pub trait ClockComparison: Send + Sync + 'static {
    /// What the latest comparison says. Called for every entry, so it must not wait.
    fn verdict(&self) -> ClockVerdict;
}

/// No clocks to compare with: a cluster of one without backends that tell the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOtherClocks;

impl ClockComparison for NoOtherClocks {
    fn verdict(&self) -> ClockVerdict {
        ClockVerdict::TooFew
    }
}

/// Stamps the entries that this node appends.
pub(crate) struct Stamper {
    clock: Arc<dyn Clock>,
    comparison: Arc<dyn ClockComparison>,
    last: Mutex<Last>,
}

struct Last {
    stamped: MillisUtc,
    /// What the clock said at a moment of the monotonic clock.
    seen: Option<(MillisUtc, Instant)>,
}

impl Stamper {
    pub(crate) fn new(clock: Arc<dyn Clock>, comparison: Arc<dyn ClockComparison>) -> Self {
        let last = Mutex::new(Last {
            stamped: MillisUtc(0),
            seen: None,
        });
        Self {
            clock,
            comparison,
            last,
        }
    }

    /// The time for an entry: never before an earlier one of this process, and the same as before
    /// while the clock is not trusted.
    pub(crate) fn stamp(&self) -> MillisUtc {
        let mut last = self.last.lock();
        let now = self.clock.now();
        last.watch_for_jumps(now, Instant::now());
        match self.comparison.verdict() {
            ClockVerdict::Agrees | ClockVerdict::TooFew => last.stamped = last.stamped.max(now),
            ClockVerdict::Off | ClockVerdict::NoMajority => {}
        }
        last.stamped
    }
}

impl Last {
    fn watch_for_jumps(&mut self, now: MillisUtc, monotonic: Instant) {
        if let Some((seen, at)) = self.seen {
            let expected = i128::from(seen.0) + to_millis(monotonic.saturating_duration_since(at));
            let jump = i128::from(now.0) - expected;
            if jump.unsigned_abs() > TOLERANCE.as_millis() {
                tracing::warn!(milliseconds = %jump, "this node's clock has jumped");
            }
        }
        self.seen = Some((now, monotonic));
    }
}

fn to_millis(duration: Duration) -> i128 {
    i128::try_from(duration.as_millis()).unwrap_or(i128::MAX)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Hands(Arc<Mutex<(u64, Option<ClockVerdict>)>>);

    impl Clock for Hands {
        fn now(&self) -> MillisUtc {
            MillisUtc(self.0.lock().0)
        }
    }

    impl ClockComparison for Hands {
        fn verdict(&self) -> ClockVerdict {
            self.0.lock().1.unwrap_or(ClockVerdict::TooFew)
        }
    }

    fn stamper() -> (Stamper, Hands) {
        let hands = Hands::default();
        (
            Stamper::new(Arc::new(hands.clone()), Arc::new(hands.clone())),
            hands,
        )
    }

    #[test]
    fn stamps_never_go_backwards() {
        let (stamper, hands) = stamper();
        let mut stamps = Vec::new();
        for now in [1000, 1500, 200, 1500, 1501] {
            hands.0.lock().0 = now;
            stamps.push(stamper.stamp().0);
        }
        assert_eq!(stamps, [1000, 1500, 1500, 1500, 1501]);
    }

    #[test]
    fn a_clock_that_is_not_trusted_repeats_the_last_stamp() {
        let (stamper, hands) = stamper();
        *hands.0.lock() = (1000, Some(ClockVerdict::Agrees));
        assert_eq!(stamper.stamp(), MillisUtc(1000));
        for verdict in [ClockVerdict::Off, ClockVerdict::NoMajority] {
            *hands.0.lock() = (63_000_000_000, Some(verdict));
            assert_eq!(stamper.stamp(), MillisUtc(1000));
        }
        *hands.0.lock() = (2000, Some(ClockVerdict::Agrees));
        assert_eq!(stamper.stamp(), MillisUtc(2000));
    }

    #[test]
    fn with_too_few_clocks_to_compare_the_own_one_counts() {
        let (stamper, hands) = stamper();
        *hands.0.lock() = (5000, None);
        assert_eq!(stamper.stamp(), MillisUtc(5000));
    }
}
