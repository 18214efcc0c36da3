//! Reference counts of contents. A command notes what it refers to and what it lets go; only the net of it
//! is applied, at its end, so that a content never dies in between (H3).

use raft_types::keys::{BlobKey, ManifestKey, ReleaseKey};
use raft_types::records::{
    BlobList, BlobRecord, Content, IncidentKind, ReleaseRecord, ReleaseSubject, ReplicaState,
};
use raft_types::{BlobId, UploadId, limits};

use super::attempts;
use super::context::Context;
use super::stop::Stop;
use crate::effect::Effect;
use crate::port::ReadTables;

/// Changes of reference counts by one command.
#[derive(Debug, Default)]
pub(super) struct References {
    blobs: Vec<(BlobId, i64)>,
    manifests: Vec<(UploadId, i64)>,
    /// Lists of blobs that were let go. Too much for one command, so they go to `release` unless the same
    /// command refers to them anew.
    lists: Vec<Vec<BlobId>>,
}

fn add<I: Copy + PartialEq>(list: &mut Vec<(I, i64)>, id: I, delta: i64) {
    match list.iter_mut().find(|(other, _)| *other == id) {
        Some((_, sum)) => *sum += delta,
        None => list.push((id, delta)),
    }
}

impl References {
    /// A further content refers to what this one holds.
    pub(super) fn take(&mut self, content: &Content) {
        match content {
            Content::Blob(blob) => add(&mut self.blobs, *blob, 1),
            Content::Blobs(list) => {
                list.pieces
                    .iter()
                    .for_each(|piece| add(&mut self.blobs, piece.blob, 1));
            }
            Content::Manifest(manifest) => add(&mut self.manifests, *manifest, 1),
        }
    }

    /// A content is gone.
    pub(super) fn let_go(&mut self, content: &Content) {
        match content {
            Content::Blob(blob) => add(&mut self.blobs, *blob, -1),
            Content::Blobs(list) => {
                self.let_go_list(list.pieces.iter().map(|piece| piece.blob).collect());
            }
            Content::Manifest(manifest) => add(&mut self.manifests, *manifest, -1),
        }
    }

    /// A list of blobs is gone.
    pub(super) fn let_go_list(&mut self, blobs: Vec<BlobId>) {
        match blobs[..] {
            [blob] => add(&mut self.blobs, blob, -1),
            _ => self.lists.push(blobs),
        }
    }

    /// Sets a list that was let go against references that the same command takes.
    fn offset(&mut self, list: &[BlobId]) -> bool {
        let taken = |blob: &BlobId| self.blobs.iter().any(|(other, sum)| other == blob && *sum > 0);
        // A blob that stands twice in a list was taken twice with it.
        if !list.iter().all(taken) {
            return false;
        }
        list.iter().for_each(|blob| add(&mut self.blobs, *blob, -1));
        true
    }
}

/// Applies the net of all changes.
pub(super) fn settle<T: ReadTables>(context: &mut Context<'_, '_, T>) -> Result<(), Stop> {
    let mut references = std::mem::take(&mut context.references);
    for list in std::mem::take(&mut references.lists) {
        if !references.offset(&list) {
            release(context, ReleaseSubject::Blobs(BlobList { blobs: list }));
        }
    }
    for (blob, delta) in references.blobs {
        if delta != 0 {
            change_blob(context, blob, delta)?;
        }
    }
    for (manifest, delta) in references.manifests {
        if delta != 0 {
            change_manifest(context, manifest, delta)?;
        }
    }
    Ok(())
}

/// Leaves dead content to be walked in batches.
pub(super) fn release<T: ReadTables>(context: &mut Context<'_, '_, T>, subject: ReleaseSubject) {
    let row = context.next_row();
    let record = ReleaseRecord {
        subject,
        since: context.now,
        after: 0,
    };
    context.put(&ReleaseKey { row }, &record);
    context.effect(Effect::Release);
}

fn changed(references: u32, delta: i64, what: &str) -> Result<u32, Stop> {
    i64::from(references)
        .checked_add(delta)
        .and_then(|sum| u32::try_from(sum).ok())
        .ok_or_else(|| {
            let detail = format!("{what} has {references} references, which change by {delta}");
            Stop::broken(IncidentKind::ReferenceUnderflow, detail)
        })
}

fn change_blob<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    delta: i64,
) -> Result<(), Stop> {
    let mut record = live_blob(context, blob)?;
    let references = changed(record.references, delta, &format!("blob {blob}"))?;
    if references > 0 {
        record.references = references;
        context.put(&BlobKey { blob }, &record);
        return Ok(());
    }
    if is_small(&record) {
        return die(context, blob, record, context.index);
    }
    // The last reference passes to the release, which lets it go.
    release(context, ReleaseSubject::Blobs(BlobList { blobs: vec![blob] }));
    if record.references != 1 {
        record.references = 1;
        context.put(&BlobKey { blob }, &record);
    }
    Ok(())
}

/// Whether the death of a blob touches few rows.
fn is_small(record: &BlobRecord) -> bool {
    let dying = record
        .replicas
        .iter()
        .filter(|replica| replica.state != ReplicaState::Removing);
    let has_work = record.short || has_suspect(record);
    dying.count() <= limits::INLINE_REPLICAS && !has_work
}

pub(super) fn has_suspect(record: &BlobRecord) -> bool {
    record
        .replicas
        .iter()
        .any(|replica| replica.state == ReplicaState::Suspect)
}

fn live_blob<T: ReadTables>(context: &Context<'_, '_, T>, blob: BlobId) -> Result<BlobRecord, Stop> {
    match context.get(&BlobKey { blob })? {
        Some(record) if record.is_live() => Ok(record),
        _ => {
            let detail = format!("blob {blob} is referred to and not live");
            Err(Stop::broken(IncidentKind::DanglingReference, detail))
        }
    }
}

/// Lets go of one reference at once. What dies, died at `died`.
pub(super) fn drop_blob<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    died: u64,
) -> Result<(), Stop> {
    let mut record = live_blob(context, blob)?;
    if record.references == 1 {
        return die(context, blob, record, died);
    }
    record.references -= 1;
    context.put(&BlobKey { blob }, &record);
    Ok(())
}

/// Nothing refers to a blob any more: all its replicas go into `garbage`, and its row with the last of them.
fn die<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    mut record: BlobRecord,
    died: u64,
) -> Result<(), Stop> {
    record.references = 0;
    attempts::end_work(context, blob, &mut record);
    attempts::remove_all(context, blob, &mut record, died);
    attempts::put_or_forget(context, blob, &record);
    Ok(())
}

fn change_manifest<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    manifest: UploadId,
    delta: i64,
) -> Result<(), Stop> {
    let key = ManifestKey { manifest };
    let Some(mut record) = context.get(&key)?.filter(|record| record.references > 0) else {
        let detail = format!("manifest {manifest} is referred to and not live");
        return Err(Stop::broken(IncidentKind::DanglingReference, detail));
    };
    record.references = changed(record.references, delta, &format!("manifest {manifest}"))?;
    context.put(&key, &record);
    if record.references == 0 {
        release(context, ReleaseSubject::Manifest(manifest));
    }
    Ok(())
}
