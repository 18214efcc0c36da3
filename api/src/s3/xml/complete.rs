//! `CompleteMultipartUpload`, asked and answered.

use super::read::{XmlError, XmlReader, once};
use super::write::XmlWriter;
use crate::port::{
    BucketName, Checksum, ChecksumAlgorithm, CompletedObject, CompletedPart, ETag, ObjectKey, PartNumber,
};
use crate::s3::checksum::{decode, encode_object};

/// Why a list of parts was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompleteError {
    /// The document.
    Xml(XmlError),
    /// The numbers do not ascend.
    Order,
    /// No number of a part.
    Number,
    /// A checksum that is none.
    Checksum(ChecksumAlgorithm),
}

impl From<XmlError> for CompleteError {
    fn from(error: XmlError) -> Self {
        Self::Xml(error)
    }
}

/// Reads the parts that a client wants in its object.
pub(crate) fn complete_upload(bytes: &[u8]) -> Result<Vec<CompletedPart>, CompleteError> {
    let mut xml = XmlReader::document(bytes, "CompleteMultipartUpload")?;
    let mut parts: Vec<CompletedPart> = Vec::new();
    while let Some(child) = xml.child()? {
        if child.local_name().as_ref() != "Part" {
            return Err(XmlError::Malformed("a part was expected").into());
        }
        let part = part(&mut xml)?;
        // Numbers end at 10,000, so a list that ascends has at most as many parts.
        if parts.last().is_some_and(|last| last.number >= part.number) {
            return Err(CompleteError::Order);
        }
        parts.push(part);
    }
    xml.end()?;
    if parts.is_empty() {
        return Err(XmlError::Malformed("there is no part").into());
    }
    Ok(parts)
}

fn part(xml: &mut XmlReader<'_>) -> Result<CompletedPart, CompleteError> {
    let (mut number, mut etag, mut checksum) = (None, None, None);
    while let Some(child) = xml.child()? {
        match child.local_name().as_ref() {
            "PartNumber" => once(
                &mut number,
                PartNumber::new(xml.number()?).ok_or(CompleteError::Number)?,
            )?,
            "ETag" => once(&mut etag, read_etag(&xml.text()?))?,
            name => {
                let algorithm = super::checksum_of_element(name)
                    .ok_or(XmlError::Malformed("an element is not known here"))?;
                once(&mut checksum, read_checksum(algorithm, &xml.text()?)?)?;
            }
        }
    }
    Ok(CompletedPart {
        number: number.ok_or(XmlError::Malformed("a part has no number"))?,
        etag: etag.ok_or(XmlError::Malformed("a part has no ETag"))?,
        checksum,
    })
}

/// An ETag with or without its quotes.
pub(super) fn read_etag(text: &str) -> ETag {
    let text = text.trim();
    ETag::new(
        text.strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(text),
    )
}

fn read_checksum(algorithm: ChecksumAlgorithm, text: &str) -> Result<Checksum, CompleteError> {
    decode(algorithm, text.trim()).ok_or(CompleteError::Checksum(algorithm))
}

/// `CompleteMultipartUploadResult`, without the declaration, which may have been sent long before.
pub(crate) fn complete_result(
    location: &str,
    bucket: &BucketName,
    key: &ObjectKey,
    object: &CompletedObject,
) -> String {
    XmlWriter::fragment_document(512, "CompleteMultipartUploadResult", |xml| {
        xml.text("Location", location);
        xml.text("Bucket", bucket.as_str());
        xml.text("Key", key.as_str());
        xml.etag(&object.etag);
        if let Some(checksum) = &object.checksum {
            xml.text(
                super::checksum_element(checksum.checksum.algorithm()),
                &encode_object(checksum),
            );
            xml.text("ChecksumType", checksum.kind.name());
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

    use super::{CompleteError, complete_result, complete_upload};
    use crate::port::{
        BucketName, Checksum, ChecksumAlgorithm, ChecksumType, CompletedObject, ETag, Encryption,
        ObjectChecksum, ObjectKey,
    };

    fn read(inner: &str) -> Result<Vec<(u16, String, Option<Checksum>)>, CompleteError> {
        let document = format!("<CompleteMultipartUpload xmlns=\"x\">{inner}</CompleteMultipartUpload>");
        let parts = complete_upload(document.as_bytes())?;
        Ok(parts
            .into_iter()
            .map(|p| (p.number.get(), p.etag.as_str().to_owned(), p.checksum))
            .collect())
    }

    fn part(number: u32) -> String {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>e</ETag></Part>")
    }

    #[test]
    fn parts_are_read_with_or_without_quotes_and_checksums() {
        let parts = read(
            "<Part><ETag>&quot;a&quot;</ETag><PartNumber>1</PartNumber></Part>\n\
             <Part><PartNumber> 7 </PartNumber><ETag>b</ETag><ChecksumCRC32>AAAAAQ==</ChecksumCRC32></Part>",
        );
        let checksum = Checksum::new(ChecksumAlgorithm::Crc32, &[0, 0, 0, 1]);
        assert_eq!(
            parts,
            Ok(vec![(1, "a".to_owned(), None), (7, "b".to_owned(), checksum)])
        );
    }

    #[test]
    fn a_list_of_parts_ascends_and_is_bounded() {
        assert_eq!(read(&(part(2) + &part(1))), Err(CompleteError::Order));
        assert_eq!(read(&(part(1) + &part(1))), Err(CompleteError::Order));
        assert_eq!(read(&part(0)), Err(CompleteError::Number));
        assert_eq!(read(&part(10_001)), Err(CompleteError::Number));
        let all: String = (1..=10_000).map(part).collect();
        assert_eq!(read(&all).map(|parts| parts.len()), Ok(10_000));
        assert!(matches!(read(&(all + &part(10_000))), Err(CompleteError::Order)));
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for inner in [
            "",
            "<Part/>",
            "<Part><PartNumber>1</PartNumber></Part>",
            "<Part><ETag>e</ETag></Part>",
            "<Part><PartNumber>-1</PartNumber><ETag>e</ETag></Part>",
            "<Part><PartNumber>one</PartNumber><ETag>e</ETag></Part>",
            "<Part><PartNumber>99999999999999999999999</PartNumber><ETag>e</ETag></Part>",
            "<Part><PartNumber>1</PartNumber><PartNumber>1</PartNumber><ETag>e</ETag></Part>",
            "<Part><PartNumber>1</PartNumber><ETag>e</ETag><Unknown/></Part>",
            "<Port><PartNumber>1</PartNumber><ETag>e</ETag></Port>",
        ] {
            assert!(matches!(read(inner), Err(CompleteError::Xml(_))), "{inner}");
        }
        let inner = "<Part><PartNumber>1</PartNumber><ETag>e</ETag><ChecksumSHA256>x</ChecksumSHA256></Part>";
        assert_eq!(
            read(inner),
            Err(CompleteError::Checksum(ChecksumAlgorithm::Sha256))
        );
    }

    #[test]
    fn a_completed_object_shows_its_composite_checksum() {
        let object = CompletedObject {
            etag: ETag::new("abc-2"),
            version: None,
            checksum: Some(ObjectChecksum {
                checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[0, 0, 0, 1]).unwrap(),
                kind: ChecksumType::Composite,
                parts: Some(2),
            }),
            encryption: Encryption::None,
        };
        let (bucket, key) = (BucketName::new("books").unwrap(), ObjectKey::new("a&b").unwrap());
        assert_eq!(
            complete_result("http://h/books/a%26b", &bucket, &key, &object),
            "<CompleteMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Location>http://h/books/a%26b</Location><Bucket>books</Bucket><Key>a&amp;b</Key>\
             <ETag>&quot;abc-2&quot;</ETag><ChecksumCRC32>AAAAAQ==-2</ChecksumCRC32>\
             <ChecksumType>COMPOSITE</ChecksumType></CompleteMultipartUploadResult>"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = complete_upload(&bytes);
        }

        #[test]
        fn no_inner_text_makes_it_panic(inner in "(<Part>|</Part>|<PartNumber>|</PartNumber>|<ETag/>|[0-9]|&#?[a-z0-9]{0,4};|<!--|-->|]]>){0,30}") {
            let _ = read(&inner);
        }
    }
}
