//! `ListBucketResult`, in its two versions.

use std::borrow::Cow;

use super::bucket::owner;
use super::write::XmlWriter;
use crate::port::{ListEntry, ListPage};
use crate::s3::percent::encode_for_listing;
use crate::s3::time::iso8601;

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyEncoding {
    /// As they are.
    Plain,
    /// Percent-encoded: `encoding-type=url`.
    Url,
}

/// Whether each key is listed with its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShowOwner {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// What both versions echo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListEcho<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) max_keys: u32,
    pub(crate) encoding: KeyEncoding,
}

/// What version 1 has of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListV1<'a> {
    pub(crate) echo: ListEcho<'a>,
    pub(crate) marker: &'a str,
}

/// What version 2 has of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListV2<'a> {
    pub(crate) echo: ListEcho<'a>,
    pub(crate) start_after: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) next_token: Option<&'a str>,
    pub(crate) owners: ShowOwner,
}

impl KeyEncoding {
    pub(super) fn key(self, key: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => Cow::Borrowed(key),
            Self::Url => encode_for_listing(key),
        }
    }

    pub(super) fn element(self, xml: &mut XmlWriter) {
        if self == Self::Url {
            xml.text("EncodingType", "url");
        }
    }
}

/// The first version.
pub(crate) fn list_v1(list: &ListV1<'_>, page: &ListPage) -> String {
    let ListEcho {
        encoding, delimiter, ..
    } = list.echo;
    XmlWriter::document(capacity(page), "ListBucketResult", |xml| {
        xml.text("Name", list.echo.bucket);
        xml.text("Prefix", &encoding.key(list.echo.prefix));
        xml.text("Marker", &encoding.key(list.marker));
        // Only a grouped listing says where the next page begins; otherwise it is the last key.
        if let Some(next) = page.next.as_ref().filter(|_| delimiter.is_some()) {
            xml.text("NextMarker", &encoding.key(&next.0));
        }
        common(xml, &list.echo, page, ShowOwner::Yes);
    })
}

/// The second version.
pub(crate) fn list_v2(list: &ListV2<'_>, page: &ListPage) -> String {
    let encoding = list.echo.encoding;
    XmlWriter::document(capacity(page), "ListBucketResult", |xml| {
        xml.text("Name", list.echo.bucket);
        xml.text("Prefix", &encoding.key(list.echo.prefix));
        if let Some(start_after) = list.start_after {
            xml.text("StartAfter", &encoding.key(start_after));
        }
        xml.optional("ContinuationToken", list.token);
        xml.optional("NextContinuationToken", list.next_token);
        xml.number("KeyCount", page.entries.len() + page.common_prefixes.len());
        common(xml, &list.echo, page, list.owners);
    })
}

fn common(xml: &mut XmlWriter, echo: &ListEcho<'_>, page: &ListPage, owners: ShowOwner) {
    let encoding = echo.encoding;
    xml.number("MaxKeys", echo.max_keys);
    if let Some(delimiter) = echo.delimiter {
        xml.text("Delimiter", &encoding.key(delimiter));
    }
    encoding.element(xml);
    xml.number("IsTruncated", page.next.is_some());
    for entry in &page.entries {
        xml.element("Contents", |xml| contents(xml, entry, encoding, page, owners));
    }
    for prefix in &page.common_prefixes {
        xml.element("CommonPrefixes", |xml| xml.text("Prefix", &encoding.key(prefix)));
    }
}

fn contents(
    xml: &mut XmlWriter,
    entry: &ListEntry,
    encoding: KeyEncoding,
    page: &ListPage,
    owners: ShowOwner,
) {
    xml.text("Key", &encoding.key(entry.key.as_str()));
    xml.text("LastModified", &iso8601(entry.last_modified));
    xml.etag(&entry.etag);
    if let Some((algorithm, kind)) = entry.checksum {
        xml.text("ChecksumAlgorithm", algorithm.name());
        xml.text("ChecksumType", kind.name());
    }
    xml.number("Size", entry.size);
    if owners == ShowOwner::Yes {
        owner(xml, "Owner", &page.owner);
    }
    xml.text("StorageClass", "STANDARD");
}

/// About as many bytes as a page of ordinary keys needs.
fn capacity(page: &ListPage) -> usize {
    512 + page.entries.len() * 320 + page.common_prefixes.len() * 96
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::{KeyEncoding, ListEcho, ListV1, ListV2, ShowOwner, list_v1, list_v2};
    use crate::port::{
        ChecksumAlgorithm, ChecksumType, ETag, ListCursor, ListEntry, ListPage, ObjectKey, Owner, UnixMillis,
    };

    fn page() -> ListPage {
        ListPage {
            owner: Owner {
                id: "alice".into(),
                display_name: "Alice".into(),
            },
            entries: vec![ListEntry {
                key: ObjectKey::new("a b+c&d").unwrap(),
                size: 5,
                etag: ETag::new("5d41402abc4b2a76b9719d911017c592"),
                last_modified: UnixMillis(1_255_369_830_007),
                checksum: Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject)),
            }],
            common_prefixes: vec!["p q/".to_owned()],
            next: Some(ListCursor("p q/".to_owned())),
        }
    }

    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                        <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";

    #[test]
    fn version_1_has_marker_and_owners() {
        let echo = ListEcho {
            bucket: "books",
            prefix: "",
            delimiter: Some("/"),
            max_keys: 2,
            encoding: KeyEncoding::Plain,
        };
        assert_eq!(
            list_v1(&ListV1 { echo, marker: "a" }, &page()),
            format!(
                "{HEAD}<Name>books</Name><Prefix/><Marker>a</Marker><NextMarker>p q/</NextMarker>\
                 <MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>\
                 <Contents><Key>a b+c&amp;d</Key><LastModified>2009-10-12T17:50:30.007Z</LastModified>\
                 <ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag>\
                 <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
                 <Size>5</Size><Owner><ID>alice</ID><DisplayName>Alice</DisplayName></Owner>\
                 <StorageClass>STANDARD</StorageClass></Contents>\
                 <CommonPrefixes><Prefix>p q/</Prefix></CommonPrefixes></ListBucketResult>"
            )
        );
        let ungrouped = ListEcho {
            delimiter: None,
            ..echo
        };
        assert!(
            !list_v1(
                &ListV1 {
                    echo: ungrouped,
                    marker: ""
                },
                &page()
            )
            .contains("NextMarker")
        );
    }

    #[test]
    fn version_2_has_tokens_a_count_and_owners_when_asked() {
        let echo = ListEcho {
            bucket: "books",
            prefix: "a ",
            delimiter: None,
            max_keys: 1000,
            encoding: KeyEncoding::Url,
        };
        let list = ListV2 {
            echo,
            start_after: Some("a/"),
            token: Some("t0"),
            next_token: Some("t1"),
            owners: ShowOwner::No,
        };
        assert_eq!(
            list_v2(&list, &page()),
            format!(
                "{HEAD}<Name>books</Name><Prefix>a%20</Prefix><StartAfter>a/</StartAfter>\
                 <ContinuationToken>t0</ContinuationToken><NextContinuationToken>t1</NextContinuationToken>\
                 <KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>\
                 <IsTruncated>true</IsTruncated>\
                 <Contents><Key>a%20b%2Bc%26d</Key><LastModified>2009-10-12T17:50:30.007Z</LastModified>\
                 <ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag>\
                 <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
                 <Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>\
                 <CommonPrefixes><Prefix>p%20q/</Prefix></CommonPrefixes></ListBucketResult>"
            )
        );
        let with_owners = ListV2 {
            owners: ShowOwner::Yes,
            ..list
        };
        assert!(list_v2(&with_owners, &page()).contains("<Owner><ID>alice</ID>"));
    }
}
