//! A request ends when it goes without progress, and at no other time. Time is paused in these tests: it
//! jumps to the next timer whenever everything waits.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use node_backend::fault::{Fault, Faulty, Script, When};
use node_backend::memory::MemoryBackend;
use node_backend::timeout::Timeout;
use node_backend::{
    Backend, BackendKey, Body, Capabilities, Download, ErrorKind, Evidence, GetOptions, Head, KeyPrefix,
    ListRequest, Listing, Operation, Page, PutOptions, ReadBody, Reply, Result, Stored, Target,
};
use parking_lot::Mutex;
use raft_types::BackendName;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(30);
/// Nearly the limit, again and again.
const NEARLY: Duration = Duration::from_secs(29);

fn key(text: &str) -> BackendKey {
    BackendKey::parse(text).unwrap()
}

fn piece() -> Bytes {
    Bytes::from_static(b"piece")
}

fn assert_stalled<T: std::fmt::Debug>(answer: Result<T>, operation: Operation) {
    let error = answer.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable), "{error:?}");
    assert_eq!(error.operation(), operation);
    assert_eq!(error.source().unwrap().to_string(), "no progress for 30s");
}

#[tokio::test(start_paused = true)]
async fn every_request_that_is_not_answered_fails_after_the_limit() {
    let script = Script::seeded(1);
    let memory = MemoryBackend::new(BackendName::new("cold-1").unwrap());
    memory
        .put(&key("there"), Body::from_bytes(piece()), PutOptions::default())
        .await
        .unwrap();
    let backend = Timeout::new(Faulty::new(memory, script.clone()), LIMIT);
    for operation in [
        Operation::Put,
        Operation::Get,
        Operation::Head,
        Operation::Delete,
        Operation::List,
    ] {
        script.on(operation, When::Always, Fault::Stall);
    }
    let begun = Instant::now();
    let (there, target) = (key("there"), [Target::current(key("there"))]);
    let put = backend.put(&there, Body::from_bytes(piece()), PutOptions::default());
    assert_stalled(put.await, Operation::Put);
    assert_stalled(backend.get(&there, GetOptions::default()).await, Operation::Get);
    assert_stalled(backend.head(&there).await, Operation::Head);
    assert_stalled(backend.delete(&target).await, Operation::Delete);
    let prefix = KeyPrefix::parse("p").unwrap();
    let list = ListRequest::first(Listing::Objects, prefix);
    assert_stalled(backend.list(&list).await, Operation::List);
    let took = begun.elapsed();
    assert!(took >= 5 * LIMIT && took < 6 * LIMIT, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_many_deletions_has_the_time_of_many() {
    let script = Script::seeded(1);
    let memory = MemoryBackend::new(BackendName::new("cold-1").unwrap());
    let backend = Timeout::new(Faulty::new(memory, script.clone()), LIMIT);
    script.on(Operation::Delete, When::First(1), Fault::Stall);
    let targets: Vec<_> = (0..250)
        .map(|n| Target::current(key(&format!("k/{n}"))))
        .collect();
    let begun = Instant::now();
    assert!(backend.delete(&targets).await.is_err());
    assert_eq!(begun.elapsed().as_secs(), 3 * LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_put_may_last_for_ever_while_bytes_move_and_while_its_source_is_slow() {
    let (backend, _) = manual(Sink::Takes);
    let (mut writer, body) = Body::channel(50);
    let feeding = tokio::spawn(async move {
        for _ in 0..10 {
            // Longer than the limit: what is slow here is not the backend.
            sleep(4 * LIMIT).await;
            writer.write(piece()).await.unwrap();
        }
    });
    let key = key("k");
    let stored = backend.put(&key, body, PutOptions::default()).await;
    assert_eq!(stored.unwrap().size, 50);
    feeding.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_put_ends_when_the_backend_takes_nothing_more_or_never_says_that_it_is_durable() {
    for sink in [Sink::HangsAfterFirst, Sink::HangsAtTheEnd] {
        let (backend, _) = manual(sink);
        let pieces = (0..10).map(|_| Ok(piece()));
        let body = Body::from_stream(50, stream::iter(pieces));
        let begun = Instant::now();
        let key = key("k");
        let put = backend.put(&key, body, PutOptions::default());
        assert_stalled(put.await, Operation::Put);
        let took = begun.elapsed();
        assert!(took >= LIMIT && took < 2 * LIMIT, "{sink:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_that_always_moves_just_in_time_is_not_ended() {
    let (backend, _) = manual(Sink::TakesSlowly);
    let pieces = (0..10).map(|_| Ok(piece()));
    let begun = Instant::now();
    let key = key("k");
    let put = backend.put(
        &key,
        Body::from_stream(50, stream::iter(pieces)),
        PutOptions::default(),
    );
    put.await.unwrap();
    assert!(begun.elapsed() >= 10 * NEARLY);
}

#[tokio::test(start_paused = true)]
async fn a_get_waits_for_each_piece_anew_and_not_while_nobody_reads() {
    let (backend, pieces) = manual(Sink::Takes);
    let key = key("k");
    let mut body = backend.get(&key, GetOptions::default()).await.unwrap().body;
    let pieces = pieces.lock().take().unwrap();
    let feeding = tokio::spawn(async move {
        for _ in 0..5 {
            sleep(NEARLY).await;
            pieces.send(Ok(piece())).await.unwrap();
        }
        pieces
    });
    for _ in 0..5 {
        assert_eq!(body.next().await.unwrap().unwrap(), piece());
    }
    let pieces = feeding.await.unwrap();
    // A reader may take its time.
    sleep(10 * LIMIT).await;
    pieces.send(Ok(piece())).await.unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), piece());
    let begun = Instant::now();
    let ended = body.next().await.unwrap();
    assert_eq!(
        ended.as_ref().unwrap_err().key().map(BackendKey::as_str),
        Some("k")
    );
    assert_stalled(ended, Operation::Get);
    assert_eq!(begun.elapsed().as_secs(), LIMIT.as_secs());
}

/// How a backend takes bodies.
#[derive(Debug, Clone, Copy)]
enum Sink {
    Takes,
    TakesSlowly,
    HangsAfterFirst,
    HangsAtTheEnd,
}

type Pieces = Arc<Mutex<Option<mpsc::Sender<Result<Bytes>>>>>;

/// A backend whose bodies a test moves by hand.
#[derive(Debug)]
struct Manual {
    name: Arc<BackendName>,
    sink: Sink,
    pieces: Pieces,
}

fn manual(sink: Sink) -> (Timeout<Manual>, Pieces) {
    let pieces = Pieces::default();
    let manual = Manual {
        name: Arc::new(BackendName::new("manual").unwrap()),
        sink,
        pieces: Arc::clone(&pieces),
    };
    (Timeout::new(manual, LIMIT), pieces)
}

fn stored(size: u64) -> Stored {
    Stored {
        size,
        evidence: Evidence::None,
        version: None,
    }
}

impl Backend for Manual {
    fn name(&self) -> &Arc<BackendName> {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        MemoryBackend::new(BackendName::new("any").unwrap()).capabilities()
    }

    fn put<'a>(&'a self, _: &'a BackendKey, mut body: Body, _: PutOptions) -> Reply<'a, Stored> {
        Box::pin(async move {
            let mut size = 0;
            while let Some(piece) = body.next().await {
                size += piece.unwrap().len() as u64;
                match self.sink {
                    Sink::TakesSlowly => sleep(NEARLY).await,
                    Sink::HangsAfterFirst => std::future::pending().await,
                    Sink::Takes | Sink::HangsAtTheEnd => {}
                }
            }
            if matches!(self.sink, Sink::HangsAtTheEnd) {
                std::future::pending::<()>().await;
            }
            Ok(stored(size))
        })
    }

    fn get<'a>(&'a self, key: &'a BackendKey, _: GetOptions) -> Reply<'a, Download> {
        Box::pin(async move {
            let (sender, mut receiver) = mpsc::channel(1);
            *self.pieces.lock() = Some(sender);
            let pieces = stream::poll_fn(move |cx| receiver.poll_recv(cx));
            let Stored {
                size,
                evidence,
                version,
            } = stored(1_000);
            Ok(Download {
                head: Head {
                    size,
                    evidence,
                    version,
                },
                body: ReadBody::from_stream(size, Box::pin(pieces), &self.name, key),
            })
        })
    }

    fn head<'a>(&'a self, _: &'a BackendKey) -> Reply<'a, Head> {
        unreachable!("no test asks for it")
    }

    fn delete<'a>(&'a self, _: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        unreachable!("no test asks for it")
    }

    fn list<'a>(&'a self, _: &'a ListRequest) -> Reply<'a, Page> {
        unreachable!("no test asks for it")
    }
}
