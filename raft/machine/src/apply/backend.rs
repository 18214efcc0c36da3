//! The life of a backend.

use raft_types::commands::{ActivateBackend, AttachBackend, SetBackendState};
use raft_types::keys::{BackendKey, BackendNameKey, CountersKey, Table};
use raft_types::records::{BackendNameRecord, BackendRecord, BackendState};
use raft_types::{BackendId, Outcome, Rejection};

use super::context::Context;
use super::numbered::required;
use super::stop::Stop;
use crate::fault::Fault;
use crate::port::ReadTables;
use crate::queries::{self, EpochState};

/// Enters a backend. Its identity is written and read by everyone before it takes anything (C2).
pub(super) fn attach<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: AttachBackend,
) -> Result<Outcome, Stop> {
    if command.prefix.starts_with('/') || command.prefix.ends_with('/') {
        return Err(Stop::malformed("a prefix neither begins nor ends with a slash"));
    }
    if let Some((existing, _)) = queries::backend_by_name(&*context.tx, &command.name)? {
        return Err(Rejection::BackendExists(existing).into());
    }
    let mut counters = context.counters()?;
    let backend = counters.backend.next().ok_or(Fault::Exhausted("backend"))?;
    counters.backend = backend;
    context.put(&CountersKey, &counters);
    context.put(
        &BackendNameKey {
            name: command.name.clone(),
        },
        &BackendNameRecord { backend },
    );
    let record = BackendRecord {
        name: command.name,
        kind: command.kind,
        spec: command.spec,
        prefix: command.prefix,
        nonce: command.nonce,
        state: BackendState::Attaching,
        attached_index: context.index,
        attached: context.now,
        state_index: context.index,
    };
    context.put(&BackendKey { backend }, &record);
    context.changed(Table::Backends);
    Ok(Outcome::BackendAttached(backend))
}

/// Lets a backend take replicas once every open session has read its identity. A session that was opened
/// meanwhile is missing in the proposer's list.
pub(super) fn activate<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &ActivateBackend,
) -> Result<Outcome, Stop> {
    let key = BackendKey {
        backend: command.backend,
    };
    let record = required(context.get(&key)?, Rejection::NoSuchBackend)?;
    if record.state != BackendState::Attaching {
        return Err(Rejection::Changed.into());
    }
    for (session, row) in queries::sessions(&*context.tx)? {
        if row.seal.is_none() && !command.readers.contains(&session) {
            return Err(Rejection::SessionMissing(session).into());
        }
    }
    set(context, &key, record, BackendState::Active);
    Ok(Outcome::Done)
}

fn set<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    key: &BackendKey,
    mut record: BackendRecord,
    state: BackendState,
) {
    record.state = state;
    record.state_index = context.index;
    context.put(key, &record);
    context.changed(Table::Backends);
}

/// Drains a backend, takes that back, or removes it.
pub(super) fn set_state<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &SetBackendState,
) -> Result<Outcome, Stop> {
    let key = BackendKey {
        backend: command.backend,
    };
    let record = required(context.get(&key)?, Rejection::NoSuchBackend)?;
    if record.state != command.from {
        return Err(Rejection::Changed.into());
    }
    match (command.from, command.to) {
        (BackendState::Active, BackendState::Draining) | (BackendState::Draining, BackendState::Active) => {}
        (BackendState::Draining, BackendState::Removed) => check_unused(context, command.backend, &record)?,
        // No replica was ever added, but attempts may have been given up.
        (BackendState::Attaching, BackendState::Removed) => check_empty(context, command.backend)?,
        (from, to) => {
            return Err(Stop::malformed(format!(
                "a backend does not go from {from:?} to {to:?}"
            )));
        }
    }
    if command.to == BackendState::Removed {
        context.delete(&BackendNameKey {
            name: record.name.clone(),
        });
    }
    set(context, &key, record, command.to);
    Ok(Outcome::Done)
}

/// Nothing may refer to a backend that goes (C7): no replica, no garbage, no epoch that may have begun
/// attempts there and is not swept there. An epoch opened since the drain began cannot have.
fn check_unused<T: ReadTables>(
    context: &Context<'_, '_, T>,
    backend: BackendId,
    record: &BackendRecord,
) -> Result<(), Stop> {
    check_empty(context, backend)?;
    for (_, epoch) in queries::epochs(&*context.tx)? {
        if epoch.opened_index > record.state_index {
            continue;
        }
        let is_done = match queries::epoch_state(&*context.tx, &epoch)? {
            EpochState::Sealed(_) => {
                let targets = queries::sweep_targets(&*context.tx, &epoch)?;
                targets.iter().all(|(target, _)| *target != backend)
            }
            EpochState::Open | EpochState::Quarantined => false,
            EpochState::Closing => epoch
                .closing
                .is_some_and(|closing| !closing.used.contains(&backend)),
        };
        if !is_done {
            return Err(Rejection::BackendInUse.into());
        }
    }
    Ok(())
}

fn check_empty<T: ReadTables>(context: &Context<'_, '_, T>, backend: BackendId) -> Result<(), Stop> {
    let counters = queries::backend_counters(&*context.tx, backend)?;
    if counters.replicas > 0 || counters.garbage > 0 {
        return Err(Rejection::BackendInUse.into());
    }
    Ok(())
}
