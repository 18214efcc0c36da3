//! Reading the log.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};

use futures_util::stream::{self, Stream};
use openraft::OptionalSend;
use openraft::storage::RaftLogReader;

use super::keys::log_index;
use super::open::bounds;
use super::record;
use super::store::{Inner, LogStore, database_error};
use crate::consensus::{Entry, TypeConfig, Vote};

/// Payload of one replication request. Well under the 4 MiB that gRPC takes by default.
const REPLICATION_BYTES: usize = 1 << 20;
/// Payload handed to apply at once: a long catch-up must not load the whole log.
const APPLY_BYTES: usize = 4 << 20;

/// What a range holds once it is cut to the log.
enum Found {
    /// Nothing, or all of it from memory.
    Entries(Vec<Entry>),
    /// It must be read from the database.
    OnDisk,
}

impl Inner {
    /// The entries of `start..end` that the log holds, oldest first, up to `limit` bytes of payload
    /// but at least one.
    fn read(&self, start: u64, end: u64, limit: usize) -> io::Result<Vec<Entry>> {
        match self.read_memory(start, end, limit) {
            Found::Entries(entries) => Ok(entries),
            Found::OnDisk => self.read_disk(start, end, limit),
        }
    }

    fn read_memory(&self, start: u64, end: u64, limit: usize) -> Found {
        let contents = self.contents.lock();
        let Some((start, end)) = clamp(
            contents.span.map(|span| (span.first, span.last.index())),
            start,
            end,
        ) else {
            return Found::Entries(Vec::new());
        };
        if contents.cache.first_index().is_none_or(|first| start < first) {
            return Found::OnDisk;
        }
        let mut entries = Vec::new();
        contents.cache.read(start, end, limit, &mut entries);
        Found::Entries(entries)
    }

    fn read_disk(&self, start: u64, end: u64, limit: usize) -> io::Result<Vec<Entry>> {
        let contents = self.contents.lock();
        let Some((start, end)) = clamp(
            contents.span.map(|span| (span.first, span.last.index())),
            start,
            end,
        ) else {
            return Ok(Vec::new());
        };
        // The iterator is a snapshot: taken under the lock, it agrees with the span.
        let mut iterator = self
            .db
            .raw_iterator_cf_opt(self.log_family()?, bounds(self.group, start, end - 1));
        drop(contents);
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut expected = start;
        iterator.seek_to_first();
        while let (Some(key), Some(value)) = (iterator.key(), iterator.value()) {
            let index = log_index(self.group, key).ok_or_else(|| damaged("a key of the log is malformed"))?;
            if index != expected {
                return Err(damaged(&format!(
                    "the log has no entry {expected}, the next one is {index}"
                )));
            }
            if bytes > 0 && bytes + value.len() > limit {
                return Ok(entries);
            }
            bytes += value.len();
            entries.push(
                record::decode(index, value).map_err(|problem| {
                    damaged(&format!("the log record {index} cannot be read: {problem}"))
                })?,
            );
            expected += 1;
            iterator.next();
        }
        iterator.status().map_err(|error| database_error(&error))?;
        if expected != end {
            return Err(damaged(&format!(
                "the log has no entry {expected}, though it reaches to {}",
                end - 1
            )));
        }
        Ok(entries)
    }
}

impl LogStore {
    async fn entries(&self, start: u64, end: u64, limit: usize) -> io::Result<Vec<Entry>> {
        if let Found::Entries(entries) = self.inner.read_memory(start, end, limit) {
            return Ok(entries);
        }
        let inner = std::sync::Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || inner.read(start, end, limit))
            .await
            .map_err(io::Error::other)?
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (start, end) = half_open(&range);
        self.entries(start, end, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.entries(start, end, REPLICATION_BYTES).await
    }

    /// Unlike the other reads, this one does not pass over purged entries: it feeds apply.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = half_open(&range);
        let state = Walk {
            log: self.clone(),
            next: start,
            end,
            read: Vec::new().into_iter(),
        };
        stream::try_unfold(state, |mut walk| async move {
            Ok(walk.step().await?.map(|entry| (entry, walk)))
        })
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.inner.contents.lock().vote)
    }
}

/// A position in a range that is read piece by piece.
struct Walk {
    log: LogStore,
    next: u64,
    end: u64,
    read: std::vec::IntoIter<Entry>,
}

impl Walk {
    async fn step(&mut self) -> io::Result<Option<Entry>> {
        if self.read.len() == 0 && self.next < self.end {
            self.read = self
                .log
                .entries(self.next, self.end, APPLY_BYTES)
                .await?
                .into_iter();
        }
        let Some(entry) = self.read.next() else {
            return Ok(None);
        };
        if entry.log_id.index() != self.next {
            return Err(damaged(&format!(
                "the log entry {} is needed, but the log begins with {}",
                self.next,
                entry.log_id.index()
            )));
        }
        self.next += 1;
        Ok(Some(entry))
    }
}

/// Cuts `start..end` to the entries from `first` to `last`; `None` if nothing is left.
fn clamp(span: Option<(u64, u64)>, start: u64, end: u64) -> Option<(u64, u64)> {
    let (first, last) = span?;
    let (start, end) = (start.max(first), end.min(last.saturating_add(1)));
    (start < end).then_some((start, end))
}

fn half_open(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&end) => end.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

fn damaged(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}
