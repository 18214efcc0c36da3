//! The examples that AWS publishes for Signature Version 4 and S3.

use api::s3::auth::{AuthConfig, AuthScheme, PayloadMode, SigningKeys, parse};

use crate::signer::{ACCESS_KEY, EMPTY_SHA256, Sent, now, secret};

const HOST: &str = "examplebucket.s3.amazonaws.com";

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Sent {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Sent {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
    }
}

fn authorization(signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},\
         Signature={signature}"
    )
}

/// Verifies twice, the second time with a signing key that was kept.
fn verify(sent: &Sent) -> PayloadMode {
    let (parts, keys) = (sent.parts(), SigningKeys::new());
    let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
    assert_eq!(auth.access_key(), Some(ACCESS_KEY));
    auth.verify(Some(&secret()), &keys)
        .expect("the published signature");
    auth.verify(Some(&secret()), &keys)
        .expect("the published signature")
        .payload
}

#[test]
fn get_object_example() {
    let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    let sent = request(
        "GET",
        "/test.txt",
        &[
            ("host", HOST),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", "20130524T000000Z"),
            (
                "authorization",
                &authorization("host;range;x-amz-content-sha256;x-amz-date", signature),
            ),
        ],
    );
    assert!(matches!(verify(&sent), PayloadMode::Sha256(_)));
}

#[test]
fn put_object_example_with_a_character_that_is_signed_encoded_and_sent_plain() {
    let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    let hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    for target in ["/test$file.text", "/test%24file.text", "/test%24file%2etext"] {
        let sent = request(
            "PUT",
            target,
            &[
                ("host", HOST),
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-content-sha256", hash),
                ("x-amz-date", "20130524T000000Z"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                (
                    "authorization",
                    &authorization(
                        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                        signature,
                    ),
                ),
            ],
        );
        assert!(matches!(verify(&sent), PayloadMode::Sha256(_)), "{target}");
    }
}

#[test]
fn get_bucket_lifecycle_and_list_objects_examples() {
    let cases = [
        (
            "/?lifecycle",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "/?max-keys=2&prefix=J",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
        (
            "/?prefix=J&max-keys=2",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    for (target, signature) in cases {
        let sent = request(
            "GET",
            target,
            &[
                ("host", HOST),
                ("x-amz-content-sha256", EMPTY_SHA256),
                ("x-amz-date", "20130524T000000Z"),
                (
                    "authorization",
                    &authorization("host;x-amz-content-sha256;x-amz-date", signature),
                ),
            ],
        );
        verify(&sent);
    }
}

#[test]
fn presigned_get_example() {
    let sent = request(
        "GET",
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F\
         us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&\
         X-Amz-SignedHeaders=host&\
         X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        &[("host", HOST)],
    );
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
    assert_eq!(auth.scheme(), AuthScheme::Presigned);
    assert!(matches!(verify(&sent), PayloadMode::Unsigned));
}

#[test]
fn seed_signatures_of_the_chunked_examples() {
    let headers = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
                   x-amz-decoded-content-length;x-amz-storage-class";
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let chunked = request(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
            ("authorization", &authorization(headers, seed)),
        ],
    );
    assert!(matches!(verify(&chunked), PayloadMode::SignedChunks { trailer, .. } if !trailer.is_signed()));

    let headers = "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
                   x-amz-storage-class;x-amz-trailer";
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let trailer = request(
        "PUT",
        "/examplebucket/chunkObject.txt",
        &[
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            (
                "x-amz-content-sha256",
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            ),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
            ("authorization", &authorization(headers, seed)),
        ],
    );
    assert!(matches!(verify(&trailer), PayloadMode::SignedChunks { trailer, .. } if trailer.is_signed()));
}
