//! Objects deleted, one by one and many at once.

use crate::support::House;
use crate::support::ask::{Answer, Ask, BOB};
use crate::support::xml::{at, values};

fn document(keys: &[&str], quiet: bool) -> String {
    let objects: String = keys
        .iter()
        .map(|key| format!("<Object><Key>{key}</Key></Object>"))
        .collect();
    format!(
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>{quiet}</Quiet>{objects}</Delete>"
    )
}

#[tokio::test]
async fn deleting_what_is_not_there_succeeds() {
    let house = House::with_books();
    house.gateway.store("books", "k", "v");
    for _ in 0..2 {
        let answer = Ask::delete("/books/k").ask(&house).await.expect(204);
        assert_eq!(answer.header("x-amz-delete-marker"), None);
    }
    Ask::delete("/none/k")
        .ask(&house)
        .await
        .expect_error(404, "NoSuchBucket");
    house.gateway.keep_versions("books");
    let marker = |answer: &Answer| {
        assert_eq!(answer.header("x-amz-delete-marker"), Some("true"));
        answer.header("x-amz-version-id").expect("a version").to_owned()
    };
    let one = marker(&Ask::delete("/books/k").ask(&house).await.expect(204));
    let other = marker(&Ask::delete("/books/k").ask(&house).await.expect(204));
    assert!(one != other, "each deletion makes a marker of its own");
}

#[tokio::test]
async fn many_keys_are_deleted_each_with_its_outcome() {
    let house = House::with_books();
    for key in ["a", "b&b", "c", "stays"] {
        house.gateway.store("books", key, "v");
    }
    let long = "k".repeat(1025);
    let body = document(&["a", "b&amp;b", "absent", &long, "c"], false);
    let answer = Ask::post("/books?delete", body)
        .with_md5()
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(
        at(answer.text(), "DeleteResult/Deleted/Key"),
        ["a", "b&b", "absent", "c"]
    );
    assert_eq!(at(answer.text(), "DeleteResult/Error/Key"), [long]);
    assert_eq!(at(answer.text(), "DeleteResult/Error/Code"), ["KeyTooLongError"]);
    assert_eq!(
        house.gateway.contents().into_keys().collect::<Vec<_>>(),
        ["books/stays"]
    );
}

#[tokio::test]
async fn quiet_tells_failures_only() {
    let house = House::with_books();
    house.gateway.store("books", "a", "v");
    let body = "<Delete><Quiet>true</Quiet><Object><Key>a</Key><ETag>\"x\"</ETag></Object><Object><Key>b</Key></Object></Delete>";
    let answer = Ask::post("/books?delete&x-id=DeleteObjects", body)
        .with_md5()
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(values(answer.text(), "Key"), ["a"]);
    assert_eq!(values(answer.text(), "Code"), ["PreconditionFailed"]);
    assert!(house.gateway.object("a").is_some());
}

/// As S3 was found to answer: a condition on what is not there does not hold, and says so.
#[tokio::test]
async fn a_conditional_delete_of_what_is_not_there_fails() {
    let house = House::with_books();
    house.gateway.store("books", "a", "v");
    for condition in ["\"x\"", "*"] {
        Ask::delete("/books/absent")
            .header("if-match", condition)
            .ask(&house)
            .await
            .expect_error(404, "NoSuchKey");
    }
    let body =
        "<Delete><Object><Key>absent</Key><ETag>x</ETag></Object><Object><Key>a</Key></Object></Delete>";
    let answer = Ask::post("/books?delete", body)
        .with_md5()
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(at(answer.text(), "DeleteResult/Error/Key"), ["absent"]);
    assert_eq!(at(answer.text(), "DeleteResult/Error/Code"), ["NoSuchKey"]);
    assert_eq!(at(answer.text(), "DeleteResult/Deleted/Key"), ["a"]);
}

#[tokio::test]
async fn a_list_of_keys_must_vouch_for_itself() {
    let house = House::with_books();
    house.gateway.store("books", "a", "v");
    let ask = || Ask::post("/books?delete", document(&["a"], false));
    ask().ask(&house).await.expect_error(400, "InvalidRequest");
    ask()
        .header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")
        .ask(&house)
        .await
        .expect_error(400, "BadDigest");
    ask()
        .header("x-amz-checksum-crc32", "AAAAAA==")
        .ask(&house)
        .await
        .expect_error(400, "BadDigest");
    assert!(house.gateway.object("a").is_some());
    let crc = crc_fast::checksum(
        crc_fast::CrcAlgorithm::Crc32IsoHdlc,
        document(&["a"], false).as_bytes(),
    );
    let crc = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(u32::try_from(crc).unwrap().to_be_bytes())
    };
    ask()
        .header("x-amz-checksum-crc32", crc)
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .ask(&house)
        .await
        .expect(200);
    assert!(house.gateway.object("a").is_none());
}

#[tokio::test]
async fn a_forbidden_delete_deletes_nothing() {
    let house = House::with_books();
    house.gateway.store("books", "a", "v");
    Ask::delete("/books/a")
        .by(&house, BOB)
        .await
        .expect_error(403, "AccessDenied");
    let answer = Ask::post("/books?delete", document(&["a"], false))
        .with_md5()
        .by(&house, BOB)
        .await;
    answer.expect_error(403, "AccessDenied");
    assert!(house.gateway.object("a").is_some());
}
