//! What is said of each S3 request: one line, and what it counts for.

use std::sync::{Arc, OnceLock};

use api::port::Operation;
use api::s3::{Ending, RequestObserver, RequestRecord};
use metrics::{Counter, Histogram};

use super::names;

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
            target: "holdfast::access",
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
            duration_ms = record.duration.as_secs_f64() * 1e3,
            first_byte_ms = record.first_byte.as_secs_f64() * 1e3,
            aborted = record.ending == Ending::Aborted,
            "request"
        );
        // Keys are the users' own words, so they are for who asks for them.
        if let Some(key) = &record.key {
            tracing::debug!(target: "holdfast::access", request_id = %record.id, bucket, key = key.as_str(), "key");
        }
    }
}
