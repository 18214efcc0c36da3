//! Memory as a backend: the whole contract without a disk, for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use raft_types::BackendName;
use raft_types::checksum::Crc64;

use crate::body::Body;
use crate::capabilities::{Capabilities, CreateSupport, EvidenceSupport, ListOrder, VersionSupport};
use crate::download::{ByteRange, Download, ReadBody};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyKind};
use crate::listing::{
    Entry, EntryKind, IncompleteId, ListRequest, Listing, Page, Position, ProviderVersion, Target, TargetKind,
};
use crate::port::{Backend, Evidence, GetOptions, Head, PutMode, PutOptions, Reply, Stored};

/// The longest body, in bytes: nothing here wants more of a machine's memory at once.
const MAX_PUT: u64 = 4 << 30;

/// Bodies in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryBackend {
    name: Arc<BackendName>,
    versions: VersionSupport,
    store: Arc<Mutex<Store>>,
}

/// Keys are owned text, since a test may plant keys that no call of the port takes.
#[derive(Debug, Default)]
struct Store {
    /// By key and, newest last, by version. Without versions a key has one of them.
    bodies: BTreeMap<String, Vec<Version>>,
    /// By key and id: what puts have taken so far.
    incomplete: BTreeMap<(String, u64), u64>,
    /// Numbers versions and uploads.
    drawn: u64,
}

#[derive(Debug, Clone)]
struct Version {
    number: u64,
    /// Absent in a delete marker.
    body: Option<Bytes>,
}

/// An upload that is not complete; forgotten with its put.
struct Upload<'a> {
    store: &'a Mutex<Store>,
    id: (String, u64),
}

impl MemoryBackend {
    /// An empty one whose deletes free the bytes.
    pub fn new(name: BackendName) -> Self {
        Self {
            name: Arc::new(name),
            versions: VersionSupport::Unversioned,
            store: Arc::default(),
        }
    }

    /// An empty one that behaves like a provider whose buckets are always versioned.
    pub fn versioned(name: BackendName) -> Self {
        Self {
            versions: VersionSupport::Versioned,
            ..Self::new(name)
        }
    }

    /// All keys that a get would find, in order.
    pub fn keys(&self) -> Vec<String> {
        let store = self.store.lock();
        let visible = store
            .bodies
            .iter()
            .filter(|(_, versions)| current(versions).is_some());
        visible.map(|(key, _)| key.clone()).collect()
    }

    /// What a get of this key would give.
    pub fn bytes(&self, key: &str) -> Option<Bytes> {
        let store = self.store.lock();
        current(store.bodies.get(key)?)?.body.clone()
    }

    /// Bytes of all versions of all keys: what a provider would bill.
    pub fn stored_bytes(&self) -> u64 {
        let store = self.store.lock();
        store
            .bodies
            .values()
            .flatten()
            .filter_map(|version| version.body.as_ref())
            .map(size_of_body)
            .sum()
    }

    /// Changes what lies under a key behind everybody's back, or plants it.
    pub fn plant(&self, key: &str, body: Bytes) {
        let mut store = self.store.lock();
        let number = store.draw();
        store.bodies.insert(
            key.to_owned(),
            vec![Version {
                number,
                body: Some(body),
            }],
        );
    }

    /// Loses what lies under a key behind everybody's back. Whether there was anything.
    pub fn lose(&self, key: &str) -> bool {
        self.store.lock().bodies.remove(key).is_some()
    }

    fn error(&self, kind: ErrorKind, operation: Operation, key: &BackendKey) -> Error {
        Error::new(kind, operation, &self.name).with_key(key)
    }

    fn version_id(&self, number: u64) -> Option<ProviderVersion> {
        (self.versions == VersionSupport::Versioned).then(|| ProviderVersion::new(number_text(number)))
    }

    async fn store(
        &self,
        key: &BackendKey,
        mut body: Body,
        options: PutOptions,
    ) -> Result<Stored, ErrorKind> {
        if options.mode == PutMode::Replace && key.kind() == KeyKind::Attempt {
            return Err(ErrorKind::invalid("an attempt is never replaced"));
        }
        if body.length() > MAX_PUT {
            return Err(ErrorKind::invalid("the body is longer than this backend takes"));
        }
        let upload = Upload::begin(&self.store, key);
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(ErrorKind::Body)?;
            bytes.extend_from_slice(&piece);
            upload.received(bytes.len());
        }
        let bytes = bytes.freeze();
        let checksum = Crc64(crc_fast::crc64_nvme(&bytes));
        if options.checksum.is_some_and(|expected| expected != checksum) {
            return Err(ErrorKind::corrupt("the body has another checksum than announced"));
        }
        let size = size_of_body(&bytes);
        let mut store = self.store.lock();
        // A sweep gave the upload up: what it had does not become visible any more.
        if !store.incomplete.contains_key(&upload.id) {
            return Err(ErrorKind::Unavailable);
        }
        let number = store.draw();
        let versions = store.bodies.entry(key.as_str().to_owned()).or_default();
        if options.mode == PutMode::Create && current(versions).is_some() {
            return Err(ErrorKind::AlreadyExists);
        }
        if self.versions == VersionSupport::Unversioned {
            versions.clear();
        }
        versions.push(Version {
            number,
            body: Some(bytes),
        });
        Ok(Stored {
            size,
            evidence: Evidence::Crc64(checksum),
            version: self.version_id(number),
        })
    }

    fn find(&self, key: &BackendKey) -> Result<(Head, Bytes), ErrorKind> {
        let store = self.store.lock();
        let version = store
            .bodies
            .get(key.as_str())
            .and_then(|versions| current(versions));
        let Some(Version {
            number,
            body: Some(body),
        }) = version
        else {
            return Err(ErrorKind::NotFound);
        };
        let head = Head {
            size: size_of_body(body),
            evidence: Evidence::None,
            version: self.version_id(*number),
        };
        Ok((head, body.clone()))
    }

    fn read(&self, key: &BackendKey, range: Option<ByteRange>) -> Result<Download, ErrorKind> {
        let (head, body) = self.find(key)?;
        let part = ByteRange::resolve(range, head.size)?;
        let too_long = |_| ErrorKind::invalid("more than this machine can address");
        let start = usize::try_from(part.start).map_err(too_long)?;
        let end = usize::try_from(part.end).map_err(too_long)?;
        Ok(Download {
            head,
            body: ReadBody::from_bytes(body.slice(start..end)),
        })
    }

    fn remove(&self, target: &Target) -> Result<(), ErrorKind> {
        let mut store = self.store.lock();
        let key = target.key.as_str();
        match (&target.kind, self.versions) {
            (TargetKind::Current, VersionSupport::Unversioned) => {
                store.bodies.remove(key);
            }
            (TargetKind::Current, VersionSupport::Versioned) => {
                let number = store.draw();
                store
                    .bodies
                    .entry(key.to_owned())
                    .or_default()
                    .push(Version { number, body: None });
            }
            (TargetKind::Version(_), VersionSupport::Unversioned) => {
                return Err(ErrorKind::invalid("this backend keeps no versions"));
            }
            (TargetKind::Version(id), VersionSupport::Versioned) => {
                let Some(versions) = store.bodies.get_mut(key) else {
                    return Ok(());
                };
                versions.retain(|version| number_text(version.number) != id.as_str());
                if versions.is_empty() {
                    store.bodies.remove(key);
                }
            }
            (TargetKind::Incomplete(id), _) => {
                store
                    .incomplete
                    .retain(|(of, number), _| of != key || number_text(*number) != id.as_str());
            }
        }
        Ok(())
    }

    fn page(&self, request: &ListRequest) -> Page {
        let store = self.store.lock();
        let prefix = request.prefix.as_str();
        let from = request
            .after
            .as_ref()
            .map_or(prefix, |after| after.key.as_str().max(prefix));
        let entries: Box<dyn Iterator<Item = Entry> + '_> = match request.listing {
            Listing::Objects | Listing::Versions => {
                let range = (Bound::Included(from), Bound::Unbounded);
                let keys = store.bodies.range::<str, _>(range);
                Box::new(keys.flat_map(|(key, versions)| self.entries(key, versions, request.listing)))
            }
            Listing::Incomplete => {
                let uploads = store.incomplete.range((from.to_owned(), 0)..);
                Box::new(uploads.map(|((key, number), size)| Entry {
                    key: key.clone(),
                    size: *size,
                    kind: EntryKind::Incomplete(IncompleteId::new(number_text(*number))),
                }))
            }
        };
        let limit = request.bounded_limit();
        let mut entries: Vec<Entry> = entries
            .take_while(|entry| entry.key.starts_with(prefix))
            .filter(|entry| request.after.as_ref().is_none_or(|after| is_after(entry, after)))
            .take(limit + 1)
            .collect();
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(Entry::position);
        Page { entries, next }
    }

    fn entries(&self, key: &str, versions: &[Version], listing: Listing) -> Vec<Entry> {
        let entry = |version: &Version| {
            let kind = match (&version.body, self.version_id(version.number)) {
                (Some(_), id) => EntryKind::Object(id),
                (None, Some(id)) => EntryKind::DeleteMarker(id),
                (None, None) => return None,
            };
            let size = version.body.as_ref().map_or(0, size_of_body);
            Some(Entry {
                key: key.to_owned(),
                size,
                kind,
            })
        };
        match listing {
            Listing::Versions => versions.iter().filter_map(entry).collect(),
            _ => current(versions).and_then(entry).into_iter().collect(),
        }
    }
}

impl Store {
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }
}

impl<'a> Upload<'a> {
    fn begin(store: &'a Mutex<Store>, key: &BackendKey) -> Self {
        let mut locked = store.lock();
        let id = (key.as_str().to_owned(), locked.draw());
        locked.incomplete.insert(id.clone(), 0);
        Self { store, id }
    }

    fn received(&self, bytes: usize) {
        if let Some(size) = self.store.lock().incomplete.get_mut(&self.id) {
            *size = bytes as u64;
        }
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        self.store.lock().incomplete.remove(&self.id);
    }
}

/// The version that a get finds, if it finds one.
fn current(versions: &[Version]) -> Option<&Version> {
    versions.last().filter(|version| version.body.is_some())
}

fn size_of_body(body: &Bytes) -> u64 {
    body.len() as u64
}

/// Of fixed width, so that texts sort as numbers do.
fn number_text(number: u64) -> String {
    format!("{number:016x}")
}

fn is_after(entry: &Entry, after: &Position) -> bool {
    let position = entry.position();
    match (&after.id, position.id) {
        _ if position.key != after.key => position.key > after.key,
        (Some(after), Some(id)) => id > *after,
        _ => false,
    }
}

impl Backend for MemoryBackend {
    fn name(&self) -> &Arc<BackendName> {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            create: CreateSupport::Refused,
            evidence: EvidenceSupport::Crc64,
            versions: self.versions,
            order: ListOrder::ByKey,
            max_put: MAX_PUT,
        }
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        Box::pin(async move {
            self.store(key, body, options)
                .await
                .map_err(|kind| self.error(kind, Operation::Put, key))
        })
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        Box::pin(async move {
            self.read(key, options.range)
                .map_err(|kind| self.error(kind, Operation::Get, key))
        })
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        Box::pin(async move {
            let found = self
                .find(key)
                .map_err(|kind| self.error(kind, Operation::Head, key));
            found.map(|(head, _)| head)
        })
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        Box::pin(async move {
            Target::check_batch(targets, &self.name)?;
            let outcomes = targets.iter().map(|target| {
                self.remove(target)
                    .map_err(|kind| self.error(kind, Operation::Delete, &target.key))
            });
            Ok(outcomes.collect())
        })
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        Box::pin(async move { Ok(self.page(request)) })
    }
}
