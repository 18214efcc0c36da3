//! Conditional requests (RFC 9110 section 13, and what S3 makes of them).

use super::error::Condition;
use super::name::ETag;
use super::object::UnixMillis;

/// What `If-Match` or `If-None-Match` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagMatch {
    /// `*`: any current representation.
    Any,
    /// One of these.
    OneOf(Vec<ETag>),
}

/// The conditions of a GET or HEAD.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadConditions {
    /// `If-Match`.
    pub if_match: Option<ETagMatch>,
    /// `If-None-Match`.
    pub if_none_match: Option<ETagMatch>,
    /// `If-Modified-Since`, whole seconds.
    pub if_modified_since: Option<UnixMillis>,
    /// `If-Unmodified-Since`, whole seconds.
    pub if_unmodified_since: Option<UnixMillis>,
}

/// What the conditions of a read say of an object that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadVerdict {
    /// Send it.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed(Condition),
}

/// The conditions of a write, decided where it is applied and nowhere before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteConditions {
    /// `If-Match`: the current version must be this one. Without a current version a PUT or Complete
    /// fails with [`NoSuchKey`](super::Error::NoSuchKey).
    pub if_match: Option<ETagMatch>,
    /// `If-None-Match`: no current version may be this one; with `*` there may be none at all.
    pub if_none_match: Option<ETagMatch>,
}

impl ETagMatch {
    /// Whether `etag` is named.
    #[must_use]
    pub fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.contains(etag),
        }
    }
}

impl ReadConditions {
    /// Decides in the order of RFC 9110 section 13.2.2: `If-Match`, else `If-Unmodified-Since`; then
    /// `If-None-Match`, else `If-Modified-Since`. HTTP dates have whole seconds, so the fraction of
    /// `last_modified` does not count.
    #[must_use]
    pub fn evaluate(&self, etag: &ETag, last_modified: UnixMillis) -> ReadVerdict {
        let modified_after = |date: UnixMillis| last_modified.0 / 1000 > date.0 / 1000;
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.matches(etag) => return ReadVerdict::Failed(Condition::IfMatch),
            (None, Some(date)) if modified_after(date) => {
                return ReadVerdict::Failed(Condition::IfUnmodifiedSince);
            }
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.matches(etag) => ReadVerdict::NotModified,
            (None, Some(date)) if !modified_after(date) => ReadVerdict::NotModified,
            _ => ReadVerdict::Proceed,
        }
    }
}

impl WriteConditions {
    /// Whether there is nothing to decide.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }
}
