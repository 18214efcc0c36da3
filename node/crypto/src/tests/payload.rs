//! Footers that are authentic but not what this release writes, and bytes that are no footer.

use proptest::prelude::*;

use crate::encryption::EncryptionDisabled;
use crate::footer::{
    BodyResults, Checksum, ChecksumAlgorithm, Expected, Footer, FooterError, FooterFacts, FooterPlan,
    FooterResults, MAX_FOOTER_LEN, MAX_METADATA_ENTRIES, Order, PayloadError, Place, PlanError, Trailer,
    UploadPart, wire,
};
use crate::frame::{ChunkSize, Header, Layout, Opener, Protection, Sealer, Suite, xxh3_128};
use crate::kdf::WrappedKey;
use crate::secret::SecretKey;
use crate::{BlobId, BucketId, ClusterId, DomainId, KeyId, KeyRef, KeyVersion};

const BLOB: BlobId = BlobId([0xb1; 16]);

fn text(len: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), len).prop_map(String::from_iter)
}

fn any_facts() -> impl Strategy<Value = FooterFacts> {
    let metadata = || prop::collection::vec((text(0..20), text(0..40)), 0..20);
    let upload =
        (prop::collection::vec(any::<u8>(), 1..=128), 1..=10_000_u32).prop_map(|(upload_id, part_number)| {
            UploadPart {
                upload_id,
                part_number,
            }
        });
    let place = (any::<[u8; 16]>(), any::<u32>(), any::<u64>());
    let order = any::<(u64, u64, u64)>();
    let names = (any::<[u8; 16]>(), any::<u64>(), text(1..=63), text(1..=256));
    (
        names,
        prop::option::of(upload),
        place,
        metadata(),
        metadata(),
        order,
    )
        .prop_map(
            |(
                (cluster, bucket, bucket_name, object_key),
                upload,
                (body, index, offset),
                system,
                user,
                order,
            )| FooterFacts {
                cluster: ClusterId(cluster),
                bucket: BucketId(bucket),
                bucket_name,
                object_key,
                upload,
                place: Place {
                    body: BlobId(body),
                    index,
                    offset,
                },
                system_metadata: system,
                user_metadata: user,
                order: Order {
                    incarnation: order.0,
                    read_index: order.1,
                    unix_ms: order.2,
                },
            },
        )
}

fn any_results() -> impl Strategy<Value = FooterResults> {
    let checksums =
        prop::sample::subsequence(ChecksumAlgorithm::ALL.to_vec(), 0..=5).prop_flat_map(|algorithms| {
            algorithms
                .into_iter()
                .map(|algorithm| {
                    prop::collection::vec(any::<u8>(), algorithm.digest_len())
                        .prop_map(move |value| Checksum { algorithm, value })
                })
                .collect::<Vec<_>>()
        });
    let body = (any::<u64>(), "[0-9a-f-]{0,40}", checksums).prop_map(|(len, etag, checksums)| BodyResults {
        len,
        etag,
        checksums,
    });
    (0..=1_u64 << 30, prop::option::of(body))
        .prop_map(|(content_len, body)| FooterResults { content_len, body })
}

/// A clear blob's footer around any payload, with every hash in order.
fn forge(payload: &[u8], layout: Layout) -> Vec<u8> {
    let sealer = Sealer::clear(BLOB, layout.chunk(), EncryptionDisabled::by_settings());
    let footer_len = (payload.len() + 16 + 184) as u32;
    let trailer = Trailer::new(sealer.header, layout, Protection::Clear, footer_len).encode();
    let mut data = payload.to_vec();
    let tag = sealer.codec.seal_footer(&trailer, &mut data).unwrap();
    [data.as_slice(), &tag, &trailer].concat()
}

fn open(footer: &[u8], layout: Layout) -> Result<Footer, FooterError> {
    let stored_len = layout.body_len() + footer.len() as u64;
    Footer::open(footer, stored_len, &Opener::clear(BLOB, layout.chunk()))
}

fn layout() -> Layout {
    Layout::new(ChunkSize::MIN, 1 << 30).unwrap()
}

proptest! {
    #[test]
    fn what_was_planned_is_exactly_as_long_and_reads_back(facts in any_facts(), results in any_results()) {
        let plan = FooterPlan::new(facts.clone(), Expected::Last(&ChecksumAlgorithm::ALL)).unwrap();
        let planned = plan.footer_len();
        let sealer = Sealer::clear(BLOB, ChunkSize::MIN, EncryptionDisabled::by_settings());
        let footer = plan.seal(&sealer, &layout(), results.clone()).unwrap();
        prop_assert_eq!(footer.len(), planned as usize);
        prop_assert_eq!((footer.len() - 200) % 64, 0);
        let read = open(&footer, layout()).unwrap();
        prop_assert_eq!(read.facts(), &facts);
        prop_assert_eq!(read.results(), &results);
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload in prop::collection::vec(any::<u8>(), 0..600), framed: bool) {
        let payload = if framed { [&(payload.len() as u32).to_be_bytes(), payload.as_slice()].concat() } else { payload };
        let _ = open(&forge(&payload, layout()), layout());
    }

    #[test]
    fn altered_messages_never_panic(
        facts in any_facts(), results in any_results(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
    ) {
        let mut payload = wire::Payload::of(facts);
        payload.set_results(results);
        let mut padded = payload.encode_padded(20_000).unwrap();
        let at = at.index(padded.len());
        padded[at] = byte;
        let _ = wire::decode(&padded);
        padded.truncate(cut.index(padded.len()));
        let _ = wire::decode(&padded);
    }

    #[test]
    fn arbitrary_trailers_never_panic_and_never_parse(mut tail in prop::collection::vec(any::<u8>(), 184..400), fix: u8) {
        let start = tail.len() - 184;
        let raw = &mut tail[start..];
        if fix & 1 != 0 { raw[..32].copy_from_slice(&Opener::clear(BLOB, ChunkSize::MIN).header().encode()) }
        if fix & 2 != 0 { raw[176..].copy_from_slice(b"HOLDFTR1") }
        if fix & 4 != 0 { raw[158] = 1 }
        let checksum = xxh3_128(&[&raw[..160]]);
        if fix & 8 != 0 { raw[160..176].copy_from_slice(&checksum) }
        prop_assert!(Trailer::parse(&tail).is_err());
    }
}

#[test]
fn fields_out_of_range_are_refused_although_authentic() {
    let good = FooterFacts {
        cluster: ClusterId([1; 16]),
        bucket: BucketId(1),
        bucket_name: "b".to_owned(),
        object_key: "k".to_owned(),
        upload: Some(UploadPart {
            upload_id: vec![1],
            part_number: 1,
        }),
        place: Place::first(BLOB),
        system_metadata: Vec::new(),
        user_metadata: Vec::new(),
        order: Order {
            incarnation: 1,
            read_index: 1,
            unix_ms: 1,
        },
    };
    let read = |change: &dyn Fn(&mut FooterFacts, &mut FooterResults)| {
        let mut facts = good.clone();
        let mut results = FooterResults {
            content_len: 5,
            body: Some(BodyResults {
                len: 5,
                etag: String::new(),
                checksums: Vec::new(),
            }),
        };
        change(&mut facts, &mut results);
        let mut payload = wire::Payload::of(facts);
        payload.set_results(results);
        match open(&forge(&payload.encode_padded(8192).unwrap(), layout()), layout()) {
            Ok(_) => None,
            Err(FooterError::Payload(PayloadError::Field(field))) => Some(field),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(read(&|_, _| {}), None);
    assert_eq!(read(&|facts, _| facts.bucket_name.clear()), Some("bucket name"));
    assert_eq!(
        read(&|facts, _| facts.bucket_name = "b".repeat(256)),
        Some("bucket name")
    );
    assert_eq!(read(&|facts, _| facts.object_key.clear()), Some("object key"));
    assert_eq!(
        read(&|facts, _| facts.object_key = "k".repeat(1025)),
        Some("object key")
    );
    let upload = |upload_id: Vec<u8>, part_number| {
        Some(UploadPart {
            upload_id,
            part_number,
        })
    };
    assert_eq!(
        read(&|facts, _| facts.upload = upload(Vec::new(), 1)),
        Some("upload")
    );
    assert_eq!(
        read(&|facts, _| facts.upload = upload(vec![0; 129], 1)),
        Some("upload")
    );
    assert_eq!(
        read(&|facts, _| facts.upload = upload(vec![0], 0)),
        Some("upload")
    );
    assert_eq!(
        read(&|facts, _| facts.upload = upload(vec![0], 10_001)),
        Some("upload")
    );
    let many = || vec![(String::new(), String::new()); MAX_METADATA_ENTRIES + 1];
    assert_eq!(
        read(&|facts, _| facts.system_metadata = many()),
        Some("system metadata")
    );
    assert_eq!(
        read(&|facts, _| facts.user_metadata = many()),
        Some("user metadata")
    );
    assert_eq!(
        read(&|_, results| results.content_len = (1 << 30) + 1),
        Some("content length")
    );
    let with_checksum = |algorithm, len| {
        move |_: &mut FooterFacts, results: &mut FooterResults| {
            results.body.as_mut().unwrap().checksums = vec![Checksum {
                algorithm,
                value: vec![0; len],
            }];
        }
    };
    assert_eq!(read(&with_checksum(ChecksumAlgorithm::Sha256, 32)), None);
    assert_eq!(
        read(&with_checksum(ChecksumAlgorithm::Sha256, 31)),
        Some("checksums")
    );
    assert_eq!(
        read(&|_, results| results.body.as_mut().unwrap().etag = "e".repeat(41)),
        Some("ETag")
    );
}

#[test]
fn payload_framing_is_exact() {
    let framing = Err(FooterError::Payload(PayloadError::Framing));
    for payload in [&[][..], &[0, 0, 0], &[0, 0, 0, 1], &[0, 0, 0, 0, 1], &[0xff; 64]] {
        assert_eq!(open(&forge(payload, layout()), layout()), framing, "{payload:?}");
    }
}

#[test]
fn a_footer_longer_than_one_ranged_read_is_refused_before_anything_is_sent() {
    let facts = |len: usize| FooterFacts {
        cluster: ClusterId([1; 16]),
        bucket: BucketId(1),
        bucket_name: "b".to_owned(),
        object_key: "k".to_owned(),
        upload: None,
        place: Place::first(BLOB),
        system_metadata: Vec::new(),
        user_metadata: vec![("name".to_owned(), "v".repeat(len))],
        order: Order {
            incarnation: 1,
            read_index: 1,
            unix_ms: 1,
        },
    };
    let planned = |len| FooterPlan::new(facts(len), Expected::Inner).map(|plan| plan.footer_len());
    assert!(planned(32_000).is_ok_and(|len| len <= MAX_FOOTER_LEN));
    assert!(matches!(planned(33_000), Err(PlanError::TooLong(len)) if len > MAX_FOOTER_LEN as usize));
    let no_key = FooterFacts {
        object_key: String::new(),
        ..facts(1)
    };
    assert!(matches!(
        FooterPlan::new(no_key, Expected::Inner),
        Err(PlanError::Field {
            field: "object key",
            ..
        })
    ));
    let many = FooterFacts {
        user_metadata: vec![Default::default(); MAX_METADATA_ENTRIES + 1],
        ..facts(1)
    };
    assert!(matches!(
        FooterPlan::new(many, Expected::Inner),
        Err(PlanError::Field { .. })
    ));
}

#[test]
fn damage_anywhere_in_a_trailer_is_seen_without_a_key() {
    let footer = forge(&[0; 64], layout());
    for at in footer.len() - 184..footer.len() {
        for bit in 0..8 {
            let mut bad = footer.clone();
            bad[at] ^= 1 << bit;
            assert!(Trailer::parse(&bad).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn a_trailer_of_impossible_fields_is_refused_although_its_checksum_holds() {
    let footer = forge(&[0; 64], layout());
    assert!(Trailer::parse(&footer).is_ok());
    let start = footer.len() - 184;
    let parse = |at: usize, bytes: &[u8]| {
        let mut bad = footer.clone();
        bad[start + at..start + at + bytes.len()].copy_from_slice(bytes);
        let checksum = xxh3_128(&[&bad[start..start + 160]]);
        bad[start + 160..start + 176].copy_from_slice(&checksum);
        Trailer::parse(&bad)
    };
    assert_eq!(
        parse(32, &((1_u64 << 30) + 1).to_be_bytes()),
        Err(FooterError::Malformed("plaintext length"))
    );
    for at in [40, 56, 72, 80, 120] {
        assert_eq!(
            parse(at, &[1]),
            Err(FooterError::Malformed("key field in suite 0"))
        );
    }
    for at in [76, 79, 159] {
        assert_eq!(parse(at, &[1]), Err(FooterError::Malformed("reserved field")));
    }
    for len in [0, 199, MAX_FOOTER_LEN + 1, u32::MAX] {
        assert_eq!(
            parse(152, &len.to_be_bytes()),
            Err(FooterError::Malformed("footer length"))
        );
    }
    assert_eq!(parse(156, &[0, 183]), Err(FooterError::Malformed("length")));
    assert_eq!(parse(158, &[2]), Err(FooterError::Version(2)));
    assert!(matches!(parse(0, b"X"), Err(FooterError::Header(_))));
    // Suite 1 without a key version.
    assert_eq!(parse(9, &[1]), Err(FooterError::Malformed("key version")));
}

/// The checksum is no defence against malice: in suite 1 the whole trailer is associated data.
#[test]
fn a_trailer_that_was_altered_and_checksummed_anew_does_not_open_in_suite_1() {
    let header = Header {
        suite: Suite::Aes256Gcm,
        chunk: ChunkSize::MIN,
        blob: BLOB,
    };
    let (domain, key) = (
        DomainId([3; 16]),
        KeyRef {
            id: KeyId([4; 16]),
            version: KeyVersion(5),
        },
    );
    let data_key = || SecretKey::from_bytes(&std::array::from_fn(|i| i as u8)).unwrap();
    let sealer =
        Sealer::encrypted(BLOB, ChunkSize::MIN, domain, key, data_key(), WrappedKey([6; 40])).unwrap();
    let Protection::Encrypted(descriptor) = sealer.protection else {
        panic!("not encrypted")
    };
    let opener = Opener::encrypted(BLOB, ChunkSize::MIN, &descriptor, &data_key())
        .unwrap()
        .unwrap();
    assert_eq!(opener.header(), &header);
    let plan = FooterPlan::new(plain_facts(), Expected::Inner).unwrap();
    let layout = Layout::new(ChunkSize::MIN, 100).unwrap();
    let footer = plan
        .seal(
            &sealer,
            &layout,
            FooterResults {
                content_len: 100,
                body: None,
            },
        )
        .unwrap();
    let open = |footer: &[u8]| Footer::open(footer, layout.body_len() + footer.len() as u64, &opener);
    open(&footer).unwrap();
    let start = footer.len() - 184;
    // Domain, key id, key version, wrapped key, commitment: all that a forger could exchange.
    for at in (40..76).chain(80..152) {
        let mut forged = footer.clone();
        forged[start + at] ^= 1;
        let checksum = xxh3_128(&[&forged[start..start + 160]]);
        forged[start + 160..start + 176].copy_from_slice(&checksum);
        assert!(Trailer::parse(&forged).is_ok(), "byte {at}");
        assert_eq!(open(&forged), Err(FooterError::Authentication), "byte {at}");
    }
}

fn plain_facts() -> FooterFacts {
    FooterFacts {
        cluster: ClusterId([1; 16]),
        bucket: BucketId(1),
        bucket_name: "b".to_owned(),
        object_key: "k".to_owned(),
        upload: None,
        place: Place::first(BLOB),
        system_metadata: Vec::new(),
        user_metadata: Vec::new(),
        order: Order {
            incarnation: 1,
            read_index: 1,
            unix_ms: 1,
        },
    }
}
