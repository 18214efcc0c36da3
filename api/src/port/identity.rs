//! Who asks, and for what.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What an access key stands for.
#[derive(Debug)]
pub struct Credential {
    /// The access key, public.
    pub access_key: Arc<str>,
    /// The name of its user; stable, used in logs and as owner.
    pub user: Arc<str>,
    /// The secret that signs.
    pub secret: SecretKey,
}

/// A secret access key. Never shown, wiped when dropped.
pub struct SecretKey(Zeroizing<String>);

/// A caller whose signature was verified against the credential of the view after the barrier.
#[derive(Debug, Clone)]
pub struct Caller {
    credential: Arc<Credential>,
}

/// An owner as S3 shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The canonical id.
    pub id: Arc<str>,
    /// The name shown.
    pub display_name: Arc<str>,
}

/// The id of one request: on its answer, in its log lines, in its error. 16 upper-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u64);

/// What is known of a request before the barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestInfo {
    /// Its id.
    pub id: RequestId,
    /// What it asks for.
    pub operation: Operation,
}

/// The operations of the S3 surface, by the names that AWS gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `GET /`
    ListBuckets,
    /// `PUT /bucket`
    CreateBucket,
    /// `DELETE /bucket`
    DeleteBucket,
    /// `HEAD /bucket`
    HeadBucket,
    /// `GET /bucket?location`
    GetBucketLocation,
    /// `GET /bucket`
    ListObjects,
    /// `GET /bucket?list-type=2`
    ListObjectsV2,
    /// `PUT /bucket/key`
    PutObject,
    /// `GET /bucket/key`
    GetObject,
    /// `HEAD /bucket/key`
    HeadObject,
    /// `DELETE /bucket/key`
    DeleteObject,
    /// `POST /bucket?delete`
    DeleteObjects,
    /// `POST /bucket/key?uploads`
    CreateMultipartUpload,
    /// `PUT /bucket/key?partNumber&uploadId`
    UploadPart,
    /// `GET /bucket/key?uploadId`
    ListParts,
    /// `GET /bucket?uploads`
    ListMultipartUploads,
    /// `POST /bucket/key?uploadId`
    CompleteMultipartUpload,
    /// `DELETE /bucket/key?uploadId`
    AbortMultipartUpload,
}

impl SecretKey {
    /// Takes a secret over.
    #[must_use]
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// Whether both are the same secret, in time that depends on their lengths only.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// The secret itself, for signing and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl Caller {
    /// A caller proved by a signature made with `credential`, the one of the view after the barrier.
    /// Surfaces call this once the proof was checked; nobody else has a reason to.
    #[must_use]
    pub fn verified(credential: Arc<Credential>) -> Self {
        Self { credential }
    }

    /// The access key that signed.
    #[must_use]
    pub fn access_key(&self) -> &Arc<str> {
        &self.credential.access_key
    }

    /// Its user.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.credential.user
    }
}

impl RequestId {
    /// The id with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The id as clients see it, in 16 upper-case hexadecimal digits.
    #[must_use]
    pub fn digits(self) -> [u8; 16] {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let mut digits = [b'0'; 16];
        let nibbles = (0..16).rev().map(|place| (self.0 >> (4 * place) & 0xF) as usize);
        for (digit, nibble) in digits.iter_mut().zip(nibbles) {
            *digit = DIGITS.get(nibble).copied().unwrap_or(b'0');
        }
        digits
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 18] = [
        Self::ListBuckets,
        Self::CreateBucket,
        Self::DeleteBucket,
        Self::HeadBucket,
        Self::GetBucketLocation,
        Self::ListObjects,
        Self::ListObjectsV2,
        Self::PutObject,
        Self::GetObject,
        Self::HeadObject,
        Self::DeleteObject,
        Self::DeleteObjects,
        Self::CreateMultipartUpload,
        Self::UploadPart,
        Self::ListParts,
        Self::ListMultipartUploads,
        Self::CompleteMultipartUpload,
        Self::AbortMultipartUpload,
    ];

    /// The name that AWS gives it; label of metrics and log lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::DeleteBucket => "DeleteBucket",
            Self::HeadBucket => "HeadBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::PutObject => "PutObject",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::DeleteObject => "DeleteObject",
            Self::DeleteObjects => "DeleteObjects",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::ListParts => "ListParts",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
        }
    }
}
