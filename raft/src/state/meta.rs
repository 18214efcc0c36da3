//! What the store keeps for itself beside the tables: rows under the byte 0, which no table has.

use prost::Message;
use rocksdb::{DB, WriteBatch};

use crate::consensus::{LogId, StoredLogId, StoredMembership, StoredMembershipRow};
use crate::error::Damage;

/// The database's name in messages.
const DATABASE: &str = "state";
/// The format that this release writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

const FORMAT_KEY: &str = "\0format";
const APPLIED_KEY: &str = "\0applied";
const MEMBERSHIP_KEY: &str = "\0membership";

/// The first key that a table may have.
pub(super) const FIRST_TABLE_KEY: &[u8] = &[1];

/// How far a state has come, and the last membership in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AppliedState {
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl AppliedState {
    /// Reads both rows; they are of one moment only where nothing is applied meanwhile.
    pub(crate) fn read(db: &DB) -> Result<Self, Damage> {
        let applied = last_applied(db)?;
        let membership = match read_row::<StoredMembershipRow>(db, MEMBERSHIP_KEY)? {
            Some(row) => row
                .stored()
                .map_err(|error| row_damage(MEMBERSHIP_KEY, error.to_string()))?,
            None => StoredMembership::default(),
        };
        Ok(Self { applied, membership })
    }

    /// Index of the last applied entry; 0 before any.
    pub(crate) fn index(&self) -> u64 {
        self.applied.map_or(0, |applied| applied.index())
    }
}

/// The last applied entry.
pub(super) fn last_applied(db: &DB) -> Result<Option<LogId>, Damage> {
    Ok(read_row::<StoredLogId>(db, APPLIED_KEY)?.map(LogId::from))
}

/// Adds the row of the last applied entry to a batch.
pub(super) fn put_applied(batch: &mut WriteBatch, applied: LogId) {
    batch.put(APPLIED_KEY, StoredLogId::from(applied).encode_to_vec());
}

/// Adds the row of the last membership to a batch.
pub(super) fn put_membership(batch: &mut WriteBatch, membership: &StoredMembership) {
    let row = StoredMembershipRow::of(*membership.log_id(), membership.membership());
    batch.put(MEMBERSHIP_KEY, row.encode_to_vec());
}

/// Adds the row of the format to a batch.
pub(super) fn put_format(batch: &mut WriteBatch) {
    batch.put(FORMAT_KEY, FORMAT.to_le_bytes());
}

/// The format of a database.
pub(super) fn format(db: &DB) -> Result<u32, Damage> {
    let row = raw_row(db, FORMAT_KEY)?.ok_or_else(|| row_damage(FORMAT_KEY, "it is missing"))?;
    let bytes =
        <[u8; 4]>::try_from(row.as_slice()).map_err(|_| row_damage(FORMAT_KEY, "it is not 4 bytes long"))?;
    Ok(u32::from_le_bytes(bytes))
}

fn raw_row(db: &DB, key: &'static str) -> Result<Option<Vec<u8>>, Damage> {
    db.get(key).map_err(|error| row_damage(key, error.to_string()))
}

fn read_row<T: Message + Default>(db: &DB, key: &'static str) -> Result<Option<T>, Damage> {
    let Some(bytes) = raw_row(db, key)? else {
        return Ok(None);
    };
    T::decode(bytes.as_slice())
        .map(Some)
        .map_err(|error| row_damage(key, error.to_string()))
}

fn row_damage(row: &'static str, problem: impl Into<String>) -> Damage {
    Damage::Row {
        database: DATABASE,
        row: row.trim_start_matches('\0'),
        problem: problem.into(),
    }
}
