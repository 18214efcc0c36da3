//! GET and HEAD: find one version, then open a range of exactly that one.

use std::sync::Arc;

use api::port::{ByteRange, Caller, Encryption, Error, FindObject, Found, ObjectInfo, PartNumber, PartSpan};
use raft_machine::queries::{self, Lookup};
use raft_types::records::{Content, ObjectRecord};

use super::access::{UsableBucket, usable_bucket};
use super::body::{ContentSource, ObjectBody};
use super::errors::state_fault;
use super::gateway::Gateway;
use super::translate;
use crate::metadata::RequestView;

/// A version that was found, with the view on which it was.
#[derive(Debug)]
pub struct ObjectHandle {
    view: RequestView,
    source: ContentSource,
}

impl ObjectHandle {
    pub(super) async fn open(self, range: ByteRange) -> Result<ObjectBody, Error> {
        let Self { view, source } = self;
        let end = range.offset.checked_add(range.length).ok_or(Error::Internal)?;
        if end > source.size {
            return Err(Error::Internal);
        }
        ObjectBody::open(source, &view, range.offset..end).await
    }
}

impl Gateway {
    pub(super) async fn do_find_object(
        &self,
        view: RequestView,
        caller: Caller,
        request: FindObject,
    ) -> Result<Found<ObjectHandle>, Error> {
        let (_, (info, content)) = view
            .decide(
                (self.clone(), caller, request),
                |view, (gateway, caller, request)| gateway.find(view, caller, request),
            )
            .await?;
        let source = ContentSource {
            metadata: self.parts.metadata.clone(),
            reader: Arc::clone(&self.parts.reader),
            keys: Arc::clone(&self.parts.keys),
            guard: view.guard(),
            content,
            size: info.size,
        };
        Ok(Found {
            info,
            handle: ObjectHandle { view, source },
        })
    }

    fn find(
        &self,
        view: &RequestView,
        caller: &Caller,
        request: &FindObject,
    ) -> Result<(ObjectInfo, Content), Error> {
        let UsableBucket { id, record: bucket } =
            usable_bucket(&*self.policy(), view.tables(), caller, &request.bucket)?;
        let key = translate::object_key(&request.key).ok_or(Error::NoSuchKey { marker: None })?;
        let object = match queries::lookup(view.tables(), id, &key, None).map_err(state_fault)? {
            Lookup::Object(object) => *object,
            Lookup::DeleteMarker(marker) => {
                let marker = translate::version(marker.version, marker.is_null, bucket.versioning);
                return Err(Error::NoSuchKey { marker });
            }
            Lookup::Nothing => return Err(Error::NoSuchKey { marker: None }),
        };
        let part = match request.part {
            Some(number) => Some(part_span(view, &object, number)?),
            None => None,
        };
        let encryption = if bucket.key_version.is_some() {
            Encryption::ServerManaged
        } else {
            Encryption::None
        };
        let content = object.content.clone();
        Ok((
            translate::object_info(object, bucket.versioning, encryption, part),
            content,
        ))
    }
}

/// Where a part of an object lies. What was not uploaded in parts is its own part 1.
fn part_span(view: &RequestView, object: &ObjectRecord, number: PartNumber) -> Result<PartSpan, Error> {
    let Content::Manifest(upload) = &object.content else {
        if number.get() != 1 {
            return Err(Error::NoSuchPart(number));
        }
        let range = ByteRange {
            offset: 0,
            length: object.size,
        };
        return Ok(PartSpan {
            range,
            parts: None,
            checksum: None,
        });
    };
    let wanted = raft_types::PartNumber::new(number.get()).ok_or(Error::NoSuchPart(number))?;
    let found = queries::manifest_part(view.tables(), *upload, wanted).map_err(state_fault)?;
    let Some(found) = found else {
        return Err(Error::NoSuchPart(number));
    };
    Ok(PartSpan {
        range: ByteRange {
            offset: found.start,
            length: found.record.size,
        },
        parts: Some(found.parts),
        checksum: found.record.checksums.first().and_then(translate::port_checksum),
    })
}
