//! `garbage`, `sessions`, `uploads`: the times of the work that goes on behind requests. Tests shrink
//! them; nobody else has a reason to.

use super::{Form, Key, POSITIVE_TIME, hours, millis, seconds};

pub(super) const GARBAGE: &[Key] = &[
    Key::new("min_age", Form::Time(seconds(0), hours(24)), "Shortest time between the death of bytes and their deletion.")
        .default("5m"),
    Key::new("max_age", Form::Time(millis(1), hours(24 * 30)), "Time after which dead bytes are deleted even though a read that began before still runs; that read goes on from what is left or fails.")
        .default("24h"),
    Key::new("interval", Form::Time(millis(10), hours(1)), "How often the jobs that delete look for work.")
        .default("10s"),
];

pub(super) const SESSIONS: &[Key] = &[
    Key::new(
        "silent_after",
        POSITIVE_TIME,
        "Silence after which a node's session is sealed, so that what it left behind can be swept.",
    )
    .default("1h")
    .no_effect("a cluster of one has no other node that could give up on it"),
    Key::new(
        "epoch_max_age",
        POSITIVE_TIME,
        "Age at which a node goes on to a new epoch, the key prefix under which it writes.",
    )
    .default("24h"),
    Key::new(
        "epoch_max_attempts",
        Form::Count(1, 10_000_000),
        "Writes after which a node goes on to a new epoch.",
    )
    .default("100000"),
    Key::new(
        "epoch_close_timeout",
        POSITIVE_TIME,
        "Time after which a closing epoch is sealed although uploads under it still run.",
    )
    .default("168h"),
    Key::new(
        "second_sweep_after",
        POSITIVE_TIME,
        "Time between the two sweeps of a sealed epoch; the second finds writes that arrived late.",
    )
    .default("24h"),
];

pub(super) const UPLOADS: &[Key] = &[Key::new(
    "completed_retention",
    POSITIVE_TIME,
    "How long a completed upload is remembered, so that a repeated Complete gets the same answer. Of uploads that are completed from then on.",
)
.default("24h")];
