//! What the state machine needs from a store: ordered keys, point lookups, and cursors over ranges.

use std::error::Error as StdError;

use bytes::Bytes;
use thiserror::Error;

/// A store failed. The node that meets this stops: its state can no longer be told.
#[derive(Debug, Error)]
#[error("storage fault: {operation}")]
pub struct StorageFault {
    /// What was being done.
    pub operation: &'static str,
    /// What the store said.
    pub source: Box<dyn StdError + Send + Sync>,
}

impl StorageFault {
    /// A fault of an operation.
    pub fn new(operation: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        StorageFault {
            operation,
            source: source.into(),
        }
    }
}

/// A view of all tables at one moment. Keys are ordered by their bytes.
pub trait ReadTables {
    /// A cursor over a range of the view.
    type Cursor<'a>: Cursor
    where
        Self: 'a;

    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault>;

    /// A cursor over the keys from `lower` (inclusive) to `upper` (exclusive), at the first of them.
    /// An empty `upper` bounds nothing.
    fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<Self::Cursor<'_>, StorageFault>;
}

/// A place in a range of keys.
pub trait Cursor {
    /// Goes to the first key of the range that is not less than `key`. A key before the range means its
    /// first key. Going backwards is allowed.
    fn seek(&mut self, key: &[u8]) -> Result<(), StorageFault>;

    /// Goes to the next key. At the end of the range it stays there.
    fn next(&mut self) -> Result<(), StorageFault>;

    /// Key and value at this place; `None` at the end of the range.
    fn entry(&self) -> Option<(&[u8], &[u8])>;
}
