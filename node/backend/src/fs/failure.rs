//! Errors of the operating system, sorted into the kinds of the port.

use std::fmt;
use std::sync::Arc;

use raft_types::BackendName;
use rustix::io::Errno;

use super::place::NoPlace;
use crate::error::{Error, ErrorKind, Operation};
use crate::key::BackendKey;

/// A failed step, before it is known to which call it belongs.
#[derive(Debug)]
pub(super) struct Failure {
    kind: ErrorKind,
    cause: Option<Cause>,
}

/// Which step failed, and with what.
#[derive(Debug)]
struct Cause {
    step: &'static str,
    errno: Errno,
}

impl Failure {
    /// A failure that is not one of the operating system.
    pub(super) fn of(kind: ErrorKind) -> Self {
        Self { kind, cause: None }
    }

    /// A failure while names were looked up or files opened for reading. What is not a file of ours
    /// is not there; a symbolic link in the way is never followed.
    pub(super) fn looking(step: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| {
            let kind = match errno {
                Errno::NOENT | Errno::NOTDIR | Errno::ISDIR => ErrorKind::NotFound,
                Errno::LOOP | Errno::XDEV => ErrorKind::corrupt("a symbolic link lies in its place"),
                other => common(other),
            };
            Self {
                kind,
                cause: Some(Cause { step, errno }),
            }
        }
    }

    /// A failure while the bytes of a file were read: it is this file that is in doubt.
    pub(super) fn reading(step: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| {
            let kind = match errno {
                Errno::IO | Errno::UCLEAN | Errno::BADMSG => ErrorKind::corrupt("its bytes cannot be read"),
                other => common(other),
            };
            Self {
                kind,
                cause: Some(Cause { step, errno }),
            }
        }
    }

    /// A failure while something was made, written, renamed, synced or removed.
    pub(super) fn changing(step: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| {
            let kind = match errno {
                Errno::EXIST => ErrorKind::AlreadyExists,
                Errno::NOTDIR | Errno::ISDIR => {
                    ErrorKind::invalid("a body and a folder cannot have the same path")
                }
                // Links and mounts that an operator put where our folders belong.
                Errno::LOOP | Errno::XDEV => ErrorKind::Denied,
                other => common(other),
            };
            Self {
                kind,
                cause: Some(Cause { step, errno }),
            }
        }
    }

    /// The errno, where the operating system gave one.
    pub(super) fn errno(&self) -> Option<Errno> {
        self.cause.as_ref().map(|cause| cause.errno)
    }

    /// The error of the call that this step belonged to.
    pub(super) fn into_error(
        self,
        operation: Operation,
        backend: &Arc<BackendName>,
        key: Option<&BackendKey>,
    ) -> Error {
        let mut error = Error::new(self.kind, operation, backend);
        if let Some(key) = key {
            error = error.with_key(key);
        }
        match self.cause {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }
}

fn common(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOSPC | Errno::DQUOT => ErrorKind::Full,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorKind::Denied,
        Errno::NAMETOOLONG | Errno::INVAL | Errno::FBIG | Errno::ILSEQ => {
            ErrorKind::invalid("the file system cannot hold it")
        }
        // EIO, ESTALE, ENODEV, ETIMEDOUT, EMFILE, ENOMEM, and a temporary file or folder that a
        // sweep took away: another try finds the place in another state.
        _ => ErrorKind::Unavailable,
    }
}

impl From<NoPlace> for Failure {
    fn from(reason: NoPlace) -> Self {
        Self::of(ErrorKind::invalid(match reason {
            NoPlace::TooLong => "a segment of the key is longer than a file name can be",
            NoPlace::Temporary => "the key is named like a temporary file",
        }))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.step, self.errno)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.errno)
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
    use crate::error::Class;

    #[test]
    fn every_errno_says_what_a_caller_can_do() {
        let class = |failure: Failure| failure.kind.class();
        for full in [Errno::NOSPC, Errno::DQUOT] {
            assert!(matches!(Failure::changing("write")(full).kind, ErrorKind::Full));
        }
        assert_eq!(class(Failure::changing("write")(Errno::IO)), Class::Retry);
        assert_eq!(class(Failure::changing("rename")(Errno::NOENT)), Class::Retry);
        assert_eq!(class(Failure::changing("write")(Errno::ROFS)), Class::Elsewhere);
        assert_eq!(class(Failure::reading("read")(Errno::IO)), Class::Suspect);
        assert_eq!(class(Failure::looking("open")(Errno::IO)), Class::Retry);
        assert_eq!(class(Failure::looking("open")(Errno::MFILE)), Class::Retry);
        assert!(matches!(
            Failure::looking("open")(Errno::NOTDIR).kind,
            ErrorKind::NotFound
        ));
        assert_eq!(class(Failure::looking("open")(Errno::LOOP)), Class::Suspect);
        assert_eq!(class(Failure::changing("open")(Errno::LOOP)), Class::Elsewhere);
    }

    #[test]
    fn the_error_names_the_step_and_the_errno() {
        let error = Failure::changing("sync the folder")(Errno::NOSPC).into_error(
            Operation::Put,
            &Arc::new(BackendName::new("b").unwrap()),
            None,
        );
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.to_string().starts_with("cannot sync the folder: "));
        assert!(source.source().is_some());
    }
}
