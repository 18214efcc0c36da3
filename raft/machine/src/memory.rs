//! Tables in memory: for tests, and the double of the durable store for other crates' tests.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::port::{Cursor, ReadTables, StorageFault};

/// All tables in one ordered map. Never fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTables {
    rows: BTreeMap<Bytes, Bytes>,
}

impl MemoryTables {
    /// No rows at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Performs the writes of a transaction: `None` deletes.
    pub fn write(&mut self, writes: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) {
        for (key, value) in writes {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }

    /// All rows in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.rows.iter()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl ReadTables for MemoryTables {
    type Cursor<'a> = MemoryCursor<'a>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        Ok(self.rows.get(key).cloned())
    }

    fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<MemoryCursor<'_>, StorageFault> {
        let mut cursor = MemoryCursor {
            rows: &self.rows,
            lower: lower.to_vec(),
            upper: upper.to_vec(),
            place: None,
        };
        cursor.seek(lower)?;
        Ok(cursor)
    }
}

/// A cursor over [`MemoryTables`].
#[derive(Debug)]
pub struct MemoryCursor<'a> {
    rows: &'a BTreeMap<Bytes, Bytes>,
    lower: Vec<u8>,
    upper: Vec<u8>,
    place: Option<(&'a Bytes, &'a Bytes)>,
}

impl<'a> MemoryCursor<'a> {
    fn first_from(&self, start: Bound<&[u8]>) -> Option<(&'a Bytes, &'a Bytes)> {
        let (key, value) = self.rows.range::<[u8], _>((start, Bound::Unbounded)).next()?;
        (self.upper.is_empty() || key[..] < self.upper[..]).then_some((key, value))
    }
}

impl Cursor for MemoryCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StorageFault> {
        let start = key.max(&self.lower);
        self.place = self.first_from(Bound::Included(start));
        Ok(())
    }

    fn next(&mut self) -> Result<(), StorageFault> {
        if let Some((key, _)) = self.place {
            self.place = self.first_from(Bound::Excluded(key));
        }
        Ok(())
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.place.map(|(key, value)| (&key[..], &value[..]))
    }
}
