//! The state in use: which generation, how far it is applied, and the views on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use raft_machine::Effect;
use tokio::sync::{broadcast, watch};

use super::generation::{self, FOLDER, Generation};
use super::view::View;
use crate::directory::{DirectoryLock, files};
use crate::error::{Damage, Error};
use crate::telemetry::StateMetrics;

/// Hints that a slow listener may fall behind before it loses the oldest: hints may be lost.
const EFFECTS_KEPT: usize = 1024;

/// Shared by the thread that applies, the snapshots and all readers.
pub(crate) struct StateStore {
    folder: PathBuf,
    current: ArcSwap<Generation>,
    /// The newest view, shared by all readers until the next write: taking a snapshot locks the
    /// database.
    newest_view: Mutex<Option<View>>,
    applied: watch::Sender<u64>,
    effects: broadcast::Sender<Effect>,
    pub(crate) metrics: StateMetrics,
    /// Let go of after the database is closed: fields are dropped in the order of declaration.
    _lock: Arc<DirectoryLock>,
}

impl StateStore {
    /// Creates the folder with an empty first generation. Durable when this returns.
    pub(crate) fn create(data: &Path) -> Result<(), Error> {
        let folder = data.join(FOLDER);
        files::create_directory(&folder).map_err(Error::io("create", &folder))?;
        Generation::create(&folder, generation::FIRST)?;
        files::sync_directory(&folder).map_err(Error::io("sync", &folder))?;
        generation::write_pointer(&folder, generation::FIRST)
    }

    /// Opens the generation that the pointer names and removes what a crash left of others.
    pub(crate) fn open(data: &Path, lock: Arc<DirectoryLock>) -> Result<Self, Error> {
        let folder = data.join(FOLDER);
        let damaged = |damage| Error::damaged(data, damage);
        let number =
            generation::read_pointer(&folder)?.ok_or_else(|| damaged(Damage::Missing("state/CURRENT")))?;
        if !Generation::path(&folder, number).is_dir() {
            return Err(damaged(Damage::GenerationMissing(number)));
        }
        let current = Generation::open(&folder, number)?;
        remove_others(&folder, number)?;
        let index = current.applied().map_err(damaged)?.index();
        let metrics = StateMetrics::register();
        metrics.applied_index.set(index as f64);
        Ok(Self {
            folder,
            current: ArcSwap::from_pointee(current),
            newest_view: Mutex::new(None),
            applied: watch::Sender::new(index),
            effects: broadcast::Sender::new(EFFECTS_KEPT),
            metrics,
            _lock: lock,
        })
    }

    /// The folder of the generations.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The generation in use.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Index of the last applied entry, published after its rows can be read.
    pub(crate) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// Index of the last applied entry.
    pub(crate) fn applied_index(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Hints of commands that are applied from now on.
    pub(crate) fn effects(&self) -> broadcast::Receiver<Effect> {
        self.effects.subscribe()
    }

    /// A view in which everything published so far is applied.
    pub(crate) fn view(&self) -> View {
        let mut newest = self.newest_view.lock();
        // Read under the lock: whoever publishes takes the old view away under it.
        let applied = self.applied_index();
        match &*newest {
            Some(view) => view.clone(),
            None => newest.insert(View::new(self.generation(), applied)).clone(),
        }
    }

    /// Tells everybody that the entries to `index` are applied.
    pub(super) fn publish(&self, index: u64) {
        let mut newest = self.newest_view.lock();
        self.applied.send_replace(index);
        let superseded = newest.take();
        drop(newest);
        // The last holder releases the snapshot, which locks the database.
        drop(superseded);
        self.metrics.applied_index.set(index as f64);
    }

    /// Hands out hints; nobody may be listening.
    pub(super) fn emit(&self, effects: impl IntoIterator<Item = Effect>) {
        if self.effects.receiver_count() == 0 {
            return;
        }
        for effect in effects {
            let _ = self.effects.send(effect);
        }
    }

    /// Makes `next` the generation in use. The pointer names it already.
    pub(crate) fn switch(&self, next: Generation, index: u64) {
        let previous = {
            let mut newest = self.newest_view.lock();
            let previous = self.current.swap(Arc::new(next));
            *newest = None;
            self.applied.send_replace(index);
            previous
        };
        self.metrics.applied_index.set(index as f64);
        previous.retire();
    }
}

/// Removes generations that the pointer does not name: an install that was cut off, before or after
/// the pointer was replaced.
fn remove_others(folder: &Path, current: u64) -> Result<(), Error> {
    let keep = Generation::path(folder, current);
    for name in files::names(folder).map_err(Error::io("read", folder))? {
        let path = folder.join(&name);
        if path == keep || name == generation::POINTER {
            continue;
        }
        tracing::info!(path = %path.display(), "removing what a crash left behind");
        if path.is_dir() {
            files::remove_directory(&path).map_err(Error::io("remove", &path))?;
        } else {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
