//! The newest entries in memory.
//!
//! Apply and replication read what was just appended; this spares them RocksDB and the decoding.

use std::collections::VecDeque;

use openraft::EntryPayload;

use crate::consensus::Entry;

/// Bytes of payload kept. A second of writes at the speed one group reaches, small against the
/// 512 MiB a node may use.
pub(crate) const CAPACITY_BYTES: usize = 16 << 20;

/// What an entry costs besides its payload: the deque's slot and the shared buffer's header.
const OVERHEAD_BYTES: usize = 128;

/// A gapless run of entries that ends with the last one of the log, or nothing.
#[derive(Debug)]
pub(crate) struct TailCache {
    entries: VecDeque<Entry>,
    bytes: usize,
    capacity: usize,
}

impl TailCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            capacity,
        }
    }

    /// Adds the entry after the last one. An entry that does not follow starts the run anew.
    pub(crate) fn push(&mut self, entry: Entry) {
        let follows = self
            .entries
            .back()
            .is_none_or(|last| last.log_id.index().checked_add(1) == Some(entry.log_id.index()));
        if !follows {
            self.clear();
        }
        self.bytes += cost(&entry);
        self.entries.push_back(entry);
        while self.bytes > self.capacity {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= cost(&oldest);
        }
    }

    /// Forgets every entry from `index` on.
    pub(crate) fn truncate_from(&mut self, index: u64) {
        while self
            .entries
            .back()
            .is_some_and(|last| last.log_id.index() >= index)
        {
            if let Some(last) = self.entries.pop_back() {
                self.bytes -= cost(&last);
            }
        }
    }

    /// Forgets every entry up to `index`.
    pub(crate) fn purge_to(&mut self, index: u64) {
        while self
            .entries
            .front()
            .is_some_and(|first| first.log_id.index() <= index)
        {
            if let Some(first) = self.entries.pop_front() {
                self.bytes -= cost(&first);
            }
        }
    }

    /// Index of the oldest entry held.
    pub(crate) fn first_index(&self) -> Option<u64> {
        self.entries.front().map(|first| first.log_id.index())
    }

    /// The entries of `start..end` that are held, oldest first, as long as their payloads together
    /// stay within `limit` bytes; at least one if any is held. `start` must be held.
    pub(crate) fn read(&self, start: u64, end: u64, limit: usize, out: &mut Vec<Entry>) -> usize {
        let Some(first) = self.first_index() else { return 0 };
        let Some(skip) = start
            .checked_sub(first)
            .and_then(|skip| usize::try_from(skip).ok())
        else {
            return 0;
        };
        let mut bytes = 0;
        for entry in self.entries.iter().skip(skip) {
            if entry.log_id.index() >= end {
                break;
            }
            let size = payload_bytes(entry);
            if bytes > 0 && bytes + size > limit {
                break;
            }
            bytes += size.max(1);
            out.push(entry.clone());
        }
        bytes
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

/// Bytes of an entry's payload, as far as they matter for memory.
pub(crate) fn payload_bytes(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(proposal) => proposal.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => 0,
    }
}

fn cost(entry: &Entry) -> usize {
    payload_bytes(entry) + OVERHEAD_BYTES
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;
    use crate::consensus::{Proposal, log_id};

    fn entry(index: u64, size: usize) -> Entry {
        Entry {
            log_id: log_id(1, index),
            payload: EntryPayload::Normal(Proposal(vec![0; size].into())),
        }
    }

    fn indexes(cache: &TailCache, start: u64, end: u64, limit: usize) -> Vec<u64> {
        let mut out = Vec::new();
        cache.read(start, end, limit, &mut out);
        out.iter().map(|entry| entry.log_id.index()).collect()
    }

    #[test]
    fn the_oldest_entries_leave_when_the_bytes_exceed_the_capacity() {
        let mut cache = TailCache::new(10 * (100 + OVERHEAD_BYTES));
        for index in 0..25 {
            cache.push(entry(index, 100));
        }
        assert_eq!(cache.first_index(), Some(15));
        assert_eq!(indexes(&cache, 15, 100, usize::MAX), (15..25).collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_larger_than_the_capacity_is_not_kept() {
        let mut cache = TailCache::new(1000);
        cache.push(entry(0, 100));
        cache.push(entry(1, 2000));
        assert_eq!(cache.first_index(), None);
        assert_eq!(cache.bytes, 0);
        cache.push(entry(2, 100));
        assert_eq!(cache.first_index(), Some(2));
    }

    #[test]
    fn reading_stops_at_the_limit_but_gives_at_least_one_entry() {
        let mut cache = TailCache::new(1 << 20);
        for index in 5..10 {
            cache.push(entry(index, 100));
        }
        assert_eq!(indexes(&cache, 6, 10, 250), [6, 7]);
        assert_eq!(indexes(&cache, 6, 10, 1), [6]);
        assert_eq!(indexes(&cache, 6, 6, 1), [0_u64; 0]);
        assert_eq!(indexes(&cache, 4, 10, 1), [0_u64; 0], "not held");
        assert_eq!(indexes(&cache, 10, 12, 1), [0_u64; 0]);
    }

    #[test]
    fn truncation_and_purge_cut_at_the_right_entry() {
        let mut cache = TailCache::new(1 << 20);
        for index in 0..10 {
            cache.push(entry(index, 10));
        }
        cache.truncate_from(8);
        cache.purge_to(2);
        assert_eq!(indexes(&cache, 3, 100, usize::MAX), [3, 4, 5, 6, 7]);
        cache.push(entry(8, 10));
        cache.truncate_from(0);
        assert_eq!(cache.bytes, 0);
        assert_eq!(cache.first_index(), None);
    }

    #[test]
    fn an_entry_that_does_not_follow_starts_the_run_anew() {
        let mut cache = TailCache::new(1 << 20);
        cache.push(entry(0, 10));
        cache.push(entry(5, 10));
        assert_eq!(indexes(&cache, 5, 9, usize::MAX), [5]);
        assert_eq!(cache.first_index(), Some(5));
    }
}
