//! `server`: the S3 listener.

use super::{ANY_COUNT, ANY_TIME, Form, Key, POSITIVE_TIME, hours, seconds};

const BESIDE_FILES: &str = "counts beside cert_file and key_file, and is refused without them";

const ADMISSION: &str = "limits on requests in flight do not exist yet (server.max_connections does)";

pub(super) const SERVER: &[Key] = &[
    Key::new("listen_addr", Form::Address, "Where S3 is served; `:9000` listens on every interface.")
        .default("0.0.0.0:9000")
        .local(),
    Key::new("region", Form::Text, "The region that signatures must name and that is answered. Without it any region is accepted and `us-east-1` answered."),
    Key::new("domain", Form::Text, "Domain for virtual-hosted requests (`bucket.DOMAIN`). Path-style requests work with and without it."),
    Key::new("max_object_size", Form::Size(1, 5 << 30), "Most bytes of one PUT or one part. Objects of several parts may be larger.")
        .default("5GiB"),
    Key::new("backend_timeout", Form::Time(seconds(1), hours(1)), "Longest time that a request to a backend may go without progress, such as a disk that hangs; it fails then. It bounds stalls, never a whole body.")
        .default("30s"),
    Key::new("read_timeout", POSITIVE_TIME, "Longest time without a byte from a client that is sending a body, and with less than 256 bytes per second on average. It bounds stalls, never a whole body.")
        .default("60s")
        .local(),
    Key::new("write_timeout", POSITIVE_TIME, "Longest time in which a client takes no byte of its answer. It bounds stalls, never a whole body.")
        .default("60s")
        .local(),
    Key::new("idle_timeout", POSITIVE_TIME, "Longest time between two requests of one connection. Longer than that of a proxy in front.")
        .default("120s")
        .local(),
    Key::new("read_header_timeout", POSITIVE_TIME, "Longest time from the first byte of a request's head to its last.")
        .default("10s")
        .local(),
    Key::new("max_header_bytes", Form::Size(8 << 10, 2 << 20), "Largest head of a request; larger ones are answered 431.")
        .default("64KiB")
        .local(),
    Key::new("max_connections", Form::Count(1, 1_000_000), "Most connections at a time. Further ones wait until one ends.")
        .default("4096")
        .local(),
    Key::new("shutdown_delay", ANY_TIME, "How long serving goes on after SIGTERM, with `/health/ready` already at 503, so that balancers look elsewhere.")
        .default("0s")
        .local(),
    Key::new("drain_timeout", ANY_TIME, "How long running requests may take to finish after `shutdown_delay`.")
        .default("20s")
        .local(),
    Key::new("root_health", Form::Flag, "Answer an unsigned `GET /` with 200 instead of an error, for health checks that can ask nothing else.")
        .default("false")
        .local(),
    Key::new("tls", Form::Section(TLS), "TLS on the S3 listener. Both files are read again at a reload.").local(),
    Key::new("max_concurrent_requests", ANY_COUNT, "Most requests in flight.").not_built(&["0"], ADMISSION),
    Key::new("max_concurrent_reads", ANY_COUNT, "Most reads in flight.").not_built(&["0"], ADMISSION),
    Key::new("max_concurrent_writes", ANY_COUNT, "Most writes in flight.").not_built(&["0"], ADMISSION),
    Key::new("load_shed_threshold", Form::Ratio, "Share of the limit from which requests are refused at random.")
        .not_built(&["0"], ADMISSION),
    Key::new("admission_wait", ANY_TIME, "How long a request waits for a free place.").not_built(&["0s"], ADMISSION),
    Key::new("log_level", Form::Any, "The log level.").gone("this key is called logging.level here"),
];

const TLS: &[Key] = &[
    Key::new(
        "cert_file",
        Form::Path,
        "Certificate chain, PEM, the server's own first.",
    )
    .local(),
    Key::new(
        "key_file",
        Form::Path,
        "Private key, PEM; refused when others may read it.",
    )
    .local(),
    Key::new(
        "min_version",
        Form::Choice(&["1.2", "1.3"]),
        "Oldest TLS version that is accepted.",
    )
    .default("1.2")
    .local()
    .goes_with(BESIDE_FILES),
    Key::new(
        "http2",
        Form::Flag,
        "Offer HTTP/2. S3 clients gain nothing from it, so it is off.",
    )
    .default("false")
    .local()
    .goes_with(BESIDE_FILES),
    Key::new(
        "client_ca_file",
        Form::Path,
        "CA of client certificates, which are then demanded.",
    )
    .local()
    .not_built(&[], "client certificates are not demanded yet"),
];
