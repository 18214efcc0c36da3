//! What a refusal shows, and what it must not.

use api::port::SecretKey;
use api::s3::auth::{AuthConfig, AuthError, SigningKeys, parse};

use crate::signer::{Draft, SECRET_KEY, now, secret, sha256_hex};

fn mismatch() -> (AuthError, String) {
    let draft = Draft::new("PUT", "/bucket/a b".replace(' ', "%20").as_str())
        .query("partNumber", "1")
        .header("x-amz-meta-a", "  one  two ")
        .header(
            "x-amz-server-side-encryption-customer-key",
            "canary-of-a-customer",
        )
        .header("cookie", "canary-of-a-browser");
    let (sent, signature) = draft.sign_header();
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
    let wrong = SecretKey::new("canary-of-another-secret".to_owned());
    let keys = SigningKeys::new();
    assert!(auth.verify(Some(&secret()), &keys).is_ok());
    (
        auth.verify(Some(&wrong), &keys).expect_err("another secret"),
        signature,
    )
}

#[test]
fn a_mismatch_shows_what_was_signed() {
    let (error, signature) = mismatch();
    assert_eq!(error.reason(), "signature_mismatch");
    let AuthError::SignatureDoesNotMatch(mismatch) = &error else {
        panic!("{error:?}")
    };
    let canonical = &mismatch.canonical_request;
    assert!(
        canonical.starts_with("PUT\n/bucket/a%20b\npartNumber=1\n"),
        "{canonical}"
    );
    assert!(canonical.contains("\nx-amz-meta-a:one two\n"), "{canonical}");
    assert!(
        mismatch
            .string_to_sign
            .starts_with("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n")
    );
    assert_eq!(mismatch.signature_provided, signature);
    let names: Vec<&str> = error.details().iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "AWSAccessKeyId",
            "StringToSign",
            "SignatureProvided",
            "CanonicalRequest"
        ]
    );
}

#[test]
fn the_string_to_sign_holds_the_hash_of_the_canonical_request() {
    let (sent, signature) = Draft::new("GET", "/bucket/key").query("a", "b c").sign_header();
    let sent = sent.replace(&signature, &"0".repeat(64));
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
    let error = auth
        .verify(Some(&secret()), &SigningKeys::new())
        .expect_err("zeros");
    let AuthError::SignatureDoesNotMatch(mismatch) = error else {
        panic!("{error:?}")
    };
    let hash = sha256_hex(mismatch.canonical_request.as_bytes());
    assert!(mismatch.string_to_sign.ends_with(&hash), "{mismatch:?}");
}

#[test]
fn sec_28_no_key_is_shown() {
    let (error, _) = mismatch();
    let (sent, _) = Draft::new("GET", "/bucket/key").sign_header();
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
    let verified = auth.verify(Some(&secret()), &SigningKeys::new());
    let shown = format!(
        "{error} {error:?} {:?} {auth:?} {verified:?} {:?}",
        error.details(),
        SigningKeys::new()
    );
    for canary in [
        SECRET_KEY,
        "canary-of-another-secret",
        "canary-of-a-customer",
        "canary-of-a-browser",
    ] {
        assert!(!shown.contains(canary), "{canary}: {shown}");
    }
    assert!(shown.contains("(hidden)"), "{shown}");
}
