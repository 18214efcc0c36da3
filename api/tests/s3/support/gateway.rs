//! A node in memory: the naive model of the port.

mod state;
mod uploads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::port::{
    BucketInfo, BucketList, BucketName, ByteRange, Caller, ChecksumAlgorithm, ChecksumType, CompleteUpload,
    CompletedObject, CreateBucket, CreateUpload, CreatedUpload, Credential, DeleteObject, DeletedObject,
    Digests, ETag, Error, FindObject, Found, ListBuckets, ListCursor, ListEntry, ListObjects, ListPage,
    ListParts, ListUploads, ObjectChecksum, ObjectGateway, ObjectInfo, ObjectKey, ObjectMetadata, Operation,
    PartPage, PartSpan, PutObject, RequestInfo, StoredObject, StoredPart, UploadPage, UploadPart, UploadRef,
    VerifiedBody,
};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use parking_lot::{Mutex, MutexGuard};

use super::ask::{ALICE, BOB};
pub(crate) use state::{BrokenRead, items};
use state::{Bucket, Object, State, check, credential, owner};

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
        gateway.state().clock = 1_255_369_830_000;
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
        let mut state = self.state();
        let created = state.tick();
        let bucket = Bucket {
            owner: owner.to_owned(),
            created,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
        };
        state
            .buckets
            .insert(BucketName::new(name).expect("a name"), bucket);
    }

    /// Everything that is stored: object keys with their bytes, and parts of uploads.
    pub(crate) fn contents(&self) -> BTreeMap<String, Bytes> {
        let state = self.state();
        let mut contents = BTreeMap::new();
        for (name, bucket) in &state.buckets {
            for (key, object) in &bucket.objects {
                contents.insert(format!("{name}/{key}"), object.bytes.clone());
            }
            for ((key, id), upload) in &bucket.uploads {
                for (number, part) in &upload.parts {
                    contents.insert(format!("{name}/{key}?{id}#{number}"), part.bytes.clone());
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
        let mut state = self.state();
        let modified = state.tick();
        let object = Object {
            etag: ETag::from_md5(md5::Md5::digest(&bytes).into()),
            bytes,
            modified,
            metadata: ObjectMetadata::default(),
            checksum: None,
            parts: BTreeMap::new(),
        };
        let bucket = state
            .buckets
            .get_mut(&BucketName::new(bucket).expect("a name"))
            .expect("a bucket");
        bucket.objects.insert(key.to_owned(), object);
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
        match state.buckets.get(bucket) {
            // Whoever owns nothing here learns nothing.
            Some(found) if *found.owner != **caller.user() => return Err(Error::AccessDenied),
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
        let mut buckets: Vec<BucketInfo> = state
            .buckets
            .iter()
            .filter(|(_, bucket)| *bucket.owner == **caller.user())
            .filter(|(name, _)| name.as_str().starts_with(&request.prefix))
            .filter(|(name, _)| {
                request
                    .after
                    .as_ref()
                    .is_none_or(|after| name.as_str() > after.as_str())
            })
            .map(|(name, bucket)| BucketInfo {
                name: name.clone(),
                created: bucket.created,
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
        match self.state().buckets.get(&request.name) {
            Some(bucket) if *bucket.owner == **caller.user() => return Err(Error::BucketAlreadyOwnedByYou),
            Some(_) => return Err(Error::BucketAlreadyExists),
            None => {}
        }
        self.add_bucket(request.name.as_str(), caller.user());
        Ok(())
    }

    async fn delete_bucket(&self, _: View, caller: Caller, bucket: BucketName) -> Result<(), Error> {
        let mut state = self.enter(&caller, "delete_bucket", &bucket)?;
        if !state.bucket(&bucket)?.objects.is_empty() {
            return Err(Error::BucketNotEmpty);
        }
        state.buckets.remove(&bucket);
        Ok(())
    }

    async fn head_bucket(&self, _: View, caller: Caller, bucket: BucketName) -> Result<BucketInfo, Error> {
        let mut state = self.enter(&caller, "head_bucket", &bucket)?;
        let created = state.bucket(&bucket)?.created;
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
        let mut state = self.enter(&caller, "bucket_location", &bucket)?;
        let created = state.bucket(&bucket)?.created;
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
        let mut state = self.state();
        let (modified, encryption) = (state.tick(), state.encryption());
        let bucket = state.bucket(&request.bucket)?;
        check(&request.conditions, bucket.objects.get(request.key.as_str()))?;
        let checksum = digests.checksum.map(|checksum| ObjectChecksum {
            checksum,
            kind: ChecksumType::FullObject,
            parts: None,
        });
        let etag = ETag::from_md5(digests.md5);
        let object = Object {
            bytes,
            etag: etag.clone(),
            modified,
            metadata: request.metadata,
            checksum,
            parts: BTreeMap::new(),
        };
        bucket.objects.insert(request.key.as_str().to_owned(), object);
        Ok(StoredObject {
            etag,
            version: None,
            checksum,
            encryption,
        })
    }

    async fn find_object(
        &self,
        _: View,
        caller: Caller,
        request: FindObject,
    ) -> Result<Found<Handle>, Error> {
        let mut state = self.enter(&caller, "find_object", &request.bucket)?;
        let encryption = state.encryption();
        let marker = state.markers.get(request.key.as_str()).cloned();
        let objects = &state.bucket(&request.bucket)?.objects;
        let object = objects
            .get(request.key.as_str())
            .ok_or(Error::NoSuchKey { marker })?
            .clone();
        let size = object.bytes.len() as u64;
        let part = match request.part {
            None => None,
            Some(number) if object.parts.is_empty() && number.get() == 1 => Some(PartSpan {
                range: ByteRange {
                    offset: 0,
                    length: size,
                },
                parts: None,
                checksum: None,
            }),
            Some(number) => {
                let (length, checksum) = *object.parts.get(&number.get()).ok_or(Error::NoSuchPart(number))?;
                let offset = object
                    .parts
                    .range(..number.get())
                    .map(|(_, (length, _))| length)
                    .sum();
                let parts = u32::try_from(object.parts.len()).ok();
                Some(PartSpan {
                    range: ByteRange { offset, length },
                    parts,
                    checksum,
                })
            }
        };
        let info = ObjectInfo {
            size,
            etag: object.etag,
            last_modified: object.modified,
            version: None,
            metadata: object.metadata,
            checksum: object.checksum,
            encryption,
            part,
        };
        Ok(Found {
            info,
            handle: Handle(object.bytes),
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
        let marker = state.markers.get(request.key.as_str()).cloned();
        let objects = &mut state.bucket(&request.bucket)?.objects;
        check(&request.conditions, objects.get(request.key.as_str()))?;
        objects.remove(request.key.as_str());
        Ok(DeletedObject { marker })
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
        let mut state = self.enter(&caller, "list_objects", &request.bucket)?;
        let bucket = state.bucket(&request.bucket)?;
        let all = items(
            bucket.objects.keys().map(String::as_str),
            &request.prefix,
            request.delimiter.as_deref(),
        );
        let after = request.after.map(|cursor| cursor.0);
        let rest: Vec<_> = all
            .into_iter()
            .filter(|(item, _)| after.as_ref().is_none_or(|after| item > after))
            .collect();
        let limit = request.limit as usize;
        let page = rest.get(..limit.min(rest.len())).unwrap_or_default();
        let next = page
            .last()
            .filter(|_| rest.len() > limit)
            .map(|(item, _)| ListCursor(item.clone()));
        let entries = page.iter().filter(|(_, grouped)| !grouped).map(|(key, _)| {
            let object = &bucket.objects[key];
            ListEntry {
                key: ObjectKey::new(key).expect("a key"),
                size: object.bytes.len() as u64,
                etag: object.etag.clone(),
                last_modified: object.modified,
                checksum: object
                    .checksum
                    .map(|checksum| (checksum.checksum.algorithm(), checksum.kind)),
            }
        });
        Ok(ListPage {
            owner: owner(&bucket.owner),
            entries: entries.collect(),
            common_prefixes: page
                .iter()
                .filter(|(_, grouped)| *grouped)
                .map(|(item, _)| item.clone())
                .collect(),
            next,
        })
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
            let mut state = self.enter(&caller, "upload_part", &request.upload.bucket)?;
            let upload = uploads::find(&mut state, &request.upload)?;
            match (upload.checksum, body.declared_checksum()) {
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
        let mut state = self.enter(&caller, "list_parts", &request.upload.bucket)?;
        uploads::list_parts(&mut state, &request)
    }

    async fn list_uploads(&self, _: View, caller: Caller, request: ListUploads) -> Result<UploadPage, Error> {
        let mut state = self.enter(&caller, "list_uploads", &request.bucket)?;
        uploads::list(&mut state, &request)
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
        uploads::find(&mut state, &request)?;
        let upload = (
            request.key.as_str().to_owned(),
            request.upload.as_str().to_owned(),
        );
        state.bucket(&request.bucket)?.uploads.remove(&upload);
        Ok(())
    }
}

/// When a node that is busy wants to be asked again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(1500);
