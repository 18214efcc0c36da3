//! `backends`, `encryption`, `replication`: where bytes lie, and in what form.

use super::{ANY_COUNT, ANY_SIZE, Form, Key, POSITIVE_TIME};

const QUOTAS: &str = "quotas and budgets are not enforced yet";
const S3_ONLY: &str = "belongs to a backend of type s3, which is refused until it is built";
const ONE_COPY: &str = "an object has one copy; copies on several backends are not built yet";

pub(super) const BACKEND: &[Key] = &[
    Key::new("name", Form::Text, "Name of the backend, unique; objects remember it, so it never changes.").required(),
    Key::new("type", Form::Choice(&["fs", "s3", "memory"]), "`fs` is a directory. `memory` keeps nothing beyond the process, for tests. `s3` is refused until it is built. A backend with an `endpoint` is `s3`, one with a `path` is `fs`."),
    Key::new("path", Form::Path, "The directory of an `fs` backend. It must exist: one that is missing may be a disk that is not mounted."),
    Key::new("shared", Form::Flag, "Whether every node sees the same directory under `path`. Only a cluster of one may use one that is not.")
        .default("false"),
    Key::new("endpoint", Form::Text, "URL of the provider.").goes_with(S3_ONLY),
    Key::new("region", Form::Text, "Region of the provider.").goes_with(S3_ONLY),
    Key::new("bucket", Form::Text, "Bucket at the provider.").goes_with(S3_ONLY),
    Key::new("access_key_id", Form::Text, "Access key at the provider.").goes_with(S3_ONLY),
    Key::new("secret_access_key", Form::Secret, "Secret at the provider.").local().goes_with(S3_ONLY),
    Key::new("force_path_style", Form::Flag, "Path-style requests to the provider.").goes_with(S3_ONLY),
    Key::new("unsigned_payload", Form::Flag, "Bodies to the provider are not hashed.").goes_with(S3_ONLY),
    Key::new("disable_checksum", Form::Flag, "No checksum headers to the provider.").goes_with(S3_ONLY),
    Key::new("strip_sdk_headers", Form::Flag, "No SDK headers to the provider.").goes_with(S3_ONLY),
    Key::new("prefix", Form::Text, "Prefix of every key on the backend.").goes_with(S3_ONLY),
    Key::new("domain", Form::Text, "Failure domain of the backend.").not_built(&[], ONE_COPY),
    Key::new("quota_bytes", ANY_SIZE, "Most bytes on the backend, 0 for no limit.").not_built(&["0"], QUOTAS),
    Key::new("api_request_limit", ANY_COUNT, "Most requests in a month, 0 for no limit.").not_built(&["0"], QUOTAS),
    Key::new("egress_byte_limit", ANY_SIZE, "Most bytes read in a month, 0 for no limit.").not_built(&["0"], QUOTAS),
    Key::new("ingress_byte_limit", ANY_SIZE, "Most bytes written in a month, 0 for no limit.").not_built(&["0"], QUOTAS),
];

pub(super) const ENCRYPTION: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether bodies and footers are encrypted before they leave the node. Must be said once a key is configured.")
        .default("false"),
    Key::new("master_key", Form::Secret, "The master key: base64 of 32 random bytes (`openssl rand -base64 32`).").local(),
    Key::new("master_key_file", Form::Path, "File with the master key, 32 raw bytes or their base64; refused when others may read it.")
        .local(),
    Key::new("chunk_size", Form::Size(1 << 12, 1 << 20), "Bytes that are sealed together, a power of two. A range read fetches whole chunks.")
        .default("64KiB"),
    Key::new("previous_keys", Form::Any, "Earlier master keys.").not_built(&[], "master keys cannot be rotated yet"),
    Key::new("vault", Form::Any, "A master key held by Vault Transit.").not_built(&[], "Vault is not built yet; use master_key_file"),
];

pub(super) const REPLICATION: &[Key] = &[
    Key::new(
        "factor",
        Form::Count(1, 16),
        "Copies of every object, each on another backend.",
    )
    .default("1")
    .not_built(&["1"], ONE_COPY),
    Key::new(
        "write_copies",
        Form::Count(1, 16),
        "Copies that are verified before a write is acknowledged.",
    )
    .not_built(&["1"], ONE_COPY),
    Key::new(
        "write_copies_strict",
        Form::Flag,
        "Refuse a write when fewer backends are usable.",
    )
    .not_built(&["false"], ONE_COPY),
    Key::new(
        "worker_interval",
        POSITIVE_TIME,
        "How often all objects are checked for missing copies.",
    )
    .no_effect(ONE_COPY),
    Key::new("batch_size", ANY_COUNT, "Copies made at a time.").no_effect(ONE_COPY),
    Key::new("concurrency", ANY_COUNT, "Copies made at a time.").no_effect(ONE_COPY),
    Key::new(
        "unhealthy_threshold",
        POSITIVE_TIME,
        "How long a backend may be away before its copies are made anew.",
    )
    .no_effect(ONE_COPY),
];
