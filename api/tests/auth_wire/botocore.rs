//! Requests as botocore signs them, keys and queries of every odd kind among them.

use api::s3::auth::{AuthConfig, SigningKeys, parse};
use serde_json::Value;

use crate::signer::{Sent, now, secret};

const VECTORS: &str = include_str!("../vectors/botocore.json");

fn requests() -> Vec<(String, Sent)> {
    let document: Value = serde_json::from_str(VECTORS).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let requests = document["requests"].as_array().expect("a list");
    let read = |request: &Value| {
        let pairs = request["headers"].as_array().expect("a list").iter();
        let headers = pairs
            .map(|pair| (text(&pair[0]).to_lowercase(), text(&pair[1])))
            .collect();
        let sent = Sent {
            method: text(&request["method"]),
            target: text(&request["target"]),
            headers,
        };
        (text(&request["name"]), sent)
    };
    requests.iter().map(read).collect()
}

#[test]
fn every_request_of_botocore_is_verified() {
    let keys = SigningKeys::new();
    let mut failures = Vec::new();
    let requests = requests();
    assert!(requests.len() > 250, "{}", requests.len());
    for (name, sent) in requests {
        let parts = sent.parts();
        let verified = parse(&parts, &AuthConfig::default(), now()).and_then(|auth| {
            auth.verify(Some(&secret()), &keys)
                .map(|verified| verified.scheme)
        });
        if let Err(error) = verified {
            failures.push(format!("{name}: {error:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn none_of_them_is_verified_for_another_method_path_or_query() {
    let keys = SigningKeys::new();
    for (name, sent) in requests() {
        let (path, query) = sent.target.split_once('?').unwrap_or((&sent.target, ""));
        let other_method = if sent.method == "DELETE" { "GET" } else { "DELETE" };
        let changed = [
            Sent {
                method: other_method.to_owned(),
                ..sent.clone()
            },
            Sent {
                target: format!("{path}x?{query}"),
                ..sent.clone()
            },
            Sent {
                target: format!("/x{path}?{query}"),
                ..sent.clone()
            },
            Sent {
                target: format!("{path}?{query}&versionId=1"),
                ..sent.clone()
            },
        ];
        for changed in changed {
            let parts = changed.parts();
            let auth = parse(&parts, &AuthConfig::default(), now()).expect("still well-formed");
            assert!(
                auth.verify(Some(&secret()), &keys).is_err(),
                "{name}: {changed:?}"
            );
        }
    }
}
