//! What a process is told by signals.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Signals that may wait: further ones of the same kind would say nothing new.
const QUEUE: usize = 16;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals of a process, in the order in which they came.
pub(crate) struct Signals {
    received: mpsc::Receiver<Signal>,
    receiving: Option<JoinHandle<()>>,
}

impl Signals {
    /// Listens to the signals of this process from now on.
    pub(super) fn of_process() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let (sender, received) = mpsc::channel(QUEUE);
        let receiving = tokio::spawn(async move {
            loop {
                let signal = tokio::select! {
                    _ = terminate.recv() => Signal::Stop,
                    _ = interrupt.recv() => Signal::Stop,
                    _ = hang_up.recv() => Signal::Reload,
                };
                if sender.send(signal).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            received,
            receiving: Some(receiving),
        })
    }

    /// Signals that a test sends.
    #[cfg(test)]
    pub(super) fn of_test() -> (mpsc::Sender<Signal>, Self) {
        let (sender, received) = mpsc::channel(QUEUE);
        (
            sender,
            Self {
                received,
                receiving: None,
            },
        )
    }

    pub(super) async fn next(&mut self) -> Signal {
        match self.received.recv().await {
            Some(signal) => signal,
            // The sender outlives this; were it gone, no signal could come any more.
            None => std::future::pending().await,
        }
    }

    /// Waits until told to stop; a reload means nothing meanwhile.
    pub(super) async fn stop(&mut self) {
        while self.next().await == Signal::Reload {}
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Some(receiving) = &self.receiving {
            receiving.abort();
        }
    }
}
