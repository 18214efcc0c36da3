//! Files of `tests/golden`, byte for byte: a change of any stored format fails here. The Python
//! reader under `docs/reference` reads the same files.
//!
//! They are written anew by `cargo test -p node-crypto write_golden_files -- --ignored`, which only
//! a new format version justifies: everything that was ever stored must stay readable.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::aead::RustCrypto;
use crate::encryption::EncryptionDisabled;
use crate::footer::{
    BodyResults, Checksum, ChecksumAlgorithm, Expected, FooterFacts, FooterPlan, FooterResults, Order, Place,
    Trailer, UploadPart,
};
use crate::frame::{ChunkSize, Codec, Encoder, Position, Protection, Sealer, Verifier};
use crate::kdf::Prk;
use crate::keys::{
    self, Authority, BucketEntry, InlineKey, KeyCheck, KeyEntry, KeyProvider, Keyring, KeyringContents,
    LoadRequest, MasterEntry, MasterKey, StoredKeyring, Versioning,
};
use crate::secret::SecretKey;
use crate::{
    BlobId, BucketId, ClusterId, ClusterSecret, Crc64Nvme, DomainId, KeyId, KeyRef, KeyVersion,
    MasterVersion, Purpose,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

// ---- Inputs: everything that is drawn at random elsewhere follows from a name here ----

fn bytes32(name: &str) -> [u8; 32] {
    Sha256::digest(format!("holdfast golden {name}")).into()
}

fn bytes16(name: &str) -> [u8; 16] {
    *bytes32(name).first_chunk().unwrap()
}

fn key(name: &str) -> SecretKey {
    SecretKey::from_bytes(&bytes32(name)).unwrap()
}

fn plaintext(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 131 + (i >> 8) * 17) as u8).collect()
}

fn master() -> MasterKey {
    MasterKey::new(&bytes32("master key")).unwrap()
}

fn domain() -> DomainId {
    DomainId(bytes16("domain"))
}

const MASTER: MasterVersion = MasterVersion(3);
const BUCKET: BucketId = BucketId(42);

fn bucket_key(version: u32) -> KeyRef {
    KeyRef {
        id: KeyId(bytes16("bucket key id")),
        version: KeyVersion(version),
    }
}

/// Keyring with `active` as the bucket's active key version, of 1 and 2.
fn contents(active: u32) -> KeyringContents {
    let check = master()
        .check_wrapping(domain(), MASTER)
        .wrap(&key("check value"));
    let bucket = |bucket, name: &str, versioning, active| BucketEntry {
        bucket,
        name: name.to_owned(),
        versioning,
        active,
    };
    KeyringContents {
        cluster: ClusterId(bytes16("cluster")),
        domain: domain(),
        incarnation: 2,
        revision: 77,
        active_master: Some(MASTER),
        masters: vec![MasterEntry {
            version: MASTER,
            check: KeyCheck(check),
            provider: "inline".to_owned(),
            sealed: Vec::new(),
        }],
        buckets: vec![
            bucket(BUCKET, "golden", Versioning::Enabled, Some(bucket_key(active))),
            bucket(BucketId(43), "empty", Versioning::Unversioned, None),
            bucket(BucketId(44), "paused", Versioning::Suspended, None),
        ],
        keys: [1, 2]
            .map(|version| KeyEntry {
                key: bucket_key(version),
                bucket: BUCKET,
                master: MASTER,
                wrapped: master().wrap_bucket_key(
                    domain(),
                    MASTER,
                    BUCKET,
                    bucket_key(version),
                    &key(&format!("bucket key {version}")),
                ),
            })
            .to_vec(),
    }
}

fn contents_without_keys() -> KeyringContents {
    let mut contents = contents(1);
    contents.active_master = None;
    contents.masters.clear();
    contents.keys.clear();
    contents.buckets[0].active = None;
    contents
}

struct Case {
    name: String,
    /// Version of the bucket key, or none for suite 0.
    key_version: Option<u32>,
    chunk: ChunkSize,
    plaintext: Vec<u8>,
    facts: FooterFacts,
    expected: Expected<'static>,
    results: FooterResults,
}

fn case(name: &str, key_version: Option<u32>, chunk: ChunkSize, len: usize) -> Case {
    let suite = if key_version.is_some() { "sealed" } else { "clear" };
    let name = format!("{suite}-{name}");
    let plaintext = plaintext(len);
    let crc = Crc64Nvme::of(&plaintext).to_be_bytes().to_vec();
    Case {
        facts: FooterFacts {
            cluster: ClusterId(bytes16("cluster")),
            bucket: BUCKET,
            bucket_name: "golden".to_owned(),
            object_key: format!("folder/{name} ü.bin"),
            upload: None,
            place: Place::first(BlobId(bytes16(&name))),
            system_metadata: vec![("content-type".to_owned(), "application/octet-stream".to_owned())],
            user_metadata: Vec::new(),
            order: Order {
                incarnation: 2,
                read_index: 123_456,
                unix_ms: 1_790_000_000_123,
            },
        },
        expected: Expected::Last(&[ChecksumAlgorithm::Crc64Nvme]),
        results: FooterResults {
            content_len: len as u64,
            body: Some(BodyResults {
                len: len as u64,
                etag: hex::encode(&bytes32(&name)[..16]),
                checksums: vec![Checksum {
                    algorithm: ChecksumAlgorithm::Crc64Nvme,
                    value: crc,
                }],
            }),
        },
        name,
        key_version,
        chunk,
        plaintext,
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for version in [None, Some(1)] {
        for len in [0, 1, 4095, 4096, 4097, 12_288, 12_289] {
            cases.push(case(&format!("4k-{len}"), version, ChunkSize::MIN, len));
        }
        cases.push(case("64k-65537", version, ChunkSize::DEFAULT, 65_537));
        cases.push(case("1m-100", version, ChunkSize::MAX, 100));

        let mut part = case("part", version, ChunkSize::MIN, 5000);
        part.facts.upload = Some(UploadPart {
            upload_id: bytes16("upload").to_vec(),
            part_number: 10_000,
        });
        part.facts.user_metadata = vec![
            ("colour".to_owned(), "grün".to_owned()),
            ("empty".to_owned(), String::new()),
        ];
        part.expected = Expected::Last(&ChecksumAlgorithm::ALL);
        part.results.body.as_mut().unwrap().checksums = ChecksumAlgorithm::ALL
            .map(|algorithm| Checksum {
                algorithm,
                value: bytes32("digest")[..algorithm.digest_len()].to_vec(),
            })
            .to_vec();
        cases.push(part);

        let mut inner = case("inner", version, ChunkSize::MIN, 4096);
        inner.facts.place = Place {
            body: BlobId(bytes16("body")),
            index: 3,
            offset: 3 << 30,
        };
        inner.expected = Expected::Inner;
        inner.results.body = None;
        cases.push(inner);

        let mut padded = case("padded", version, ChunkSize::MIN, 9000);
        padded.plaintext[2000..].fill(0);
        padded.results.content_len = 2000;
        cases.push(padded);
    }
    cases.push(case("key-version-2", Some(2), ChunkSize::MIN, 300));
    cases
}

// ---- What is written for them ----

fn keyring(active: u32) -> Keyring {
    Keyring::unlock(&contents(active), &[master()]).unwrap()
}

fn write(case: &Case) -> (Vec<u8>, Protection) {
    let blob = BlobId(bytes16(&case.name));
    let sealer = match case.key_version {
        None => Sealer::clear(blob, case.chunk, EncryptionDisabled::by_settings()),
        Some(version) => {
            let data_key = key(&format!("data key of {}", case.name));
            keyring(version)
                .sealer_with(BUCKET, blob, case.chunk, data_key)
                .unwrap()
        }
    };
    let plan = FooterPlan::new(case.facts.clone(), case.expected).unwrap();
    let mut encoder = Encoder::new(sealer, case.plaintext.len() as u64, plan).unwrap();
    let protection = *encoder.protection();
    let mut out = Vec::new();
    let mut input = case.plaintext.as_slice();
    while let Some(batch) = encoder.push(&mut input).unwrap() {
        out.extend_from_slice(&batch);
    }
    out.extend_from_slice(&encoder.finish(case.results.clone()).unwrap().tail);
    (out, protection)
}

fn describe(case: &Case, stored: &[u8], protection: &Protection) -> Value {
    let descriptor = match protection {
        Protection::Clear => Value::Null,
        Protection::Encrypted(descriptor) => json!({
            "domain": hex::encode(descriptor.domain.0),
            "key_id": hex::encode(descriptor.key.id.0),
            "key_version": descriptor.key.version.0,
            "wrapped": hex::encode(descriptor.wrapped.0),
            "commitment": hex::encode(descriptor.commitment.0),
        }),
    };
    let FooterFacts {
        cluster,
        bucket,
        bucket_name,
        object_key,
        upload,
        place,
        system_metadata,
        user_metadata,
        order,
    } = &case.facts;
    json!({
        "file": format!("{}.blob", case.name),
        "suite": protection.suite().number(),
        "chunk_log2": case.chunk.log2(),
        "blob": hex::encode(bytes16(&case.name)),
        "plaintext_len": case.plaintext.len(),
        "stored_len": stored.len(),
        "crc64_nvme": format!("{:016x}", Crc64Nvme::of(stored)),
        "encryption": descriptor,
        "footer": {
            "cluster": hex::encode(cluster.0),
            "bucket": bucket.0,
            "bucket_name": bucket_name,
            "object_key": object_key,
            "upload": upload.as_ref().map(|upload| json!({
                "upload_id": hex::encode(&upload.upload_id), "part_number": upload.part_number,
            })),
            "body_id": hex::encode(place.body.0),
            "index": place.index,
            "offset": place.offset,
            "system_metadata": system_metadata,
            "user_metadata": user_metadata,
            "incarnation": order.incarnation,
            "read_index": order.read_index,
            "unix_ms": order.unix_ms,
            "content_len": case.results.content_len,
            "body": case.results.body.as_ref().map(|body| json!({
                "len": body.len,
                "etag": body.etag,
                "checksums": body.checksums.iter()
                    .map(|checksum| json!([checksum.algorithm.number(), hex::encode(&checksum.value)]))
                    .collect::<Vec<_>>(),
            })),
        },
    })
}

/// Messages and codes under the cluster secret, with fixed salts.
fn cluster_secret_vectors() -> Value {
    let secret = ClusterSecret::new(&bytes32("cluster secret")).unwrap();
    let vectors = [
        (Purpose::UserSecrets, "user-secrets"),
        (Purpose::ListTokens, "list-tokens"),
        (Purpose::Fingerprints, "fingerprints"),
        (Purpose::Backups, "backups"),
        (Purpose::SessionTokens, "session-tokens"),
        (Purpose::JoinTokens, "join-tokens"),
        (Purpose::Settings, "settings"),
    ]
    .map(|(purpose, name)| {
        let salt = *bytes32(name).first_chunk().unwrap();
        let message = format!("message for {name}");
        let sealed = secret
            .seal_with(salt, purpose, b"AKIAGOLDEN", message.as_bytes())
            .unwrap();
        json!({
            "purpose": name,
            "aad": "AKIAGOLDEN",
            "message": message,
            "sealed": hex::encode(sealed),
            "mac": hex::encode(secret.mac(purpose, message.as_bytes())),
        })
    });
    json!({ "secret": STANDARD.encode(bytes32("cluster secret")), "vectors": vectors })
}

fn all_files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut described = Vec::new();
    for case in cases() {
        let (stored, protection) = write(&case);
        described.push(describe(&case, &stored, &protection));
        files.insert(format!("{}.blob", case.name), stored);
    }
    let manifest = json!({
        "note": "Test keys; they protect nothing. plaintext[i] = (131 * i + 17 * (i >> 8)) mod 256, zero from content_len on",
        "master_key": STANDARD.encode(master().expose()),
        "keyring": "keyring.bin",
        "keyring_without_keys": "keyring-without-keys.bin",
        "blobs": described,
        "cluster_secret": cluster_secret_vectors(),
    });
    let manifest = serde_json::to_string_pretty(&manifest).unwrap() + "\n";
    files.insert("manifest.json".to_owned(), manifest.into_bytes());
    files.insert(
        "keyring.bin".to_owned(),
        contents(2).encode(Authority::Master(&master())).unwrap(),
    );
    let unauthenticated = Authority::None(EncryptionDisabled::by_settings());
    files.insert(
        "keyring-without-keys.bin".to_owned(),
        contents_without_keys().encode(unauthenticated).unwrap(),
    );
    files
}

// ---- Tests ----

#[test]
#[ignore = "writes the golden files anew; only a new format version justifies that"]
fn write_golden_files() {
    fs::create_dir_all(folder()).unwrap();
    for (name, bytes) in all_files() {
        fs::write(folder().join(name), bytes).unwrap();
    }
}

#[test]
fn this_release_writes_the_golden_files_byte_for_byte() {
    let expected = all_files();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected.keys().cloned().collect());
    for (name, bytes) in expected {
        let stored = fs::read(folder().join(&name)).unwrap();
        // Not the order of its keys, which a feature of the JSON library decides.
        let same = match name.as_str() {
            "manifest.json" => json_value(&stored) == json_value(&bytes),
            _ => stored == bytes,
        };
        assert!(same, "{name}: the stored format has changed");
    }
}

fn json_value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// From the files alone, through what a node uses.
#[test]
fn this_release_reads_the_golden_files() {
    let manifest = json_value(&fs::read(folder().join("manifest.json")).unwrap());
    let inline = InlineKey::new(Zeroizing::new(
        manifest["master_key"].as_str().unwrap().to_owned(),
    ));
    let object = StoredKeyring::parse(&fs::read(folder().join("keyring.bin")).unwrap()).unwrap();
    let master = inline
        .load(LoadRequest {
            domain: object.claims().domain,
            sealed: None,
        })
        .unwrap()
        .key;
    let masters = [master];
    let contents = object.authenticate(&masters).unwrap();
    let keyring = Keyring::unlock(&contents, &masters).unwrap();
    let cases: BTreeMap<String, Case> = cases()
        .into_iter()
        .map(|case| (case.name.clone(), case))
        .collect();
    let blobs = manifest["blobs"].as_array().unwrap();
    assert_eq!(blobs.len(), cases.len());
    for described in blobs {
        let file = described["file"].as_str().unwrap();
        let stored = Bytes::from(fs::read(folder().join(file)).unwrap());
        let case = &cases[file.trim_end_matches(".blob")];
        let trailer = Trailer::parse(&stored).unwrap();
        let (blob, chunk) = (trailer.header().blob, trailer.layout().chunk());
        let opener = keyring.opener(blob, chunk, trailer.protection()).unwrap();
        let mut verifier = Verifier::new(opener, trailer.layout(), stored.len() as u64);
        verifier.push(stored).unwrap();
        let verified = verifier.finish().unwrap();
        assert_eq!(verified.footer.facts(), &case.facts, "{file}");
        assert_eq!(verified.footer.results(), &case.results, "{file}");
        assert_eq!(
            Some(format!("{:016x}", verified.crc64_nvme).as_str()),
            described["crc64_nvme"].as_str()
        );
    }
    let object = StoredKeyring::parse(&fs::read(folder().join("keyring-without-keys.bin")).unwrap()).unwrap();
    assert_eq!(
        object.accept_without_keys(EncryptionDisabled::by_settings()),
        Ok(contents_without_keys())
    );
}

/// No code of the library that wrote them.
#[test]
fn the_other_aead_reads_the_sealed_golden_files() {
    let mut read = 0;
    for case in cases().into_iter().filter(|case| case.key_version.is_some()) {
        let stored = fs::read(folder().join(format!("{}.blob", case.name))).unwrap();
        let trailer = Trailer::parse(&stored).unwrap();
        let Protection::Encrypted(descriptor) = trailer.protection() else {
            panic!("{} is clear", case.name)
        };
        let bucket_key = key(&format!("bucket key {}", descriptor.key.version.0));
        let prk = Prk::extract(&descriptor.domain.0, &bucket_key);
        let data_key =
            keys::unwrap_data_key(&prk, trailer.header().blob, descriptor.key, &descriptor.wrapped).unwrap();
        let codec = Codec::<RustCrypto>::open_with(
            trailer.header(),
            &descriptor.domain,
            &data_key,
            &descriptor.commitment,
        )
        .unwrap()
        .unwrap();
        let layout = trailer.layout();
        let mut plaintext = Vec::new();
        for index in 0..layout.chunk_count() {
            let at = layout.chunk_offset(index) as usize;
            let mut data = stored[at..at + layout.plaintext_in_chunk(index)].to_vec();
            let tag = stored[at + data.len()..].first_chunk().unwrap();
            let position = if index == layout.last_chunk() {
                Position::Last
            } else {
                Position::Inner
            };
            codec.open_chunk(index, position, &mut data, tag).unwrap();
            plaintext.extend_from_slice(&data);
        }
        assert!(plaintext == case.plaintext, "{}", case.name);
        read += 1;
    }
    assert!(read >= 10);
}
