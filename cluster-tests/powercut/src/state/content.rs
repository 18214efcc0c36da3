//! The bytes of one file: sparse, in pages that copies share until one of them is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The unit of sharing, of allocation and of the space budget, in bytes.
pub(crate) const PAGE: usize = 4096;
const PAGE_U64: u64 = PAGE as u64;

/// The bytes of one file. Reads as zero where no page is.
///
/// Bytes of the last page beyond `size` are zero, so that growing never shows old bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    size: u64,
    pages: BTreeMap<u64, Page>,
}

/// An allocated page; `None` is one that was allocated by `fallocate` and never written.
type Page = Option<Arc<[u8; PAGE]>>;

/// Pages that were taken out of a content, to be put back by [`Content::put_back`].
#[derive(Clone, Debug)]
pub(crate) struct Removed {
    first: u64,
    last: u64,
    pages: BTreeMap<u64, Page>,
}

impl Content {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Pages allocated, those beyond the end included.
    pub(crate) fn allocated(&self) -> u64 {
        self.pages.len() as u64
    }

    /// How many pages `write` or `reserve` of this range would allocate.
    pub(crate) fn missing(&self, offset: u64, len: u64) -> u64 {
        let Some((first, last)) = page_range(offset, len) else {
            return 0;
        };
        last - first + 1 - self.pages.range(first..=last).count() as u64
    }

    /// The bytes from `offset`, at most `len` of them, fewer at the end of the file.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let available = self.size.saturating_sub(offset).min(len as u64);
        let Some((first, last)) = page_range(offset, available) else {
            return Vec::new();
        };
        let available = usize::try_from(available).unwrap_or(len);
        let mut bytes = vec![0; available];
        for (number, page) in self.pages.range(first..=last) {
            let Some(page) = page else { continue };
            let (in_bytes, in_page) = overlap(*number, offset, available);
            bytes[in_bytes].copy_from_slice(&page[in_page]);
        }
        bytes
    }

    /// Writes bytes, growing the file where they end beyond it.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let Some((first, last)) = page_range(offset, bytes.len() as u64) else {
            return;
        };
        for number in first..=last {
            let (in_bytes, in_page) = overlap(number, offset, bytes.len());
            let page = self
                .pages
                .entry(number)
                .or_default()
                .get_or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[in_page].copy_from_slice(&bytes[in_bytes]);
        }
        self.size = self.size.max(offset + bytes.len() as u64);
    }

    /// Allocates the pages of a range without changing any byte.
    pub(crate) fn reserve(&mut self, offset: u64, len: u64) {
        let Some((first, last)) = page_range(offset, len) else {
            return;
        };
        for number in first..=last {
            self.pages.entry(number).or_default();
        }
    }

    /// Grows with zeros, or cuts off and frees, allocated pages beyond the new end included.
    pub(crate) fn set_size(&mut self, size: u64) -> Removed {
        let first = size / PAGE_U64;
        let inside = usize::try_from(size % PAGE_U64).unwrap_or(0);
        if size > self.size {
            // Growing keeps what `fallocate` has allocated beyond the end.
            self.size = size;
            return Removed {
                first: u64::MAX,
                last: u64::MAX,
                pages: BTreeMap::new(),
            };
        }
        self.size = size;
        let pages = self.pages.split_off(&first);
        if let Some(boundary) = pages.get(&first).filter(|_| inside > 0) {
            let mut kept = boundary.clone();
            if let Some(page) = &mut kept {
                Arc::make_mut(page)[inside..].fill(0);
            }
            self.pages.insert(first, kept);
        }
        Removed {
            first,
            last: u64::MAX,
            pages,
        }
    }

    /// Makes a range read as zeros, freeing whole pages; the size stays.
    pub(crate) fn clear(&mut self, offset: u64, len: u64) -> Option<Removed> {
        let (first, last) = page_range(offset, len)?;
        let end = offset + len;
        let numbers: Vec<u64> = self
            .pages
            .range(first..=last)
            .map(|(number, _)| *number)
            .collect();
        let mut pages = BTreeMap::new();
        for number in numbers {
            let Some(page) = self.pages.remove(&number) else {
                continue;
            };
            let start_of_page = number * PAGE_U64;
            let whole = offset <= start_of_page && start_of_page + PAGE_U64 <= end;
            if let (false, Some(bytes)) = (whole, &page) {
                let mut kept = Arc::clone(bytes);
                let (_, in_page) = overlap(number, offset, usize::try_from(len).unwrap_or(usize::MAX));
                Arc::make_mut(&mut kept)[in_page].fill(0);
                self.pages.insert(number, Some(kept));
            }
            pages.insert(number, page);
        }
        Some(Removed { first, last, pages })
    }

    /// Undoes the `set_size` or `clear` that removed these pages. The size is set by the caller
    /// with [`Content::restore_size`].
    pub(crate) fn put_back(&mut self, removed: &Removed) {
        let numbers: Vec<u64> = self
            .pages
            .range(removed.first..=removed.last)
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            self.pages.remove(&number);
        }
        self.pages
            .extend(removed.pages.iter().map(|(number, page)| (*number, page.clone())));
    }

    /// Sets the size to what it was when the pages that are here now were here.
    pub(crate) fn restore_size(&mut self, size: u64) {
        self.size = size;
    }

    /// Written pages with their offsets in bytes, in order.
    pub(crate) fn written(&self) -> impl Iterator<Item = (u64, &[u8; PAGE])> {
        self.pages
            .iter()
            .filter_map(|(number, page)| Some((number * PAGE_U64, &**page.as_ref()?)))
    }

    /// The first offset from `offset` on that lies in data, or in a hole (`SEEK_DATA`, `SEEK_HOLE`).
    /// The end of the file is a hole.
    pub(crate) fn seek(&self, offset: u64, target: Seek) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        let page = offset / PAGE_U64;
        match target {
            Seek::Data => {
                let mut data = self.pages.range(page..).filter(|(_, page)| page.is_some());
                let found = data.next().map(|(number, _)| (number * PAGE_U64).max(offset));
                found.filter(|found| *found < self.size)
            }
            Seek::Hole => {
                let mut hole = page;
                for (number, page) in self.pages.range(page..) {
                    if *number != hole || page.is_none() {
                        break;
                    }
                    hole += 1;
                }
                Some((hole * PAGE_U64).clamp(offset, self.size))
            }
        }
    }
}

/// What [`Content::seek`] looks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seek {
    Data,
    Hole,
}

/// The first and the last page of a range of bytes.
fn page_range(offset: u64, len: u64) -> Option<(u64, u64)> {
    let last = offset.checked_add(len.checked_sub(1)?)?;
    Some((offset / PAGE_U64, last / PAGE_U64))
}

/// Where `len` bytes at `offset` and the page `number` overlap: in the bytes, and in the page.
fn overlap(number: u64, offset: u64, len: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let start_of_page = number * PAGE_U64;
    let start = offset.max(start_of_page);
    let end = offset.saturating_add(len as u64).min(start_of_page + PAGE_U64);
    let within = |base: u64| {
        let at = |position: u64| usize::try_from(position - base).unwrap_or(usize::MAX);
        at(start)..at(end)
    };
    (within(offset), within(start_of_page))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Write(u64, Vec<u8>),
        SetSize(u64),
        Clear(u64, u64),
        Reserve(u64, u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let at = 0_u64..20_000;
        let write =
            (at.clone(), 1_usize..9_000, 1_u8..).prop_map(|(at, len, byte)| Op::Write(at, vec![byte; len]));
        prop_oneof![
            4 => write,
            2 => at.clone().prop_map(Op::SetSize),
            1 => (at.clone(), 1_u64..9_000).prop_map(|(at, len)| Op::Clear(at, len)),
            1 => (at, 1_u64..9_000).prop_map(|(at, len)| Op::Reserve(at, len)),
        ]
    }

    fn whole(content: &Content) -> Vec<u8> {
        content.read(0, usize::try_from(content.size()).unwrap())
    }

    proptest! {
        #[test]
        fn a_content_equals_a_plain_vector_and_every_change_can_be_undone(ops in prop::collection::vec(op(), 1..30)) {
            let mut content = Content::default();
            let mut model: Vec<u8> = Vec::new();
            for op in ops {
                let (before, size_before) = (whole(&content), content.size());
                match op {
                    Op::Write(at, bytes) => {
                        content.write(at, &bytes);
                        let at = usize::try_from(at).unwrap();
                        model.resize(model.len().max(at + bytes.len()), 0);
                        model[at..at + bytes.len()].copy_from_slice(&bytes);
                    }
                    Op::SetSize(size) => {
                        let removed = content.set_size(size);
                        let mut undone = content.clone();
                        undone.put_back(&removed);
                        undone.restore_size(size_before);
                        prop_assert_eq!(whole(&undone), before);
                        model.resize(usize::try_from(size).unwrap(), 0);
                    }
                    Op::Clear(at, len) => {
                        if let Some(removed) = content.clear(at, len) {
                            let mut undone = content.clone();
                            undone.put_back(&removed);
                            prop_assert_eq!(whole(&undone), before);
                        }
                        let end = usize::try_from(at + len).unwrap().min(model.len());
                        let at = usize::try_from(at).unwrap().min(end);
                        model[at..end].fill(0);
                    }
                    Op::Reserve(at, len) => {
                        let missing = content.missing(at, len);
                        let allocated = content.allocated();
                        content.reserve(at, len);
                        prop_assert_eq!(content.allocated(), allocated + missing);
                        prop_assert_eq!(content.missing(at, len), 0);
                    }
                }
                prop_assert_eq!(whole(&content), &model[..]);
                prop_assert_eq!(content.read(3_000, 2_500), &model[3_000.min(model.len())..5_500.min(model.len())]);
            }
        }
    }

    #[test]
    fn holes_and_data_are_told_apart() {
        let mut content = Content::default();
        content.write(2 * PAGE_U64 + 10, b"data");
        content.reserve(3 * PAGE_U64, PAGE_U64);
        content.set_size(6 * PAGE_U64);
        assert_eq!(content.seek(0, Seek::Data), Some(2 * PAGE_U64));
        assert_eq!(content.seek(0, Seek::Hole), Some(0));
        assert_eq!(content.seek(2 * PAGE_U64 + 5, Seek::Data), Some(2 * PAGE_U64 + 5));
        assert_eq!(content.seek(2 * PAGE_U64 + 5, Seek::Hole), Some(3 * PAGE_U64));
        assert_eq!(content.seek(3 * PAGE_U64, Seek::Data), None);
        assert_eq!(content.seek(6 * PAGE_U64, Seek::Hole), None);
        assert_eq!(content.allocated(), 2);
    }
}
