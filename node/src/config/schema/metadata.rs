//! `metadata`: when snapshots of the metadata are built and how much of their log is kept. Tests shrink
//! them; nobody else has a reason to.

use super::{Form, Key, hours, millis};

/// A snapshot after every entry would still be a node that works.
const ENTRIES: Form = Form::Count(1, u64::MAX);
const BYTES: Form = Form::Size(1, u64::MAX);

pub(super) const METADATA: &[Key] = &[
    Key::new(
        "snapshot_entries",
        ENTRIES,
        "Log entries after which another snapshot is built.",
    )
    .default("200000")
    .local(),
    Key::new(
        "snapshot_size",
        BYTES,
        "Bytes of log after which another snapshot is built.",
    )
    .default("256MiB")
    .local(),
    Key::new(
        "snapshot_interval",
        Form::Time(millis(1), hours(24)),
        "Shortest time between two snapshots.",
    )
    .default("60s")
    .local(),
    Key::new(
        "log_entries",
        ENTRIES,
        "Log entries that are kept although a snapshot holds them, so that a node that was away catches up without one.",
    )
    .default("1000000")
    .local(),
    Key::new(
        "log_size",
        BYTES,
        "Bytes of log that are kept for that at most.",
    )
    .default("1GiB")
    .local(),
    Key::new(
        "check_interval",
        Form::Time(millis(1), hours(1)),
        "How often these limits are looked at.",
    )
    .default("1s")
    .local(),
];
