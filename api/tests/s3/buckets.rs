//! Buckets.

use api::port::Error;
use http::Method;

use crate::support::ask::{Ask, BOB};
use crate::support::gateway::RETRY_AFTER;
use crate::support::xml::{at, values};
use crate::support::{House, config};

#[tokio::test]
async fn a_bucket_is_created_listed_and_deleted() {
    let house = House::new();
    let created = Ask::put("/books", "").ask(&house).await.expect(200);
    assert_eq!(created.header("location"), Some("/books"));
    Ask::put("/books", "")
        .ask(&house)
        .await
        .expect_error(409, "BucketAlreadyOwnedByYou");
    Ask::put("/books", "")
        .by(&house, BOB)
        .await
        .expect_error(409, "BucketAlreadyExists");
    Ask::put("/arts", "").ask(&house).await.expect(200);

    let list = Ask::get("/").ask(&house).await.expect(200);
    assert_eq!(
        at(list.text(), "ListAllMyBucketsResult/Buckets/Bucket/Name"),
        ["arts", "books"]
    );
    assert_eq!(at(list.text(), "ListAllMyBucketsResult/Owner/ID"), ["alice"]);
    assert_eq!(list.header("content-type"), Some("application/xml"));
    let others = Ask::get("/").by(&house, BOB).await.expect(200);
    assert!(values(others.text(), "Name").is_empty());

    house.gateway.store("books", "k", "v");
    Ask::delete("/books")
        .ask(&house)
        .await
        .expect_error(409, "BucketNotEmpty");
    Ask::delete("/books/k").ask(&house).await.expect(204);
    Ask::delete("/books").ask(&house).await.expect(204);
    Ask::delete("/books")
        .ask(&house)
        .await
        .expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let house = House::new();
    for name in ["aaa", "bbb1", "bbb2", "bbb3", "ccc"] {
        house.gateway.add_bucket(name, "alice");
    }
    let first = Ask::get("/?max-buckets=2&prefix=bbb")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(values(first.text(), "Name"), ["bbb1", "bbb2"]);
    assert_eq!(values(first.text(), "Prefix"), ["bbb"]);
    let token = values(first.text(), "ContinuationToken").remove(0);
    let second = Ask::get(&format!("/?continuation-token={token}&max-buckets=2&prefix=bbb"))
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(values(second.text(), "Name"), ["bbb3"]);
    assert!(values(second.text(), "ContinuationToken").is_empty());
    Ask::get(&format!("/?continuation-token={token}&prefix=ccc"))
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::get(&format!("/?continuation-token={token}&prefix=bbb"))
        .by(&house, BOB)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::get("/?max-buckets=0")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::get("/?max-buckets=ten")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
}

#[tokio::test]
async fn head_says_the_region_and_nothing_in_its_body() {
    let mut config = config();
    config.region = Some("eu-west-1".to_owned());
    let house = House::with(config);
    house.gateway.add_bucket("books", "alice");
    let head = Ask::head("/books")
        .region("eu-west-1")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(head.header("x-amz-bucket-region"), Some("eu-west-1"));
    let absent = Ask::head("/none")
        .region("eu-west-1")
        .ask(&house)
        .await
        .expect(404);
    assert!(absent.body.is_empty());
    assert!(absent.header("x-amz-request-id").is_some());
    let location = Ask::get("/books?location")
        .region("eu-west-1")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(values(location.text(), "LocationConstraint"), ["eu-west-1"]);
    Ask::get("/none?location")
        .region("eu-west-1")
        .ask(&house)
        .await
        .expect_error(404, "NoSuchBucket");
}

#[tokio::test]
async fn a_location_constraint_must_be_the_region_where_there_is_one() {
    let configuration = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let anywhere = House::new();
    Ask::put("/books", configuration("mars-1"))
        .ask(&anywhere)
        .await
        .expect(200);
    let location = Ask::get("/books?location").ask(&anywhere).await.expect(200);
    assert_eq!(values(location.text(), "LocationConstraint"), [""]);

    let mut config = config();
    config.region = Some("eu-west-1".to_owned());
    let house = House::with(config);
    let create = |body: String| Ask::put("/books", body).region("eu-west-1").ask(&house);
    create(configuration("mars-1"))
        .await
        .expect_error(400, "IllegalLocationConstraintException");
    create("<CreateBucketConfiguration>".to_owned())
        .await
        .expect_error(400, "MalformedXML");
    create("<!DOCTYPE x []><CreateBucketConfiguration/>".to_owned())
        .await
        .expect_error(400, "MalformedXML");
    create(configuration("eu-west-1")).await.expect(200);
}

#[tokio::test]
async fn what_clients_always_send_with_a_bucket_is_accepted_and_the_rest_is_501() {
    let house = House::new();
    Ask::put("/books?x-id=CreateBucket", "")
        .header("x-amz-bucket-object-lock-enabled", "false")
        .header("x-amz-acl", "private")
        .ask(&house)
        .await
        .expect(200);
    for (name, value) in [
        ("x-amz-bucket-object-lock-enabled", "true"),
        ("x-amz-acl", "public-read"),
        ("if-none-match", "*"),
    ] {
        Ask::put("/arts", "")
            .header(name, value)
            .ask(&house)
            .await
            .expect_error(501, "NotImplemented");
    }
    for query in [
        "acl",
        "versioning",
        "policy",
        "encryption",
        "lifecycle",
        "cors",
        "tagging",
        "object-lock",
        "made-up",
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = Ask::new(method.clone(), &format!("/books?{query}"))
                .ask(&house)
                .await;
            answer.expect_error(501, "NotImplemented");
        }
    }
    assert_eq!(values(Ask::get("/").ask(&house).await.text(), "Name"), ["books"]);
}

#[tokio::test]
async fn a_node_without_a_quorum_says_when_to_come_back() {
    let house = House::with_books();
    house.gateway.state().fault = Some(Error::Unavailable {
        retry_after: RETRY_AFTER,
    });
    let answer = Ask::head("/books").ask(&house).await.expect(503);
    assert_eq!(answer.header("retry-after"), Some("2"), "rounded up");
    let answer = Ask::get("/books").ask(&house).await;
    answer.expect_error(503, "ServiceUnavailable");
    house.gateway.state().fault = Some(Error::SlowDown {
        retry_after: RETRY_AFTER,
    });
    Ask::get("/books").ask(&house).await.expect_error(503, "SlowDown");
    house.gateway.state().fault = None;
    house.gateway.state().barrier = Some(Error::Unavailable {
        retry_after: RETRY_AFTER,
    });
    Ask::get("/books")
        .ask(&house)
        .await
        .expect_error(503, "ServiceUnavailable");
}
