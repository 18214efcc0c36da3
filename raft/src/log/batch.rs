//! The payload of a normal entry: commands proposed together, and the leader's clock.

use bytes::Bytes;
use prost::Message;

/// Commands that one leader appended at one moment. The position of a command in the batch is part
/// of the version order, so a batch is never reordered or split.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct CommandBatch {
    /// Milliseconds since 1970, stamped by the leader; apply uses the maximum of it and the last.
    #[prost(uint64, tag = "1")]
    pub(crate) now: u64,
    /// Encoded envelopes.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) commands: Vec<Bytes>,
}

impl CommandBatch {
    /// The encoding, in one allocation.
    pub(crate) fn to_bytes(&self) -> Bytes {
        Bytes::from(self.encode_to_vec())
    }

    /// Reads a batch back; the commands share `bytes`.
    pub(crate) fn from_bytes(bytes: Bytes) -> Result<Self, prost::DecodeError> {
        Self::decode(bytes)
    }
}
