//! Attaches the configured backends: row first, then the identity, then active (DESIGN 3.4).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node_backend::fs::{FsBackend, FsOptions, RootPolicy};
use node_backend::identity::{Identity as BackendIdentity, Verdict, read_identity, write_identity};
use node_backend::memory::MemoryBackend;
use node_backend::observe::Observe;
use node_backend::timeout::Timeout;
use node_backend::{Backend, KeyPrefix};
use raft::ExecuteError;
use raft_machine::{Fault, queries};
use raft_types::commands::{ActivateBackend, AttachBackend};
use raft_types::records::{BackendRecord, BackendState, Identity};
use raft_types::{BackendId, BackendName, BackendNonce, Command, Outcome};

use crate::config::{BackendKind, BackendSettings};
use crate::metadata::Metadata;
use crate::replicas::{AttachedBackend, Backends};
use crate::telemetry::names::BACKEND_METRICS;

/// Why a backend cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    /// The backend could not be opened or asked.
    #[error("backend {name}")]
    Backend {
        /// Its name.
        name: BackendName,
        /// Why.
        source: node_backend::Error,
    },
    /// What lies there belongs to somebody else, or to nobody although it should be ours.
    #[error("backend {name} cannot be used: {verdict}")]
    NotOurs {
        /// Its name.
        name: BackendName,
        /// What was found.
        verdict: Verdict,
    },
    /// The name stands for a backend of another kind.
    #[error("backend {name} was attached as {attached}, and is configured as {configured}")]
    OtherKind {
        /// Its name.
        name: BackendName,
        /// Its kind in the state.
        attached: String,
        /// Its kind in the configuration.
        configured: &'static str,
    },
    /// A command did not get through.
    #[error("backend {name}: a command did not get through")]
    Execute {
        /// Its name.
        name: BackendName,
        /// Why.
        source: ExecuteError,
    },
    /// A command was answered otherwise than expected.
    #[error("backend {name}: {command} was answered with {outcome:?}")]
    Refused {
        /// Its name.
        name: BackendName,
        /// The command.
        command: &'static str,
        /// The answer.
        outcome: Outcome,
    },
    /// The state could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The prefix of the row is impossible.
    #[error("backend {name}: its prefix is impossible")]
    Prefix {
        /// Its name.
        name: BackendName,
        /// Why.
        source: node_backend::KeyError,
    },
    /// No randomness for a nonce.
    #[error("the operating system gave no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Attaches backends on behalf of one session.
pub(crate) struct Attacher<'a> {
    pub(crate) metadata: &'a Metadata,
    pub(crate) identity: &'a Identity,
    pub(crate) backends: &'a Backends,
    /// Longest time that a request to a backend may go without progress.
    pub(crate) timeout: Duration,
}

impl Attacher<'_> {
    /// Attaches a backend, or finds the one that was attached before.
    ///
    /// # Errors
    /// It cannot be used; nothing of it is.
    pub(super) async fn attach(&self, settings: &BackendSettings) -> Result<(), AttachError> {
        let adapter = open(settings, self.timeout).await?;
        self.attach_adapter(&settings.name, kind(&settings.kind), adapter)
            .await
    }

    /// As [`attach`](Self::attach), of a backend of this kind that is open.
    pub(crate) async fn attach_adapter(
        &self,
        name: &BackendName,
        kind: &'static str,
        adapter: Arc<dyn Backend>,
    ) -> Result<(), AttachError> {
        let (id, row) = match queries::backend_by_name(&self.metadata.local(), name)? {
            Some(found) => found,
            None => self.enter(name, kind).await?,
        };
        if row.kind != kind {
            return Err(AttachError::OtherKind {
                name: name.clone(),
                attached: row.kind,
                configured: kind,
            });
        }
        let prefix = KeyPrefix::parse(&row.prefix).map_err(|source| AttachError::Prefix {
            name: name.clone(),
            source,
        })?;
        let expected = self.expected(id, row.nonce);
        if row.state == BackendState::Attaching {
            let written = write_identity(&*adapter, &prefix, &expected).await;
            written.map_err(|source| AttachError::Backend {
                name: name.clone(),
                source,
            })?;
        }
        let found = read_identity(&*adapter, &prefix).await;
        let found = found.map_err(|source| AttachError::Backend {
            name: name.clone(),
            source,
        })?;
        match expected.judge(found) {
            Verdict::Ours => {}
            verdict => {
                return Err(AttachError::NotOurs {
                    name: name.clone(),
                    verdict,
                });
            }
        }
        if row.state == BackendState::Attaching {
            let readers = vec![self.metadata.session().id()];
            let activate = Command::ActivateBackend(ActivateBackend { backend: id, readers });
            self.expect_done(name, "ActivateBackend", activate).await?;
        }
        let attached = AttachedBackend::new(adapter, prefix, expected);
        self.backends
            .insert(attached.map_err(|source| AttachError::Prefix {
                name: name.clone(),
                source,
            })?);
        tracing::info!(backend = %name, id = %id, "backend attached");
        Ok(())
    }

    async fn enter(
        &self,
        name: &BackendName,
        kind: &'static str,
    ) -> Result<(BackendId, BackendRecord), AttachError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(AttachError::Random)?;
        let attach = Command::AttachBackend(AttachBackend {
            name: name.clone(),
            kind: kind.to_owned(),
            spec: Bytes::new(),
            prefix: String::new(),
            nonce: BackendNonce(nonce),
        });
        let outcome = self.execute(name, attach).await?;
        let Outcome::BackendAttached(id) = outcome else {
            return Err(AttachError::Refused {
                name: name.clone(),
                command: "AttachBackend",
                outcome,
            });
        };
        match queries::backend(&self.metadata.local(), id)? {
            Some(row) => Ok((id, row)),
            None => Err(AttachError::Refused {
                name: name.clone(),
                command: "AttachBackend",
                outcome,
            }),
        }
    }

    fn expected(&self, backend: BackendId, nonce: BackendNonce) -> BackendIdentity {
        let Identity {
            cluster, incarnation, ..
        } = self.identity;
        BackendIdentity {
            cluster: *cluster,
            incarnation: *incarnation,
            backend,
            nonce,
        }
    }

    async fn execute(&self, name: &BackendName, command: Command) -> Result<Outcome, AttachError> {
        let executed = self.metadata.execute(command).await;
        executed.map_err(|source| AttachError::Execute {
            name: name.clone(),
            source,
        })
    }

    async fn expect_done(
        &self,
        name: &BackendName,
        command: &'static str,
        sent: Command,
    ) -> Result<(), AttachError> {
        match self.execute(name, sent).await? {
            Outcome::Done => Ok(()),
            outcome => Err(AttachError::Refused {
                name: name.clone(),
                command,
                outcome,
            }),
        }
    }
}

fn kind(kind: &BackendKind) -> &'static str {
    match kind {
        BackendKind::Fs { .. } => "fs",
        BackendKind::Memory => "memory",
    }
}

async fn open(settings: &BackendSettings, limit: Duration) -> Result<Arc<dyn Backend>, AttachError> {
    let name = settings.name.clone();
    match &settings.kind {
        BackendKind::Memory => Ok(decorated(MemoryBackend::new(name), limit)),
        BackendKind::Fs { path, .. } => {
            let options = FsOptions {
                path: path.clone(),
                root: RootPolicy::MustExist,
            };
            let opened = FsBackend::open(name.clone(), options).await;
            let backend = opened.map_err(|source| AttachError::Backend { name, source })?;
            Ok(decorated(backend, limit))
        }
    }
}

fn decorated(backend: impl Backend, limit: Duration) -> Arc<dyn Backend> {
    Arc::new(Observe::new(Timeout::new(backend, limit), BACKEND_METRICS))
}
