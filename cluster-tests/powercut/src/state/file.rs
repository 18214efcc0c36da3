//! One regular file: its live content and, as an undo log, what of it is not durable.
//!
//! The durable content is the live one with every unsynced change undone, newest first. So a sync
//! only forgets changes, appending costs no second copy of the bytes, and every prefix of the
//! unsynced changes can be had by undoing the rest.

use super::content::{Content, Removed};
use crate::protocol::UnsyncedData;
use crate::rng::Rng;

/// Disks write sectors of this size whole; a torn write often ends at such a boundary.
const SECTOR: u64 = 512;

/// One regular file.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    content: Content,
    unsynced: Vec<Change>,
    /// Changes up to this number may be being synced: they are not merged with later ones.
    sealed: u64,
    /// A sync failed: what was unsynced then will never reach the disk.
    lost: bool,
}

/// One unsynced change.
#[derive(Clone, Debug)]
struct Change {
    number: u64,
    size_before: u64,
    kind: ChangeKind,
}

#[derive(Clone, Debug)]
enum ChangeKind {
    /// `len` bytes were written at `offset`; `before` is what they replaced, up to the old end.
    Write {
        offset: u64,
        len: u64,
        before: Box<[u8]>,
    },
    /// The file grew with zeros.
    Grow,
    /// Pages were cut off or cleared.
    Remove(Removed),
}

/// What a cut made of a file's unsynced changes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Torn {
    /// It had some.
    pub(crate) unsynced: bool,
    /// Some were kept and some were lost.
    pub(crate) torn: bool,
    /// Bytes of writes that were lost.
    pub(crate) lost_bytes: u64,
}

impl File {
    /// A file whose content is durable.
    pub(crate) fn durable(content: Content) -> Self {
        Self {
            content,
            ..Self::default()
        }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.unsynced.is_empty()
    }

    /// Bytes written since the last sync.
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        self.unsynced.iter().map(Change::written).sum()
    }

    /// Writes bytes, as the change `number`.
    pub(crate) fn write(&mut self, number: u64, offset: u64, bytes: &[u8]) {
        let size_before = self.content.size();
        let len = bytes.len() as u64;
        if !self.extends_last_append(offset) {
            let overlap = size_before.saturating_sub(offset).min(len);
            let before = self
                .content
                .read(offset, usize::try_from(overlap).unwrap_or(bytes.len()));
            let kind = ChangeKind::Write {
                offset,
                len,
                before: before.into_boxed_slice(),
            };
            self.unsynced.push(Change {
                number,
                size_before,
                kind,
            });
        } else if let Some(Change {
            kind: ChangeKind::Write { len: merged, .. },
            ..
        }) = self.unsynced.last_mut()
        {
            *merged += len;
        }
        self.content.write(offset, bytes);
    }

    /// A run of appends is one change: a prefix of it is a prefix of them.
    fn extends_last_append(&self, offset: u64) -> bool {
        let Some(Change {
            number,
            kind:
                ChangeKind::Write {
                    offset: start,
                    len,
                    before,
                },
            ..
        }) = self.unsynced.last()
        else {
            return false;
        };
        *number > self.sealed && before.is_empty() && offset == start + len && offset == self.content.size()
    }

    /// Sets the size, as the change `number`.
    pub(crate) fn set_size(&mut self, number: u64, size: u64) {
        let size_before = self.content.size();
        let removed = self.content.set_size(size);
        let kind = if size > size_before {
            ChangeKind::Grow
        } else {
            ChangeKind::Remove(removed)
        };
        if size == 0 {
            // What never reached the disk is gone now, so what is written next may reach it again.
            self.lost = false;
        }
        if size != size_before {
            self.unsynced.push(Change {
                number,
                size_before,
                kind,
            });
        }
    }

    /// Makes a range read as zeros, as the change `number`.
    pub(crate) fn clear(&mut self, number: u64, offset: u64, len: u64) {
        let size_before = self.content.size();
        if let Some(removed) = self.content.clear(offset, len) {
            self.unsynced.push(Change {
                number,
                size_before,
                kind: ChangeKind::Remove(removed),
            });
        }
    }

    /// Allocates pages. Allocation is not content, so there is nothing to undo.
    pub(crate) fn reserve(&mut self, offset: u64, len: u64) {
        self.content.reserve(offset, len);
    }

    /// A sync begins that will cover the changes up to `number`.
    pub(crate) fn seal(&mut self, number: u64) {
        self.sealed = self.sealed.max(number);
    }

    /// Makes the changes up to `number` durable. Answers whether they are: after a failed sync they
    /// never are.
    pub(crate) fn commit(&mut self, number: u64) -> bool {
        if self.lost {
            return false;
        }
        let covered = self.unsynced.partition_point(|change| change.number <= number);
        self.unsynced.drain(..covered);
        true
    }

    /// A sync failed. The kernel has marked the pages clean all the same, so no later sync writes
    /// them.
    pub(crate) fn lose_unsynced(&mut self) {
        self.lost |= !self.unsynced.is_empty();
    }

    /// Makes everything durable, whatever happened before.
    pub(crate) fn commit_all(&mut self) {
        self.lost = false;
        self.unsynced.clear();
    }

    /// The content after a cut.
    pub(crate) fn survivor(&self, policy: UnsyncedData, rng: &mut Rng) -> (Content, Torn) {
        let total: u64 = self.unsynced.iter().map(Change::weight).sum();
        let kept = match policy {
            UnsyncedData::Lost => 0,
            UnsyncedData::Kept => total,
            UnsyncedData::Torn => self.draw_prefix(total, rng),
        };
        let mut lost_bytes = 0;
        let mut content = self.content.clone();
        let mut position = total;
        for change in self.unsynced.iter().rev() {
            if position <= kept {
                break;
            }
            position -= change.weight();
            // How much of this change lies within the prefix; all of it is handled by the break.
            let inside = kept.saturating_sub(position);
            lost_bytes += change.written().saturating_sub(inside);
            change.undo(&mut content, inside);
        }
        let torn = Torn {
            unsynced: total > 0,
            torn: kept > 0 && kept < total,
            lost_bytes,
        };
        (content, torn)
    }

    /// The length of the prefix that survives. All, nothing, a whole sector and any byte are equally
    /// likely: evenly drawn bytes would hardly ever end where a disk's do.
    fn draw_prefix(&self, total: u64, rng: &mut Rng) -> u64 {
        let point = rng.up_to(total);
        match rng.up_to(3) {
            0 => 0,
            1 => total,
            2 => self.sector_before(point),
            _ => point,
        }
    }

    fn sector_before(&self, point: u64) -> u64 {
        let mut start = 0;
        for change in &self.unsynced {
            let end = start + change.weight();
            if point < end {
                let ChangeKind::Write { offset, .. } = change.kind else {
                    return start;
                };
                let sector = (offset + (point - start)) / SECTOR * SECTOR;
                return start + sector.saturating_sub(offset);
            }
            start = end;
        }
        point
    }
}

impl Change {
    fn written(&self) -> u64 {
        match self.kind {
            ChangeKind::Write { len, .. } => len,
            ChangeKind::Grow | ChangeKind::Remove(_) => 0,
        }
    }

    /// How many places there are to tear it, plus one: its length for a write, one for what happens
    /// as a whole.
    fn weight(&self) -> u64 {
        self.written().max(1)
    }

    /// Takes the change back, except the first `keep` bytes of a write.
    fn undo(&self, content: &mut Content, keep: u64) {
        match &self.kind {
            ChangeKind::Write { offset, before, .. } => {
                let kept = content.read(*offset, usize::try_from(keep).unwrap_or(usize::MAX));
                content.write(*offset, before);
                content.set_size(self.size_before);
                content.write(*offset, &kept);
            }
            ChangeKind::Grow => {
                content.set_size(self.size_before);
            }
            ChangeKind::Remove(removed) => {
                content.put_back(removed);
                content.restore_size(self.size_before);
            }
        }
    }
}
