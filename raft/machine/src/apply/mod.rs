//! How commands change the tables.
//!
//! One file per family of commands. A handler reads and writes through a `Context` and
//! returns an outcome, or stops: then everything that it wrote is taken back. Reference counts and derived
//! counters are gathered and written once, at the end of the command.

mod attempts;
mod backend;
mod blob;
mod bucket;
mod cluster;
mod commit;
mod complete;
mod conditions;
mod context;
mod copy;
mod counters;
mod delete;
mod key;
mod numbered;
mod references;
mod release;
mod session;
mod stop;
mod upload;
mod versions;
mod written;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use raft_types::commands::Proposal;
use raft_types::keys::{ClockKey, IdentityKey};
use raft_types::records::{ClockRecord, IncidentKind};
use raft_types::{Envelope, IncarnationCounter, MillisUtc, Outcome, Record, Rejection, SessionId, limits};

use crate::effect::Applied;
use crate::fault::{Fault, Halt};
use crate::port::ReadTables;
use crate::transaction::Transaction;
use crate::{queries, rows};
use context::{Context, Moment};
use stop::{Broken, Stop};

/// Where a command stands in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryContext {
    /// Term of the entry.
    pub term: u64,
    /// Index of the entry.
    pub index: u64,
    /// Place of the command among those of the entry, from 0; below 2^24.
    pub position: u32,
    /// Time that the leader stamped when it appended the entry.
    pub now: MillisUtc,
}

/// Applies one command. Commands are applied in the order of the log, and many of them, of one or several
/// entries, may go through one transaction.
///
/// An error means that the node must stop. The transaction is then not to be written.
pub fn apply<T: ReadTables>(
    transaction: &mut Transaction<'_, T>,
    at: &EntryContext,
    envelope: Bytes,
) -> Result<Applied, Halt> {
    let envelope = Envelope::decode(envelope).map_err(Halt::Undecodable)?;
    if envelope.version != Envelope::VERSION {
        return Err(Halt::UnknownVersion(envelope.version));
    }
    let moment = moment(transaction, at)?;
    Ok(match envelope.proposal {
        Proposal::BindCluster(bind) => {
            unnumbered(transaction, &moment, |context| cluster::bind(context, bind))?
        }
        Proposal::OpenSession(open) => {
            unnumbered(transaction, &moment, |context| session::open(context, &open))?
        }
        Proposal::Numbered(command) => numbered::apply(transaction, &moment, command)?,
    })
}

/// Where and when the command is applied. Time never goes back, whatever a leader stamped.
fn moment<T: ReadTables>(transaction: &Transaction<'_, T>, at: &EntryContext) -> Result<Moment, Fault> {
    let last = queries::clock(transaction)?;
    let incarnation = rows::get(transaction, &IdentityKey)?
        .map_or(IncarnationCounter::FIRST, |identity| identity.incarnation.counter);
    let EntryContext {
        term,
        index,
        position,
        now,
    } = *at;
    Ok(Moment {
        term,
        index,
        position,
        incarnation,
        now: now.max(last),
    })
}

/// Keeps the time of a command that was looked at.
fn keep_time<T: ReadTables>(context: &mut Context<'_, '_, T>) -> Result<(), Fault> {
    if queries::clock(&*context.tx)? < context.now {
        let now = context.now;
        context.put(&ClockKey, &ClockRecord { now });
    }
    Ok(())
}

/// What became of the body of a command.
enum Verdict {
    /// It happened.
    Done(Outcome),
    /// It did not happen, and nothing of it is left.
    Rejected(Rejection),
    /// It met a broken invariant, and nothing of it is left.
    Broken(Broken),
}

/// Runs a body and takes everything back unless it succeeds within the bounds of a command.
fn attempt<'c, 't, T: ReadTables>(
    context: &mut Context<'c, 't, T>,
    body: impl FnOnce(&mut Context<'c, 't, T>) -> Result<Outcome, Stop>,
) -> Result<Verdict, Fault> {
    context.tx.begin();
    let result = body(context).and_then(|outcome| {
        context.finish()?;
        if context.tx.written() > limits::ROWS_WRITTEN - limits::ROWS_OF_NUMBER {
            return Err(Rejection::TooLarge.into());
        }
        Ok(outcome)
    });
    let stop = match result {
        Ok(outcome) => return Ok(Verdict::Done(outcome)),
        Err(stop) => stop,
    };
    context.tx.undo();
    context.forget();
    Ok(match stop {
        Stop::Reject(Rejection::TooLarge) => Verdict::Broken(Broken {
            kind: IncidentKind::BoundExceeded,
            detail: "a command needs more rows than one command may touch".to_owned(),
        }),
        Stop::Reject(rejection) => Verdict::Rejected(rejection),
        Stop::Incident(broken) => Verdict::Broken(broken),
        Stop::Fault(fault) => return Err(fault),
    })
}

/// Turns a verdict into the outcome, with an incident row where an invariant is broken.
fn conclude<T: ReadTables>(context: &mut Context<'_, '_, T>, verdict: Verdict) -> Result<Outcome, Fault> {
    Ok(match verdict {
        Verdict::Done(outcome) => outcome,
        Verdict::Rejected(rejection) => Outcome::Rejected(rejection),
        Verdict::Broken(broken) => {
            let is_bound = broken.kind == IncidentKind::BoundExceeded;
            let row = context.incident(broken)?;
            Outcome::Rejected(if is_bound {
                Rejection::TooLarge
            } else {
                Rejection::Incident(row)
            })
        }
    })
}

/// Applies a command that is repeatable by its own nature.
fn unnumbered<'t, T: ReadTables>(
    transaction: &mut Transaction<'t, T>,
    moment: &Moment,
    body: impl for<'c> FnOnce(&mut Context<'c, 't, T>) -> Result<Outcome, Stop>,
) -> Result<Applied, Fault> {
    // No session sends it; the id is never given out.
    let mut context = Context::new(transaction, SessionId(0), moment);
    let verdict = attempt(&mut context, body)?;
    let outcome = conclude(&mut context, verdict)?;
    keep_time(&mut context)?;
    Ok(Applied {
        outcome,
        effects: context.effects,
    })
}
