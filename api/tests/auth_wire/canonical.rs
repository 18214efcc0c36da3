//! Canonical requests, compared with those of a signer written straight from the specification.

use api::s3::auth::{AuthConfig, AuthError, SigningKeys, parse};
use proptest::prelude::*;

use crate::signer::{Draft, Sent, encode, now, secret};

fn verify(sent: &Sent) -> Result<(), AuthError> {
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), now())?;
    auth.verify(Some(&secret()), &SigningKeys::new()).map(|_| ())
}

/// Keys, as the path has them after `/bucket/`, and how S3 spells each in a canonical request.
const KEYS: [(&str, &str); 24] = [
    ("a//b", "a//b"),
    ("/a", "/a"),
    ("a/./b", "a/./b"),
    ("a/../b", "a/../b"),
    (".", "."),
    ("..", ".."),
    ("a%2Fb", "a%2Fb"),
    ("a%2fb", "a%2Fb"),
    ("a%252Fb", "a%252Fb"),
    ("a%252fb", "a%252fb"),
    ("a+b", "a%2Bb"),
    ("a%2Bb", "a%2Bb"),
    ("a%20b", "a%20b"),
    ("a~b", "a~b"),
    ("a%7Eb", "a~b"),
    ("%e4%b8%ad", "%E4%B8%AD"),
    ("\u{4e2d}", "%E4%B8%AD"),
    ("a=b&c", "a%3Db%26c"),
    ("a:b@c,d;e", "a%3Ab%40c%2Cd%3Be"),
    ("a$b!c*d'e(f)", "a%24b%21c%2Ad%27e%28f%29"),
    ("%41", "A"),
    ("a%00b", "a%00b"),
    ("a%0Ab", "a%0Ab"),
    ("", ""),
];

#[test]
fn a_path_is_signed_as_s3_spells_it_or_as_it_was_sent() {
    for (sent, canonical) in KEYS {
        for signed in [sent, canonical] {
            let (request, _) = Draft::new("GET", &format!("/bucket/{signed}")).sign_header();
            let request = Sent {
                target: format!("/bucket/{sent}"),
                ..request
            };
            assert_eq!(verify(&request), Ok(()), "{sent} signed as {signed}");
            let request = Draft::new("GET", &format!("/bucket/{signed}")).presign("60");
            let query = request.target.split_once('?').expect("presigned").1;
            let request = Sent {
                target: format!("/bucket/{sent}?{query}"),
                ..request.clone()
            };
            assert_eq!(verify(&request), Ok(()), "{sent} signed as {signed}, presigned");
        }
    }
}

#[test]
fn a_signature_for_one_key_is_none_for_another() {
    let keys = [
        "a/b", "a%2Fb", "a%252Fb", "a//b", "a/./b", "a/../b", "b", "a+b", "a%20b", "a%2520b", "A/b",
    ];
    for signed in keys {
        let (request, _) = Draft::new("GET", &format!("/bucket/{signed}")).sign_header();
        for sent in keys.iter().filter(|sent| **sent != signed) {
            let request = Sent {
                target: format!("/bucket/{sent}"),
                ..request.clone()
            };
            let refused = verify(&request);
            assert!(
                matches!(refused, Err(AuthError::SignatureDoesNotMatch(_))),
                "{signed} sent as {sent}"
            );
        }
    }
}

/// Queries as they are sent, and as S3 spells each in a canonical request.
const QUERIES: [(&str, &str); 16] = [
    ("acl", "acl="),
    ("acl=", "acl="),
    ("b=2&a=1", "a=1&b=2"),
    ("a=2&a=1", "a=1&a=2"),
    ("a-b=1&a=2", "a=2&a-b=1"),
    ("a=1&A=2", "A=2&a=1"),
    ("prefix=a+b", "prefix=a%20b"),
    ("prefix=a%2bb", "prefix=a%2Bb"),
    ("prefix=a/b", "prefix=a%2Fb"),
    ("prefix=a%2Fb", "prefix=a%2Fb"),
    ("prefix=~%7e", "prefix=~~"),
    ("prefix=\u{e9}", "prefix=%C3%A9"),
    ("a=b=c", "a=b%3Dc"),
    ("prefix=&delimiter=", "delimiter=&prefix="),
    ("a&&b", "a=&b="),
    (
        "uploadId=a%2Bb%3D%3D&partNumber=1",
        "partNumber=1&uploadId=a%2Bb%3D%3D",
    ),
];

#[test]
fn a_query_is_sorted_and_spelled_one_way() {
    for (sent, canonical) in QUERIES {
        let mut draft = Draft::new("GET", "/bucket");
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .unwrap()
                .into_owned()
        };
        for pair in canonical.split('&') {
            let (name, value) = pair.split_once('=').unwrap();
            draft = draft.query(&decode(name), &decode(value));
        }
        assert_eq!(draft.canonical_query(), canonical, "the reference signer agrees");
        let (request, _) = draft.sign_header();
        let request = Sent {
            target: format!("/bucket?{sent}"),
            ..request
        };
        assert_eq!(verify(&request), Ok(()), "{sent}");
    }
}

#[test]
fn a_query_that_was_signed_as_it_was_sent_is_verified() {
    // Some clients sort what they send and encode nothing again.
    for sent in ["prefix=a/b", "prefix=a+b&max-keys=2", "a=%2f", "b=:&a=@"] {
        let mut pairs: Vec<&str> = sent.split('&').collect();
        pairs.sort_unstable();
        let draft = Draft::new("GET", "/bucket").header("x-amz-date", crate::signer::DATE);
        let draft = draft.header("x-amz-content-sha256", crate::signer::EMPTY_SHA256);
        let canonical =
            draft
                .canonical()
                .replacen("/bucket\n\n", &format!("/bucket\n{}\n", pairs.join("&")), 1);
        let (request, unused) = Draft::new("GET", "/bucket").sign_header();
        let request = request.replace(&unused, &crate::signer::sign(&canonical));
        let request = Sent {
            target: format!("/bucket?{sent}"),
            ..request
        };
        assert_eq!(verify(&request), Ok(()), "{sent}");
    }
}

#[test]
fn a_header_is_signed_trimmed_folded_and_in_lower_case() {
    let values = [
        "",
        " ",
        "a",
        "  a  ",
        "a  b\t\tc",
        "MiXeD",
        "a,b",
        "\"a  b\"",
        "\u{e4}",
    ];
    for value in values {
        let (request, _) = Draft::new("PUT", "/bucket/key")
            .header("x-amz-meta-a", value)
            .sign_header();
        assert_eq!(verify(&request), Ok(()), "{value:?}");
        let other_case = request.clone().without("x-amz-meta-a").add("X-AMZ-Meta-A", value);
        assert_eq!(verify(&other_case), Ok(()), "{value:?}");
        let other_blanks = request.set("x-amz-meta-a", &format!("\t{value} "));
        assert_eq!(verify(&other_blanks), Ok(()), "{value:?}");
    }
}

#[test]
fn values_of_one_name_are_joined_in_their_order() {
    let draft = Draft::new("PUT", "/bucket/key")
        .header("x-amz-meta-a", "1")
        .header("x-amz-meta-a", " 2 ");
    let (request, _) = draft.sign_header();
    assert_eq!(verify(&request), Ok(()));
    let swapped = request
        .without("x-amz-meta-a")
        .add("x-amz-meta-a", "2")
        .add("x-amz-meta-a", "1");
    assert!(verify(&swapped).is_err());
}

#[test]
fn headers_that_old_clients_sign_are_kept() {
    let draft = Draft::new("PUT", "/bucket/key")
        .header("content-length", "0")
        .header("user-agent", "old/1.0  (x;  y)")
        .header("connection", "keep-alive")
        .header("accept-encoding", "identity")
        .header("expect", "100-continue");
    assert_eq!(verify(&draft.sign_header().0), Ok(()));
}

#[test]
fn over_http2_the_authority_is_the_host() {
    let (request, _) = Draft::new("GET", "/bucket/key").sign_header();
    let request = request.without("host");
    let request = Sent {
        target: format!("https://s3.example.com{}", request.target),
        ..request
    };
    assert_eq!(verify(&request), Ok(()));
    let both = request.clone().add("host", "s3.example.com");
    assert_eq!(verify(&both), Ok(()));
    let other = request.add("host", "s3.example.org");
    assert_eq!(verify(&other), Err(AuthError::AmbiguousHost));
}

fn key() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "/",
        "//",
        ".",
        "..",
        "%",
        "+",
        " ",
        "~",
        "\u{e4}",
        "\u{1f600}",
        "=",
        "&",
        "?",
        "#",
        ";",
        ":",
        "@",
        "$",
        "\u{1}",
        "\\",
        "a",
        "Z",
        "0",
        "-",
        "_",
        "*",
        "'",
        "(",
        ")",
        "!",
        ",",
        "%2F",
        "%252F",
    ]);
    prop_oneof![
        prop::collection::vec(odd, 0..12).prop_map(|parts| parts.concat()),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn whatever_is_signed_as_specified_is_verified(
        method in prop::sample::select(vec!["GET", "PUT", "POST", "DELETE", "HEAD"]),
        key in key(),
        query in prop::collection::vec(("[a-z]{1,8}", key()), 0..5),
        headers in prop::collection::btree_map("x-amz-meta-[a-z_]{1,6}", "[ -~\t]{0,20}", 0..5),
        presigned in any::<bool>(),
    ) {
        let mut draft = Draft::new(method, &format!("/bucket/{}", encode(&key, true)));
        for (name, value) in &query {
            draft = draft.query(name, value);
        }
        for (name, value) in &headers {
            draft = draft.header(name, value.trim());
        }
        let sent = if presigned { draft.presign("60") } else { draft.sign_header().0 };
        prop_assert_eq!(verify(&sent), Ok(()));
    }

    /// Whatever spelling a path is sent in, a signature is verified only for what it decodes to.
    #[test]
    fn a_verified_path_decodes_to_the_path_that_was_signed(
        signed in key(),
        sent in key(),
        escape_all in any::<bool>(),
    ) {
        let spell = |key: &str| {
            let escape = |key: &str| key.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
            let segments: Vec<String> = key.split('/').map(escape).collect();
            if escape_all { segments.join("/") } else { encode(key, true) }
        };
        let (request, _) = Draft::new("GET", &format!("/bucket/{}", encode(&signed, true))).sign_header();
        let request = Sent { target: format!("/bucket/{}", spell(&sent)), ..request };
        prop_assert_eq!(verify(&request).is_ok(), signed == sent);
        let request = Sent { target: format!("/bucket/{}", spell(&signed)), ..request };
        prop_assert_eq!(verify(&request), Ok(()));
    }
}
