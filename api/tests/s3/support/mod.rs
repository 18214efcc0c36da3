//! A node in memory, a client that signs, and a server on a pipe.

pub(crate) mod ask;
pub(crate) mod chunks;
pub(crate) mod gateway;
pub(crate) mod log;
pub(crate) mod wire;
pub(crate) mod xml;

use std::sync::{Arc, LazyLock};

use api::s3::body::{BodyConfig, BodyResources};
use api::s3::{Limits, RequestObserver, RequestRecord, S3Config, S3Service, ServerSideEncryption, TokenKey};
use http::uri::Scheme;
use parking_lot::Mutex;

use gateway::MemoryGateway;

/// A front end before a node in memory.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) service: S3Service<MemoryGateway>,
    pub(crate) gateway: MemoryGateway,
    pub(crate) records: Records,
}

/// Every request that is over.
#[derive(Clone, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<RequestRecord>>>);

impl RequestObserver for Records {
    fn finished(&self, record: &RequestRecord) {
        self.0.lock().push(record.clone());
    }
}

impl Records {
    pub(crate) fn last(&self) -> RequestRecord {
        self.0.lock().last().cloned().expect("a request is over")
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }
}

/// What most tests start from: style by path and by host below `s3.test`, any region.
pub(crate) fn config() -> S3Config {
    S3Config {
        domain: Some("s3.test".to_owned()),
        region: None,
        scheme: Scheme::HTTP,
        host_id: "node-1".to_owned(),
        token_key: TokenKey::new(&[9; 32]),
        encryption: ServerSideEncryption::NotAlways,
        limits: Limits::default(),
    }
}

/// The threads that hash, shared by all tests of the process.
fn bodies() -> BodyResources {
    static BODIES: LazyLock<BodyResources> =
        LazyLock::new(|| BodyResources::new(&BodyConfig::default()).expect("threads"));
    BODIES.clone()
}

impl House {
    /// A house with the users of [`ask`] and no bucket.
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: S3Config) -> Self {
        log::keep();
        let gateway = MemoryGateway::new();
        let records = Records::default();
        let service = S3Service::new(gateway.clone(), config, bodies(), Arc::new(records.clone()));
        Self {
            service,
            gateway,
            records,
        }
    }

    /// A house in which Alice owns the bucket `books`.
    pub(crate) fn with_books() -> Self {
        let house = Self::new();
        house.gateway.add_bucket("books", "alice");
        house
    }
}
