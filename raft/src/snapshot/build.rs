//! Building a snapshot while entries are being applied.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use openraft::storage::RaftSnapshotBuilder;

use super::files;
use super::handle::SnapshotHandle;
use super::manifest::Manifest;
use super::store::SnapshotStore;
use crate::consensus::{Snapshot, TypeConfig};
use crate::directory::files as durable;
use crate::error::Error;
use crate::fatal::{Fatal, FatalCause};
use crate::state::{Generation, StateStore};

/// Builds one snapshot.
pub(crate) struct SnapshotBuilder {
    store: Arc<StateStore>,
    snapshots: Arc<SnapshotStore>,
    fatal: Fatal,
}

impl SnapshotBuilder {
    pub(crate) fn new(store: Arc<StateStore>, snapshots: Arc<SnapshotStore>, fatal: Fatal) -> Self {
        Self {
            store,
            snapshots,
            fatal,
        }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotHandle;

    async fn build_snapshot(&mut self) -> Result<Snapshot<SnapshotHandle>, io::Error> {
        let (store, snapshots) = (Arc::clone(&self.store), Arc::clone(&self.snapshots));
        let built = tokio::task::spawn_blocking(move || snapshots.build(&store))
            .await
            .map_err(io::Error::other)?;
        let handle = built.map_err(|error| {
            self.fatal.trigger(&FatalCause::Snapshot(error.to_string()));
            io::Error::other(error)
        })?;
        handle.into_snapshot()
    }
}

impl SnapshotStore {
    /// Builds and publishes a snapshot of the state as it is at some moment of this call.
    pub(crate) fn build(&self, store: &StateStore) -> Result<SnapshotHandle, Error> {
        let started = Instant::now();
        let temporary = self.temporary()?;
        let published = self.build_in(store, &temporary).inspect_err(|_| {
            // The error that is reported is the first one.
            let _ = durable::remove_directory(&temporary);
        })?;
        store.metrics.snapshots_built.increment(1);
        store.metrics.snapshot_build_seconds.record(started.elapsed());
        let index = published.manifest().index().unwrap_or(0);
        store.metrics.snapshot_index.set(index as f64);
        tracing::info!(
            index,
            files = published.manifest().files.len(),
            seconds = started.elapsed().as_secs_f64(),
            "built a snapshot"
        );
        Ok(published)
    }

    fn build_in(&self, store: &StateStore, temporary: &Path) -> Result<SnapshotHandle, Error> {
        let failed = |message: String| Error::Database {
            path: temporary.to_owned(),
            message,
        };
        store
            .generation()
            .checkpoint(temporary)
            .map_err(|error| failed(error.into_string()))?;
        durable::make_private(temporary).map_err(Error::io("change the mode of", temporary))?;
        let inside = Generation::inspect(temporary).map_err(|damage| failed(damage.to_string()))?;

        let earlier = self.current();
        let known: BTreeMap<_, _> = earlier
            .iter()
            .flat_map(|earlier| &earlier.manifest().files)
            .map(|file| (file.name.as_str(), file))
            .collect();
        let names = files::database_files(temporary).map_err(Error::io("read", temporary))?;
        let mut described = Vec::with_capacity(names.len());
        for name in &names {
            let same = earlier
                .as_ref()
                .and_then(|earlier| Some((earlier.path(), *known.get(name.as_str())?)));
            let file = files::describe(temporary, name, same).map_err(Error::io("read", temporary))?;
            described.push(file);
        }
        let manifest = Manifest::new(
            inside.cluster_id,
            inside.state.applied,
            &inside.state.membership,
            described,
        );
        self.publish(temporary, manifest)
    }
}
