use bytes::{Buf, Bytes};
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

use super::Problem;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;

/// One field's value as it stands on the wire.
#[derive(Clone, Debug)]
pub enum Raw {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2: a byte string, a text or an embedded record.
    Bytes(Bytes),
}

impl Raw {
    /// The value of a varint field.
    pub fn varint(self) -> Result<u64, Problem> {
        match self {
            Raw::Varint(value) => Ok(value),
            _ => Err(Problem::Mismatch),
        }
    }

    /// The value of a length-delimited field.
    pub fn bytes(self) -> Result<Bytes, Problem> {
        match self {
            Raw::Bytes(value) => Ok(value),
            _ => Err(Problem::Mismatch),
        }
    }

    /// The value of a byte string of fixed length.
    pub fn array<const N: usize>(self) -> Result<[u8; N], Problem> {
        let bytes = self.bytes()?;
        <[u8; N]>::try_from(&bytes[..]).map_err(|_| Problem::Length(bytes.len()))
    }
}

/// Walks over the fields of one encoded record.
#[derive(Debug)]
pub struct Reader {
    rest: Bytes,
}

impl Reader {
    /// A reader at the first field of `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        Reader { rest: bytes }
    }

    /// The next field's number and value, or `None` at the end.
    pub fn field(&mut self) -> Result<Option<(u32, Raw)>, Problem> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let tag = u32::try_from(key >> 3).map_err(|_| Problem::UnknownField(key >> 3))?;
        let raw = match key & 7 {
            VARINT => Raw::Varint(self.varint()?),
            FIXED64 => Raw::Fixed64(self.rest.try_get_u64_le().map_err(|_| Problem::Truncated)?),
            LENGTH_DELIMITED => Raw::Bytes(self.delimited()?),
            other => return Err(Problem::WireType(other)),
        };
        Ok(Some((tag, raw)))
    }

    fn varint(&mut self) -> Result<u64, Problem> {
        decode_varint(&mut self.rest).map_err(|_| Problem::Truncated)
    }

    fn delimited(&mut self) -> Result<Bytes, Problem> {
        let length = usize::try_from(self.varint()?).map_err(|_| Problem::Truncated)?;
        if length > self.rest.len() {
            return Err(Problem::Truncated);
        }
        Ok(self.rest.split_to(length))
    }
}

fn key(tag: u32, wire_type: u64) -> u64 {
    (u64::from(tag) << 3) | wire_type
}

pub(crate) fn put_varint(tag: u32, value: u64, out: &mut Vec<u8>) {
    encode_varint(key(tag, VARINT), out);
    encode_varint(value, out);
}

pub(crate) fn varint_len(tag: u32, value: u64) -> usize {
    encoded_len_varint(key(tag, VARINT)) + encoded_len_varint(value)
}

pub(crate) fn put_fixed64(tag: u32, value: u64, out: &mut Vec<u8>) {
    encode_varint(key(tag, FIXED64), out);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_bytes(tag: u32, value: &[u8], out: &mut Vec<u8>) {
    put_length(tag, value.len(), out);
    out.extend_from_slice(value);
}

/// The key and length of a length-delimited field; the caller appends `length` bytes.
pub(crate) fn put_length(tag: u32, length: usize, out: &mut Vec<u8>) {
    encode_varint(key(tag, LENGTH_DELIMITED), out);
    encode_varint(length as u64, out);
}

pub(crate) fn bytes_len(tag: u32, length: usize) -> usize {
    encoded_len_varint(key(tag, LENGTH_DELIMITED)) + encoded_len_varint(length as u64) + length
}
