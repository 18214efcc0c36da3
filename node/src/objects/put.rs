//! PUT: place, write, commit.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use api::port::{
    Caller, ChecksumAlgorithm, ChecksumType, ETag, Encryption, Error, PutObject, ReadVerdict, StoredObject,
    VerifiedBody, WriteConditions,
};
use node_crypto::footer::{FooterFacts, Order, Place, UploadPart};
use raft_machine::{ReadTables, queries};
use raft_types::commands::{CommitObject, NewObject, OrderStamp};
use raft_types::records::{BackendState, BucketRecord};
use raft_types::{BucketId, Command, ETag as StateETag, MillisUtc, ObjectKey, Outcome};

use super::access::{UsableBucket, usable_bucket};
use super::buckets::principal;
use super::commit::commit;
use super::errors::{
    execute_failed, keys_failed, rejected, state_fault, unavailable, unexpected, write_failed,
};
use super::gateway::Gateway;
use super::translate;
use crate::metadata::RequestView;
use crate::replicas::{AttachedBackend, BodyFacts, WrittenBody};

/// Whose bytes a body is.
pub(super) struct BodyOf<'a> {
    pub(super) bucket: BucketId,
    pub(super) record: &'a BucketRecord,
    pub(super) key: &'a ObjectKey,
    pub(super) upload: Option<UploadPart>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) user_metadata: Vec<(String, String)>,
    pub(super) order: OrderStamp,
    /// The checksum that is computed although the client declares none.
    pub(super) computed: Option<ChecksumAlgorithm>,
}

/// What the state says to a PUT before its body is read.
struct AcceptedPut {
    bucket: UsableBucket,
    key: ObjectKey,
    backends: Vec<Arc<AttachedBackend>>,
}

impl Gateway {
    pub(super) async fn do_put_object<B: VerifiedBody>(
        &self,
        view: RequestView,
        caller: Caller,
        request: PutObject,
        body: B,
    ) -> Result<StoredObject, Error> {
        self.check_size(body.length())?;
        let ((_, caller, request), accepted) = view
            .decide(
                (self.clone(), caller, request),
                |view, (gateway, caller, request)| gateway.accept_put(view, caller, request),
            )
            .await?;
        let AcceptedPut {
            bucket: UsableBucket { id, record },
            key,
            backends,
        } = accepted;
        let order = self.order(view.read_index());
        // A body may take hours; a snapshot that old would pin files of the store.
        drop(view);
        let facts = BodyOf {
            bucket: id,
            record: &record,
            key: &key,
            upload: None,
            headers: translate::footer_headers(&request.metadata),
            user_metadata: request.metadata.user.clone(),
            order,
            computed: None,
        };
        let (written, encryption) = self.write_body(facts, body, &backends).await?;
        let WrittenBody {
            written,
            digests,
            tickets,
        } = written;
        let etag = StateETag::of_whole(digests.md5);
        let checksum = digests.checksum;
        let command = Command::CommitObject(Box::new(CommitObject {
            bucket: id,
            key,
            written,
            object: NewObject {
                size: digests.length,
                etag,
                headers: translate::system_headers(&request.metadata),
                metadata: translate::user_metadata(&request.metadata),
                checksums: checksum
                    .iter()
                    .map(|c| translate::checksum(c, ChecksumType::FullObject))
                    .collect(),
                storage_class: None,
                owner: Some(principal(&caller)?).filter(|user| *user != record.owner),
            },
            conditions: translate::conditions(&request.conditions),
            order,
        }));
        let committed = match commit(&self.parts.metadata, command, tickets)
            .await
            .map_err(execute_failed)?
        {
            Outcome::Committed(committed) => committed,
            Outcome::Rejected(other) => return Err(rejected("CommitObject", other, &request.conditions)),
            other => return Err(unexpected("CommitObject", &other)),
        };
        Ok(StoredObject {
            etag: ETag::from_md5(digests.md5),
            version: translate::version(committed.version, committed.is_null, committed.versioning),
            checksum: checksum.map(|checksum| api::port::ObjectChecksum {
                checksum,
                kind: ChecksumType::FullObject,
                parts: None,
            }),
            encryption,
        })
    }

    fn accept_put(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &PutObject,
    ) -> Result<AcceptedPut, Error> {
        let bucket = usable_bucket(&*self.policy(), view.tables(), caller, &request.bucket)?;
        let key = translate::object_key(&request.key).ok_or(Error::Internal)?;
        decide_early(view.tables(), bucket.id, &key, &request.conditions)?;
        let backends = self.place(view.tables())?;
        Ok(AcceptedPut {
            bucket,
            key,
            backends,
        })
    }

    /// Writes a body under the bucket's key.
    pub(super) async fn write_body<B: VerifiedBody>(
        &self,
        of: BodyOf<'_>,
        body: B,
        backends: &[Arc<AttachedBackend>],
    ) -> Result<(WrittenBody, Encryption), Error> {
        let encryption = self.parts.keys.encryption(of.bucket, of.record).await;
        let encryption = encryption.map_err(|error| keys_failed(of.bucket, &error))?;
        let shown = match &encryption {
            node_crypto::Encryption::Enabled(_) => Encryption::ServerManaged,
            node_crypto::Encryption::Disabled(_) => Encryption::None,
        };
        let facts = BodyFacts {
            footer: self.footer(&of),
            bucket: of.bucket,
            computed: of.computed,
        };
        let session = self.parts.metadata.session();
        let written = tokio::select! {
            biased;
            // Its attempts lie in epochs that are sealed now, and may be swept while the body still
            // comes: nothing more of it may arrive.
            () = session.sealed() => {
                tracing::warn!("a write is given up: the session of this node is sealed");
                return Err(unavailable());
            }
            written = self.parts.writer.write(facts, body, &encryption, backends) => written,
        };
        Ok((written.map_err(write_failed)?, shown))
    }

    fn footer(&self, of: &BodyOf<'_>) -> FooterFacts {
        FooterFacts {
            cluster: node_crypto::ClusterId(self.parts.cluster.0),
            bucket: node_crypto::BucketId(of.bucket.0),
            bucket_name: of.record.name.as_str().to_owned(),
            object_key: of.key.as_str().to_owned(),
            upload: of.upload.clone(),
            // Set for each blob when its id is drawn.
            place: Place::first(node_crypto::BlobId([0; 16])),
            system_metadata: of.headers.clone(),
            user_metadata: of.user_metadata.clone(),
            order: Order {
                incarnation: u64::from(of.order.incarnation.0),
                read_index: of.order.read_index,
                unix_ms: of.order.time.0,
            },
        }
    }

    /// Where a new body goes.
    pub(super) fn place(&self, tables: &impl ReadTables) -> Result<Vec<Arc<AttachedBackend>>, Error> {
        let rows = queries::backends(tables).map_err(state_fault)?;
        let candidates: Vec<_> = rows
            .into_iter()
            .filter(|(id, row)| row.state == BackendState::Active && self.parts.backends.get(*id).is_some())
            .map(|(id, _)| node_planner::Candidate { backend: id })
            .collect();
        let chosen = node_planner::place(&candidates, self.parts.limits.copies);
        let backends: Vec<_> = chosen
            .into_iter()
            .filter_map(|id| self.parts.backends.get(id))
            .collect();
        if backends.is_empty() {
            tracing::warn!("no backend takes writes");
            return Err(unavailable());
        }
        Ok(backends)
    }

    pub(super) fn check_size(&self, size: u64) -> Result<(), Error> {
        let maximum = self.parts.limits.max_object_size;
        if size > maximum {
            Err(Error::TooLarge { maximum })
        } else {
            Ok(())
        }
    }

    /// Where this request stands among others: after everything that was applied at its barrier.
    pub(super) fn order(&self, read_index: u64) -> OrderStamp {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        OrderStamp {
            incarnation: self.parts.incarnation,
            read_index,
            time: MillisUtc(now),
        }
    }
}

/// Answers a condition that fails already, before the body is read. One that holds is decided again
/// where the write is applied.
pub(super) fn decide_early(
    tables: &impl ReadTables,
    bucket: BucketId,
    key: &ObjectKey,
    conditions: &WriteConditions,
) -> Result<(), Error> {
    if conditions.is_empty() {
        return Ok(());
    }
    let current = queries::current(tables, bucket, key).map_err(state_fault)?;
    let Some(current) = current else {
        return if conditions.if_match.is_some() {
            Err(Error::NoSuchKey { marker: None })
        } else {
            Ok(())
        };
    };
    let read = api::port::ReadConditions {
        if_match: conditions.if_match.clone(),
        if_none_match: conditions.if_none_match.clone(),
        ..api::port::ReadConditions::default()
    };
    match read.evaluate(
        &translate::etag(&current.etag),
        translate::millis(current.modified),
    ) {
        ReadVerdict::Proceed => Ok(()),
        ReadVerdict::NotModified => Err(Error::PreconditionFailed(api::port::Condition::IfNoneMatch)),
        ReadVerdict::Failed(condition) => Err(Error::PreconditionFailed(condition)),
    }
}
