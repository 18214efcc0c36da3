//! One request of a workload.

use super::contents::{Body, Contents};

/// One request, and so one change of the bucket's contents.
#[derive(Debug, Clone)]
pub enum Step {
    /// The bucket is made.
    CreateBucket,
    /// The empty bucket is removed.
    DeleteBucket,
    /// An object is written, or overwritten.
    Put {
        /// Its key.
        key: String,
        /// Its body.
        body: Body,
    },
    /// An object is deleted.
    Delete {
        /// Its key.
        key: String,
    },
    /// A multipart upload is begun.
    Begin {
        /// The key of its object.
        key: String,
    },
    /// A part is written, or overwritten.
    Part {
        /// The key of the upload.
        key: String,
        /// The number of the part.
        number: u32,
        /// Its body.
        body: Body,
    },
    /// An upload becomes an object of all its parts.
    Complete {
        /// The key of the upload.
        key: String,
    },
    /// An upload is given up.
    Abort {
        /// The key of the upload.
        key: String,
    },
}

impl Step {
    /// A PUT.
    pub fn put(key: &str, body: Vec<u8>) -> Self {
        Self::Put {
            key: key.to_owned(),
            body: body.into(),
        }
    }

    /// A DELETE.
    pub fn delete(key: &str) -> Self {
        Self::Delete { key: key.to_owned() }
    }

    /// The begin of an upload.
    pub fn begin(key: &str) -> Self {
        Self::Begin { key: key.to_owned() }
    }

    /// A part of an upload.
    pub fn part(key: &str, number: u32, body: Vec<u8>) -> Self {
        Self::Part {
            key: key.to_owned(),
            number,
            body: body.into(),
        }
    }

    /// The completion of an upload.
    pub fn complete(key: &str) -> Self {
        Self::Complete { key: key.to_owned() }
    }

    /// The end of an upload that becomes nothing.
    pub fn abort(key: &str) -> Self {
        Self::Abort { key: key.to_owned() }
    }

    /// The contents once the step has happened.
    #[must_use]
    pub fn after(&self, before: &Contents) -> Contents {
        let mut after = before.clone();
        match self {
            Self::CreateBucket => after.exists = true,
            Self::DeleteBucket => after.exists = false,
            Self::Put { key, body } => drop(after.objects.insert(key.clone(), vec![body.clone()])),
            Self::Delete { key } => drop(after.objects.remove(key)),
            Self::Begin { key } => drop(
                after
                    .uploads
                    .insert(key.clone(), std::collections::BTreeMap::new()),
            ),
            Self::Part { key, number, body } => {
                let parts = after.uploads.get_mut(key).expect("an upload that was begun");
                parts.insert(*number, body.clone());
            }
            Self::Complete { key } => {
                let parts = after.uploads.remove(key).expect("an upload that was begun");
                after.objects.insert(key.clone(), parts.into_values().collect());
            }
            Self::Abort { key } => drop(after.uploads.remove(key)),
        }
        after
    }
}
