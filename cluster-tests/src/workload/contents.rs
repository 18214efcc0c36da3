//! What the acknowledged requests have made of a bucket.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::shown::{PartShown, Shown};
use crate::s3::etag_of;

/// Bytes that a test has sent or received. Shown by length and digest: nobody reads five megabytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Bytes);

/// What a bucket holds, as far as its client knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Whether the bucket is there.
    pub exists: bool,
    /// The objects by key, each as the bodies that it was written in.
    pub objects: BTreeMap<String, Vec<Body>>,
    /// The open uploads by key, with their parts.
    pub uploads: BTreeMap<String, BTreeMap<u32, Body>>,
}

impl Contents {
    /// What the bucket shows of them.
    pub fn shown(&self) -> Shown {
        Shown {
            exists: self.exists,
            objects: self
                .objects
                .iter()
                .map(|(key, pieces)| (key.clone(), whole(pieces)))
                .collect(),
            uploads: self
                .uploads
                .iter()
                .map(|(key, parts)| {
                    let parts = parts.iter().map(|(number, body)| (*number, PartShown::of(body)));
                    (key.clone(), parts.collect())
                })
                .collect(),
        }
    }

    /// Attempts that lie on the backend once everything else is deleted: one for each body.
    pub fn attempts(&self) -> usize {
        let of_objects: usize = self.objects.values().map(Vec::len).sum();
        let of_uploads: usize = self.uploads.values().map(BTreeMap::len).sum();
        of_objects + of_uploads
    }
}

fn whole(pieces: &[Body]) -> Body {
    match pieces {
        [one] => one.clone(),
        several => several
            .iter()
            .flat_map(|piece| piece.0.iter().copied())
            .collect::<Vec<u8>>()
            .into(),
    }
}

impl Body {
    /// The bytes.
    pub fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {}", self.0.len(), etag_of(&self.0))
    }
}
