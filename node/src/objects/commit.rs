//! Sends the command of a write and lets its tickets go by what became of it.

use raft::ExecuteError;
use raft_types::{Command, Outcome};

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
    let metadata = metadata.clone();
    let task = tokio::spawn(async move {
        let result = metadata.execute(command).await;
        release(tickets, &result);
        result
    });
    match task.await {
        Ok(result) => result,
        // The runtime is going down with the process: what became of the command is not known here.
        Err(_) => Err(ExecuteError::SessionSealed),
    }
}

fn release(tickets: Vec<Ticket>, result: &Result<Outcome, ExecuteError>) {
    for ticket in tickets {
        match result {
            // It never reached the log. Dropping the ticket hands the attempt over.
            Err(ExecuteError::NotApplied(_)) => drop(ticket),
            // Every other failure leaves its outcome open.
            Err(_) | Ok(Outcome::Refused(_)) => ticket.leave_unknown(),
            // Applied or rejected: either way the state holds what the command named, as replica or as
            // garbage.
            Ok(_) => ticket.settle(),
        }
    }
}
