//! What became of each request, for logs and metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::code::ErrorCode;
use super::incoming::Progress;
use crate::port::{BucketName, ObjectKey, Operation, RequestId};

/// Told of every request once it is over. The node makes log lines and metrics of it.
///
/// Called on the connection's task: must not block.
pub trait RequestObserver: Send + Sync + 'static {
    /// A request was answered to its end, or its client went away.
    fn finished(&self, record: &RequestRecord);
}

/// One request, from its head to the last byte of its answer.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// Its id, as the client sees it.
    pub id: RequestId,
    /// What it asked for; `None` when that could not be told.
    pub operation: Option<Operation>,
    /// Its method.
    pub method: Method,
    /// The bucket it named.
    pub bucket: Option<BucketName>,
    /// The key it named. For logs; never a label.
    pub key: Option<ObjectKey>,
    /// The access key whose signature was verified.
    pub access_key: Option<Arc<str>>,
    /// Its user.
    pub user: Option<Arc<str>>,
    /// The status answered; `None` when the client left before. A completion that failed after its
    /// answer began has 200 and an error.
    pub status: Option<StatusCode>,
    /// The error answered.
    pub error: Option<ErrorCode>,
    /// Why the signature was not accepted; a label.
    pub unauthenticated: Option<&'static str>,
    /// Bytes read of the body, framing included.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Until the first byte of the answer's body, or its end when it has none.
    pub first_byte: Duration,
    /// Until the last byte.
    pub duration: Duration,
    /// How it ended.
    pub ending: Ending,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The answer was handed over to its last byte.
    Complete,
    /// The answer broke off: the client left, or the bytes could not be read.
    Aborted,
}

/// A request that is not over; tells the observer when it is dropped.
pub(crate) struct Watch {
    observer: Arc<dyn RequestObserver>,
    record: RequestRecord,
    body: Option<Arc<Progress>>,
    started: Instant,
    first_byte: Option<Duration>,
}

impl Watch {
    /// A request that has just begun, with its body if it has one.
    pub(crate) fn new(
        observer: Arc<dyn RequestObserver>,
        id: RequestId,
        method: Method,
        body: Option<Arc<Progress>>,
    ) -> Self {
        let record = RequestRecord {
            id,
            operation: None,
            method,
            bucket: None,
            key: None,
            access_key: None,
            user: None,
            status: None,
            error: None,
            unauthenticated: None,
            bytes_in: 0,
            bytes_out: 0,
            first_byte: Duration::ZERO,
            duration: Duration::ZERO,
            ending: Ending::Aborted,
        };
        Self {
            observer,
            record,
            body,
            started: Instant::now(),
            first_byte: None,
        }
    }

    /// What is told.
    pub(crate) fn record(&mut self) -> &mut RequestRecord {
        &mut self.record
    }

    /// Whether the request's body was read to its end.
    pub(crate) fn body_ended(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.ended())
    }

    /// Whether the request has a body that is not empty.
    pub(crate) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// Bytes of the answer were handed over.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.first_byte.get_or_insert_with(|| self.started.elapsed());
        self.record.bytes_out += bytes as u64;
    }

    /// The answer is complete.
    pub(crate) fn complete(&mut self) {
        self.record.ending = Ending::Complete;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.record.bytes_in = self.body.as_ref().map_or(0, |body| body.bytes());
        self.record.duration = self.started.elapsed();
        self.record.first_byte = self.first_byte.unwrap_or(self.record.duration);
        self.observer.finished(&self.record);
    }
}
