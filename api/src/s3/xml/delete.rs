//! `Delete`, asked and answered.

use super::complete::read_etag;
use super::read::{XmlError, XmlReader, once};
use super::write::XmlWriter;
use crate::port::{DeletedObject, ETag};
use crate::s3::error::S3Error;

/// Most keys of one request.
const MAX_KEYS: usize = 1000;

/// What a client wants deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeleteRequest {
    /// Whether only failures are told.
    pub(crate) verbosity: Verbosity,
    /// 1 to 1,000 keys, in order.
    pub(crate) targets: Vec<DeleteTarget>,
}

/// How much a client wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Every key.
    Verbose,
    /// Only failures.
    Quiet,
}

/// A key to delete, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeleteTarget {
    /// Literally.
    pub(crate) key: String,
    /// Only if the current version is this one.
    pub(crate) etag: Option<ETag>,
}

/// Reads a `Delete` document.
pub(crate) fn delete_objects(bytes: &[u8]) -> Result<DeleteRequest, XmlError> {
    let mut xml = XmlReader::document(bytes, "Delete")?;
    let mut quiet = None;
    let mut targets = Vec::new();
    while let Some(child) = xml.child()? {
        match child.local_name().as_ref() {
            "Quiet" => once(&mut quiet, read_verbosity(&xml.text()?)?)?,
            "Object" if targets.len() == MAX_KEYS => {
                return Err(XmlError::Malformed("there are more than 1000 keys"));
            }
            "Object" => targets.push(target(&mut xml)?),
            _ => return Err(XmlError::Malformed("an element is not known here")),
        }
    }
    xml.end()?;
    if targets.is_empty() {
        return Err(XmlError::Malformed("there is no key"));
    }
    Ok(DeleteRequest {
        verbosity: quiet.unwrap_or(Verbosity::Verbose),
        targets,
    })
}

fn target(xml: &mut XmlReader<'_>) -> Result<DeleteTarget, XmlError> {
    let (mut key, mut etag) = (None, None);
    while let Some(child) = xml.child()? {
        match child.local_name().as_ref() {
            "Key" => once(&mut key, xml.text()?)?,
            "ETag" => once(&mut etag, read_etag(&xml.text()?))?,
            "VersionId" => return Err(XmlError::NotImplemented("VersionId")),
            "LastModifiedTime" => return Err(XmlError::NotImplemented("LastModifiedTime")),
            "Size" => return Err(XmlError::NotImplemented("Size")),
            _ => return Err(XmlError::Malformed("an element is not known here")),
        }
    }
    match key {
        Some(key) if !key.is_empty() => Ok(DeleteTarget { key, etag }),
        _ => Err(XmlError::Malformed("an object has no key")),
    }
}

fn read_verbosity(text: &str) -> Result<Verbosity, XmlError> {
    match text.trim() {
        "true" | "True" | "TRUE" | "1" => Ok(Verbosity::Quiet),
        "false" | "False" | "FALSE" | "0" => Ok(Verbosity::Verbose),
        _ => Err(XmlError::Malformed("true or false was expected")),
    }
}

/// `DeleteResult`: one outcome per key, in the order asked.
pub(crate) fn delete_result(
    verbosity: Verbosity,
    outcomes: &[(&str, Result<DeletedObject, S3Error>)],
) -> String {
    XmlWriter::document(128 + outcomes.len() * 96, "DeleteResult", |xml| {
        for (key, outcome) in outcomes {
            match outcome {
                Ok(_) if verbosity == Verbosity::Quiet => {}
                Ok(deleted) => xml.element("Deleted", |xml| {
                    xml.text("Key", key);
                    if let Some(marker) = &deleted.marker {
                        xml.text("DeleteMarker", "true");
                        xml.text("DeleteMarkerVersionId", marker.as_str());
                    }
                }),
                Err(error) => xml.element("Error", |xml| {
                    xml.text("Key", key);
                    xml.text("Code", error.code().name());
                    xml.text("Message", error.message());
                }),
            }
        }
    })
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

    use super::{DeleteTarget, Verbosity, delete_objects, delete_result};
    use crate::port::{DeletedObject, ETag, VersionId};
    use crate::s3::code::ErrorCode;
    use crate::s3::xml::read::XmlError;

    fn read(inner: &str) -> Result<super::DeleteRequest, XmlError> {
        delete_objects(format!("<Delete>{inner}</Delete>").as_bytes())
    }

    #[test]
    fn keys_are_read_literally() {
        let request = read(
            "<Quiet>true</Quiet><Object><Key> ../a//b%2F &amp;\u{202e}&#x1; </Key></Object>\
             <Object><ETag>\"e\"</ETag><Key>c</Key></Object>",
        )
        .unwrap();
        assert_eq!(request.verbosity, Verbosity::Quiet);
        let expected = [
            DeleteTarget {
                key: " ../a//b%2F &\u{202e}\u{1} ".to_owned(),
                etag: None,
            },
            DeleteTarget {
                key: "c".to_owned(),
                etag: Some(ETag::new("e")),
            },
        ];
        assert_eq!(request.targets, expected);
    }

    #[test]
    fn a_thousand_keys_and_no_more() {
        let object = "<Object><Key>k</Key></Object>";
        assert_eq!(read(&object.repeat(1000)).unwrap().targets.len(), 1000);
        assert!(matches!(read(&object.repeat(1001)), Err(XmlError::Malformed(_))));
    }

    #[test]
    fn what_would_change_the_meaning_is_never_skipped() {
        let with = |element: &str| read(&format!("<Object><Key>k</Key>{element}</Object>"));
        assert_eq!(
            with("<VersionId>v</VersionId>"),
            Err(XmlError::NotImplemented("VersionId"))
        );
        assert_eq!(with("<Size>1</Size>"), Err(XmlError::NotImplemented("Size")));
        assert_eq!(
            with("<LastModifiedTime/>"),
            Err(XmlError::NotImplemented("LastModifiedTime"))
        );
        for malformed in ["<Version/>", "<Key>k</Key>"] {
            assert!(
                matches!(with(malformed), Err(XmlError::Malformed(_))),
                "{malformed}"
            );
        }
        for malformed in [
            "",
            "<Object/>",
            "<Object><Key/></Object>",
            "<Quiet>maybe</Quiet><Object><Key>k</Key></Object>",
        ] {
            assert!(
                matches!(read(malformed), Err(XmlError::Malformed(_))),
                "{malformed}"
            );
        }
    }

    #[test]
    fn every_key_has_its_outcome_unless_quiet() {
        let outcomes = [
            ("a", Ok(DeletedObject { marker: None })),
            (
                "b",
                Ok(DeletedObject {
                    marker: Some(VersionId::new("v1")),
                }),
            ),
            ("c", Err(ErrorCode::AccessDenied.into())),
        ];
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                    <DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
        let failure = "<Error><Key>c</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        assert_eq!(
            delete_result(Verbosity::Verbose, &outcomes),
            format!(
                "{head}<Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker>\
                 <DeleteMarkerVersionId>v1</DeleteMarkerVersionId></Deleted>{failure}</DeleteResult>"
            )
        );
        assert_eq!(
            delete_result(Verbosity::Quiet, &outcomes),
            format!("{head}{failure}</DeleteResult>")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = delete_objects(&bytes);
        }
    }
}
