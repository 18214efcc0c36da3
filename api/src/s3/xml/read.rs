//! Reading.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;

/// Why a document was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XmlError {
    /// Not well-formed, or not what the operation expects.
    Malformed(&'static str),
    /// An element whose meaning is known and not built.
    NotImplemented(&'static str),
}

/// A document entered element by element.
///
/// The callers know each element they may meet and refuse the rest, so no document is deeper than the
/// deepest one they know, and attributes are never looked at.
pub(super) struct XmlReader<'a> {
    reader: Reader<&'a [u8]>,
}

impl<'a> XmlReader<'a> {
    /// Enters the root, which must be called `root`.
    pub(super) fn document(bytes: &'a [u8], root: &str) -> Result<Self, XmlError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Malformed("not UTF-8"))?;
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        let mut xml = Self { reader };
        loop {
            match xml.event()? {
                Event::Decl(declaration) => match declaration.encoding() {
                    None => {}
                    Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => {}
                    Some(_) => return Err(XmlError::Malformed("the encoding is not UTF-8")),
                },
                Event::Text(text) if is_blank(&text) => {}
                Event::Start(start) if start.local_name().as_ref() == root => return Ok(xml),
                _ => return Err(XmlError::Malformed("another root element was expected")),
            }
        }
    }

    /// Enters the next element within the one entered last; `None` at its end, which is left.
    pub(super) fn child(&mut self) -> Result<Option<BytesStart<'a>>, XmlError> {
        loop {
            match self.event()? {
                Event::Start(start) => return Ok(Some(start)),
                Event::End(_) => return Ok(None),
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(XmlError::Malformed("elements were expected")),
            }
        }
    }

    /// The text of the element entered last, which is left. There may be no element in it.
    pub(super) fn text(&mut self) -> Result<String, XmlError> {
        let mut value = String::new();
        loop {
            match self.event()? {
                Event::Text(text) => value.push_str(&text.xml10_content()),
                Event::CData(text) => value.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => value.push(character),
                    Ok(None) => value.push(predefined(&reference)?),
                    Err(_) => return Err(XmlError::Malformed("a character reference is not one")),
                },
                Event::End(_) => return Ok(value),
                _ => return Err(XmlError::Malformed("text was expected")),
            }
        }
    }

    /// The number in the element entered last, which is left.
    pub(super) fn number(&mut self) -> Result<u64, XmlError> {
        let text = self.text()?;
        let digits = text.trim_matches(WHITE);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(XmlError::Malformed("a number was expected"));
        }
        digits
            .parse()
            .map_err(|_| XmlError::Malformed("a number is too large"))
    }

    /// To be called when the root was left: nothing but white space and comments may follow.
    pub(super) fn end(mut self) -> Result<(), XmlError> {
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Text(text) if is_blank(&text) => {}
                _ => return Err(XmlError::Malformed("something follows the root element")),
            }
        }
    }

    /// The next event that is not a comment.
    fn event(&mut self) -> Result<Event<'a>, XmlError> {
        loop {
            match self.reader.read_event() {
                Ok(Event::Comment(_)) => {}
                Ok(Event::DocType(_)) => return Err(XmlError::Malformed("a document type is not accepted")),
                Ok(Event::PI(_)) => {
                    return Err(XmlError::Malformed("a processing instruction is not accepted"));
                }
                Ok(event) => return Ok(event),
                Err(_) => return Err(XmlError::Malformed("not well-formed")),
            }
        }
    }
}

const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

fn predefined(name: &str) -> Result<char, XmlError> {
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(XmlError::Malformed("an entity is not defined")),
    }
}

/// Sets `slot`, once.
pub(super) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), XmlError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(XmlError::Malformed("an element is there twice")),
    }
}

impl From<XmlError> for S3Error {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::Malformed(reason) => Self::with_message(
                ErrorCode::MalformedXml,
                format!("{} ({reason})", ErrorCode::MalformedXml.message()),
            ),
            XmlError::NotImplemented(element) => Self::with_message(
                ErrorCode::NotImplemented,
                "An element you provided implies functionality that is not implemented.",
            )
            .detail("Element", element),
        }
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

    use super::{XmlError, XmlReader};

    fn text_of(document: &str) -> Result<String, XmlError> {
        let mut xml = XmlReader::document(document.as_bytes(), "Root")?;
        let text = xml.text()?;
        xml.end()?;
        Ok(text)
    }

    #[test]
    fn text_is_read_literally() {
        let cases = [
            ("<Root>a b</Root>", "a b"),
            ("<Root> a </Root>", " a "),
            ("<Root/>", ""),
            (
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Root>x</Root>\n",
                "x",
            ),
            ("\u{feff}<Root>x</Root>", "x"),
            (
                "<Root>&amp;&lt;&gt;&quot;&apos;&#65;&#x42;&#x1;</Root>",
                "&<>\"'AB\u{1}",
            ),
            ("<Root><![CDATA[<a>&b;]]>c</Root>", "<a>&b;c"),
            ("<Root>a<!-- no -->b</Root>", "ab"),
            ("<Root>a\r\nb&#xD;</Root>", "a\nb\r"),
            ("<s:Root xmlns:s='urn:x' y='z'>x</s:Root>", "x"),
        ];
        for (document, expected) in cases {
            assert_eq!(text_of(document).as_deref(), Ok(expected), "{document}");
        }
    }

    #[test]
    fn what_is_not_plain_xml_is_malformed() {
        let cases = [
            "",
            "Root",
            "<Root>",
            "<Root></Boot>",
            "<Boot/>",
            "<Root>&lol;</Root>",
            "<Root>&</Root>",
            "<Root>&#0;</Root>",
            "<Root>&#xD800;</Root>",
            "<Root>&#+65;</Root>",
            "<Root><a/></Root>",
            "<Root/><Root/>",
            "<Root/>x",
            "<!DOCTYPE Root [<!ENTITY lol \"lol\">]><Root>&lol;</Root>",
            "<!DOCTYPE Root SYSTEM \"file:///etc/passwd\"><Root/>",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Root/>",
            "<?php echo ?><Root/>",
            "<Root><?php echo ?></Root>",
        ];
        for document in cases {
            assert!(
                matches!(text_of(document), Err(XmlError::Malformed(_))),
                "{document}: {:?}",
                text_of(document)
            );
        }
        let latin1 = b"<Root>\xE9</Root>";
        assert!(XmlReader::document(latin1, "Root").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(mut xml) = XmlReader::document(&bytes, "Root") {
                while let Ok(Some(_)) = xml.child() {}
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[<>/&;#a-zA-Z!\\[\\]?\" =-]{0,80}") {
            let _ = text_of(&text);
            let _ = text_of(&format!("<Root>{text}</Root>"));
        }
    }
}
