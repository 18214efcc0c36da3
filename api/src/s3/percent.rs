//! Percent-encoding, strictly read.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a `+` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// In a path: a plus.
    Literal,
    /// In a query: a space.
    Space,
}

/// An escape that is none, or bytes that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// All but these and letters and digits is escaped in a listing with `encoding-type=url`. A space is
/// `%20`: every decoder reads that, `+` only some.
const LISTING: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'*');

/// Decodes every escape once. A literal `%` must begin an escape. Borrows where nothing is escaped.
pub(crate) fn decode(raw: &str, plus: Plus) -> Result<Cow<'_, str>, Malformed> {
    let escaped = |byte: u8| byte == b'%' || (byte == b'+' && plus == Plus::Space);
    let Some(first) = raw.bytes().position(escaped) else {
        return Ok(Cow::Borrowed(raw));
    };
    let (clean, rest) = raw.split_at_checked(first).ok_or(Malformed)?;
    let mut decoded = Vec::with_capacity(raw.len());
    decoded.extend_from_slice(clean.as_bytes());
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Malformed)
}

/// Encodes for a listing with `encoding-type=url`.
pub(crate) fn encode_for_listing(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, &LISTING).into()
}

fn digit(byte: Option<u8>) -> Result<u8, Malformed> {
    match byte {
        Some(b @ b'0'..=b'9') => Ok(b - b'0'),
        Some(b @ b'a'..=b'f') => Ok(b - b'a' + 10),
        Some(b @ b'A'..=b'F') => Ok(b - b'A' + 10),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Malformed, Plus, decode, encode_for_listing};

    #[test]
    fn an_escape_is_decoded_once_and_only_once() {
        assert_eq!(decode("a%252Fb", Plus::Literal).as_deref(), Ok("a%2Fb"));
        assert_eq!(decode("a%2Fb", Plus::Literal).as_deref(), Ok("a/b"));
        assert_eq!(decode("%00", Plus::Literal).as_deref(), Ok("\0"));
        assert_eq!(decode("%c3%A9", Plus::Literal).as_deref(), Ok("é"));
    }

    #[test]
    fn a_plus_is_a_space_in_a_query_only() {
        assert_eq!(decode("a+b", Plus::Literal).as_deref(), Ok("a+b"));
        assert_eq!(decode("a+b", Plus::Space).as_deref(), Ok("a b"));
        assert_eq!(decode("a%2Bb", Plus::Space).as_deref(), Ok("a+b"));
    }

    #[test]
    fn broken_escapes_and_bytes_that_are_not_utf8_are_refused() {
        for bad in ["%", "a%", "a%2", "%zz", "%2g", "%%", "%ff", "%c3", "%ED%A0%80"] {
            assert_eq!(decode(bad, Plus::Literal), Err(Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_a_listing_encodes_decodes_to_itself(text in any::<String>()) {
            let encoded = encode_for_listing(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert_eq!(decode(&encoded, Plus::Literal).unwrap(), text.as_str());
            prop_assert_eq!(decode(&encoded, Plus::Space).unwrap(), text.as_str());
        }

        #[test]
        fn decoding_never_panics(text in any::<String>()) {
            let _ = decode(&text, Plus::Literal);
            let _ = decode(&text, Plus::Space);
        }
    }
}
