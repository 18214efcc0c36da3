#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use proptest::prelude::*;

use super::*;

fn version() -> impl Strategy<Value = VersionId> {
    (any::<u32>(), any::<u64>(), any::<u32>()).prop_map(|(incarnation, index, position)| VersionId {
        incarnation: IncarnationCounter(incarnation),
        index,
        position,
    })
}

proptest! {
    #[test]
    fn version_ids_read_back_from_their_text_and_bytes(version in version()) {
        prop_assert_eq!(VersionId::from_bytes(version.to_bytes()), version);
        prop_assert_eq!(version.to_string().parse(), Ok(version));
    }

    #[test]
    fn version_ids_sort_as_their_bytes_and_as_their_texts(a in version(), b in version()) {
        prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }

    #[test]
    fn any_text_is_an_id_or_refused(text in "[0-9a-fA-F-]{0,40}") {
        if let Ok(version) = text.parse::<VersionId>() {
            prop_assert_eq!(version.to_string(), &text[..]);
        }
        if let Ok(blob) = text.parse::<BlobId>() {
            prop_assert_eq!(blob.to_string(), &text[..]);
        }
        if let Ok(incarnation) = text.parse::<Incarnation>() {
            prop_assert_eq!(incarnation.to_string(), &text[..]);
        }
    }

    #[test]
    fn incarnations_read_back_from_their_text(counter in any::<u32>(), tag in any::<u64>()) {
        let incarnation = Incarnation { counter: IncarnationCounter(counter), tag };
        prop_assert_eq!(incarnation.to_string().len(), 24);
        prop_assert_eq!(incarnation.to_string().parse(), Ok(incarnation));
    }

    #[test]
    fn a_blob_id_knows_its_group(group in any::<u16>(), random in any::<[u8; 14]>()) {
        let blob = BlobId::from_parts(group, random);
        prop_assert_eq!(blob.group(), group);
        prop_assert_eq!(&blob.as_bytes()[2..], &random[..]);
    }
}

#[test]
fn version_ids_have_one_spelling() {
    let text = "000000010000000000000002000000ff";
    let version: VersionId = text.parse().unwrap();
    assert_eq!(
        (version.incarnation.0, version.index, version.position),
        (1, 2, 255)
    );
    assert!("000000010000000000000002000000FF".parse::<VersionId>().is_err());
    assert!("000000010000000000000002000000f".parse::<VersionId>().is_err());
    assert!("null".parse::<VersionId>().is_err());
    // Characters of more than one byte at every place.
    assert!("ä00000010000000000000002000000f".parse::<VersionId>().is_err());
    assert!("1234567ä0000000000000000".parse::<Incarnation>().is_err());
}

#[test]
fn part_numbers_are_1_to_10_000() {
    assert_eq!(PartNumber::new(0), None);
    assert_eq!(PartNumber::new(1), Some(PartNumber::MIN));
    assert_eq!(PartNumber::new(10_000), Some(PartNumber::MAX));
    assert_eq!(PartNumber::new(10_001), None);
    assert_eq!(PartNumber::MAX.next(), None);
    assert_eq!(PartNumber::MIN.next().map(PartNumber::get), Some(2));
}

#[test]
fn an_exhausted_sequence_gives_nothing() {
    assert_eq!(BackendId(u32::MAX).next(), None);
    assert_eq!(BucketId(7).next(), Some(BucketId(8)));
}
