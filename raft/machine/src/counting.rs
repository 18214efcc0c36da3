//! Tables that count what is read from them, for tests of what things cost.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

use crate::memory::{MemoryCursor, MemoryTables};
use crate::port::{Cursor, ReadTables, StorageFault};

pub(crate) struct Counting<'t> {
    tables: &'t MemoryTables,
    gets: RefCell<Vec<Bytes>>,
    steps: Cell<usize>,
}

impl<'t> Counting<'t> {
    pub(crate) fn new(tables: &'t MemoryTables) -> Self {
        Counting {
            tables,
            gets: RefCell::default(),
            steps: Cell::new(0),
        }
    }

    /// The keys that were looked up since the last call.
    pub(crate) fn take_gets(&self) -> Vec<Bytes> {
        self.gets.take()
    }

    /// How often a cursor was opened or moved.
    pub(crate) fn steps(&self) -> usize {
        self.steps.get()
    }
}

pub(crate) struct CountingCursor<'a> {
    inner: MemoryCursor<'a>,
    steps: &'a Cell<usize>,
}

impl ReadTables for Counting<'_> {
    type Cursor<'a>
        = CountingCursor<'a>
    where
        Self: 'a;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        self.gets.borrow_mut().push(Bytes::copy_from_slice(key));
        self.tables.get(key)
    }

    fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<CountingCursor<'_>, StorageFault> {
        self.steps.set(self.steps.get() + 1);
        Ok(CountingCursor {
            inner: self.tables.cursor(lower, upper)?,
            steps: &self.steps,
        })
    }
}

impl Cursor for CountingCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StorageFault> {
        self.steps.set(self.steps.get() + 1);
        self.inner.seek(key)
    }

    fn next(&mut self) -> Result<(), StorageFault> {
        self.steps.set(self.steps.get() + 1);
        self.inner.next()
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.inner.entry()
    }
}
