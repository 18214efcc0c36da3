//! Which sealed epochs are to be swept, and which may be forgotten (DESIGN 3.5).

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
    /// Which sweep it is.
    pub pass: SweepPass,
}

/// At most `limit` sweeps of one backend that are due at `now`. The second one follows the first after
/// `second_after` milliseconds, for writes that arrive late.
///
/// Each backend has a plan of its own, so that one which is away takes no place from another.
///
/// # Errors
/// The view could not be read.
pub fn plan_sweeps(
    tables: &impl ReadTables,
    backend: BackendId,
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
        let targets = queries::sweep_targets(tables, &record)?;
        let Some((_, pass)) = targets.into_iter().find(|(target, _)| *target == backend) else {
            continue;
        };
        let first = record.sweeps.iter().find(|sweep| sweep.backend == backend);
        if first.is_some_and(|first| now.0 < first.at.0.saturating_add(second_after)) {
            continue;
        }
        tasks.push(SweepTask {
            epoch,
            incarnation: record.incarnation,
            pass,
        });
    }
    Ok(tasks)
}

/// At most `limit` sealed epochs on which nothing is left to be swept: their backends are gone, or they
/// never began an attempt.
///
/// # Errors
/// The view could not be read.
pub fn plan_forgetting(tables: &impl ReadTables, limit: usize) -> Result<Vec<EpochId>, Fault> {
    let mut epochs = Vec::new();
    for (epoch, record) in queries::epochs(tables)? {
        if epochs.len() >= limit {
            break;
        }
        let is_sealed = matches!(queries::epoch_state(tables, &record)?, EpochState::Sealed(_));
        if is_sealed && queries::sweep_targets(tables, &record)?.is_empty() {
            epochs.push(epoch);
        }
    }
    Ok(epochs)
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
    use raft_types::keys::{BackendKey, EpochKey, SessionKey};
    use raft_types::records::{
        BackendRecord, BackendState, Closing, EpochRecord, Seal, SealCause, SessionRecord, Sweep,
    };
    use raft_types::{BackendName, BackendNonce, BootNonce, NodeId, SessionId};

    use super::*;
    use crate::testing::put;

    const NOW: MillisUtc = MillisUtc(10_000);
    const DAY: u64 = 1_000;

    fn seal() -> Seal {
        Seal {
            index: 9,
            at: MillisUtc(5_000),
            cause: SealCause::Ended,
        }
    }

    fn backend(tables: &mut MemoryTables, id: u32, state: BackendState) {
        let record = BackendRecord {
            name: BackendName::new(format!("disk-{id}")).unwrap(),
            kind: "fs".to_owned(),
            spec: bytes::Bytes::new(),
            prefix: String::new(),
            nonce: BackendNonce([0; 16]),
            state,
            attached_index: 1,
            attached: MillisUtc(0),
            state_index: 1,
        };
        put(
            tables,
            &BackendKey {
                backend: BackendId(id),
            },
            &record,
        );
    }

    /// A session, sealed or not.
    fn session(tables: &mut MemoryTables, id: u64, seal: Option<Seal>) {
        let record = SessionRecord {
            node: NodeId(1),
            boot: id,
            nonce: BootNonce([0; 16]),
            opened_index: 1,
            opened: MillisUtc(0),
            floor: 1,
            trimmed: 1,
            seal,
        };
        put(
            tables,
            &SessionKey {
                session: SessionId(id),
            },
            &record,
        );
    }

    fn epoch(session: u64) -> EpochRecord {
        EpochRecord {
            session: SessionId(session),
            incarnation: IncarnationCounter(1),
            opened_index: 2,
            opened: MillisUtc(0),
            closing: None,
            seal: None,
            sweeps: Vec::new(),
            quarantined: false,
        }
    }

    fn closed(used: &[u32]) -> Option<Closing> {
        Some(Closing {
            index: 5,
            used: used.iter().map(|id| BackendId(*id)).collect(),
        })
    }

    fn swept(backend: u32, pass: SweepPass, at: u64) -> Sweep {
        Sweep {
            backend: BackendId(backend),
            pass,
            at: MillisUtc(at),
        }
    }

    fn planned(tables: &MemoryTables, backend: u32) -> Vec<(u64, SweepPass)> {
        let tasks = plan_sweeps(tables, BackendId(backend), NOW, DAY, 16).unwrap();
        tasks.into_iter().map(|task| (task.epoch.0, task.pass)).collect()
    }

    fn forgotten(tables: &MemoryTables) -> Vec<u64> {
        let epochs = plan_forgetting(tables, 16).unwrap();
        epochs.into_iter().map(|epoch| epoch.0).collect()
    }

    /// An open session 1, a sealed session 2, active backends 1 and 2.
    fn world() -> MemoryTables {
        let mut tables = MemoryTables::new();
        session(&mut tables, 1, None);
        session(&mut tables, 2, Some(seal()));
        backend(&mut tables, 1, BackendState::Active);
        backend(&mut tables, 2, BackendState::Active);
        tables
    }

    #[test]
    fn only_sealed_epochs_are_swept() {
        let mut tables = world();
        let epochs = [
            epoch(1),
            EpochRecord {
                closing: closed(&[1]),
                ..epoch(1)
            },
            EpochRecord {
                closing: closed(&[1]),
                seal: Some(seal()),
                ..epoch(1)
            },
            epoch(2),
            EpochRecord {
                quarantined: true,
                seal: Some(seal()),
                ..epoch(2)
            },
        ];
        for (number, record) in (1..).zip(epochs) {
            put(
                &mut tables,
                &EpochKey {
                    epoch: EpochId(number),
                },
                &record,
            );
        }
        assert_eq!(
            planned(&tables, 1),
            [(3, SweepPass::First), (4, SweepPass::First)]
        );
        assert_eq!(forgotten(&tables), Vec::<u64>::new());
    }

    #[test]
    fn an_epoch_is_swept_where_it_began_attempts_and_everywhere_when_untold() {
        let mut tables = world();
        backend(&mut tables, 3, BackendState::Draining);
        backend(&mut tables, 4, BackendState::Removed);
        backend(&mut tables, 5, BackendState::Attaching);
        let told = EpochRecord {
            closing: closed(&[2]),
            seal: Some(seal()),
            ..epoch(1)
        };
        put(&mut tables, &EpochKey { epoch: EpochId(1) }, &told);
        put(&mut tables, &EpochKey { epoch: EpochId(2) }, &epoch(2));
        assert_eq!(planned(&tables, 1), [(2, SweepPass::First)]);
        assert_eq!(
            planned(&tables, 2),
            [(1, SweepPass::First), (2, SweepPass::First)]
        );
        assert_eq!(planned(&tables, 3), [(2, SweepPass::First)]);
        assert_eq!(planned(&tables, 4), []);
        assert_eq!(planned(&tables, 5), []);
    }

    #[test]
    fn the_second_sweep_waits_for_late_writes_and_the_first_does_not() {
        for (at, expected) in [(9_001, vec![]), (9_000, vec![(1, SweepPass::Second)])] {
            let mut tables = world();
            let record = EpochRecord {
                closing: closed(&[1]),
                seal: Some(seal()),
                sweeps: vec![swept(1, SweepPass::First, at)],
                ..epoch(1)
            };
            put(&mut tables, &EpochKey { epoch: EpochId(1) }, &record);
            assert_eq!(planned(&tables, 1), expected, "{at}");
        }
    }

    #[test]
    fn what_was_swept_twice_is_swept_no_more_and_forgotten() {
        for last in [SweepPass::Second, SweepPass::Final] {
            let mut tables = world();
            let record = EpochRecord {
                closing: closed(&[1]),
                seal: Some(seal()),
                sweeps: vec![swept(1, last, 0)],
                ..epoch(1)
            };
            put(&mut tables, &EpochKey { epoch: EpochId(1) }, &record);
            assert_eq!(planned(&tables, 1), []);
            assert_eq!(forgotten(&tables), [1]);
        }
    }

    #[test]
    fn an_epoch_without_attempts_is_forgotten_with_its_session_only() {
        let mut tables = world();
        for (number, of) in [(1, 1), (2, 2)] {
            let record = EpochRecord {
                closing: closed(&[]),
                ..epoch(of)
            };
            put(
                &mut tables,
                &EpochKey {
                    epoch: EpochId(number),
                },
                &record,
            );
        }
        assert_eq!(forgotten(&tables), [2]);
        assert_eq!(planned(&tables, 1), []);
    }

    #[test]
    fn a_plan_is_bounded() {
        let mut tables = world();
        for number in 1..=5 {
            put(
                &mut tables,
                &EpochKey {
                    epoch: EpochId(number),
                },
                &epoch(2),
            );
        }
        let tasks = plan_sweeps(&tables, BackendId(1), NOW, DAY, 3).unwrap();
        assert_eq!(tasks.len(), 3);
    }
}
