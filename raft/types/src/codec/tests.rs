#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "the macros declare public types with all they may need"
)]

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::ids::{BlobId, BucketId};

record! {
    /// One field of every shape.
    pub struct Sample {
        /// A number.
        1 => number: u64,
        /// An id that is a number.
        2 => bucket: BucketId,
        /// An id that is bytes.
        3 => blob: BlobId,
        /// A flag.
        4 => flag: bool,
        /// An optional text.
        5 => text: Option<String>,
        /// Records.
        6 => inner: Vec<Inner>,
        /// Numbers.
        7 => numbers: Vec<u64>,
        /// A choice.
        8 => choice: Either,
        /// A numbered enum with a default.
        9 => kind: Kind,
        /// Bytes.
        16 => data: Bytes,
    }
}

record! {
    /// A record in a record.
    pub struct Inner {
        /// A number.
        1 => number: u32,
    }
}

choice! {
    /// One of two.
    pub enum Either {
        /// Nothing more to say.
        1 => Unit,
        /// With a value.
        2 => Inner(Inner),
    }
}

numbered! {
    /// An enum.
    pub enum Kind {
        /// The default.
        0 => Zero,
        /// Another one.
        3 => Three,
    }
}

/// The same message, as protobuf's own derive sees it.
#[derive(Clone, PartialEq, Message)]
struct Twin {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(uint64, tag = "2")]
    bucket: u64,
    #[prost(bytes = "vec", tag = "3")]
    blob: Vec<u8>,
    #[prost(bool, tag = "4")]
    flag: bool,
    #[prost(string, optional, tag = "5")]
    text: Option<String>,
    #[prost(message, repeated, tag = "6")]
    inner: Vec<TwinInner>,
    #[prost(uint64, repeated, packed = "false", tag = "7")]
    numbers: Vec<u64>,
    #[prost(message, required, tag = "8")]
    choice: TwinEither,
    #[prost(uint32, tag = "9")]
    kind: u32,
    #[prost(bytes = "vec", tag = "16")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct TwinInner {
    #[prost(uint32, tag = "1")]
    number: u32,
}

#[derive(Clone, PartialEq, Message)]
struct TwinEither {
    #[prost(bytes = "vec", optional, tag = "1")]
    unit: Option<Vec<u8>>,
    #[prost(message, optional, tag = "2")]
    inner: Option<TwinInner>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let inner = any::<u32>().prop_map(|number| Inner { number });
    let either = prop_oneof![
        Just(Either::Unit),
        any::<u32>().prop_map(|number| Either::Inner(Inner { number }))
    ];
    let kind = prop_oneof![Just(Kind::Zero), Just(Kind::Three)];
    (
        any::<u64>(),
        any::<u64>(),
        any::<[u8; 16]>(),
        any::<bool>(),
        proptest::option::of(".{0,8}"),
        proptest::collection::vec(inner, 0..4),
        proptest::collection::vec(any::<u64>(), 0..4),
        either,
        kind,
        proptest::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(
            |(number, bucket, blob, flag, text, inner, numbers, choice, kind, data)| Sample {
                number,
                bucket: BucketId(bucket),
                blob: BlobId(blob),
                flag,
                text,
                inner,
                numbers,
                choice,
                kind,
                data: Bytes::from(data),
            },
        )
}

fn twin(sample: &Sample) -> Twin {
    let inner = |inner: &Inner| TwinInner { number: inner.number };
    Twin {
        number: sample.number,
        bucket: sample.bucket.0,
        blob: sample.blob.0.to_vec(),
        flag: sample.flag,
        text: sample.text.clone(),
        inner: sample.inner.iter().map(inner).collect(),
        numbers: sample.numbers.clone(),
        choice: match &sample.choice {
            Either::Unit => TwinEither {
                unit: Some(Vec::new()),
                inner: None,
            },
            Either::Inner(value) => TwinEither {
                unit: None,
                inner: Some(inner(value)),
            },
        },
        kind: u32::from(sample.kind.number()),
        data: sample.data.to_vec(),
    }
}

proptest! {
    #[test]
    fn records_are_protobuf_and_read_back_as_they_were(sample in sample()) {
        let encoded = Record::encode(&sample);
        prop_assert_eq!(encoded.len(), Record::encoded_len(&sample));
        prop_assert_eq!(&encoded[..], &twin(&sample).encode_to_vec()[..]);
        prop_assert_eq!(<Sample as Record>::decode(encoded).unwrap(), sample);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(sample) = <Sample as Record>::decode(Bytes::from(bytes)) {
            prop_assert_eq!(<Sample as Record>::decode(Record::encode(&sample)).unwrap(), sample);
        }
    }

    #[test]
    fn a_record_that_was_cut_off_is_never_read_as_a_whole_one(
        sample in sample(), cut in any::<prop::sample::Index>(),
    ) {
        let encoded = Record::encode(&sample);
        let cut = cut.index(encoded.len());
        if let Ok(read) = <Sample as Record>::decode(encoded.slice(..cut)) {
            prop_assert_ne!(read, sample);
        }
    }
}

fn problem(bytes: &[u8]) -> Problem {
    <Sample as Record>::decode(Bytes::copy_from_slice(bytes))
        .unwrap_err()
        .problem
}

#[test]
fn decoding_is_strict() {
    let blob = [&[0x1a, 16][..], &[0; 16]].concat();
    let choice = [0x42, 2, 0x0a, 0];
    let whole = [&blob[..], &choice].concat();
    assert!(<Sample as Record>::decode(Bytes::from(whole.clone())).is_ok());
    let with = |bytes: &[u8]| problem(&[&whole[..], bytes].concat());
    assert_eq!(problem(&choice), Problem::Missing, "the blob");
    assert_eq!(problem(&blob), Problem::Missing, "the choice");
    assert_eq!(with(&[0x50, 1]), Problem::UnknownField(10));
    assert_eq!(with(&[0x08, 1, 0x08, 1]), Problem::Repeated);
    assert_eq!(with(&[0x20, 2]), Problem::Range(2), "a flag is 0 or 1");
    assert_eq!(with(&[0x48, 1]), Problem::UnknownNumber(1));
    assert_eq!(with(&[0x0a, 0]), Problem::Mismatch);
    assert_eq!(
        with(&[0x0d, 0, 0, 0, 0]),
        Problem::WireType(5),
        "no 32-bit fields"
    );
    assert_eq!(
        with(&[0x2a, 1, 0xff]),
        Problem::Invalid("invalid utf-8 sequence of 1 bytes from index 0".to_owned())
    );
    assert_eq!(with(&[0x2a, 9]), Problem::Truncated);
    assert_eq!(with(&[0x08]), Problem::Truncated);
    assert!(matches!(
        with(&[0x32, 6, 0x08, 0xff, 0xff, 0xff, 0xff, 0x1f]),
        Problem::Nested(_)
    ));
}

#[test]
fn a_choice_is_exactly_one_of_its_variants() {
    let decode = |bytes: &[u8]| {
        <Either as Record>::decode(Bytes::copy_from_slice(bytes)).map_err(|error| error.problem)
    };
    assert_eq!(decode(&[0x0a, 0]), Ok(Either::Unit));
    assert_eq!(decode(&[]), Err(Problem::Missing));
    assert_eq!(decode(&[0x0a, 0, 0x0a, 0]), Err(Problem::Repeated));
    assert_eq!(decode(&[0x0a, 1, 0]), Err(Problem::Length(1)));
    assert_eq!(decode(&[0x1a, 0]), Err(Problem::UnknownField(3)));
}
