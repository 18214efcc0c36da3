//! Where each row stands: the key layouts of all tables.
//!
//! One ordered key space holds everything: `[table: u8][components]`. Numbers are big-endian, drawn ids are
//! their 16 bytes, so the order of keys is the order of the values. An object key or a name that ends a key
//! stands raw; where something follows it, `0x00` is written as `0x00 0xff` and `0x00 0x01` ends it, which
//! keeps its order too. A version stands inverted: the newest comes first.
//!
//! | table | key | value |
//! |---|---|---|
//! | `cluster` | field u8 | singletons: [`Identity`](crate::records::Identity), clock, counters, keyring |
//! | `revisions` | table u8 | index of the last entry that changed the table |
//! | `buckets` | bucket u64 | [`BucketRecord`](crate::records::BucketRecord) |
//! | `bucket_names` | name | bucket id |
//! | `bucket_counters` | bucket u64 | [`BucketCounters`](crate::records::BucketCounters), derived |
//! | `current` | bucket u64, key raw | [`ObjectRecord`](crate::records::ObjectRecord) of the current version |
//! | `versions` | bucket u64, key escaped, version inverted | noncurrent versions and delete markers |
//! | `null_versions` | bucket u64, key raw | the version that is a noncurrent null version |
//! | `blobs` | blob | [`BlobRecord`](crate::records::BlobRecord) |
//! | `manifests` | upload | [`ManifestRecord`](crate::records::ManifestRecord) |
//! | `wraps` | bucket u64, key version u32 | number of blobs it wraps, derived |
//! | `uploads` | bucket u64, key escaped, upload | [`UploadRecord`](crate::records::UploadRecord) |
//! | `parts` | upload, number u16 | [`PartRecord`](crate::records::PartRecord) |
//! | `completions` | upload | [`CompletionRecord`](crate::records::CompletionRecord) |
//! | `completions_due` | due u64, upload | nothing |
//! | `work` | kind u8, blob | [`WorkRecord`](crate::records::WorkRecord) |
//! | `garbage` | backend u32, died u64, blob, epoch u64, attempt u32 | [`GarbageRecord`](crate::records::GarbageRecord) |
//! | `release` | died u64, position u32, ordinal u32 | [`ReleaseRecord`](crate::records::ReleaseRecord) |
//! | `backends` | backend u32 | [`BackendRecord`](crate::records::BackendRecord) |
//! | `backend_names` | name | backend id |
//! | `backend_counters` | backend u32 | [`BackendCounters`](crate::records::BackendCounters), derived |
//! | `usage` | month u32, subject u8, subject id u64, class u8 | with budgets |
//! | `native` | backend u32, native key raw | with imports |
//! | `sessions` | session u64 | [`SessionRecord`](crate::records::SessionRecord) |
//! | `outcomes` | session u64, number u64 | [`Outcome`](crate::Outcome) |
//! | `epochs` | epoch u64 | [`EpochRecord`](crate::records::EpochRecord) |
//! | `incarnations` | counter u32 | [`IncarnationRecord`](crate::records::IncarnationRecord) |
//! | `grants` | session u64, backend u32, month u32 | with budgets |
//! | `keys` | bucket u64, key version u32 | [`KeyRecord`](crate::records::KeyRecord) |
//! | `nodes` | node u64 | [`NodeRecord`](crate::records::NodeRecord) |
//! | `node_names` | name | node id |
//! | `principals` | name | with users |
//! | `settings` | nothing | [`SettingsRecord`](crate::records::SettingsRecord) |
//! | `jobs` | name | with walks |
//! | `incidents` | index u64, position u32, ordinal u32 | [`IncidentRecord`](crate::records::IncidentRecord) |
//!
//! A layout never changes once released; a new meaning gets a new table.

mod object;
mod part;
mod reader;
mod rows;
mod table;

pub use object::{CurrentKey, NullVersionKey, UploadKey, VersionKey};
pub use part::KeyPart;
pub use reader::{KeyError, KeyReader};
pub use rows::{
    BackendCountersKey, BackendKey, BackendNameKey, BlobKey, BucketCountersKey, BucketKey, BucketNameKey,
    ClockKey, CompletionDueKey, CompletionKey, CountersKey, EpochKey, GarbageKey, GrantKey, IdentityKey,
    IncarnationKey, IncidentKey, JobKey, KeyVersionKey, KeyringKey, ManifestKey, NativeKey, NodeKey,
    NodeNameKey, OutcomeKey, PartKey, PrincipalKey, ReleaseKey, RevisionKey, SessionKey, SettingsKey,
    UsageKey, WorkKey, WrapKey,
};
pub use table::Table;

use bytes::Bytes;

use crate::codec::Record;

/// The key of a row of one table.
pub trait TableKey: Sized {
    /// The table that the row stands in.
    const TABLE: Table;

    /// Appends the components, without the table.
    fn write_components(&self, out: &mut Vec<u8>);

    /// Reads the components back; the caller checks that nothing follows.
    fn read_components(reader: &mut KeyReader<'_>) -> Result<Self, KeyError>;

    /// The whole key.
    fn to_bytes(&self) -> Bytes {
        // The longest fixed layout is 41 bytes; object keys are mostly shorter than this too.
        let mut out = Vec::with_capacity(96);
        out.push(Self::TABLE.number());
        self.write_components(&mut out);
        Bytes::from(out)
    }

    /// Reads a whole key back.
    fn parse(key: &[u8]) -> Result<Self, KeyError> {
        let mut reader = KeyReader::new(key);
        if reader.byte()? != Self::TABLE.number() {
            return Err(KeyError::Table);
        }
        let parsed = Self::read_components(&mut reader)?;
        reader.end()?;
        Ok(parsed)
    }
}

/// A key whose row's value is known by type.
pub trait RowKey: TableKey {
    /// What the row holds.
    type Record: Record;
}

/// A half-open range of keys: `lower` belongs to it, `upper` does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First key of the range.
    pub lower: Bytes,
    /// First key after the range.
    pub upper: Bytes,
}

impl KeyRange {
    /// All keys that begin with `prefix`, which holds at least the table.
    pub fn of_prefix(prefix: Vec<u8>) -> Self {
        let upper = after_prefix(&prefix);
        KeyRange {
            lower: Bytes::from(prefix),
            upper: Bytes::from(upper),
        }
    }

    /// All rows of a table.
    pub fn of_table(table: Table) -> Self {
        Self::of_prefix(vec![table.number()])
    }

    /// All rows of a table whose first component is `first`.
    pub fn under(table: Table, first: &impl KeyPart) -> Self {
        let mut prefix = vec![table.number()];
        first.write(&mut prefix);
        Self::of_prefix(prefix)
    }
}

/// The first key after all those that begin with `prefix`; empty where there is none.
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while let Some(last) = after.pop() {
        if let Some(next) = last.checked_add(1) {
            after.push(next);
            break;
        }
    }
    after
}

#[cfg(test)]
mod tests;
