//! What is refused, in which words.

use super::*;

/// Each row: what stands beside a minimal configuration, and every problem that it has.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "server: {listen_adr: ':9000'}",
        &["server.listen_adr: is not a known key; did you mean listen_addr?"],
    ),
    (
        "replication_factor: 2",
        &["replication_factor: is not a known key; did you mean replication.factor?"],
    ),
    ("xyzzy_frobnicate: 2", &["xyzzy_frobnicate: is not a known key"]),
    (
        "server: {listen_addr: '9000'}",
        &["server.listen_addr: \"9000\" is wrong: it needs a port, such as :9000"],
    ),
    (
        "server: {listen_addr: 9000}",
        &["server.listen_addr: it is an address to listen on, such as \":9000\" or \"127.0.0.1:9000\""],
    ),
    (
        "server: {shutdown_delay: 5}",
        &["server.shutdown_delay: it is a duration with its unit, such as 500ms, 30s, 5m or 1h30m"],
    ),
    (
        "server: {max_object_size: 10XB}",
        &[
            "server.max_object_size: \"10XB\" is wrong: its unit is one of B, KB, MB, GB, TB, KiB, MiB, GiB, TiB",
        ],
    ),
    (
        "server: {max_object_size: -1}",
        &[
            "server.max_object_size: -1 is wrong: it is a whole number of bytes, such as 10737418240, 256MB or 10GiB",
        ],
    ),
    (
        "server: {max_object_size: 1.5}",
        &["server.max_object_size: it is a number of bytes, such as 10737418240, 256MB or 10GiB"],
    ),
    (
        "server: {max_object_size: 6GiB}",
        &["server.max_object_size: \"6GiB\" is wrong: it lies between 1 and 5GiB"],
    ),
    (
        "server: {max_connections: 0}",
        &["server.max_connections: 0 is wrong: it lies between 1 and 1000000"],
    ),
    (
        "server: {root_health: 1}",
        &["server.root_health: it is true or false"],
    ),
    (
        "server: {root_health: maybe}",
        &["server.root_health: \"maybe\" is wrong: it is true or false"],
    ),
    ("server: 9000", &["server: it is a section with keys of its own"]),
    ("server: [a]", &["server: it is a section with keys of its own"]),
    (
        "server: {region: 'us east'}",
        &["server.region: consists of letters, digits, hyphens and underscores"],
    ),
    (
        "server: {domain: 'https://s3.example.com'}",
        &["server.domain: is a name such as s3.example.com, without scheme, port or `*`"],
    ),
    (
        "server: {log_level: debug}",
        &["server.log_level: this key is called logging.level here"],
    ),
    (
        "server: {max_concurrent_requests: 10}",
        &[
            "server.max_concurrent_requests: is not built yet: limits on requests in flight do not exist yet (server.max_connections does)",
        ],
    ),
    (
        "server: {tls: {cert_file: /c.pem}}",
        &["server.tls.key_file: is required beside cert_file"],
    ),
    (
        "server: {tls: {min_version: '1.3'}}",
        &["server.tls: is not switched on: cert_file and key_file are missing"],
    ),
    (
        "server: {tls: {min_version: 1.3}}",
        &[
            "server.tls.min_version: it is one word; write numbers in quotes",
            "server.tls: is not switched on: cert_file and key_file are missing",
        ],
    ),
    (
        "server: {tls: {cert_file: /none/c.pem, key_file: /none/k.pem}}",
        &["server.tls.cert_file: certificate /none/c.pem: No such file or directory (os error 2)"],
    ),
    (
        "data_dir: data",
        &["data_dir: \"data\" is wrong: it is an absolute path"],
    ),
    ("data_dir: /srv/../etc", &["data_dir: must not contain `..`"]),
    (
        "data_dir: /srv/holdfast/meta",
        &["backends[0].path: overlaps with the folder of data_dir; each needs one of its own"],
    ),
    (
        "node_name: 'a b'",
        &[
            "node_name: is not a valid node name: it consists of letters, digits, dots, hyphens and underscores",
        ],
    ),
    (
        "node_name: 7",
        &["node_name: it is text; write numbers and words such as `true` in quotes"],
    ),
    (
        "logging: {level: loud}",
        &["logging.level: \"loud\" is wrong: it is one of trace, debug, info, warn, error"],
    ),
    (
        "metrics: {path: metrics}",
        &["metrics.path: begins with a slash and names something, as in /metrics"],
    ),
    (
        "metrics: {path: /health/x}",
        &["metrics.path: is a path of the health checks"],
    ),
    (
        "metrics: {path: '/a?b'}",
        &["metrics.path: consists of letters, digits and -_.~ between single slashes"],
    ),
    (
        "metrics: {path: /a}\ntelemetry: {metrics: {path: /a}}",
        &["telemetry.metrics.path: means the same as metrics.path; give one of them"],
    ),
    (
        "metrics: {address: ':9000'}",
        &[
            "metrics.address: is the address of the S3 listener, 0.0.0.0:9000; leave it out to serve metrics there",
        ],
    ),
    (
        "metrics: {address: ':9001', listen: ':9002'}",
        &["metrics.listen: means the same as metrics.address; give one of them"],
    ),
    (
        "encryption: {enabled: true}",
        &["encryption.enabled: is true, but there is no master_key_file and no master_key"],
    ),
    (
        "encryption: {master_key: 'nALxelU+yBTZYKsng+5LkTb9CLJvxR104EmaM4fWXAE='}",
        &["encryption.enabled: must be given, true or false, beside a master key"],
    ),
    (
        "encryption: {enabled: true, master_key: 'c2hvcnQ='}",
        &["encryption.master_key: the inline master key is not the base64 of 32 bytes"],
    ),
    (
        "encryption: {enabled: true, master_key: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='}",
        &[
            "encryption.master_key: the inline master key: all bytes of the key are equal (an unset or zeroed key?)",
        ],
    ),
    (
        "encryption: {chunk_size: 65537}",
        &["encryption.chunk_size: is a power of two, such as 64KiB"],
    ),
    (
        "encryption: {chunk_size: 2MiB}",
        &["encryption.chunk_size: \"2MiB\" is wrong: it lies between 4KiB and 1MiB"],
    ),
    (
        "garbage: {min_age: 2h, max_age: 1h}",
        &["garbage.min_age: is longer than garbage.max_age"],
    ),
    (
        "replication: {factor: 0}",
        &["replication.factor: 0 is wrong: it lies between 1 and 16"],
    ),
    (
        "redis: {address: 'localhost:6379'}",
        &["redis: Holdfast needs no Redis: nodes share what they know among themselves. Remove this section"],
    ),
    (
        "cluster: {name: c}",
        &[
            "cluster: is not built yet: several nodes are not built yet; leave the section out for a cluster of one",
        ],
    ),
    (
        "routing_strategy: random",
        &["routing_strategy: \"random\" is wrong: it is one of pack, spread"],
    ),
    (
        "server: {listen_addr: '${NOWHERE}'}",
        &["server.listen_addr: the environment variable NOWHERE is not set"],
    ),
    (
        "server: {listen_addr: '${UI_ADMIN_SECRET}'}",
        &["server.listen_addr: the value of \"${UI_ADMIN_SECRET}\" is wrong: it needs a port, such as :9000"],
    ),
];

#[test]
fn every_refusal_names_the_key_and_what_was_expected() {
    for (yaml, expected) in REFUSED {
        assert_eq!(problems_beside_minimal(yaml), *expected, "{yaml}");
    }
}

const REFUSED_BACKENDS: &[(&str, &[&str])] = &[
    ("", &["backends: is required"]),
    ("backends:", &["backends: is required"]),
    (
        "backends: []",
        &["backends: names no backend; at least one is needed"],
    ),
    (
        "backends: {name: a}",
        &["backends: it is a list of sections, each beginning with `-`"],
    ),
    (
        "backends: [a]",
        &["backends[0]: it is a section with keys of its own"],
    ),
    ("backends: [{path: /a}]", &["backends[0].name: is required"]),
    (
        "backends: [{name: a}]",
        &["backends[0].type: is required; for a directory it is fs"],
    ),
    (
        "backends: [{name: a, type: ftp}]",
        &["backends[0].type: \"ftp\" is wrong: it is one of fs, s3, memory"],
    ),
    (
        "backends: [{name: a, type: fs}]",
        &["backends[0].path: is required for a backend of type fs"],
    ),
    (
        "backends: [{name: a, path: a}]",
        &["backends[0].path: \"a\" is wrong: it is an absolute path"],
    ),
    (
        "backends: [{name: a, path: /}]",
        &["backends[0].path: is the root of the file system"],
    ),
    (
        "backends: [{name: a, path: /a/../b}]",
        &["backends[0].path: must not contain `..`"],
    ),
    (
        "backends: [{name: a, path: /a, endpoint: 'https://x', type: fs}]",
        &["backends[0].endpoint: belongs to a backend of type s3"],
    ),
    (
        "backends: [{name: a, type: memory, path: /a}]",
        &["backends[0].path: belongs to a backend of type fs"],
    ),
    (
        "backends: [{name: a, path: /a}, {name: a, path: /b}]",
        &["backends[1].name: is the name of another backend already"],
    ),
    (
        "backends: [{name: a, path: /a/b}, {name: b, path: /a}]",
        &["backends[1].path: overlaps with the folder of backends[0].path; each needs one of its own"],
    ),
    (
        "backends: [{name: '', path: /a}]",
        &["backends[0].name: \"\" is wrong: it is empty"],
    ),
];

#[test]
fn every_broken_backend_is_refused() {
    for (yaml, expected) in REFUSED_BACKENDS {
        assert_eq!(problems(yaml), *expected, "{yaml}");
    }
}

#[test]
fn problems_of_every_kind_come_out_at_once() {
    let yaml = "
server: {listen_addr: nowhere, shutdown_delay: soon, tsl: {}}
data_dir: relative
node_name: '?'
buckets: [{name: UPPER}, {name: health}]
users: [{access_key: k, secret_key: short, allowed_buckets: ['a*']}]
backends: [{name: disk}]
encryption: {enabled: true}
replication: {factor: 3}
database: {driver: sqlite}
garbage: {min_age: '${NONE}'}
";
    let found = problems(yaml);
    let paths: Vec<_> = found
        .iter()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "server.tsl",
            "server.listen_addr",
            "server.shutdown_delay",
            "data_dir",
            "replication.factor",
            "garbage.min_age",
            "database",
            "node_name",
            "buckets[0].name",
            "buckets[1].name",
            "users[0].allowed_buckets[0]",
            "users[0].secret_access_key",
            "backends[0].type",
            "encryption.enabled",
        ],
        "{found:#?}"
    );
}

#[test]
fn a_problem_of_an_overlay_says_so() {
    let problems = Loader::new()
        .text("base.yaml", MINIMAL)
        .text("overlay.yaml", "server: {shutdown_delay: soon}")
        .load()
        .unwrap_err()
        .to_string();
    assert!(
        problems.starts_with("server.shutdown_delay: ") && problems.ends_with("(in overlay.yaml)"),
        "{problems}"
    );
}

#[test]
fn a_key_file_that_cannot_be_used_stops_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = key_file(folder.path());
    let yaml = format!(
        "encryption: {{enabled: true, master_key_file: {}}}",
        path.display()
    );
    assert_eq!(problems_beside_minimal(&yaml), [""; 0]);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = problems_beside_minimal(&yaml);
    assert!(
        found[0].starts_with("encryption.master_key_file: ") && found[0].contains("0644"),
        "{found:?}"
    );

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "not a key").unwrap();
    assert!(problems_beside_minimal(&yaml)[0].starts_with("encryption.master_key_file: "));

    std::fs::remove_file(&path).unwrap();
    assert_eq!(problems_beside_minimal(&yaml).len(), 1);

    let both = format!(
        "encryption: {{enabled: true, master_key_file: {}, master_key: {MASTER_KEY:?}}}",
        path.display()
    );
    assert!(
        problems_beside_minimal(&both)
            .iter()
            .any(|line| line.contains("stands beside master_key_file"))
    );
}
