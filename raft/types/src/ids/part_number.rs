use std::fmt;

use crate::codec::{Problem, Raw, Value};
use crate::keys::{KeyError, KeyPart, KeyReader};

/// Number of a part within its upload: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The smallest number that S3 allows.
    pub const MIN: Self = PartNumber(1);
    /// The largest number that S3 allows.
    pub const MAX: Self = PartNumber(10_000);

    /// The part of this number; `None` outside of 1 to 10,000.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= Self::MIN.0 && number <= Self::MAX.0 {
            Some(PartNumber(number))
        } else {
            None
        }
    }

    /// The number, from 1.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The following number; `None` after the last.
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Value for PartNumber {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        u32::from(self.0).put(tag, out);
    }

    fn size(&self, tag: u32) -> usize {
        u32::from(self.0).size(tag)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        let number = raw.varint()?;
        u16::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or(Problem::Range(number))
    }
}

impl KeyPart for PartNumber {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        let number = u16::read(reader)?;
        Self::new(number).ok_or(KeyError::Range(u64::from(number)))
    }
}
