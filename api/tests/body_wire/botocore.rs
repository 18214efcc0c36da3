//! Bodies as boto3 sends them.

use api::port::VerifiedBody as _;
use api::s3::auth::{AuthConfig, SigningKeys, parse};
use api::s3::body::{BodyKind, BodySpec};
use base64::Engine as _;
use serde_json::Value;

use crate::signer::{Sent, now, secret};
use crate::support::{MAXIMUM, Script, resources};

const VECTORS: &str = include_str!("../vectors/botocore.json");

#[tokio::test]
async fn every_body_of_boto3_is_verified_in_pieces_of_any_size() {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let keys = SigningKeys::new();
    let (mut framed, mut checksums) = (0, 0);
    for request in document["requests"].as_array().unwrap() {
        let Some(body) = request["body"].as_str() else {
            continue;
        };
        let body = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
        let pairs = request["headers"].as_array().unwrap().iter();
        let headers = pairs
            .map(|pair| (text(&pair[0]).to_lowercase(), text(&pair[1])))
            .collect();
        let sent = Sent {
            method: text(&request["method"]),
            target: text(&request["target"]),
            headers,
        };
        let parts = sent.parts();
        for size in [1, 7, 100_000] {
            let auth = parse(&parts, &AuthConfig::default(), now()).unwrap();
            let payload = auth.verify(Some(&secret()), &keys).unwrap().payload;
            let spec = BodySpec::parse(&parts, payload, BodyKind::Document, MAXIMUM)
                .unwrap_or_else(|error| panic!("{}: {error}", request["name"]));
            let mut reader = resources().open(spec, Script::of(body.chunks(size)));
            let mut payload = Vec::new();
            while let Some(piece) = reader.next().await.unwrap() {
                payload.extend_from_slice(&piece);
            }
            let digests = reader.finish().await.unwrap();
            framed += usize::from(payload != body);
            checksums += usize::from(digests.checksum.is_some());
            assert_eq!(digests.length, payload.len() as u64);
            let expected: &[u8] = &b"Welcome to Amazon S3. ".repeat(20);
            let name = request["name"].as_str().unwrap();
            match name.rsplit(", ").next().unwrap() {
                "put empty" => assert_eq!(payload, b""),
                operation if operation.starts_with("put") || operation == "part" => {
                    assert_eq!(payload, expected);
                }
                "delete many" => assert!(payload.starts_with(b"<Delete "), "{name}"),
                _ => assert_eq!(payload, b"", "{name}"),
            }
        }
    }
    assert!(
        framed >= 3 * 12 && checksums >= 3 * 24,
        "{framed} framed, {checksums} with checksums"
    );
}
