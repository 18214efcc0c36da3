//! `logging`, `metrics`, `telemetry`.

use super::{Form, Key};

pub(super) const LOGGING: &[Key] = &[
    Key::new(
        "level",
        Form::Choice(&["trace", "debug", "info", "warn", "error"]),
        "Least severe lines that are written. One line per request is `info`.",
    )
    .default("info")
    .local()
    .live(),
    Key::new(
        "format",
        Form::Choice(&["json", "text"]),
        "`json`: one object per line. `text`: for people.",
    )
    .default("json")
    .local(),
];

pub(super) const METRICS: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether metrics are served.")
        .default("true")
        .local(),
    Key::new(
        "address",
        Form::Address,
        "A listener of its own for metrics and health, without TLS. Without it they are on the S3 listener.",
    )
    .aliases(&["listen"])
    .local(),
    Key::new("path", Form::Text, "Path of the metrics.")
        .default("/metrics")
        .local(),
];

pub(super) const TELEMETRY: &[Key] = &[
    Key::new(
        "metrics",
        Form::Section(METRICS_AGAIN),
        "Prometheus metrics. The same as `metrics`; a key may be given in one of the two places.",
    ),
    Key::new("tracing", Form::Section(TRACING), "Traces by OTLP.")
        .local()
        .no_effect("spans are not exported yet"),
];

const METRICS_AGAIN: &[Key] = &[
    Key::new("enabled", Form::Flag, "As `metrics.enabled`.").local(),
    Key::new("listen", Form::Address, "As `metrics.address`.")
        .aliases(&["address"])
        .local(),
    Key::new("path", Form::Text, "As `metrics.path`.").local(),
];

const TRACING: &[Key] = &[
    Key::new("enabled", Form::Flag, "Whether spans are exported.").local(),
    Key::new("endpoint", Form::Text, "Collector, `host:port`.").local(),
    Key::new("insecure", Form::Flag, "Without TLS.").local(),
    Key::new("sample_rate", Form::Ratio, "Share of requests that are traced.").local(),
];
