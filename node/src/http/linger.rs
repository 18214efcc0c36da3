//! Reading on after an answer that came before the end of its request.
//!
//! Closing a socket in which unread bytes lie makes the kernel send a reset, and a reset takes from the
//! client what it has not read yet: the answer that says why it was refused. A client that sends all of
//! a body before it looks (many do, where nothing makes them wait for `100 Continue`) would see a broken
//! connection and try again. So our side is ended first, and what still comes is thrown away for a while.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How much is thrown away, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes: u64,
    /// In all.
    pub(super) longest: Duration,
    /// While nothing comes.
    pub(super) silence: Duration,
}

/// Eight parts of the size in which the usual tools upload them, and little enough that a client which
/// goes on for ever costs a fraction of a second of one core. The times are those of nginx.
pub(super) const BOUNDS: Bounds = Bounds {
    bytes: 64 << 20,
    longest: Duration::from_secs(30),
    silence: Duration::from_secs(5),
};

/// Taken from the socket at a time.
const PIECE_BYTES: usize = 16 << 10;

/// Throws away what a client sends, within bounds.
#[derive(Debug)]
pub(super) struct Linger {
    left: u64,
    until: Instant,
    silence: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Linger {
    /// Begins now.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            left: bounds.bytes,
            until: Instant::now() + bounds.longest,
            silence: bounds.silence,
            timer: Box::pin(sleep(bounds.silence.min(bounds.longest))),
        }
    }

    /// Ready when the client has ended its side, is silent, or was listened to long enough.
    pub(super) fn poll(
        &mut self,
        socket: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let mut piece = [MaybeUninit::uninit(); PIECE_BYTES];
            let mut piece = ReadBuf::uninit(&mut piece);
            let Poll::Ready(read) = Pin::new(&mut *socket).poll_read(context, &mut piece) else {
                ready!(self.timer.as_mut().poll(context));
                return Poll::Ready(());
            };
            let bytes = piece.filled().len() as u64;
            let now = Instant::now();
            if read.is_err() || bytes == 0 || bytes >= self.left || now >= self.until {
                return Poll::Ready(());
            }
            self.left -= bytes;
            self.timer.as_mut().reset((now + self.silence).min(self.until));
        }
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
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(60);

    async fn linger(socket: &mut (impl AsyncRead + Unpin), bounds: Bounds) -> Duration {
        let begun = Instant::now();
        let mut linger = Linger::new(bounds);
        timeout(LONG, poll_fn(|context| linger.poll(socket, context)))
            .await
            .unwrap();
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_client_that_ends_its_side_is_not_waited_for() {
        let (mut near, mut far) = duplex(64);
        far.write_all(b"the rest").await.unwrap();
        drop(far);
        let bounds = Bounds {
            bytes: 1_000,
            longest: 10 * LONG,
            silence: 10 * LONG,
        };
        linger(&mut near, bounds).await;
    }

    #[tokio::test]
    async fn a_silent_client_is_waited_for_until_it_was_silent_for_long() {
        let (mut near, mut far) = duplex(64);
        far.write_all(b"the rest").await.unwrap();
        let bounds = Bounds {
            bytes: 1_000,
            longest: 10 * LONG,
            silence: SHORT,
        };
        assert!(linger(&mut near, bounds).await >= SHORT);
    }

    #[tokio::test]
    async fn a_client_that_drips_is_listened_to_so_long_and_no_longer() {
        let (mut near, mut far) = duplex(64);
        let dripping = tokio::spawn(async move {
            while far.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SHORT / 20).await;
            }
        });
        let bounds = Bounds {
            bytes: 1_000,
            longest: SHORT,
            silence: 10 * LONG,
        };
        assert!(linger(&mut near, bounds).await >= SHORT);
        drop(near);
        dripping.await.unwrap();
    }

    #[tokio::test]
    async fn so_many_bytes_are_thrown_away_and_no_more() {
        let (mut near, mut far) = duplex(1 << 20);
        far.write_all(&[7; 100_000]).await.unwrap();
        let bounds = Bounds {
            bytes: 50_000,
            longest: 10 * LONG,
            silence: 10 * LONG,
        };
        linger(&mut near, bounds).await;
        drop(far);
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        assert!(
            rest.len() <= 50_000 && rest.len() >= 50_000 - PIECE_BYTES,
            "{} bytes are left",
            rest.len()
        );
    }
}
