//! Creating and opening the log database, and the checks that a log must pass before it is used.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use prost::Message;
use rocksdb::{DB, ReadOptions, WriteBatch};

use super::cache::{CAPACITY_BYTES, TailCache};
use super::flusher::Flusher;
use super::keys::{GROUP, GroupId, IdentityRow, LOG_FAMILY, META_FAMILY, MetaRow, log_index, log_key};
use super::sizes::LogSizes;
use super::store::{Contents, Inner, LogStore, Span};
use super::{options, record};
use crate::consensus::{LogId, RaftId, StoredCommitted, StoredLogId, StoredVote, Vote};
use crate::directory::DirectoryLock;
use crate::error::{Damage, Error};
use crate::fatal::Fatal;
use crate::telemetry::LogMetrics;

/// Folder of the database in the data directory, and its name in messages.
pub(crate) const FOLDER: &str = "raftlog";
/// The format that this release writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// Entries at the end of the log that are read at every start: all that a node that lost power may
/// have to apply again, and what is most likely to be damaged. A fraction of a second.
const VERIFIED_TAIL: u64 = 10_000;

/// Who the log belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogIdentity {
    pub(crate) disk_id: [u8; 16],
    pub(crate) cluster_id: Option<[u8; 16]>,
    /// 0 before the node has a number.
    pub(crate) raft_id: RaftId,
}

impl LogStore {
    /// Creates an empty database at `path`, which must not exist. Durable when this returns, except
    /// for the name of `path` itself.
    pub(crate) fn create(path: &Path, identity: &LogIdentity) -> Result<(), Error> {
        let failed = |error: rocksdb::Error| Error::Database {
            path: path.to_owned(),
            message: error.to_string(),
        };
        let mut database = options::database();
        database.create_if_missing(true);
        database.create_missing_column_families(true);
        database.set_error_if_exists(true);
        let db = DB::open_cf_descriptors(&database, path, options::families()).map_err(failed)?;
        let meta = db
            .cf_handle(META_FAMILY)
            .ok_or_else(|| missing_family(path, META_FAMILY))?;
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, MetaRow::Format.key(GROUP), FORMAT.to_le_bytes());
        batch.put_cf(meta, MetaRow::Identity.key(GROUP), identity_row(identity));
        db.write_opt(batch, &options::synced()).map_err(failed)
    }

    /// Opens the database at `path` and verifies it.
    pub(crate) fn open(directory: &Path, fatal: Fatal, lock: Arc<DirectoryLock>) -> Result<Self, Error> {
        let path = directory.join(FOLDER);
        let damaged = |damage| Error::damaged(directory, damage);
        let db =
            DB::open_cf_descriptors(&options::database(), &path, options::families()).map_err(|error| {
                damaged(Damage::Database {
                    database: FOLDER,
                    message: error.to_string(),
                })
            })?;
        let db = Arc::new(db);
        check_format(&db, &path, directory)?;
        let contents = load(&db, GROUP).map_err(damaged)?;
        let metrics = LogMetrics::register();
        let synced = Arc::clone(&db);
        let flusher = Flusher::start(
            move || synced.flush_wal(true).map_err(|error| error.to_string()),
            fatal.clone(),
            metrics.clone(),
        )?;
        let inner = Inner {
            db,
            group: GROUP,
            contents: Mutex::new(contents),
            wal_bytes: Mutex::new(0),
            flusher,
            fatal,
            metrics,
            _lock: lock,
        };
        inner.report_size(&inner.contents.lock());
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Who the log belongs to.
    pub(crate) fn identity(&self, directory: &Path) -> Result<LogIdentity, Error> {
        let row: IdentityRow = read_row(&self.inner.db, GROUP, MetaRow::Identity)
            .and_then(|row| row.ok_or_else(|| row_damage(MetaRow::Identity, "it is missing")))
            .map_err(|damage| Error::damaged(directory, damage))?;
        let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes);
        let wrong = |_| {
            Error::damaged(
                directory,
                row_damage(MetaRow::Identity, "an id is not 16 bytes long"),
            )
        };
        Ok(LogIdentity {
            disk_id: id(&row.disk_id).map_err(wrong)?,
            cluster_id: match row.cluster_id.as_slice() {
                [] => None,
                bytes => Some(id(bytes).map_err(wrong)?),
            },
            raft_id: row.raft_id,
        })
    }

    /// Changes who the log belongs to. Durable when this returns.
    pub(crate) fn set_identity(&self, identity: &LogIdentity) -> Result<(), Error> {
        let path = self.inner.db.path().to_owned();
        let mut batch = WriteBatch::default();
        self.inner
            .put_meta(&mut batch, MetaRow::Identity, &identity_row(identity))
            .map_err(Error::io("write", &path))?;
        self.inner
            .db
            .write_opt(batch, &options::synced())
            .map_err(|error| Error::Database {
                path,
                message: error.to_string(),
            })
    }

    /// Reads every entry from `from` on, at least the last [`VERIFIED_TAIL`], and refuses a log in
    /// which one is missing or damaged. What lies before is checked whenever it is read.
    pub(crate) fn verify(&self, directory: &Path, from: u64) -> Result<(), Error> {
        let mut contents = self.inner.contents.lock();
        let Some(span) = contents.span else { return Ok(()) };
        let last = span.last.index();
        let start = from.min(last.saturating_sub(VERIFIED_TAIL)).max(span.first);
        let family = self
            .inner
            .log_family()
            .map_err(Error::io("read", self.inner.db.path()))?;
        let mut expected = start;
        let mut iterator = self
            .inner
            .db
            .raw_iterator_cf_opt(family, bounds(self.inner.group, start, last));
        iterator.seek_to_first();
        while let (Some(key), Some(value)) = (iterator.key(), iterator.value()) {
            let damaged = |damage| Error::damaged(directory, damage);
            let index = log_index(self.inner.group, key).unwrap_or(u64::MAX);
            if index != expected {
                return Err(damaged(Damage::Gap {
                    before: (i128::from(expected) - 1).to_string(),
                    after: index,
                }));
            }
            let entry = record::decode(index, value).map_err(|problem| {
                damaged(Damage::Record {
                    index,
                    problem: problem.to_string(),
                })
            })?;
            contents.cache.push(entry);
            expected += 1;
            iterator.next();
        }
        iterator.status().map_err(|error| {
            let damage = Damage::Database {
                database: FOLDER,
                message: error.to_string(),
            };
            Error::damaged(directory, damage)
        })
    }
}

fn identity_row(identity: &LogIdentity) -> Vec<u8> {
    IdentityRow {
        disk_id: identity.disk_id.to_vec(),
        cluster_id: identity.cluster_id.map_or_else(Vec::new, |id| id.to_vec()),
        raft_id: identity.raft_id,
    }
    .encode_to_vec()
}

fn missing_family(path: &Path, name: &str) -> Error {
    Error::Database {
        path: path.to_owned(),
        message: format!("the family {name} is missing"),
    }
}

fn check_format(db: &DB, path: &Path, directory: &Path) -> Result<(), Error> {
    let damaged = |problem: &str| Error::damaged(directory, row_damage(MetaRow::Format, problem));
    let row = raw_row(db, GROUP, MetaRow::Format).map_err(|damage| Error::damaged(directory, damage))?;
    let row = row.ok_or_else(|| damaged("it is missing"))?;
    let bytes = <[u8; 4]>::try_from(row.as_slice()).map_err(|_| damaged("it is not 4 bytes long"))?;
    let found = u32::from_le_bytes(bytes);
    if found > FORMAT {
        return Err(Error::NewerFormat {
            path: path.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    Ok(())
}

fn row_damage(row: MetaRow, problem: impl Into<String>) -> Damage {
    Damage::Row {
        database: FOLDER,
        row: row.name(),
        problem: problem.into(),
    }
}

fn raw_row(db: &DB, group: GroupId, row: MetaRow) -> Result<Option<Vec<u8>>, Damage> {
    let family = db
        .cf_handle(META_FAMILY)
        .ok_or_else(|| row_damage(row, "its family is missing"))?;
    db.get_cf(family, row.key(group))
        .map_err(|error| row_damage(row, error.to_string()))
}

fn read_row<T: Message + Default>(db: &DB, group: GroupId, row: MetaRow) -> Result<Option<T>, Damage> {
    let Some(bytes) = raw_row(db, group, row)? else {
        return Ok(None);
    };
    T::decode(bytes.as_slice())
        .map(Some)
        .map_err(|error| row_damage(row, error.to_string()))
}

/// Reads the rows and finds both ends of the log.
fn load(db: &DB, group: GroupId) -> Result<Contents, Damage> {
    let purged = read_row::<StoredLogId>(db, group, MetaRow::Purged)?.map(LogId::from);
    let span = find_span(db, group)?;
    if let Some(span) = span {
        let expected = purged.map_or(0, |purged| purged.index() + 1);
        if span.first != expected {
            return Err(Damage::Gap {
                before: purged.map_or_else(
                    || "the beginning".to_owned(),
                    |purged| format!("the purged entry {}", purged.index()),
                ),
                after: span.first,
            });
        }
    }
    let sizes = span.map_or_else(LogSizes::default, |span| {
        let entries = span.last.index() - span.first + 1;
        LogSizes::estimated(span.first, entries, approximate_bytes(db, group, span))
    });
    let committed = read_row::<StoredCommitted>(db, group, MetaRow::Committed)?.and_then(|row| row.log_id);
    Ok(Contents {
        span,
        purged,
        vote: read_row::<StoredVote>(db, group, MetaRow::Vote)?.map(Vote::from),
        committed: committed.map(LogId::from),
        committed_is_ahead: false,
        cache: TailCache::new(CAPACITY_BYTES),
        sizes,
    })
}

fn find_span(db: &DB, group: GroupId) -> Result<Option<Span>, Damage> {
    let failed = |message: String| Damage::Database {
        database: FOLDER,
        message,
    };
    let family = db
        .cf_handle(LOG_FAMILY)
        .ok_or_else(|| failed("the family of entries is missing".to_owned()))?;
    let mut iterator = db.raw_iterator_cf_opt(family, bounds(group, 0, u64::MAX - 1));
    iterator.seek_to_first();
    let Some(first) = iterator.key().and_then(|key| log_index(group, key)) else {
        return iterator
            .status()
            .map(|()| None)
            .map_err(|error| failed(error.to_string()));
    };
    iterator.seek_to_last();
    let Some((key, value)) = iterator.item() else {
        return Err(failed("the last entry cannot be found".to_owned()));
    };
    let index = log_index(group, key).ok_or_else(|| failed("a key of the log is malformed".to_owned()))?;
    let last = record::decode_log_id(index, value).map_err(|problem| Damage::Record {
        index,
        problem: problem.to_string(),
    })?;
    Ok(Some(Span { first, last }))
}

fn approximate_bytes(db: &DB, group: GroupId, span: Span) -> u64 {
    let Some(family) = db.cf_handle(LOG_FAMILY) else {
        return 0;
    };
    let (start, end) = (
        log_key(group, span.first),
        log_key(group, span.last.index().saturating_add(1)),
    );
    db.get_approximate_sizes_cf(family, &[rocksdb::Range::new(&start, &end)])
        .into_iter()
        .sum()
}

/// Read options for the entries from `first` to `last`, both included. Bounded on both sides, so
/// that the iterator never walks over the tombstones of what was purged.
pub(super) fn bounds(group: GroupId, first: u64, last: u64) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(log_key(group, first).to_vec());
    options.set_iterate_upper_bound(log_key(group, last.saturating_add(1)).to_vec());
    options
}
