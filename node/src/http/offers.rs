//! Answers that their client does not take, on connections that carry many.
//!
//! Over HTTP/1.1 a client that takes nothing makes its socket wait, and the socket gives it up. Over
//! HTTP/2 it gives one stream no window while the socket goes on carrying everything else, so what a
//! stream offers is followed here: between two pieces of a body lies either our time or the client's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

/// The pieces that wait for their client, of all streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Offers {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    since: HashMap<u64, Instant>,
    streams: u64,
}

/// One stream's part in that, until it is dropped.
#[derive(Debug)]
pub(super) struct Offer {
    offers: Arc<Offers>,
    stream: u64,
}

impl Offers {
    /// A stream that offers nothing yet.
    pub(super) fn begin(self: &Arc<Self>) -> Offer {
        let mut waiting = self.waiting.lock();
        waiting.streams += 1;
        Offer {
            stream: waiting.streams,
            offers: Arc::clone(self),
        }
    }

    /// Since when the oldest piece waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.lock().since.values().min().copied()
    }
}

impl Offer {
    /// A piece was handed over, and the next one will be asked for once the client took of it.
    pub(super) fn made(&self) {
        self.offers
            .waiting
            .lock()
            .since
            .insert(self.stream, Instant::now());
    }

    /// The next piece is asked for.
    pub(super) fn taken(&self) {
        self.offers.waiting.lock().since.remove(&self.stream);
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.taken();
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

    #[test]
    fn the_oldest_piece_that_waits_is_known() {
        let offers = Arc::<Offers>::default();
        let (one, two) = (offers.begin(), offers.begin());
        assert_eq!(offers.oldest(), None);
        one.made();
        let first = offers.oldest().unwrap();
        two.made();
        assert_eq!(offers.oldest(), Some(first));
        one.taken();
        let second = offers.oldest().unwrap();
        assert!(second >= first);
        one.made();
        assert_eq!(
            offers.oldest(),
            Some(second),
            "the first offers anew, and is the younger one"
        );
        drop(two);
        assert!(offers.oldest().unwrap() >= second);
        drop(one);
        assert_eq!(offers.oldest(), None);
    }
}
