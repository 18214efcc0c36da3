//! The catalogue of metrics. A metric that is not in it is found by a test, and so is one that the
//! reference page does not list.

use http::Method;

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values in these buckets.
    Histogram(&'static [f64]),
}

/// Labels of methods; those that S3 does not know share the last one.
pub(crate) const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "DELETE", "other"];

/// Index into [`METHODS`].
pub(crate) fn method_index(method: &Method) -> usize {
    let position = METHODS.iter().position(|name| *name == method.as_str());
    position.unwrap_or(METHODS.len() - 1)
}

/// What the decorator of every backend records.
pub(crate) const BACKEND_METRICS: node_backend::observe::MetricNames = node_backend::observe::MetricNames {
    requests: "s3o_backend_requests_total",
    failures: "s3o_backend_errors_total",
    seconds: "s3o_backend_duration_seconds",
    bytes_stored: "s3o_backend_stored_bytes_total",
    bytes_read: "s3o_backend_read_bytes_total",
};

pub(crate) const BUILD_INFO: &str = "s3o_build_info";
pub(crate) const REQUESTS: &str = "s3o_requests_total";
pub(crate) const REQUEST_DURATION: &str = "s3o_request_duration_seconds";
pub(crate) const REQUEST_FIRST_BYTE: &str = "s3o_request_first_byte_seconds";
pub(crate) const REQUEST_SIZE: &str = "s3o_request_size_bytes";
pub(crate) const RESPONSE_SIZE: &str = "s3o_response_size_bytes";
pub(crate) const INFLIGHT_REQUESTS: &str = "s3o_inflight_requests";
pub(crate) const OPERATIONS: &str = "s3o_operations_total";
pub(crate) const AUTH_ERRORS: &str = "s3o_auth_errors_total";
pub(crate) const CONNECTIONS: &str = "s3o_connections";
pub(crate) const TLS_HANDSHAKE_FAILURES: &str = "s3o_tls_handshake_failures_total";
pub(crate) const ACCEPT_FAILURES: &str = "s3o_accept_failures_total";
pub(crate) const SERVICE_CRASHES: &str = "s3o_service_crashes_total";
pub(crate) const LOG_LINES_DROPPED: &str = "s3o_log_lines_dropped_total";
pub(crate) const CONFIG_RELOADS: &str = "s3o_config_reloads_total";
pub(crate) const QUOTA_BYTES_USED: &str = "s3o_quota_bytes_used";
pub(crate) const QUOTA_ORPHAN_BYTES: &str = "s3o_quota_orphan_bytes";
pub(crate) const BACKEND_REPLICAS: &str = "s3o_backend_replicas";
pub(crate) const BACKEND_GARBAGE: &str = "s3o_backend_garbage";
pub(crate) const CLEANUP_QUEUE_DEPTH: &str = "s3o_cleanup_queue_depth";
pub(crate) const CONFIG_DRIFT: &str = "s3o_config_drift";
pub(crate) const CLEANUP_QUEUE_PROCESSED: &str = "s3o_cleanup_queue_processed_total";
pub(crate) const ENCRYPTION_OPERATIONS: &str = "s3o_encryption_operations_total";
pub(crate) const ENCRYPTION_ERRORS: &str = "s3o_encryption_errors_total";
pub(crate) const ENCRYPTION_UNKNOWN_KEYS: &str = "s3o_encryption_unknown_key_id_total";
pub(crate) const INTEGRITY_CHECKS: &str = "s3o_integrity_checks_total";
pub(crate) const INTEGRITY_ERRORS: &str = "s3o_integrity_errors_total";
pub(crate) const PROCESS_RESIDENT_MEMORY: &str = "process_resident_memory_bytes";
pub(crate) const PROCESS_OPEN_FDS: &str = "process_open_fds";
pub(crate) const PROCESS_MAX_FDS: &str = "process_max_fds";
pub(crate) const PROCESS_THREADS: &str = "process_threads";
pub(crate) const PROCESS_CPU_SECONDS: &str = "process_cpu_seconds_total";
pub(crate) const PROCESS_START_TIME: &str = "process_start_time_seconds";

/// From half a millisecond, which a GET of a small object takes, to a minute.
const REQUEST_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// From 1 KiB to 256 MiB in steps of four.
const REQUEST_BYTES: &[f64] = &[
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
];

/// From a request to a local directory to one that a provider answers after its own timeout.
const BACKEND_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// From a write that only reaches a cache to a disk that is in trouble.
const DISK_SECONDS: &[f64] = &[
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Snapshots of a state of a million objects take seconds, those of a hundred million minutes.
const LONG_SECONDS: &[f64] = &[0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0];

/// How many of something are done at once.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    buckets: &'static [f64],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram(buckets),
        labels,
        help,
    }
}

/// Every metric of the process, in the order of the reference page.
pub const CATALOGUE: &[Metric] = &[
    counter(
        REQUESTS,
        &["method", "status_code"],
        "S3 requests that ended; 499 when the client left before the answer.",
    ),
    histogram(
        REQUEST_DURATION,
        &["method"],
        REQUEST_SECONDS,
        "From a request's head to the last byte of its answer.",
    ),
    histogram(
        REQUEST_FIRST_BYTE,
        &["method"],
        REQUEST_SECONDS,
        "From a request's head to the first byte of its answer's body.",
    ),
    histogram(
        REQUEST_SIZE,
        &["method"],
        REQUEST_BYTES,
        "Bytes of request bodies as sent, framing included.",
    ),
    histogram(
        RESPONSE_SIZE,
        &["method"],
        REQUEST_BYTES,
        "Bytes of the bodies of answers.",
    ),
    gauge(
        INFLIGHT_REQUESTS,
        &["method"],
        "S3 requests that are not answered to their end.",
    ),
    counter(
        OPERATIONS,
        &["operation", "outcome"],
        "S3 operations by AWS's names; outcome is ok, client_error, server_error or aborted.",
    ),
    counter(
        AUTH_ERRORS,
        &["reason"],
        "Requests whose signature was not accepted.",
    ),
    gauge(CONNECTIONS, &[], "Open client connections."),
    counter(
        TLS_HANDSHAKE_FAILURES,
        &[],
        "TLS handshakes that failed or took too long.",
    ),
    counter(
        ACCEPT_FAILURES,
        &[],
        "Times that the system could not give a connection, mostly for want of file descriptors.",
    ),
    counter(
        SERVICE_CRASHES,
        &[],
        "Panics, each a mistake of ours; their stacks are in the log.",
    ),
    counter(
        LOG_LINES_DROPPED,
        &[],
        "Log lines that were dropped because they could not be written fast enough.",
    ),
    counter(
        CONFIG_RELOADS,
        &["status"],
        "Reloads of the configuration; status is ok or refused.",
    ),
    counter(
        "s3o_backend_requests_total",
        &["operation", "backend", "status"],
        "Requests to backends that ended; status is success, error or cancelled.",
    ),
    counter(
        "s3o_backend_errors_total",
        &["operation", "backend", "reason", "class"],
        "Those that failed; class says what can be done about it: retry, elsewhere, suspect, stop or caller.",
    ),
    histogram(
        "s3o_backend_duration_seconds",
        &["operation", "backend"],
        BACKEND_SECONDS,
        "Time until a backend answered; of a read until its first byte.",
    ),
    counter(
        "s3o_backend_stored_bytes_total",
        &["backend"],
        "Bytes that were written to backends.",
    ),
    counter(
        "s3o_backend_read_bytes_total",
        &["backend"],
        "Bytes that were read from backends.",
    ),
    gauge(
        BACKEND_REPLICAS,
        &["backend"],
        "Replicas that the metadata counts on a backend: one for each blob, of which an object may have several.",
    ),
    gauge(
        QUOTA_BYTES_USED,
        &["backend"],
        "Their bytes as stored, without those that wait for their deletion.",
    ),
    gauge(
        BACKEND_GARBAGE,
        &["backend"],
        "Attempts on a backend that wait for their deletion.",
    ),
    gauge(QUOTA_ORPHAN_BYTES, &["backend"], "Bytes that these may occupy."),
    gauge(
        CLEANUP_QUEUE_DEPTH,
        &[],
        "Attempts on all backends that wait for their deletion.",
    ),
    counter(
        CLEANUP_QUEUE_PROCESSED,
        &["status"],
        "Deletions of such attempts; status is success, or retry where it will be tried again.",
    ),
    counter(
        ENCRYPTION_OPERATIONS,
        &["op"],
        "Blobs that were sealed or opened; op is encrypt, decrypt or decrypt_range.",
    ),
    counter(
        ENCRYPTION_ERRORS,
        &["op", "error_type"],
        "Blobs that could not be; error_type is encrypt_failed, unpack_failed (the data key) or decrypt_failed.",
    ),
    counter(
        ENCRYPTION_UNKNOWN_KEYS,
        &[],
        "Blobs that name a key which this node does not have.",
    ),
    counter(
        INTEGRITY_CHECKS,
        &["operation"],
        "Stored blobs whose bytes were verified; operation is read: each is, while it is read.",
    ),
    counter(
        INTEGRITY_ERRORS,
        &["operation"],
        "Those whose bytes were not the ones that were stored.",
    ),
    counter(
        "s3o_swept_total",
        &[],
        "Attempts without a row that a sweep deleted.",
    ),
    counter(
        "s3o_attempts_left_to_sweep_total",
        &[],
        "Attempts that could not be handed over for deletion; their epoch's sweep deletes them.",
    ),
    counter(
        "s3o_replicas_suspected_total",
        &[],
        "Replicas whose bytes were missing or wrong when they were read.",
    ),
    counter(
        "s3o_job_failures_total",
        &["job"],
        "Rounds of background jobs that failed; the next round tries again.",
    ),
    gauge(
        CONFIG_DRIFT,
        &[],
        "Nodes whose configuration file says otherwise than the settings of the cluster.",
    ),
    counter(
        "s3o_sessions_replaced_total",
        &[],
        "Sessions that were opened because the one before was sealed while the node ran.",
    ),
    counter("holdfast_raft_log_syncs_total", &[], "Syncs of the log to disk."),
    histogram(
        "holdfast_raft_log_sync_seconds",
        &[],
        DISK_SECONDS,
        "How long each took.",
    ),
    histogram(
        "holdfast_raft_log_writes_per_sync",
        &[],
        BATCH,
        "Appends and votes that one sync completed.",
    ),
    counter(
        "holdfast_raft_log_appended_entries_total",
        &[],
        "Entries appended to the log.",
    ),
    counter("holdfast_raft_log_appended_bytes_total", &[], "Their bytes."),
    gauge("holdfast_raft_log_entries", &[], "Entries in the log."),
    gauge(
        "holdfast_raft_log_bytes",
        &[],
        "Bytes in the log; estimated for what was there before the start.",
    ),
    counter(
        "holdfast_raft_applied_commands_total",
        &[],
        "Commands applied to the state.",
    ),
    histogram(
        "holdfast_raft_apply_seconds",
        &[],
        DISK_SECONDS,
        "How long one batch of entries took to apply.",
    ),
    histogram(
        "holdfast_raft_commands_per_apply",
        &[],
        BATCH,
        "Commands in one batch.",
    ),
    gauge(
        "holdfast_raft_applied_index",
        &[],
        "Index of the last entry applied.",
    ),
    counter(
        "holdfast_raft_snapshots_built_total",
        &[],
        "Snapshots of the state that were built.",
    ),
    histogram(
        "holdfast_raft_snapshot_build_seconds",
        &[],
        LONG_SECONDS,
        "How long each took.",
    ),
    counter(
        "holdfast_raft_snapshots_installed_total",
        &[],
        "Snapshots that were installed.",
    ),
    gauge(
        "holdfast_raft_snapshot_index",
        &[],
        "Index that the current snapshot covers.",
    ),
    counter(
        "holdfast_raft_proposed_commands_total",
        &[],
        "Commands proposed on this node.",
    ),
    counter(
        "holdfast_raft_overloaded_commands_total",
        &[],
        "Commands refused because too many were in flight.",
    ),
    gauge("holdfast_raft_commands_in_flight", &[], "Commands in flight."),
    histogram(
        "holdfast_raft_commands_per_entry",
        &[],
        BATCH,
        "Commands in one entry of the log.",
    ),
    counter(
        "holdfast_raft_barrier_rounds_total",
        &[],
        "Rounds in which the leader confirmed that it leads.",
    ),
    histogram(
        "holdfast_raft_reads_per_round",
        &[],
        BATCH,
        "Reads that one such round served.",
    ),
    gauge("holdfast_raft_leader", &[], "1 while this node leads."),
    gauge("holdfast_raft_term", &[], "The current term."),
    gauge(
        BUILD_INFO,
        &["version"],
        "Always 1; its label says which version runs.",
    ),
    gauge(
        PROCESS_RESIDENT_MEMORY,
        &[],
        "Memory of the process that is in RAM.",
    ),
    gauge(PROCESS_OPEN_FDS, &[], "Open file descriptors."),
    gauge(
        PROCESS_MAX_FDS,
        &[],
        "File descriptors that the process may open.",
    ),
    gauge(PROCESS_THREADS, &[], "Threads."),
    gauge(PROCESS_CPU_SECONDS, &[], "CPU time that the process used."),
    gauge(
        PROCESS_START_TIME,
        &[],
        "When the process started, in seconds since 1970.",
    ),
];

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::telemetry::seed_names;

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// Every text in quotes that has the form of a metric's name.
    fn names_in(source: &str) -> impl Iterator<Item = &str> {
        source.split('"').filter(|text| {
            let plain = text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            plain
                && ["s3o_", "holdfast_raft_"]
                    .iter()
                    .any(|prefix| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
        })
    }

    #[test]
    fn every_metric_in_the_code_is_in_the_catalogue() {
        let mut files = Vec::new();
        for folder in ["node/src", "node/backend/src", "raft/src"] {
            sources(&repository().join(folder), &mut files);
        }
        assert!(files.len() > 20, "the sources were not found");
        let known: BTreeSet<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
        for file in files
            .iter()
            .filter(|file| !file.components().any(|part| part.as_os_str() == "tests"))
        {
            let source = fs::read_to_string(file).unwrap();
            // Tests may name what they like.
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for name in names_in(code) {
                assert!(
                    known.contains(name),
                    "{} records {name}, which is not in the catalogue",
                    file.display()
                );
            }
        }
    }

    #[test]
    fn every_metric_of_the_catalogue_is_recorded_somewhere() {
        let mut files = Vec::new();
        for folder in ["node/src", "raft/src"] {
            sources(&repository().join(folder), &mut files);
        }
        let elsewhere: String = files
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        for Metric { name, .. } in CATALOGUE {
            // Once where it is listed or named, and once where it is recorded by that name.
            let quoted = format!("\"{name}\"");
            let constant = elsewhere.lines().find_map(|line| {
                let (constant, _) = line.split_once(": &str = ")?;
                line.ends_with(&format!("{quoted};"))
                    .then(|| constant.rsplit(' ').next().unwrap_or_default())
            });
            let used = match constant {
                Some(constant) => elsewhere.matches(&format!("names::{constant}")).count(),
                None => elsewhere.matches(&quoted).count() - 1,
            };
            assert!(used > 0, "{name} is never recorded");
        }
    }

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        for Metric { name, kind, help, .. } in CATALOGUE {
            let totals = matches!(kind, Kind::Counter) || *name == PROCESS_CPU_SECONDS;
            assert_eq!(name.ends_with("_total"), totals, "{name}");
            assert!(help.ends_with('.'), "{name}");
            if let Kind::Histogram(buckets) = kind {
                assert!(buckets.is_sorted() && !buckets.is_empty(), "{name}");
            }
        }
    }

    /// The part of the page that follows from the catalogue.
    fn table() -> String {
        let mut page = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
        for Metric {
            name,
            kind,
            labels,
            help,
        } in CATALOGUE
        {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
        }
        page
    }

    /// What stands between `<!-- NAME -->` and `<!-- end of NAME -->`, and what stands around it.
    fn part<'a>(page: &'a str, name: &str) -> (&'a str, &'a str, &'a str) {
        let (before, rest) = page.split_once(&format!("<!-- {name} -->\n")).unwrap();
        let (listed, after) = rest.split_once(&format!("<!-- end of {name} -->\n")).unwrap();
        (before, listed, after)
    }

    #[test]
    fn reference_page_lists_the_catalogue_and_the_orchestrators_names() {
        let path = repository().join("docs/reference/metrics.md");
        let mut page = fs::read_to_string(&path).unwrap_or_default();
        let parts = [
            ("the catalogue", table()),
            ("the orchestrator's names", seed_names::table()),
        ];
        for (name, expected) in &parts {
            let (before, listed, after) = part(&page, name);
            if std::env::var_os("UPDATE_REFERENCE").is_some() {
                page = format!("{before}<!-- {name} -->\n{expected}<!-- end of {name} -->\n{after}");
                fs::write(&path, &page).unwrap();
                continue;
            }
            assert!(
                listed == expected,
                "docs/reference/metrics.md differs from the code in {name}; write it anew with UPDATE_REFERENCE=1"
            );
        }
        // What the page says elsewhere about metrics must be there too.
        let (_, _, after) = part(&page, "the orchestrator's names");
        for name in after
            .split('`')
            .filter(|text| text.len() > 4 && text.starts_with("s3o_"))
        {
            let bare = name.split('{').next().unwrap_or(name);
            assert!(CATALOGUE.iter().any(|metric| metric.name == bare), "{name}");
        }
    }
}
