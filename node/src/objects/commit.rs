//! Sends the command of a write and lets its tickets go by what became of it.

use raft::ExecuteError;
use raft_types::{Command, Outcome};
use tokio::sync::oneshot;

use crate::metadata::Metadata;
use crate::replicas::Ticket;

/// Executes `command` in a task of its own, which goes on when the client goes away: a write whose
/// outcome nobody waited for would leave its bytes' fate open (C4).
///
/// # Errors
/// The command did not get through, or its outcome is unknown; the bytes are then left to the settling
/// of its number.
pub(crate) async fn commit(
    metadata: &Metadata,
    command: Command,
    tickets: Vec<Ticket>,
) -> Result<Outcome, ExecuteError> {
    let session = metadata.session();
    let (answer, answered) = oneshot::channel();
    tokio::spawn(async move {
        let named = Named(tickets);
        let result = session.execute(command).await;
        let Err(ExecuteError::Unknown { number }) = result else {
            named.let_go(&result);
            // A client that has gone hears nothing.
            let _ = answer.send(result);
            return;
        };
        // The client hears at once that nothing is known. The tickets are kept until it is, so that
        // the end of their epoch does not come before.
        let _ = answer.send(result);
        if session.settled(number).await.is_some() {
            named.settle();
        }
    });
    // The runtime is going down with the process: what became of the command is not known here.
    answered.await.unwrap_or(Err(ExecuteError::SessionSealed))
}

/// The tickets of the attempts that a command names which may be applied. Until that is known nobody
/// touches their bytes: dropped, they are not handed over.
struct Named(Vec<Ticket>);

impl Named {
    fn let_go(mut self, result: &Result<Outcome, ExecuteError>) {
        match result {
            // It never reached the log. Dropping the tickets hands the attempts over.
            Err(ExecuteError::NotApplied(_)) => self.0.clear(),
            // Applied or rejected: either way the state holds what the command named, as replica or as
            // garbage.
            Ok(outcome) if !matches!(outcome, Outcome::Refused(_)) => self.settle(),
            // Everything else leaves its outcome open.
            Ok(_) | Err(_) => {}
        }
    }

    /// The command was applied, rejected or cancelled.
    fn settle(mut self) {
        self.0.drain(..).for_each(Ticket::settle);
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Ticket::leave_unknown);
    }
}
