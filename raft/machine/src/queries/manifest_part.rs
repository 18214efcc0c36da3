//! One part of a complete object, and which results of uploads are due.

use raft_types::keys::{CompletionDueKey, KeyRange, PartKey, Table, TableKey};
use raft_types::limits::PARTS_PER_OFFSET;
use raft_types::records::PartRecord;
use raft_types::{MillisUtc, PartNumber, UploadId};

use super::manifest;
use crate::fault::Fault;
use crate::listed;
use crate::port::ReadTables;
use crate::rows;

/// A listed part of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPart {
    /// Offset of its first byte within the object.
    pub start: u64,
    /// Its row.
    pub record: PartRecord,
    /// How many parts the object has.
    pub parts: u32,
}

/// The part of this number, where the manifest lists it. Reads the parts from the nearest recorded offset
/// on: at most 64.
pub fn manifest_part(
    tables: &impl ReadTables,
    upload: UploadId,
    number: PartNumber,
) -> Result<Option<ManifestPart>, Fault> {
    let header = manifest(tables, upload)?.ok_or_else(|| Fault::Dangling {
        table: Table::Manifests,
        id: upload.to_string(),
    })?;
    if !listed::contains(&header.listed, number) {
        return Ok(None);
    }
    let ordinal = (1..number.get())
        .filter_map(PartNumber::new)
        .filter(|&before| listed::contains(&header.listed, before))
        .count();
    let recorded = ordinal / PARTS_PER_OFFSET;
    let first = listed::nth(&header.listed, recorded * PARTS_PER_OFFSET);
    let (Some(&offset), Some(first)) = (header.offsets.get(recorded), first) else {
        return Ok(None);
    };
    let mut start = offset;
    let mut parts = rows::scan::<_, PartKey>(tables, &KeyRange::under(Table::Parts, &upload))?;
    parts.seek(
        &PartKey {
            upload,
            number: first,
        }
        .to_bytes(),
    )?;
    while let Some((key, record)) = parts.take()? {
        if key.number == number {
            return Ok(Some(ManifestPart {
                start,
                record,
                parts: header.parts,
            }));
        }
        if key.number > number {
            break;
        }
        if listed::contains(&header.listed, key.number) {
            start = start.saturating_add(record.size);
        }
    }
    Ok(None)
}

/// Whether the result of a completed upload need not be kept any longer at `now`.
pub fn has_due_completion(tables: &impl ReadTables, now: MillisUtc) -> Result<bool, Fault> {
    let range = KeyRange::of_table(Table::CompletionsDue);
    let oldest = rows::page::<CompletionDueKey>(tables, &range, None, 1)?;
    Ok(oldest.first().is_some_and(|(key, _)| key.due <= now))
}
