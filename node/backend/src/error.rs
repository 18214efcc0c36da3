//! What can go wrong at a backend, sorted by what a caller can do about it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use raft_types::BackendName;

use crate::body::BodyError;
use crate::key::BackendKey;

/// The outcome of one call of the port.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed call: which [`Operation`] on which backend and key, what [`ErrorKind`], and why
/// ([`source`](StdError::source)).
///
/// | kind | class | what the caller does |
/// |---|---|---|
/// | [`NotFound`](ErrorKind::NotFound) | [`Suspect`](Class::Suspect) | reads another replica and reports this one; metadata is never removed because of it |
/// | [`Corrupt`](ErrorKind::Corrupt) | [`Suspect`](Class::Suspect) | the same; after a put: gives the attempt up |
/// | [`Throttled`](ErrorKind::Throttled) | [`Retry`](Class::Retry) | goes elsewhere, comes back after the time named |
/// | [`Unavailable`](ErrorKind::Unavailable) | [`Retry`](Class::Retry) | goes elsewhere, comes back with backoff |
/// | [`Full`](ErrorKind::Full) | [`Elsewhere`](Class::Elsewhere) | writes elsewhere; reads and deletes go on here |
/// | [`Denied`](ErrorKind::Denied) | [`Elsewhere`](Class::Elsewhere) | goes elsewhere and tells the operator |
/// | [`NotOurs`](ErrorKind::NotOurs) | [`Stop`](Class::Stop) | stops using the backend from this node |
/// | [`AlreadyExists`](ErrorKind::AlreadyExists) | [`Caller`](Class::Caller) | the key was used before: draws another attempt |
/// | [`Body`](ErrorKind::Body) | [`Caller`](Class::Caller) | its own body failed; the backend is not to blame |
/// | [`Invalid`](ErrorKind::Invalid) | [`Caller`](Class::Caller) | a defect in the caller; never sent again |
///
/// **After a failed put** the bytes may or may not be there, whatever the kind, [`Body`](ErrorKind::Body)
/// alone excepted: that put left nothing visible. A caller gives the attempt up and never uses its key
/// again. **After a failed delete** the same keys are deleted again later; deleting is idempotent.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Operation,
    backend: Arc<BackendName>,
    key: Option<BackendKey>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What went wrong. Closed: a new kind is a decision about every caller.
#[derive(Debug, thiserror::Error)]
pub enum ErrorKind {
    /// There is nothing under the key.
    #[error("not found")]
    NotFound,
    /// The key of a [`PutMode::Create`](crate::PutMode::Create) is taken; what is there is untouched.
    #[error("the key is taken")]
    AlreadyExists,
    /// The backend, or a limit of ours before it, asks for fewer requests.
    #[error("asked to slow down")]
    Throttled {
        /// How long to wait at least, where the backend named it.
        retry_after: Option<Duration>,
    },
    /// No answer, or one that says "later": a lost connection, a timeout, a 5xx, an I/O error.
    #[error("unavailable")]
    Unavailable,
    /// Credentials, permissions or a read-only place refuse the operation.
    #[error("denied")]
    Denied,
    /// No room, or a quota of the provider is used up.
    #[error("full")]
    Full,
    /// The bytes there are not what they must be: short, long, unreadable, of another checksum.
    #[error("corrupt: {what}")]
    Corrupt {
        /// What is wrong with them.
        what: Cow<'static, str>,
    },
    /// The identity of the backend is not the one this cluster wrote (see [`crate::guard`]).
    #[error("not ours: {what}")]
    NotOurs {
        /// What was found instead.
        what: Cow<'static, str>,
    },
    /// The body that the caller handed in failed, ended early or ran over. Nothing became visible.
    #[error("the body to store failed")]
    Body(#[source] BodyError),
    /// A request that this backend can never fulfil.
    #[error("invalid request: {what}")]
    Invalid {
        /// What is wrong with it.
        what: Cow<'static, str>,
    },
}

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// This replica is in doubt; others and the backend itself are not.
    Suspect,
    /// The backend is in trouble; the same request may succeed later. Counts for a circuit breaker.
    Retry,
    /// This backend will go on refusing until someone acts; another one may do it.
    Elsewhere,
    /// The backend is not to be used from this node at all.
    Stop,
    /// The caller's own doing; no other backend would fare better.
    Caller,
}

/// The operations of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// [`Backend::put`](crate::Backend::put)
    Put,
    /// [`Backend::get`](crate::Backend::get)
    Get,
    /// [`Backend::head`](crate::Backend::head)
    Head,
    /// [`Backend::delete`](crate::Backend::delete)
    Delete,
    /// [`Backend::list`](crate::Backend::list)
    List,
    /// [`Backend::tidy`](crate::Backend::tidy)
    Tidy,
    /// Opening the backend, before it takes requests.
    Open,
}

impl Error {
    /// An error without a key and without a cause.
    pub fn new(kind: ErrorKind, operation: Operation, backend: &Arc<BackendName>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            backend: Arc::clone(backend),
            key: None,
            source: None,
        }))
    }

    /// Names the key that the operation was about.
    #[must_use]
    pub fn with_key(mut self, key: &BackendKey) -> Self {
        self.0.key = Some(key.clone());
        self
    }

    /// Names the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What a caller can do about it.
    pub fn class(&self) -> Class {
        self.0.kind.class()
    }

    /// Which operation failed.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The backend it failed on, by the label that people know.
    pub fn backend(&self) -> &Arc<BackendName> {
        &self.0.backend
    }

    /// The key it was about, if about one.
    pub fn key(&self) -> Option<&BackendKey> {
        self.0.key.as_ref()
    }

    /// Whether there is nothing under the key.
    pub fn is_not_found(&self) -> bool {
        matches!(self.0.kind, ErrorKind::NotFound)
    }

    /// How long the backend asks to wait, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.kind {
            ErrorKind::Throttled { retry_after } => retry_after,
            _ => None,
        }
    }
}

impl ErrorKind {
    /// A [`Corrupt`](Self::Corrupt) that says `what`.
    pub fn corrupt(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    /// An [`Invalid`](Self::Invalid) that says `what`.
    pub fn invalid(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { what: what.into() }
    }

    /// A [`NotOurs`](Self::NotOurs) that says `what`.
    pub fn not_ours(what: impl Into<Cow<'static, str>>) -> Self {
        Self::NotOurs { what: what.into() }
    }

    /// What a caller can do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::NotFound | Self::Corrupt { .. } => Class::Suspect,
            Self::Throttled { .. } | Self::Unavailable => Class::Retry,
            Self::Denied | Self::Full => Class::Elsewhere,
            Self::NotOurs { .. } => Class::Stop,
            Self::AlreadyExists | Self::Body(_) | Self::Invalid { .. } => Class::Caller,
        }
    }

    /// A short name for metrics and logs, in snake case.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Full => "full",
            Self::Corrupt { .. } => "corrupt",
            Self::NotOurs { .. } => "not_ours",
            Self::Body(_) => "body",
            Self::Invalid { .. } => "invalid",
        }
    }
}

impl Operation {
    /// Every operation, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Put,
        Self::Get,
        Self::Head,
        Self::Delete,
        Self::List,
        Self::Tidy,
        Self::Open,
    ];

    /// A short name for metrics and logs, in snake case.
    pub fn label(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Tidy => "tidy",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            operation,
            backend,
            key,
            source: _,
        } = &*self.0;
        match key {
            Some(key) => write!(f, "{operation} of {key} on backend {backend}: {kind}"),
            None => write!(f, "{operation} on backend {backend}: {kind}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            operation,
            backend,
            key,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("backend", &backend.as_str())
            .field("key", &key.as_ref().map(BackendKey::as_str))
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match (&self.0.source, &self.0.kind) {
            (Some(source), _) => Some(source.as_ref()),
            (None, ErrorKind::Body(cause)) => Some(cause),
            (None, _) => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_operation_key_backend_and_its_whole_chain() {
        let name = Arc::new(BackendName::new("cold-1").unwrap());
        let key = BackendKey::parse("p/.holdfast/identity").unwrap();
        let cause = std::io::Error::other("the cable is out");
        let error = Error::new(ErrorKind::Unavailable, Operation::Get, &name)
            .with_key(&key)
            .with_source(cause);

        assert_eq!(
            error.to_string(),
            "get of p/.holdfast/identity on backend cold-1: unavailable"
        );
        assert_eq!(error.source().unwrap().to_string(), "the cable is out");
        assert_eq!(error.class(), Class::Retry);
    }

    #[test]
    fn a_failed_body_is_the_cause_of_its_error() {
        let kind = ErrorKind::Body(BodyError::Short { expected: 9, got: 3 });
        let error = Error::new(kind, Operation::Put, &Arc::new(BackendName::new("b").unwrap()));

        assert_eq!(error.class(), Class::Caller);
        assert!(error.source().unwrap().to_string().contains("3 of 9"));
    }

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
