//! Listings, page by page, against the definition of a listing.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use proptest::prelude::*;

use crate::support::House;
use crate::support::ask::Ask;
use crate::support::xml::{at, values};

/// The items of a listing, by definition: each key, or the common prefix that stands for it.
fn items<'k>(
    keys: impl Iterator<Item = &'k str>,
    prefix: &str,
    delimiter: Option<&str>,
) -> BTreeSet<(String, bool)> {
    keys.filter_map(|key| {
        let rest = key.strip_prefix(prefix)?;
        let grouped = delimiter.and_then(|delimiter| {
            let end = rest.find(delimiter)? + delimiter.len();
            Some((format!("{prefix}{}", &rest[..end]), true))
        });
        Some(grouped.unwrap_or_else(|| (key.to_owned(), false)))
    })
    .collect()
}

fn house(keys: &[&str]) -> House {
    let house = House::with_books();
    for key in keys {
        house.gateway.store("books", key, "v");
    }
    house
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn canonical(text: &str) -> String {
    encode(text)
        .replace("%2D", "-")
        .replace("%2E", ".")
        .replace("%5F", "_")
        .replace("%7E", "~")
}

#[tokio::test]
async fn a_page_echoes_what_was_asked() {
    let house = house(&["a/1", "a/2", "b"]);
    let v1 = Ask::get("/books?delimiter=%2F&marker=A&max-keys=1&prefix=")
        .ask(&house)
        .await
        .expect(200);
    for (name, expected) in [
        ("Name", vec!["books"]),
        ("Marker", vec!["A"]),
        ("Delimiter", vec!["/"]),
        ("MaxKeys", vec!["1"]),
        ("IsTruncated", vec!["true"]),
        ("NextMarker", vec!["a/"]),
        ("KeyCount", vec![]),
    ] {
        assert_eq!(values(v1.text(), name), expected, "{name}");
    }
    assert_eq!(at(v1.text(), "ListBucketResult/CommonPrefixes/Prefix"), ["a/"]);

    let v2 = Ask::get("/books?fetch-owner=true&list-type=2&start-after=a%2F1")
        .ask(&house)
        .await
        .expect(200);
    for (name, expected) in [
        ("StartAfter", vec!["a/1"]),
        ("KeyCount", vec!["2"]),
        ("MaxKeys", vec!["1000"]),
        ("IsTruncated", vec!["false"]),
        ("Key", vec!["a/2", "b"]),
        ("ID", vec!["alice", "alice"]),
        ("NextContinuationToken", vec![]),
    ] {
        assert_eq!(values(v2.text(), name), expected, "{name}");
    }
    let plain = Ask::get("/books?list-type=2").ask(&house).await.expect(200);
    assert!(values(plain.text(), "ID").is_empty());
}

#[tokio::test]
async fn limits_of_a_page_are_numbers() {
    let house = house(&["a", "b"]);
    let none = Ask::get("/books?list-type=2&max-keys=0")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(
        (
            values(none.text(), "KeyCount"),
            values(none.text(), "IsTruncated")
        ),
        (vec!["0".into()], vec!["false".into()])
    );
    let many = Ask::get("/books?max-keys=5000").ask(&house).await.expect(200);
    assert_eq!(values(many.text(), "MaxKeys"), ["1000"]);
    for bad in ["-1", "ten", "1e3", "%2B5", "2147483648", "99999999999999999999"] {
        Ask::get(&format!("/books?max-keys={bad}"))
            .ask(&house)
            .await
            .expect_error(400, "InvalidArgument");
    }
    Ask::get("/books?list-type=3")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::get("/books?encoding-type=base64")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::get("/books?fetch-owner=maybe&list-type=2")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
}

#[tokio::test]
async fn a_token_is_good_for_its_listing_only() {
    let house = house(&["a/1", "a/2", "b"]);
    house.gateway.add_bucket("arts", "alice");
    let first = Ask::get("/books?list-type=2&max-keys=1&prefix=a")
        .ask(&house)
        .await
        .expect(200);
    let token = values(first.text(), "NextContinuationToken").remove(0);
    assert!(!token.contains("a/1"), "{token}");
    let ask = |bucket: &str, rest: &str, token: &str| {
        Ask::get(&format!("/{bucket}?continuation-token={token}&list-type=2{rest}")).ask(&house)
    };
    let second = ask("books", "&prefix=a", &token).await.expect(200);
    assert_eq!(values(second.text(), "Key"), ["a/2"]);
    assert_eq!(values(second.text(), "ContinuationToken"), [token.as_str()]);
    ask("arts", "&prefix=a", &token)
        .await
        .expect_error(400, "InvalidArgument");
    ask("books", "&prefix=b", &token)
        .await
        .expect_error(400, "InvalidArgument");
    for forged in ["", "YS8x", &format!("{token}A"), token.get(1..).unwrap()] {
        ask("books", "&prefix=a", forged)
            .await
            .expect_error(400, "InvalidArgument");
    }
}

#[tokio::test]
async fn keys_that_xml_cannot_hold_are_listed_encoded() {
    let key = "a\u{1}\n b+c%&<é";
    let house = house(&[key]);
    let list = Ask::get("/books?encoding-type=url&list-type=2&prefix=a")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(values(list.text(), "Key"), ["a%01%0A%20b%2Bc%25%26%3C%C3%A9"]);
    assert_eq!(values(list.text(), "EncodingType"), ["url"]);
    assert_eq!(values(list.text(), "Prefix"), ["a"]);
    let plain = Ask::get("/books").ask(&house).await.expect(200);
    assert!(plain.text().contains("a&#x1;&#xA; b+c%&amp;&lt;é"));
}

/// Everything of a listing, page by page.
async fn walk(
    house: &House,
    version: u8,
    prefix: &str,
    delimiter: Option<&str>,
    limit: usize,
) -> Vec<(String, bool)> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let delimiter = delimiter.map_or(String::new(), |delimiter| {
            format!("&delimiter={}", canonical(delimiter))
        });
        let rest = format!(
            "{delimiter}&encoding-type=url&max-keys={limit}&prefix={}",
            canonical(prefix)
        );
        let target = match version {
            1 => format!("/books?marker={}{rest}", canonical(&cursor)),
            _ if cursor.is_empty() => format!("/books?list-type=2{rest}"),
            _ => format!("/books?continuation-token={cursor}&list-type=2{rest}"),
        };
        let page = Ask::get(&target).ask(house).await.expect(200);
        let decode = |text: String| percent_decode_str(&text).decode_utf8().unwrap().into_owned();
        let keys: Vec<_> = values(page.text(), "Key").into_iter().map(decode).collect();
        let prefixes: Vec<_> = at(page.text(), "ListBucketResult/CommonPrefixes/Prefix")
            .into_iter()
            .map(decode)
            .collect();
        assert!(keys.len() + prefixes.len() <= limit, "{}", page.text());
        let last = keys.iter().chain(&prefixes).max().cloned();
        found.extend(keys.into_iter().map(|key| (key, false)));
        found.extend(prefixes.into_iter().map(|prefix| (prefix, true)));
        if values(page.text(), "IsTruncated") == ["false"] {
            return found;
        }
        cursor = match version {
            2 => values(page.text(), "NextContinuationToken").remove(0),
            _ => match values(page.text(), "NextMarker").pop() {
                Some(marker) => decode(marker),
                None => last.unwrap(),
            },
        };
        pages += 1;
        assert!(pages < 1000, "the listing does not end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pages_together_are_the_listing(
        keys in proptest::collection::btree_set("[ab/&+ é\u{1}]{1,6}", 0..25),
        prefix in "[ab/é]{0,2}",
        delimiter in proptest::option::of(prop_oneof![Just("/"), Just("b"), Just("&+"), Just("é")]),
        limit in 1..8_usize,
        version in 1..=2_u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let all: Vec<&str> = keys.iter().map(String::as_str).collect();
        let expected = items(all.iter().copied(), &prefix, delimiter);
        let found = runtime.block_on(async { walk(&house(&all), version, &prefix, delimiter, limit).await });
        let unique: BTreeSet<_> = found.iter().cloned().collect();
        prop_assert_eq!(unique.len(), found.len(), "an item came twice");
        prop_assert_eq!(unique, expected);
    }
}
