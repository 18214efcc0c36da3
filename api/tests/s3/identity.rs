//! Who asks is decided on the snapshot after the barrier (H11).

use api::port::Error;

use crate::support::House;
use crate::support::ask::{ALICE, Ask, User, send};
use crate::support::gateway::RETRY_AFTER;

const CAROL: User = User {
    access_key: "AKCAROL",
    secret: "carol's secret",
};
const ALICE_ROTATED: User = User {
    access_key: "AKALICE",
    secret: "another secret",
};

#[tokio::test]
async fn a_key_created_elsewhere_a_moment_ago_is_known() {
    let house = House::with_books();
    house.gateway.freeze_candidates();
    house.gateway.add_user(CAROL.access_key, CAROL.secret, "alice");
    Ask::get("/books").by(&house, CAROL).await.expect(200);
}

#[tokio::test]
async fn a_key_revoked_a_moment_ago_is_not() {
    let house = House::with_books();
    house.gateway.store("books", "k", "v");
    Ask::get("/books/k").ask(&house).await.expect(200);
    house.gateway.freeze_candidates();
    house.gateway.remove_user(ALICE.access_key);
    Ask::get("/books/k")
        .ask(&house)
        .await
        .expect_error(403, "InvalidAccessKeyId");
    let presigned = Ask::get("/books/k").presign(ALICE, "600");
    send(&house.service, presigned)
        .await
        .expect_error(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn a_secret_changed_a_moment_ago_is_the_one_that_counts() {
    let house = House::with_books();
    house.gateway.freeze_candidates();
    house
        .gateway
        .add_user(ALICE.access_key, ALICE_ROTATED.secret, "alice");
    Ask::get("/books")
        .ask(&house)
        .await
        .expect_error(403, "SignatureDoesNotMatch");
    Ask::get("/books").by(&house, ALICE_ROTATED).await.expect(200);
}

#[tokio::test]
async fn without_a_barrier_nobody_learns_whether_a_key_exists() {
    let house = House::with_books();
    house.gateway.state().barrier = Some(Error::Unavailable {
        retry_after: RETRY_AFTER,
    });
    for user in [ALICE, ALICE_ROTATED, CAROL] {
        Ask::get("/books")
            .by(&house, user)
            .await
            .expect_error(503, "ServiceUnavailable");
    }
}

#[tokio::test]
async fn unsigned_requests_are_denied_without_asking_the_node() {
    let house = House::with_books();
    house.gateway.store("books", "k", "v");
    for ask in [
        Ask::get("/"),
        Ask::get("/books"),
        Ask::get("/books/k"),
        Ask::put("/books/x", "y"),
        Ask::delete("/books/k"),
    ] {
        send(&house.service, ask.unsigned())
            .await
            .expect_error(403, "AccessDenied");
    }
    assert!(house.gateway.state().calls.is_empty());
}
