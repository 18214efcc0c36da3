use std::fmt;
use std::str::FromStr;

use crate::codec::{Problem, Raw, Value, bytes_len, put_bytes};
use crate::ids::{InvalidId, parse_hex};

/// The ETag of an object: an MD5, and the number of parts where it is one over the MD5s of the parts.
///
/// On the wire it is 16 bytes, followed by the number of parts in two big-endian bytes where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ETag {
    /// MD5 of the bytes, or of the concatenated MD5s of the parts.
    pub md5: [u8; 16],
    /// Number of parts of a multipart upload, 1 to 10,000.
    pub parts: Option<u16>,
}

impl ETag {
    /// The ETag of an object written in one piece.
    pub const fn of_whole(md5: [u8; 16]) -> Self {
        ETag { md5, parts: None }
    }

    /// The ETag of an object put together from parts.
    pub const fn of_parts(md5: [u8; 16], parts: u16) -> Self {
        ETag {
            md5,
            parts: Some(parts),
        }
    }
}

impl fmt::Display for ETag {
    /// Without quotes: 32 hexadecimal digits, then `-` and the number of parts.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.md5 {
            write!(formatter, "{byte:02x}")?;
        }
        match self.parts {
            Some(parts) => write!(formatter, "-{parts}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ETag {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "an ETag: 32 hexadecimal digits and a number of parts");
        let (md5, parts) = match text.split_once('-') {
            Some((md5, parts)) => (md5, Some(parts)),
            None => (text, None),
        };
        let md5 = parse_hex(md5).ok_or_else(invalid)?;
        let parts = match parts {
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') => {
                Some(text.parse().map_err(|_| invalid())?)
            }
            Some(_) => return Err(invalid()),
            None => None,
        };
        Ok(ETag { md5, parts })
    }
}

impl Value for ETag {
    fn put(&self, tag: u32, out: &mut Vec<u8>) {
        match self.parts {
            None => put_bytes(tag, &self.md5, out),
            Some(parts) => {
                let mut bytes = [0; 18];
                bytes[..16].copy_from_slice(&self.md5);
                bytes[16..].copy_from_slice(&parts.to_be_bytes());
                put_bytes(tag, &bytes, out);
            }
        }
    }

    fn size(&self, tag: u32) -> usize {
        bytes_len(tag, if self.parts.is_some() { 18 } else { 16 })
    }

    fn take(raw: Raw) -> Result<Self, Problem> {
        let bytes = raw.bytes()?;
        let Some((md5, rest)) = bytes.split_first_chunk::<16>() else {
            return Err(Problem::Length(bytes.len()));
        };
        let parts = match *rest {
            [] => None,
            [high, low] => Some(u16::from_be_bytes([high, low])),
            _ => return Err(Problem::Length(bytes.len())),
        };
        Ok(ETag { md5: *md5, parts })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn etags_read_back_from_text_and_wire(
            md5 in any::<[u8; 16]>(), parts in proptest::option::of(1..=10_000_u16),
        ) {
            let etag = ETag { md5, parts };
            prop_assert_eq!(etag.to_string().parse(), Ok(etag));
            let mut out = Vec::new();
            etag.put(1, &mut out);
            prop_assert_eq!(out.len(), etag.size(1));
            prop_assert_eq!(ETag::take(Raw::Bytes(Bytes::from(out.split_off(2)))), Ok(etag));
        }
    }

    #[test]
    fn an_etag_has_one_spelling() {
        let md5 = "ab".repeat(16);
        assert_eq!(md5.parse(), Ok(ETag::of_whole([0xab; 16])));
        assert_eq!(format!("{md5}-12").parse(), Ok(ETag::of_parts([0xab; 16], 12)));
        for text in [
            "".to_owned(),
            md5.to_uppercase(),
            format!("\"{md5}\""),
            format!("{md5}-"),
            format!("{md5}-0"),
            format!("{md5}-01"),
            format!("{md5}-+1"),
            format!("{md5}-65536"),
            format!("{md5}-1-1"),
        ] {
            assert!(text.parse::<ETag>().is_err(), "{text}");
        }
        assert_eq!(
            ETag::take(Raw::Bytes(Bytes::from_static(&[0; 17]))),
            Err(Problem::Length(17))
        );
    }
}
