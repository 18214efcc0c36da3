//! What of the dead may be deleted now (DESIGN 3.7).

use raft_machine::{Fault, ReadTables, queries};
use raft_types::keys::GarbageKey;
use raft_types::limits::CONFIRM_ROWS;
use raft_types::records::GarbageRecord;
use raft_types::{BackendId, MillisUtc, RowId};

/// Parts, blobs or outcomes that one step of a release takes: with the rows that each writes it stays
/// under the bound of a command.
const RELEASE_STEP: u32 = 100;

/// What running reads still allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// What died at or before this index is needed by no read of any open session.
    pub index: u64,
    /// Wall clock of this node.
    pub now: MillisUtc,
    /// How long the dead are kept at least, in milliseconds.
    pub min_age: u64,
    /// After how long they are deleted although a read still runs, in milliseconds.
    pub max_age: u64,
}

/// Why something dead is not deleted yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Rows that a running read may still need.
    pub by_reads: usize,
    /// Rows that are too young.
    pub by_age: usize,
}

/// A batch of attempts to delete from one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectPlan {
    /// What to delete now.
    pub batch: Vec<(GarbageKey, GarbageRecord)>,
    /// What of the rows that were looked at is held back.
    pub held: Held,
}

/// A step of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseStep {
    /// The row.
    pub row: RowId,
    /// How far it has come.
    pub after: u64,
    /// How much the step takes.
    pub limit: u32,
}

enum Verdict {
    Due,
    HeldByReads,
    HeldByAge,
}

impl Horizon {
    fn judge(&self, died: u64, since: MillisUtc) -> Verdict {
        let age = self.now.0.saturating_sub(since.0);
        if age < self.min_age {
            return Verdict::HeldByAge;
        }
        if died > self.index && age < self.max_age {
            return Verdict::HeldByReads;
        }
        Verdict::Due
    }
}

/// The next attempts to delete from a backend, oldest first.
///
/// # Errors
/// The view could not be read.
pub fn plan_garbage(
    tables: &impl ReadTables,
    backend: BackendId,
    horizon: &Horizon,
) -> Result<CollectPlan, Fault> {
    let mut plan = CollectPlan::default();
    for (key, record) in queries::garbage(tables, backend, u64::MAX, None, CONFIRM_ROWS)? {
        match horizon.judge(key.died, record.since) {
            Verdict::Due => plan.batch.push((key, record)),
            Verdict::HeldByReads => plan.held.by_reads += 1,
            Verdict::HeldByAge => plan.held.by_age += 1,
        }
    }
    Ok(plan)
}

/// The next step of the oldest release that is due, if any is.
///
/// # Errors
/// The view could not be read.
pub fn plan_release(tables: &impl ReadTables, horizon: &Horizon) -> Result<Option<ReleaseStep>, Fault> {
    for (row, record) in queries::release(tables, u64::MAX, 1)? {
        if matches!(horizon.judge(row.index, record.since), Verdict::Due) {
            return Ok(Some(ReleaseStep {
                row,
                after: record.after,
                limit: RELEASE_STEP,
            }));
        }
    }
    Ok(None)
}
