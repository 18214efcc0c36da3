//! A directory as a backend.
//!
//! A body is a file: keys are paths, attempts fan out into folders (the module `place` has the rules,
//! which are an on-disk format). A put writes a temporary file beside the final name, syncs it,
//! renames it without replacing and syncs the folder; every folder on the way is synced into the one
//! above it before the first success that relies on it. A delete is synced before it is confirmed.
//!
//! All paths are resolved below one open root, without following symbolic links, so that nothing that
//! lies in the directory leads out of it. Folders and files are for the owner alone. What has no key
//! (links, sockets, names that are not text) is neither listed nor touched.
//!
//! What may wait for a disk runs on tokio's blocking threads: a small put or get is one hop, a long
//! one goes piece by piece with a bounded number of pieces under way, so that a slow client holds no
//! thread. On local file systems, where the kernel can refuse instead of waiting, a small read of what
//! lies in memory needs no hop at all.
//!
//! A key cannot be a folder of another key; keys of ours never are.

mod blocking;
mod durable;
mod failure;
mod place;
mod read;
mod remove;
mod store;
mod tree;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use raft_types::BackendName;

use crate::body::Body;
use crate::capabilities::{Capabilities, CreateSupport, EvidenceSupport, ListOrder, VersionSupport};
use crate::download::{ByteRange, Download, ReadBody};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyKind, KeyPrefix};
use crate::listing::{ListRequest, Page, Target};
use crate::port::{Backend, GetOptions, Head, PutMode, PutOptions, Reply, Stored};
use blocking::step;
use failure::Failure;
use place::Place;
use read::Content;
pub use tree::RootPolicy;
use tree::Tree;

/// The longest file: what the file systems of Linux hold in common (ext4 with 4 KiB blocks).
const MAX_FILE: u64 = 16 << 40;

/// Where a directory backend lies.
#[derive(Debug, Clone)]
pub struct FsOptions {
    /// The directory.
    pub path: PathBuf,
    /// Whether it may be made.
    pub root: RootPolicy,
}

/// A directory as a [`Backend`].
#[derive(Debug)]
pub struct FsBackend {
    name: Arc<BackendName>,
    tree: Arc<Tree>,
}

impl FsBackend {
    /// Opens the directory. It stays open: what is mounted over it later is not seen.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) when it is missing and [`RootPolicy::MustExist`];
    /// [`Denied`](ErrorKind::Denied), [`Unavailable`](ErrorKind::Unavailable).
    pub async fn open(name: BackendName, options: FsOptions) -> Result<Self> {
        let name = Arc::new(name);
        let opening = step(move || Tree::open(&options.path, options.root));
        match opening.await {
            Ok(tree) => Ok(Self {
                name,
                tree: Arc::new(tree),
            }),
            Err(failure) => Err(failure.into_error(Operation::Open, &name, None)),
        }
    }

    /// Resolves paths segment by segment, as on an old kernel or in a sandbox.
    #[cfg(test)]
    pub(crate) fn without_openat2(self) -> Self {
        let Self { name, tree } = self;
        let tree = Arc::into_inner(tree).map(Tree::without_openat2).map(Arc::new);
        Self {
            name,
            tree: tree.unwrap_or_else(|| unreachable!("a new backend is not shared")),
        }
    }

    fn error(&self, failure: Failure, operation: Operation, key: &BackendKey) -> Error {
        failure.into_error(operation, &self.name, Some(key))
    }

    async fn store(&self, key: &BackendKey, body: Body, options: PutOptions) -> Result<Stored, Failure> {
        if options.mode == PutMode::Replace && key.kind() == KeyKind::Attempt {
            return Err(Failure::of(ErrorKind::invalid("an attempt is never replaced")));
        }
        store::store(Arc::clone(&self.tree), Place::of(key)?, body, options).await
    }

    async fn read(&self, key: &BackendKey, range: Option<ByteRange>) -> Result<Download, Failure> {
        let found = read::read(&self.tree, place_of_stored(key)?, range).await?;
        let body = match found.content {
            Content::Whole(bytes) => ReadBody::from_bytes(bytes),
            Content::Pieces(pieces) => {
                let length = pieces.length();
                let (name, of) = (Arc::clone(&self.name), key.clone());
                let failed = move |failure: Failure| failure.into_error(Operation::Get, &name, Some(&of));
                let stream = pieces.map(move |piece| piece.map_err(&failed));
                ReadBody::from_stream(length, Box::pin(stream), &self.name, key)
            }
        };
        Ok(Download {
            head: found.head,
            body,
        })
    }

    async fn head_of(&self, key: &BackendKey) -> Result<Head, Failure> {
        read::head(&self.tree, place_of_stored(key)?).await
    }
}

/// The place of a key that is to be read: nothing is stored under one that has none.
fn place_of_stored(key: &BackendKey) -> Result<Place, Failure> {
    Place::of(key).map_err(|_| Failure::of(ErrorKind::NotFound))
}

impl Backend for FsBackend {
    fn name(&self) -> &Arc<BackendName> {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            create: CreateSupport::Refused,
            evidence: EvidenceSupport::Crc64,
            versions: VersionSupport::Unversioned,
            order: ListOrder::ByKey,
            max_put: MAX_FILE,
        }
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        Box::pin(async move {
            self.store(key, body, options)
                .await
                .map_err(|failure| self.error(failure, Operation::Put, key))
        })
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        Box::pin(async move {
            self.read(key, options.range)
                .await
                .map_err(|failure| self.error(failure, Operation::Get, key))
        })
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        Box::pin(async move {
            self.head_of(key)
                .await
                .map_err(|failure| self.error(failure, Operation::Head, key))
        })
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        Box::pin(async move {
            Target::check_batch(targets, &self.name)?;
            let (tree, batch) = (Arc::clone(&self.tree), targets.to_vec());
            let outcomes = step(move || Ok(remove::delete(&tree, &batch)))
                .await
                .map_err(|failure| failure.into_error(Operation::Delete, &self.name, None))?;
            let named = outcomes.into_iter().zip(targets).map(|(outcome, target)| {
                outcome.map_err(|failure| self.error(failure, Operation::Delete, &target.key))
            });
            Ok(named.collect())
        })
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        Box::pin(async move {
            let (tree, request) = (Arc::clone(&self.tree), request.clone());
            step(move || walk::list(&tree, &request))
                .await
                .map_err(|failure| failure.into_error(Operation::List, &self.name, None))
        })
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        Box::pin(async move {
            let (tree, prefix) = (Arc::clone(&self.tree), prefix.clone());
            step(move || remove::tidy(&tree, prefix.folder_path()))
                .await
                .map_err(|failure| failure.into_error(Operation::Tidy, &self.name, None))
        })
    }
}
