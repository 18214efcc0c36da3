use std::fmt;

use crate::codec::{Problem, Raw, Value};

/// A SHA-256: of settings, of the parts of an upload, of a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

impl Value for Digest {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.0.put(tag, out);
    }

    fn size(&self, tag: u32) -> usize {
        self.0.size(tag)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        raw.array().map(Digest)
    }
}
