//! What one node alone is told: listeners, TLS, folders, logs, secrets.

use std::path::PathBuf;
use std::time::Duration;

use raft_types::NodeName;

use super::forms::ListenAddr;
use super::master_key::MasterKeySource;

/// The node-local part of a configuration.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Name of this node.
    pub name: NodeName,
    /// Folder of the metadata; absolute.
    pub data_dir: PathBuf,
    /// Their snapshots and their log.
    pub metadata: MetadataConfig,
    /// The S3 listener.
    pub server: ServerConfig,
    /// Where metrics are served; `None` when they are not.
    pub metrics: Option<MetricsConfig>,
    /// Log lines.
    pub logging: LoggingConfig,
    /// Where the master key comes from; always there when encryption is on.
    pub master_key: Option<MasterKeySource>,
}

impl NodeConfig {
    /// Names that no bucket may bear, because the S3 listener answers `/NAME` itself.
    #[must_use]
    pub fn reserved_bucket_names(&self) -> Vec<String> {
        super::build::reserved_names(self.metrics.as_ref())
    }
}

/// Snapshots of the metadata, and the log that is kept beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataConfig {
    /// Entries after which another snapshot is built.
    pub snapshot_entries: u64,
    /// Bytes of log after which another snapshot is built.
    pub snapshot_size: u64,
    /// Shortest time between two snapshots.
    pub snapshot_interval: Duration,
    /// Entries that are kept although a snapshot holds them.
    pub log_entries: u64,
    /// Their bytes at most.
    pub log_size: u64,
    /// How often these limits are looked at.
    pub check_interval: Duration,
}

/// The S3 listener.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen_addr: ListenAddr,
    /// TLS, when it is on.
    pub tls: Option<TlsConfig>,
    /// Longest silence of a client that is sending a body.
    pub read_timeout: Duration,
    /// Longest time in which a client takes nothing of its answer.
    pub write_timeout: Duration,
    /// Longest time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Longest time from the first to the last byte of a request's head.
    pub read_header_timeout: Duration,
    /// Largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Most connections at a time.
    pub max_connections: usize,
    /// How long serving goes on after SIGTERM.
    pub shutdown_delay: Duration,
    /// How long running requests may then take to finish.
    pub drain_timeout: Duration,
    /// How an unsigned `GET /` is answered.
    pub root: RootAnswer,
}

/// How an unsigned `GET /` is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootAnswer {
    /// As S3 does, with an error.
    S3,
    /// With 200, for health checks that can ask nothing else.
    Health,
}

/// TLS files of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate chain.
    pub cert_file: PathBuf,
    /// Private key.
    pub key_file: PathBuf,
    /// Oldest version accepted.
    pub min_version: TlsVersion,
    /// Protocols offered.
    pub protocols: HttpProtocols,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// The versions of HTTP that a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpProtocols {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/1.1, and HTTP/2 where the client chooses it in the TLS handshake.
    Http1AndHttp2,
}

/// Where metrics are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// A listener of their own; without it they are on the S3 listener.
    pub address: Option<ListenAddr>,
    /// Their path.
    pub path: String,
}

/// Log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggingConfig {
    /// Least severe lines that are written.
    pub level: LogLevel,
    /// Their form.
    pub format: LogFormat,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything, that of libraries included.
    Trace,
    /// What helps to find a mistake.
    Debug,
    /// One line per request, and what changes.
    Info,
    /// What will need somebody.
    Warn,
    /// What failed.
    Error,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}
