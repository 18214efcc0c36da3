//! A node in memory: the port over the naive model of the replicated state.

mod state;
mod translate;
mod uploads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::port::{
    BucketInfo, BucketList, BucketName, ByteRange, Caller, ChecksumAlgorithm, ChecksumType, CompleteUpload,
    CompletedObject, CreateBucket, CreateUpload, CreatedUpload, Credential, DeleteObject, DeletedObject,
    Digests, Error, FindObject, Found, ListBuckets, ListCursor, ListEntry, ListObjects, ListPage, ListParts,
    ListUploads, ObjectChecksum, ObjectGateway, ObjectInfo, ObjectMetadata, Operation, PartPage, PartSpan,
    PutObject, RequestInfo, StoredObject, StoredPart, UploadPage, UploadPart, UploadRef, VerifiedBody,
    VersionId, WriteConditions,
};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use parking_lot::{Mutex, MutexGuard};
use raft_machine::queries::{self, ListQuery, ListStart, Lookup};
use raft_types::commands::{self, Command, DeleteTarget};
use raft_types::records::{Content, ObjectRecord, Versioning};
use raft_types::{BucketId, DeleteResult, Outcome, Rejection};

use super::ask::{ALICE, BOB};
pub(crate) use state::BrokenRead;
use state::{State, credential};
use translate::owner;

/// The node. Clones share it.
#[derive(Clone)]
pub(crate) struct MemoryGateway {
    state: Arc<Mutex<State>>,
}

/// One request after its barrier.
pub(crate) struct View;

pub(crate) struct Handle(Bytes);

type Pieces = stream::Iter<std::vec::IntoIter<Result<Bytes, Error>>>;

impl MemoryGateway {
    pub(crate) fn new() -> Self {
        let gateway = Self {
            state: Arc::default(),
        };
        gateway.add_user(ALICE.access_key, ALICE.secret, "alice");
        gateway.add_user(BOB.access_key, BOB.secret, "bob");
        gateway
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn add_user(&self, access_key: &str, secret: &str, user: &str) {
        self.state()
            .users
            .insert(access_key.to_owned(), credential(access_key, secret, user));
    }

    pub(crate) fn remove_user(&self, access_key: &str) {
        self.state().users.remove(access_key);
    }

    /// Lets candidates be taken from what is known now, whatever changes.
    pub(crate) fn freeze_candidates(&self) {
        let mut state = self.state();
        state.stale = Some(state.users.clone());
    }

    pub(crate) fn add_bucket(&self, name: &str, owner: &str) {
        let created = self.create(name, owner);
        assert!(matches!(created, Outcome::BucketCreated(_)), "{created:?}");
    }

    fn create(&self, name: &str, owner: &str) -> Outcome {
        self.state()
            .propose(Command::CreateBucket(commands::CreateBucket {
                name: name.parse().expect("a name"),
                owner: owner.parse().expect("a name"),
            }))
    }

    /// Lets a bucket keep versions.
    pub(crate) fn keep_versions(&self, bucket: &str) {
        let mut state = self.state();
        let (bucket, _) = state
            .bucket(&BucketName::new(bucket).expect("a name"))
            .expect("a bucket");
        let versioning = Versioning::Enabled;
        let command = Command::SetVersioning(commands::SetVersioning { bucket, versioning });
        assert_eq!(state.propose(command), Outcome::Done);
    }

    /// Everything that is stored: object keys with their bytes, and parts of uploads.
    pub(crate) fn contents(&self) -> BTreeMap<String, Bytes> {
        let state = self.state();
        let mut contents = BTreeMap::new();
        let read = |content: &Content, size: u64| state.read(content, size, 0..size);
        for (bucket, record) in state.model.buckets_after(None, usize::MAX) {
            let name = &record.name;
            let current = state.model.objects().filter(|(of, key, object)| {
                *of == bucket && state.model.current(bucket, key).as_ref() == Some(*object)
            });
            for (_, key, object) in current {
                contents.insert(format!("{name}/{key}"), read(&object.content, object.size));
            }
            let uploads = state.model.list_uploads(&queries::UploadsQuery {
                bucket,
                prefix: Bytes::new(),
                delimiter: Bytes::new(),
                start: queries::UploadStart::Beginning,
                limit: usize::MAX,
            });
            for entry in uploads.entries {
                let queries::UploadEntry::Upload(key, upload, _) = entry else {
                    continue;
                };
                for (number, part) in state.model.list_parts(upload, None, usize::MAX) {
                    let pieces = raft_types::records::Pieces { pieces: part.pieces };
                    let bytes = read(&Content::Blobs(pieces), part.size);
                    contents.insert(format!("{name}/{key}?{upload}#{number}"), bytes);
                }
            }
        }
        contents
    }

    /// The bytes of one object.
    pub(crate) fn object(&self, key: &str) -> Option<Bytes> {
        self.contents().get(&format!("books/{key}")).cloned()
    }

    /// Stores `bytes` without a request.
    pub(crate) fn store(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) {
        use md5::Digest as _;
        let bytes = bytes.into();
        let request = PutObject {
            bucket: BucketName::new(bucket).expect("a name"),
            key: api::port::ObjectKey::new(key).expect("a key"),
            metadata: ObjectMetadata::default(),
            conditions: WriteConditions::default(),
        };
        let digests = Digests {
            length: bytes.len() as u64,
            md5: md5::Md5::digest(&bytes).into(),
            checksum: None,
        };
        self.state().put(request, bytes, &digests).expect("an object");
    }

    fn enter(
        &self,
        caller: &Caller,
        call: &'static str,
        bucket: &BucketName,
    ) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        assert!(!state.panics, "an operation panics, as it was told to");
        if let Some(fault) = &state.fault {
            return Err(fault.clone());
        }
        match state.find_bucket(bucket).map(|(_, record)| record.owner) {
            // Whoever owns nothing here learns nothing.
            Some(owner) if owner.as_str() != &**caller.user() => return Err(Error::AccessDenied),
            None if **caller.user() != *"alice" => return Err(Error::AccessDenied),
            None => return Err(Error::NoSuchBucket),
            Some(_) => {}
        }
        state.calls.push(call);
        Ok(state)
    }

    async fn receive<B: VerifiedBody>(&self, mut body: B) -> Result<(Bytes, Digests), Error> {
        let length = body.length();
        let mut bytes = BytesMut::new();
        while let Some(piece) = body.next().await? {
            assert!(!piece.is_empty(), "an empty piece");
            self.state().pieces += 1;
            bytes.extend_from_slice(&piece);
        }
        let digests = body.finish().await?;
        assert_eq!((digests.length, length), (bytes.len() as u64, bytes.len() as u64));
        Ok((bytes.freeze(), digests))
    }
}

impl ObjectGateway for MemoryGateway {
    type Barrier = Option<Error>;
    type View = View;
    type Handle = Handle;
    type ReadBody = Pieces;

    fn begin(&self, request: &RequestInfo) -> Self::Barrier {
        assert!(Operation::ALL.contains(&request.operation));
        self.state().barrier.clone()
    }

    fn candidate(&self, access_key: &str) -> Option<Arc<Credential>> {
        let state = self.state();
        state
            .stale
            .as_ref()
            .unwrap_or(&state.users)
            .get(access_key)
            .cloned()
    }

    async fn identify(
        &self,
        barrier: Self::Barrier,
        access_key: &str,
    ) -> Result<(View, Option<Arc<Credential>>), Error> {
        match barrier {
            Some(error) => Err(error),
            None => Ok((View, self.state().users.get(access_key).cloned())),
        }
    }

    async fn list_buckets(&self, _: View, caller: Caller, request: ListBuckets) -> Result<BucketList, Error> {
        let state = self.state();
        let after = request.after.as_deref();
        let found = state.model.buckets_after(None, usize::MAX).into_iter();
        let mut buckets: Vec<BucketInfo> = found
            .map(|(_, record)| record)
            .filter(|record| record.owner.as_str() == &**caller.user())
            .filter(|record| record.name.as_str().starts_with(&request.prefix))
            .filter(|record| Some(record.name.as_str()) > after)
            .map(|record| BucketInfo {
                name: BucketName::new(record.name.as_str()).expect("a name"),
                created: translate::millis(record.created),
            })
            .collect();
        let limit = request.limit as usize;
        let truncated = buckets.len() > limit;
        buckets.truncate(limit);
        Ok(BucketList {
            owner: owner(caller.user()),
            buckets,
            truncated,
        })
    }

    async fn create_bucket(&self, _: View, caller: Caller, request: CreateBucket) -> Result<(), Error> {
        match self.create(request.name.as_str(), caller.user()) {
            Outcome::BucketCreated(_) => Ok(()),
            Outcome::Rejected(Rejection::BucketExists(owner)) if owner.as_str() == &**caller.user() => {
                Err(Error::BucketAlreadyOwnedByYou)
            }
            _ => Err(Error::BucketAlreadyExists),
        }
    }

    async fn delete_bucket(&self, _: View, caller: Caller, bucket: BucketName) -> Result<(), Error> {
        let mut state = self.enter(&caller, "delete_bucket", &bucket)?;
        let (bucket, _) = state.bucket(&bucket)?;
        let command = Command::DeleteBucket(commands::DeleteBucket { bucket });
        state.commit(command, &WriteConditions::default()).map(|_| ())
    }

    async fn head_bucket(&self, _: View, caller: Caller, bucket: BucketName) -> Result<BucketInfo, Error> {
        let state = self.enter(&caller, "head_bucket", &bucket)?;
        let created = translate::millis(state.bucket(&bucket)?.1.created);
        Ok(BucketInfo {
            name: bucket,
            created,
        })
    }

    async fn bucket_location(
        &self,
        _: View,
        caller: Caller,
        bucket: BucketName,
    ) -> Result<BucketInfo, Error> {
        let state = self.enter(&caller, "bucket_location", &bucket)?;
        let created = translate::millis(state.bucket(&bucket)?.1.created);
        Ok(BucketInfo {
            name: bucket,
            created,
        })
    }

    async fn put_object<B: VerifiedBody>(
        &self,
        _: View,
        caller: Caller,
        request: PutObject,
        body: B,
    ) -> Result<StoredObject, Error> {
        drop(self.enter(&caller, "put_object", &request.bucket)?);
        let mut body = body;
        body.compute_checksum(ChecksumAlgorithm::Crc64Nvme);
        let (bytes, digests) = self.receive(body).await?;
        self.state().put(request, bytes, &digests)
    }

    async fn find_object(
        &self,
        _: View,
        caller: Caller,
        request: FindObject,
    ) -> Result<Found<Handle>, Error> {
        let state = self.enter(&caller, "find_object", &request.bucket)?;
        let (bucket, record) = state.bucket(&request.bucket)?;
        let object = state.find(bucket, record.versioning, &request.key)?;
        let part = match request.part {
            None => None,
            Some(number) => Some(state.part_of(&object, number)?),
        };
        let info = ObjectInfo {
            size: object.size,
            etag: translate::etag(&object.etag),
            last_modified: translate::millis(object.modified),
            version: translate::version(object.version, object.is_null, record.versioning),
            metadata: translate::metadata_of(&object),
            checksum: translate::object_checksum(&object.checksums, &object.etag),
            encryption: state.encryption(),
            part,
        };
        Ok(Found {
            info,
            handle: Handle(state.read(&object.content, object.size, 0..object.size)),
        })
    }

    async fn read_object(&self, handle: Handle, range: ByteRange) -> Result<Pieces, Error> {
        let start = usize::try_from(range.offset).expect("a range");
        let end = start + usize::try_from(range.length).expect("a range");
        assert!(start < end, "a range of nothing");
        let bytes = handle.0.slice(start..end);
        let mut pieces: Vec<_> = bytes
            .chunks(1000)
            .map(|piece| Ok(bytes.slice_ref(piece)))
            .collect();
        if let Some((after, how)) = self.state().broken_reads {
            match how {
                BrokenRead::Fails => {
                    pieces.truncate(after);
                    pieces.push(Err(Error::Internal));
                }
                BrokenRead::Stops => pieces.truncate(after),
                BrokenRead::GoesOn => pieces.insert(after, Ok(Bytes::from(vec![0; 2500]))),
            }
        }
        Ok(stream::iter(pieces))
    }

    async fn delete_object(
        &self,
        _: View,
        caller: Caller,
        request: DeleteObject,
    ) -> Result<DeletedObject, Error> {
        let mut state = self.enter(&caller, "delete_object", &request.bucket)?;
        let (bucket, _) = state.bucket(&request.bucket)?;
        let target = DeleteTarget {
            key: translate::object_key(&request.key),
            version: None,
            conditions: translate::conditions(&request.conditions),
        };
        let command = Command::DeleteObjects(commands::DeleteObjects {
            bucket,
            targets: vec![target],
            owner: None,
        });
        let Outcome::Deleted(deletions) = state.commit(command, &request.conditions)? else {
            panic!("a deletion has results");
        };
        match &deletions.results[..] {
            [DeleteResult::Gone(gone)] => Ok(DeletedObject {
                marker: gone.marker.map(|marker| VersionId::new(&marker.to_string())),
            }),
            [DeleteResult::Rejected(rejection)] => Err(translate::error(rejection, &request.conditions)),
            other => panic!("one target has {other:?}"),
        }
    }

    async fn delete_objects(
        &self,
        _: View,
        caller: Caller,
        bucket: BucketName,
        objects: Vec<DeleteObject>,
    ) -> Result<Vec<Result<DeletedObject, Error>>, Error> {
        drop(self.enter(&caller, "delete_objects", &bucket)?);
        let mut outcomes = Vec::new();
        for object in objects {
            outcomes.push(self.delete_object(View, caller.clone(), object).await);
        }
        Ok(outcomes)
    }

    async fn list_objects(&self, _: View, caller: Caller, request: ListObjects) -> Result<ListPage, Error> {
        let state = self.enter(&caller, "list_objects", &request.bucket)?;
        let (bucket, record) = state.bucket(&request.bucket)?;
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let (prefix, delimiter) = (
            bytes(&request.prefix),
            bytes(request.delimiter.as_deref().unwrap_or_default()),
        );
        let start = match &request.after {
            None => ListStart::Beginning,
            Some(cursor) => ListStart::from_marker(bytes(&cursor.0), &prefix, &delimiter),
        };
        let found = state.model.list_objects(&ListQuery {
            bucket,
            prefix,
            delimiter,
            start,
            limit: request.limit as usize,
        });
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).expect("text");
        let last = found.entries.last().filter(|_| found.next.is_some());
        let mut page = ListPage {
            owner: owner(record.owner.as_str()),
            entries: Vec::new(),
            common_prefixes: Vec::new(),
            next: last.map(|last| ListCursor(text(last.name()))),
        };
        for entry in found.entries {
            match entry {
                queries::ListEntry::Prefix(prefix) => page.common_prefixes.push(text(&prefix)),
                queries::ListEntry::Object(key, object) => page.entries.push(ListEntry {
                    key: translate::port_key(&key),
                    size: object.size,
                    etag: translate::etag(&object.etag),
                    last_modified: translate::millis(object.modified),
                    checksum: translate::listed_checksum(&object.checksums),
                }),
            }
        }
        Ok(page)
    }

    async fn create_upload(
        &self,
        _: View,
        caller: Caller,
        request: CreateUpload,
    ) -> Result<CreatedUpload, Error> {
        let mut state = self.enter(&caller, "create_upload", &request.bucket)?;
        uploads::create(&mut state, &caller, request)
    }

    async fn upload_part<B: VerifiedBody>(
        &self,
        _: View,
        caller: Caller,
        request: UploadPart,
        mut body: B,
    ) -> Result<StoredPart, Error> {
        {
            let state = self.enter(&caller, "upload_part", &request.upload.bucket)?;
            let (_, upload) = uploads::find(&state, &request.upload)?;
            match (translate::upload_checksum(&upload), body.declared_checksum()) {
                (Some((algorithm, _)), Some(declared)) if algorithm != declared => {
                    return Err(Error::ChecksumKindMismatch);
                }
                (Some((algorithm, _)), _) => body.compute_checksum(algorithm),
                (None, _) => {}
            }
        }
        let (bytes, digests) = self.receive(body).await?;
        uploads::store(&mut self.state(), &request, bytes, &digests)
    }

    async fn list_parts(&self, _: View, caller: Caller, request: ListParts) -> Result<PartPage, Error> {
        let state = self.enter(&caller, "list_parts", &request.upload.bucket)?;
        uploads::list_parts(&state, &request)
    }

    async fn list_uploads(&self, _: View, caller: Caller, request: ListUploads) -> Result<UploadPage, Error> {
        let state = self.enter(&caller, "list_uploads", &request.bucket)?;
        uploads::list(&state, &request)
    }

    async fn complete_upload(
        &self,
        _: View,
        caller: Caller,
        request: CompleteUpload,
    ) -> Result<CompletedObject, Error> {
        let hold = self.state().hold_completion.clone();
        if let Some(hold) = hold {
            hold.notified().await;
        }
        let mut state = self.enter(&caller, "complete_upload", &request.upload.bucket)?;
        uploads::complete(&mut state, request)
    }

    async fn abort_upload(&self, _: View, caller: Caller, request: UploadRef) -> Result<(), Error> {
        let mut state = self.enter(&caller, "abort_upload", &request.bucket)?;
        uploads::abort(&mut state, &request)
    }
}

impl State {
    fn put(&mut self, request: PutObject, bytes: Bytes, digests: &Digests) -> Result<StoredObject, Error> {
        let (bucket, _) = self.bucket(&request.bucket)?;
        let checksum = digests.checksum.map(|checksum| ObjectChecksum {
            checksum,
            kind: ChecksumType::FullObject,
            parts: None,
        });
        let etag = raft_types::ETag::of_whole(digests.md5);
        let object = translate::new_object(bytes.len() as u64, etag, request.metadata, checksum);
        let command = commands::CommitObject {
            bucket,
            key: translate::object_key(&request.key),
            written: self.write(bytes),
            object,
            conditions: translate::conditions(&request.conditions),
            order: self.order(),
        };
        match self.commit(Command::CommitObject(Box::new(command)), &request.conditions)? {
            Outcome::Committed(done) => Ok(StoredObject {
                etag: translate::etag(&done.etag),
                version: translate::version(done.version, done.is_null, done.versioning),
                checksum,
                encryption: self.encryption(),
            }),
            other => panic!("{other:?}"),
        }
    }

    fn find(
        &self,
        bucket: BucketId,
        versioning: Versioning,
        key: &api::port::ObjectKey,
    ) -> Result<ObjectRecord, Error> {
        match self.model.lookup(bucket, &translate::object_key(key), None) {
            Lookup::Object(object) => Ok(*object),
            Lookup::DeleteMarker(marker) => Err(Error::NoSuchKey {
                marker: translate::version(marker.version, marker.is_null, versioning),
            }),
            Lookup::Nothing => Err(Error::NoSuchKey { marker: None }),
        }
    }

    /// Where a part of an object lies. One that was not uploaded in parts has one.
    fn part_of(&self, object: &ObjectRecord, number: api::port::PartNumber) -> Result<PartSpan, Error> {
        let Content::Manifest(upload) = object.content else {
            let range = ByteRange {
                offset: 0,
                length: object.size,
            };
            let whole = PartSpan {
                range,
                parts: None,
                checksum: None,
            };
            return if number.get() == 1 {
                Ok(whole)
            } else {
                Err(Error::NoSuchPart(number))
            };
        };
        let part = self
            .model
            .manifest_part(upload, translate::part_number(number))
            .ok_or(Error::NoSuchPart(number))?;
        Ok(PartSpan {
            range: ByteRange {
                offset: part.start,
                length: part.record.size,
            },
            parts: Some(part.parts),
            checksum: translate::checksum(&part.record.checksums),
        })
    }
}

/// When a node that is busy wants to be asked again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(1500);
