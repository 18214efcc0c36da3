//! Connections that are slow, silent, broken or greedy.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::port::{BodyError, VerifiedBody as _};
use api::s3::body::{BodyConfig, BodyResources, MAX_SIGNED_CHUNK, MIN_BYTES_PER_SECOND};
use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::support::{Event, SIGNED, Script, UNSIGNED, Upload, resources, sign_chunks, unsigned_spec};

fn with(config: BodyConfig) -> BodyResources {
    BodyResources::new(&config).expect("threads")
}

#[tokio::test(start_paused = true)]
async fn sec_42_silence_ends_a_body_after_the_idle_time() {
    let resources = with(BodyConfig {
        idle_timeout: Duration::from_secs(7),
        ..BodyConfig::default()
    });
    let begun = tokio::time::Instant::now();
    let mut body = resources.open(unsigned_spec(100), Script::of(["hello"]).then(Event::Silence));
    assert_eq!(body.next().await, Ok(Some(Bytes::from_static(b"hello"))));
    assert_eq!(body.next().await, Err(BodyError::TimedOut));
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert_eq!(body.finish().await, Err(BodyError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_consumer_takes_is_not_silence() {
    let resources = with(BodyConfig {
        idle_timeout: Duration::from_secs(7),
        ..BodyConfig::default()
    });
    let mut body = resources.open(unsigned_spec(10), Script::of(["hello", "world"]));
    assert!(body.next().await.unwrap().is_some());
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(body.next().await.unwrap().is_some());
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(body.next().await, Ok(None));
    assert_eq!(body.finish().await.unwrap().length, 10);
}

/// A body of `pieces`, one after each `pause`.
fn dripping(pieces: Vec<Bytes>, pause: Duration) -> Channel {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        for piece in pieces {
            tokio::time::sleep(pause).await;
            if sender.send(piece).is_err() {
                break;
            }
        }
    });
    Channel(receiver)
}

/// A piece as large as one after so many seconds must be.
fn enough_for(seconds: u64) -> Bytes {
    vec![0; usize::try_from(seconds * MIN_BYTES_PER_SECOND).unwrap()].into()
}

#[tokio::test(start_paused = true)]
async fn sec_42_a_body_that_drips_is_given_up_although_it_is_never_silent() {
    let resources = with(BodyConfig {
        idle_timeout: Duration::from_secs(60),
        ..BodyConfig::default()
    });
    let begun = tokio::time::Instant::now();
    let bytes = vec![Bytes::from_static(b"x"); 10_000];
    let mut body = resources.open(unsigned_spec(10_000), dripping(bytes, Duration::from_secs(1)));
    let error = loop {
        match body.next().await {
            Ok(piece) => assert!(piece.is_some(), "it was read to its end"),
            Err(error) => break error,
        }
    };
    assert_eq!((error, begun.elapsed().as_secs()), (BodyError::TimedOut, 60));
    assert_eq!(body.finish().await, Err(BodyError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn sec_42_a_drip_after_a_quick_start_is_given_up_too() {
    let resources = with(BodyConfig {
        idle_timeout: Duration::from_secs(60),
        ..BodyConfig::default()
    });
    let begun = tokio::time::Instant::now();
    let mut pieces = vec![Bytes::from(vec![0; 1 << 20])];
    pieces.extend(std::iter::repeat_n(Bytes::from_static(b"x"), 10_000));
    let mut body = resources.open(unsigned_spec(1 << 30), dripping(pieces, Duration::from_secs(1)));
    while body.next().await.is_ok() {}
    // What came at first counts for the time in which it came.
    assert_eq!(begun.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_keeps_its_pace_may_take_for_ever() {
    let resources = with(BodyConfig {
        idle_timeout: Duration::from_secs(7),
        ..BodyConfig::default()
    });
    let pieces = vec![enough_for(6); 1_000];
    let length = pieces.len() * pieces[0].len();
    let mut body = resources.open(
        unsigned_spec(length as u64),
        dripping(pieces, Duration::from_secs(6)),
    );
    while body.next().await.unwrap().is_some() {}
    assert_eq!(body.finish().await.unwrap().length, length as u64);
}

#[tokio::test(start_paused = true)]
async fn a_short_body_may_come_byte_by_byte() {
    let resources = with(BodyConfig {
        idle_timeout: Duration::from_secs(60),
        ..BodyConfig::default()
    });
    let bytes = vec![Bytes::from_static(b"x"); 50];
    let mut body = resources.open(unsigned_spec(50), dripping(bytes, Duration::from_secs(1)));
    while body.next().await.unwrap().is_some() {}
    assert_eq!(body.finish().await.unwrap().length, 50);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_consumer_takes_is_not_slowness() {
    let resources = with(BodyConfig {
        idle_timeout: Duration::from_secs(60),
        ..BodyConfig::default()
    });
    let bytes = vec![Bytes::from_static(b"x"); 100];
    // The pieces wait for the consumer, which takes far longer than the client.
    let mut body = resources.open(unsigned_spec(100), dripping(bytes, Duration::from_millis(1)));
    while body.next().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(body.finish().await.unwrap().length, 100);
}

/// A body fed by a task.
struct Channel(tokio::sync::mpsc::UnboundedReceiver<Bytes>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let next = self.0.poll_recv(cx);
        next.map(|piece| piece.map(|piece| Ok(http_body::Frame::data(piece))))
    }
}

#[tokio::test]
async fn a_broken_connection_is_told_from_a_short_body() {
    let upload = Upload::whole(UNSIGNED, 10);
    let broken = upload.read(Script::of(["hello"]).then(Event::Broken)).await;
    assert_eq!(broken.digests, Err(BodyError::Disconnected));
    let short = upload.read(Script::of(["hello"])).await;
    assert_eq!(short.digests, Err(BodyError::Incomplete));
    let long = upload.read(Script::of(["hello", "world", "!"])).await;
    assert_eq!(long.digests, Err(BodyError::TooLong));
    assert_eq!(long.yielded, b"helloworld");
    let long = upload.read(Script::of(["hello world"])).await;
    assert_eq!(long.digests, Err(BodyError::TooLong));
    assert_eq!(long.yielded, b"", "nothing beyond the length");
}

#[tokio::test]
async fn frames_without_data_change_nothing() {
    let mut script = Script::default();
    for _ in 0..100 {
        script = script.then(Event::Data(Bytes::new()));
    }
    let script = script
        .then(Event::Data(Bytes::from_static(b"hello")))
        .then(Event::Trailers);
    let outcome = Upload::whole(UNSIGNED, 5).read(script).await;
    assert_eq!(outcome.yielded, b"hello");
    assert!(outcome.digests.is_ok());
}

#[tokio::test]
async fn a_body_that_was_not_read_is_not_finished() {
    for script in [Script::of(["hello"]), Script::default()] {
        let body = resources().open(unsigned_spec(5), script);
        assert_eq!(body.finish().await, Err(BodyError::Unread));
    }
    let mut body = resources().open(unsigned_spec(5), Script::of(["hello"]));
    assert!(body.next().await.unwrap().is_some());
    assert_eq!(
        body.finish().await,
        Err(BodyError::Unread),
        "the end was not seen"
    );
}

/// A body in frames of 4 KiB that counts how many of them were taken, and then ends or is silent.
struct Counted {
    wire: Bytes,
    taken: Arc<AtomicUsize>,
    ends: bool,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if self.wire.is_empty() {
            return if self.ends {
                std::task::Poll::Ready(None)
            } else {
                std::task::Poll::Pending
            };
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        let length = self.wire.len().min(4096);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(self.wire.split_to(length)))))
    }
}

#[tokio::test]
async fn signed_chunks_of_all_bodies_share_one_memory() {
    let chunk = vec![3u8; usize::try_from(MAX_SIGNED_CHUNK).unwrap()];
    let upload = Upload::chunked(SIGNED, chunk.len());
    let wire = Bytes::from(sign_chunks(&upload.object().1, &[&chunk], None));
    // Room for one chunk of the largest size and a half.
    let memory = MAX_SIGNED_CHUNK + MAX_SIGNED_CHUNK / 2;
    let resources = with(BodyConfig {
        chunk_memory: memory,
        ..BodyConfig::default()
    });
    let open = |wire: Bytes, ends| {
        let taken = Arc::new(AtomicUsize::new(0));
        let body = Counted {
            wire,
            taken: Arc::clone(&taken),
            ends,
        };
        (resources.open(upload.object().0, body), taken)
    };

    let (mut greedy, taken) = open(wire.slice(..100_000), false);
    // Until its hashes are computed it waits for them, then for its client.
    while taken.load(Ordering::Relaxed) < 100_000usize.div_ceil(4096) {
        assert!(
            greedy.next().now_or_never().is_none(),
            "a part of a chunk is not yielded"
        );
    }
    let (mut waiting, taken) = open(wire.clone(), true);
    for _ in 0..100 {
        assert!(
            waiting.next().now_or_never().is_none(),
            "there is no room for a second one"
        );
        assert_eq!(taken.load(Ordering::Relaxed), 1, "so no more of it is taken in");
    }
    let small = Upload::chunked(SIGNED, 5);
    let body = sign_chunks(&small.object().1, &[b"hello"], None);
    let mut small = resources.open(small.object().0, Script::of(body.chunks(3)));
    assert_eq!(
        small.next().await.unwrap().unwrap(),
        "hello",
        "small chunks need no room"
    );

    drop(greedy);
    let mut length = 0;
    while let Some(piece) = waiting.next().await.unwrap() {
        length += piece.len();
    }
    assert_eq!(length, chunk.len());
    assert!(waiting.finish().await.is_ok());
    let (mut third, _) = open(wire, true);
    assert!(
        third.next().await.unwrap().is_some(),
        "what was read is given back"
    );
}

#[tokio::test(start_paused = true)]
async fn sec_42_a_signed_chunk_that_takes_too_long_gives_its_room_back() {
    let resources = with(BodyConfig::default());
    // Enough to hold memory, and little enough to be hashed on the spot: a thread would not know that
    // time stands still.
    let data = vec![7; 100_000];
    for (pause, expected) in [(10, Err(BodyError::TimedOut)), (1, Ok(data.len() as u64))] {
        let (spec, seed) = Upload::chunked(SIGNED, data.len()).object();
        let framed = sign_chunks(&seed, &[&data], None);
        // Fast enough for any body, and once too slow for a chunk.
        let pieces = framed.chunks(4 << 10).map(Bytes::copy_from_slice).collect();
        let begun = tokio::time::Instant::now();
        let mut body = resources.open(spec, dripping(pieces, Duration::from_secs(pause)));
        let outcome = loop {
            match body.next().await {
                Ok(Some(_)) => {}
                Ok(None) => break body.finish().await.map(|digests| digests.length),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(outcome, expected, "{pause}");
        // The first piece says how long the chunk is, and has two minutes for the rest.
        let took = begun.elapsed().as_secs();
        assert!(expected.is_ok() || took == 10 + 120 + 10, "{took} seconds");
    }
}

#[tokio::test]
async fn a_chunk_that_arrives_whole_needs_no_room() {
    let chunk = vec![3u8; 200_000];
    let upload = Upload::chunked(SIGNED, chunk.len());
    let wire = sign_chunks(&upload.object().1, &[&chunk], None);
    let resources = with(BodyConfig {
        chunk_memory: 0,
        ..BodyConfig::default()
    });
    let mut body = resources.open(upload.object().0, Script::of([&wire]));
    let piece = body.next().await.unwrap().unwrap();
    assert_eq!(piece.len(), chunk.len(), "and is not divided");
    assert_eq!(body.next().await, Ok(None));
    assert!(body.finish().await.is_ok());
}

#[tokio::test]
async fn hashing_sets_the_pace_and_pieces_are_not_copied() {
    let piece = Bytes::from(vec![9u8; 64 * 1024]);
    let count = 200;
    let script = Script((0..count).map(|_| Event::Data(piece.clone())).collect());
    let resources = with(BodyConfig {
        hash_threads: NonZeroUsize::MIN,
        ..BodyConfig::default()
    });
    let mut body = resources.open(unsigned_spec(piece.len() as u64 * count), script);
    let mut yielded = 0u64;
    while let Some(next) = body.next().await.unwrap() {
        assert_eq!(next.as_ptr(), piece.as_ptr(), "the bytes are those that arrived");
        yielded += next.len() as u64;
    }
    assert_eq!(body.finish().await.unwrap().length, yielded);
}

#[tokio::test]
async fn many_bodies_share_few_threads() {
    let resources = with(BodyConfig {
        hash_threads: NonZeroUsize::MIN,
        ..BodyConfig::default()
    });
    let tasks: Vec<_> = (0..32u8)
        .map(|number| {
            let resources = resources.clone();
            tokio::spawn(async move {
                let data = vec![number; 400_000];
                let spec = Upload::whole(&crate::signer::sha256_hex(&data), data.len())
                    .object()
                    .0;
                let mut body = resources.open(spec, Script::of(data.chunks(30_000)));
                while body.next().await.unwrap().is_some() {
                    tokio::task::yield_now().await;
                }
                body.finish().await.unwrap().length
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 400_000);
    }
}

#[tokio::test]
async fn a_body_outlives_the_resources_it_came_from() {
    let data = vec![5u8; 1_000_000];
    let resources = with(BodyConfig::default());
    let mut body = resources.open(unsigned_spec(1_000_000), Script::of(data.chunks(50_000)));
    drop(resources);
    while body.next().await.unwrap().is_some() {}
    assert!(body.finish().await.is_ok());
}
