//! What is counted of sealing and opening blobs, under the names of the orchestrator's encryption.

use super::names;

/// What is done to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealingOperation {
    /// A new blob is sealed.
    Encrypt,
    /// A whole blob is opened.
    Decrypt,
    /// A part of one is.
    DecryptRange,
}

/// Why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealingFailure {
    /// There is no key to seal with.
    NoKey,
    /// The data key could not be had.
    DataKey,
    /// The bytes are not those that were sealed.
    Damaged,
}

impl SealingOperation {
    fn label(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::DecryptRange => "decrypt_range",
        }
    }

    /// It was done.
    pub(crate) fn done(self) {
        metrics::counter!(names::ENCRYPTION_OPERATIONS, "op" => self.label()).increment(1);
    }

    /// It failed.
    pub(crate) fn failed(self, why: SealingFailure) {
        let error_type = match why {
            SealingFailure::NoKey => "encrypt_failed",
            SealingFailure::DataKey => "unpack_failed",
            SealingFailure::Damaged => "decrypt_failed",
        };
        metrics::counter!(names::ENCRYPTION_ERRORS, "op" => self.label(), "error_type" => error_type)
            .increment(1);
    }
}

/// A blob names a key that this node does not have.
pub(crate) fn unknown_key() {
    metrics::counter!(names::ENCRYPTION_UNKNOWN_KEYS).increment(1);
}

/// Stored bytes are verified while they are read.
pub(crate) fn verifying_read() {
    metrics::counter!(names::INTEGRITY_CHECKS, "operation" => "read").increment(1);
}

/// They were not those that were stored.
pub(crate) fn wrong_read() {
    metrics::counter!(names::INTEGRITY_ERRORS, "operation" => "read").increment(1);
}
