//! What the service manager is told (`sd_notify`), where there is one that asked for it.

use std::io;

use sd_notify::NotifyState;

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

    /// The process ends.
    pub(super) fn stopping(self) {
        say(&[NotifyState::Stopping]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        unheard(&error);
    }
}

fn unheard(error: &io::Error) {
    tracing::warn!(%error, "the service manager could not be told");
}
