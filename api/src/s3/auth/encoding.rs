//! The percent-encoding of canonical requests.

use std::borrow::Cow;

/// What a byte `/` or `+` means in the text at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Component {
    /// A path: `/` separates, `+` is a plus.
    Path,
    /// A name or value of a query: `/` is data, `+` is a space.
    Query,
}

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// `text` encoded the one way that S3 prescribes: unreserved characters as they are, all other bytes
/// as `%XX` with upper-case digits. An escape that stands for an unreserved character is replaced by
/// the character; `%2F` in a path stays an escape, so that it never becomes a separator.
///
/// `None` when an escape is malformed. Borrows when `text` has that form already.
pub(super) fn normalise(text: &str, component: Component) -> Option<Cow<'_, str>> {
    if is_normal(text.as_bytes(), component) {
        return Some(Cow::Borrowed(text));
    }
    let mut normal = String::with_capacity(text.len() + text.len() / 2);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let decoded = escape(bytes.next(), bytes.next())?;
                if is_unreserved(decoded) {
                    normal.push(char::from(decoded));
                } else {
                    push_escape(&mut normal, decoded);
                }
            }
            b'/' if component == Component::Path => normal.push('/'),
            b'+' if component == Component::Query => push_escape(&mut normal, b' '),
            _ if is_unreserved(byte) => normal.push(char::from(byte)),
            _ => push_escape(&mut normal, byte),
        }
    }
    Some(Cow::Owned(normal))
}

/// The text that `normal`, a string made by [`normalise`] from a query, stands for. `None` when it is
/// not UTF-8.
pub(super) fn decode<'a>(normal: &Cow<'a, str>) -> Option<Cow<'a, str>> {
    if !normal.contains('%') {
        return Some(normal.clone());
    }
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(normal).collect();
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn is_normal(text: &[u8], component: Component) -> bool {
    let mut rest = text;
    loop {
        match rest {
            [] => return true,
            [b'%', high, low, tail @ ..] => {
                let upper = |digit: &u8| digit.is_ascii_digit() || (b'A'..=b'F').contains(digit);
                let Some(decoded) = escape(Some(*high), Some(*low)) else {
                    return false;
                };
                if !upper(high) || !upper(low) || is_unreserved(decoded) {
                    return false;
                }
                rest = tail;
            }
            [b'/', tail @ ..] if component == Component::Path => rest = tail,
            [byte, tail @ ..] if is_unreserved(*byte) => rest = tail,
            _ => return false,
        }
    }
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn escape(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high?)? << 4 | digit(low?)?)
}

fn push_escape(text: &mut String, byte: u8) {
    let digit = |nibble: u8| {
        UPPER_HEX
            .get(usize::from(nibble))
            .copied()
            .map_or('0', char::from)
    };
    text.push('%');
    text.push(digit(byte >> 4));
    text.push(digit(byte & 0x0f));
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn path(text: &str) -> String {
        normalise(text, Component::Path)
            .expect("well-formed")
            .into_owned()
    }

    fn query(text: &str) -> String {
        normalise(text, Component::Query)
            .expect("well-formed")
            .into_owned()
    }

    #[test]
    fn every_byte_of_a_query_is_itself_or_one_escape() {
        for byte in 0..=u8::MAX {
            let escaped = format!("%{byte:02x}");
            let expected = match char::from(byte) {
                c @ ('A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '.' | '_' | '~') => c.to_string(),
                _ => format!("%{byte:02X}"),
            };
            assert_eq!(query(&escaped), expected);
            assert_eq!(query(&expected), expected, "normal text stays as it is");
        }
    }

    #[test]
    fn a_plus_is_a_space_in_a_query_and_a_plus_in_a_path() {
        assert_eq!(query("a+b"), "a%20b");
        assert_eq!(path("a+b"), "a%2Bb");
    }

    #[test]
    fn slashes_and_dots_of_a_path_stay_where_they_are() {
        assert_eq!(path("//a/./../b//"), "//a/./../b//");
        assert_eq!(path("/a%2fb"), "/a%2Fb");
        assert_eq!(path("/a%252Fb"), "/a%252Fb");
        assert_eq!(query("a/b"), "a%2Fb");
    }

    #[test]
    fn text_outside_ascii_is_encoded_byte_by_byte() {
        assert_eq!(path("/\u{e4}\u{1f600}"), "/%C3%A4%F0%9F%98%80");
    }

    #[test]
    fn malformed_escapes_are_refused() {
        for text in ["%", "a%", "%4", "a%zz", "%+1", "%1\u{e9}", "%%41"] {
            assert_eq!(normalise(text, Component::Path), None, "{text}");
            assert_eq!(normalise(text, Component::Query), None, "{text}");
        }
    }
}
