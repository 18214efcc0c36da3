//! One interface over the hash functions that are too slow to run between two reads.

use std::fmt;

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};

/// A hash being computed. MD5 comes from the only implementation at hand that needs no `unsafe` here;
/// it is bound by the latency of its own steps, so no implementation for one message is much faster.
#[derive(Clone)]
pub(super) enum Engine {
    Md5(Md5),
    Sha(digest::Context),
}

/// A hash that was computed: 16, 20 or 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash {
    bytes: [u8; 32],
    length: usize,
}

impl Engine {
    pub(super) fn md5() -> Self {
        Self::Md5(Md5::new())
    }

    pub(super) fn sha1() -> Self {
        Self::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY))
    }

    pub(super) fn sha256() -> Self {
        Self::Sha(digest::Context::new(&digest::SHA256))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha(context) => context.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Hash {
        match self {
            Self::Md5(hasher) => Hash::new(&hasher.finalize()),
            Self::Sha(context) => Hash::new(context.finish().as_ref()),
        }
    }
}

impl Hash {
    fn new(value: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Self {
            bytes,
            length: value.len().min(32),
        }
    }

    /// The value.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// The value, where it has `N` bytes.
    pub(super) fn exactly<const N: usize>(&self) -> Option<[u8; N]> {
        self.bytes().try_into().ok()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5(_) => "Engine::Md5",
            Self::Sha(_) => "Engine::Sha",
        })
    }
}
