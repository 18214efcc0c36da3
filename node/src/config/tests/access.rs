//! Buckets, users and keys.

use super::*;

const REFUSED: &[(&str, &[&str])] = &[
    (
        "buckets: [{name: Photos}]",
        &[
            "buckets[0].name: is not a valid bucket name: it consists of lower-case letters, digits, dots and hyphens",
        ],
    ),
    ("buckets: [{credentials: []}]", &["buckets[0].name: is required"]),
    (
        "buckets: [{name: one}, {name: one}]",
        &["buckets[1].name: is the name of another bucket already"],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: a}]}]",
        &["buckets[0].credentials[0].secret_access_key: is required"],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: 12345, secret_access_key: secret-1}]}]",
        &[
            "buckets[0].credentials[0].access_key_id: it is text; write numbers and words such as `true` in quotes",
        ],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: 'a/b', secret_access_key: secret-1}]}]",
        &["buckets[0].credentials[0].access_key_id: consists of visible ASCII without / , = &"],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: a, secret_access_key: ' padded secret'}]}]",
        &["buckets[0].credentials[0].secret_access_key: begins or ends with white space"],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: a, secret_access_key: tiny}]}]",
        &[
            "buckets[0].credentials[0].secret_access_key: has fewer than 8 bytes; `openssl rand -base64 30` makes a good one",
        ],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: minioadmin, secret_access_key: minioadmin}]}]",
        &[
            "buckets[0].credentials[0].secret_access_key: is a pair that other programs ship with; draw your own",
        ],
    ),
    (
        "buckets: [{name: one, credentials: [{token: xxxxxxxxxx}]}]",
        &[
            "buckets[0].credentials[0].access_key_id: is required",
            "buckets[0].credentials[0].secret_access_key: is required",
            "buckets[0].credentials[0].token: is not built yet: requests are authenticated by signatures only",
        ],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: a, secret_access_key: secret-1}]}]\n\
         users: [{access_key: a, secret_key: secret-2, allowed_buckets: ['*']}]",
        &["users[0].access_key_id: is used already, at buckets[0].credentials[0].access_key_id"],
    ),
    (
        "users: [{access_key: a, access_key_id: a, secret_key: secret-1, allowed_buckets: ['*']}]",
        &["users[0].access_key: means the same as users[0].access_key_id; give one of them"],
    ),
    (
        "users: [{access_key: a, secret_key: secret-1}]",
        &["users[0].allowed_buckets: names no bucket (`*` stands for all), and the user may not create one"],
    ),
    (
        "users: [{access_key: a, secret_key: secret-1, allowed_buckets: '*'}]",
        &["users[0].allowed_buckets: \"*\" is wrong: it is a list of texts"],
    ),
    (
        "users: [{access_key: a, secret_key: secret-1, allowed_buckets: [team-*, x_y]}]",
        &[
            "users[0].allowed_buckets[0]: is a pattern; only `*` alone stands for more than one bucket",
            "users[0].allowed_buckets[1]: is not a valid bucket name: it consists of lower-case letters, digits, dots and hyphens",
        ],
    ),
    (
        "users: [{name: operator, access_key: a, secret_key: secret-1, allowed_buckets: ['*']}]",
        &["users[0].name: is reserved: the buckets of the configuration belong to it"],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: operator, secret_access_key: secret-1}]}]",
        &[
            "buckets[0].credentials[0].access_key_id: is reserved: the buckets of the configuration belong to it",
        ],
    ),
    (
        "buckets: [{name: one, credentials: [{access_key_id: k, secret_access_key: secret-1}]}]\n\
         users: [{name: k, access_key: a, secret_key: secret-2, allowed_buckets: ['*']}]",
        &[
            "users[0].name: is the access key at buckets[0].credentials[0].access_key_id, which would own what this user owns",
        ],
    ),
    (
        "users: [{name: u, access_key: a, secret_key: secret-1, allowed_buckets: ['*']}, {name: u, access_key: b, secret_key: secret-2, allowed_buckets: ['*']}]",
        &["users[1].name: is the name of another user already, at users[0].name"],
    ),
    (
        "users: [{name: b, access_key: a, secret_key: secret-1, allowed_buckets: ['*']}, {access_key: b, secret_key: secret-2, allowed_buckets: ['*']}]",
        &["users[1].access_key_id: is the name of another user already, at users[0].name"],
    ),
];

#[test]
fn every_broken_user_and_bucket_is_refused() {
    for (yaml, expected) in REFUSED {
        assert_eq!(problems_beside_minimal(yaml), *expected, "{yaml}");
    }
}

#[test]
fn names_that_the_listener_answers_itself_are_reserved_while_it_is_shared() {
    let wrong = |extra: &str, bucket: &str| {
        problems_beside_minimal(&format!("{extra}\nbuckets: [{{name: {bucket}}}]"))
            .iter()
            .any(|p| p.contains("answers itself"))
    };
    for name in ["health", "metrics", "admin"] {
        assert!(wrong("", name), "{name}");
    }
    assert!(wrong("metrics: {path: /stats/prom}", "stats"));
    assert!(!wrong("", "stats"));
    assert!(!wrong("metrics: {address: ':9090', path: /stats}", "stats"));
    assert!(!wrong("", "healthy"));
    let names = minimal("telemetry: {metrics: {path: /stats/prom}}")
        .config
        .node
        .reserved_bucket_names();
    assert_eq!(names, ["health", "admin", "ui", "stats"]);
}

#[test]
fn allowed_buckets_are_compared_without_regard_to_case() {
    let loaded = minimal("users: [{access_key: a, secret_key: secret-1, allowed_buckets: [Bucket-Alpha]}]");
    let AllowedBuckets::Named(names) = &loaded.config.cluster.users[0].allowed else {
        panic!()
    };
    assert_eq!(names[0].as_str(), "bucket-alpha");
}

#[test]
fn creating_buckets_is_for_users_of_all_buckets_unless_said_otherwise() {
    let creation = |extra: &str| {
        let loaded = minimal(&format!(
            "users: [{{access_key: a, secret_key: secret-1, {extra}}}]"
        ));
        loaded.config.cluster.users[0].creation
    };
    assert_eq!(creation("allowed_buckets: ['*']"), BucketCreation::Allowed);
    assert_eq!(
        creation("allowed_buckets: ['*'], create_buckets: false"),
        BucketCreation::Denied
    );
    assert_eq!(creation("allowed_buckets: [one]"), BucketCreation::Denied);
    assert_eq!(
        creation("allowed_buckets: [one], create_buckets: true"),
        BucketCreation::Allowed
    );
    assert_eq!(creation("create_buckets: true"), BucketCreation::Allowed);
}

#[test]
fn a_configuration_that_lets_nobody_in_says_so() {
    assert_eq!(
        warnings(MINIMAL),
        ["users: nobody can sign a request: there is neither a user nor a key of a bucket"]
    );
}
