//! Which blobs hold a range of an object.

use std::ops::Range;

use raft_types::keys::{KeyRange, PartKey, Table, TableKey};
use raft_types::limits::PARTS_PER_OFFSET;
use raft_types::records::{Content, ManifestRecord, Piece};
use raft_types::{BlobId, UploadId};

use super::manifest;
use crate::fault::Fault;
use crate::listed;
use crate::port::ReadTables;
use crate::rows;

/// A blob at its place in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceSpan {
    /// The blob.
    pub blob: BlobId,
    /// Offset of its first byte within the object.
    pub start: u64,
    /// Its plaintext length in bytes.
    pub length: u64,
}

impl PieceSpan {
    /// Offset of the first byte after it.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// The blobs that hold the bytes of `range`, in order, at most `limit` of them. If the last one ends before
/// the range does, the rest follows by asking again from there.
///
/// Of a manifest only the parts around the range are read: its header says where every 64th part begins.
pub fn resolve(
    tables: &impl ReadTables,
    content: &Content,
    size: u64,
    range: Range<u64>,
    limit: usize,
) -> Result<Vec<PieceSpan>, Fault> {
    let mut spans = Spans {
        found: Vec::new(),
        range,
        limit,
        offset: 0,
    };
    match content {
        Content::Blob(blob) => spans.add(&Piece {
            blob: *blob,
            length: size,
        }),
        Content::Blobs(list) => list.pieces.iter().for_each(|piece| spans.add(piece)),
        Content::Manifest(upload) => resolve_parts(tables, *upload, &mut spans)?,
    }
    Ok(spans.found)
}

struct Spans {
    found: Vec<PieceSpan>,
    range: Range<u64>,
    limit: usize,
    /// Where the next piece begins.
    offset: u64,
}

impl Spans {
    fn add(&mut self, piece: &Piece) {
        let span = PieceSpan {
            blob: piece.blob,
            start: self.offset,
            length: piece.length,
        };
        self.offset = span.end();
        if span.end() > self.range.start && span.start < self.range.end && self.found.len() < self.limit {
            self.found.push(span);
        }
    }

    fn is_complete(&self) -> bool {
        self.offset >= self.range.end || self.found.len() >= self.limit
    }
}

fn resolve_parts(tables: &impl ReadTables, upload: UploadId, spans: &mut Spans) -> Result<(), Fault> {
    let header = manifest(tables, upload)?.ok_or_else(|| Fault::Dangling {
        table: Table::Manifests,
        id: upload.to_string(),
    })?;
    let Some((offset, ordinal)) = nearest_offset(&header, spans.range.start) else {
        return Ok(());
    };
    let Some(first) = listed::nth(&header.listed, ordinal) else {
        return Ok(());
    };
    spans.offset = offset;
    let mut parts = rows::scan::<_, PartKey>(tables, &KeyRange::under(Table::Parts, &upload))?;
    parts.seek(
        &PartKey {
            upload,
            number: first,
        }
        .to_bytes(),
    )?;
    while !spans.is_complete() {
        let Some((key, part)) = parts.take()? else {
            break;
        };
        if !listed::contains(&header.listed, key.number) {
            continue;
        }
        part.pieces.iter().for_each(|piece| spans.add(piece));
    }
    Ok(())
}

/// The last recorded offset that is not beyond `position`, and the place among the listed parts of the part
/// that begins there.
fn nearest_offset(header: &ManifestRecord, position: u64) -> Option<(u64, usize)> {
    let after = header.offsets.partition_point(|&offset| offset <= position);
    let index = after.checked_sub(1)?;
    Some((*header.offsets.get(index)?, index * PARTS_PER_OFFSET))
}
