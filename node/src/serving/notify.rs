//! What the service manager is told, where it asked to be told.

use sd_notify::NotifyState;

/// The process serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The process stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
