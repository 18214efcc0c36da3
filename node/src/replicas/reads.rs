//! Which reads are running, so that nothing they may still need is deleted (DESIGN 3.7, H5).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The running reads, counted by the index that was applied when each began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    running: Arc<Mutex<BTreeMap<u64, usize>>>,
}

/// Keeps a read registered until it is dropped.
#[derive(Debug)]
pub(crate) struct ReadGuard {
    running: Arc<Mutex<BTreeMap<u64, usize>>>,
    index: u64,
}

impl Reads {
    /// Registers a read. `applied` is what is applied now, **before** the read takes its snapshot, so
    /// that the snapshot is never older than what was registered.
    pub(crate) fn register(&self, applied: u64) -> ReadGuard {
        *self.running.lock().entry(applied).or_default() += 1;
        ReadGuard {
            running: Arc::clone(&self.running),
            index: applied,
        }
    }

    /// Everything that died up to this index is no longer needed by any read: the smaller of
    /// `applied` and the index of the oldest running read.
    pub(crate) fn horizon(&self, applied: u64) -> u64 {
        let oldest = self.running.lock().first_key_value().map(|(index, _)| *index);
        oldest.map_or(applied, |oldest| oldest.min(applied))
    }
}

impl Drop for ReadGuard {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        if let Some(count) = running.get_mut(&self.index) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_is_held_by_the_oldest_running_read() {
        let reads = Reads::default();
        assert_eq!(reads.horizon(9), 9);
        let old = reads.register(4);
        let older = reads.register(3);
        let same = reads.register(3);
        assert_eq!(reads.horizon(9), 3);
        drop(older);
        assert_eq!(reads.horizon(9), 3);
        drop(same);
        assert_eq!(reads.horizon(9), 4);
        drop(old);
        assert_eq!(reads.horizon(9), 9);
    }

    #[test]
    fn a_read_ahead_of_what_is_applied_does_not_raise_the_horizon() {
        let reads = Reads::default();
        let _read = reads.register(12);
        assert_eq!(reads.horizon(9), 9);
    }
}
