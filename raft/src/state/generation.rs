//! One database of the state, and the folder it lives in.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use raft_machine::queries;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{BottommostLevelCompaction, CompactOptions, DB, FlushOptions, WriteBatch};

use super::meta::{self, AppliedState};
use super::options;
use super::tables::Tables;
use crate::consensus::LogId;
use crate::directory::files;
use crate::error::{Damage, Error};

/// Folder of the generations and the pointer, in the data directory.
pub(crate) const FOLDER: &str = "state";
/// The pointer's file name.
pub(crate) const POINTER: &str = "CURRENT";
/// A number and a line end.
const POINTER_LIMIT: u64 = 32;
/// The first generation of a data directory.
pub(crate) const FIRST: u64 = 1;

/// An open database of the state.
pub(crate) struct Generation {
    /// Closed before the folder is removed: fields are dropped in the order of declaration.
    pub(crate) db: DB,
    /// Bytes in the WAL that is being written. Held while it is written or another one is begun.
    wal_bytes: Mutex<u64>,
    folder: GenerationFolder,
}

/// What a database that is not in use holds.
pub(crate) struct Inside {
    pub(crate) state: AppliedState,
    pub(crate) cluster_id: Option<[u8; 16]>,
}

struct GenerationFolder {
    number: u64,
    path: PathBuf,
    retired: AtomicBool,
}

impl Generation {
    /// Where generation `number` lives.
    pub(crate) fn path(state: &Path, number: u64) -> PathBuf {
        state.join(format!("{number:08}"))
    }

    /// Creates an empty database and makes it durable, except for the name of its folder.
    pub(crate) fn create(state: &Path, number: u64) -> Result<(), Error> {
        let path = Self::path(state, number);
        let failed = |message: String| Error::Database {
            path: path.clone(),
            message,
        };
        files::create_directory(&path).map_err(Error::io("create", &path))?;
        let mut database = options::database();
        database.create_if_missing(true);
        database.set_error_if_exists(true);
        let db = DB::open(&database, &path).map_err(|error| failed(error.into_string()))?;
        let mut batch = WriteBatch::default();
        meta::put_format(&mut batch);
        db.write_opt(batch, &options::synced())
            .map_err(|error| failed(error.into_string()))
    }

    /// Opens generation `number`.
    pub(crate) fn open(state: &Path, number: u64) -> Result<Self, Error> {
        let path = Self::path(state, number);
        let data = state.parent().unwrap_or(state);
        let db = DB::open(&options::database(), &path).map_err(|error| {
            let damage = Damage::Database {
                database: FOLDER,
                message: error.into_string(),
            };
            Error::damaged(data, damage)
        })?;
        let found = meta::format(&db).map_err(|damage| Error::damaged(data, damage))?;
        if found > meta::FORMAT {
            return Err(Error::NewerFormat {
                path,
                found,
                supported: meta::FORMAT,
            });
        }
        Ok(Self {
            db,
            wal_bytes: Mutex::new(0),
            folder: GenerationFolder {
                number,
                path,
                retired: AtomicBool::new(false),
            },
        })
    }

    /// Reads how far a database has come that nobody else has open, such as a checkpoint.
    pub(crate) fn inspect(path: &Path) -> Result<Inside, Damage> {
        let failed = |message: String| Damage::Database {
            database: FOLDER,
            message,
        };
        let db = DB::open_for_read_only(&options::database(), path, false)
            .map_err(|error| failed(error.into_string()))?;
        let found = meta::format(&db)?;
        if found > meta::FORMAT {
            return Err(failed(format!(
                "it has format {found}, newer than {}",
                meta::FORMAT
            )));
        }
        Ok(Inside {
            state: AppliedState::read(&db)?,
            cluster_id: cluster_id(&db)?,
        })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.folder.number
    }

    /// Its folder.
    pub(crate) fn path_in_use(&self) -> &Path {
        &self.folder.path
    }

    /// How far it has come.
    pub(crate) fn applied(&self) -> Result<AppliedState, Damage> {
        AppliedState::read(&self.db)
    }

    /// The last applied entry alone.
    pub(crate) fn last_applied(&self) -> Result<Option<LogId>, Damage> {
        meta::last_applied(&self.db)
    }

    /// The cluster that it belongs to; `None` before the first entry is applied.
    pub(crate) fn cluster_id(&self) -> Result<Option<[u8; 16]>, Damage> {
        cluster_id(&self.db)
    }

    /// Removes the folder once nobody reads it any more.
    pub(crate) fn retire(&self) {
        self.folder.retired.store(true, Ordering::Release);
    }

    /// Writes a batch, whole or not at all; not synced.
    ///
    /// RocksDB begins another WAL whenever it begins another memtable, and does not sync the old one
    /// before it writes to the new one. A power cut could then keep later batches and lose earlier
    /// ones, and nobody would notice. So it never comes to that: before its memtable is full, the WAL
    /// is synced and another one begun, while nothing is being written.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), rocksdb::Error> {
        let size = batch.size_in_bytes() as u64;
        let mut wal_bytes = self.wal_bytes.lock();
        if *wal_bytes > 0 && *wal_bytes + size > options::WAL_BYTES {
            self.begin_wal(&mut wal_bytes)?;
        }
        self.db.write_opt(batch, &options::unsynced())?;
        *wal_bytes += size;
        Ok(())
    }

    /// Makes a copy of the database at `path`, which must not exist: hard links of its files and a
    /// copy of the WAL. Everything in it is synced, and so is everything here that it holds, except
    /// what is written while the copy is made.
    pub(crate) fn checkpoint(&self, path: &Path) -> Result<(), rocksdb::Error> {
        self.begin_wal(&mut self.wal_bytes.lock())?;
        // Without a flush of its own, which would begin a WAL without syncing the last one.
        Checkpoint::new(&self.db)?.create_checkpoint_with_log_size(path, u64::MAX)
    }

    /// Writes the memtables out, so that the next start has nothing to replay. For the end.
    pub(crate) fn flush(&self) -> Result<(), rocksdb::Error> {
        let mut wal_bytes = self.wal_bytes.lock();
        self.db.flush_wal(true)?;
        self.db.flush()?;
        *wal_bytes = 0;
        Ok(())
    }

    /// Rewrites everything, so that of what was deleted or overwritten nothing is left on the disk,
    /// except what open snapshots still see. Writes go on meanwhile.
    pub(crate) fn compact(&self) -> Result<(), rocksdb::Error> {
        self.begin_wal(&mut self.wal_bytes.lock())?;
        let mut options = CompactOptions::default();
        // Files of the last level are rewritten too: rows that a merge of levels has left behind,
        // and blocks compressed as those of an upper level, may stand there.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &options);
        Ok(())
    }

    /// Bytes of the files that hold the rows, the WAL apart.
    pub(crate) fn file_bytes(&self) -> Result<u64, rocksdb::Error> {
        Ok(self.db.live_files()?.iter().map(|file| file.size as u64).sum())
    }

    /// Syncs the WAL and begins another one with the next write; the memtable is written out in the
    /// background. The caller holds the lock, so nothing is written in between.
    fn begin_wal(&self, wal_bytes: &mut u64) -> Result<(), rocksdb::Error> {
        self.db.flush_wal(true)?;
        let mut flush = FlushOptions::default();
        flush.set_wait(false);
        self.db.flush_opt(&flush)?;
        *wal_bytes = 0;
        Ok(())
    }
}

fn cluster_id(db: &DB) -> Result<Option<[u8; 16]>, Damage> {
    let identity = queries::identity(&Tables::live(db)).map_err(|fault| Damage::Row {
        database: FOLDER,
        row: "cluster",
        problem: fault.to_string(),
    })?;
    Ok(identity.map(|identity| identity.cluster.0))
}

impl Drop for GenerationFolder {
    fn drop(&mut self) {
        if !self.retired.load(Ordering::Acquire) {
            return;
        }
        // What is left is removed at the next start.
        if let Err(error) = files::remove_directory(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a superseded state");
        }
    }
}

/// The generation that the pointer names; `None` where there is no pointer.
pub(crate) fn read_pointer(state: &Path) -> Result<Option<u64>, Error> {
    let path = state.join(POINTER);
    let Some(bytes) = files::read_file(&path, POINTER_LIMIT).map_err(Error::io("read", &path))? else {
        return Ok(None);
    };
    parse_pointer(&bytes).map(Some).ok_or_else(|| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Error::damaged(
            state.parent().unwrap_or(state),
            Damage::Pointer(format!("it says {text:?}")),
        )
    })
}

/// Lets the pointer name `number`. Durable when this returns.
pub(crate) fn write_pointer(state: &Path, number: u64) -> Result<(), Error> {
    files::replace_file(state, POINTER, format!("{number:08}\n").as_bytes())
        .map_err(Error::io("write", &state.join(POINTER)))
}

fn parse_pointer(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.strip_suffix(b"\n")?;
    if digits.len() < 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod pointer_tests {
    use super::*;

    #[test]
    fn a_pointer_is_read_back_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_pointer(folder.path()).unwrap(), None);
        for number in [1, 99_999_999, 100_000_000] {
            write_pointer(folder.path(), number).unwrap();
            assert_eq!(read_pointer(folder.path()).unwrap(), Some(number));
        }
        for torn in [
            "",
            "\n",
            "0000001\n",
            "00000001",
            "0000000x\n",
            "00000001\n\n",
            "-0000001\n",
        ] {
            assert_eq!(parse_pointer(torn.as_bytes()), None, "{torn:?}");
        }
    }
}
