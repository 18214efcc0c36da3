//! What a backend can do beyond what the contract demands of each.

/// What a backend can do. A remote one learns this by a probe, so a caller asks each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What happens to a [`PutMode::Create`](crate::PutMode::Create) whose key is taken.
    pub create: CreateSupport,
    /// What a put gives back as proof of what was stored.
    pub evidence: EvidenceSupport,
    /// Whether a delete that names no version frees the bytes.
    pub versions: VersionSupport,
    /// In which order a listing comes.
    pub order: ListOrder,
    /// The longest body of one put, in bytes.
    pub max_put: u64,
}

/// What happens to a create whose key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateSupport {
    /// It is refused, and of many racing creates exactly one wins.
    Refused,
    /// The backend knows no condition and would overwrite: only keys that are drawn once are safe.
    Unchecked,
}

/// What a put gives back as proof of what was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceSupport {
    /// CRC64-NVME of the bytes as the backend took them.
    Crc64,
    /// Their MD5.
    Md5,
    /// Nothing: ask with a head.
    None,
}

/// Whether a delete that names no version frees the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionSupport {
    /// One key holds one body; a delete frees it.
    Unversioned,
    /// Every put makes a version and a delete without one only hides it: callers name the version
    /// that the put returned.
    Versioned,
}

/// In which order a listing comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListOrder {
    /// By the bytes of the key.
    ByKey,
    /// In an order of its own, stable across the pages of one listing.
    Unordered,
}
