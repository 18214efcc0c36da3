//! What one connection is doing, and until when it may go on doing that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::offers::{Offer, Offers};
use super::phase::after;

/// Bounds of the times between requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
}

/// Whether a connection carries one request at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Multiplexing {
    /// HTTP/1.1: bytes that arrive between two requests are the head of the next.
    None,
    /// HTTP/2: bytes that arrive between two requests may be anything.
    Streams,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug)]
enum Doing {
    /// Just opened, and nothing came.
    New(Instant),
    /// Waiting for a request since then.
    Idle(Instant),
    /// Receiving a head since then.
    Head(Instant),
    /// Answering so many requests.
    Busy(usize),
}

/// Shared by the socket, the service and the answers of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    doing: Mutex<Doing>,
    patience: Patience,
    multiplexing: Multiplexing,
    /// The last request was answered without being read to its end.
    unread: AtomicBool,
    /// What streams offer; none where there is one request at a time, and the socket tells.
    offers: Option<Arc<Offers>>,
}

/// A connection on which nothing is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    pub(super) since: Instant,
    pub(super) until: Instant,
    pub(super) overdue: Overdue,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No request came.
    Idle,
    /// A head did not become whole.
    Head,
}

impl Activity {
    /// A new connection: it was opened to send a request, so it has as long as a head has.
    pub(super) fn new(patience: Patience, multiplexing: Multiplexing) -> Arc<Self> {
        Arc::new(Self {
            doing: Mutex::new(Doing::New(Instant::now())),
            patience,
            multiplexing,
            unread: AtomicBool::new(false),
            offers: match multiplexing {
                Multiplexing::None => None,
                Multiplexing::Streams => Some(Arc::default()),
            },
        })
    }

    /// Bytes arrived.
    pub(super) fn received(&self) {
        if self.multiplexing == Multiplexing::Streams {
            return;
        }
        let mut doing = self.doing.lock();
        match *doing {
            Doing::New(since) => *doing = Doing::Head(since),
            Doing::Idle(_) => *doing = Doing::Head(Instant::now()),
            Doing::Head(_) | Doing::Busy(_) => {}
        }
    }

    /// A request begins; it ends when the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.unread.store(false, Ordering::Relaxed);
        let mut doing = self.doing.lock();
        *doing = match *doing {
            Doing::Busy(requests) => Doing::Busy(requests + 1),
            Doing::New(_) | Doing::Idle(_) | Doing::Head(_) => Doing::Busy(1),
        };
        InFlight {
            activity: Arc::clone(self),
            offer: self.offers.as_ref().map(Offers::begin),
        }
    }

    /// Since when an answer waits for its client to take of it.
    pub(super) fn untaken_since(&self) -> Option<Instant> {
        self.offers.as_ref()?.oldest()
    }

    /// The request is answered, and its client may still be sending its body.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what will never be looked at: a body that was not read,
    /// or the rest of a head that was refused.
    pub(super) fn owes_reading(&self) -> bool {
        let refused_head = || matches!(*self.doing.lock(), Doing::Head(_));
        self.multiplexing == Multiplexing::None && (self.unread.load(Ordering::Relaxed) || refused_head())
    }

    /// Since when the connection is quiet, until when it may be, and what it is overdue for then;
    /// `None` while it answers.
    pub(super) fn quiet(&self) -> Option<Quiet> {
        match *self.doing.lock() {
            Doing::Idle(since) => Some(Quiet {
                since,
                until: after(since, self.patience.idle),
                overdue: Overdue::Idle,
            }),
            Doing::New(since) | Doing::Head(since) => Some(Quiet {
                since,
                until: after(since, self.patience.head),
                overdue: Overdue::Head,
            }),
            Doing::Busy(_) => None,
        }
    }

    /// How long no request has been there; `None` while one is.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        match *self.doing.lock() {
            Doing::Idle(since) => Some(since.elapsed()),
            Doing::New(_) | Doing::Head(_) | Doing::Busy(_) => None,
        }
    }
}

/// A request that is not answered to its end.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    offer: Option<Offer>,
}

impl InFlight {
    /// A piece of the answer was handed over.
    pub(super) fn offered(&self) {
        if let Some(offer) = &self.offer {
            offer.made();
        }
    }

    /// A piece of the answer is asked for.
    pub(super) fn asked(&self) {
        if let Some(offer) = &self.offer {
            offer.taken();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut doing = self.activity.doing.lock();
        *doing = match *doing {
            Doing::Busy(requests) if requests > 1 => Doing::Busy(requests - 1),
            _ => Doing::Idle(Instant::now()),
        };
    }
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

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(120),
    };

    fn overdue(activity: &Activity) -> Option<Overdue> {
        activity.quiet().map(|quiet| quiet.overdue)
    }

    #[test]
    fn a_connection_waits_for_a_head_then_answers_then_is_idle() {
        let activity = Activity::new(PATIENCE, Multiplexing::None);
        assert_eq!(overdue(&activity), Some(Overdue::Head));
        let request = activity.begin();
        assert_eq!(overdue(&activity), None);
        activity.received();
        assert_eq!(overdue(&activity), None, "bytes of a body are no head");
        drop(request);
        assert_eq!(overdue(&activity), Some(Overdue::Idle));
        activity.received();
        assert_eq!(overdue(&activity), Some(Overdue::Head));
    }

    #[test]
    fn what_was_not_read_is_owed_until_the_next_request() {
        let activity = Activity::new(PATIENCE, Multiplexing::None);
        assert!(!activity.owes_reading(), "nothing came");
        activity.received();
        assert!(activity.owes_reading(), "a head that never became a request");
        let request = activity.begin();
        assert!(!activity.owes_reading());
        activity.leave_unread();
        drop(request);
        assert!(activity.owes_reading());
        drop(activity.begin());
        assert!(!activity.owes_reading());
        let streams = Activity::new(PATIENCE, Multiplexing::Streams);
        streams.leave_unread();
        assert!(!streams.owes_reading(), "streams are ended one by one");
    }

    #[test]
    fn further_bytes_of_a_head_do_not_prolong_it() {
        let activity = Activity::new(PATIENCE, Multiplexing::None);
        drop(activity.begin());
        activity.received();
        let first = activity.quiet().unwrap().until;
        activity.received();
        assert_eq!(activity.quiet().unwrap().until, first);
    }

    #[test]
    fn streams_are_counted_and_their_bytes_are_no_heads() {
        let activity = Activity::new(PATIENCE, Multiplexing::Streams);
        let (one, two) = (activity.begin(), activity.begin());
        drop(one);
        assert_eq!(overdue(&activity), None);
        drop(two);
        activity.received();
        assert_eq!(overdue(&activity), Some(Overdue::Idle));
        assert!(activity.idle_for().unwrap() < Duration::from_secs(60));
    }
}
