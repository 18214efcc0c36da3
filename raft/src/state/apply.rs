//! The thread that applies committed entries.
//!
//! A thread of its own, because it reads from the disk and computes: on the runtime it would hold
//! up the Raft core, whose heartbeats and appends must go on while entries are applied.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use openraft::EntryPayload;
use openraft::storage::ApplyResponder;
use raft_machine::{Effect, EntryContext, Halt, Transaction};
use raft_types::{MillisUtc, Outcome};
use rocksdb::WriteBatch;
use tokio::sync::oneshot;

use super::generation::Generation;
use super::meta;
use super::store::StateStore;
use super::tables::Tables;
use crate::consensus::{Entry, LogId, StoredMembership, TypeConfig, term_of};
use crate::error::Error;
use crate::log::batch::CommandBatch;

/// Rows after which a write is performed before the next entry is applied: bounds the memory of one
/// apply call, however much its commands write.
const ROWS_PER_WRITE: usize = 32_768;

/// The outcomes of an entry's commands, in their order.
#[derive(Debug, Default)]
pub(crate) struct Answers(pub(crate) Vec<Outcome>);

/// An entry, and who waits for its answers on this node.
pub(super) type ToApply = (Entry, Option<ApplyResponder<TypeConfig>>);

/// Why an entry could not be applied. The node stops.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error("entry {index}, command {position}: {}", chain(.source))]
    Halt { index: u64, position: u32, source: Halt },
    #[error("entry {index} is not a batch of commands: {message}")]
    Payload { index: u64, message: String },
    #[error("entry {index} was to be applied after {applied}")]
    Order { index: u64, applied: u64 },
    #[error("the state cannot be read: {0}")]
    Damage(#[from] crate::error::Damage),
    #[error("writing to the state failed: {0}")]
    Write(String),
    #[error("the thread that applies has ended")]
    Gone,
}

/// The whole story in one line: the process ends with it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

struct Job {
    entries: Vec<ToApply>,
    done: oneshot::Sender<Result<(), ApplyError>>,
}

/// Hands entries to the thread.
pub(super) struct Applier {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Applier {
    pub(super) fn start(store: Arc<StateStore>) -> Result<Self, Error> {
        // At most one job is ever in it: openraft waits for one apply before the next.
        let (jobs, received) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("raft-apply".into())
            .spawn(move || {
                while let Ok(job) = received.recv() {
                    let result = apply_entries(&store, job.entries);
                    // The core stops waiting only if it is being shut down.
                    let _ = job.done.send(result);
                }
            })
            .map_err(|source| Error::Start {
                what: "the thread that applies entries",
                source,
            })?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Applies `entries` and answers whoever waits for them.
    pub(super) async fn apply(&self, entries: Vec<ToApply>) -> Result<(), ApplyError> {
        let (done, applied) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(ApplyError::Gone)?;
        jobs.send(Job { entries, done }).map_err(|_| ApplyError::Gone)?;
        applied.await.map_err(|_| ApplyError::Gone)?
    }
}

impl Drop for Applier {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that applies entries has panicked");
        }
    }
}

/// What one write makes visible.
#[derive(Default)]
struct Pending {
    applied: Option<LogId>,
    membership: Option<StoredMembership>,
    answers: Vec<(ApplyResponder<TypeConfig>, Answers)>,
    effects: Vec<Effect>,
    commands: u64,
}

fn apply_entries(store: &StateStore, entries: Vec<ToApply>) -> Result<(), ApplyError> {
    let started = Instant::now();
    let generation = store.generation();
    let tables = Tables::live(&generation.db);
    let mut transaction = Transaction::new(&tables);
    let mut pending = Pending::default();
    let mut last = generation.last_applied()?;
    let mut commands = 0;
    for (entry, responder) in entries {
        let id = entry.log_id;
        if let Some(last) = last
            && id.index() <= last.index()
        {
            return Err(ApplyError::Order {
                index: id.index(),
                applied: last.index(),
            });
        }
        last = Some(id);
        let answers = apply_entry(&mut transaction, entry, &mut pending)?;
        pending.applied = Some(id);
        pending
            .answers
            .extend(responder.map(|responder| (responder, answers)));
        if transaction.len() >= ROWS_PER_WRITE {
            let full = std::mem::replace(&mut transaction, Transaction::new(&tables));
            commands += pending.commands;
            perform(store, &generation, full, std::mem::take(&mut pending))?;
        }
    }
    commands += pending.commands;
    perform(store, &generation, transaction, pending)?;
    store.metrics.apply_seconds.record(started.elapsed());
    store.metrics.applied_commands.increment(commands);
    store.metrics.commands_per_apply.record(commands as f64);
    Ok(())
}

fn apply_entry(
    transaction: &mut Transaction<'_, Tables<'_>>,
    entry: Entry,
    pending: &mut Pending,
) -> Result<Answers, ApplyError> {
    let id = entry.log_id;
    let proposal = match entry.payload {
        EntryPayload::Blank => return Ok(Answers::default()),
        EntryPayload::Membership(membership) => {
            pending.membership = Some(StoredMembership::new(Some(id), membership));
            return Ok(Answers::default());
        }
        EntryPayload::Normal(proposal) => proposal,
    };
    let batch = CommandBatch::from_bytes(proposal.0).map_err(|error| ApplyError::Payload {
        index: id.index(),
        message: error.to_string(),
    })?;
    let mut outcomes = Vec::with_capacity(batch.commands.len());
    for (position, command) in (0_u32..).zip(batch.commands) {
        let at = EntryContext {
            term: term_of(&id),
            index: id.index(),
            position,
            now: MillisUtc(batch.now),
        };
        let applied = raft_machine::apply(transaction, &at, command).map_err(|source| ApplyError::Halt {
            index: id.index(),
            position,
            source,
        })?;
        outcomes.push(applied.outcome);
        pending.effects.extend(applied.effects);
        pending.commands += 1;
    }
    Ok(Answers(outcomes))
}

/// Writes the rows, lets everybody see them, then answers.
fn perform(
    store: &StateStore,
    generation: &Generation,
    transaction: Transaction<'_, Tables<'_>>,
    pending: Pending,
) -> Result<(), ApplyError> {
    let Some(applied) = pending.applied else {
        return Ok(());
    };
    let mut batch = WriteBatch::default();
    for (key, value) in transaction.into_writes() {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    meta::put_applied(&mut batch, applied);
    if let Some(membership) = &pending.membership {
        meta::put_membership(&mut batch, membership);
    }
    generation
        .write(batch)
        .map_err(|error| ApplyError::Write(error.into_string()))?;
    store.publish(applied.index());
    store.emit(pending.effects);
    for (responder, answers) in pending.answers {
        responder.send(answers);
    }
    Ok(())
}
