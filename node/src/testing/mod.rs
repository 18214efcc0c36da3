//! A node without a process around it, for white-box tests: a real cluster of one in a folder of its
//! own, memory as backends, use cases called as the surface calls them, jobs taken step by step.
//!
//! [`World`] is put together as `assembly` does it. What can go wrong is scripted: at the backends by
//! [`node_backend::fault`], on the way of commands by [`Wire`], in bodies by [`TestBody`]. Nothing here
//! waits for time: a test waits for what it scripted to happen, and says what happens then.
//!
//! Every test ends with [`World::finish`]: the backends hold exactly what the rows refer to, byte for
//! byte, and every invariant of the state holds.

mod body;
mod oracle;
mod requests;
mod wire;
mod world;

pub(crate) use body::TestBody;
pub(crate) use requests::{collect, conditions, key_of};
pub(crate) use wire::{Fate, Wire};
pub(crate) use world::{CHUNK, Options, World};

use std::future::Future;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `holds`; fails with what it said last.
pub(crate) async fn until<F: Future<Output = Result<(), String>>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    loop {
        let Err(why) = holds().await else { return };
        assert!(began.elapsed() < DEADLINE, "{what} did not happen in time: {why}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Polls a future so many times, each time when it was woken, and drops it where it waits then. Its
/// output, if it has ended before.
pub(crate) async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    if times == 0 {
        return None;
    }
    let mut future = Box::pin(future);
    let mut polled = 0;
    std::future::poll_fn(move |cx| {
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled >= times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Pseudo-random bytes, the same for the same seed.
pub(crate) fn bytes(seed: u64, length: usize) -> bytes::Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            // xorshift64: enough to tell any two places of a body apart.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        })
        .collect::<Vec<u8>>()
        .into()
}
