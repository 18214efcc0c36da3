//! Multipart uploads.

use std::time::SystemTime;

use api::port::{
    Caller, ChecksumType, CompleteUpload, CompletedObject, CreateUpload, CreatedUpload, ETag, Encryption,
    Error, ListParts, ListUploads, ObjectChecksum, PartInfo, PartNumber, PartPage, StoredPart, UploadCursor,
    UploadInfo, UploadPage, UploadPart, UploadRef, VerifiedBody, WriteConditions,
};
use bytes::Bytes;
use raft_machine::queries::{self, UploadEntry, UploadStart, UploadsQuery};
use raft_types::commands::{self, AbortUpload, CommitPart, UploadTarget};
use raft_types::records::{BucketRecord, CompletionRecord, UploadRecord};
use raft_types::{BucketId, Command, ETag as StateETag, ObjectKey, Outcome};

use super::access::{UsableBucket, usable_bucket};
use super::buckets::principal;
use super::commit::commit;
use super::complete::Listed;
use super::errors::{execute_failed, rejected, state_fault, unexpected};
use super::gateway::Gateway;
use super::list::{bytes_of, text};
use super::put::{BodyOf, decide_early};
use super::{translate, upload_id};
use crate::metadata::RequestView;
use crate::replicas::WrittenBody;

/// An upload that the caller may use.
struct OpenUpload {
    bucket: UsableBucket,
    target: UploadTarget,
    record: UploadRecord,
}

/// What the state says to a Complete.
enum AcceptedComplete {
    /// The list fits.
    Now {
        bucket: UsableBucket,
        target: UploadTarget,
        listed: Listed,
    },
    /// It has happened already.
    Before(CompletedObject),
}

impl Gateway {
    pub(super) async fn do_create_upload(
        &self,
        view: RequestView,
        caller: Caller,
        request: CreateUpload,
    ) -> Result<CreatedUpload, Error> {
        let key = translate::object_key(&request.key).ok_or(Error::Internal)?;
        let ((_, caller, request), (bucket, backends)) = view
            .decide(
                (self.clone(), caller, request),
                |view, (gateway, caller, request)| {
                    let bucket = usable_bucket(&*gateway.policy(), view.tables(), caller, &request.bucket)?;
                    Ok((bucket, gateway.place(view.tables())?))
                },
            )
            .await?;
        let UsableBucket { id, record } = bucket;
        let backends = backends.iter().map(|backend| backend.id).collect();
        drop(view);
        let upload = upload_id::draw(SystemTime::now()).map_err(|error| {
            tracing::error!(%error, "no randomness for an upload id");
            Error::Internal
        })?;
        let (algorithm, scope) = match request.checksum {
            Some((algorithm, kind)) => (Some(translate::algorithm(algorithm)), translate::scope(kind)),
            None => (None, translate::scope(ChecksumType::Composite)),
        };
        let command = Command::CreateUpload(Box::new(commands::CreateUpload {
            target: UploadTarget {
                bucket: id,
                key,
                upload,
            },
            owner: Some(principal(&caller)?).filter(|user| *user != record.owner),
            headers: translate::system_headers(&request.metadata),
            metadata: translate::user_metadata(&request.metadata),
            storage_class: None,
            algorithm,
            scope,
            backends,
        }));
        match self
            .parts
            .metadata
            .execute(command)
            .await
            .map_err(execute_failed)?
        {
            Outcome::Done => {}
            Outcome::Rejected(other) => {
                return Err(rejected("CreateUpload", other, &WriteConditions::default()));
            }
            other => return Err(unexpected("CreateUpload", &other)),
        }
        let encryption = if self.parts.keys.encrypts() {
            Encryption::ServerManaged
        } else {
            Encryption::None
        };
        Ok(CreatedUpload {
            upload: translate::port_upload_id(upload),
            encryption,
        })
    }

    pub(super) async fn do_upload_part<B: VerifiedBody>(
        &self,
        view: RequestView,
        caller: Caller,
        request: UploadPart,
        mut body: B,
    ) -> Result<StoredPart, Error> {
        self.check_size(body.length())?;
        let ((.., request), (open, backends)) = view
            .decide(
                (self.clone(), caller, request),
                |view, (gateway, caller, request)| {
                    let open = gateway.open_upload(view, caller, &request.upload)?;
                    Ok((open, gateway.place(view.tables())?))
                },
            )
            .await?;
        let wanted = open.record.algorithm.map(translate::port_algorithm);
        let computed = match (wanted, body.declared_checksum()) {
            (Some(wanted), Some(declared)) if wanted != declared => return Err(Error::ChecksumKindMismatch),
            (Some(wanted), None) => {
                body.compute_checksum(wanted);
                Some(wanted)
            }
            _ => None,
        };
        let number = raft_types::PartNumber::new(request.number.get()).ok_or(Error::Internal)?;
        let order = self.order(view.read_index());
        drop(view);
        let OpenUpload { bucket, target, .. } = open;
        let facts = BodyOf {
            bucket: bucket.id,
            record: &bucket.record,
            key: &target.key,
            upload: Some(node_crypto::footer::UploadPart {
                upload_id: target.upload.as_bytes().to_vec(),
                part_number: u32::from(number.get()),
            }),
            headers: Vec::new(),
            user_metadata: Vec::new(),
            order,
            computed,
        };
        let (written, _) = self.write_body(facts, body, &backends).await?;
        let WrittenBody {
            written,
            digests,
            tickets,
        } = written;
        let command = Command::CommitPart(Box::new(CommitPart {
            target,
            number,
            written,
            size: digests.length,
            etag: StateETag::of_whole(digests.md5),
            checksums: digests
                .checksum
                .iter()
                .map(|checksum| translate::checksum(checksum, ChecksumType::FullObject))
                .collect(),
        }));
        match commit(&self.parts.metadata, command, tickets)
            .await
            .map_err(execute_failed)?
        {
            Outcome::Done => Ok(StoredPart {
                etag: ETag::from_md5(digests.md5),
                checksum: digests.checksum,
            }),
            Outcome::Rejected(other) => Err(rejected("CommitPart", other, &WriteConditions::default())),
            other => Err(unexpected("CommitPart", &other)),
        }
    }

    pub(super) fn do_list_parts(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &ListParts,
    ) -> Result<PartPage, Error> {
        let open = self.open_upload(view, caller, &request.upload)?;
        let owner = translate::owner(&open.bucket.record.owner);
        let initiator = open
            .record
            .owner
            .as_ref()
            .map_or_else(|| owner.clone(), translate::owner);
        let limit = request.limit as usize;
        let after = u16::try_from(request.after)
            .ok()
            .and_then(raft_types::PartNumber::new);
        let beyond_all = request.after >= u32::from(raft_types::PartNumber::MAX.get());
        let mut found = if beyond_all || limit == 0 {
            Vec::new()
        } else {
            queries::list_parts(view.tables(), open.target.upload, after, limit + 1).map_err(state_fault)?
        };
        let truncated = found.len() > limit;
        found.truncate(limit);
        let parts = found
            .into_iter()
            .map(|(number, part)| {
                Ok(PartInfo {
                    number: PartNumber::new(u64::from(number.get())).ok_or(Error::Internal)?,
                    size: part.size,
                    etag: translate::etag(&part.etag),
                    last_modified: translate::millis(part.modified),
                    checksum: part.checksums.first().and_then(translate::port_checksum),
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(PartPage {
            owner,
            initiator,
            checksum: checksum_kind(&open.record),
            parts,
            truncated,
        })
    }

    pub(super) fn do_list_uploads(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &ListUploads,
    ) -> Result<UploadPage, Error> {
        let UsableBucket { id, record } =
            usable_bucket(&*self.policy(), view.tables(), caller, &request.bucket)?;
        let owner = translate::owner(&record.owner);
        let mut page = UploadPage {
            owner: owner.clone(),
            uploads: Vec::new(),
            common_prefixes: Vec::new(),
            next: None,
        };
        if request.limit == 0 {
            return Ok(page);
        }
        let prefix = bytes_of(&request.prefix);
        let delimiter = request.delimiter.as_deref().map_or(Bytes::new(), bytes_of);
        let start = upload_start(request.after.as_ref(), &prefix, &delimiter);
        let query = UploadsQuery {
            bucket: id,
            prefix,
            delimiter,
            start,
            limit: request.limit as usize,
        };
        let found = queries::list_uploads(view.tables(), &query).map_err(state_fault)?;
        if found.next.is_some() {
            page.next = found.entries.last().map(upload_cursor).transpose()?;
        }
        for entry in found.entries {
            match entry {
                UploadEntry::Prefix(prefix) => page.common_prefixes.push(text(&prefix)?),
                UploadEntry::Upload(key, upload, record) => page.uploads.push(UploadInfo {
                    key: translate::port_object_key(&key).ok_or(Error::Internal)?,
                    upload: translate::port_upload_id(upload),
                    initiator: record
                        .owner
                        .as_ref()
                        .map_or_else(|| owner.clone(), translate::owner),
                    initiated: translate::millis(record.initiated),
                    checksum: checksum_kind(&record),
                }),
            }
        }
        Ok(page)
    }

    pub(super) async fn do_complete_upload(
        &self,
        view: RequestView,
        caller: Caller,
        request: CompleteUpload,
    ) -> Result<CompletedObject, Error> {
        // The list may name ten thousand parts.
        let ((.., request), accepted) = view
            .decide_on_disk(
                (self.clone(), caller, request),
                |view, (gateway, caller, request)| gateway.accept_complete(view, caller, request),
            )
            .await?;
        drop(view);
        let (bucket, target, listed) = match accepted {
            AcceptedComplete::Now {
                bucket,
                target,
                listed,
            } => (bucket, target, listed),
            AcceptedComplete::Before(completed) => return Ok(completed),
        };
        let command = Command::CompleteUpload(Box::new(commands::CompleteUpload {
            target,
            listed: listed.bits,
            digest: listed.digest,
            size: listed.size,
            etag: listed.etag,
            checksums: listed
                .checksum
                .iter()
                .map(|c| translate::checksum(&c.checksum, c.kind))
                .collect(),
            conditions: translate::conditions(&request.conditions),
            kept_millis: u64::try_from(self.parts.limits.completed_retention.as_millis()).unwrap_or(u64::MAX),
        }));
        let committed = match commit(&self.parts.metadata, command, Vec::new())
            .await
            .map_err(execute_failed)?
        {
            Outcome::Committed(committed) => committed,
            Outcome::Rejected(other) => return Err(rejected("CompleteUpload", other, &request.conditions)),
            other => return Err(unexpected("CompleteUpload", &other)),
        };
        Ok(CompletedObject {
            etag: translate::etag(&committed.etag),
            version: translate::version(committed.version, committed.is_null, committed.versioning),
            checksum: translate::object_checksum(&committed.checksums, committed.etag.parts.map(u32::from)),
            encryption: shown_encryption(&bucket.record),
        })
    }

    fn accept_complete(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &CompleteUpload,
    ) -> Result<AcceptedComplete, Error> {
        let open = match self.open_upload(view, caller, &request.upload) {
            Ok(open) => open,
            Err(Error::NoSuchUpload) => {
                return self
                    .completed_before(view, caller, request)
                    .map(AcceptedComplete::Before);
            }
            Err(other) => return Err(other),
        };
        let OpenUpload {
            bucket,
            target,
            record,
        } = open;
        decide_early(view.tables(), bucket.id, &target.key, &request.conditions)?;
        let listed = Listed::check(view.tables(), target.upload, &record, request)?;
        Ok(AcceptedComplete::Now {
            bucket,
            target,
            listed,
        })
    }

    /// A repetition of a Complete that happened is answered with what it came to.
    fn completed_before(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &CompleteUpload,
    ) -> Result<CompletedObject, Error> {
        let UploadRef { bucket, key, upload } = &request.upload;
        let UsableBucket { id, record } = usable_bucket(&*self.policy(), view.tables(), caller, bucket)?;
        let key = translate::object_key(key).ok_or(Error::NoSuchUpload)?;
        let upload = translate::upload_id(upload).ok_or(Error::NoSuchUpload)?;
        let done = queries::completion(view.tables(), upload)
            .map_err(state_fault)?
            .filter(|done| is_of(done, id, &key))
            .ok_or(Error::NoSuchUpload)?;
        Ok(CompletedObject {
            etag: translate::etag(&done.etag),
            version: translate::version(done.version, done.is_null, done.versioning),
            checksum: completion_checksum(&done),
            encryption: shown_encryption(&record),
        })
    }

    pub(super) async fn do_abort_upload(
        &self,
        view: RequestView,
        caller: Caller,
        request: UploadRef,
    ) -> Result<(), Error> {
        let (_, OpenUpload { target, .. }) = view
            .decide(
                (self.clone(), caller, request),
                |view, (gateway, caller, request)| gateway.open_upload(view, caller, request),
            )
            .await?;
        drop(view);
        let command = Command::AbortUpload(AbortUpload { target });
        match self
            .parts
            .metadata
            .execute(command)
            .await
            .map_err(execute_failed)?
        {
            Outcome::Done => Ok(()),
            Outcome::Rejected(other) => Err(rejected("AbortUpload", other, &WriteConditions::default())),
            other => Err(unexpected("AbortUpload", &other)),
        }
    }

    fn open_upload(
        &self,
        view: &RequestView,
        caller: &Caller,
        named: &UploadRef,
    ) -> Result<OpenUpload, Error> {
        let bucket = usable_bucket(&*self.policy(), view.tables(), caller, &named.bucket)?;
        let key = translate::object_key(&named.key).ok_or(Error::NoSuchUpload)?;
        let upload = translate::upload_id(&named.upload).ok_or(Error::NoSuchUpload)?;
        let target = UploadTarget {
            bucket: bucket.id,
            key,
            upload,
        };
        let record = queries::upload(view.tables(), &target)
            .map_err(state_fault)?
            .ok_or(Error::NoSuchUpload)?;
        Ok(OpenUpload {
            bucket,
            target,
            record,
        })
    }
}

fn is_of(done: &CompletionRecord, bucket: BucketId, key: &ObjectKey) -> bool {
    done.bucket == bucket && done.key == *key
}

fn completion_checksum(done: &CompletionRecord) -> Option<ObjectChecksum> {
    translate::object_checksum(&done.checksums, done.etag.parts.map(u32::from))
}

fn shown_encryption(bucket: &BucketRecord) -> Encryption {
    if bucket.key_version.is_some() {
        Encryption::ServerManaged
    } else {
        Encryption::None
    }
}

fn checksum_kind(record: &UploadRecord) -> Option<(api::port::ChecksumAlgorithm, ChecksumType)> {
    Some((
        translate::port_algorithm(record.algorithm?),
        translate::port_scope(record.scope),
    ))
}

fn upload_start(after: Option<&UploadCursor>, prefix: &[u8], delimiter: &[u8]) -> UploadStart {
    let Some(UploadCursor { key, upload }) = after else {
        return UploadStart::Beginning;
    };
    let named = upload.as_ref().and_then(translate::upload_id);
    if let (Some(upload), Ok(key)) = (named, raft_types::ObjectKey::new(bytes_of(key))) {
        return UploadStart::AfterUpload(key, upload);
    }
    match queries::ListStart::from_marker(bytes_of(key), prefix, delimiter) {
        queries::ListStart::Beginning => UploadStart::Beginning,
        queries::ListStart::AfterKey(key) => UploadStart::AfterKey(key),
        queries::ListStart::AfterPrefix(prefix) => UploadStart::AfterPrefix(prefix),
    }
}

fn upload_cursor(entry: &UploadEntry) -> Result<UploadCursor, Error> {
    Ok(match entry {
        UploadEntry::Prefix(prefix) => UploadCursor {
            key: text(prefix)?,
            upload: None,
        },
        UploadEntry::Upload(key, upload, _) => UploadCursor {
            key: key.as_str().to_owned(),
            upload: Some(translate::port_upload_id(*upload)),
        },
    })
}
