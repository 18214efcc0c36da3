//! What the surfaces need from the node.
//!
//! One trait, [`ObjectGateway`], with the types of its calls and one closed error, [`Error`]. Types
//! here are those of the S3 vocabulary, parsed and bounded: the node never sees a header, a query
//! string or XML. The node decides everything that depends on state: who a key belongs to, what it
//! may do, whether a condition holds.
//!
//! # The life of one request
//!
//! 1. [`ObjectGateway::begin`] starts the read barrier and returns at once.
//! 2. While it runs, the signature is computed with [`ObjectGateway::candidate`]'s secret, whatever
//!    this node believed before the barrier.
//! 3. [`ObjectGateway::identify`] waits for the barrier and looks the access key up in the snapshot
//!    after it. Only now is an unknown key answered, and only now does the arithmetic count: when the
//!    secret differs from the candidate, it is done again.
//! 4. One call of an operation, with the [`View`](ObjectGateway::View) and the [`Caller`]. The node
//!    authorizes on that view, then acts.

mod body;
mod bucket;
mod checksum;
mod conditions;
mod error;
mod identity;
mod list;
mod multipart;
mod name;
mod object;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

pub use body::{BodyError, Digests, VerifiedBody};
pub use bucket::{BucketInfo, BucketList, CreateBucket, ListBuckets};
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};
pub use conditions::{ETagMatch, ReadConditions, ReadVerdict, WriteConditions};
pub use error::{Condition, Error};
pub use identity::{Caller, Credential, Operation, Owner, RequestId, RequestInfo, SecretKey};
pub use list::{ListCursor, ListEntry, ListObjects, ListPage};
pub use multipart::{
    CompleteUpload, CompletedObject, CompletedPart, CreateUpload, ListParts, ListUploads, PartInfo, PartPage,
    StoredPart, UploadCursor, UploadInfo, UploadPage, UploadPart, UploadRef,
};
pub use name::{BucketName, ETag, InvalidName, ObjectKey, PartNumber, UploadId, VersionId};
pub use object::{
    ByteRange, CreatedUpload, DeleteObject, DeletedObject, Encryption, FindObject, Found, ObjectInfo,
    ObjectMetadata, PartSpan, PutObject, StoredObject, UnixMillis,
};

/// The object use cases of the node, as the surfaces call them.
///
/// Every operation takes the view after the barrier and the verified caller, authorizes on that view
/// before it does or reveals anything else, and answers a forbidden request the same whether or not
/// the thing exists. Any call may be dropped at any point, when its client leaves: what it has begun is
/// then to be finished or undone by the node, as after an unknown outcome. A call that returns a 4xx kind of [`Error`] has had no effect; after
/// [`Error::Unavailable`] or [`Error::Internal`] the outcome is unknown and takes effect at most once.
pub trait ObjectGateway: Clone + Send + Sync + 'static {
    /// A barrier on its way, started by [`begin`](Self::begin).
    type Barrier: Send + 'static;
    /// The snapshot after the barrier; every decision of one request is taken on it.
    type View: Send + 'static;
    /// What [`find_object`](Self::find_object) found, to be opened by
    /// [`read_object`](Self::read_object): pins the version, so that a reader gets metadata and bytes
    /// of exactly one.
    type Handle: Send + 'static;
    /// The plaintext of the range asked for, each piece verified before it is yielded. An error ends
    /// the stream and breaks the client's connection: a body is never silently short.
    type ReadBody: Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static;

    /// Starts the barrier of one request and returns without waiting. Never does IO inline.
    fn begin(&self, request: &RequestInfo) -> Self::Barrier;

    /// The credential this node knew for `access_key` before the barrier: good enough for
    /// arithmetic, not for a decision. Cheap and local.
    fn candidate(&self, access_key: &str) -> Option<Arc<Credential>>;

    /// Waits for the barrier, then looks `access_key` up in the snapshot after it. `None` when no
    /// such key is active there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no barrier could be had in time.
    fn identify(
        &self,
        barrier: Self::Barrier,
        access_key: &str,
    ) -> impl Future<Output = Result<(Self::View, Option<Arc<Credential>>), Error>> + Send;

    /// The buckets that the caller owns or may use, by name.
    fn list_buckets(
        &self,
        view: Self::View,
        caller: Caller,
        request: ListBuckets,
    ) -> impl Future<Output = Result<BucketList, Error>> + Send;

    /// Creates a bucket owned by the caller.
    fn create_bucket(
        &self,
        view: Self::View,
        caller: Caller,
        request: CreateBucket,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes an empty bucket; a bucket with incomplete uploads only counts as empty where the node
    /// ends them in the same commit.
    fn delete_bucket(
        &self,
        view: Self::View,
        caller: Caller,
        bucket: BucketName,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether the bucket exists and the caller may list it.
    fn head_bucket(
        &self,
        view: Self::View,
        caller: Caller,
        bucket: BucketName,
    ) -> impl Future<Output = Result<BucketInfo, Error>> + Send;

    /// As [`head_bucket`](Self::head_bucket), asked for the bucket's location.
    fn bucket_location(
        &self,
        view: Self::View,
        caller: Caller,
        bucket: BucketName,
    ) -> impl Future<Output = Result<BucketInfo, Error>> + Send;

    /// Stores one object. Authorizes, and refuses what the declared length already forbids, before
    /// the first byte of `body` is polled; commits only after [`VerifiedBody::finish`] succeeded.
    /// The conditions are decided where the write is applied.
    fn put_object<B: VerifiedBody>(
        &self,
        view: Self::View,
        caller: Caller,
        request: PutObject,
        body: B,
    ) -> impl Future<Output = Result<StoredObject, Error>> + Send;

    /// Looks an object up for GET or HEAD; costs no request to a backend.
    fn find_object(
        &self,
        view: Self::View,
        caller: Caller,
        request: FindObject,
    ) -> impl Future<Output = Result<Found<Self::Handle>, Error>> + Send;

    /// Opens `range` of what was found. The range lies within the object and is not empty unless the
    /// object is. Returns once the first bytes are on their way, so that a failure of every replica
    /// is still an error and not a broken body.
    fn read_object(
        &self,
        handle: Self::Handle,
        range: ByteRange,
    ) -> impl Future<Output = Result<Self::ReadBody, Error>> + Send;

    /// Deletes one object; deleting what is not there succeeds.
    fn delete_object(
        &self,
        view: Self::View,
        caller: Caller,
        request: DeleteObject,
    ) -> impl Future<Output = Result<DeletedObject, Error>> + Send;

    /// Deletes up to 1,000 objects of one bucket, each with an outcome of its own, in the order
    /// given. The outer error stands for the whole request (no such bucket, no quorum).
    fn delete_objects(
        &self,
        view: Self::View,
        caller: Caller,
        bucket: BucketName,
        objects: Vec<DeleteObject>,
    ) -> impl Future<Output = Result<Vec<Result<DeletedObject, Error>>, Error>> + Send;

    /// One page of keys and common prefixes, from the view's snapshot.
    fn list_objects(
        &self,
        view: Self::View,
        caller: Caller,
        request: ListObjects,
    ) -> impl Future<Output = Result<ListPage, Error>> + Send;

    /// Begins a multipart upload.
    fn create_upload(
        &self,
        view: Self::View,
        caller: Caller,
        request: CreateUpload,
    ) -> impl Future<Output = Result<CreatedUpload, Error>> + Send;

    /// Stores one part, replacing an earlier one of that number. Rules for the body as in
    /// [`put_object`](Self::put_object).
    fn upload_part<B: VerifiedBody>(
        &self,
        view: Self::View,
        caller: Caller,
        request: UploadPart,
        body: B,
    ) -> impl Future<Output = Result<StoredPart, Error>> + Send;

    /// One page of the parts of an upload, by number.
    fn list_parts(
        &self,
        view: Self::View,
        caller: Caller,
        request: ListParts,
    ) -> impl Future<Output = Result<PartPage, Error>> + Send;

    /// One page of the incomplete uploads of a bucket, by key, then by upload id in order of
    /// creation.
    fn list_uploads(
        &self,
        view: Self::View,
        caller: Caller,
        request: ListUploads,
    ) -> impl Future<Output = Result<UploadPage, Error>> + Send;

    /// Makes the listed parts an object, all at once. A repetition of a completed one answers with
    /// the first one's result for at least a day.
    fn complete_upload(
        &self,
        view: Self::View,
        caller: Caller,
        request: CompleteUpload,
    ) -> impl Future<Output = Result<CompletedObject, Error>> + Send;

    /// Ends an upload without an object. [`Error::NoSuchUpload`] once it was completed or aborted.
    fn abort_upload(
        &self,
        view: Self::View,
        caller: Caller,
        request: UploadRef,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}
