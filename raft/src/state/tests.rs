use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use raft_machine::{Cursor, EntryContext, MemoryTables, ReadTables, Transaction, queries};
use raft_types::MillisUtc;

use super::*;
use crate::consensus::log_id;
use crate::testing::history::{self, prelude};
use crate::testing::{apply, blank, digest, entry, machine, member, open, options, rows};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The entries of a history, as they stand in a log that begins with a blank one.
fn log_of(history: &[(u64, Vec<Bytes>)]) -> Vec<crate::consensus::Entry> {
    let mut log = vec![blank(1, 0), entry(1, 1, 1000, prelude())];
    for (index, (now, commands)) in (2..).zip(history) {
        log.push(entry(1, index, *now, commands.clone()));
    }
    log
}

/// So many buckets that their rows take many blocks of a file.
fn many_buckets() -> Vec<crate::consensus::Entry> {
    let create = |seq| history::numbered(1, seq, seq, history::create_bucket(&format!("bucket-{seq}")));
    (2..50)
        .map(|index| entry(1, index, 0, (0..60).map(|at| create(100 * index + at)).collect()))
        .collect()
}

/// Applies a history to tables in memory, one transaction per command.
fn in_memory(history: &[(u64, Vec<Bytes>)]) -> MemoryTables {
    let mut tables = MemoryTables::new();
    let first = (1000, prelude());
    for (index, (now, commands)) in (1..).zip(std::iter::once(&first).chain(history)) {
        for (position, command) in (0..).zip(commands) {
            let at = EntryContext {
                term: 1,
                index,
                position,
                now: MillisUtc(*now),
            };
            let mut transaction = Transaction::new(&tables);
            raft_machine::apply(&mut transaction, &at, command.clone()).unwrap();
            let writes: Vec<_> = transaction.into_writes().collect();
            tables.write(writes);
        }
    }
    tables
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_log_gives_byte_equal_states_in_memory_and_on_disk(
        history in history::entries(),
        calls in prop::collection::vec(1_usize..20, 60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = member(folder.path());
        runtime().block_on(async {
            let mut machine = machine(&store);
            let mut log = log_of(&history).into_iter();
            for call in calls {
                apply(&mut machine, log.by_ref().take(call)).await;
            }
            apply(&mut machine, log).await;
        });
        prop_assert_eq!(rows(&store.state.view()), rows(&in_memory(&history)));
    }

    #[test]
    fn a_snapshot_at_any_cut_and_the_rest_equal_the_whole(
        history in history::entries(),
        cut in any::<prop::sample::Index>(),
    ) {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (whole, rest) = (member(folders[0].path()), member(folders[1].path()));
        let log = log_of(&history);
        let cut = 1 + cut.index(log.len() - 1);
        runtime().block_on(async {
            let mut from = machine(&whole);
            apply(&mut from, log[..cut].to_vec()).await;
            let snapshot = whole.snapshots.build(&whole.state).unwrap();
            prop_assert_eq!(snapshot.last(), Some(log_id(1, cut as u64 - 1)));
            apply(&mut from, log[cut..].to_vec()).await;

            let mut into = machine(&rest);
            let snapshot = snapshot.into_snapshot().unwrap();
            into.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
            apply(&mut into, log[cut..].to_vec()).await;
            prop_assert_eq!(
                into.applied_state().await.unwrap(),
                from.applied_state().await.unwrap()
            );
            Ok::<_, TestCaseError>(())
        })?;
        prop_assert_eq!(rows(&rest.state.view()), rows(&whole.state.view()));
    }
}

#[tokio::test]
async fn what_was_applied_is_there_after_the_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let before = {
        let store = member(folder.path());
        let mut machine = machine(&store);
        apply(&mut machine, log_of(&[])).await;
        // Dropped without a flush, like a process that is killed.
        digest(&store.state.view())
    };
    let store = open(folder.path());
    assert_eq!(digest(&store.state.view()), before);
    assert_eq!(store.state.applied_index(), 1);
    let (applied, _) = machine(&store).applied_state().await.unwrap();
    assert_eq!(applied, Some(log_id(1, 1)));
}

#[tokio::test]
async fn an_entry_that_was_applied_is_not_applied_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder.path().join("data"));
    options.fatal = crate::Fatal::with(|_| {});
    let store = crate::Store::open(options).unwrap();
    let mut machine = machine(&store);
    apply(&mut machine, log_of(&[])).await;
    let again = futures_util::stream::iter([Ok((entry(1, 1, 0, prelude()), None))]);
    let error = machine.apply(again).await.unwrap_err();
    assert!(error.to_string().contains("was to be applied after 1"), "{error}");
    assert!(store.fatal.is_triggered());
}

#[tokio::test]
async fn a_command_that_this_release_does_not_know_halts_the_node_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder.path().join("data"));
    options.fatal = crate::Fatal::with(|cause| {
        assert!(matches!(cause, crate::FatalCause::Apply(_)), "{cause}");
    });
    let store = crate::Store::open(options).unwrap();
    let mut machine = machine(&store);
    apply(&mut machine, log_of(&[])).await;
    let before = digest(&store.state.view());
    let good = history::numbered(1, 6, 1, history::create_bucket("third"));
    // Field 1, a version of the future.
    let unknown = Bytes::from_static(&[0x08, 0x63]);
    for bad in [unknown, Bytes::from_static(b"\xff\xff\xff")] {
        let entries = [Ok((entry(1, 2, 0, vec![good.clone(), bad]), None))];
        machine
            .apply(futures_util::stream::iter(entries))
            .await
            .unwrap_err();
    }
    assert!(store.fatal.is_triggered());
    assert_eq!(digest(&store.state.view()), before);
    assert_eq!(store.state.applied_index(), 1);
}

#[tokio::test]
async fn a_view_does_not_change_and_a_new_one_sees_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let store = member(folder.path());
    let mut machine = machine(&store);
    apply(&mut machine, log_of(&[])).await;
    let old = store.state.view();
    let before = rows(&old);
    let create = history::numbered(1, 6, 1, history::create_bucket("third"));
    apply(&mut machine, [entry(1, 2, 0, vec![create])]).await;
    assert_eq!(rows(&old), before);
    assert_eq!(old.applied_index(), 1);
    let new = store.state.view();
    assert_eq!(new.applied_index(), 2);
    let name = raft_types::BucketName::new("third").unwrap();
    assert!(queries::bucket_by_name(&new, &name).unwrap().is_some());
    assert!(queries::bucket_by_name(&old, &name).unwrap().is_none());
}

#[tokio::test]
async fn a_query_that_needs_the_disk_leaves_the_runtime_and_gives_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    let expected = {
        let store = member(folder.path());
        let mut machine = machine(&store);
        apply(&mut machine, log_of(&[])).await;
        apply(&mut machine, many_buckets()).await;
        store.state.generation().flush().unwrap();
        rows(&store.state.view()).len()
    };
    // Nothing is in the block cache of a database that was just opened.
    let store = open(folder.path());
    let asked_from = std::thread::current().id();
    let ran_on = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let threads = Arc::clone(&ran_on);
    let count = store
        .state
        .view()
        .query(move |view| {
            threads.lock().push(std::thread::current().id());
            let mut cursor = view.cursor(&[], &[])?;
            let mut count = 0;
            while cursor.entry().is_some() {
                count += 1;
                cursor.next()?;
            }
            Ok(count)
        })
        .await
        .unwrap();
    assert_eq!(count, expected);
    let ran_on = ran_on.lock().clone();
    assert_eq!(ran_on.len(), 2, "tried in memory first");
    assert_eq!(ran_on[0], asked_from);
    assert_ne!(ran_on[1], asked_from);
}

#[tokio::test]
async fn a_read_that_may_not_do_io_says_so_until_the_row_is_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let key = {
        let store = member(folder.path());
        let mut machine = machine(&store);
        apply(&mut machine, log_of(&[])).await;
        apply(&mut machine, many_buckets()).await;
        store.state.generation().flush().unwrap();
        let rows = rows(&store.state.view());
        rows[rows.len() / 2].0.clone()
    };
    // Nothing is in the block cache of a database that was just opened.
    let store = open(folder.path());
    let generation = store.state.generation();
    let disk = tables::Tables::live(&generation.db);
    let missed = AtomicBool::new(false);
    let memory = tables::Tables {
        tier: tables::Tier::Memory(&missed),
        ..disk
    };
    memory.get(&key).unwrap_err();
    assert!(missed.swap(false, Ordering::Relaxed));
    assert!(memory.cursor(&key, &[]).is_err());
    assert!(missed.swap(false, Ordering::Relaxed));
    assert!(disk.get(&key).unwrap().is_some());
    assert!(memory.get(&key).unwrap().is_some());
    assert!(!missed.load(Ordering::Relaxed));
}

#[tokio::test]
async fn many_rows_in_one_call_are_written_in_several_batches_and_all_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let store = member(folder.path());
    let mut machine = machine(&store);
    apply(&mut machine, log_of(&[])).await;
    // More WAL than one holds, so that others are begun under way.
    let name = |index: u64| format!("bucket-{index:08}");
    for call in 0_u64..8 {
        let entries = (0_u64..100).map(|at| {
            let index = 2 + call * 100 + at;
            let settings = raft_types::commands::ProposeSettings {
                node: raft_types::NodeId(1),
                content: vec![7; 30_000].into(),
                fingerprint: raft_types::Digest([u8::try_from(index % 251).unwrap(); 32]),
                proposal: raft_types::commands::SettingsProposal::Offer,
            };
            let seq = 4 + 2 * index;
            let commands = vec![
                history::numbered(1, seq, seq, history::create_bucket(&name(index))),
                history::numbered(
                    1,
                    seq + 1,
                    seq,
                    raft_types::commands::Command::ProposeSettings(settings),
                ),
            ];
            entry(1, index, 0, commands)
        });
        apply(&mut machine, entries).await;
    }
    let before = digest(&store.state.view());
    drop(machine);
    drop(store);
    let store = open(folder.path());
    assert_eq!(digest(&store.state.view()), before);
    let view = store.state.view();
    for index in 2..802 {
        let name = raft_types::BucketName::new(name(index)).unwrap();
        assert!(queries::bucket_by_name(&view, &name).unwrap().is_some(), "{name}");
    }
}

#[tokio::test]
async fn the_applied_index_is_published_after_the_rows_and_before_the_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let store = member(folder.path());
    let mut applied = store.state.applied();
    let mut machine = machine(&store);
    let watcher = {
        let state = Arc::clone(&store.state);
        tokio::spawn(async move {
            applied.wait_for(|&index| index >= 1).await.unwrap();
            queries::identity(&state.view()).unwrap().is_some()
        })
    };
    apply(&mut machine, log_of(&[])).await;
    assert!(watcher.await.unwrap());
}

#[tokio::test]
async fn hints_reach_whoever_listens() {
    let folder = tempfile::tempdir().unwrap();
    let store = member(folder.path());
    let mut effects = store.state.effects();
    let mut machine = machine(&store);
    apply(&mut machine, log_of(&[])).await;
    let mut seen = Vec::new();
    while let Ok(effect) = effects.try_recv() {
        seen.push(effect);
    }
    assert!(
        seen.contains(&raft_machine::Effect::SessionOpened(raft_types::SessionId(1))),
        "{seen:?}"
    );
}

#[test]
fn a_cursor_over_the_database_behaves_as_one_over_memory() {
    let history = vec![(
        2000,
        vec![history::numbered(1, 6, 1, history::create_bucket("third"))],
    )];
    let folder = tempfile::tempdir().unwrap();
    let store = member(folder.path());
    runtime().block_on(async { apply(&mut machine(&store), log_of(&history)).await });
    let view = store.state.view();
    let memory = in_memory(&history);
    let keys: Vec<_> = rows(&memory).into_iter().map(|(key, _)| key).collect();
    let bounds: Vec<Vec<u8>> = keys
        .iter()
        .cloned()
        .chain([vec![], vec![0], vec![0x10], vec![0xff]])
        .collect();
    for lower in &bounds {
        for upper in &bounds {
            if !upper.is_empty() && lower > upper {
                continue;
            }
            let (mut disk, mut ram) = (
                view.cursor(lower, upper).unwrap(),
                memory.cursor(lower, upper).unwrap(),
            );
            assert_eq!(disk.entry(), ram.entry(), "{lower:?}..{upper:?}");
            for target in &bounds {
                disk.seek(target).unwrap();
                ram.seek(target).unwrap();
                assert_eq!(disk.entry(), ram.entry(), "{lower:?}..{upper:?} at {target:?}");
                disk.next().unwrap();
                ram.next().unwrap();
                assert_eq!(disk.entry(), ram.entry(), "{lower:?}..{upper:?} after {target:?}");
            }
        }
    }
}
