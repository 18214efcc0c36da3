use std::fmt;
use std::str::FromStr;

use super::{IncarnationCounter, InvalidId, parse_hex};
use crate::codec::{Problem, Raw, Value};
use crate::keys::{KeyError, KeyPart, KeyReader};

/// A version of an object: the place in history at which it was applied.
///
/// The order of the fields is the order of versions. Its public form is opaque to clients: 32 hexadecimal
/// digits of the same 16 bytes that sort in keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId {
    /// The life of the cluster in which the entry was applied.
    pub incarnation: IncarnationCounter,
    /// Index of the entry.
    pub index: u64,
    /// Place within the entry: commands and the keys of one command are counted together.
    pub position: u32,
}

impl VersionId {
    /// Number of bytes of the encoding.
    pub const LENGTH: usize = 16;

    /// The bytes in the order in which they sort.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let value = (u128::from(self.incarnation.0) << 96)
            | (u128::from(self.index) << 32)
            | u128::from(self.position);
        value.to_be_bytes()
    }

    /// The version of these bytes. Every value of the bytes is a version.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        VersionId {
            incarnation: IncarnationCounter(u32::from_be_bytes([a, b, c, d])),
            index: u64::from_be_bytes([e, f, g, h, i, j, k, l]),
            position: u32::from_be_bytes([m, n, o, p]),
        }
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:08x}{:016x}{:08x}",
            self.incarnation.0, self.index, self.position
        )
    }
}

impl FromStr for VersionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text)
            .map(Self::from_bytes)
            .ok_or_else(|| InvalidId::new(text, "a version id: 32 lower-case hexadecimal digits"))
    }
}

impl Value for VersionId {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.to_bytes().put(tag, out);
    }

    fn size(&self, tag: u32) -> usize {
        self.to_bytes().size(tag)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        raw.array().map(Self::from_bytes)
    }
}

impl KeyPart for VersionId {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_bytes().write(out);
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        <[u8; Self::LENGTH]>::read(reader).map(Self::from_bytes)
    }
}

/// A row that a command creates beside its own subject: a release or an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId {
    /// Index of the entry that created it.
    pub index: u64,
    /// Position of the command within the entry.
    pub position: u32,
    /// Counts the rows that one command creates.
    pub ordinal: u32,
}

impl RowId {
    fn to_bytes(self) -> [u8; 16] {
        let value =
            (u128::from(self.index) << 64) | (u128::from(self.position) << 32) | u128::from(self.ordinal);
        value.to_be_bytes()
    }

    fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        RowId {
            index: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            position: u32::from_be_bytes([i, j, k, l]),
            ordinal: u32::from_be_bytes([m, n, o, p]),
        }
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.index, self.position, self.ordinal)
    }
}

impl Value for RowId {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        self.to_bytes().put(tag, out);
    }

    fn size(&self, tag: u32) -> usize {
        self.to_bytes().size(tag)
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        raw.array().map(Self::from_bytes)
    }
}

impl KeyPart for RowId {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_bytes().write(out);
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        <[u8; 16]>::read(reader).map(Self::from_bytes)
    }
}
