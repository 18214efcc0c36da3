#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use proptest::prelude::*;

use super::*;

fn physical_key() -> impl Strategy<Value = PhysicalKey> {
    (
        any::<[u8; 16]>(),
        any::<u32>(),
        any::<u64>(),
        any::<u64>(),
        any::<[u8; 16]>(),
        any::<u32>(),
    )
        .prop_map(|(cluster, counter, tag, epoch, blob, attempt)| PhysicalKey {
            cluster: ClusterId(cluster),
            incarnation: Incarnation {
                counter: IncarnationCounter(counter),
                tag,
            },
            epoch: EpochId(epoch),
            blob: BlobId(blob),
            attempt: Attempt(attempt),
        })
}

proptest! {
    #[test]
    fn a_physical_key_reads_back_and_lies_under_its_epoch(key in physical_key()) {
        let text = key.to_string();
        prop_assert_eq!(text.parse(), Ok(key));
        prop_assert!(text.starts_with(&PhysicalKey::epoch_prefix(key.cluster, key.incarnation, key.epoch)));
        prop_assert_eq!(key.under("some/prefix"), format!("some/prefix/{text}"));
        prop_assert_eq!(key.under(""), text);
    }

    #[test]
    fn only_exactly_ours_parses(
        key in physical_key(), place in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8,
    ) {
        let text = key.to_string();
        let mut bytes = text.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        if let Ok(parsed) = changed.parse::<PhysicalKey>() {
            prop_assert_eq!(parsed.to_string(), changed, "a key has one spelling");
        }
        prop_assert!(text[..place].parse::<PhysicalKey>().is_err());
        for longer in [format!("{}{}", text, byte as char), format!("{}{}", byte as char, text)] {
            prop_assert!(longer.parse::<PhysicalKey>().is_err());
        }
    }
}

#[test]
fn the_spelling_of_a_physical_key_is_the_one_that_was_released() {
    let key = PhysicalKey {
        cluster: ClusterId([0xaa; 16]),
        incarnation: Incarnation {
            counter: IncarnationCounter(1),
            tag: 0x2a,
        },
        epoch: EpochId(41),
        blob: BlobId([0x0b; 16]),
        attempt: Attempt(2),
    };
    let (cluster, blob) = ("aa".repeat(16), "0b".repeat(16));
    let text = format!(".holdfast/{cluster}-00000001000000000000002a/0000000000000029/{blob}-00000002");
    assert_eq!(key.to_string(), text);
    assert_eq!(text.parse(), Ok(key));
}

#[test]
fn what_others_may_have_stored_beside_us_is_not_ours() {
    let cluster = "aa".repeat(16);
    let blob = "0b".repeat(16);
    let life = format!("{cluster}-00000001000000000000002a");
    let epoch = "0000000000000029";
    for foreign in [
        String::new(),
        "12/january.csv".to_owned(),
        ".holdfast/identity".to_owned(),
        format!(".holdfast/{life}/{epoch}/"),
        format!(".holdfast/{life}/{epoch}/{blob}"),
        format!(".holdfast/{life}/{epoch}/{blob}-00000002/"),
        format!(".holdfast/{life}/{epoch}/x/{blob}-00000002"),
        format!("/.holdfast/{life}/{epoch}/{blob}-00000002"),
        format!(".holdfast//{life}/{epoch}/{blob}-00000002"),
        format!(".Holdfast/{life}/{epoch}/{blob}-00000002"),
        format!(".holdfast/{life}/{epoch}/{}-00000002", blob.to_uppercase()),
        format!(".holdfast/{life}/29/{blob}-00000002"),
        format!(".holdfast/{life}/{epoch}/{blob}-2"),
        format!(".holdfast/{life}/{epoch}/{blob}-+0000002"),
        format!(".holdfast/{cluster}/{epoch}/{blob}-00000002"),
        format!(".holdfast/{life}/../{epoch}/{blob}-00000002"),
    ] {
        assert!(foreign.parse::<PhysicalKey>().is_err(), "{foreign}");
    }
}
