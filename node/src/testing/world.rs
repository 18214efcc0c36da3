//! A node of one, its backends, its use cases and its jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use api::port::{Caller, Credential, SecretKey};
use arc_swap::ArcSwap;
use node_backend::Backend;
use node_backend::fault::{Faulty, Script};
use node_backend::memory::MemoryBackend;
use node_crypto::EncryptionDisabled;
use node_crypto::frame::ChunkSize;
use node_crypto::keys::MasterKey;
use raft::{
    Clock, Fatal, MetadataHandle, Node, NodeOptions, OpenOptions, Session, SessionOptions, Store, SystemClock,
};
use raft_machine::queries;
use raft_types::commands::SealSession;
use raft_types::records::Identity;
use raft_types::{BackendId, BackendName, Command, MillisUtc, NodeName, Outcome};
use tempfile::TempDir;

use super::{Wire, until};
use crate::assembly::Attacher;
use crate::jobs::{JobParts, JobTimes, Steps};
use crate::keys::{BucketKeys, Sealing};
use crate::metadata::{Metadata, RequestView};
use crate::objects::{AccessPolicy, CreateBuckets, Gateway, GatewayParts, ObjectLimits};
use crate::replicas::{Backends, BlobReader, BlobWriter, Discards, EpochLimits, Epochs, Reads};

/// Name of the user who asks, and of its access key.
pub(super) const USER: &str = "tester";

/// Bytes that are sealed together.
pub(crate) const CHUNK: u64 = 4096;

/// What a world is made of.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How many backends.
    pub(crate) backends: u32,
    /// Copies of every blob.
    pub(crate) copies: usize,
    /// Whether the backends keep versions.
    pub(crate) versioned: bool,
    /// Whether bodies are encrypted.
    pub(crate) encrypted: bool,
    /// When epochs end.
    pub(crate) epochs: EpochLimits,
    /// When jobs act.
    pub(crate) times: JobTimes,
    /// Bytes of one blob at most.
    pub(crate) blob_bytes: u64,
    /// How far the clock that stamps entries is behind.
    pub(crate) clock_behind: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backends: 1,
            copies: 1,
            versioned: false,
            encrypted: true,
            epochs: EpochLimits::default(),
            times: JobTimes {
                tick: Duration::from_millis(1),
                min_age: Duration::ZERO,
                max_age: Duration::from_secs(60 * 60),
                second_sweep_after: Duration::ZERO,
            },
            blob_bytes: raft_types::limits::BLOB_SIZE,
            clock_behind: Duration::ZERO,
        }
    }
}

impl Options {
    /// Every blob on two backends.
    pub(crate) fn two_copies() -> Self {
        Self {
            backends: 2,
            copies: 2,
            ..Self::default()
        }
    }
}

/// The clock that stamps entries: that of the machine, but so far behind as a test says.
#[derive(Debug, Default)]
pub(crate) struct SlowClock(AtomicU64);

impl SlowClock {
    /// From now on it is so far behind.
    pub(crate) fn set_behind(&self, by: Duration) {
        self.0.store(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for SlowClock {
    fn now(&self) -> MillisUtc {
        MillisUtc(SystemClock.now().0 - self.0.load(Ordering::SeqCst))
    }
}

/// A backend of a world.
#[derive(Debug)]
pub(crate) struct TestBackend {
    /// Its number in the state.
    pub(crate) id: BackendId,
    /// What it holds.
    pub(crate) memory: MemoryBackend,
    /// What goes wrong on the way to it.
    pub(crate) script: Script,
}

/// See [`crate::testing`].
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) metadata: Metadata,
    pub(crate) identity: Identity,
    /// The first session. Another one takes its place after [`seal_session`](Self::seal_session).
    pub(crate) wire: Wire,
    pub(crate) backends: Vec<TestBackend>,
    pub(crate) attached: Arc<Backends>,
    pub(crate) epochs: Arc<Epochs>,
    pub(crate) keys: Arc<BucketKeys>,
    pub(crate) gateway: Gateway,
    pub(crate) jobs: Steps,
    /// Stamps entries.
    pub(crate) clock: Arc<SlowClock>,
    pub(super) node: Node,
    master: Option<[u8; 32]>,
    _folder: TempDir,
}

/// Grants everything to everybody.
#[derive(Debug)]
struct Everything(Arc<Credential>);

impl AccessPolicy for Everything {
    fn credential(&self, _access_key: &str) -> Option<Arc<Credential>> {
        Some(Arc::clone(&self.0))
    }

    fn grants(&self, _access_key: &str, _bucket: &str) -> bool {
        true
    }

    fn create_buckets(&self, _access_key: &str) -> CreateBuckets {
        CreateBuckets::Allowed
    }

    fn is_configured(&self, _bucket: &str) -> bool {
        false
    }
}

impl World {
    /// A world with a bucket and nothing in it.
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    /// A world of these options, with a bucket and nothing in it.
    pub(crate) async fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(OpenOptions {
            path: folder.path().join("data"),
            node_name: NodeName::new("node-1").unwrap(),
            fatal: Fatal::with(|cause| panic!("{cause}")),
        });
        let clock = Arc::new(SlowClock::default());
        clock.set_behind(options.clock_behind);
        let node = NodeOptions {
            clock: Arc::<SlowClock>::clone(&clock),
            ..NodeOptions::default()
        };
        let node = store.unwrap().bootstrap(node).await.unwrap();
        let session = Session::open(&node.handle(), SessionOptions::default())
            .await
            .unwrap();
        let wire = Wire::new(session);
        let metadata = Metadata::new(node.handle(), wire.clone(), Reads::default());
        let identity = queries::identity(&metadata.local()).unwrap().unwrap();
        let attached = Arc::new(Backends::default());
        let backends = attach(&options, &metadata, &identity, &attached).await;
        let master = options
            .encrypted
            .then(|| *MasterKey::generate().unwrap().expose());
        let keys = BucketKeys::open(
            metadata.clone(),
            Arc::clone(&attached),
            identity.clone(),
            sealing(master.as_ref()),
        );
        let keys = Arc::new(keys.unwrap());
        let mut discards = Discards::new();
        let discarded = discards.take_receiver().unwrap();
        let epochs = Arc::new(Epochs::new(
            metadata.clone(),
            identity.cluster,
            identity.incarnation,
            options.epochs,
            discards.sender(),
        ));
        let lives = vec![identity.incarnation];
        let (reader, suspicions) = BlobReader::new(identity.cluster, lives, Arc::clone(&attached));
        let policy: Arc<dyn AccessPolicy> = Arc::new(Everything(credential()));
        let gateway = Gateway::new(GatewayParts {
            metadata: metadata.clone(),
            access: Arc::new(ArcSwap::from_pointee(policy)),
            backends: Arc::clone(&attached),
            writer: BlobWriter::new(Arc::clone(&epochs), ChunkSize::from_bytes(CHUNK).unwrap())
                .with_blobs_of(options.blob_bytes),
            reader: Arc::new(reader),
            keys: Arc::clone(&keys),
            cluster: identity.cluster,
            incarnation: identity.incarnation.counter,
            limits: ObjectLimits {
                max_object_size: 1 << 30,
                copies: options.copies,
                completed_retention: Duration::from_secs(24 * 3600),
                reserved_buckets: Vec::new(),
            },
        });
        let jobs = Steps::new(JobParts {
            metadata: metadata.clone(),
            backends: Arc::clone(&attached),
            epochs: Arc::clone(&epochs),
            cluster: identity.cluster,
            incarnation: identity.incarnation,
            discards: discarded,
            suspicions,
            times: options.times,
        });
        let world = Self {
            metadata,
            identity,
            wire,
            backends,
            attached,
            epochs,
            keys,
            gateway,
            jobs,
            clock,
            node,
            master,
            _folder: folder,
        };
        world.create_bucket().await;
        world
    }

    /// What is applied, after a barrier.
    pub(crate) async fn view(&self) -> RequestView {
        self.metadata.view(self.metadata.barrier()).await.unwrap()
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> Caller {
        Caller::verified(credential())
    }

    /// Seals the session in use, as a leader does that did not hear of it.
    pub(crate) async fn seal_session(&self) {
        let session = self.metadata.session();
        let seal = SealSession {
            session: session.id(),
            term: self.node.handle().leadership().borrow().term,
        };
        let sealed = session.execute(Command::SealSession(seal)).await.unwrap();
        assert_eq!(sealed, Outcome::Done);
    }

    /// Lets the session in use find that it is sealed: by the answer to its next command.
    pub(crate) async fn find_sealed(&self) {
        let session = self.metadata.session();
        let refused = session
            .execute(Command::SealSession(SealSession {
                session: session.id(),
                term: 0,
            }))
            .await;
        assert_eq!(refused, Err(raft::ExecuteError::SessionSealed));
    }

    /// How bodies are written.
    pub(crate) fn sealing(&self) -> Sealing {
        sealing(self.master.as_ref())
    }

    /// The state's handle, for what no session may do.
    pub(crate) fn handle(&self) -> MetadataHandle {
        self.node.handle()
    }

    /// The jobs, to be run as in production. The steps are taken by them from now on.
    pub(crate) fn take_jobs(&mut self) -> JobParts {
        self.jobs.take_parts()
    }

    /// Ends the test where the node cannot go on: there is nobody who could clean up.
    pub(crate) async fn shutdown(self) {
        self.node.shutdown().await.unwrap();
    }

    /// Waits until so many attempts are under way.
    pub(crate) async fn until_under_way(&self, attempts: u64) {
        until("the beginning of attempts", || async {
            match self.epochs.in_flight() {
                found if found == attempts => Ok(()),
                found => Err(format!("{found} are under way")),
            }
        })
        .await;
    }

    /// Hands over what requests dropped, until no attempt is under way any more.
    pub(crate) async fn quiet(&mut self) {
        let Self { jobs, epochs, .. } = self;
        let jobs = tokio::sync::Mutex::new(jobs);
        until("the end of all attempts", || async {
            jobs.lock().await.discard().await;
            match epochs.in_flight() {
                0 => Ok(()),
                left => Err(format!("{left} are under way")),
            }
        })
        .await;
    }
}

async fn attach(
    options: &Options,
    metadata: &Metadata,
    identity: &Identity,
    attached: &Backends,
) -> Vec<TestBackend> {
    let mut backends = Vec::new();
    for number in 1..=options.backends {
        let name = BackendName::new(format!("memory-{number}")).unwrap();
        let memory = if options.versioned {
            MemoryBackend::versioned(name.clone())
        } else {
            MemoryBackend::new(name.clone())
        };
        let script = Script::seeded(u64::from(number));
        let adapter: Arc<dyn Backend> = Arc::new(Faulty::new(memory.clone(), script.clone()));
        let attacher = Attacher {
            metadata,
            identity,
            backends: attached,
            timeout: Duration::from_secs(30),
        };
        attacher.attach_adapter(&name, "memory", adapter).await.unwrap();
        let (id, _) = queries::backend_by_name(&metadata.local(), &name)
            .unwrap()
            .unwrap();
        backends.push(TestBackend { id, memory, script });
    }
    backends
}

fn sealing(master: Option<&[u8; 32]>) -> Sealing {
    let Some(key) = master else {
        return Sealing::Disabled(EncryptionDisabled::by_settings());
    };
    Sealing::Master {
        key: MasterKey::new(key).unwrap(),
        provider: "test".to_owned(),
        sealed: Vec::new(),
    }
}

fn credential() -> Arc<Credential> {
    Arc::new(Credential {
        access_key: USER.into(),
        user: USER.into(),
        secret: SecretKey::new("secret".to_owned()),
    })
}
