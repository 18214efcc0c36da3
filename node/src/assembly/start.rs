//! The order in which a node comes up.

use std::sync::Arc;
use std::time::Duration;

use api::s3::body::{BodyConfig, BodyResources};
use api::s3::{Limits, RequestObserver, S3Config, S3Service, ServerSideEncryption};
use arc_swap::ArcSwap;
use http::uri::Scheme;
use node_crypto::EncryptionDisabled;
use node_crypto::frame::ChunkSize;
use node_crypto::keys::LoadRequest;
use parking_lot::Mutex;
use raft::{CompactionLimits, Condition, Fatal, NodeOptions, OpenOptions, Session, SessionOptions, Store};
use raft_machine::queries;
use raft_types::Incarnation;
use raft_types::records::Identity;
use tokio::sync::watch;

use super::backends::Attacher;
use super::gauges::Gauges;
use super::running::{Parts, RunningNode};
use super::settings::{Agreed, Agreement};
use super::{buckets, secret};
use crate::config::{ClusterSettings, Config, EncryptionMode, MetadataConfig, NodeConfig};
use crate::identity_access::Grants;
use crate::jobs::{JobParts, JobTimes, Jobs};
use crate::keys::{BucketKeys, Sealing};
use crate::lifecycle::{Assemble, AssembleError, Assembled};
use crate::metadata::Metadata;
use crate::objects::{AccessPolicy, Gateway, GatewayParts, ObjectLimits};
use crate::replicas::{Backends, BlobReader, BlobWriter, Discards, EpochLimits, Epochs, Reads};

/// How long a node may take to apply what it had applied before it stopped: minutes of log at the
/// worst, on a slow disk.
const RECOVERY_LIMIT: Duration = Duration::from_secs(300);

/// Puts a node together from a configuration.
pub struct NodeAssembly {
    /// Told of every request.
    pub observer: Arc<dyn RequestObserver>,
}

impl Assemble for NodeAssembly {
    type S3 = S3Service<Gateway>;

    async fn assemble(self, config: Config) -> Result<Assembled<Self::S3>, AssembleError> {
        let Config {
            node: local,
            cluster: own,
        } = &config;
        let (fatal, failed) = fatal();
        let node = unless_failed(failed.clone(), open_metadata(local, fatal)).await?;
        let started = Started {
            local,
            own,
            failed: failed.clone(),
        };
        match unless_failed(failed, started.around(&node, self.observer)).await {
            Ok((s3, parts)) => Ok(Assembled {
                s3,
                lifecycle: Arc::new(parts.running(node)),
            }),
            Err(error) => {
                if let Err(error) = node.shutdown().await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the metadata was not closed in order"
                    );
                }
                Err(error)
            }
        }
    }
}

struct Started<'a> {
    local: &'a NodeConfig,
    /// What this node's file says of the settings.
    own: &'a ClusterSettings,
    failed: watch::Receiver<Option<String>>,
}

/// Everything of a running node but the metadata itself.
struct Around {
    metadata: Metadata,
    agreement: Agreement,
    epochs: Arc<Epochs>,
    access: Arc<ArcSwap<Arc<dyn AccessPolicy>>>,
    jobs: Jobs,
    gauges: Gauges,
    failed: watch::Receiver<Option<String>>,
}

impl Around {
    fn running(self, node: raft::Node) -> RunningNode {
        let Self {
            metadata,
            agreement,
            epochs,
            access,
            jobs,
            gauges,
            failed,
        } = self;
        let session_lost = jobs.session_lost();
        let parts = Mutex::new(Some(Parts { jobs, gauges, node }));
        RunningNode {
            metadata,
            agreement,
            epochs,
            access,
            parts,
            fatal: failed,
            session_lost,
        }
    }
}

impl Started<'_> {
    async fn around(
        self,
        node: &raft::Node,
        observer: Arc<dyn RequestObserver>,
    ) -> Result<(S3Service<Gateway>, Around), AssembleError> {
        let Self { local, own, failed } = self;
        let secret = secret::open(&local.data_dir)?;
        let token_key = secret::token_key(&secret);
        let handle = node.handle();
        let node_id = handle.identity().node;
        let session = Session::open(&handle, SessionOptions::default()).await?;
        let metadata = Metadata::new(handle, session, Reads::default());
        let identity = queries::identity(&metadata.local())?.ok_or("the state has no identity")?;
        let agreement = Agreement {
            metadata: metadata.clone(),
            node: node_id,
            secret,
        };
        let agreed = agreement.reach(own).await?;
        let settings = match &agreed {
            Agreed::Own => own,
            Agreed::Others(others) => others,
        };

        let backends = Arc::new(Backends::default());
        let attacher = Attacher {
            metadata: &metadata,
            identity: &identity,
            backends: &backends,
            timeout: settings.backend_timeout,
        };
        for backend in &settings.backends {
            attacher.attach(backend).await?;
        }
        let sealing = sealing(local, settings, &identity)?;
        let keys = BucketKeys::open(metadata.clone(), Arc::clone(&backends), identity.clone(), sealing)?;
        let keys = Arc::new(keys);
        buckets::ensure(&metadata, settings).await?;

        let mut discards = Discards::new();
        let discarded = discards
            .take_receiver()
            .ok_or("the queue of discarded attempts has two readers")?;
        let epochs = Arc::new(Epochs::new(
            metadata.clone(),
            identity.cluster,
            identity.incarnation,
            epoch_limits(settings),
            discards.sender(),
        ));
        let (reader, suspicions) = BlobReader::new(
            identity.cluster,
            incarnations(&metadata, &identity)?,
            Arc::clone(&backends),
        );
        let chunk = ChunkSize::from_bytes(u64::from(settings.encryption.chunk_size))
            .ok_or("encryption.chunk_size is not a power of two from 2^12 to 2^20")?;
        let policy: Arc<dyn AccessPolicy> = Arc::new(Grants::of(settings));
        let access = Arc::new(ArcSwap::from_pointee(policy));
        let gateway = Gateway::new(GatewayParts {
            metadata: metadata.clone(),
            access: Arc::clone(&access),
            backends: Arc::clone(&backends),
            writer: BlobWriter::new(Arc::clone(&epochs), chunk),
            reader: Arc::new(reader),
            keys,
            cluster: identity.cluster,
            incarnation: identity.incarnation.counter,
            limits: ObjectLimits {
                max_object_size: settings.max_object_size,
                copies: settings.replication.factor as usize,
                completed_retention: settings.uploads.completed_retention,
                reserved_buckets: local.reserved_bucket_names(),
            },
        });
        let jobs = Jobs::start(JobParts {
            metadata: metadata.clone(),
            backends,
            epochs: Arc::clone(&epochs),
            cluster: identity.cluster,
            incarnation: identity.incarnation,
            discards: discarded,
            suspicions,
            times: job_times(settings),
        });
        let config = S3Config {
            domain: settings.domain.clone(),
            region: settings.region.clone(),
            scheme: if local.server.tls.is_some() {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            },
            host_id: local.name.to_string(),
            token_key,
            encryption: match settings.encryption.mode {
                EncryptionMode::On => ServerSideEncryption::Always,
                EncryptionMode::Off => ServerSideEncryption::NotAlways,
            },
            limits: Limits {
                max_put: settings.max_object_size,
                ..Limits::default()
            },
        };
        let bodies = BodyResources::new(&BodyConfig {
            idle_timeout: local.server.read_timeout,
            ..BodyConfig::default()
        })?;
        let s3 = S3Service::new(gateway, config, bodies, observer);
        let gauges = Gauges::start(metadata.clone());
        Ok((
            s3,
            Around {
                metadata,
                agreement,
                epochs,
                access,
                jobs,
                gauges,
                failed,
            },
        ))
    }
}

/// Opens the data directory, founds a cluster of one where there is none, and recovers.
async fn open_metadata(local: &NodeConfig, fatal: Fatal) -> Result<raft::Node, AssembleError> {
    let options = OpenOptions {
        path: local.data_dir.clone(),
        node_name: local.name.clone(),
        fatal,
    };
    let store = tokio::task::spawn_blocking(move || Store::open(options)).await??;
    let running = NodeOptions {
        compaction: compaction(&local.metadata),
        ..NodeOptions::default()
    };
    let node = match store.condition() {
        Condition::Pristine | Condition::HalfBootstrapped(_) => store.bootstrap(running).await?,
        Condition::Member(_) => store.start(running).await?,
    };
    node.wait_until_recovered(RECOVERY_LIMIT).await?;
    Ok(node)
}

pub(crate) fn compaction(metadata: &MetadataConfig) -> CompactionLimits {
    CompactionLimits {
        snapshot_entries: metadata.snapshot_entries,
        snapshot_bytes: metadata.snapshot_size,
        snapshot_interval: metadata.snapshot_interval,
        keep_entries: metadata.log_entries,
        keep_bytes: metadata.log_size,
        check_interval: metadata.check_interval,
        ..CompactionLimits::default()
    }
}

/// A way out of the process that first says why, and then does not wait for anybody.
fn fatal() -> (Fatal, watch::Receiver<Option<String>>) {
    let (sender, receiver) = watch::channel(None);
    let fatal = Fatal::with(move |cause| {
        tracing::error!(%cause, "the process cannot go on");
        sender.send_replace(Some(cause.to_string()));
    });
    (fatal, receiver)
}

/// What `work` comes to, or why the metadata cannot go on as soon as that is known: everything else waits
/// for it in vain and would blame the wait.
async fn unless_failed<T>(
    mut failed: watch::Receiver<Option<String>>,
    work: impl Future<Output = Result<T, AssembleError>>,
) -> Result<T, AssembleError> {
    let cause = async move {
        let found = failed.wait_for(Option::is_some).await.map(|cause| cause.clone());
        match found {
            Ok(cause) => cause.unwrap_or_default(),
            // Nobody is left who could say anything.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        cause = cause => Err(cause.into()),
        result = work => result,
    }
}

fn sealing(
    local: &NodeConfig,
    settings: &ClusterSettings,
    identity: &Identity,
) -> Result<Sealing, AssembleError> {
    if settings.encryption.mode == EncryptionMode::Off {
        return Ok(Sealing::Disabled(EncryptionDisabled::by_settings()));
    }
    let source = local
        .master_key
        .as_ref()
        .ok_or("encryption is on and no master key is configured")?;
    let provider = source.provider();
    let domain = node_crypto::DomainId(identity.domain.0);
    let loaded = provider.load(LoadRequest { domain, sealed: None })?;
    Ok(Sealing::Master {
        key: loaded.key,
        provider: provider.name().to_owned(),
        sealed: loaded.sealed,
    })
}

fn incarnations(metadata: &Metadata, identity: &Identity) -> Result<Vec<Incarnation>, AssembleError> {
    let view = metadata.local();
    let mut lives = Vec::new();
    for counter in 1..=identity.incarnation.counter.0 {
        let counter = raft_types::IncarnationCounter(counter);
        if let Some(row) = queries::incarnation(&view, counter)? {
            lives.push(Incarnation {
                counter,
                tag: row.tag,
            });
        }
    }
    Ok(lives)
}

fn epoch_limits(settings: &ClusterSettings) -> EpochLimits {
    let sessions = &settings.sessions;
    EpochLimits {
        attempts: u32::try_from(sessions.epoch_max_attempts).unwrap_or(u32::MAX),
        in_use: sessions.epoch_max_age,
        force_seal_after: sessions.epoch_close_timeout,
    }
}

fn job_times(settings: &ClusterSettings) -> JobTimes {
    JobTimes {
        tick: settings.garbage.interval,
        min_age: settings.garbage.min_age,
        max_age: settings.garbage.max_age,
        second_sweep_after: settings.sessions.second_sweep_after,
    }
}
