//! Bad input, by the rows of the security regression table.
//!
//! Every test asserts the answer and that nothing of the request stayed.

mod names;
mod shapes;
mod signatures;
mod subresources;

use crate::support::House;
use crate::support::ask::Payload;

/// Chunks without signatures.
const UNSIGNED_CHUNKS: Payload = Payload::Literal("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
/// Chunks with signatures.
const SIGNED_CHUNKS: Payload = Payload::Literal("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");

/// Alice owns `books`, where `k` holds `old`.
fn house() -> House {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    house
}

/// Asserts that only what [`house`] began with is there, and that no body was asked for.
#[track_caller]
fn untouched(house: &House) {
    let keys: Vec<_> = house.gateway.contents().into_keys().collect();
    assert_eq!(keys, ["books/k"]);
    assert_eq!(house.gateway.object("k").unwrap(), "old");
}
