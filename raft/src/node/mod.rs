//! A running node: the Raft core on its own runtime, and its life from start to shutdown.

pub(crate) mod bootstrap;
mod compactor;
mod core;

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use raft_types::{ClusterId, DiskId, NodeId};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{Clock, ClockComparison, NoOtherClocks, Stamper, SystemClock};
use crate::compaction::CompactionLimits;
use crate::directory::{Identity, Phase, Store};
use crate::error::Error;
use crate::fatal::{Fatal, FatalCause};
use crate::handle::{
    Barrier, Boot, Boots, Leadership, MetadataHandle, NodeIdentity, OwnState, Proposer, RaftCore, Shared,
    SoleLeader, watch_leadership,
};
use crate::log::LogStore;
use crate::state::StateStore;

/// Threads of the Raft runtime, unless configured: one for the core, one for everything around it.
const WORKER_THREADS: usize = 2;
/// How long reads wait for a leader, unless configured (`cluster.leader_wait`).
const LEADER_WAIT: Duration = Duration::from_secs(5);
/// How long a shutdown waits for commands in flight: what is not committed by then, nobody may be there to
/// commit.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// How long a shutdown waits for the runtime's tasks.
const RUNTIME_LIMIT: Duration = Duration::from_secs(5);

/// How a node runs.
#[derive(Clone)]
pub struct NodeOptions {
    /// The clock that stamps entries.
    pub clock: Arc<dyn Clock>,
    /// Compares it with others.
    pub clocks: Arc<dyn ClockComparison>,
    /// Threads of the Raft runtime, at least 1.
    pub worker_threads: usize,
    /// How long reads wait for a leader.
    pub leader_wait: Duration,
    /// When snapshots are built and how much log is kept.
    pub compaction: CompactionLimits,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            clocks: Arc::new(NoOtherClocks),
            worker_threads: WORKER_THREADS,
            leader_wait: LEADER_WAIT,
            compaction: CompactionLimits::default(),
        }
    }
}

/// A running node. Shut it down in order with [`Node::shutdown`]; dropped, it stops like a killed
/// process: nothing acknowledged is lost.
pub struct Node {
    handle: MetadataHandle,
    log: LogStore,
    state: Arc<StateStore>,
    stopping: watch::Sender<bool>,
    compactor: JoinHandle<()>,
    // An option, because a runtime must not be dropped in async code.
    runtime: Option<Runtime>,
}

impl Store {
    /// Starts a member of a cluster and returns while it looks for a leader; see
    /// [`Node::wait_until_recovered`].
    ///
    /// # Errors
    /// [`Error::NotAMember`] for a directory that belongs to no cluster, or only half to one; and whatever
    /// keeps the core from starting.
    pub async fn start(self, options: NodeOptions) -> Result<Node, Error> {
        if self.identity.life_phase() != Phase::Member {
            return Err(Error::NotAMember { path: self.path });
        }
        Node::launch(self, options).await
    }
}

impl Node {
    /// The way to the replicated state.
    #[must_use]
    pub fn handle(&self) -> MetadataHandle {
        self.handle.clone()
    }

    /// Waits until this node has applied everything that it had applied before it stopped, and a
    /// leader has confirmed that as committed. To be called before anything is read without a barrier.
    ///
    /// # Errors
    /// [`Error::Recovery`] if that takes longer than `limit`, or the core stops.
    pub async fn wait_until_recovered(&self, limit: Duration) -> Result<(), Error> {
        let raft = self.handle.shared().raft.clone();
        let recovered = raft.wait_for_recovery(Some(limit)).await;
        recovered.map(drop).map_err(|error| Error::Recovery {
            seconds: limit.as_secs(),
            what: error.to_string(),
        })
    }

    /// Builds a snapshot now and waits for it. Returns the index that it covers.
    ///
    /// # Errors
    /// If the core has stopped.
    pub async fn build_snapshot(&self) -> Result<u64, Error> {
        compactor::build_snapshot(&self.handle.shared().raft, self.state.applied_index()).await
    }

    /// Rewrites the state on the disk without what was deleted or overwritten, and waits for that.
    /// Returns the bytes that its files hold then. RocksDB does as much in the background, by and by.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn compact_state(&self) -> Result<u64, Error> {
        let generation = self.state.generation();
        let compacted = tokio::task::spawn_blocking(move || {
            generation
                .compact()
                .and_then(|()| generation.file_bytes())
                .map_err(|error| Error::Database {
                    path: generation.path_in_use().to_owned(),
                    message: error.into_string(),
                })
        });
        compacted.await.map_err(|error| Error::Start {
            what: "the thread that compacts the state",
            source: std::io::Error::other(error),
        })?
    }

    /// Stops in order: takes no more commands, lets those in flight finish, stops the core and writes
    /// the memtables out, so that the next start has nothing to replay. The databases are closed, and
    /// the directory is free for another process, once the last handle, session and view is dropped.
    ///
    /// # Errors
    /// If a database could not be written out. Nothing acknowledged is lost by that.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        self.stopping.send_replace(true);
        let shared = self.handle.shared();
        if tokio::time::timeout(DRAIN_LIMIT, shared.proposer.stop())
            .await
            .is_err()
        {
            tracing::warn!("commands were still in flight when the node was shut down");
        }
        self.compactor.abort();
        if let Err(error) = shared.raft.shutdown().await {
            tracing::warn!(%error, "the Raft core did not stop in order");
        }
        let (log, state, runtime) = (self.log.clone(), Arc::clone(&self.state), self.runtime.take());
        let closed = tokio::task::spawn_blocking(move || {
            if let Some(runtime) = runtime {
                runtime.shutdown_timeout(RUNTIME_LIMIT);
            }
            close(&log, &state)
        });
        closed.await.map_err(|error| Error::Start {
            what: "the thread that closes the databases",
            source: std::io::Error::other(error),
        })?
    }

    async fn launch(store: Store, options: NodeOptions) -> Result<Self, Error> {
        let runtime = core::runtime(options.worker_threads)?;
        let spawner = runtime.handle().clone();
        // Everything of openraft's runs on the Raft runtime.
        let launched = spawner.spawn(Launch { store, options }.run(runtime.handle().clone()));
        let result = launched.await.map_err(|error| Error::Core(error.to_string()));
        let parts = match result.and_then(|result| result) {
            Ok(parts) => parts,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let Parts {
            handle,
            log,
            state,
            stopping,
            compactor,
        } = parts;
        Ok(Self {
            handle,
            log,
            state,
            stopping,
            compactor,
            runtime: Some(runtime),
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stopping.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

fn close(log: &LogStore, state: &StateStore) -> Result<(), Error> {
    let generation = state.generation();
    let written = generation.flush().map_err(|error| Error::Database {
        path: generation.path_in_use().to_owned(),
        message: error.into_string(),
    });
    log.close().map_err(|error| Error::Database {
        path: log.path().to_owned(),
        message: error.to_string(),
    })?;
    written
}

struct Launch {
    store: Store,
    options: NodeOptions,
}

struct Parts {
    handle: MetadataHandle,
    log: LogStore,
    state: Arc<StateStore>,
    stopping: watch::Sender<bool>,
    compactor: JoinHandle<()>,
}

impl Launch {
    async fn run(self, runtime: tokio::runtime::Handle) -> Result<Parts, Error> {
        let Self { store, options } = self;
        let raft = core::start(&store).await?;
        let stopping = watch::Sender::new(false);
        let leadership = watch::Sender::new(Leadership::UNKNOWN);
        let leads = leadership.subscribe();
        let sole = Arc::new(SoleLeader::default());
        tokio::spawn(watch_core(
            raft.clone(),
            leadership,
            Arc::clone(&sole),
            stopping.subscribe(),
            store.fatal.clone(),
        ));
        let compactor = compactor::Compactor {
            raft: raft.clone(),
            log: store.log.clone(),
            state: Arc::clone(&store.state),
            snapshots: Arc::clone(&store.snapshots),
            limits: options.compaction,
            node: store.identity.raft_id,
        };
        let compactor = tokio::spawn(compactor.run());
        let stamper = Stamper::new(options.clock, options.clocks);
        let shared = Shared {
            identity: node_identity(&store),
            proposer: Proposer::start(raft.clone(), stamper),
            barrier: Barrier::start(
                raft.clone(),
                OwnState {
                    leadership: leads.clone(),
                    sole,
                    applied: store.state.applied(),
                },
                options.leader_wait,
            ),
            raft,
            state: Arc::clone(&store.state),
            leadership: leads,
            boots: Mutex::new(Boots {
                unused: Some(Boot {
                    number: store.identity.boot,
                    nonce: store.nonce,
                }),
                path: store.path.clone(),
                identity: store.identity,
            }),
            runtime,
        };
        Ok(Parts {
            handle: MetadataHandle::new(shared),
            log: store.log,
            state: store.state,
            stopping,
            compactor,
        })
    }
}

fn node_identity(store: &Store) -> NodeIdentity {
    let Identity {
        cluster_id, raft_id, ..
    } = &store.identity;
    NodeIdentity {
        node: NodeId(*raft_id),
        name: store.name.clone(),
        cluster: ClusterId(<[u8; 16]>::try_from(cluster_id.as_slice()).unwrap_or_default()),
        disk: DiskId(store.disk_id().0),
    }
}

/// A core that ends although nobody asked it to never heals: the process ends with it.
async fn watch_core(
    raft: RaftCore,
    leadership: watch::Sender<Leadership>,
    sole: Arc<SoleLeader>,
    stopping: watch::Receiver<bool>,
    fatal: Fatal,
) {
    watch_leadership(raft.clone(), leadership, sole).await;
    if *stopping.borrow() {
        return;
    }
    let reason = match &raft.metrics().borrow_watched().running_state {
        Ok(()) => "it ended without an error".to_owned(),
        Err(error) => error.to_string(),
    };
    fatal.trigger(&FatalCause::CoreStopped(reason));
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
