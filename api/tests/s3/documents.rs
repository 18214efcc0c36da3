//! The memory that documents take, and how long they may take it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::ask::{ALICE, Ask};
use crate::support::{House, config};

/// A body that comes as a test sends it, and tells whether it was asked for.
struct Sent {
    pieces: UnboundedReceiver<Bytes>,
    asked: Arc<AtomicBool>,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.asked.store(true, Ordering::SeqCst);
        let next = self.pieces.poll_recv(context);
        next.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A `Delete` document of one key and `length` bytes.
fn document(key: &str, length: usize) -> Bytes {
    let mut text = format!("<Delete><Object><Key>{key}</Key></Object>");
    let close = "</Delete>";
    text.push_str(&" ".repeat(length - text.len() - close.len()));
    text.push_str(close);
    text.into()
}

/// The request for `body`, which comes by another way.
fn request(body: &Bytes) -> (Request<Sent>, UnboundedSender<Bytes>, Arc<AtomicBool>) {
    let signed = Ask::post("/books?delete", body.clone()).with_md5().sign(ALICE);
    let (sender, pieces) = unbounded_channel();
    let asked = Arc::<AtomicBool>::default();
    let body = Sent {
        pieces,
        asked: Arc::clone(&asked),
    };
    (signed.request.map(|_| body), sender, asked)
}

/// A house with room for documents of one mebibyte.
fn house() -> House {
    let mut config = config();
    config.limits.document_memory = 1 << 20;
    let house = House::with(config);
    house.gateway.add_bucket("books", "alice");
    for key in ["large", "next", "small"] {
        house.gateway.store("books", key, "v");
    }
    house
}

async fn answer(house: &House, request: Request<Sent>) -> (u16, String) {
    let answer = house.service.handle(request).await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn until(asked: &AtomicBool) {
    while !asked.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn sec_43_large_documents_wait_for_room_and_small_ones_for_nobody() {
    let house = house();
    let large = document("large", 1 << 20);
    let (first, first_sender, first_asked) = request(&large);
    let holder = house.clone();
    let first = tokio::spawn(async move { answer(&holder, first).await });
    until(&first_asked).await;

    let next = document("next", 100_000);
    let (second, second_sender, second_asked) = request(&next);
    second_sender.send(next).unwrap();
    drop(second_sender);
    let waiter = house.clone();
    let second = tokio::spawn(async move { answer(&waiter, second).await });

    // Others are served meanwhile, and the one that waits has not even been asked for its first byte.
    for _ in 0..10 {
        house.gateway.store("books", "small", "v");
        Ask::post("/books?delete", document("small", 60_000))
            .with_md5()
            .ask(&house)
            .await
            .expect(200);
        assert_eq!(house.gateway.object("small"), None);
        tokio::task::yield_now().await;
    }
    assert!(!second_asked.load(Ordering::SeqCst) && !second.is_finished());
    assert!(house.gateway.object("next").is_some());

    first_sender.send(large).unwrap();
    drop(first_sender);
    assert_eq!(first.await.unwrap().0, 200);
    assert_eq!(second.await.unwrap().0, 200);
    assert!(house.gateway.contents().is_empty());
}

#[tokio::test]
async fn a_document_larger_than_all_the_room_has_it_alone() {
    let house = house();
    let large = document("large", 3 << 20);
    let (request, sender, _) = request(&large);
    sender.send(large).unwrap();
    drop(sender);
    assert_eq!(answer(&house, request).await.0, 200);
    assert_eq!(house.gateway.object("large"), None);
}

#[tokio::test(start_paused = true)]
async fn sec_42_a_large_document_that_takes_too_long_gives_its_room_back() {
    let house = house();
    let begun = tokio::time::Instant::now();
    let large = document("large", 1 << 20);
    let (request, sender, _) = request(&large);
    tokio::spawn(async move {
        // Fast enough for any body, and too slow for a document of this size.
        for piece in large.chunks(4 << 10) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if sender.send(Bytes::copy_from_slice(piece)).is_err() {
                break;
            }
        }
    });
    let (status, text) = answer(&house, request).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("<Code>RequestTimeout</Code>"), "{text}");
    assert_eq!(begun.elapsed().as_secs(), 120);
    assert!(house.gateway.object("large").is_some());
}
