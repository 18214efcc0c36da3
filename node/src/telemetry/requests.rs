//! What is said of each S3 request: one line, and what it counts for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use api::port::Operation;
use api::s3::{Ending, RequestObserver, RequestRecord};
use metrics::{Counter, Histogram};

use super::names;

/// Where the lines of requests come from.
pub(super) const ACCESS: &str = "holdfast::access";

/// Status codes that HTTP knows; each has a counter of its own once it was answered.
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// What a client that left before its answer counts as, as nginx writes it.
const CLIENT_LEFT: u16 = 499;

/// Logs and counts requests. Counters are looked up once, since every request passes here.
pub struct RequestLog {
    by_method: [OfMethod; names::METHODS.len()],
    /// Ends of each operation; those that could not be told apart come last.
    by_operation: Vec<[OnceLock<Counter>; OUTCOMES.len()]>,
}

struct OfMethod {
    method: &'static str,
    statuses: Vec<OnceLock<Counter>>,
    duration: Histogram,
    first_byte: Histogram,
    request_size: Histogram,
    response_size: Histogram,
}

/// How operations end, for the label.
const OUTCOMES: [&str; 4] = ["ok", "client_error", "server_error", "aborted"];

impl RequestLog {
    /// An observer of all requests. The recorder must be installed by now.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            by_method: names::METHODS.map(OfMethod::new),
            by_operation: (0..=Operation::ALL.len()).map(|_| Default::default()).collect(),
        })
    }

    fn count(&self, record: &RequestRecord, status: u16) {
        let of_method = &self.by_method[names::method_index(&record.method)];
        if let Some(counter) = of_method
            .statuses
            .get(usize::from(status.saturating_sub(FIRST_STATUS)))
        {
            counter
                .get_or_init(|| {
                    metrics::counter!(
                        names::REQUESTS,
                        "method" => of_method.method,
                        "status_code" => status.to_string()
                    )
                })
                .increment(1);
        }
        of_method.duration.record(record.duration.as_secs_f64());
        of_method.first_byte.record(record.first_byte.as_secs_f64());
        of_method.request_size.record(record.bytes_in as f64);
        of_method.response_size.record(record.bytes_out as f64);

        let position = |operation| Operation::ALL.iter().position(|known| *known == operation);
        let index = record
            .operation
            .and_then(position)
            .unwrap_or(Operation::ALL.len());
        let outcome = outcome(record.ending, status);
        if let Some(counter) = self.by_operation.get(index).and_then(|of| of.get(outcome)) {
            let name = record.operation.map_or("unknown", Operation::name);
            counter
                .get_or_init(|| metrics::counter!(names::OPERATIONS, "operation" => name, "outcome" => OUTCOMES[outcome]))
                .increment(1);
        }
        if let Some(reason) = record.unauthenticated {
            metrics::counter!(names::AUTH_ERRORS, "reason" => reason).increment(1);
        }
    }
}

impl OfMethod {
    fn new(method: &'static str) -> Self {
        let histogram = |name: &'static str| metrics::histogram!(name, "method" => method);
        Self {
            method,
            statuses: (0..STATUSES).map(|_| OnceLock::new()).collect(),
            duration: histogram(names::REQUEST_DURATION),
            first_byte: histogram(names::REQUEST_FIRST_BYTE),
            request_size: histogram(names::REQUEST_SIZE),
            response_size: histogram(names::RESPONSE_SIZE),
        }
    }
}

/// Whole microseconds, so that a line shows no digits that mean nothing.
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// Index into [`OUTCOMES`].
fn outcome(ending: Ending, status: u16) -> usize {
    match (ending, status) {
        (Ending::Aborted, _) => 3,
        (Ending::Complete, 500..) => 2,
        (Ending::Complete, 400..) => 1,
        (Ending::Complete, _) => 0,
    }
}

impl RequestObserver for RequestLog {
    fn finished(&self, record: &RequestRecord) {
        let status = record.status.map_or(CLIENT_LEFT, |status| status.as_u16());
        self.count(record, status);
        let bucket = record.bucket.as_ref().map(|bucket| bucket.as_str());
        tracing::info!(
            target: ACCESS,
            request_id = %record.id,
            operation = record.operation.map(Operation::name),
            method = %record.method,
            bucket,
            user = record.user.as_deref(),
            status,
            error = record.error.map(|error| error.name()),
            auth_error = record.unauthenticated,
            bytes_in = record.bytes_in,
            bytes_out = record.bytes_out,
            duration_ms = milliseconds(record.duration),
            first_byte_ms = milliseconds(record.first_byte),
            aborted = record.ending == Ending::Aborted,
            "request"
        );
        // Keys are the users' own words, so they are for who asks for them.
        if let Some(key) = &record.key {
            tracing::debug!(target: ACCESS, request_id = %record.id, bucket, key = key.as_str(), "key");
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use api::port::RequestId;
    use http::{Method, StatusCode};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn record(method: Method, status: Option<u16>) -> RequestRecord {
        RequestRecord {
            id: RequestId::new(0xA11CE),
            operation: Some(Operation::GetObject),
            method,
            bucket: None,
            key: None,
            access_key: None,
            user: None,
            status: status.map(|status| StatusCode::from_u16(status).unwrap()),
            error: None,
            unauthenticated: None,
            bytes_in: 3,
            bytes_out: 5_000,
            first_byte: Duration::from_micros(700),
            duration: Duration::from_millis(2),
            ending: if status.is_some() {
                Ending::Complete
            } else {
                Ending::Aborted
            },
        }
    }

    #[test]
    fn every_request_counts_once_where_it_belongs() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let log = RequestLog::new();
            log.finished(&record(Method::GET, Some(200)));
            log.finished(&record(Method::GET, Some(200)));
            log.finished(&record(Method::PUT, Some(404)));
            log.finished(&record(Method::PATCH, Some(503)));
            log.finished(&record(Method::HEAD, None));
            let unsigned = RequestRecord {
                operation: None,
                unauthenticated: Some("signature_mismatch"),
                ..record(Method::GET, Some(403))
            };
            log.finished(&unsigned);
        });
        let text = handle.render();
        for line in [
            "s3o_requests_total{method=\"GET\",status_code=\"200\"} 2",
            "s3o_requests_total{method=\"PUT\",status_code=\"404\"} 1",
            "s3o_requests_total{method=\"other\",status_code=\"503\"} 1",
            "s3o_requests_total{method=\"HEAD\",status_code=\"499\"} 1",
            "s3o_operations_total{operation=\"GetObject\",outcome=\"ok\"} 2",
            "s3o_operations_total{operation=\"GetObject\",outcome=\"client_error\"} 1",
            "s3o_operations_total{operation=\"GetObject\",outcome=\"server_error\"} 1",
            "s3o_operations_total{operation=\"GetObject\",outcome=\"aborted\"} 1",
            "s3o_operations_total{operation=\"unknown\",outcome=\"client_error\"} 1",
            "s3o_auth_errors_total{reason=\"signature_mismatch\"} 1",
            "s3o_response_size_bytes_sum{method=\"GET\"} 15000",
            "s3o_request_duration_seconds_count{method=\"GET\"} 3",
        ] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
    }
}
