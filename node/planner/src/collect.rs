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
    /// Where to look on in this turn; absent when nothing more is likely to be due.
    pub next: Option<GarbageKey>,
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

/// The attempts to delete next from a backend, oldest first, of those after the row `after`. So what could
/// not be deleted in this turn is passed over and does not hold up what died later.
///
/// # Errors
/// The view could not be read.
pub fn plan_garbage(
    tables: &impl ReadTables,
    backend: BackendId,
    horizon: &Horizon,
    after: Option<&GarbageKey>,
) -> Result<CollectPlan, Fault> {
    let mut plan = CollectPlan::default();
    let rows = queries::garbage(tables, backend, u64::MAX, after, CONFIRM_ROWS)?;
    let more = rows.len() == CONFIRM_ROWS;
    let last = rows.last().map(|(key, _)| key.clone());
    for (key, record) in rows {
        match horizon.judge(key.died, record.since) {
            Verdict::Due => plan.batch.push((key, record)),
            Verdict::HeldByReads => plan.held.by_reads += 1,
            Verdict::HeldByAge => plan.held.by_age += 1,
        }
    }
    // Rows stand by death: after a page of which nothing is due, hardly anything will be.
    if more && !plan.batch.is_empty() {
        plan.next = last;
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

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use raft_machine::MemoryTables;
    use raft_types::keys::ReleaseKey;
    use raft_types::records::{BlobList, DeathCause, ReleaseRecord, ReleaseSubject};
    use raft_types::{Attempt, BlobId, EpochId, IncarnationCounter};

    use super::*;
    use crate::testing::put;

    const BACKEND: BackendId = BackendId(7);
    /// Young below 100 ms, held by reads below 1,000 ms, at time 10,000.
    const HORIZON: Horizon = Horizon {
        index: 50,
        now: MillisUtc(10_000),
        min_age: 100,
        max_age: 1_000,
    };

    fn key(backend: BackendId, died: u64, attempt: u32) -> GarbageKey {
        GarbageKey {
            backend,
            died,
            blob: BlobId([1; 16]),
            epoch: EpochId(3),
            attempt: Attempt(attempt),
        }
    }

    fn record(since: u64) -> GarbageRecord {
        GarbageRecord {
            incarnation: IncarnationCounter(1),
            stored: 10,
            cause: DeathCause::Unreferenced,
            since: MillisUtc(since),
            provider_version: None,
        }
    }

    fn died(plan: &CollectPlan) -> Vec<u64> {
        plan.batch.iter().map(|(key, _)| key.died).collect()
    }

    #[test]
    fn what_is_young_or_needed_by_a_read_is_held_back() {
        let mut tables = MemoryTables::new();
        for (died, since) in [(48, 9_901), (49, 9_900), (50, 9_000), (51, 9_001), (52, 9_000)] {
            put(&mut tables, &key(BACKEND, died, 0), &record(since));
        }
        let plan = plan_garbage(&tables, BACKEND, &HORIZON, None).unwrap();
        // 48 is 99 ms old; 49 exactly 100; 51 a read may need and is 999 ms old; 52 is 1,000.
        assert_eq!(died(&plan), [49, 50, 52]);
        assert_eq!(
            plan.held,
            Held {
                by_reads: 1,
                by_age: 1
            }
        );
        assert_eq!(plan.next, None);
    }

    #[test]
    fn a_clock_that_went_back_deletes_nothing() {
        let mut tables = MemoryTables::new();
        put(&mut tables, &key(BACKEND, 1, 0), &record(20_000));
        let plan = plan_garbage(&tables, BACKEND, &HORIZON, None).unwrap();
        assert_eq!((died(&plan), plan.held.by_age), (vec![], 1));
    }

    #[test]
    fn a_backend_has_its_own_garbage() {
        let mut tables = MemoryTables::new();
        for backend in [6, 7, 8] {
            put(
                &mut tables,
                &key(BackendId(backend), u64::from(backend), 0),
                &record(0),
            );
        }
        let plan = plan_garbage(&tables, BACKEND, &HORIZON, None).unwrap();
        assert_eq!(died(&plan), [7]);
    }

    #[test]
    fn a_full_batch_says_where_to_look_on_and_what_was_looked_at_is_passed_over() {
        let mut tables = MemoryTables::new();
        let count = CONFIRM_ROWS as u32 + 3;
        for attempt in 0..count {
            put(&mut tables, &key(BACKEND, 1, attempt), &record(0));
        }
        let first = plan_garbage(&tables, BACKEND, &HORIZON, None).unwrap();
        assert_eq!(first.batch.len(), CONFIRM_ROWS);
        let next = first.next.unwrap();
        assert_eq!(next, key(BACKEND, 1, CONFIRM_ROWS as u32 - 1));
        let second = plan_garbage(&tables, BACKEND, &HORIZON, Some(&next)).unwrap();
        let attempts: Vec<u32> = second.batch.iter().map(|(key, _)| key.attempt.0).collect();
        assert_eq!(attempts, [count - 3, count - 2, count - 1]);
        assert_eq!(second.next, None);
    }

    #[test]
    fn a_page_of_which_nothing_is_due_ends_the_turn() {
        let mut tables = MemoryTables::new();
        for attempt in 0..CONFIRM_ROWS as u32 + 1 {
            put(&mut tables, &key(BACKEND, 1, attempt), &record(HORIZON.now.0));
        }
        let plan = plan_garbage(&tables, BACKEND, &HORIZON, None).unwrap();
        assert_eq!((plan.batch.len(), plan.held.by_age), (0, CONFIRM_ROWS));
        assert_eq!(plan.next, None);
    }

    #[test]
    fn a_release_waits_for_reads_and_age_like_garbage() {
        let release = |died, since| {
            let mut tables = MemoryTables::new();
            let row = RowId {
                index: died,
                position: 0,
                ordinal: 0,
            };
            let record = ReleaseRecord {
                subject: ReleaseSubject::Blobs(BlobList { blobs: Vec::new() }),
                since: MillisUtc(since),
                after: 5,
            };
            put(&mut tables, &ReleaseKey { row }, &record);
            let step = plan_release(&tables, &HORIZON).unwrap();
            step.map(|step| (step.row, step.after) == (row, 5))
        };
        assert_eq!(release(50, 9_900), Some(true));
        assert_eq!(release(50, 9_901), None);
        assert_eq!(release(51, 9_001), None);
        assert_eq!(release(51, 9_000), Some(true));
    }
}
