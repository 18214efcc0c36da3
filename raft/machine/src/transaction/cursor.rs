use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::Slot;
use crate::port::{Cursor, StorageFault};

/// A cursor over the tables with the writes of a transaction laid over them.
#[derive(Debug)]
pub struct MergedCursor<'a, C> {
    base: C,
    overlay: &'a BTreeMap<Bytes, Slot>,
    lower: Bytes,
    upper: Bytes,
    /// The next written row, deleted ones included.
    written: Option<(&'a Bytes, &'a Slot)>,
    side: Side,
}

/// Where the present entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Base,
    Overlay,
    End,
}

impl<'a, C: Cursor> MergedCursor<'a, C> {
    /// A cursor at the first row of the range, over a base cursor of the same range.
    pub(super) fn new(
        base: C,
        overlay: &'a BTreeMap<Bytes, Slot>,
        lower: &[u8],
        upper: &[u8],
    ) -> Result<Self, StorageFault> {
        let mut cursor = MergedCursor {
            base,
            overlay,
            lower: Bytes::copy_from_slice(lower),
            upper: Bytes::copy_from_slice(upper),
            written: None,
            side: Side::End,
        };
        cursor.written = cursor.first_written(Bound::Included(lower));
        cursor.settle()?;
        Ok(cursor)
    }

    fn first_written(&self, start: Bound<&[u8]>) -> Option<(&'a Bytes, &'a Slot)> {
        let (key, slot) = self.overlay.range::<[u8], _>((start, Bound::Unbounded)).next()?;
        (self.upper.is_empty() || key < &self.upper).then_some((key, slot))
    }

    /// Chooses the side of the present entry, passing over deleted rows.
    fn settle(&mut self) -> Result<(), StorageFault> {
        loop {
            let base = self.base.entry().map(|(key, _)| key);
            let (Some((key, slot)), base) = (self.written, base) else {
                self.side = if base.is_some() { Side::Base } else { Side::End };
                return Ok(());
            };
            if base.is_some_and(|base| base < &key[..]) {
                self.side = Side::Base;
                return Ok(());
            }
            let shadows = base.is_some_and(|base| base == &key[..]);
            if slot.value.is_some() && !shadows {
                self.side = Side::Overlay;
                return Ok(());
            }
            if shadows {
                self.base.next()?;
            }
            if slot.value.is_none() {
                self.written = self.first_written(Bound::Excluded(key));
            }
        }
    }
}

impl<C: Cursor> Cursor for MergedCursor<'_, C> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StorageFault> {
        let start = key.max(&self.lower);
        self.base.seek(start)?;
        self.written = self.first_written(Bound::Included(start));
        self.settle()
    }

    fn next(&mut self) -> Result<(), StorageFault> {
        match self.side {
            Side::Base => self.base.next()?,
            Side::Overlay => {
                if let Some((key, _)) = self.written {
                    self.written = self.first_written(Bound::Excluded(key));
                }
            }
            Side::End => return Ok(()),
        }
        self.settle()
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        match self.side {
            Side::Base => self.base.entry(),
            Side::Overlay => {
                let (key, slot) = self.written?;
                slot.value.as_ref().map(|value| (&key[..], &value[..]))
            }
            Side::End => None,
        }
    }
}
