//! Opens another session where this node's was sealed by somebody else (DESIGN 3.5).

use raft::OpenSessionError;
use raft_machine::queries;
use tokio::sync::watch;

use super::{JobError, Shared, next_turn};

/// Why this process cannot go on with another session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionLost {
    /// The state refuses one to this process.
    #[error("the session is sealed and no other was opened: {0}")]
    Refused(OpenSessionError),
    /// The cluster was restored meanwhile: what this process knows is of an earlier life.
    #[error("the session is sealed, and another life of the cluster has begun")]
    OtherLife,
    /// The state could not be read.
    #[error(transparent)]
    Fault(#[from] raft_machine::Fault),
}

/// Ends when there is no way to go on, which it says to `lost`, or when it is told to stop.
pub(super) async fn run(
    shared: Shared,
    lost: watch::Sender<Option<String>>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let session = shared.metadata.session();
        tokio::select! {
            _ = stopped.changed() => return,
            () = session.sealed() => {}
        }
        tracing::warn!(session = %session.id(), "the session of this node was sealed; another is opened");
        if let Err(cause) = shared.open_another_session(&mut stopped).await {
            tracing::error!(
                error = &cause as &dyn std::error::Error,
                "the node has no session"
            );
            lost.send_replace(Some(cause.to_string()));
            return;
        }
        if *stopped.borrow() {
            return;
        }
    }
}

impl Shared {
    /// Tries until a session is open, until it is certain that none will be, or until the node stops.
    pub(super) async fn open_another_session(
        &self,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<(), SessionLost> {
        loop {
            let identity = queries::identity(&self.metadata.local())?;
            if identity.is_none_or(|identity| identity.incarnation != self.incarnation) {
                return Err(SessionLost::OtherLife);
            }
            match self.metadata.open_another_session().await {
                Ok(()) => break,
                Err(error @ (OpenSessionError::NoAnswer(_) | OpenSessionError::Boot(_))) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no session was opened yet"
                    );
                }
                Err(error) => return Err(SessionLost::Refused(error)),
            }
            if !next_turn(stopped, self.times.tick).await {
                return Ok(());
            }
        }
        metrics::counter!("s3o_sessions_replaced_total").increment(1);
        // What this node knew of its backends may be as old as the silence for which it was sealed.
        for attached in self.backends.all() {
            if let Err(error) = attached.check_identity().await {
                JobError::from(error).report("session");
            }
        }
        Ok(())
    }
}
