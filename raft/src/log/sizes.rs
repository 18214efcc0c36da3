//! How many bytes of log stand behind an index, for the tail that is kept.
//!
//! Exact sums for everything appended since the database was opened, one mark per block of entries;
//! what was there before is spread evenly over its entries.

use std::collections::VecDeque;

/// Entries per mark: at a million entries kept, a thousand marks.
const ENTRIES_PER_MARK: u64 = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// First index of the block.
    first: u64,
    entries: u64,
    bytes: u64,
}

/// Sizes of a gapless log.
#[derive(Debug, Default)]
pub(crate) struct LogSizes {
    marks: VecDeque<Mark>,
}

impl LogSizes {
    /// A log that holds `entries` entries from `first` on, of about `bytes` together.
    pub(crate) fn estimated(first: u64, entries: u64, bytes: u64) -> Self {
        let mut sizes = Self::default();
        let mut at = 0;
        while at < entries {
            let count = ENTRIES_PER_MARK.min(entries - at);
            // u128: a product of two u64 does not fit one.
            let share = u128::from(bytes) * u128::from(count) / u128::from(entries);
            sizes.marks.push_back(Mark {
                first: first.saturating_add(at),
                entries: count,
                bytes: u64::try_from(share).unwrap_or(u64::MAX),
            });
            at += count;
        }
        sizes
    }

    /// Counts the entry at `index`, which follows the last one.
    pub(crate) fn push(&mut self, index: u64, bytes: u64) {
        match self.marks.back_mut() {
            Some(mark) if mark.entries < ENTRIES_PER_MARK && mark.first + mark.entries == index => {
                mark.entries += 1;
                mark.bytes += bytes;
            }
            _ => self.marks.push_back(Mark {
                first: index,
                entries: 1,
                bytes,
            }),
        }
    }

    /// Forgets the entries from `index` on. What is cut out of a block takes its share of it along.
    pub(crate) fn truncate_from(&mut self, index: u64) {
        while self.marks.back().is_some_and(|mark| mark.first >= index) {
            self.marks.pop_back();
        }
        if let Some(mark) = self.marks.back_mut() {
            let kept = mark.entries.min(index - mark.first);
            mark.bytes = mark.bytes / mark.entries.max(1) * kept;
            mark.entries = kept;
        }
    }

    /// Forgets the entries up to `index`.
    pub(crate) fn purge_to(&mut self, index: u64) {
        while self
            .marks
            .front()
            .is_some_and(|mark| mark.first + mark.entries <= index + 1)
        {
            self.marks.pop_front();
        }
        if let Some(mark) = self.marks.front_mut()
            && mark.first <= index
        {
            let gone = index + 1 - mark.first;
            mark.bytes -= mark.bytes / mark.entries.max(1) * gone;
            mark.first += gone;
            mark.entries -= gone;
        }
    }

    /// Bytes of the whole log.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.marks.iter().map(|mark| mark.bytes).sum()
    }

    /// Bytes of the entries after `index`, by whole blocks: the block that holds `index` counts.
    pub(crate) fn bytes_after(&self, index: u64) -> u64 {
        self.marks
            .iter()
            .rev()
            .take_while(|mark| mark.first + mark.entries > index + 1)
            .map(|mark| mark.bytes)
            .sum()
    }

    /// The smallest index whose following entries fit into `bytes`, by whole blocks.
    pub(crate) fn start_of_tail(&self, bytes: u64) -> Option<u64> {
        let mut rest = bytes;
        let mut start = self.marks.back()?.first;
        for mark in self.marks.iter().rev() {
            if mark.bytes > rest {
                return Some(start);
            }
            rest -= mark.bytes;
            start = mark.first;
        }
        Some(start)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_tail_starts_where_its_bytes_fit() {
        let mut sizes = LogSizes::default();
        for index in 0..10 * ENTRIES_PER_MARK {
            sizes.push(index, 10);
        }
        assert_eq!(sizes.total_bytes(), 10 * 10 * ENTRIES_PER_MARK);
        assert_eq!(sizes.start_of_tail(u64::MAX), Some(0));
        assert_eq!(
            sizes.start_of_tail(25 * ENTRIES_PER_MARK),
            Some(8 * ENTRIES_PER_MARK)
        );
        assert_eq!(
            sizes.start_of_tail(0),
            Some(9 * ENTRIES_PER_MARK),
            "the last block always stays"
        );
        assert_eq!(LogSizes::default().start_of_tail(5), None);
        assert_eq!(sizes.bytes_after(8 * ENTRIES_PER_MARK - 1), 20 * ENTRIES_PER_MARK);
    }

    #[test]
    fn an_estimate_holds_all_entries_and_nearly_all_bytes() {
        let sizes = LogSizes::estimated(100, 5000, 1_000_000);
        let total = sizes.total_bytes();
        assert!((999_990..=1_000_000).contains(&total), "{total}");
        let last = sizes.marks.back().unwrap();
        assert_eq!(last.first + last.entries, 5100);
        assert_eq!(LogSizes::estimated(0, 0, 0).total_bytes(), 0);
    }

    proptest! {
        #[test]
        fn cutting_at_both_ends_leaves_the_entries_between(
            count in 1_u64..5000, front in 0_u64..5000, back in 0_u64..5000,
        ) {
            let mut sizes = LogSizes::default();
            for index in 0..count {
                sizes.push(index, 8);
            }
            let (front, back) = (front.min(count - 1), back.min(count));
            sizes.truncate_from(back);
            sizes.purge_to(front);
            let left: u64 = sizes.marks.iter().map(|mark| mark.entries).sum();
            prop_assert_eq!(left, back.saturating_sub(front + 1));
            prop_assert_eq!(sizes.total_bytes(), 8 * left);
        }
    }
}
