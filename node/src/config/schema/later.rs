//! Sections whose feature does not exist yet, and those that never will.

use super::{ANY_COUNT, ANY_SIZE, ANY_TIME, Form, Key, POSITIVE_TIME};

pub(super) const CLUSTER: Key = Key::new("cluster", Form::Any, "Peers of this node.")
    .local()
    .not_built(
        &[],
        "several nodes are not built yet; leave the section out for a cluster of one",
    );

pub(super) const RATE_LIMIT: Key = Key::new(
    "rate_limit",
    Form::Section(RATE_LIMIT_KEYS),
    "Requests per second and client.",
);

const NO_RATE_LIMIT: &str = "requests are not limited yet";

const RATE_LIMIT_KEYS: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether requests are limited.").not_built(&["false"], NO_RATE_LIMIT),
    Key::new("requests_per_sec", Form::Any, "Requests per second.").no_effect(NO_RATE_LIMIT),
    Key::new("burst", ANY_COUNT, "Requests at once.").no_effect(NO_RATE_LIMIT),
    Key::new(
        "trusted_proxies",
        Form::Texts,
        "Networks whose X-Forwarded-For is believed.",
    )
    .no_effect(NO_RATE_LIMIT),
    Key::new(
        "scope",
        Form::Choice(&["node", "cluster"]),
        "What the limits count over.",
    )
    .no_effect(NO_RATE_LIMIT),
    Key::new(
        "cleanup_interval",
        ANY_TIME,
        "How often idle clients are forgotten.",
    )
    .no_effect(NO_RATE_LIMIT),
    Key::new("cleanup_max_age", ANY_TIME, "When an idle client is forgotten.").no_effect(NO_RATE_LIMIT),
];

pub(super) const CIRCUIT_BREAKER: Key = Key::new(
    "circuit_breaker",
    Form::Section(CIRCUIT_BREAKER_KEYS),
    "What happens while the metadata cannot be reached.",
);

const OWN_METADATA: &str = "the metadata lies in the node itself";

const CIRCUIT_BREAKER_KEYS: &[Key] = &[
    Key::new("failure_threshold", ANY_COUNT, "Failures in a row.").no_effect(OWN_METADATA),
    Key::new("open_timeout", ANY_TIME, "Time until the next try.").no_effect(OWN_METADATA),
    Key::new("cache_ttl", ANY_TIME, "How long a location is remembered.").no_effect(OWN_METADATA),
    Key::new("parallel_broadcast", Form::Flag, "Ask all backends at once.").no_effect(OWN_METADATA),
    Key::new("degraded_reads", Form::Flag, "Serve reads from a stale replica.")
        .not_built(&["false"], "reads without a quorum are not built yet"),
];

pub(super) const BACKEND_CIRCUIT_BREAKER: Key = Key::new(
    "backend_circuit_breaker",
    Form::Section(BACKEND_CIRCUIT_BREAKER_KEYS),
    "When a failing backend is left alone.",
)
.no_effect("backends are not put aside yet; every request tries its own");

const BACKEND_CIRCUIT_BREAKER_KEYS: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether failing backends are put aside."),
    Key::new("failure_threshold", ANY_COUNT, "Failures in a row."),
    Key::new("open_timeout", ANY_TIME, "Time until the next try."),
];

pub(super) const UI: Key = Key::new("ui", Form::Section(UI_KEYS), "The web interface.")
    .no_effect("there is no web interface yet; nothing answers under its path");

const UI_KEYS: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether it is served."),
    Key::new("path", Form::Text, "Its path."),
    Key::new("admin_key", Form::Secret, "Name to log in with.").local(),
    Key::new("admin_secret", Form::Secret, "Password, clear or bcrypt.").local(),
    Key::new("admin_token", Form::Secret, "Token of the admin interface.").local(),
    Key::new("session_secret", Form::Secret, "Signs session cookies.").local(),
    Key::new("force_secure_cookies", Form::Flag, "Cookies are always Secure."),
];

pub(super) const USAGE_FLUSH: Key = Key::new(
    "usage_flush",
    Form::Section(USAGE_FLUSH_KEYS),
    "How often usage is written down.",
)
.no_effect("usage is part of every commit; there is nothing to flush");

const USAGE_FLUSH_KEYS: &[Key] = &[
    Key::new("interval", POSITIVE_TIME, "Time between two flushes."),
    Key::new("adaptive_enabled", Form::Flag, "More often near a limit."),
    Key::new("adaptive_threshold", Form::Ratio, "What near means."),
    Key::new(
        "fast_interval",
        POSITIVE_TIME,
        "Time between two flushes near a limit.",
    ),
];

pub(super) const REBALANCE: Key = Key::new(
    "rebalance",
    Form::Section(REBALANCE_KEYS),
    "Moving objects between backends.",
);

const NO_REBALANCE: &str = "objects are not moved between backends yet";

const REBALANCE_KEYS: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether objects are moved.").not_built(&["false"], NO_REBALANCE),
    Key::new("strategy", Form::Choice(&["pack", "spread"]), "Where to.").no_effect(NO_REBALANCE),
    Key::new("interval", POSITIVE_TIME, "How often.").no_effect(NO_REBALANCE),
    Key::new("batch_size", ANY_COUNT, "Objects at a time.").no_effect(NO_REBALANCE),
    Key::new("threshold", Form::Ratio, "Imbalance from which on.").no_effect(NO_REBALANCE),
    Key::new("concurrency", ANY_COUNT, "Objects at a time.").no_effect(NO_REBALANCE),
];

pub(super) const CLEANUP_QUEUE: Key = Key::new(
    "cleanup_queue",
    Form::Section(CLEANUP_QUEUE_KEYS),
    "Deletions that wait.",
);

const CLEANUP_QUEUE_KEYS: &[Key] = &[
    Key::new("concurrency", ANY_COUNT, "Deletions at a time.").no_effect("deletions are batched by backend"),
    Key::new(
        "multipart_stale_timeout",
        POSITIVE_TIME,
        "Age at which an incomplete upload is aborted.",
    )
    .not_built(&[], "incomplete uploads are not aborted by age yet"),
];

pub(super) const INTEGRITY: Key = Key::new(
    "integrity",
    Form::Section(INTEGRITY_KEYS),
    "Checking stored bytes.",
);

const ALWAYS_VERIFIED: &str = "every byte is verified when it is written and when it is read, always";
const NO_SCRUB: &str = "stored bytes are not read again in the background yet";

const INTEGRITY_KEYS: &[Key] = &[
    Key::new(
        "enabled",
        Form::Flag,
        "Whether stored bytes are checked in the background.",
    )
    .not_built(&["false"], NO_SCRUB),
    Key::new("verify_on_read", Form::Flag, "Check when reading.").no_effect(ALWAYS_VERIFIED),
    Key::new("verify_on_replicate", Form::Flag, "Check when copying.").no_effect(ALWAYS_VERIFIED),
    Key::new("scrubber_interval", ANY_TIME, "Time between two rounds.").not_built(&["0s"], NO_SCRUB),
    Key::new("scrubber_batch_size", ANY_COUNT, "Objects in a round.").no_effect(NO_SCRUB),
];

pub(super) const CACHE: Key = Key::new("cache", Form::Section(CACHE_KEYS), "Objects kept in memory.")
    .no_effect("there is no cache of objects yet");

const CACHE_KEYS: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether objects are cached."),
    Key::new("max_size", ANY_SIZE, "Memory for all of them."),
    Key::new("max_object_size", ANY_SIZE, "Largest object that is cached."),
    Key::new("ttl", ANY_TIME, "How long one is kept."),
];

pub(super) const LIFECYCLE: Key =
    Key::new("lifecycle", Form::Any, "Objects that expire.").not_built(&[], "objects do not expire yet");

pub(super) const RECONCILE: Key = Key::new(
    "reconcile",
    Form::Section(RECONCILE_KEYS),
    "Comparing metadata and backends.",
);

const RECONCILE_KEYS: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether they are compared.")
        .not_built(&["false"], "metadata and backends are not compared yet"),
    Key::new("interval", POSITIVE_TIME, "How often.").no_effect("metadata and backends are not compared yet"),
];

pub(super) const NOTIFICATIONS: Key =
    Key::new("notifications", Form::Any, "Webhooks.").not_built(&[], "notifications are not sent yet");

pub(super) const SECURITY: Key = Key::new(
    "security",
    Form::Section(SECURITY_KEYS),
    "Checking what clients send.",
);

const STREAMED: &str = "bodies are always verified, while they stream and without being buffered";

const SECURITY_KEYS: &[Key] = &[
    Key::new(
        "verify_content_integrity",
        Form::Flag,
        "Check bodies against the hash that was signed.",
    )
    .no_effect(STREAMED),
    Key::new("max_verify_body_size", ANY_SIZE, "Largest body that is checked.").no_effect(STREAMED),
];

pub(super) const MASTER_CREDENTIALS: Key = Key::new(
    "master_credentials",
    Form::Any,
    "A provider account behind the gateway, all its buckets under their own names.",
)
.not_built(&[], "backends at S3 providers are not built yet");

pub(super) const BACKUP: Key =
    Key::new("backup", Form::Any, "Backups of the metadata.").not_built(&[], "backups are not made yet");

const NO_DATABASE: &str =
    "Holdfast needs no database: it keeps its metadata itself, in data_dir. Remove this section";

pub(super) const DATABASE: Key = Key::new("database", Form::Any, "An external database.").gone(NO_DATABASE);

pub(super) const REDIS: Key = Key::new("redis", Form::Any, "A shared cache of counters.")
    .gone("Holdfast needs no Redis: nodes share what they know among themselves. Remove this section");
