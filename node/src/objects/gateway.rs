//! The surface's view of this node: one method per use case, each in the file of its subject.

use std::sync::Arc;
use std::time::Duration;

use api::port::{
    BucketInfo, BucketList, BucketName, ByteRange, Caller, CompleteUpload, CompletedObject, CreateBucket,
    CreateUpload, CreatedUpload, Credential, DeleteObject, DeletedObject, Error, FindObject, Found,
    ListBuckets, ListObjects, ListPage, ListParts, ListUploads, ObjectGateway, PartPage, PutObject,
    RequestInfo, StoredObject, StoredPart, UploadPage, UploadPart, UploadRef, VerifiedBody,
};
use arc_swap::ArcSwap;
use raft_types::IncarnationCounter;

use super::access::AccessPolicy;
use super::body::ObjectBody;
use super::read::ObjectHandle;
use crate::keys::BucketKeys;
use crate::metadata::{Barrier, Metadata, RequestView};
use crate::replicas::{Backends, BlobReader, BlobWriter};

/// Bounds of requests, from the settings.
#[derive(Debug, Clone)]
pub(crate) struct ObjectLimits {
    /// Bytes of one PUT or part at most.
    pub(crate) max_object_size: u64,
    /// Copies of every blob.
    pub(crate) copies: usize,
    /// How long the result of a completed upload is kept for repetitions.
    pub(crate) completed_retention: Duration,
    /// Names that no bucket may bear, because the listener answers such paths itself.
    pub(crate) reserved_buckets: Vec<String>,
}

/// What the use cases are made of.
#[derive(Debug)]
pub(crate) struct GatewayParts {
    pub(crate) metadata: Metadata,
    pub(crate) access: Arc<ArcSwap<Arc<dyn AccessPolicy>>>,
    pub(crate) backends: Arc<Backends>,
    pub(crate) writer: BlobWriter,
    pub(crate) reader: Arc<BlobReader>,
    pub(crate) keys: Arc<BucketKeys>,
    pub(crate) cluster: raft_types::ClusterId,
    pub(crate) incarnation: IncarnationCounter,
    pub(crate) limits: ObjectLimits,
}

/// The use cases of this node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(super) parts: Arc<GatewayParts>,
}

impl Gateway {
    pub(crate) fn new(parts: GatewayParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    pub(super) fn policy(&self) -> Arc<dyn AccessPolicy> {
        Arc::clone(&self.parts.access.load())
    }
}

impl ObjectGateway for Gateway {
    type Barrier = Barrier;
    type View = RequestView;
    type Handle = ObjectHandle;
    type ReadBody = ObjectBody;

    fn begin(&self, _request: &RequestInfo) -> Barrier {
        self.parts.metadata.barrier()
    }

    fn candidate(&self, access_key: &str) -> Option<Arc<Credential>> {
        self.policy().credential(access_key)
    }

    async fn identify(
        &self,
        barrier: Barrier,
        access_key: &str,
    ) -> Result<(RequestView, Option<Arc<Credential>>), Error> {
        let view = self.parts.metadata.view(barrier).await?;
        // Credentials come from this node's file, which no command changes.
        Ok((view, self.policy().credential(access_key)))
    }

    async fn list_buckets(
        &self,
        view: RequestView,
        caller: Caller,
        request: ListBuckets,
    ) -> Result<BucketList, Error> {
        let context = (self.clone(), caller, request);
        let query = |view: &RequestView, (gateway, caller, request): &(Self, Caller, ListBuckets)| {
            gateway.do_list_buckets(view, caller, request)
        };
        Ok(view.decide_on_disk(context, query).await?.1)
    }

    async fn create_bucket(
        &self,
        view: RequestView,
        caller: Caller,
        request: CreateBucket,
    ) -> Result<(), Error> {
        self.do_create_bucket(view, caller, request).await
    }

    async fn delete_bucket(
        &self,
        view: RequestView,
        caller: Caller,
        bucket: BucketName,
    ) -> Result<(), Error> {
        self.do_delete_bucket(view, caller, bucket).await
    }

    async fn head_bucket(
        &self,
        view: RequestView,
        caller: Caller,
        bucket: BucketName,
    ) -> Result<BucketInfo, Error> {
        self.do_head_bucket(view, caller, bucket).await
    }

    async fn bucket_location(
        &self,
        view: RequestView,
        caller: Caller,
        bucket: BucketName,
    ) -> Result<BucketInfo, Error> {
        self.do_head_bucket(view, caller, bucket).await
    }

    async fn put_object<B: VerifiedBody>(
        &self,
        view: RequestView,
        caller: Caller,
        request: PutObject,
        body: B,
    ) -> Result<StoredObject, Error> {
        self.do_put_object(view, caller, request, body).await
    }

    async fn find_object(
        &self,
        view: RequestView,
        caller: Caller,
        request: FindObject,
    ) -> Result<Found<ObjectHandle>, Error> {
        self.do_find_object(view, caller, request).await
    }

    async fn read_object(&self, handle: ObjectHandle, range: ByteRange) -> Result<ObjectBody, Error> {
        handle.open(range).await
    }

    async fn delete_object(
        &self,
        view: RequestView,
        caller: Caller,
        request: DeleteObject,
    ) -> Result<DeletedObject, Error> {
        self.do_delete_object(view, caller, request).await
    }

    async fn delete_objects(
        &self,
        view: RequestView,
        caller: Caller,
        bucket: BucketName,
        objects: Vec<DeleteObject>,
    ) -> Result<Vec<Result<DeletedObject, Error>>, Error> {
        self.do_delete_objects(view, caller, bucket, objects).await
    }

    async fn list_objects(
        &self,
        view: RequestView,
        caller: Caller,
        request: ListObjects,
    ) -> Result<ListPage, Error> {
        let context = (self.clone(), caller, request);
        let query = |view: &RequestView, (gateway, caller, request): &(Self, Caller, ListObjects)| {
            gateway.do_list_objects(view, caller, request)
        };
        Ok(view.decide_on_disk(context, query).await?.1)
    }

    async fn create_upload(
        &self,
        view: RequestView,
        caller: Caller,
        request: CreateUpload,
    ) -> Result<CreatedUpload, Error> {
        self.do_create_upload(view, caller, request).await
    }

    async fn upload_part<B: VerifiedBody>(
        &self,
        view: RequestView,
        caller: Caller,
        request: UploadPart,
        body: B,
    ) -> Result<StoredPart, Error> {
        self.do_upload_part(view, caller, request, body).await
    }

    async fn list_parts(
        &self,
        view: RequestView,
        caller: Caller,
        request: ListParts,
    ) -> Result<PartPage, Error> {
        let context = (self.clone(), caller, request);
        let query = |view: &RequestView, (gateway, caller, request): &(Self, Caller, ListParts)| {
            gateway.do_list_parts(view, caller, request)
        };
        Ok(view.decide_on_disk(context, query).await?.1)
    }

    async fn list_uploads(
        &self,
        view: RequestView,
        caller: Caller,
        request: ListUploads,
    ) -> Result<UploadPage, Error> {
        let context = (self.clone(), caller, request);
        let query = |view: &RequestView, (gateway, caller, request): &(Self, Caller, ListUploads)| {
            gateway.do_list_uploads(view, caller, request)
        };
        Ok(view.decide_on_disk(context, query).await?.1)
    }

    async fn complete_upload(
        &self,
        view: RequestView,
        caller: Caller,
        request: CompleteUpload,
    ) -> Result<CompletedObject, Error> {
        self.do_complete_upload(view, caller, request).await
    }

    async fn abort_upload(&self, view: RequestView, caller: Caller, request: UploadRef) -> Result<(), Error> {
        self.do_abort_upload(view, caller, request).await
    }
}
