//! The configurations that people bring along: read whole, and refused only for what they rely on
//! and do not get yet.

use super::*;

const SYSTEMD: &str = include_str!("seeds/orchestrator-systemd.yaml");
const NOMAD: &str = include_str!("seeds/orchestrator-nomad.yaml");
const IAM: &str = include_str!("seeds/iam-proxy.yaml");
const ROTATION: &str = include_str!("seeds/key-rotation.yaml");

#[test]
fn the_orchestrators_systemd_example_is_refused_for_exactly_what_is_missing() {
    assert_eq!(
        problems(SYSTEMD),
        [
            "backends[0].quota_bytes: is not built yet: quotas and budgets are not enforced yet",
            "backends[0].api_request_limit: is not built yet: quotas and budgets are not enforced yet",
            "backends[0].egress_byte_limit: is not built yet: quotas and budgets are not enforced yet",
            "replication.factor: is not built yet: an object has one copy; copies on several backends are not built yet",
            "rate_limit.enabled: is not built yet: requests are not limited yet",
            "database: Holdfast needs no database: it keeps its metadata itself, in data_dir. Remove this section",
            "backends[0]: is a backend of type s3, which is not built yet; type fs is",
        ]
    );
}

#[test]
fn the_orchestrators_nomad_template_is_refused_for_exactly_what_is_missing() {
    let found = problems(NOMAD);
    let paths: Vec<_> = found
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "backends[0].quota_bytes",
            "backends[0].api_request_limit",
            "backends[0].egress_byte_limit",
            "backends[1].quota_bytes",
            "backends[1].api_request_limit",
            "encryption.vault",
            "replication.factor",
            "rate_limit.enabled",
            "database",
            "backends[0]",
            "backends[1]",
            "routing_strategy",
        ],
        "{found:#?}"
    );
}

#[test]
fn the_iam_proxy_is_refused_for_its_provider_account_and_its_missing_backends() {
    assert_eq!(
        problems(IAM),
        [
            "backends: is required",
            "master_credentials: is not built yet: backends at S3 providers are not built yet",
        ]
    );
}

/// The rest of the file works once bytes have a place to lie.
#[test]
fn the_iam_proxy_works_on_a_directory() {
    let yaml = format!("{MINIMAL}{}", &IAM[IAM.find("server:").unwrap()..]);
    let loaded = load(&yaml).unwrap_or_else(|problems| panic!("{problems}"));
    let node = &loaded.config.node;
    assert_eq!(node.server.listen_addr.to_string(), ":8080");
    assert_eq!(node.server.read_timeout.as_secs(), 300);
    assert_eq!(node.server.max_header_bytes, 1 << 20);
    assert_eq!(
        node.metrics
            .as_ref()
            .unwrap()
            .address
            .as_ref()
            .unwrap()
            .to_string(),
        ":9090"
    );
    let users = &loaded.config.cluster.users;
    assert_eq!(users[0].name.as_str(), "user1-key");
    assert_eq!(users[0].credential.secret_access_key.expose(), "user1-secret");
    let AllowedBuckets::Named(names) = &users[0].allowed else {
        panic!("{:?}", users[0].allowed)
    };
    assert_eq!(
        names.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["bucket-alpha", "bucket-beta"]
    );
    assert_eq!(users[0].creation, BucketCreation::Denied);
    assert_eq!(users[1].allowed, AllowedBuckets::All);
    assert_eq!(users[1].creation, BucketCreation::Allowed);
    assert_eq!(
        loaded
            .warnings
            .iter()
            .map(|warning| warning.path.as_str())
            .collect::<Vec<_>>(),
        [
            "security.verify_content_integrity",
            "security.max_verify_body_size"
        ]
    );
}

#[test]
fn key_rotation_is_refused_and_both_of_its_variables_are_looked_at() {
    assert_eq!(
        problems_beside_minimal(ROTATION),
        [
            "encryption.master_key: the environment variable NEW_ENCRYPTION_KEY is not set",
            "encryption.previous_keys: is not built yet: master keys cannot be rotated yet",
        ]
    );
}

#[test]
fn a_section_that_has_no_effect_warns_once_and_is_still_checked() {
    let yaml = &SYSTEMD[SYSTEMD.find("usage_flush:").unwrap()..SYSTEMD.find("telemetry:").unwrap()];
    assert_eq!(
        minimal(yaml).warnings[0].to_string(),
        "usage_flush: has no effect: usage is part of every commit; there is nothing to flush"
    );
    assert_eq!(
        problems_beside_minimal("usage_flush: {interval: 30, fast: 5s}\n"),
        [
            "usage_flush.fast: is not a known key; did you mean fast_interval?",
            "usage_flush.interval: it is a duration with its unit, such as 500ms, 30s, 5m or 1h30m",
        ]
    );
}
