//! What the service manager is told (`sd_notify`), where there is one that asked for it.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How much longer the start is said to take, and how often that is said again: recovery may last
/// longer than the service manager waits by itself, and being killed would begin it anew.
const STARTING_FOR: Duration = Duration::from_secs(60);
const STARTING_EVERY: Duration = Duration::from_secs(20);

/// Tells the service manager.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Announcer;

impl Announcer {
    /// Requests are served.
    pub(super) fn ready(self) {
        say(&[NotifyState::Ready]);
    }

    /// The configuration is read again; [`ready`](Self::ready) follows.
    pub(super) fn reloading(self) {
        // The service manager pairs this with the signal that it sent by the time.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => say(&[NotifyState::Reloading, now]),
            Err(error) => unheard(&error),
        }
    }

    /// The process ends, which may take so long.
    pub(super) fn stopping(self, at_most: Duration) {
        say(&[NotifyState::Stopping, longer(at_most)]);
    }
}

/// Something that is said again and again until this is dropped.
#[derive(Debug)]
pub(super) struct Repeated(JoinHandle<()>);

impl Repeated {
    /// The process still starts.
    pub(super) fn starting() -> Self {
        Self::every(STARTING_EVERY, || say(&[longer(STARTING_FOR)]))
    }

    /// The process lives, if the service manager has asked to hear that: said from a task, so that a
    /// runtime whose threads all hang says it no more and is started anew.
    pub(super) fn alive() -> Option<Self> {
        let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
        Some(Self::every(limit / 2, || say(&[NotifyState::Watchdog])))
    }

    fn every(period: Duration, mut say: impl FnMut() + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                say();
            }
        }))
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn longer(by: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX))
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        unheard(&error);
    }
}

fn unheard(error: &io::Error) {
    tracing::warn!(%error, "the service manager could not be told");
}
