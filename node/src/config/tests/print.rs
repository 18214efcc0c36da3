//! `config print`: the configuration as it takes effect.

use super::*;

const WHOLE: &str = "
server:
  listen_addr: ':9000'
  domain: S3.Example.com
  region: eu-west-1
  max_object_size: 256MB
  shutdown_delay: 90s
buckets:
  - name: photos
    credentials:
      - access_key_id: AKIDPHOTOS
        secret_access_key: canary-photos-secret
users:
  - name: 'team: red'
    access_key: '0123'
    secret_key: ${BUCKET_SECRET_KEY}
    allowed_buckets: ['*', 'yes']
  - access_key_id: plain
    secret_access_key: another-secret$$
    create_buckets: true
backends:
  - {name: disk, path: /srv/holdfast, shared: true}
usage_flush: {adaptive_threshold: 0.8}
";

const PRINTED: &str = r#"server:
  listen_addr: ":9000"
  region: eu-west-1
  domain: S3.Example.com
  max_object_size: 256MiB
  backend_timeout: 30s
  read_timeout: 1m
  write_timeout: 1m
  idle_timeout: 2m
  read_header_timeout: 10s
  max_header_bytes: 64KiB
  max_connections: 4096
  shutdown_delay: 1m30s
  drain_timeout: 20s
  root_health: false
data_dir: /var/lib/holdfast
node_name: node-1
buckets:
  - name: photos
    credentials:
      - access_key_id: AKIDPHOTOS
        secret_access_key: "<secret>"
users:
  - name: "team: red"
    access_key_id: "0123"
    secret_access_key: "<secret>"
    allowed_buckets: ["*", "yes"]
  - access_key_id: plain
    secret_access_key: "<secret>"
    create_buckets: true
backends:
  - name: disk
    path: /srv/holdfast
    shared: true
routing_strategy: pack
encryption:
  enabled: false
  chunk_size: 64KiB
replication:
  factor: 1
garbage:
  min_age: 5m
  max_age: 24h
  interval: 10s
sessions:
  epoch_max_age: 24h
  epoch_max_attempts: 100000
  epoch_close_timeout: 168h
  second_sweep_after: 24h
uploads:
  completed_retention: 24h
logging:
  level: info
  format: json
metrics:
  enabled: true
  path: /metrics
usage_flush:
  adaptive_threshold: 0.8
"#;

#[test]
fn what_is_printed_has_every_default_and_no_secret() {
    // `S3.Example.com` is a valid name; the rest of the file is there to be quoted, or not.
    assert_eq!(load(WHOLE).unwrap().effective.to_string(), PRINTED);
}

#[test]
fn what_is_printed_can_be_read_again_and_means_the_same_but_for_the_secrets() {
    let first = load(WHOLE).unwrap();
    let printed = first.effective.to_string();
    let second = load(&printed).unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
    let changed: Vec<_> = first
        .effective
        .differences(&second.effective)
        .into_iter()
        .map(|difference| difference.path)
        .collect();
    assert_eq!(changed, ["buckets", "users"]);
    assert_eq!(second.effective.to_string().len(), PRINTED.len());
}

#[test]
fn what_goes_with_another_key_is_printed_beside_it_and_not_without() {
    let folder = tempfile::tempdir().unwrap();
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    private(&key);
    let tls = format!(
        "server: {{tls: {{cert_file: {}, key_file: {}}}}}",
        cert.display(),
        key.display()
    );
    let printed = minimal(&tls).effective.to_string();
    assert!(
        printed.contains("    min_version: \"1.2\"\n    http2: false\n"),
        "{printed}"
    );
    let printed = load(MINIMAL).unwrap().effective.to_string();
    assert!(!printed.contains("min_version"), "{printed}");
}

#[test]
fn differences_name_the_key_and_when_it_takes_effect() {
    let changed = |old: &str, new: &str| minimal(old).effective.differences(&minimal(new).effective);
    assert!(changed("", "").is_empty());
    assert!(changed("", "garbage: {min_age: 300s}").is_empty());
    assert_eq!(
        changed("", "logging: {level: debug, format: text}\nnode_name: x"),
        [
            Difference {
                path: "node_name".to_owned(),
                takes_effect: TakesEffect::AtRestart
            },
            Difference {
                path: "logging.level".to_owned(),
                takes_effect: TakesEffect::Now
            },
            Difference {
                path: "logging.format".to_owned(),
                takes_effect: TakesEffect::AtRestart
            },
        ]
    );
    let user =
        |secret: &str| format!("users: [{{access_key: a, secret_key: {secret}, allowed_buckets: ['*']}}]");
    assert_eq!(
        changed(&user("secret-1"), &user("secret-2")),
        [Difference {
            path: "users".to_owned(),
            takes_effect: TakesEffect::Now
        }]
    );
}
