//! Documents about buckets.

use super::read::{XmlError, XmlReader, once};
use super::write::XmlWriter;
use crate::port::{BucketList, Owner};
use crate::s3::time::iso8601;

/// `ListAllMyBucketsResult`.
pub(crate) fn bucket_list(list: &BucketList, prefix: Option<&str>, token: Option<&str>) -> String {
    XmlWriter::document(256 + list.buckets.len() * 128, "ListAllMyBucketsResult", |xml| {
        owner(xml, "Owner", &list.owner);
        xml.element("Buckets", |xml| {
            for bucket in &list.buckets {
                xml.element("Bucket", |xml| {
                    xml.text("Name", bucket.name.as_str());
                    xml.text("CreationDate", &iso8601(bucket.created));
                });
            }
        });
        xml.optional("ContinuationToken", token);
        xml.optional("Prefix", prefix);
    })
}

/// `LocationConstraint`. The first region of AWS has none.
pub(crate) fn location(region: &str) -> String {
    let region = if region == "us-east-1" { "" } else { region };
    XmlWriter::root_text("LocationConstraint", region)
}

/// An owner or initiator.
pub(super) fn owner(xml: &mut XmlWriter, name: &str, owner: &Owner) {
    xml.element(name, |xml| {
        xml.text("ID", &owner.id);
        xml.text("DisplayName", &owner.display_name);
    });
}

/// Reads a `CreateBucketConfiguration`: its location constraint.
pub(crate) fn create_bucket_configuration(bytes: &[u8]) -> Result<Option<String>, XmlError> {
    let mut xml = XmlReader::document(bytes, "CreateBucketConfiguration")?;
    let mut location = None;
    while let Some(child) = xml.child()? {
        match child.local_name().as_ref() {
            "LocationConstraint" => once(&mut location, xml.text()?)?,
            "Location" => return Err(XmlError::NotImplemented("Location")),
            "Bucket" => return Err(XmlError::NotImplemented("Bucket")),
            "Tags" => return Err(XmlError::NotImplemented("Tags")),
            _ => return Err(XmlError::Malformed("an element is not known here")),
        }
    }
    xml.end()?;
    Ok(location.filter(|location| !location.is_empty()))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::{bucket_list, create_bucket_configuration, location};
    use crate::port::{BucketInfo, BucketList, BucketName, Owner, UnixMillis};
    use crate::s3::xml::read::XmlError;

    #[test]
    fn a_list_of_buckets() {
        let list = BucketList {
            owner: Owner {
                id: "alice".into(),
                display_name: "Alice & Co".into(),
            },
            buckets: vec![BucketInfo {
                name: BucketName::new("books").unwrap(),
                created: UnixMillis(1000),
            }],
            truncated: true,
        };
        assert_eq!(
            bucket_list(&list, Some("b"), Some("t0")),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Owner><ID>alice</ID><DisplayName>Alice &amp; Co</DisplayName></Owner>\
             <Buckets><Bucket><Name>books</Name><CreationDate>1970-01-01T00:00:01.000Z</CreationDate></Bucket></Buckets>\
             <ContinuationToken>t0</ContinuationToken><Prefix>b</Prefix></ListAllMyBucketsResult>"
        );
    }

    #[test]
    fn the_first_region_is_no_constraint() {
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                    <LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
        assert_eq!(location("us-east-1"), format!("{head}/>"));
        assert_eq!(
            location("eu-west-1"),
            format!("{head}>eu-west-1</LocationConstraint>")
        );
    }

    #[test]
    fn a_configuration_names_a_location_and_nothing_else() {
        let read = |inner: &str| {
            create_bucket_configuration(
                format!("<CreateBucketConfiguration xmlns=\"x\">{inner}</CreateBucketConfiguration>")
                    .as_bytes(),
            )
        };
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("<LocationConstraint/>"), Ok(None));
        assert_eq!(
            read("<LocationConstraint>eu</LocationConstraint>"),
            Ok(Some("eu".to_owned()))
        );
        assert_eq!(read("<Tags><Tag/></Tags>"), Err(XmlError::NotImplemented("Tags")));
        assert!(read("<LocationConstraint/><LocationConstraint/>").is_err());
        assert!(read("<Unknown/>").is_err());
        assert!(read("text").is_err());
    }
}
