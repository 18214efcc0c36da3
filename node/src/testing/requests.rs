//! Requests, as the surface makes them.

use api::port::{
    BucketName, ByteRange, ChecksumAlgorithm, ChecksumType, CompleteUpload, CompletedObject, CompletedPart,
    CreateBucket, CreateUpload, DeleteObject, DeletedObject, ETagMatch, Error, FindObject, ObjectGateway,
    ObjectKey, ObjectMetadata, PartNumber, PutObject, StoredObject, StoredPart, UploadId, UploadPart,
    UploadRef, WriteConditions,
};
use bytes::Bytes;
use futures_util::StreamExt;
use raft_types::commands::AddReplica;
use raft_types::records::{BlobRecord, Content, Replica, ReplicaState};
use raft_types::{BlobId, Command, Outcome, PhysicalKey};

use super::{TestBody, World};
use crate::objects::ObjectBody;

/// The bucket of every world.
const BUCKET: &str = "bucket";

/// A key.
pub(crate) fn key_of(key: &str) -> ObjectKey {
    ObjectKey::new(key).unwrap()
}

/// `If-None-Match: *`.
pub(crate) fn conditions() -> WriteConditions {
    WriteConditions {
        if_none_match: Some(ETagMatch::Any),
        ..WriteConditions::default()
    }
}

/// All of a body, or the error that ends it, with what came before.
pub(crate) async fn collect(mut body: ObjectBody) -> Result<Bytes, (Bytes, Error)> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => all.extend_from_slice(&piece),
            Err(error) => return Err((all.into(), error)),
        }
    }
    Ok(all.into())
}

fn bucket() -> BucketName {
    BucketName::new(BUCKET).unwrap()
}

fn put_object(key: &str, conditions: WriteConditions) -> PutObject {
    PutObject {
        bucket: bucket(),
        key: key_of(key),
        metadata: ObjectMetadata::default(),
        conditions,
    }
}

fn upload_ref(key: &str, upload: &UploadId) -> UploadRef {
    UploadRef {
        bucket: bucket(),
        key: key_of(key),
        upload: upload.clone(),
    }
}

fn complete_upload(key: &str, upload: &UploadId, parts: &[(u64, &StoredPart)]) -> CompleteUpload {
    let parts = parts.iter().map(|(number, part)| CompletedPart {
        number: PartNumber::new(*number).unwrap(),
        etag: part.etag.clone(),
        checksum: part.checksum,
    });
    CompleteUpload {
        upload: upload_ref(key, upload),
        parts: parts.collect(),
        conditions: WriteConditions::default(),
        checksum: None,
        checksum_type: None,
        size: None,
    }
}

impl World {
    pub(crate) async fn create_bucket(&self) {
        let request = CreateBucket { name: bucket() };
        let created = self
            .gateway
            .create_bucket(self.view().await, self.caller(), request);
        created.await.unwrap();
    }

    pub(crate) async fn delete_bucket(&self) -> Result<(), Error> {
        self.gateway
            .delete_bucket(self.view().await, self.caller(), bucket())
            .await
    }

    /// PUT.
    pub(crate) async fn put(&self, key: &str, bytes: &Bytes) -> Result<StoredObject, Error> {
        self.put_body(key, TestBody::of(bytes), WriteConditions::default())
            .await
    }

    /// PUT of a scripted body.
    pub(crate) async fn put_body(
        &self,
        key: &str,
        body: TestBody,
        conditions: WriteConditions,
    ) -> Result<StoredObject, Error> {
        self.gateway
            .put_object(
                self.view().await,
                self.caller(),
                put_object(key, conditions),
                body,
            )
            .await
    }

    /// PUT in a task of its own; aborting that drops the request, as when a client goes away.
    pub(crate) async fn begin_put(
        &self,
        key: &str,
        body: TestBody,
        conditions: WriteConditions,
    ) -> tokio::task::JoinHandle<Result<StoredObject, Error>> {
        let (gateway, view, caller) = (self.gateway.clone(), self.view().await, self.caller());
        let request = put_object(key, conditions);
        tokio::spawn(async move { gateway.put_object(view, caller, request, body).await })
    }

    /// GET.
    pub(crate) async fn get(&self, key: &str) -> Result<Bytes, Error> {
        let body = self.open(key, 0..u64::MAX).await?;
        collect(body).await.map_err(|(_, error)| error)
    }

    /// Opens a range of an object, cut to its end.
    pub(crate) async fn open(&self, key: &str, range: std::ops::Range<u64>) -> Result<ObjectBody, Error> {
        let request = FindObject {
            bucket: bucket(),
            key: key_of(key),
            part: None,
        };
        let found = self
            .gateway
            .find_object(self.view().await, self.caller(), request)
            .await?;
        let end = range.end.min(found.info.size);
        let range = ByteRange {
            offset: range.start,
            length: end - range.start,
        };
        self.gateway.read_object(found.handle, range).await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, key: &str) -> Result<DeletedObject, Error> {
        let request = DeleteObject {
            bucket: bucket(),
            key: key_of(key),
            conditions: WriteConditions::default(),
        };
        self.gateway
            .delete_object(self.view().await, self.caller(), request)
            .await
    }

    /// Begins a multipart upload.
    pub(crate) async fn create_upload(
        &self,
        key: &str,
        checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    ) -> UploadId {
        let request = CreateUpload {
            bucket: bucket(),
            key: key_of(key),
            metadata: ObjectMetadata::default(),
            checksum,
        };
        let created = self
            .gateway
            .create_upload(self.view().await, self.caller(), request)
            .await;
        created.unwrap().upload
    }

    /// Stores a part.
    pub(crate) async fn part(
        &self,
        key: &str,
        upload: &UploadId,
        number: u64,
        body: TestBody,
    ) -> Result<StoredPart, Error> {
        let request = UploadPart {
            upload: upload_ref(key, upload),
            number: PartNumber::new(number).unwrap(),
        };
        self.gateway
            .upload_part(self.view().await, self.caller(), request, body)
            .await
    }

    /// Stores a part in a task of its own.
    pub(crate) async fn begin_part(
        &self,
        key: &str,
        upload: &UploadId,
        number: u64,
        body: TestBody,
    ) -> tokio::task::JoinHandle<Result<StoredPart, Error>> {
        let (gateway, view, caller) = (self.gateway.clone(), self.view().await, self.caller());
        let request = UploadPart {
            upload: upload_ref(key, upload),
            number: PartNumber::new(number).unwrap(),
        };
        tokio::spawn(async move { gateway.upload_part(view, caller, request, body).await })
    }

    /// Completes an upload of these parts.
    pub(crate) async fn complete(
        &self,
        key: &str,
        upload: &UploadId,
        parts: &[(u64, &StoredPart)],
    ) -> Result<CompletedObject, Error> {
        let request = complete_upload(key, upload, parts);
        self.gateway
            .complete_upload(self.view().await, self.caller(), request)
            .await
    }

    /// Completes an upload in a task of its own.
    pub(crate) async fn begin_complete(
        &self,
        key: &str,
        upload: &UploadId,
        parts: &[(u64, &StoredPart)],
    ) -> tokio::task::JoinHandle<Result<CompletedObject, Error>> {
        let (gateway, view, caller) = (self.gateway.clone(), self.view().await, self.caller());
        let request = complete_upload(key, upload, parts);
        tokio::spawn(async move { gateway.complete_upload(view, caller, request).await })
    }

    /// Aborts an upload.
    pub(crate) async fn abort(&self, key: &str, upload: &UploadId) -> Result<(), Error> {
        self.gateway
            .abort_upload(self.view().await, self.caller(), upload_ref(key, upload))
            .await
    }

    /// The blobs of an object that is not made of parts.
    pub(crate) fn blobs_of(&self, key: &str) -> Vec<BlobId> {
        let view = self.metadata.local();
        let name = raft_types::BucketName::new(BUCKET).unwrap();
        let (bucket, _) = raft_machine::queries::bucket_by_name(&view, &name)
            .unwrap()
            .unwrap();
        let key = raft_types::ObjectKey::new(Bytes::copy_from_slice(key.as_bytes())).unwrap();
        let object = raft_machine::queries::current(&view, bucket, &key)
            .unwrap()
            .unwrap();
        match object.content {
            Content::Blob(blob) => vec![blob],
            Content::Blobs(pieces) => pieces.pieces.iter().map(|piece| piece.blob).collect(),
            Content::Manifest(_) => panic!("{key:?} is made of parts"),
        }
    }

    /// The row of a blob.
    pub(crate) fn blob(&self, blob: BlobId) -> BlobRecord {
        raft_machine::queries::blob(&self.metadata.local(), blob)
            .unwrap()
            .unwrap()
    }

    /// Where a replica lies on its backend.
    pub(crate) fn key_of_replica(&self, blob: BlobId, replica: &Replica) -> String {
        let physical = PhysicalKey {
            cluster: self.identity.cluster,
            incarnation: self.identity.incarnation,
            epoch: replica.epoch,
            blob,
            attempt: replica.attempt,
        };
        let attached = self.attached.get(replica.backend).unwrap();
        attached.key(&physical).unwrap().as_str().to_owned()
    }

    /// The backend of this number in the state.
    pub(crate) fn backend(&self, id: raft_types::BackendId) -> &super::world::TestBackend {
        self.backends.iter().find(|backend| backend.id == id).unwrap()
    }

    /// Copies a blob to another backend, as repair will.
    pub(crate) async fn copy(&self, blob: BlobId, to: usize) {
        let record = self.blob(blob);
        let from = record
            .replicas
            .iter()
            .find(|r| r.state == ReplicaState::Present)
            .unwrap();
        let key = self.key_of_replica(blob, from);
        let bytes = self.backend(from.backend).memory.bytes(&key).unwrap();
        let target = &self.backends[to];
        let stored = bytes.len() as u64;
        let (ticket, physical) = self.epochs.begin(blob, target.id, stored).await.unwrap();
        let attached = self.attached.get(target.id).unwrap();
        target
            .memory
            .plant(attached.key(&physical).unwrap().as_str(), bytes);
        let address = ticket.attempt().unwrap().address;
        let replica = raft_types::commands::NewReplica {
            backend: address.backend,
            incarnation: address.incarnation,
            epoch: address.epoch,
            attempt: address.attempt,
            provider_version: None,
        };
        let add = Command::AddReplica(AddReplica {
            blob,
            replica,
            stored,
        });
        assert_eq!(self.metadata.execute(add).await, Ok(Outcome::Done));
        ticket.settle();
    }
}
