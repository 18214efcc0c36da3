//! Typed access to rows.

use bytes::Bytes;
use raft_types::Record;
use raft_types::keys::{KeyRange, RowKey, TableKey};

use crate::fault::Fault;
use crate::port::{Cursor, ReadTables};

/// The row of a key.
pub(crate) fn get<K: RowKey>(tables: &impl ReadTables, key: &K) -> Result<Option<K::Record>, Fault> {
    tables.get(&key.to_bytes())?.map(decode::<K>).transpose()
}

/// Reads a value of the table of `K`.
pub(crate) fn decode<K: RowKey>(value: Bytes) -> Result<K::Record, Fault> {
    K::Record::decode(value).map_err(|source| Fault::Row {
        table: K::TABLE,
        source,
    })
}

/// Reads a key of the table of `K`.
pub(crate) fn parse<K: TableKey>(key: &[u8]) -> Result<K, Fault> {
    K::parse(key).map_err(|source| Fault::Key {
        table: K::TABLE,
        source,
    })
}

/// Walks over the rows of one table.
pub(crate) struct Rows<C, K> {
    cursor: C,
    table: std::marker::PhantomData<K>,
}

impl<C: Cursor, K: RowKey> Rows<C, K> {
    /// The row at the cursor, which then goes on to the next.
    pub(crate) fn take(&mut self) -> Result<Option<(K, K::Record)>, Fault> {
        let row = self.peek()?;
        self.cursor.next()?;
        Ok(row)
    }

    /// The row at the cursor.
    pub(crate) fn peek(&self) -> Result<Option<(K, K::Record)>, Fault> {
        let Some((key, value)) = self.cursor.entry() else {
            return Ok(None);
        };
        Ok(Some((parse(key)?, decode::<K>(Bytes::copy_from_slice(value))?)))
    }

    /// Goes to the first row whose key is not less than `key`.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<(), Fault> {
        Ok(self.cursor.seek(key)?)
    }
}

/// The rows of a range, which lies within the table of `K`.
pub(crate) fn scan<'a, T: ReadTables, K: RowKey>(
    tables: &'a T,
    range: &KeyRange,
) -> Result<Rows<T::Cursor<'a>, K>, Fault> {
    let cursor = tables.cursor(&range.lower, &range.upper)?;
    Ok(Rows {
        cursor,
        table: std::marker::PhantomData,
    })
}

/// At most `limit` rows of a range that stand after the key `after`.
pub(crate) fn page<K: RowKey>(
    tables: &impl ReadTables,
    range: &KeyRange,
    after: Option<&K>,
    limit: usize,
) -> Result<Vec<(K, K::Record)>, Fault> {
    let mut rows = scan::<_, K>(tables, range)?;
    if let Some(after) = after {
        // The least key above another one is that key followed by a zero byte.
        let mut start = after.to_bytes().to_vec();
        start.push(0);
        rows.seek(&start)?;
    }
    let mut page = Vec::new();
    while page.len() < limit
        && let Some(row) = rows.take()?
    {
        page.push(row);
    }
    Ok(page)
}
