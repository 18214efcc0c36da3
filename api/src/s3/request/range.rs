//! `Range` (RFC 9110 section 14.2) as S3 reads it.

use http::HeaderValue;

use crate::port::ByteRange;

/// A range that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeSpec {
    /// From `first` to `last`, both included, or to the end.
    From {
        /// First byte.
        first: u64,
        /// Last byte.
        last: Option<u64>,
    },
    /// The last bytes.
    Suffix(u64),
}

/// A range that lies behind the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsatisfiable;

/// `Content-Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentRange {
    /// These bytes of so many.
    Bytes(ByteRange, u64),
    /// None of so many.
    Unsatisfied(u64),
}

impl RangeSpec {
    /// Reads a value. `None` when it is to be ignored: another unit, several ranges (S3 sends the whole
    /// object then), or no range at all.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (unit, range) = value.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", suffix) => Some(Self::Suffix(number(suffix)?)),
            (first, "") => Some(Self::From {
                first: number(first)?,
                last: None,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From {
                    first,
                    last: Some(last),
                })
            }
        }
    }

    /// The bytes that this is of an object of `size` bytes; never none.
    pub(crate) fn resolve(self, size: u64) -> Result<ByteRange, Unsatisfiable> {
        let (offset, end) = match self {
            Self::From { first, last } => (first, last.map_or(size, |last| last.saturating_add(1).min(size))),
            Self::Suffix(length) => (size.saturating_sub(length), size),
        };
        match end.checked_sub(offset) {
            Some(length @ 1..) => Ok(ByteRange { offset, length }),
            Some(0) | None => Err(Unsatisfiable),
        }
    }
}

/// Digits; a number beyond all sizes counts as the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

impl ContentRange {
    /// The value of the header.
    pub(crate) fn value(self) -> Option<HeaderValue> {
        let text = match self {
            Self::Bytes(range, size) => {
                let last = range.offset + range.length.checked_sub(1)?;
                format!("bytes {}-{last}/{size}", range.offset)
            }
            Self::Unsatisfied(size) => format!("bytes */{size}"),
        };
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::{ContentRange, RangeSpec, Unsatisfiable};
    use crate::port::ByteRange;

    #[test]
    fn ranges_of_ten_bytes() {
        let cases = [
            ("bytes=0-0", Ok((0, 1))),
            ("bytes=0-", Ok((0, 10))),
            ("bytes=0-9", Ok((0, 10))),
            ("bytes=0-10", Ok((0, 10))),
            ("bytes=9-9", Ok((9, 1))),
            ("bytes=9-99999999999999999999999", Ok((9, 1))),
            ("bytes=3-18446744073709551615", Ok((3, 7))),
            ("bytes=-1", Ok((9, 1))),
            ("bytes=-10", Ok((0, 10))),
            ("bytes=-11", Ok((0, 10))),
            ("BYTES = 1-2", Ok((1, 2))),
            ("bytes=10-", Err(Unsatisfiable)),
            ("bytes=10-20", Err(Unsatisfiable)),
            ("bytes=99999999999999999999999-", Err(Unsatisfiable)),
            ("bytes=-0", Err(Unsatisfiable)),
        ];
        for (value, expected) in cases {
            let range = RangeSpec::parse(value).unwrap().resolve(10);
            assert_eq!(
                range,
                expected.map(|(offset, length)| ByteRange { offset, length }),
                "{value}"
            );
        }
    }

    #[test]
    fn no_range_of_an_empty_object_can_be_had() {
        for value in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"] {
            assert_eq!(
                RangeSpec::parse(value).unwrap().resolve(0),
                Err(Unsatisfiable),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_no_single_range_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=2-1",
            "bytes=0-1,3-4",
            "bytes=0-,-1",
            "bytes=+1-2",
            "bytes=1--2",
            "items=0-1",
            "bytes=0x0-1",
            "bytes=1 2-3",
        ] {
            assert_eq!(RangeSpec::parse(value), None, "{value}");
        }
    }

    #[test]
    fn content_range_counts_the_last_byte() {
        let range = ByteRange { offset: 2, length: 3 };
        assert_eq!(ContentRange::Bytes(range, 10).value().unwrap(), "bytes 2-4/10");
        assert_eq!(ContentRange::Unsatisfied(10).value().unwrap(), "bytes */10");
    }

    proptest! {
        #[test]
        fn a_range_that_is_granted_lies_within_the_object(
            first in any::<u64>(), last in proptest::option::of(any::<u64>()), size in any::<u64>(), suffix in any::<bool>(),
        ) {
            let spec = if suffix { RangeSpec::Suffix(first) } else { RangeSpec::From { first, last } };
            if let Ok(range) = spec.resolve(size) {
                prop_assert!(range.length > 0);
                prop_assert!(range.offset.checked_add(range.length).unwrap() <= size);
                prop_assert!(ContentRange::Bytes(range, size).value().is_some());
            }
        }

        #[test]
        fn no_value_makes_it_panic(value in any::<String>(), near in "bytes=[0-9,-]{0,30}") {
            let _ = RangeSpec::parse(&value).map(|spec| spec.resolve(7));
            let _ = RangeSpec::parse(&near).map(|spec| spec.resolve(7));
        }
    }
}
