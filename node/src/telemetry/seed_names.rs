//! What the orchestrator measures, by its own names, and where that is found here. The table of the
//! reference page is written from this list.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fmt::Write as _;

use super::names::CATALOGUE;

/// What becomes of a metric of the orchestrator.
enum Fate {
    /// It is served with the same name, kind and labels.
    Same,
    /// It is served with the same name and kind; what differs in its labels, and why.
    Differs(&'static str),
    /// Something else tells it.
    Instead(&'static str),
    /// It comes with the feature that it measures.
    Later(&'static str),
    /// There is nothing here that it could measure.
    Without(&'static str),
}

use Fate::{Differs, Instead, Later, Same, Without};

const QUOTAS: &str = "quotas and budgets";
const COPIES: &str = "copies on several backends";
const LIMITS: &str = "limits on requests";
const BREAKERS: &str = "circuit breakers";
const REBALANCING: &str = "rebalancing";

/// Each: its name without `s3o_`, its labels, and what becomes of it.
const ORCHESTRATOR: &[(&str, &[&str], Fate)] = &[
    (
        "build_info",
        &["version", "go_version"],
        Differs("without `go_version`: there is no Go in it"),
    ),
    ("requests_total", &["method", "status_code"], Same),
    ("request_duration_seconds", &["method"], Same),
    ("request_size_bytes", &["method"], Same),
    ("response_size_bytes", &["method"], Same),
    ("inflight_requests", &["method"], Same),
    (
        "backend_requests_total",
        &["operation", "backend", "status"],
        Same,
    ),
    ("backend_duration_seconds", &["operation", "backend"], Same),
    (
        "manager_requests_total",
        &["operation", "backend", "status"],
        Instead("`s3o_operations_total`: a request concerns no single backend"),
    ),
    (
        "manager_duration_seconds",
        &["operation", "backend"],
        Instead("`s3o_request_duration_seconds`"),
    ),
    ("quota_bytes_used", &["backend"], Same),
    ("quota_bytes_limit", &["backend"], Later(QUOTAS)),
    ("quota_bytes_available", &["backend"], Later(QUOTAS)),
    ("quota_orphan_bytes", &["backend"], Same),
    (
        "objects_count",
        &["backend"],
        Instead("`s3o_backend_replicas`, which counts blobs: an object of several parts has several"),
    ),
    (
        "active_multipart_uploads",
        &["backend"],
        Without("an upload is on no backend, its parts are"),
    ),
    ("usage_api_requests", &["backend"], Later(QUOTAS)),
    ("usage_egress_bytes", &["backend"], Later(QUOTAS)),
    ("usage_ingress_bytes", &["backend"], Later(QUOTAS)),
    (
        "usage_limit_rejections_total",
        &["operation", "limit_type"],
        Later(QUOTAS),
    ),
    ("rate_limit_rejections_total", &[], Later(LIMITS)),
    ("admission_rejections_total", &[], Later(LIMITS)),
    ("worker_admission_rejections_total", &["worker"], Later(LIMITS)),
    ("load_shed_total", &[], Later(LIMITS)),
    ("early_rejections_total", &[], Later(QUOTAS)),
    (
        "rebalance_objects_moved_total",
        &["strategy", "status"],
        Later(REBALANCING),
    ),
    ("rebalance_bytes_moved_total", &["strategy"], Later(REBALANCING)),
    (
        "rebalance_runs_total",
        &["strategy", "status"],
        Later(REBALANCING),
    ),
    ("rebalance_duration_seconds", &["strategy"], Later(REBALANCING)),
    ("rebalance_skipped_total", &["reason"], Later(REBALANCING)),
    ("rebalance_pending", &[], Later(REBALANCING)),
    ("replication_pending", &[], Later(COPIES)),
    ("replication_copies_created_total", &[], Later(COPIES)),
    ("replication_errors_total", &[], Later(COPIES)),
    ("replication_duration_seconds", &[], Later(COPIES)),
    ("replication_runs_total", &["status"], Later(COPIES)),
    ("replication_health_copies_total", &[], Later(COPIES)),
    ("over_replication_pending", &[], Later(COPIES)),
    ("over_replication_removed_total", &[], Later(COPIES)),
    ("over_replication_errors_total", &[], Later(COPIES)),
    ("over_replication_runs_total", &["status"], Later(COPIES)),
    ("over_replication_duration_seconds", &[], Later(COPIES)),
    ("circuit_breaker_state", &["name"], Later(BREAKERS)),
    (
        "circuit_breaker_transitions_total",
        &["name", "from", "to"],
        Later(BREAKERS),
    ),
    (
        "degraded_reads_total",
        &["operation"],
        Later("reads without a quorum"),
    ),
    (
        "degraded_cache_hits_total",
        &[],
        Without("locations are not cached: the metadata is here"),
    ),
    (
        "degraded_write_rejections_total",
        &["operation"],
        Later("clusters"),
    ),
    (
        "write_failover_total",
        &["operation", "failed_backend", "success_backend"],
        Later(COPIES),
    ),
    (
        "cleanup_queue_enqueued_total",
        &["reason"],
        Without("what dies is deleted by one rule, whatever it died of"),
    ),
    ("cleanup_queue_processed_total", &["status"], Same),
    ("cleanup_queue_depth", &[], Same),
    ("lifecycle_deleted_total", &[], Later("lifecycle rules")),
    ("lifecycle_failed_total", &[], Later("lifecycle rules")),
    ("lifecycle_runs_total", &["status"], Later("lifecycle rules")),
    ("audit_events_total", &["event"], Later("audit events")),
    ("drain_objects_moved_total", &[], Later("draining")),
    ("drain_bytes_moved_total", &[], Later("draining")),
    ("drain_active", &[], Later("draining")),
    ("encryption_operations_total", &["op"], Same),
    ("encryption_errors_total", &["op", "error_type"], Same),
    ("encryption_unknown_key_id_total", &[], Same),
    (
        "key_rotation_objects_total",
        &["status"],
        Later("rotation of master keys"),
    ),
    (
        "encrypt_existing_objects_total",
        &["status"],
        Later("encrypting what is stored"),
    ),
    (
        "decrypt_existing_objects_total",
        &["status"],
        Later("encrypting what is stored"),
    ),
    ("integrity_checks_total", &["operation"], Same),
    ("integrity_errors_total", &["operation"], Same),
    ("cache_hits_total", &[], Later("a cache of objects")),
    ("cache_misses_total", &[], Later("a cache of objects")),
    ("cache_evictions_total", &[], Later("a cache of objects")),
    ("cache_size_bytes", &[], Later("a cache of objects")),
    ("cache_entries", &[], Later("a cache of objects")),
    (
        "redis_operations_total",
        &["operation", "status"],
        Without("there is no Redis"),
    ),
    ("redis_fallback_active", &[], Without("there is no Redis")),
    (
        "notification_sent_total",
        &["endpoint", "event_type"],
        Later("notifications"),
    ),
    (
        "notification_failed_total",
        &["endpoint", "event_type"],
        Later("notifications"),
    ),
    ("notification_dropped_total", &[], Later("notifications")),
    ("notification_queue_depth", &[], Later("notifications")),
    (
        "notification_duration_seconds",
        &["endpoint"],
        Later("notifications"),
    ),
];

#[test]
fn each_name_of_the_orchestrator_means_the_same_here_or_is_not_used() {
    for (name, labels, fate) in ORCHESTRATOR {
        let name = format!("s3o_{name}");
        let ours = CATALOGUE.iter().find(|metric| metric.name == name);
        match (fate, ours) {
            (Same, Some(ours)) => assert_eq!(ours.labels, *labels, "{name}"),
            (Differs(_), Some(ours)) => {
                assert!(ours.labels != *labels, "{name} does not differ");
                assert!(ours.labels.iter().all(|label| labels.contains(label)), "{name}");
            }
            (Same | Differs(_), None) => panic!("{name} is not served"),
            (Instead(_) | Later(_) | Without(_), Some(_)) => panic!("{name} is served"),
            (Instead(other), None) => {
                let other = other.split('`').nth(1).unwrap();
                assert!(
                    CATALOGUE.iter().any(|metric| metric.name == other),
                    "{name}: {other}"
                );
            }
            (Later(_) | Without(_), None) => {}
        }
    }
}

/// The part of the page that follows from the list.
pub(super) fn table() -> String {
    let mut page = "| there | here |\n|---|---|\n".to_owned();
    for (name, labels, fate) in ORCHESTRATOR {
        let labels = match labels {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let here = match fate {
            Same => "the same".to_owned(),
            Differs(how) => format!("the same, {how}"),
            Instead(other) => (*other).to_owned(),
            Later(feature) => format!("not yet: comes with {feature}"),
            Without(why) => format!("nothing: {why}"),
        };
        writeln!(page, "| `s3o_{name}{labels}` | {here} |").unwrap();
    }
    page
}
