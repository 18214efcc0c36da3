//! The encoding of records and commands: protobuf on the wire, typed Rust values in memory.
//!
//! Generated protobuf structs hold bare integers and byte vectors; records made of typed ids would then have
//! to be converted at every read and write. So the few rules that the state needs are stated here once, as
//! two traits and three macros, on the wire primitives of `prost`:
//!
//! - fields are written in the order of the declaration, so that equal values have equal bytes on every node;
//! - scalars equal to their default are omitted, as in proto3; there are no maps and no floating point;
//! - decoding is strict: an unknown field, an unknown enum number, a repeated singular field or a missing
//!   required field is an error. A node that does not understand all of a row or command must not go on
//!   with the rest of it; new fields appear only under a raised feature level.

mod error;
mod macros;
mod raw;
mod value;

use bytes::Bytes;

pub use error::{DecodeError, Problem};
pub use raw::{Raw, Reader};
pub use value::{Field, Value};

pub(crate) use macros::{choice, embedded, numbered, record, variant};
pub(crate) use raw::{bytes_len, put_bytes, put_fixed64, put_length, put_varint, varint_len};

/// A value with a protobuf encoding of its own: a row's value, a command, an outcome.
pub trait Record: Sized {
    /// Appends the encoding to `out`.
    fn encode_fields(&self, out: &mut Vec<u8>);

    /// Length of the encoding in bytes.
    fn encoded_len(&self) -> usize;

    /// Reads all fields from `reader`.
    fn decode_fields(reader: Reader) -> Result<Self, DecodeError>;

    /// The encoding in a buffer of exactly its length.
    fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode_fields(&mut out);
        Bytes::from(out)
    }

    /// Reads a value back. Byte fields share the memory of `bytes`.
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::decode_fields(Reader::new(bytes))
    }
}

#[cfg(test)]
mod tests;
