//! The answers' XML, read by another reader than that under test.

use quick_xml::Reader;
use quick_xml::events::Event;

/// The texts of all elements called `name`, in order. Fails on XML that is not well-formed.
pub(crate) fn values(document: &str, name: &str) -> Vec<String> {
    paths(document)
        .into_iter()
        .filter(|(path, _)| path.rsplit('/').next() == Some(name))
        .map(|(_, text)| text)
        .collect()
}

/// The texts of all elements with this path, in order.
pub(crate) fn at(document: &str, path: &str) -> Vec<String> {
    paths(document)
        .into_iter()
        .filter(|(known, _)| known == path)
        .map(|(_, text)| text)
        .collect()
}

/// Every element without elements in it, by its path.
fn paths(document: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut stack, mut found, mut text, mut leaf): (Vec<String>, Vec<_>, String, bool) = Default::default();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(start) => {
                stack.push(start.name().as_ref().to_owned());
                text.clear();
                leaf = true;
            }
            Event::Text(content) => text.push_str(&content),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().expect("a reference") {
                Some(character) => text.push(character),
                None => text.push_str(match &*reference {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    other => panic!("&{other};"),
                }),
            },
            Event::End(_) => {
                if leaf {
                    found.push((stack.join("/"), text.clone()));
                }
                leaf = false;
                stack.pop();
            }
            Event::Eof => return found,
            Event::Decl(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
