//! Documents about uploads: begun, listed, and their parts.

use super::bucket::owner;
use super::list::KeyEncoding;
use super::write::XmlWriter;
use crate::port::{
    BucketName, ChecksumAlgorithm, ChecksumType, ObjectKey, PartPage, UploadId, UploadPage, UploadRef,
};
use crate::s3::checksum::encode;
use crate::s3::time::iso8601;

/// `InitiateMultipartUploadResult`.
pub(crate) fn initiate_result(bucket: &BucketName, key: &ObjectKey, upload: &UploadId) -> String {
    XmlWriter::document(256, "InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", bucket.as_str());
        xml.text("Key", key.as_str());
        xml.text("UploadId", upload.as_str());
    })
}

/// What a listing of parts echoes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartListEcho<'a> {
    pub(crate) upload: &'a UploadRef,
    pub(crate) after: u32,
    pub(crate) max_parts: u32,
    pub(crate) encoding: KeyEncoding,
}

/// `ListPartsResult`.
pub(crate) fn part_list(list: &PartListEcho<'_>, page: &PartPage) -> String {
    XmlWriter::document(512 + page.parts.len() * 192, "ListPartsResult", |xml| {
        xml.text("Bucket", list.upload.bucket.as_str());
        xml.text("Key", &list.encoding.key(list.upload.key.as_str()));
        list.encoding.element(xml);
        xml.text("UploadId", list.upload.upload.as_str());
        owner(xml, "Initiator", &page.initiator);
        owner(xml, "Owner", &page.owner);
        xml.text("StorageClass", "STANDARD");
        checksum_kind(xml, page.checksum);
        xml.number("PartNumberMarker", list.after);
        if let Some(last) = page.parts.last().filter(|_| page.truncated) {
            xml.number("NextPartNumberMarker", last.number.get());
        }
        xml.number("MaxParts", list.max_parts);
        xml.number("IsTruncated", page.truncated);
        for part in &page.parts {
            xml.element("Part", |xml| {
                xml.number("PartNumber", part.number.get());
                xml.text("LastModified", &iso8601(part.last_modified));
                xml.etag(&part.etag);
                xml.number("Size", part.size);
                if let Some(checksum) = &part.checksum {
                    xml.text(super::checksum_element(checksum.algorithm()), &encode(checksum));
                }
            });
        }
    })
}

/// What a listing of uploads echoes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadListEcho<'a> {
    pub(crate) bucket: &'a BucketName,
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) key_marker: &'a str,
    pub(crate) upload_id_marker: &'a str,
    pub(crate) max_uploads: u32,
    pub(crate) encoding: KeyEncoding,
}

/// `ListMultipartUploadsResult`.
pub(crate) fn upload_list(list: &UploadListEcho<'_>, page: &UploadPage) -> String {
    let encoding = list.encoding;
    XmlWriter::document(
        512 + page.uploads.len() * 384,
        "ListMultipartUploadsResult",
        |xml| {
            xml.text("Bucket", list.bucket.as_str());
            xml.text("KeyMarker", &encoding.key(list.key_marker));
            xml.text("UploadIdMarker", list.upload_id_marker);
            if let Some(next) = &page.next {
                xml.text("NextKeyMarker", &encoding.key(&next.key));
                xml.text(
                    "NextUploadIdMarker",
                    next.upload.as_ref().map_or("", UploadId::as_str),
                );
            }
            xml.text("Prefix", &encoding.key(list.prefix));
            if let Some(delimiter) = list.delimiter {
                xml.text("Delimiter", &encoding.key(delimiter));
            }
            encoding.element(xml);
            xml.number("MaxUploads", list.max_uploads);
            xml.number("IsTruncated", page.next.is_some());
            for upload in &page.uploads {
                xml.element("Upload", |xml| {
                    xml.text("Key", &encoding.key(upload.key.as_str()));
                    xml.text("UploadId", upload.upload.as_str());
                    owner(xml, "Initiator", &upload.initiator);
                    owner(xml, "Owner", &page.owner);
                    xml.text("StorageClass", "STANDARD");
                    xml.text("Initiated", &iso8601(upload.initiated));
                    checksum_kind(xml, upload.checksum);
                });
            }
            for prefix in &page.common_prefixes {
                xml.element("CommonPrefixes", |xml| xml.text("Prefix", &encoding.key(prefix)));
            }
        },
    )
}

fn checksum_kind(xml: &mut XmlWriter, checksum: Option<(ChecksumAlgorithm, ChecksumType)>) {
    if let Some((algorithm, kind)) = checksum {
        xml.text("ChecksumAlgorithm", algorithm.name());
        xml.text("ChecksumType", kind.name());
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
    use super::{PartListEcho, UploadListEcho, initiate_result, part_list, upload_list};
    use crate::port::{
        BucketName, Checksum, ChecksumAlgorithm, ChecksumType, ETag, ObjectKey, Owner, PartInfo, PartNumber,
        PartPage, UnixMillis, UploadCursor, UploadId, UploadInfo, UploadPage, UploadRef,
    };
    use crate::s3::xml::KeyEncoding;

    fn alice() -> Owner {
        Owner {
            id: "alice".into(),
            display_name: "Alice".into(),
        }
    }

    fn upload() -> UploadRef {
        UploadRef {
            bucket: BucketName::new("books").unwrap(),
            key: ObjectKey::new("a b").unwrap(),
            upload: UploadId::new("u1"),
        }
    }

    const XMLNS: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
    const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

    #[test]
    fn an_upload_begun_names_itself() {
        let upload = upload();
        assert_eq!(
            initiate_result(&upload.bucket, &upload.key, &upload.upload),
            format!(
                "{DECLARATION}<InitiateMultipartUploadResult {XMLNS}><Bucket>books</Bucket><Key>a b</Key>\
                 <UploadId>u1</UploadId></InitiateMultipartUploadResult>"
            )
        );
    }

    #[test]
    fn parts_are_listed_with_checksums() {
        let page = PartPage {
            owner: alice(),
            initiator: alice(),
            checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)),
            parts: vec![PartInfo {
                number: PartNumber::new(3).unwrap(),
                size: 7,
                etag: ETag::new("e"),
                last_modified: UnixMillis(1),
                checksum: Checksum::new(ChecksumAlgorithm::Crc32, &[0, 0, 0, 1]),
            }],
            truncated: true,
        };
        let upload = upload();
        let echo = PartListEcho {
            upload: &upload,
            after: 2,
            max_parts: 1,
            encoding: KeyEncoding::Plain,
        };
        assert_eq!(
            part_list(&echo, &page),
            format!(
                "{DECLARATION}<ListPartsResult {XMLNS}><Bucket>books</Bucket><Key>a b</Key><UploadId>u1</UploadId>\
                 <Initiator><ID>alice</ID><DisplayName>Alice</DisplayName></Initiator>\
                 <Owner><ID>alice</ID><DisplayName>Alice</DisplayName></Owner><StorageClass>STANDARD</StorageClass>\
                 <ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>\
                 <PartNumberMarker>2</PartNumberMarker><NextPartNumberMarker>3</NextPartNumberMarker>\
                 <MaxParts>1</MaxParts><IsTruncated>true</IsTruncated><Part><PartNumber>3</PartNumber>\
                 <LastModified>1970-01-01T00:00:00.001Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size>\
                 <ChecksumCRC32>AAAAAQ==</ChecksumCRC32></Part></ListPartsResult>"
            )
        );
    }

    #[test]
    fn uploads_are_listed_with_their_prefixes() {
        let page = UploadPage {
            owner: alice(),
            uploads: vec![UploadInfo {
                key: ObjectKey::new("a b").unwrap(),
                upload: UploadId::new("u1"),
                initiator: alice(),
                initiated: UnixMillis(1),
                checksum: None,
            }],
            common_prefixes: vec!["p/".to_owned()],
            next: Some(UploadCursor {
                key: "p/".to_owned(),
                upload: None,
            }),
        };
        let bucket = BucketName::new("books").unwrap();
        let echo = UploadListEcho {
            bucket: &bucket,
            prefix: "",
            delimiter: Some("/"),
            key_marker: "",
            upload_id_marker: "",
            max_uploads: 2,
            encoding: KeyEncoding::Url,
        };
        assert_eq!(
            upload_list(&echo, &page),
            format!(
                "{DECLARATION}<ListMultipartUploadsResult {XMLNS}><Bucket>books</Bucket><KeyMarker/><UploadIdMarker/>\
                 <NextKeyMarker>p/</NextKeyMarker><NextUploadIdMarker/><Prefix/><Delimiter>/</Delimiter>\
                 <EncodingType>url</EncodingType><MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>\
                 <Upload><Key>a%20b</Key><UploadId>u1</UploadId>\
                 <Initiator><ID>alice</ID><DisplayName>Alice</DisplayName></Initiator>\
                 <Owner><ID>alice</ID><DisplayName>Alice</DisplayName></Owner><StorageClass>STANDARD</StorageClass>\
                 <Initiated>1970-01-01T00:00:00.001Z</Initiated></Upload>\
                 <CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListMultipartUploadsResult>"
            )
        );
    }
}
