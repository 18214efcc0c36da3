//! Writing.

use std::fmt::{Display, Write as _};

/// First line of every document.
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// The namespace of the answers of S3. Error documents have none.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document that grows. Names are ours, values are escaped.
pub(super) struct XmlWriter {
    out: String,
    forbidden: Forbidden,
}

/// What becomes of characters that XML 1.0 cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forbidden {
    /// Character references, as S3 writes them: not well-formed, but told apart. A client that has such
    /// keys asks for `encoding-type=url`.
    Referenced,
    /// One replacement for all: an error must be readable whatever a client sent.
    Replaced,
}

impl XmlWriter {
    /// A document with room for about `capacity` bytes.
    fn new(capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity + DECLARATION.len());
        out.push_str(DECLARATION);
        Self {
            out,
            forbidden: Forbidden::Referenced,
        }
    }

    /// The document of `root` in the namespace of S3, filled by `content`.
    pub(super) fn document(capacity: usize, root: &str, content: impl FnOnce(&mut Self)) -> String {
        Self::new(capacity).rooted(root, content)
    }

    /// As [`document`](Self::document), without the declaration.
    pub(super) fn fragment_document(capacity: usize, root: &str, content: impl FnOnce(&mut Self)) -> String {
        Self::fragment(capacity).rooted(root, content)
    }

    fn rooted(self, root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = self;
        xml.raw(&["<", root, " xmlns=\"", NAMESPACE, "\">"]);
        content(&mut xml);
        xml.raw(&["</", root, ">"]);
        xml.out
    }

    /// Elements without a declaration, to end a document that was begun.
    pub(super) fn fragment(capacity: usize) -> Self {
        Self {
            out: String::with_capacity(capacity),
            forbidden: Forbidden::Referenced,
        }
    }

    /// As [`fragment`](Self::fragment), well-formed whatever comes.
    pub(super) fn readable_fragment(capacity: usize) -> Self {
        Self {
            forbidden: Forbidden::Replaced,
            ..Self::fragment(capacity)
        }
    }

    /// The document of `root` in the namespace of S3 that holds nothing but text.
    pub(super) fn root_text(root: &str, text: &str) -> String {
        let mut xml = Self::new(128);
        if text.is_empty() {
            xml.raw(&["<", root, " xmlns=\"", NAMESPACE, "\"/>"]);
        } else {
            xml.raw(&["<", root, " xmlns=\"", NAMESPACE, "\">"]);
            xml.escape(text);
            xml.raw(&["</", root, ">"]);
        }
        xml.out
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// An element with elements in it.
    pub(super) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.raw(&["<", name, ">"]);
        content(self);
        self.raw(&["</", name, ">"]);
    }

    /// An element with text. An empty text is an empty element.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return self.raw(&["<", name, "/>"]);
        }
        self.raw(&["<", name, ">"]);
        self.escape(text);
        self.raw(&["</", name, ">"]);
    }

    /// An element with text, if there is one.
    pub(super) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// An element with a number or a truth value, which need no escaping.
    pub(super) fn number(&mut self, name: &str, value: impl Display) {
        self.raw(&["<", name, ">"]);
        // Writing to a string does not fail.
        let _ = write!(self.out, "{value}");
        self.raw(&["</", name, ">"]);
    }

    /// An ETag, in the quotes that belong to it.
    pub(super) fn etag(&mut self, etag: &crate::port::ETag) {
        self.raw(&["<ETag>&quot;"]);
        self.escape(etag.as_str());
        self.raw(&["&quot;</ETag>"]);
    }

    fn escape(&mut self, text: &str) {
        escape_into(&mut self.out, text, self.forbidden);
    }

    fn raw(&mut self, pieces: &[&str]) {
        pieces.iter().for_each(|piece| self.out.push_str(piece));
    }
}

/// Escapes what XML reserves.
fn escape_into(out: &mut String, text: &str, forbidden: Forbidden) {
    let mut clean = 0;
    for (at, character) in text.char_indices() {
        let escaped = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            '\0'..='\x1f' | '\x7f' | '\u{fffe}' | '\u{ffff}' => "",
            _ => continue,
        };
        out.push_str(text.get(clean..at).unwrap_or_default());
        if !escaped.is_empty() {
            out.push_str(escaped);
        } else if forbidden == Forbidden::Replaced && !matches!(character, '\t' | '\n' | '\r' | '\x7f') {
            out.push('\u{fffd}');
        } else {
            let _ = write!(out, "&#x{:X};", u32::from(character));
        }
        clean = at + character.len_utf8();
    }
    out.push_str(text.get(clean..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Forbidden, XmlWriter, escape_into};

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape_into(&mut out, text, Forbidden::Referenced);
        out
    }

    #[test]
    fn what_xml_reserves_is_escaped() {
        assert_eq!(escaped("a&b<c>d\"e'f"), "a&amp;b&lt;c&gt;d&quot;e&#39;f");
        assert_eq!(escaped("\0\t\n\x1f\x7fé"), "&#x0;&#x9;&#xA;&#x1F;&#x7F;é");
    }

    #[test]
    fn a_document_has_the_namespace_of_s3_and_empty_elements_stay() {
        let document = XmlWriter::document(0, "Root", |xml| {
            xml.text("Prefix", "");
            xml.number("MaxKeys", 7);
            xml.optional("Marker", None);
        });
        assert_eq!(
            document,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Root xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Prefix/><MaxKeys>7</MaxKeys></Root>"
        );
    }

    proptest! {
        #[test]
        fn a_readable_fragment_is_well_formed_whatever_comes(text in any::<String>(), odd in "[\u{0}-\u{20}\u{fffe}\u{ffff}&<]*") {
            for text in [text, odd] {
                let mut escaped = String::new();
                escape_into(&mut escaped, &text, Forbidden::Replaced);
                let read = quick_xml::escape::unescape(&escaped).unwrap();
                let illegal = |c| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
                prop_assert!(!read.chars().any(illegal), "not in XML 1.0");
            }
        }

        #[test]
        fn escaped_text_reads_back_as_itself(text in "[^\u{0}-\u{1f}\u{7f}\u{fffe}\u{ffff}]*") {
            let escaped = escaped(&text);
            prop_assert_eq!(quick_xml::escape::unescape(&escaped).unwrap(), text.as_str());
        }
    }
}
