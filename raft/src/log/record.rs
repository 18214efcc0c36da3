//! One log entry as a value of the `log` family.
//!
//! format (u8) · kind (u8) · CRC-32C (u32 LE) · term (u64 LE) · payload
//!
//! The checksum covers the index, the format, the kind, the term and the payload: a record that was
//! damaged, or that stands under another key than its own, is not taken for an entry. The term can
//! be read without decoding the payload.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use openraft::EntryPayload;
use prost::Message;

use crate::consensus::{Entry, LogId, Proposal, StoredMembershipRow, log_id, term_of};

/// The format that this release writes.
const FORMAT: u8 = 1;
/// Bytes before the payload.
pub(crate) const HEADER: usize = 14;

const KIND_BLANK: u8 = 0;
const KIND_COMMANDS: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// Bytes that are not a record of the index at which they stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRecord {
    #[error("it is cut short: {0} bytes")]
    Short(usize),
    #[error("its format {0} is not known to this release")]
    Format(u8),
    #[error("its kind {0} is not known to this release")]
    Kind(u8),
    #[error("its checksum is wrong")]
    Checksum,
    #[error("its membership is wrong: {0}")]
    Membership(String),
}

/// Appends the record of `entry` to `out`, which is emptied first.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    out.clear();
    let (kind, payload) = match &entry.payload {
        EntryPayload::Blank => (KIND_BLANK, Bytes::new()),
        EntryPayload::Normal(proposal) => (KIND_COMMANDS, proposal.0.clone()),
        EntryPayload::Membership(membership) => {
            let row = StoredMembershipRow::of(None, membership);
            (KIND_MEMBERSHIP, Bytes::from(row.encode_to_vec()))
        }
    };
    let term = term_of(&entry.log_id);
    out.reserve(HEADER + payload.len());
    out.extend_from_slice(&[FORMAT, kind]);
    out.extend_from_slice(&checksum(entry.log_id.index(), FORMAT, kind, term, &payload).to_le_bytes());
    out.extend_from_slice(&term.to_le_bytes());
    out.extend_from_slice(&payload);
}

/// Reads the record that stands at `index`.
pub(crate) fn decode(index: u64, record: &[u8]) -> Result<Entry, InvalidRecord> {
    let parts = Parts::split(record)?;
    if parts.format != FORMAT {
        return Err(InvalidRecord::Format(parts.format));
    }
    if parts.checksum != checksum(index, parts.format, parts.kind, parts.term, parts.payload) {
        return Err(InvalidRecord::Checksum);
    }
    let payload = match parts.kind {
        KIND_BLANK if parts.payload.is_empty() => EntryPayload::Blank,
        KIND_COMMANDS => EntryPayload::Normal(Proposal(Bytes::copy_from_slice(parts.payload))),
        KIND_MEMBERSHIP => {
            let row = StoredMembershipRow::decode(parts.payload)
                .map_err(|error| InvalidRecord::Membership(error.to_string()))?;
            let membership = row
                .membership()
                .map_err(|error| InvalidRecord::Membership(error.to_string()))?;
            EntryPayload::Membership(membership)
        }
        kind => return Err(InvalidRecord::Kind(kind)),
    };
    Ok(Entry {
        log_id: log_id(parts.term, index),
        payload,
    })
}

/// The log id of the record that stands at `index`, without looking at the payload.
pub(crate) fn decode_log_id(index: u64, record: &[u8]) -> Result<LogId, InvalidRecord> {
    Ok(log_id(Parts::split(record)?.term, index))
}

struct Parts<'a> {
    format: u8,
    kind: u8,
    checksum: u32,
    term: u64,
    payload: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(record: &'a [u8]) -> Result<Self, InvalidRecord> {
        let short = InvalidRecord::Short(record.len());
        let Some((&[format, kind], rest)) = record.split_first_chunk() else {
            return Err(short);
        };
        let Some((checksum, rest)) = rest.split_first_chunk() else {
            return Err(short);
        };
        let Some((term, payload)) = rest.split_first_chunk() else {
            return Err(short);
        };
        Ok(Self {
            format,
            kind,
            checksum: u32::from_le_bytes(*checksum),
            term: u64::from_le_bytes(*term),
            payload,
        })
    }
}

fn checksum(index: u64, format: u8, kind: u8, term: u64, payload: &[u8]) -> u32 {
    let mut head = [0; 18];
    head[..8].copy_from_slice(&index.to_le_bytes());
    head[8] = format;
    head[9] = kind;
    head[10..].copy_from_slice(&term.to_le_bytes());
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&head);
    digest.update(payload);
    // A CRC-32 fills the low half of what the digest returns.
    digest.finalize() as u32
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::consensus::{Membership, Peer};

    fn membership() -> Membership {
        let peer = Peer {
            name: "node-1".into(),
            address: String::new(),
        };
        Membership::new(vec![BTreeSet::from([1])], BTreeMap::from([(1, peer)])).unwrap()
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let payload = prop_oneof![
            Just(EntryPayload::Blank),
            proptest::collection::vec(any::<u8>(), 0..512)
                .prop_map(|bytes| EntryPayload::Normal(Proposal(bytes.into()))),
            Just(EntryPayload::Membership(membership())),
        ];
        (any::<u64>(), any::<u64>(), payload).prop_map(|(term, index, payload)| Entry {
            log_id: log_id(term, index),
            payload,
        })
    }

    proptest! {
        #[test]
        fn an_entry_survives_its_record(entry in entries()) {
            let mut record = vec![1, 2, 3];
            encode(&entry, &mut record);
            prop_assert_eq!(&decode(entry.log_id.index(), &record).unwrap(), &entry);
            prop_assert_eq!(decode_log_id(entry.log_id.index(), &record).unwrap(), entry.log_id);
        }

        #[test]
        fn a_changed_bit_or_a_foreign_index_is_noticed(entry in entries(), at: prop::sample::Index, bit in 0_u8..8) {
            let mut record = Vec::new();
            encode(&entry, &mut record);
            prop_assert!(decode(entry.log_id.index().wrapping_add(1), &record).is_err());
            let at = at.index(record.len());
            record[at] ^= 1 << bit;
            prop_assert!(decode(entry.log_id.index(), &record).is_err());
        }
    }

    #[test]
    fn every_cut_of_a_record_is_noticed() {
        let entry = Entry {
            log_id: log_id(3, 4),
            payload: EntryPayload::Normal(Proposal(Bytes::from_static(b"command"))),
        };
        let mut record = Vec::new();
        encode(&entry, &mut record);
        for length in 0..record.len() {
            assert!(decode(4, &record[..length]).is_err(), "cut to {length}");
        }
    }
}
