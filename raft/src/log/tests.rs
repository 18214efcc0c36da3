use std::path::Path;

use futures_util::TryStreamExt;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use rocksdb::DB;
use tokio::sync::oneshot;

use super::keys::{GROUP, LOG_FAMILY, META_FAMILY, MetaRow, log_key};
use super::*;
use crate::consensus::{Entry, TypeConfig, Vote, log_id};
use crate::error::{Damage, Error};
use crate::fatal::Fatal;
use crate::testing::{blank, entry};

const IDENTITY: LogIdentity = LogIdentity {
    disk_id: [1; 16],
    cluster_id: None,
    raft_id: 0,
};

fn create(directory: &Path) -> LogStore {
    LogStore::create(&directory.join(FOLDER), &IDENTITY).unwrap();
    open(directory).unwrap()
}

fn open(directory: &Path) -> Result<LogStore, Error> {
    let lock = std::sync::Arc::new(crate::directory::DirectoryLock::take(directory)?);
    let log = LogStore::open(directory, Fatal::with(|cause| panic!("{cause}")), lock)?;
    log.verify(directory, 0)?;
    Ok(log)
}

fn damage(directory: &Path) -> Damage {
    match open(directory) {
        Err(Error::Damaged { damage, .. }) => damage,
        Err(other) => panic!("refused, but for another reason: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Appends, and waits for the disk.
async fn append(log: &mut LogStore, entries: Vec<Entry>) {
    let (callback, synced) = callback();
    log.append(entries, callback).await.unwrap();
    synced.await.unwrap().unwrap();
}

fn callback() -> (IOFlushed<TypeConfig>, oneshot::Receiver<std::io::Result<()>>) {
    let (sender, synced) = TypeConfig::oneshot();
    (IOFlushed::signal(sender), synced)
}

fn payload(term: u64, index: u64, size: usize) -> Entry {
    entry(
        term,
        index,
        0,
        vec![vec![u8::try_from(index % 256).unwrap(); size].into()],
    )
}

async fn indexes(log: &mut LogStore, from: u64, to: u64) -> Vec<u64> {
    let entries = log.try_get_log_entries(from..to).await.unwrap();
    entries.iter().map(|entry| entry.log_id.index()).collect()
}

/// Changes the database behind the log's back.
fn tamper(directory: &Path, change: impl FnOnce(&DB)) {
    let db =
        DB::open_cf_descriptors(&options::database(), directory.join(FOLDER), options::families()).unwrap();
    change(&db);
}

#[tokio::test]
async fn everything_that_was_synced_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        log.save_vote(&Vote::new_committed(3, 9)).await.unwrap();
        append(&mut log, (0..10).map(|index| payload(1, index, 100)).collect()).await;
        log.save_committed(Some(log_id(1, 7))).await.unwrap();
        append(&mut log, vec![payload(2, 10, 100)]).await;
    }
    let mut log = open(folder.path()).unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(3, 9)));
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 7)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!(
        (state.last_purged_log_id, state.last_log_id),
        (None, Some(log_id(2, 10)))
    );
    let entries = log.try_get_log_entries(0..11).await.unwrap();
    let expected: Vec<_> = (0..10)
        .map(|index| payload(1, index, 100))
        .chain([payload(2, 10, 100)])
        .collect();
    assert_eq!(entries, expected);
}

#[tokio::test]
async fn closing_saves_the_commit_pointer_without_a_further_append() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        append(&mut log, vec![blank(1, 0), blank(1, 1)]).await;
        log.save_committed(Some(log_id(1, 1))).await.unwrap();
        log.close().unwrap();
    }
    let mut log = open(folder.path()).unwrap();
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 1)));
}

#[tokio::test]
async fn truncation_and_purge_survive_a_restart_together_with_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        append(&mut log, (0..20).map(|index| payload(1, index, 10)).collect()).await;
        log.truncate_after(Some(log_id(1, 14))).await.unwrap();
        append(&mut log, vec![payload(2, 15, 10)]).await;
        log.purge(log_id(1, 4)).await.unwrap();
        append(&mut log, vec![payload(2, 16, 10)]).await;
        assert_eq!(indexes(&mut log, 0, 100).await, (5..17).collect::<Vec<_>>());
    }
    let mut log = open(folder.path()).unwrap();
    let state = log.get_log_state().await.unwrap();
    assert_eq!(
        (state.last_purged_log_id, state.last_log_id),
        (Some(log_id(1, 4)), Some(log_id(2, 16)))
    );
    assert_eq!(indexes(&mut log, 0, 100).await, (5..17).collect::<Vec<_>>());
    assert_eq!(
        log.try_get_log_entries(15..16).await.unwrap()[0].log_id,
        log_id(2, 15)
    );
}

#[tokio::test]
async fn a_log_that_is_purged_entirely_goes_on_after_the_purged_entry() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        append(&mut log, vec![blank(1, 0), blank(1, 1)]).await;
        // An installed snapshot covers more than the log has.
        log.purge(log_id(3, 50)).await.unwrap();
        assert!(log.append([blank(3, 50)], IOFlushed::noop()).await.is_err());
        assert!(log.append([blank(3, 52)], IOFlushed::noop()).await.is_err());
        append(&mut log, vec![blank(3, 51)]).await;
        // An older purge changes nothing.
        log.purge(log_id(1, 1)).await.unwrap();
    }
    let mut log = open(folder.path()).unwrap();
    assert_eq!(indexes(&mut log, 0, 100).await, [51]);
    assert_eq!(log.extent().purged, Some(50));
}

#[tokio::test]
async fn an_entry_that_does_not_follow_is_refused_and_nothing_of_the_append_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = create(folder.path());
    append(&mut log, vec![blank(1, 0)]).await;
    for entries in [
        vec![blank(1, 2)],
        vec![blank(1, 0)],
        vec![blank(1, 1), blank(1, 3)],
    ] {
        assert!(log.append(entries, IOFlushed::noop()).await.is_err());
    }
    assert_eq!(indexes(&mut log, 0, 10).await, [0]);
    append(&mut log, vec![blank(1, 1)]).await;
    assert_eq!(indexes(&mut log, 0, 10).await, [0, 1]);
}

#[tokio::test]
async fn limited_reads_stop_at_their_bytes_from_memory_and_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let read = |mut log: LogStore| async move {
        let entries = log.limited_get_log_entries(0, 100).await.unwrap();
        entries.len()
    };
    let size = 100 << 10;
    let mut log = create(folder.path());
    append(&mut log, (0..50).map(|index| payload(1, index, size)).collect()).await;
    let from_memory = read(log.clone()).await;
    assert_eq!(from_memory, 10, "1 MiB of 100 KiB");
    log.inner.contents.lock().cache.purge_to(49);
    assert_eq!(read(log.clone()).await, from_memory);
    // One that is larger than the limit is given all the same.
    append(&mut log, vec![payload(1, 50, 3 << 20)]).await;
    assert_eq!(log.limited_get_log_entries(50, 60).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_for_apply_walks_over_memory_and_disk_and_refuses_a_purged_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = create(folder.path());
    append(
        &mut log,
        (0..200).map(|index| payload(1, index, 64 << 10)).collect(),
    )
    .await;
    log.inner.contents.lock().cache.purge_to(120);
    let all: Vec<_> = log.entries_stream(0..1000).await.try_collect().await.unwrap();
    let walked: Vec<_> = all.iter().map(|entry: &Entry| entry.log_id.index()).collect();
    assert_eq!(walked, (0..200).collect::<Vec<_>>());
    log.purge(log_id(1, 9)).await.unwrap();
    let refused: Result<Vec<Entry>, _> = log.entries_stream(5..20).await.try_collect().await;
    assert!(refused.is_err());
    let rest: Vec<_> = log.entries_stream(10..20).await.try_collect().await.unwrap();
    assert_eq!(rest.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_concurrency_one_sync_serves_many_commits() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = CountingRecorder::default();
    let mut log = metrics::with_local_recorder(&recorder, || create(folder.path()));
    let appends = 2000_u64;
    let mut waiting = Vec::new();
    for index in 0..appends {
        let (callback, synced) = callback();
        log.append([payload(1, index, 200)], callback).await.unwrap();
        waiting.push(synced);
    }
    for synced in waiting {
        synced.await.unwrap().unwrap();
    }
    let syncs = recorder.value("holdfast_raft_log_syncs_total");
    assert!(syncs > 0);
    assert!(syncs < appends / 2, "{appends} appends took {syncs} syncs");
    assert_eq!(
        recorder.value("holdfast_raft_log_appended_entries_total"),
        appends
    );
}

#[tokio::test]
async fn writes_that_fill_several_wals_are_all_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let count = 60;
    {
        let mut log = create(folder.path());
        for index in 0..count {
            append(&mut log, vec![payload(1, index, 1 << 20)]).await;
        }
        log.save_vote(&Vote::new(9, 1)).await.unwrap();
    }
    let mut log = open(folder.path()).unwrap();
    assert_eq!(indexes(&mut log, 0, 100).await, (0..count).collect::<Vec<_>>());
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(9, 1)));
}

#[tokio::test]
async fn only_the_last_wal_may_have_an_unsynced_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = create(folder.path());
    // Not waited for: whatever is synced is synced by the change of WAL.
    for index in 0..20 {
        log.append([payload(1, index, 1 << 20)], IOFlushed::noop())
            .await
            .unwrap();
    }
    assert!(*log.inner.wal_bytes.lock() < options::WAL_BYTES);
    let wals = crate::directory::files::names(&folder.path().join(FOLDER)).unwrap();
    let wals = wals.iter().filter(|name| name.ends_with(".log")).count();
    assert!(
        wals <= 2,
        "the WAL before the present one is being removed: {wals}"
    );
}

#[tokio::test]
async fn a_missing_record_in_the_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        append(&mut log, (0..10).map(|index| payload(1, index, 10)).collect()).await;
    }
    tamper(folder.path(), |db| {
        db.delete_cf(db.cf_handle(LOG_FAMILY).unwrap(), log_key(GROUP, 4))
            .unwrap();
    });
    assert_eq!(
        damage(folder.path()),
        Damage::Gap {
            before: "3".into(),
            after: 5
        }
    );
}

#[tokio::test]
async fn a_damaged_record_in_the_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        append(&mut log, (0..10).map(|index| payload(1, index, 10)).collect()).await;
    }
    tamper(folder.path(), |db| {
        let (family, key) = (db.cf_handle(LOG_FAMILY).unwrap(), log_key(GROUP, 4));
        let mut record = db.get_cf(family, key).unwrap().unwrap();
        *record.last_mut().unwrap() ^= 1;
        db.put_cf(family, key, record).unwrap();
    });
    assert!(matches!(damage(folder.path()), Damage::Record { index: 4, .. }));
}

#[tokio::test]
async fn a_record_that_stands_in_the_place_of_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        append(&mut log, (0..10).map(|index| payload(1, index, 10)).collect()).await;
    }
    tamper(folder.path(), |db| {
        let family = db.cf_handle(LOG_FAMILY).unwrap();
        let other = db.get_cf(family, log_key(GROUP, 7)).unwrap().unwrap();
        db.put_cf(family, log_key(GROUP, 4), other).unwrap();
    });
    assert!(matches!(damage(folder.path()), Damage::Record { index: 4, .. }));
}

#[tokio::test]
async fn a_gap_after_the_purged_entries_is_refused() {
    for (purged, first) in [(None, 1), (Some(3), 5), (Some(3), 3)] {
        let folder = tempfile::tempdir().unwrap();
        {
            let mut log = create(folder.path());
            append(&mut log, (0..10).map(|index| payload(1, index, 10)).collect()).await;
        }
        tamper(folder.path(), |db| {
            let family = db.cf_handle(LOG_FAMILY).unwrap();
            db.delete_range_cf(family, log_key(GROUP, 0), log_key(GROUP, first))
                .unwrap();
            if let Some(purged) = purged {
                let row =
                    prost::Message::encode_to_vec(&crate::consensus::StoredLogId::from(log_id(1, purged)));
                db.put_cf(
                    db.cf_handle(META_FAMILY).unwrap(),
                    MetaRow::Purged.key(GROUP),
                    row,
                )
                .unwrap();
            }
        });
        assert!(
            matches!(damage(folder.path()), Damage::Gap { after, .. } if after == first),
            "{purged:?} {first}"
        );
    }
}

#[tokio::test]
async fn unreadable_rows_are_refused() {
    for row in [MetaRow::Vote, MetaRow::Committed, MetaRow::Purged] {
        let folder = tempfile::tempdir().unwrap();
        drop(create(folder.path()));
        tamper(folder.path(), |db| {
            let family = db.cf_handle(META_FAMILY).unwrap();
            db.put_cf(family, row.key(GROUP), b"\xff\xff\xff").unwrap();
        });
        assert!(
            matches!(damage(folder.path()), Damage::Row { row: name, .. } if name == row.name()),
            "{row:?}"
        );
    }
}

#[tokio::test]
async fn a_missing_format_is_damage_and_a_newer_one_is_said_to_be_newer() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path()));
    let put = |format: u32| {
        tamper(folder.path(), |db| {
            let family = db.cf_handle(META_FAMILY).unwrap();
            db.put_cf(family, MetaRow::Format.key(GROUP), format.to_le_bytes())
                .unwrap();
        });
    };
    put(2);
    assert!(matches!(
        open(folder.path()),
        Err(Error::NewerFormat {
            found: 2,
            supported: 1,
            ..
        })
    ));
    put(1);
    drop(open(folder.path()).unwrap());
    tamper(folder.path(), |db| {
        db.delete_cf(db.cf_handle(META_FAMILY).unwrap(), MetaRow::Format.key(GROUP))
            .unwrap();
    });
    assert!(matches!(damage(folder.path()), Damage::Row { row: "format", .. }));
}

#[tokio::test]
async fn a_wal_that_is_damaged_in_the_middle_is_refused_and_one_cut_off_at_the_end_is_not() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        append(&mut log, (0..100).map(|index| payload(1, index, 1000)).collect()).await;
        append(
            &mut log,
            (100..200).map(|index| payload(1, index, 1000)).collect(),
        )
        .await;
    }
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join(FOLDER), &copy.path().join(FOLDER));

    let wal = newest_wal(copy.path());
    let bytes = std::fs::read(&wal).unwrap();
    std::fs::write(&wal, &bytes[..bytes.len() - 500]).unwrap();
    let mut log = open(copy.path()).unwrap();
    // The last append was one write: it is gone as a whole.
    assert_eq!(indexes(&mut log, 0, 1000).await, (0..100).collect::<Vec<_>>());
    drop(log);

    let wal = newest_wal(folder.path());
    let mut bytes = std::fs::read(&wal).unwrap();
    bytes[5000] ^= 0xff;
    std::fs::write(&wal, &bytes).unwrap();
    assert!(matches!(
        damage(folder.path()),
        Damage::Database { database: FOLDER, .. }
    ));
}

#[tokio::test]
async fn the_size_follows_appends_truncations_purges_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut log = create(folder.path());
        assert_eq!(log.extent(), store::LogExtent::default());
        append(&mut log, (0..3000).map(|index| payload(1, index, 1000)).collect()).await;
        let full = log.extent().bytes;
        assert!((3_000_000..3_300_000).contains(&full), "{full}");
        log.truncate_after(Some(log_id(1, 1999))).await.unwrap();
        log.purge(log_id(1, 999)).await.unwrap();
        let rest = log.extent().bytes;
        assert!((1_000_000..1_100_000).contains(&rest), "{rest}");
        log.close().unwrap();
    }
    let log = open(folder.path()).unwrap();
    assert_eq!((log.extent().purged, log.extent().last), (Some(999), Some(1999)));
    assert!(log.extent().bytes > 0, "estimated from the files");
}

fn newest_wal(directory: &Path) -> std::path::PathBuf {
    let folder = directory.join(FOLDER);
    let names = crate::directory::files::names(&folder).unwrap();
    let wals = names.iter().filter(|name| name.ends_with(".log"));
    let largest = wals
        .max_by_key(|name| std::fs::metadata(folder.join(name)).unwrap().len())
        .unwrap();
    folder.join(largest)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in crate::directory::files::names(from).unwrap() {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// Adds up counters, whatever their labels.
#[derive(Default)]
struct CountingRecorder {
    counters:
        parking_lot::Mutex<std::collections::BTreeMap<String, std::sync::Arc<std::sync::atomic::AtomicU64>>>,
}

impl CountingRecorder {
    fn value(&self, name: &str) -> u64 {
        self.counters.lock()[name].load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl metrics::Recorder for CountingRecorder {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        let mut counters = self.counters.lock();
        let counter = counters.entry(key.name().to_owned()).or_default();
        metrics::Counter::from_arc(std::sync::Arc::clone(counter))
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}
