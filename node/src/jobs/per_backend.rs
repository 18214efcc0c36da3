//! Work on backends, each for itself: one that hangs or fails holds up no other (M2).

use std::collections::HashMap;

use raft_types::BackendId;
use tokio::task::{Id, JoinError, JoinSet};

/// At most one task per backend. Dropping it ends them.
#[derive(Debug, Default)]
pub(super) struct PerBackend {
    tasks: JoinSet<()>,
    busy: HashMap<Id, BackendId>,
}

impl PerBackend {
    /// Starts `work` on a backend, unless it is still at work on it from an earlier turn.
    pub(super) fn start(&mut self, backend: BackendId, work: impl Future<Output = ()> + Send + 'static) {
        if !self.is_busy(backend) {
            let id = self.tasks.spawn(work).id();
            self.busy.insert(id, backend);
        }
    }

    /// Waits for all tasks.
    pub(super) async fn finish(mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.note_end(ended);
        }
    }

    fn is_busy(&mut self, backend: BackendId) -> bool {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note_end(ended);
        }
        self.busy.values().any(|busy| *busy == backend)
    }

    fn note_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "work on a backend ended with a panic");
                error.id()
            }
        };
        self.busy.remove(&id);
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test panics as planned")]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    const ONE: BackendId = BackendId(1);
    const TWO: BackendId = BackendId(2);

    /// Lets the tasks run until a backend is free.
    async fn until_free(work: &mut PerBackend, backend: BackendId) {
        while work.is_busy(backend) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_backend_that_hangs_holds_up_itself_alone() {
        let mut work = PerBackend::default();
        let (go_on, hangs) = oneshot::channel::<()>();
        let (ran, mut runs) = mpsc::unbounded_channel();
        work.start(ONE, async move {
            let _ = hangs.await;
        });
        for turn in 0..3 {
            work.start(ONE, async { panic!("it is busy") });
            let ran = ran.clone();
            work.start(TWO, async move {
                let _ = ran.send(turn);
            });
            until_free(&mut work, TWO).await;
        }
        drop((ran, go_on));
        work.finish().await;
        for turn in 0..3 {
            assert_eq!(runs.recv().await, Some(turn));
        }
        assert_eq!(runs.recv().await, None);
    }

    #[tokio::test]
    async fn a_panic_frees_the_backend() {
        let mut work = PerBackend::default();
        work.start(ONE, async { panic!("as planned") });
        until_free(&mut work, ONE).await;
        let (ran, runs) = oneshot::channel();
        work.start(ONE, async move {
            let _ = ran.send(());
        });
        work.finish().await;
        assert_eq!(runs.await, Ok(()));
    }
}
