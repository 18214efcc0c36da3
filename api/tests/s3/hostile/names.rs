//! Keys and buckets that have been mistaken for something else.

use super::{house, untouched};
use crate::support::House;
use crate::support::ask::{ALICE, Ask, send};
use crate::support::xml::values;

/// Keys that have been mistaken for something else somewhere.
const ODD_KEYS: [&str; 22] = [
    "../k",
    "..",
    ".",
    "a/../b",
    "a/./b",
    "a//b",
    "/a",
    "//",
    "a/",
    "a\\b",
    "a%2Fb",
    "%2e%2e/k",
    "a+b c",
    "a?b#c&d=e",
    "@:;,!$'()*",
    "\u{202e}gpj.exe",
    "\0",
    "\r\nSet-Cookie: x",
    "\t\u{7f}\u{1}",
    "é\u{301}😀",
    "k?uploadId=x",
    "..%c0%af",
];

fn encoded(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[tokio::test]
async fn sec_10_11_12_14_every_key_is_itself_in_every_operation() {
    let house = House::with_books();
    let long = "k".repeat(1024);
    let odd = ODD_KEYS.into_iter().chain([long.as_str()]);
    for (index, key) in odd.clone().enumerate() {
        let body = format!("body {index}");
        Ask::put(&format!("/books/{}", encoded(key)), body.clone())
            .ask(&house)
            .await
            .expect(200);
        assert_eq!(
            house.gateway.object(key).unwrap(),
            body,
            "{key:?} is stored under exactly its name"
        );
    }
    assert_eq!(
        house.gateway.contents().len(),
        ODD_KEYS.len() + 1,
        "no two of them are one"
    );
    for (index, key) in odd.clone().enumerate() {
        let path = format!("/books/{}", encoded(key));
        assert_eq!(
            Ask::get(&path).ask(&house).await.expect(200).text(),
            format!("body {index}"),
            "{key:?}"
        );
        let presigned = send(&house.service, Ask::get(&path).presign(ALICE, "60")).await;
        assert_eq!(presigned.expect(200).text(), format!("body {index}"), "{key:?}");
        let hosted = Ask::get(&format!("/{}", encoded(key)))
            .host("books.s3.test")
            .ask(&house)
            .await;
        assert_eq!(hosted.expect(200).text(), format!("body {index}"), "{key:?}");
    }
    let list = Ask::get("/books?encoding-type=url&list-type=2")
        .ask(&house)
        .await
        .expect(200);
    let mut listed: Vec<String> = values(list.text(), "Key")
        .iter()
        .map(|key| {
            percent_encoding::percent_decode_str(key)
                .decode_utf8()
                .unwrap()
                .into_owned()
        })
        .collect();
    listed.sort();
    let mut expected: Vec<String> = odd.clone().map(str::to_owned).collect();
    expected.sort();
    assert_eq!(listed, expected);
    // A NUL cannot be said in XML; all others can be deleted by document, and only they are.
    let escape = |key: &str| -> String { key.chars().map(|c| format!("&#{};", u32::from(c))).collect() };
    let objects: String = odd
        .clone()
        .filter(|key| *key != "\0")
        .map(|key| format!("<Object><Key>{}</Key></Object>", escape(key)))
        .collect();
    let answer = Ask::post("/books?delete", format!("<Delete>{objects}</Delete>"))
        .with_md5()
        .ask(&house)
        .await
        .expect(200);
    assert!(values(answer.text(), "Code").is_empty());
    assert_eq!(
        house.gateway.contents().into_keys().collect::<Vec<_>>(),
        ["books/\0"]
    );
    Ask::delete("/books/%00").ask(&house).await.expect(204);
}

#[tokio::test]
async fn sec_11_a_path_never_reaches_another_bucket() {
    let house = house();
    house.gateway.add_bucket("others", "bob");
    house.gateway.store("others", "secret", "s");
    for target in [
        "/books/../others/secret",
        "/books/%2e%2e/others/secret",
        "/books/..%2Fothers%2Fsecret",
    ] {
        let answer = send(&house.service, Ask::get(target).sign(ALICE).request).await;
        assert!(
            answer.status == 404 || answer.status == 403,
            "{target}: {}",
            answer.text()
        );
    }
    for target in [
        "/books%2F..%2Fothers/secret",
        "/books%2Fk",
        "//books/k",
        "/../books/k",
    ] {
        let answer = send(&house.service, Ask::get(target).sign(ALICE).request).await;
        assert!(answer.status.is_client_error(), "{target}: {}", answer.text());
        assert_eq!(house.records.last().user, None, "{target}: nobody was asked");
    }
}

#[tokio::test]
async fn sec_13_a_copy_source_of_any_shape_is_501_and_never_a_plain_put() {
    let house = house();
    for source in [
        "",
        "/",
        "books",
        "/books/k",
        "books/k?versionId=x",
        "//",
        "%",
        "/books/%2e%2e/k",
        "k%3FversionId",
    ] {
        for target in ["/books/k", "/books/k?partNumber=1&uploadId=u"] {
            let answer = Ask::put(target, "new")
                .header("x-amz-copy-source", source)
                .ask(&house)
                .await;
            answer.expect_error(501, "NotImplemented");
        }
    }
    untouched(&house);
}

#[tokio::test]
async fn sec_44_names_of_buckets_are_checked_wherever_they_come_from() {
    let house = house();
    let long = "a".repeat(64);
    for name in [
        "a",
        "ab",
        "Books",
        "bo_oks",
        "-books",
        "books-",
        "bo..oks",
        "192.168.1.1",
        "xn--books",
        &long,
        "b%40o%3Fk%23",
        "bo%2Foks",
        "b%00k",
    ] {
        for ask in [
            Ask::put(&format!("/{name}"), ""),
            Ask::get(&format!("/{name}")),
            Ask::delete(&format!("/{name}")),
            Ask::put(&format!("/{name}/k"), "new"),
            Ask::get(&format!("/{name}/k")),
            Ask::post(&format!("/{name}?delete"), "<Delete/>"),
        ] {
            send(&house.service, ask.unsigned())
                .await
                .expect_error(400, "InvalidBucketName");
        }
    }
    for host in ["a_b.s3.test", "a.s3.test", "..s3.test", "-ab.s3.test"] {
        send(&house.service, Ask::get("/k").host(host).unsigned())
            .await
            .expect_error(400, "InvalidBucketName");
    }
    untouched(&house);
}
