//! What an operator asks for by signals.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the process heeds.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT: to stop; a second time: to stop waiting.
    ToStop,
    /// SIGHUP: to read the configuration and certificates again.
    ToReload,
}

impl Signals {
    /// From here on signals are received instead of ending the process.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next request.
    pub(super) async fn asked(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ToStop,
            _ = self.interrupt.recv() => Asked::ToStop,
            _ = self.hangup.recv() => Asked::ToReload,
        }
    }

    /// The next request to stop; others are passed over.
    pub(super) async fn to_stop(&mut self) {
        while self.asked().await != Asked::ToStop {}
    }
}
