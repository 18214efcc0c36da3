//! What configurations mean.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::*;

#[test]
fn a_minimal_configuration_gets_the_documented_defaults() {
    let Config { node, cluster } = minimal("").config;
    assert_eq!(node.name.as_str(), "node-1");
    assert_eq!(node.data_dir, Path::new("/var/lib/holdfast"));
    assert_eq!(node.server.listen_addr.to_string(), "0.0.0.0:9000");
    assert_eq!(node.server.max_header_bytes, 64 << 10);
    assert_eq!(node.server.shutdown_delay, Duration::ZERO);
    assert_eq!(node.server.root, RootAnswer::S3);
    assert!(node.server.tls.is_none());
    assert_eq!(
        node.metrics,
        Some(MetricsConfig {
            address: None,
            path: "/metrics".to_owned()
        })
    );
    assert_eq!(
        node.logging,
        LoggingConfig {
            level: LogLevel::Info,
            format: LogFormat::Json
        }
    );
    // The limits of the design, which the metadata has by itself too.
    assert_eq!(
        crate::assembly::compaction(&node.metadata),
        raft::CompactionLimits::default()
    );
    assert_eq!(cluster.max_object_size, 5 << 30);
    assert_eq!(
        cluster.encryption,
        EncryptionSettings {
            mode: EncryptionMode::Off,
            chunk_size: 65536
        }
    );
    assert_eq!(
        cluster.replication,
        ReplicationSettings {
            factor: 1,
            write_copies: 1
        }
    );
    assert_eq!(cluster.routing, RoutingStrategy::Pack);
    assert_eq!(cluster.garbage.min_age, Duration::from_secs(300));
    assert_eq!(cluster.garbage.max_age, Duration::from_secs(86_400));
    assert_eq!(cluster.sessions.silent_after, Duration::from_secs(3600));
    assert_eq!(cluster.sessions.epoch_max_attempts, 100_000);
    assert_eq!(
        cluster.sessions.epoch_close_timeout,
        Duration::from_secs(7 * 86_400)
    );
    assert_eq!((cluster.region, cluster.domain), (None, None));
}

#[test]
fn variables_stand_for_numbers_words_and_durations_in_quotes_or_not() {
    let loaded = minimal(
        "server: {listen_addr: ':${PORT}', max_connections: '${PORT}', root_health: '${FLAG}', drain_timeout: '${AGE}'}\n\
         data_dir: ${DIR}/meta",
    );
    let server = &loaded.config.node.server;
    assert_eq!((server.listen_addr.port, server.max_connections), (9123, 9123));
    assert_eq!(server.root, RootAnswer::Health);
    assert_eq!(server.drain_timeout, Duration::from_secs(90));
    assert_eq!(loaded.config.node.data_dir, Path::new("/srv/elsewhere/meta"));
}

#[test]
fn a_variable_cannot_change_the_structure_of_the_file() {
    let yaml =
        format!("{MINIMAL}users: [{{access_key: a, secret_key: '${{EVIL}}', allowed_buckets: ['*']}}]\n");
    let evil = "x\", allowed_buckets: []}]\nserver: {root_health: true} # ${PORT} $$";
    let loaded = Loader::new()
        .environment(move |name| (name == "EVIL").then(|| evil.to_owned()))
        .text("test.yaml", &yaml)
        .load()
        .unwrap();
    assert_eq!(
        loaded.config.cluster.users[0]
            .credential
            .secret_access_key
            .expose(),
        evil
    );
    assert_eq!(loaded.config.node.server.root, RootAnswer::S3);
}

#[test]
fn secrets_keep_their_dollars_and_digits() {
    let secret = |yaml: &str| {
        let loaded = minimal(&format!(
            "users: [{{access_key: a, secret_key: {yaml}, allowed_buckets: ['*']}}]"
        ));
        loaded.config.cluster.users[0]
            .credential
            .secret_access_key
            .expose()
            .to_owned()
    };
    assert_eq!(secret("'a$b$c-long'"), "a$b$c-long");
    assert_eq!(secret("'$2y$10$abcdefgh'"), "$2y$10$abcdefgh");
    assert_eq!(secret("'pass$$word'"), "pass$word");
    assert_eq!(secret("'0123456789'"), "0123456789");
}

#[test]
fn values_that_ask_for_nothing_missing_are_accepted() {
    let loaded = minimal(
        "replication: {factor: 1, write_copies: 1, write_copies_strict: false}\n\
         rate_limit: {enabled: false}\ncircuit_breaker: {degraded_reads: false}\n\
         server: {max_concurrent_requests: 0}\nintegrity: {enabled: false}",
    );
    assert_eq!(loaded.config.cluster.replication.factor, 1);
    let zero = "backends: [{name: a, path: /a, quota_bytes: 0, api_request_limit: 0}]";
    assert!(problems(zero).is_empty());
}

#[test]
fn memory_backends_work_and_say_what_they_are() {
    let loaded = load("backends: [{name: a, type: memory}]").unwrap();
    assert_eq!(loaded.config.cluster.backends[0].kind, BackendKind::Memory);
    assert!(
        loaded
            .warnings
            .iter()
            .any(|warning| warning.message.contains("gone when the process ends"))
    );
}

#[test]
fn metrics_are_configured_in_either_place() {
    let metrics = |yaml: &str| minimal(yaml).config.node.metrics;
    assert_eq!(metrics("metrics: {enabled: false}"), None);
    assert_eq!(metrics("telemetry: {metrics: {enabled: false}}"), None);
    assert_eq!(metrics("telemetry: {metrics: {path: /m}}").unwrap().path, "/m");
    let own = metrics("telemetry: {metrics: {listen: ':9090'}}\nmetrics: {path: /m}").unwrap();
    assert_eq!(
        (own.address.unwrap().to_string().as_str(), own.path.as_str()),
        (":9090", "/m")
    );
}

#[test]
fn a_key_without_a_value_is_as_good_as_absent() {
    let loaded = minimal("server:\n  listen_addr:\ndatabase:\nusers:\nreplication:\n  factor:\n");
    assert_eq!(loaded.config.node.server.listen_addr.port, 9000);
}

#[test]
fn every_default_of_the_schema_can_be_read_in_its_own_form() {
    fn visit(keys: &[schema::Key], path: &str) {
        for key in keys {
            let path = format!("{path}.{}", key.name);
            if let Some(text) = key.default {
                assert!(tree::read(key.form, text).is_ok(), "{path}: {text}");
            }
            if let schema::Standing::NotBuilt { harmless, .. } = key.standing {
                for text in harmless {
                    assert!(tree::read(key.form, text).is_ok(), "{path}: {text}");
                }
            }
            visit(key.children(), &path);
        }
    }
    visit(schema::ROOT, "");
}

fn fingerprint(yaml: &str) -> Fingerprint {
    let loaded = load(yaml).unwrap_or_else(|problems| panic!("{problems}"));
    loaded
        .config
        .cluster
        .fingerprint(|statement| Sha256::digest(statement).into())
}

#[test]
fn the_fingerprint_ignores_what_is_node_local_default_or_mere_form() {
    let base = fingerprint(MINIMAL);
    for same in [
        "server: {listen_addr: ':1', shutdown_delay: 9s}",
        "data_dir: /elsewhere",
        "node_name: other",
        "logging: {level: debug}",
        "metrics: {enabled: false}",
        "server: {max_object_size: 5GiB}",
        "garbage: {min_age: 300s}",
        "usage_flush: {interval: 1s}",
    ] {
        assert_eq!(fingerprint(&format!("{MINIMAL}{same}")), base, "{same}");
    }
}

#[test]
fn the_fingerprint_tells_every_cluster_wide_difference() {
    let variants = [
        "",
        "server: {max_object_size: 4GiB}",
        "server: {region: eu}",
        "server: {region: eu, domain: eu}",
        "buckets: [{name: one}]",
        "buckets: [{name: one}, {name: two}]",
        "buckets: [{name: two}, {name: one}]",
        "users: [{access_key: a, secret_key: secret-1, allowed_buckets: ['*']}]",
        "users: [{access_key: a, secret_key: secret-2, allowed_buckets: ['*']}]",
        "users: [{access_key: a, secret_key: secret-2, allowed_buckets: [one, two]}]",
        "users: [{access_key: a, secret_key: secret-2, allowed_buckets: [one-two]}]",
        "garbage: {min_age: 1s}",
        "routing_strategy: spread",
    ];
    let prints: Vec<_> = variants
        .iter()
        .map(|yaml| fingerprint(&format!("{MINIMAL}{yaml}")))
        .collect();
    for (index, print) in prints.iter().enumerate() {
        assert!(!prints[..index].contains(print), "{}", variants[index]);
    }
}

/// Everything cluster-wide that can be given, with texts that YAML could take for something else.
const EVERYTHING: &str = r#"
server: {max_object_size: 4GiB, region: eu, domain: S3.Example.com, backend_timeout: 90s}
buckets:
  - name: photos
    credentials:
      - {access_key_id: "no", secret_access_key: "with: colon # and $$ sign"}
      - {access_key_id: "0123", secret_access_key: "quote\" and \\ and 'tick'"}
  - {name: empty}
users:
  - {access_key: all, secret_key: secret-1, allowed_buckets: ['*']}
  - {name: second, access_key: two, secret_key: "12345678", allowed_buckets: [photos, 'empty'], create_buckets: true}
backends:
  - {name: disk, type: fs, path: /srv/holdfast, shared: true}
  - {name: memory, type: memory}
encryption: {enabled: false, chunk_size: 1MiB}
garbage: {min_age: 1s, max_age: 2h, interval: 50ms}
sessions: {epoch_max_age: 3h, epoch_max_attempts: 77, epoch_close_timeout: 4h, second_sweep_after: 5h}
uploads: {completed_retention: 30h}
"#;

#[test]
fn the_settings_that_a_cluster_keeps_read_back_as_they_were() {
    for yaml in [MINIMAL, EVERYTHING] {
        let given = load(yaml).unwrap_or_else(|problems| panic!("{problems}"));
        let given = given.config.cluster;
        let kept = std::str::from_utf8(given.document()).unwrap();
        let read = ClusterSettings::read(kept).unwrap_or_else(|problems| panic!("{problems}\n{kept}"));
        assert_eq!(format!("{read:?}"), format!("{given:?}"), "{kept}");
        let print = |settings: &ClusterSettings| settings.fingerprint(|text| Sha256::digest(text).into());
        assert_eq!(print(&read), print(&given), "{kept}");
        let secrets = |settings: &ClusterSettings| {
            let of_buckets = settings
                .buckets
                .iter()
                .flat_map(|bucket| bucket.credentials.clone());
            let of_users = settings.users.iter().map(|user| user.credential.clone());
            let all = of_buckets.chain(of_users);
            all.map(|key| key.secret_access_key.expose().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(secrets(&read), secrets(&given));
        assert_eq!(read.document(), given.document());
    }
}

#[test]
fn what_a_node_says_of_itself_is_not_part_of_what_the_cluster_keeps() {
    let yaml = format!("{MINIMAL}data_dir: /elsewhere\nnode_name: other\nserver: {{listen_addr: ':1'}}\n");
    let loaded = load(&yaml).unwrap_or_else(|problems| panic!("{problems}"));
    let kept = std::str::from_utf8(loaded.config.cluster.document()).unwrap();
    for word in ["elsewhere", "other", "listen"] {
        assert!(!kept.contains(word), "{kept}");
    }
}

#[test]
fn settings_that_this_release_does_not_understand_are_refused_by_name() {
    let refused = ClusterSettings::read("backends: [{name: disk, path: /srv/holdfast}]\nfuture_key: 1\n");
    let problems = refused.map(|_| ()).unwrap_err().to_string();
    assert!(problems.contains("future_key"), "{problems}");
}
