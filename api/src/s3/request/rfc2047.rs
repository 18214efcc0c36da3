//! Text in headers that is not ASCII: encoded-words of RFC 2047, as S3 takes and gives them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Begins an encoded-word.
const OPEN: &str = "=?";
/// Ends one.
const CLOSE: &str = "?=";

/// `text` with its encoded-words decoded. Only whole words count, set apart by white space; white space
/// between two of them is dropped. What is not understood stays as it is.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(OPEN) {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_encoded = false;
    while !rest.is_empty() {
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let (space, tail) = rest.split_at(spaces);
        let (word, tail) = tail.split_at(tail.find([' ', '\t']).unwrap_or(tail.len()));
        match encoded_word(word) {
            Some(content) => {
                if !after_encoded {
                    decoded.push_str(space);
                }
                decoded.push_str(&content);
                after_encoded = true;
            }
            None => {
                decoded.push_str(space);
                decoded.push_str(word);
                after_encoded = false;
            }
        }
        rest = tail;
    }
    Cow::Owned(decoded)
}

/// A value that [`decode`] turns back into `text` and that may stand in a header.
pub(super) fn encode(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains(OPEN);
    if plain {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("=?UTF-8?B?{}?=", STANDARD.encode(text)))
}

fn encoded_word(word: &str) -> Option<String> {
    let inner = word.strip_prefix(OPEN)?.strip_suffix(CLOSE)?;
    let (charset, inner) = inner.split_once('?')?;
    let (encoding, content) = inner.split_once('?')?;
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(content).ok()?,
        "Q" | "q" => quoted(content)?,
        _ => return None,
    };
    if charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii") {
        return String::from_utf8(bytes).ok();
    }
    if charset.eq_ignore_ascii_case("iso-8859-1") {
        return Some(bytes.into_iter().map(char::from).collect());
    }
    None
}

fn quoted(content: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(content.len());
    let mut rest = content.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let pair = [rest.next()?, rest.next()?];
                let mut decoded = [0];
                hex::decode_to_slice(pair, &mut decoded).ok()?;
                decoded[0]
            }
            b'?' => return None,
            other => other,
        });
    }
    Some(bytes)
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

    use super::{decode, encode};

    #[test]
    fn encoded_words_are_decoded() {
        for (text, expected) in [
            ("plain", "plain"),
            ("=?UTF-8?B?w6k=?=", "é"),
            ("=?utf-8?q?caf=C3=A9_au_lait?=", "café au lait"),
            ("=?ISO-8859-1?Q?caf=E9?=", "café"),
            ("a =?UTF-8?B?w6k=?= b", "a é b"),
            ("=?UTF-8?B?w6k=?= =?UTF-8?Q?=C3=A9?=", "éé"),
            ("=?UTF-8?B?w6k=?=  plain", "é  plain"),
            ("=?UTF-8?Q??=", ""),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_stays() {
        for text in [
            "=?",
            "=??=",
            "=?UTF-8?B?w6k=",
            "x=?UTF-8?B?w6k=?=",
            "=?KOI8-R?B?w6k=?=",
            "=?UTF-8?X?w6k=?=",
            "=?UTF-8?B?!?=",
            "=?UTF-8?B?/w==?=",
            "=?UTF-8?Q?=f?=",
            "=?UTF-8?Q?=zz?=",
            "=?UTF-8?Q?a?b?=",
        ] {
            assert_eq!(decode(text), text, "{text}");
        }
    }

    #[test]
    fn plain_values_are_sent_as_they_are() {
        assert_eq!(encode("mode:33188/uid:0"), "mode:33188/uid:0");
        assert_eq!(encode("é"), "=?UTF-8?B?w6k=?=");
        assert!(encode("a\r\nSet-Cookie: b").starts_with("=?UTF-8?B?"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_a_header_value_and_decodes_to_itself(text in any::<String>()) {
            let encoded = encode(&text).into_owned();
            prop_assert!(http::HeaderValue::from_str(&encoded).is_ok());
            prop_assert_eq!(decode(&encoded).into_owned(), text);
        }

        #[test]
        fn awkward_texts_survive_too(text in "[=?UTF8BQ \t-]{0,30}") {
            let encoded = encode(&text).into_owned();
            prop_assert_eq!(decode(&encoded).into_owned(), text);
        }
    }
}
