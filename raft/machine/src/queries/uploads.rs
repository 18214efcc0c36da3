//! Multipart uploads and their parts.

use bytes::Bytes;
use raft_types::commands::UploadTarget;
use raft_types::keys::{CompletionKey, KeyRange, PartKey, Table, TableKey, UploadKey, after_prefix};
use raft_types::records::{CompletionRecord, PartRecord, UploadRecord};
use raft_types::{BucketId, ObjectKey, PartNumber, UploadId};

use super::listing::common_prefix;
use crate::fault::Fault;
use crate::port::{Cursor, ReadTables};
use crate::rows;

/// An open upload.
pub fn upload(tables: &impl ReadTables, target: &UploadTarget) -> Result<Option<UploadRecord>, Fault> {
    let UploadTarget { bucket, key, upload } = target;
    rows::get(
        tables,
        &UploadKey {
            bucket: *bucket,
            key: key.clone(),
            upload: *upload,
        },
    )
}

/// A part of an upload or manifest.
pub fn part(
    tables: &impl ReadTables,
    upload: UploadId,
    number: PartNumber,
) -> Result<Option<PartRecord>, Fault> {
    rows::get(tables, &PartKey { upload, number })
}

/// At most `limit` parts of an upload or manifest, those after the number `after`. Those of a manifest that
/// it does not list may be among them for a while.
pub fn list_parts(
    tables: &impl ReadTables,
    upload: UploadId,
    after: Option<PartNumber>,
    limit: usize,
) -> Result<Vec<(PartNumber, PartRecord)>, Fault> {
    let after = after.map(|number| PartKey { upload, number });
    let rows = rows::page(
        tables,
        &KeyRange::under(Table::Parts, &upload),
        after.as_ref(),
        limit,
    )?;
    Ok(rows
        .into_iter()
        .map(|(key, record)| (key.number, record))
        .collect())
}

/// The result of a completed upload, while it is kept.
pub fn completion(tables: &impl ReadTables, upload: UploadId) -> Result<Option<CompletionRecord>, Fault> {
    rows::get(tables, &CompletionKey { upload })
}

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsQuery {
    /// The bucket.
    pub bucket: BucketId,
    /// Only keys that begin with these bytes.
    pub prefix: Bytes,
    /// Keys that have these bytes after the prefix are rolled up. Empty: none are.
    pub delimiter: Bytes,
    /// Where to begin.
    pub start: UploadStart,
    /// Most entries of the page, uploads and common prefixes together.
    pub limit: usize,
}

/// Where a page of uploads begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadStart {
    /// At the first key.
    Beginning,
    /// After all uploads to this key.
    AfterKey(Bytes),
    /// After all keys with this prefix.
    AfterPrefix(Bytes),
    /// After this upload to this key.
    AfterUpload(ObjectKey, UploadId),
}

/// An entry of a listing of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadEntry {
    /// An open upload.
    Upload(ObjectKey, UploadId, Box<UploadRecord>),
    /// Keys rolled up.
    Prefix(Bytes),
}

/// A page of uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPage {
    /// Its entries, by key and upload id.
    pub entries: Vec<UploadEntry>,
    /// Where the next page begins; `None` where nothing follows.
    pub next: Option<UploadStart>,
}

/// A page of the open uploads of a bucket.
pub fn list_uploads(tables: &impl ReadTables, query: &UploadsQuery) -> Result<UploadPage, Fault> {
    let bucket = query.bucket;
    let range = UploadKey::with_prefix(bucket, &query.prefix);
    let mut cursor = tables.cursor(&range.lower, &range.upper)?;
    match &query.start {
        UploadStart::Beginning => {}
        UploadStart::AfterKey(key) => {
            let mut start = UploadKey::with_prefix(bucket, key).lower.to_vec();
            // Above the terminator that ends the key, and below everything that continues it.
            start.extend_from_slice(&[0, 2]);
            cursor.seek(&start)?;
        }
        UploadStart::AfterPrefix(prefix) => {
            cursor.seek(&after_prefix(&UploadKey::with_prefix(bucket, prefix).lower))?;
        }
        UploadStart::AfterUpload(key, upload) => {
            let row = UploadKey {
                bucket,
                key: key.clone(),
                upload: *upload,
            };
            let mut start = row.to_bytes().to_vec();
            start.push(0);
            cursor.seek(&start)?;
        }
    }
    let mut entries = Vec::new();
    while entries.len() < query.limit {
        let Some((key, value)) = cursor.entry() else {
            return Ok(UploadPage { entries, next: None });
        };
        let key = rows::parse::<UploadKey>(key)?;
        if let Some(common) = common_prefix(key.key.as_bytes(), &query.prefix, &query.delimiter) {
            let common = Bytes::copy_from_slice(common);
            cursor.seek(&after_prefix(&UploadKey::with_prefix(bucket, &common).lower))?;
            entries.push(UploadEntry::Prefix(common));
            continue;
        }
        let record = rows::decode::<UploadKey>(Bytes::copy_from_slice(value))?;
        entries.push(UploadEntry::Upload(key.key, key.upload, Box::new(record)));
        cursor.next()?;
    }
    let next = match entries.last() {
        Some(last) if cursor.entry().is_some() => Some(match last {
            UploadEntry::Upload(key, upload, _) => UploadStart::AfterUpload(key.clone(), *upload),
            UploadEntry::Prefix(prefix) => UploadStart::AfterPrefix(prefix.clone()),
        }),
        _ => None,
    };
    Ok(UploadPage { entries, next })
}
