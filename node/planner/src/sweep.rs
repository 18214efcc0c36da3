//! Which sealed epochs are to be swept, and on which backends (DESIGN 3.5).

use raft_machine::queries::{self, EpochState};
use raft_machine::{Fault, ReadTables};
use raft_types::records::SweepPass;
use raft_types::{BackendId, EpochId, IncarnationCounter, MillisUtc};

/// Sweep one epoch on one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepTask {
    /// The epoch.
    pub epoch: EpochId,
    /// The life of the cluster in which it was opened.
    pub incarnation: IncarnationCounter,
    /// Where; `None` where nothing is to be swept and the epoch may be forgotten.
    pub backend: Option<BackendId>,
    /// Which sweep it is.
    pub pass: SweepPass,
}

/// At most `limit` sweeps that are due at `now`. The second one follows the first after
/// `second_after` milliseconds, for writes that arrive late.
///
/// # Errors
/// The view could not be read.
pub fn plan_sweeps(
    tables: &impl ReadTables,
    now: MillisUtc,
    second_after: u64,
    limit: usize,
) -> Result<Vec<SweepTask>, Fault> {
    let mut tasks = Vec::new();
    for (epoch, record) in queries::epochs(tables)? {
        if tasks.len() >= limit {
            break;
        }
        if !matches!(queries::epoch_state(tables, &record)?, EpochState::Sealed(_)) {
            continue;
        }
        let incarnation = record.incarnation;
        let targets = queries::sweep_targets(tables, &record)?;
        if targets.is_empty() {
            tasks.push(SweepTask {
                epoch,
                incarnation,
                backend: None,
                pass: SweepPass::First,
            });
            continue;
        }
        for (backend, pass) in targets {
            let first = record.sweeps.iter().find(|sweep| sweep.backend == backend);
            let early = first.is_some_and(|first| now.0 < first.at.0.saturating_add(second_after));
            if !early && tasks.len() < limit {
                tasks.push(SweepTask {
                    epoch,
                    incarnation,
                    backend: Some(backend),
                    pass,
                });
            }
        }
    }
    Ok(tasks)
}
