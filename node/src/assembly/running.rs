//! A node that runs: how the shell of the process steers it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use raft::Node;
use tokio::sync::watch;

use super::buckets;
use super::gauges::Gauges;
use super::settings::{Agreed, Agreement};
use crate::config::ClusterSettings;
use crate::identity_access::Grants;
use crate::jobs::Jobs;
use crate::lifecycle::{Failure, Lifecycle, Readiness, ReconfigureError};
use crate::metadata::Metadata;
use crate::objects::AccessPolicy;
use crate::replicas::Epochs;

/// A started node.
#[derive(Debug)]
pub struct RunningNode {
    pub(super) metadata: Metadata,
    pub(super) agreement: Agreement,
    pub(super) epochs: Arc<Epochs>,
    pub(super) access: Arc<ArcSwap<Arc<dyn AccessPolicy>>>,
    /// Taken apart when the node stops.
    pub(super) parts: Mutex<Option<Parts>>,
    /// Set once by whatever ends the process.
    pub(super) fatal: watch::Receiver<Option<String>>,
    /// Set once where the session was sealed and no other was opened.
    pub(super) session_lost: watch::Receiver<Option<String>>,
}

/// What is stopped in order.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) jobs: Jobs,
    pub(super) gauges: Gauges,
    pub(super) node: Node,
}

impl RunningNode {
    async fn stop_parts(&self) {
        let Some(Parts { jobs, gauges, node }) = self.parts.lock().take() else {
            return;
        };
        jobs.stop().await;
        drop(gauges);
        // What is under no attempt any more need not wait for the next boot to be swept.
        self.epochs.rotate();
        if let Err(error) = self.epochs.advance().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the epoch was not ended; its sweep will wait"
            );
        }
        if let Err(error) = self.metadata.session().close().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the session was not ended in order"
            );
        }
        if let Err(error) = node.shutdown().await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the metadata was not closed in order"
            );
        }
    }
}

/// Waits for a cause to end the process.
async fn failure(mut cause: watch::Receiver<Option<String>>) -> Failure {
    let said = cause
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|cause| cause.clone());
    match said {
        Some(cause) => Failure(cause),
        // Nobody is left who could say anything: the node stops in order.
        None => std::future::pending().await,
    }
}

impl Lifecycle for RunningNode {
    fn readiness(&self) -> Readiness {
        if self.metadata.session().is_sealed() {
            return Readiness::NotReady("the session of this node is sealed");
        }
        Readiness::Ready
    }

    fn reconfigure<'a>(
        &'a self,
        settings: &'a ClusterSettings,
    ) -> BoxFuture<'a, Result<(), ReconfigureError>> {
        async move {
            match self.agreement.reach(settings).await {
                Ok(Agreed::Own) => {}
                Ok(Agreed::Others(_)) => {
                    let why = "the cluster has other settings, which hold until an operator decides";
                    return Err(ReconfigureError(why.to_owned()));
                }
                Err(error) => return Err(ReconfigureError::because(&error)),
            }
            // Before anybody is granted them: whoever may use a new bucket finds it there.
            buckets::ensure(&self.metadata, settings)
                .await
                .map_err(|error| ReconfigureError::because(&error))?;
            let policy: Arc<dyn AccessPolicy> = Arc::new(Grants::of(settings));
            self.access.store(Arc::new(policy));
            Ok(())
        }
        .boxed()
    }

    fn prepare_stop(&self) -> BoxFuture<'_, ()> {
        // A cluster of one has nobody to hand leadership to.
        async {}.boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.stop_parts().boxed()
    }

    fn failed(&self) -> BoxFuture<'_, Failure> {
        async {
            tokio::select! {
                failure = failure(self.fatal.clone()) => failure,
                failure = failure(self.session_lost.clone()) => failure,
            }
        }
        .boxed()
    }
}
