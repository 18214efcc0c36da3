//! Walking over dead content in batches (C5).

use bytes::Bytes;
use raft_types::commands::Release;
use raft_types::keys::{
    KeyRange, KeyVersionKey, ManifestKey, OutcomeKey, PartKey, ReleaseKey, Table, UploadKey,
};
use raft_types::records::{BlobList, DeadUpload, IncidentKind, Piece, ReleaseRecord, ReleaseSubject};
use raft_types::{BucketId, Outcome, PartNumber, Rejection, Released, SessionId, UploadId, limits};

use super::context::Context;
use super::counters::signed;
use super::numbered::required;
use super::references::{self, drop_blob};
use super::stop::Stop;
use super::{session, upload};
use crate::listed;
use crate::port::ReadTables;
use crate::rows;

/// Rows that the last item of a step may write: a part with its blobs, their replicas and work rows. A step
/// begins no item unless this many rows are left.
const ITEM_ROWS: usize = 1 + limits::INLINE_PIECES * (1 + limits::REPLICAS + 2);

/// Rows kept for what follows the items: the release itself, a manifest, counters of backends and buckets.
const CLOSING_ROWS: usize = 128;

/// Parts that one step reads where all of them go: about as many as the bound of rows allows.
const PARTS_AT_ONCE: usize = 256;

/// Parts that one step reads where most of them may be listed ones that it passes over.
const SCANNED_AT_ONCE: usize = 2_000;

/// Performs the next step of a release.
pub(super) fn release<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &Release,
) -> Result<Outcome, Stop> {
    let key = ReleaseKey { row: command.row };
    let mut record = required(context.get(&key)?, Rejection::NoSuchRow)?;
    if record.after != command.after {
        return Err(Rejection::Changed.into());
    }
    let mut walk = Walk {
        died: command.row.index,
        left: command.limit.max(1) as usize,
    };
    let step = walk.step(context, &record)?;
    match step {
        Step::Finished => context.delete(&key),
        Step::At(after) => {
            record.after = after;
            context.put(&key, &record);
        }
    }
    let (finished, after) = match step {
        Step::Finished => (true, record.after),
        Step::At(after) => (false, after),
    };
    Ok(Outcome::Released(Released { finished, after }))
}

/// How far a step has come.
#[derive(Clone, Copy)]
enum Step {
    /// Nothing is left.
    Finished,
    /// Everything up to this place is done.
    At(u64),
}

/// The parts of an upload, and which of them a manifest lists. The bytes of listed parts count with the
/// objects, those of all others with the bucket's parts.
struct Parts {
    bucket: BucketId,
    upload: UploadId,
    listed: Bytes,
    dead: Dead,
}

/// Which parts are released.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dead {
    All,
    Unlisted,
}

struct Walk {
    /// When the content died: what dies with it, died then too.
    died: u64,
    /// Items that the step may still take.
    left: usize,
}

impl Walk {
    fn step<T: ReadTables>(
        &mut self,
        context: &mut Context<'_, '_, T>,
        record: &ReleaseRecord,
    ) -> Result<Step, Stop> {
        match &record.subject {
            ReleaseSubject::UnlistedParts(upload) => match header(context, *upload, Dead::Unlisted)? {
                // The manifest died too, and its own release took everything.
                None => Ok(Step::Finished),
                Some(parts) => self.parts(context, &parts, record.after),
            },
            ReleaseSubject::Manifest(upload) => self.manifest(context, *upload, record.after),
            ReleaseSubject::Upload(DeadUpload { bucket, upload }) => {
                let (bucket, upload, listed) = (*bucket, *upload, Bytes::new());
                self.parts(
                    context,
                    &Parts {
                        bucket,
                        upload,
                        listed,
                        dead: Dead::All,
                    },
                    record.after,
                )
            }
            ReleaseSubject::Blobs(list) => self.blobs(context, list, record.after),
            ReleaseSubject::Bucket(bucket) => self.bucket(context, *bucket),
            ReleaseSubject::Outcomes(session) => self.outcomes(context, *session),
        }
    }

    /// Whether another item may be begun.
    fn may_go_on<T: ReadTables>(&mut self, context: &Context<'_, '_, T>) -> bool {
        let rows = context.tx.written() + ITEM_ROWS + CLOSING_ROWS;
        if self.left == 0 || rows > limits::ROWS_WRITTEN - limits::ROWS_OF_NUMBER {
            return false;
        }
        self.left -= 1;
        true
    }

    fn blobs<T: ReadTables>(
        &mut self,
        context: &mut Context<'_, '_, T>,
        list: &BlobList,
        after: u64,
    ) -> Result<Step, Stop> {
        let done = usize::try_from(after).unwrap_or(usize::MAX);
        for (place, &blob) in list.blobs.iter().enumerate().skip(done) {
            if !self.may_go_on(context) {
                return Ok(Step::At(place as u64));
            }
            drop_blob(context, blob, self.died)?;
        }
        Ok(Step::Finished)
    }

    fn manifest<T: ReadTables>(
        &mut self,
        context: &mut Context<'_, '_, T>,
        upload: UploadId,
        after: u64,
    ) -> Result<Step, Stop> {
        let Some(parts) = header(context, upload, Dead::All)? else {
            let detail = format!("manifest {upload} is released and does not stand");
            return Err(Stop::broken(IncidentKind::DanglingReference, detail));
        };
        let step = self.parts(context, &parts, after)?;
        if matches!(step, Step::Finished) {
            context.delete(&ManifestKey { manifest: upload });
        }
        Ok(step)
    }

    /// Releases the dead parts whose numbers are above `after`.
    fn parts<T: ReadTables>(
        &mut self,
        context: &mut Context<'_, '_, T>,
        parts: &Parts,
        after: u64,
    ) -> Result<Step, Stop> {
        let upload = parts.upload;
        let after_key = u16::try_from(after).ok().and_then(PartNumber::new);
        let after_key = after_key.map(|number| PartKey { upload, number });
        let limit = match parts.dead {
            Dead::All => self.left.min(PARTS_AT_ONCE),
            Dead::Unlisted => SCANNED_AT_ONCE,
        };
        let range = KeyRange::under(Table::Parts, &upload);
        // One more is read than may be taken: a step that takes the last one finishes.
        let page = rows::page::<PartKey>(&*context.tx, &range, after_key.as_ref(), limit + 1)?;
        context.scanned(page.len())?;
        let is_last_page = page.len() <= limit;
        let mut reached = after;
        for (key, part) in page.into_iter().take(limit) {
            let is_listed = listed::contains(&parts.listed, key.number);
            if !is_listed || parts.dead == Dead::All {
                if !self.may_go_on(context) {
                    return Ok(Step::At(reached));
                }
                context.delete(&key);
                self.pieces(context, &part.pieces)?;
                if !is_listed {
                    let delta = context.deltas.bucket(parts.bucket);
                    delta.part_bytes = delta.part_bytes.saturating_sub(signed(part.size));
                }
            }
            reached = u64::from(key.number.get());
        }
        Ok(if is_last_page {
            Step::Finished
        } else {
            Step::At(reached)
        })
    }

    fn pieces<T: ReadTables>(&self, context: &mut Context<'_, '_, T>, pieces: &[Piece]) -> Result<(), Stop> {
        if pieces.len() > limits::INLINE_PIECES {
            let blobs = pieces.iter().map(|piece| piece.blob).collect();
            references::release(context, ReleaseSubject::Blobs(BlobList { blobs }));
            return Ok(());
        }
        pieces
            .iter()
            .try_for_each(|piece| drop_blob(context, piece.blob, self.died))
    }

    /// Ends the uploads of a deleted bucket, and destroys what is left of its keys.
    fn bucket<T: ReadTables>(
        &mut self,
        context: &mut Context<'_, '_, T>,
        bucket: BucketId,
    ) -> Result<Step, Stop> {
        let limit = self.left.min(limits::ROWS_WRITTEN / 4);
        let keys = KeyRange::under(Table::Keys, &bucket);
        let keys = rows::page::<KeyVersionKey>(&*context.tx, &keys, None, limit + 1)?;
        let range = UploadKey::with_prefix(bucket, b"");
        let uploads = rows::page::<UploadKey>(&*context.tx, &range, None, limit + 1 - keys.len())?;
        let found = keys.len() + uploads.len();
        context.scanned(found)?;
        let uploads_taken = limit.saturating_sub(keys.len());
        for (key, _) in keys.iter().take(limit) {
            context.delete(key);
        }
        for (key, _) in uploads.into_iter().take(uploads_taken) {
            context.delete(&key);
            if upload::has_parts(context, key.upload)? {
                let upload = key.upload;
                references::release(context, ReleaseSubject::Upload(DeadUpload { bucket, upload }));
            }
        }
        Ok(if found <= limit {
            Step::Finished
        } else {
            Step::At(0)
        })
    }

    /// Removes the outcomes of a sealed session.
    fn outcomes<T: ReadTables>(
        &mut self,
        context: &mut Context<'_, '_, T>,
        session: SessionId,
    ) -> Result<Step, Stop> {
        let limit = self.left.min(limits::ROWS_WRITTEN - CLOSING_ROWS);
        let range = KeyRange::under(Table::Outcomes, &session);
        let page = rows::page::<OutcomeKey>(&*context.tx, &range, None, limit + 1)?;
        context.scanned(page.len())?;
        let is_last_page = page.len() <= limit;
        for (key, _) in page.iter().take(limit) {
            context.delete(key);
        }
        if is_last_page {
            session::forget_if_done(context, session)?;
        }
        Ok(if is_last_page { Step::Finished } else { Step::At(0) })
    }
}

/// The parts of a manifest, as its header describes them.
fn header<T: ReadTables>(
    context: &Context<'_, '_, T>,
    upload: UploadId,
    dead: Dead,
) -> Result<Option<Parts>, Stop> {
    let header = context.get(&ManifestKey { manifest: upload })?;
    Ok(header.map(|header| Parts {
        bucket: header.bucket,
        upload,
        listed: header.listed,
        dead,
    }))
}
