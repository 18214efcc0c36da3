use std::fmt;

use crate::codec::{Problem, Raw, Value};
use crate::keys::{KeyError, KeyPart, KeyReader};

/// A point of replicated time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MillisUtc(pub u64);

impl MillisUtc {
    /// The point this many milliseconds later, or the end of time.
    pub const fn plus_millis(self, millis: u64) -> Self {
        MillisUtc(self.0.saturating_add(millis))
    }

    /// Whole seconds since 1970, the resolution of HTTP dates.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for MillisUtc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ms", self.0)
    }
}

impl Value for MillisUtc {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.0.put(tag, out);
    }

    fn size(&self, tag: u32) -> usize {
        self.0.size(tag)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        raw.varint().map(MillisUtc)
    }

    fn is_omitted(&self) -> bool {
        self.0 == 0
    }

    fn omitted() -> Option<Self> {
        Some(MillisUtc(0))
    }
}

impl KeyPart for MillisUtc {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        u64::read(reader).map(MillisUtc)
    }
}
