//! What the decorators add to the backend inside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use node_backend::count::Count;
use node_backend::fault::{Fault, Faulty, Script, When};
use node_backend::fs::{FsBackend, FsOptions, RootPolicy};
use node_backend::identity::{Foreign, take_over, write_identity};
use node_backend::limit::{Limit, LimitOptions};
use node_backend::memory::MemoryBackend;
use node_backend::observe::{MetricNames, Observe};
use node_backend::{
    Backend, BackendKey, Body, Class, ErrorKind, GetOptions, Guard, Identity, KeyKind, KeyPrefix,
    ListRequest, Listing, Operation, PutOptions, Target, Verdict,
};
use raft_types::{BackendId, BackendName, BackendNonce, ClusterId, Incarnation, IncarnationCounter};

fn name() -> BackendName {
    BackendName::new("cold-1").unwrap()
}

fn key(text: &str) -> BackendKey {
    BackendKey::parse(text).unwrap()
}

fn body() -> Body {
    Body::from_bytes(Bytes::from_static(b"bytes"))
}

fn unavailable() -> ErrorKind {
    ErrorKind::Unavailable
}

async fn put(backend: &dyn Backend, name: &str) -> node_backend::Result<()> {
    backend
        .put(&key(name), body(), PutOptions::default())
        .await
        .map(|_| ())
}

// ---- guard ----

fn identity() -> Identity {
    Identity {
        cluster: ClusterId([1; 16]),
        incarnation: Incarnation {
            counter: IncarnationCounter(2),
            tag: 3,
        },
        backend: BackendId(4),
        nonce: BackendNonce([5; 16]),
    }
}

fn earlier() -> Identity {
    Identity {
        incarnation: Incarnation {
            counter: IncarnationCounter(1),
            tag: 9,
        },
        ..identity()
    }
}

fn prefix() -> KeyPrefix {
    KeyPrefix::parse("p").unwrap()
}

type Inside = Count<Faulty<MemoryBackend>>;

fn guarded() -> (Guard<Inside>, MemoryBackend, Script) {
    let (memory, script) = (MemoryBackend::new(name()), Script::seeded(1));
    let inside = Count::new(Faulty::new(memory.clone(), script.clone()));
    (Guard::new(inside, prefix(), identity()).unwrap(), memory, script)
}

fn is_refused<T: std::fmt::Debug>(outcome: node_backend::Result<T>) -> bool {
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotOurs { .. }), "{error:?}");
    error.class() == Class::Stop
}

#[tokio::test]
async fn the_identity_is_read_before_the_first_use_and_again_before_each_delete_and_no_oftener() {
    let (guard, memory, script) = guarded();
    write_identity(&memory, &prefix(), &identity()).await.unwrap();
    assert_eq!(guard.verdict(), None);
    let counters = guard.inner().counters();
    let reads = || counters.now().of(Operation::Get);

    let slow = script.on(Operation::Get, When::First(1), Fault::Stall);
    let first = (0..20).map(|number| put_owned(&guard, format!("p/{number}")));
    let release = async {
        script.until_fired(slow, 1).await;
        script.release().await;
    };
    let (outcomes, ()) = tokio::join!(futures_util::future::join_all(first), release);
    for outcome in outcomes {
        outcome.unwrap();
    }
    assert_eq!(reads(), 1, "racing first requests read it once");
    assert_eq!(guard.verdict(), Some(Verdict::Ours));
    guard.head(&key("p/1")).await.unwrap();
    put(&guard, "p/x").await.unwrap();
    assert_eq!(reads(), 1);
    for batch in 2..5 {
        let targets = [Target::current(key("p/1")), Target::current(key("p/2"))];
        guard.delete(&targets).await.unwrap();
        assert_eq!(reads(), batch);
    }
}

async fn put_owned(backend: &dyn Backend, name: String) -> node_backend::Result<()> {
    put(backend, &name).await
}

#[tokio::test]
async fn a_backend_without_an_identity_is_read_and_neither_written_nor_deleted() {
    let (guard, memory, _) = guarded();
    memory.plant("p/a", Bytes::from_static(b"bytes"));
    guard.head(&key("p/a")).await.unwrap();
    guard.get(&key("p/a"), GetOptions::default()).await.unwrap();
    guard
        .list(&ListRequest::first(Listing::Objects, prefix()))
        .await
        .unwrap();
    assert!(is_refused(put(&guard, "p/b").await));
    assert!(is_refused(guard.delete(&[Target::current(key("p/a"))]).await));
    assert!(is_refused(guard.tidy(&prefix()).await));
    assert_eq!(guard.verdict(), Some(Verdict::Missing));
    assert_eq!(memory.keys(), ["p/a"]);
}

#[tokio::test]
async fn a_foreign_backend_is_not_used_at_all() {
    let theirs = Identity {
        cluster: ClusterId([9; 16]),
        ..identity()
    };
    for (there, verdict) in [
        (theirs, Verdict::Foreign(Foreign::OtherCluster(theirs))),
        (earlier(), Verdict::EarlierIncarnation(earlier())),
    ] {
        let (guard, memory, _) = guarded();
        write_identity(&memory, &prefix(), &there).await.unwrap();
        memory.plant("p/a", Bytes::from_static(b"theirs"));
        assert!(is_refused(guard.head(&key("p/a")).await));
        assert!(is_refused(guard.get(&key("p/a"), GetOptions::default()).await));
        assert!(is_refused(
            guard.list(&ListRequest::first(Listing::Objects, prefix())).await
        ));
        assert!(is_refused(put(&guard, "p/b").await));
        assert!(is_refused(guard.delete(&[Target::current(key("p/a"))]).await));
        assert_eq!(guard.verdict(), Some(verdict));
        assert_eq!(memory.keys(), ["p/.holdfast/identity", "p/a"]);
    }
}

#[tokio::test]
async fn a_backend_that_changes_hands_is_found_by_the_next_delete() {
    let (guard, memory, _) = guarded();
    write_identity(&memory, &prefix(), &identity()).await.unwrap();
    put(&guard, "p/a").await.unwrap();
    let later = Identity {
        incarnation: Incarnation {
            counter: IncarnationCounter(7),
            tag: 1,
        },
        ..identity()
    };
    take_over(&memory, &prefix(), &later).await.unwrap();

    assert!(is_refused(guard.delete(&[Target::current(key("p/a"))]).await));
    assert_eq!(memory.keys(), ["p/.holdfast/identity", "p/a"]);
    assert!(
        is_refused(put(&guard, "p/b").await),
        "from then on nothing is written either"
    );
    assert_eq!(
        guard.verdict(),
        Some(Verdict::Foreign(Foreign::LaterIncarnation(later)))
    );
}

#[tokio::test]
async fn a_refused_backend_is_used_again_once_it_was_checked() {
    let (guard, memory, _) = guarded();
    assert!(is_refused(put(&guard, "p/a").await));
    write_identity(&memory, &prefix(), &identity()).await.unwrap();
    assert!(is_refused(put(&guard, "p/a").await));
    assert_eq!(guard.check().await.unwrap(), Verdict::Ours);
    put(&guard, "p/a").await.unwrap();
}

#[tokio::test]
async fn a_delete_whose_look_at_the_identity_fails_deletes_nothing() {
    let (guard, memory, script) = guarded();
    write_identity(&memory, &prefix(), &identity()).await.unwrap();
    put(&guard, "p/a").await.unwrap();
    let rule = script.on(Operation::Get, When::First(1), Fault::FailBefore(unavailable));
    let error = guard.delete(&[Target::current(key("p/a"))]).await.unwrap_err();
    assert_eq!(error.class(), Class::Retry);
    assert_eq!(script.fired(rule), 1);
    assert_eq!(memory.keys(), ["p/.holdfast/identity", "p/a"]);
    assert_eq!(guard.verdict(), Some(Verdict::Ours), "the last verdict stays");
}

#[tokio::test]
async fn the_identity_is_neither_written_nor_deleted_through_a_guard() {
    let (guard, memory, _) = guarded();
    write_identity(&memory, &prefix(), &identity()).await.unwrap();
    put(&guard, "p/a").await.unwrap();
    let at = BackendKey::identity(&prefix()).unwrap();
    let error = guard.put(&at, body(), PutOptions::default()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");
    let batch = [Target::current(key("p/a")), Target::current(at)];
    let error = guard.delete(&batch).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");
    assert_eq!(memory.keys(), ["p/.holdfast/identity", "p/a"]);
}

// ---- limit ----

fn limited(concurrent: usize, waiting: usize) -> (Arc<Limit<Count<Faulty<MemoryBackend>>>>, Script) {
    let script = Script::seeded(1);
    let inside = Count::new(Faulty::new(MemoryBackend::new(name()), script.clone()));
    let options = LimitOptions {
        concurrent: NonZeroUsize::new(concurrent).unwrap(),
        waiting,
    };
    (Arc::new(Limit::new(inside, options)), script)
}

#[tokio::test]
async fn at_most_so_many_requests_run_at_most_so_many_wait_and_the_rest_is_throttled() {
    let (limit, script) = limited(2, 3);
    let rule = script.on(Operation::Put, When::First(2), Fault::Stall);
    let counters = limit.inner().counters();
    let start = |number: u32| {
        let limit = Arc::clone(&limit);
        tokio::spawn(async move { put(&*limit, &format!("k{number}")).await })
    };
    let running = [start(0), start(1)];
    script.until_fired(rule, 2).await;
    let waiting = [start(2), start(3), start(4)];
    // On the one thread of this runtime the three have got as far as they can after one turn each.
    tokio::task::yield_now().await;

    let refused = put(&*limit, "k5")
        .now_or_never()
        .expect("it waits with the others");
    let error = refused.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Throttled { retry_after: None }),
        "{error:?}"
    );
    assert_eq!(error.key(), Some(&key("k5")));
    assert_eq!(counters.now().of(Operation::Put), 2, "nobody got past the limit");

    script.release().await;
    for task in running.into_iter().chain(waiting) {
        task.await.unwrap().unwrap();
    }
    assert_eq!(counters.now().of(Operation::Put), 5);
    put(&*limit, "k6").await.unwrap();
}

#[tokio::test]
async fn who_stops_waiting_leaves_the_queue() {
    let (limit, script) = limited(1, 1);
    let rule = script.on(Operation::Put, When::First(1), Fault::Stall);
    let running = tokio::spawn({
        let limit = Arc::clone(&limit);
        async move { put(&*limit, "a").await }
    });
    script.until_fired(rule, 1).await;
    for _ in 0..5 {
        let waiting = put(&*limit, "b");
        tokio::pin!(waiting);
        assert!((&mut waiting).now_or_never().is_none());
        assert!(
            put(&*limit, "c")
                .now_or_never()
                .is_some_and(|refused| refused.is_err())
        );
    }
    script.release().await;
    running.await.unwrap().unwrap();
    put(&*limit, "b").await.unwrap();
}

#[tokio::test]
async fn a_streamed_get_holds_its_slot_until_its_body_has_ended_or_been_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let options = FsOptions {
        path: folder.path().to_owned(),
        root: RootPolicy::MustExist,
    };
    let fs = FsBackend::open(name(), options).await.unwrap();
    let long = Body::from_bytes(Bytes::from(vec![1; 2 << 20]));
    fs.put(&key("long"), long, PutOptions::default()).await.unwrap();
    let limit = Limit::new(
        fs,
        LimitOptions {
            concurrent: NonZeroUsize::MIN,
            waiting: 0,
        },
    );

    let mut download = limit.get(&key("long"), GetOptions::default()).await.unwrap();
    download.body.next().await.unwrap().unwrap();
    let error = limit.head(&key("long")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Throttled { .. }), "{error:?}");
    drop(download);
    limit.head(&key("long")).await.unwrap();

    let download = limit.get(&key("long"), GetOptions::default()).await.unwrap();
    assert_eq!(download.body.collect().await.unwrap().len(), 2 << 20);
    limit.head(&key("long")).await.unwrap();
}

// ---- count ----

#[tokio::test]
async fn every_request_is_counted_once_by_operation_and_kind_of_key() {
    let count = Count::new(MemoryBackend::new(name()));
    let counters = count.counters();
    let attempt = format!(
        ".holdfast/{}-{}/{}/{}-{}",
        "0".repeat(32),
        "0".repeat(24),
        "0".repeat(16),
        "0".repeat(32),
        "0".repeat(8)
    );
    put(&count, &attempt).await.unwrap();
    put(&count, "x").await.unwrap();
    let before = counters.now();
    put(&count, &attempt).await.unwrap_err();
    count.head(&key(".holdfast/identity")).await.unwrap_err();
    count.get(&key(&attempt), GetOptions::default()).await.unwrap();
    count
        .list(&ListRequest::first(Listing::Objects, KeyPrefix::root()))
        .await
        .unwrap();
    count
        .delete(&[Target::current(key(&attempt)), Target::current(key("x"))])
        .await
        .unwrap();
    count.tidy(&prefix()).await.unwrap();

    let counts = counters.now() - before;
    assert_eq!(
        counts.of_kind(Operation::Put, KeyKind::Attempt),
        1,
        "also those that fail"
    );
    assert_eq!(counts.of_kind(Operation::Put, KeyKind::Other), 0);
    assert_eq!(counts.of_kind(Operation::Head, KeyKind::System), 1);
    assert_eq!(counts.of_kind(Operation::Get, KeyKind::Attempt), 1);
    assert_eq!(counts.of(Operation::List), 1);
    assert_eq!(counts.of(Operation::Delete), 1);
    assert_eq!(counts.deleted_keys, 2);
    assert_eq!(counts.total(), 5);
    assert_eq!(before.of(Operation::Put), 2);
}

// ---- observe ----

/// Keeps what was recorded, under name and labels.
#[derive(Default)]
struct Recorded {
    counters: Mutex<BTreeMap<String, Arc<Value>>>,
}

#[derive(Default)]
struct Value(std::sync::atomic::AtomicU64);

impl CounterFn for Value {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl HistogramFn for Value {
    fn record(&self, value: f64) {
        assert!((0.0..60.0).contains(&value), "{value} seconds");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Recorded {
    fn value(&self, key: &Key) -> Arc<Value> {
        let mut labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.counters.lock().unwrap().entry(name).or_default())
    }

    fn all(&self) -> BTreeMap<String, u64> {
        let counters = self.counters.lock().unwrap();
        counters
            .iter()
            .map(|(name, value)| (name.clone(), value.0.load(Ordering::Relaxed)))
            .collect()
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.value(key))
    }
}

const NAMES: MetricNames = MetricNames {
    requests: "requests",
    failures: "failures",
    seconds: "seconds",
    bytes_stored: "stored",
    bytes_read: "read",
};

/// Runs `work` on one thread and gives what it recorded.
fn recorded(work: impl Future<Output = ()>) -> BTreeMap<String, u64> {
    let recorder = Recorded::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(work));
    recorder.all()
}

fn request(operation: &str, status: &str) -> String {
    format!("requests{{backend=cold-1,operation={operation},status={status}}}")
}

fn failure(operation: &str, reason: &str, class: &str) -> String {
    format!("failures{{backend=cold-1,class={class},operation={operation},reason={reason}}}")
}

#[test]
fn requests_bytes_and_seconds_are_measured_by_operation_and_status() {
    let all = recorded(async {
        let backend = Observe::new(MemoryBackend::new(name()), NAMES);
        put(&backend, "a").await.unwrap();
        put(&backend, "b").await.unwrap();
        put(&backend, "a").await.unwrap_err();
        backend.get(&key("a"), GetOptions::default()).await.unwrap();
        backend.get(&key("c"), GetOptions::default()).await.unwrap_err();
        backend
            .list(&ListRequest::first(Listing::Objects, KeyPrefix::root()))
            .await
            .unwrap();
    });
    let expected = [
        (request("put", "success"), 2),
        (request("put", "error"), 1),
        (failure("put", "already_exists", "caller"), 1),
        (request("get", "success"), 1),
        (request("get", "error"), 1),
        (failure("get", "not_found", "suspect"), 1),
        (request("list", "success"), 1),
        ("seconds{backend=cold-1,operation=put}".to_owned(), 3),
        ("seconds{backend=cold-1,operation=get}".to_owned(), 2),
        ("seconds{backend=cold-1,operation=list}".to_owned(), 1),
        ("stored{backend=cold-1}".to_owned(), 10),
        ("read{backend=cold-1}".to_owned(), 5),
    ];
    assert_eq!(all, BTreeMap::from(expected), "and nothing that did not happen");
}

#[test]
fn the_outcome_of_a_get_is_that_of_its_body() {
    let all = recorded(async {
        let script = Script::seeded(1);
        let backend = Observe::new(Faulty::new(MemoryBackend::new(name()), script.clone()), NAMES);
        put(&backend, "a").await.unwrap();
        for fault in [
            // All bytes come, as a stream.
            Fault::Truncate { keep: 5 },
            // Two, then a clean end; two, then a break.
            Fault::Truncate { keep: 2 },
            Fault::Reset {
                keep: 2,
                error: unavailable,
            },
        ] {
            let rule = script.on(Operation::Get, When::Always, fault);
            let download = backend.get(&key("a"), GetOptions::default()).await.unwrap();
            let _ = download.body.collect().await;
            script.end(rule);
        }
        // Dropped before its end, and before its beginning.
        script.on(Operation::Get, When::Always, Fault::Truncate { keep: 5 });
        drop(backend.get(&key("a"), GetOptions::default()).await.unwrap());
        let rule = script.on(Operation::Put, When::Always, Fault::Stall);
        {
            let stalled = put(&backend, "b");
            tokio::pin!(stalled);
            assert!((&mut stalled).now_or_never().is_none());
        }
        assert_eq!(script.fired(rule), 1);
    });
    assert_eq!(all[&request("get", "success")], 1);
    assert_eq!(all[&request("get", "error")], 2);
    assert_eq!(all[&failure("get", "corrupt", "suspect")], 1);
    assert_eq!(all[&failure("get", "unavailable", "retry")], 1);
    assert_eq!(all[&request("get", "cancelled")], 1);
    assert_eq!(all[&request("put", "cancelled")], 1);
    assert_eq!(all["read{backend=cold-1}"], 5 + 2 + 2);
}

#[test]
fn keys_of_a_delete_that_fail_show_as_failed_requests() {
    let all = recorded(async {
        let script = Script::seeded(1);
        let backend = Observe::new(Faulty::new(MemoryBackend::new(name()), script.clone()), NAMES);
        script.on(Operation::Delete, When::First(2), Fault::FailBefore(unavailable));
        let targets = ["a", "b", "c"].map(|name| Target::current(key(name)));
        backend.delete(&targets).await.unwrap();
    });
    assert_eq!(all[&request("delete", "success")], 1);
    assert_eq!(all[&request("delete", "error")], 2);
    assert_eq!(all[&failure("delete", "unavailable", "retry")], 2);
}
