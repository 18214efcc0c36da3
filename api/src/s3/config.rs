//! What the front end is told.

use std::fmt;
use std::time::Duration;

use http::uri::Scheme;

use super::auth::AuthConfig;
use super::token::TokenKey;

/// The settings of an [`S3Service`](super::S3Service). The node reads files; this crate does not.
#[derive(Clone)]
pub struct S3Config {
    /// Hosts below this domain name buckets (`bucket.domain`); path style works always.
    pub domain: Option<String>,
    /// The region that requests must be signed for; any when there is none.
    pub region: Option<String>,
    /// How clients reach this listener; stands in the location of completed uploads.
    pub scheme: Scheme,
    /// Names this node in `x-amz-id-2`.
    pub host_id: String,
    /// Authenticates the tokens of listings.
    pub token_key: TokenKey,
    /// Whether every stored byte is encrypted by the cluster, which lets clients ask for that.
    pub encryption: ServerSideEncryption,
    /// Bounds of time and memory.
    pub limits: Limits,
}

/// Whether the cluster encrypts what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerSideEncryption {
    /// Everything: `x-amz-server-side-encryption: AES256` is granted.
    Always,
    /// Not everything: it is refused.
    NotAlways,
}

/// Bounds of time and memory.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most bytes of one PUT or part.
    pub max_put: u64,
    /// Bytes of XML documents that all requests together may hold in memory; those of 64 KiB and less
    /// do not count.
    pub document_memory: usize,
    /// How long a completion may take before its answer begins, with white space to keep the
    /// connection alive, and how often more of that is sent. Clients wait 60 seconds.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // The limit of S3: 10,000 parts of it make an object of 48.8 TiB.
            max_put: 5 << 30,
            // Sixteen of the largest documents at once.
            document_memory: 64 << 20,
            keep_alive: Duration::from_secs(5),
        }
    }
}

impl S3Config {
    /// The region shown to clients.
    pub(crate) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }

    /// What signatures must show.
    pub(crate) fn auth(&self) -> AuthConfig {
        AuthConfig {
            region: self.region.as_deref().map(Box::from),
        }
    }
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("domain", &self.domain)
            .field("region", &self.region)
            .field("scheme", &self.scheme)
            .field("host_id", &self.host_id)
            .field("encryption", &self.encryption)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
