//! Epochs: what may be written under them, and what is to be swept.

use raft_types::keys::{EpochKey, KeyRange, Table};
use raft_types::records::{BackendState, EpochRecord, Seal, SweepPass};
use raft_types::{BackendId, EpochId, SessionId};

use super::{backends, session};
use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// Where an epoch stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochState {
    /// Takes new attempts.
    Open,
    /// Takes no new attempts; those begun may still be committed.
    Closing,
    /// Nothing in it becomes referenced any more. To be swept.
    Sealed(Seal),
    /// Sealed by a restore: nothing in it is deleted without an operator.
    Quarantined,
}

/// An epoch; `None` once it is forgotten.
pub fn epoch(tables: &impl ReadTables, epoch: EpochId) -> Result<Option<EpochRecord>, Fault> {
    rows::get(tables, &EpochKey { epoch })
}

/// Where an epoch stands in its life. The seal of its session is its own.
pub fn epoch_state(tables: &impl ReadTables, record: &EpochRecord) -> Result<EpochState, Fault> {
    if record.quarantined {
        return Ok(EpochState::Quarantined);
    }
    let seal = match record.seal {
        Some(seal) => Some(seal),
        None => session(tables, record.session)?.and_then(|session| session.seal),
    };
    Ok(match (seal, &record.closing) {
        (Some(seal), _) => EpochState::Sealed(seal),
        (None, Some(_)) => EpochState::Closing,
        (None, None) => EpochState::Open,
    })
}

/// All epochs that are not forgotten, in the order of their ids.
pub fn epochs(tables: &impl ReadTables) -> Result<Vec<(EpochId, EpochRecord)>, Fault> {
    let rows = rows::page::<EpochKey>(tables, &KeyRange::of_table(Table::Epochs), None, usize::MAX)?;
    Ok(rows
        .into_iter()
        .map(|(key, record)| (key.epoch, record))
        .collect())
}

/// The epochs of a session that are not forgotten.
pub fn epochs_of(tables: &impl ReadTables, session: SessionId) -> Result<Vec<(EpochId, EpochRecord)>, Fault> {
    let mut epochs = epochs(tables)?;
    epochs.retain(|(_, record)| record.session == session);
    Ok(epochs)
}

/// The backends of a sealed epoch that are still to be swept, and the pass that is next on each. Empty when
/// the epoch may be forgotten.
///
/// An epoch that was sealed untold may lie on every backend that ever took replicas and is not removed.
pub fn sweep_targets(
    tables: &impl ReadTables,
    record: &EpochRecord,
) -> Result<Vec<(BackendId, SweepPass)>, Fault> {
    let mut targets = Vec::new();
    for (backend, row) in backends(tables)? {
        let told_unused = record
            .closing
            .as_ref()
            .is_some_and(|closing| !closing.used.contains(&backend));
        if told_unused || matches!(row.state, BackendState::Attaching | BackendState::Removed) {
            continue;
        }
        let done = record
            .sweeps
            .iter()
            .find(|sweep| sweep.backend == backend)
            .map(|sweep| sweep.pass);
        match done {
            None => targets.push((backend, SweepPass::First)),
            Some(SweepPass::First) => targets.push((backend, SweepPass::Second)),
            Some(SweepPass::Second | SweepPass::Final) => {}
        }
    }
    Ok(targets)
}
