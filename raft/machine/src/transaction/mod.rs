//! Writes of many commands over a view of the tables, performed at once when all are applied.

mod cursor;

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use raft_types::keys::Table;

use crate::port::{ReadTables, StorageFault};
pub use cursor::MergedCursor;

/// An overlay of writes over a view of the tables. Reads see the writes.
///
/// Commands are applied one after the other, each between `begin` and either `keep` or `undo`, so that a
/// rejected command leaves nothing behind. At the end [`Transaction::into_writes`] says what to write; the
/// store performs all of it in one atomic batch.
#[derive(Debug)]
pub struct Transaction<'t, T> {
    base: &'t T,
    overlay: BTreeMap<Bytes, Slot>,
    /// What this command has written, with what stood there before: how to undo it.
    undo: Vec<(Bytes, Option<Slot>)>,
    command: u64,
    /// Rows of the base that nearly every command reads. The base does not change meanwhile.
    hot: RefCell<HashMap<Bytes, Option<Bytes>>>,
}

/// Tables whose few rows nearly every command reads: they are read from the base once per transaction.
const HOT: [Table; 6] = [
    Table::Cluster,
    Table::Buckets,
    Table::Backends,
    Table::Sessions,
    Table::Epochs,
    Table::Keys,
];

/// A written row.
#[derive(Clone, Debug)]
struct Slot {
    /// `None`: deleted.
    value: Option<Bytes>,
    /// The command that wrote it last.
    command: u64,
}

impl<'t, T: ReadTables> Transaction<'t, T> {
    /// No writes over `base`.
    pub fn new(base: &'t T) -> Self {
        Transaction {
            base,
            overlay: BTreeMap::new(),
            undo: Vec::new(),
            command: 0,
            hot: RefCell::new(HashMap::new()),
        }
    }

    /// How many rows would be written now.
    pub fn len(&self) -> usize {
        self.overlay.len()
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.overlay.is_empty()
    }

    /// All writes in the order of their keys; `None` deletes. A deleted row need not have stood before.
    pub fn into_writes(self) -> impl Iterator<Item = (Bytes, Option<Bytes>)> {
        self.overlay.into_iter().map(|(key, slot)| (key, slot.value))
    }

    /// Begins a command.
    pub(crate) fn begin(&mut self) {
        self.undo.clear();
        self.command += 1;
    }

    /// How many rows the present command has written.
    pub(crate) fn written(&self) -> usize {
        self.undo.len()
    }

    /// Takes back everything that the present command has written.
    pub(crate) fn undo(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(slot) => self.overlay.insert(key, slot),
                None => self.overlay.remove(&key),
            };
        }
    }

    /// Writes a row.
    pub(crate) fn put(&mut self, key: Bytes, value: Bytes) {
        self.set(key, Some(value));
    }

    /// Deletes a row, whether it stands or not.
    pub(crate) fn delete(&mut self, key: Bytes) {
        self.set(key, None);
    }

    fn get_hot(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        if let Some(known) = self.hot.borrow().get(key) {
            return Ok(known.clone());
        }
        let value = self.base.get(key)?;
        self.hot
            .borrow_mut()
            .insert(Bytes::copy_from_slice(key), value.clone());
        Ok(value)
    }

    fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        let slot = Slot {
            value,
            command: self.command,
        };
        match self.overlay.entry(key) {
            Entry::Vacant(vacant) => {
                self.undo.push((vacant.key().clone(), None));
                vacant.insert(slot);
            }
            Entry::Occupied(mut occupied) => {
                let before = std::mem::replace(occupied.get_mut(), slot);
                if before.command != self.command {
                    self.undo.push((occupied.key().clone(), Some(before)));
                }
            }
        }
    }
}

fn is_hot(key: &[u8]) -> bool {
    key.first()
        .is_some_and(|table| HOT.iter().any(|hot| hot.number() == *table))
}

impl<T: ReadTables> ReadTables for Transaction<'_, T> {
    type Cursor<'a>
        = MergedCursor<'a, T::Cursor<'a>>
    where
        Self: 'a;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        match self.overlay.get(key) {
            Some(slot) => Ok(slot.value.clone()),
            None if is_hot(key) => self.get_hot(key),
            None => self.base.get(key),
        }
    }

    fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<Self::Cursor<'_>, StorageFault> {
        MergedCursor::new(self.base.cursor(lower, upper)?, &self.overlay, lower, upper)
    }
}

#[cfg(test)]
mod tests;
