//! No secret leaves a configuration by any way but [`Secret::expose`].

use super::*;

const WITH_SECRETS: &str = "
backends: [{name: disk, path: /srv/holdfast}]
buckets:
  - name: photos
    credentials: [{access_key_id: one, secret_access_key: canary-one-secret}]
users:
  - {access_key: two, secret_key: '${BUCKET_SECRET_KEY}', allowed_buckets: ['*']}
encryption: {enabled: true, master_key: 'nALxelU+yBTZYKsng+5LkTb9CLJvxR104EmaM4fWXAE='}
ui: {enabled: true, admin_key: canary-admin-key, admin_secret: canary-admin-secret, session_secret: canary-session}
";

fn assert_clean(what: &str, text: &str) {
    for canary in ["canary", "nALxelU", "9c02f17a", "156, 2, 241"] {
        assert!(!text.contains(canary), "{what} shows {canary}: {text}");
    }
}

#[test]
fn neither_debug_output_nor_the_printed_configuration_shows_a_secret() {
    let loaded = load(WITH_SECRETS).unwrap();
    assert_clean("Debug", &format!("{loaded:?} {:#?}", loaded.config));
    assert_clean("print", &loaded.effective.to_string());
    assert_clean("warnings", &format!("{:?}", loaded.warnings));
    let source = loaded.config.node.master_key.unwrap();
    assert_clean("master key", &format!("{source:?} {:?}", source.provider()));
}

#[test]
fn no_problem_repeats_a_secret() {
    let broken = [
        "users: [{access_key: two, secret_key: canary, allowed_buckets: ['*']}]",
        "users: [{access_key: two, secret_key: [canary-list], allowed_buckets: ['*']}]",
        "users: [{access_key: two, secret_key: {canary-key: canary-value}, allowed_buckets: ['*']}]",
        "users: [{access_key: two, secret_key: '  canary-padded  ', allowed_buckets: ['*']}]",
        "users: [{access_key: two, secret_key: 'canary-${NONE}', allowed_buckets: ['*']}]",
        "encryption: {enabled: true, master_key: canary-not-base64}",
        "server: {listen_addr: '${BUCKET_SECRET_KEY}'}",
        "node_name: '${BUCKET_SECRET_KEY} '",
    ];
    for yaml in broken {
        let found = problems_beside_minimal(yaml);
        assert!(!found.is_empty(), "{yaml}");
        assert_clean(yaml, &found.join("\n"));
    }
}
