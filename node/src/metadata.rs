//! The replicated metadata as use cases and jobs see it: a barrier, a view, a command.
//!
//! A thin layer over [`raft`]: it ties each view to a registered read, so that nothing which the view
//! refers to is deleted while the request lasts, and words failures as the surface does.

mod session;

use std::sync::Arc;

use api::port::Error;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use raft::{BarrierError, ExecuteError, MetadataHandle, OpenSessionError, ReadIndex, SessionOptions, View};
use raft_types::{Command, Outcome};
use tokio::sync::watch;

use crate::replicas::{ReadGuard, Reads};

pub(crate) use session::{AnySession, SessionPort};

/// Metadata of this node. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    handle: MetadataHandle,
    /// Another one takes its place when it was sealed by somebody else.
    session: Arc<ArcSwap<AnySession>>,
    applied: watch::Receiver<u64>,
    reads: Reads,
}

/// A barrier on its way, and the registration of the read that waits for it.
pub struct Barrier {
    round: Round,
    guard: ReadGuard,
}

enum Round {
    Done(Result<ReadIndex, BarrierError>),
    Waiting(BoxFuture<'static, Result<ReadIndex, BarrierError>>),
}

/// The state after a barrier. Every decision of one request is taken on it.
#[derive(Debug, Clone)]
pub struct RequestView {
    tables: View,
    guard: Arc<ReadGuard>,
}

impl Metadata {
    pub(crate) fn new(handle: MetadataHandle, session: impl SessionPort, reads: Reads) -> Self {
        let applied = handle.applied();
        let session: AnySession = Arc::new(session);
        Self {
            handle,
            session: Arc::new(ArcSwap::from_pointee(session)),
            applied,
            reads,
        }
    }

    fn applied_index(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Starts a barrier. Registers the read first: its view is not older than what is applied now.
    pub(crate) fn barrier(&self) -> Barrier {
        let guard = self.reads.register(self.applied_index());
        if let Some(index) = self.handle.barrier_now() {
            let round = Round::Done(Ok(index));
            return Barrier { round, guard };
        }
        let handle = self.handle.clone();
        let mut waiting = async move { handle.barrier().await }.boxed();
        // The first poll asks for the round; what is left to do meanwhile runs beside it.
        let round = match (&mut waiting).now_or_never() {
            Some(answer) => Round::Done(answer),
            None => Round::Waiting(waiting),
        };
        Barrier { round, guard }
    }

    /// Waits for the barrier and takes the view after it.
    pub(crate) async fn view(&self, barrier: Barrier) -> Result<RequestView, Error> {
        let Barrier { round, guard } = barrier;
        let confirmed = match round {
            Round::Done(answer) => answer,
            Round::Waiting(waiting) => waiting.await,
        };
        let view = match confirmed {
            Ok(index) => self.handle.view_at(index).await,
            Err(error) => Err(error),
        };
        match view {
            Ok(tables) => Ok(RequestView {
                tables,
                guard: Arc::new(guard),
            }),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no read barrier could be had"
                );
                Err(crate::objects::unavailable())
            }
        }
    }

    /// This node's state as it is now, without a barrier: for jobs, and for rows that never change.
    pub(crate) fn local(&self) -> View {
        self.handle.local_view()
    }

    /// This node's state as it is now, without a barrier, under the registration of a read that is
    /// running.
    pub(crate) fn view_now(&self, guard: Arc<ReadGuard>) -> RequestView {
        RequestView {
            tables: self.handle.local_view(),
            guard,
        }
    }

    /// Executes a command exactly once.
    pub(crate) async fn execute(&self, command: Command) -> Result<Outcome, ExecuteError> {
        self.session().execute(command).await
    }

    /// What died at or before this index is needed by no read of this node.
    pub(crate) fn horizon(&self) -> u64 {
        self.reads.horizon(self.applied_index())
    }

    /// The session in use. What is begun under it ends with it.
    pub(crate) fn session(&self) -> AnySession {
        Arc::clone(&self.session.load())
    }

    /// Opens a session in the place of one that was sealed.
    ///
    /// # Errors
    /// None was opened; the sealed one stays.
    pub(crate) async fn open_another_session(&self) -> Result<(), OpenSessionError> {
        let session = raft::Session::open(&self.handle, SessionOptions::default()).await?;
        let session: AnySession = Arc::new(session);
        self.session.store(Arc::new(session));
        Ok(())
    }
}

impl std::fmt::Debug for Barrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Barrier")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

impl RequestView {
    /// Answers `query` from this view: at once if all that it reads is in memory, which is the rule,
    /// otherwise on a thread that may wait for the disk. It may run twice; `context`, what it needs
    /// beside the view, is handed back.
    pub(crate) async fn decide<C, R>(
        &self,
        context: C,
        query: impl FnOnce(&RequestView, &C) -> Result<R, Error> + Copy + Send + 'static,
    ) -> Result<(C, R), Error>
    where
        C: Send + 'static,
        R: Send + 'static,
    {
        let in_memory = self.tables.try_in_memory(|tables| {
            let view = Self {
                tables: tables.clone(),
                guard: Arc::clone(&self.guard),
            };
            query(&view, &context)
        });
        match in_memory {
            Some(answer) => answer.map(|answer| (context, answer)),
            None => self.decide_on_disk(context, query).await,
        }
    }

    /// Answers `query` on a thread that may wait for the disk: for what reads many rows.
    pub(crate) async fn decide_on_disk<C, R>(
        &self,
        context: C,
        query: impl FnOnce(&RequestView, &C) -> Result<R, Error> + Send + 'static,
    ) -> Result<(C, R), Error>
    where
        C: Send + 'static,
        R: Send + 'static,
    {
        let view = self.clone();
        let answered = tokio::task::spawn_blocking(move || {
            let answer = query(&view, &context);
            answer.map(|answer| (context, answer))
        });
        // The thread panicked, or the process is going down.
        answered.await.unwrap_or(Err(Error::Internal))
    }

    /// The tables.
    pub(crate) fn tables(&self) -> &View {
        &self.tables
    }

    /// Everything up to this index is in the view.
    pub(crate) fn read_index(&self) -> u64 {
        self.tables.applied_index()
    }

    /// Keeps what the view refers to from being deleted.
    pub(crate) fn guard(&self) -> Arc<ReadGuard> {
        Arc::clone(&self.guard)
    }
}
