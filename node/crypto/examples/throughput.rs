//! Speed of the blob format on one core: `cargo run --release -p node-crypto --example throughput`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use node_crypto::aead::{Aead, AwsLc, RustCrypto};
use node_crypto::footer::{BodyResults, Expected, FooterFacts, FooterPlan, FooterResults, Order, Place};
use node_crypto::frame::{ChunkSize, Decoder, Encoder, Layout, Protection};
use node_crypto::keys::{
    BucketEntry, KeyEntry, Keyring, KeyringContents, MasterEntry, MasterKey, Versioning,
};
use node_crypto::{
    BlobId, BucketId, ClusterId, Crc64Nvme, DomainId, Encryption, EncryptionDisabled, KeyId, KeyRef,
    KeyVersion, MasterVersion,
};

/// Long enough to leave caches and clock ramps behind.
const LARGE: usize = 64 << 20;
const SMALL: usize = 4 << 10;
/// Each figure is the best of several runs of at least this long.
const RUN: Duration = Duration::from_millis(400);
const RUNS: usize = 5;
const BUCKET: BucketId = BucketId(1);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Runs per second, in the best run.
fn best(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = 0.0_f64;
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut done = 0_u32;
        while start.elapsed() < RUN {
            work()?;
            done += 1;
        }
        best = best.max(f64::from(done) / start.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn gigabytes(name: &str, len: usize, work: impl FnMut() -> Result<()>) -> Result<()> {
    let per_second = best(work)?;
    println!("{name:<58} {:>8.2} GB/s", per_second * len as f64 / 1e9);
    Ok(())
}

fn micros(name: &str, work: impl FnMut() -> Result<()>) -> Result<()> {
    println!("{name:<58} {:>8.2} µs", 1e6 / best(work)?);
    Ok(())
}

fn keyring() -> Result<Arc<Keyring>> {
    let master = MasterKey::generate()?;
    let (domain, version) = (DomainId::generate()?, MasterVersion(1));
    let key = KeyRef {
        id: KeyId::generate()?,
        version: KeyVersion(1),
    };
    let contents = KeyringContents {
        cluster: ClusterId::generate()?,
        domain,
        incarnation: 1,
        revision: 1,
        active_master: Some(version),
        masters: vec![MasterEntry {
            version,
            check: master.new_check(domain, version)?,
            provider: "inline".to_owned(),
            sealed: Vec::new(),
        }],
        buckets: vec![BucketEntry {
            bucket: BUCKET,
            name: "bench".to_owned(),
            versioning: Versioning::Unversioned,
            active: Some(key),
        }],
        keys: vec![KeyEntry {
            key,
            bucket: BUCKET,
            master: version,
            wrapped: master.new_bucket_key(domain, version, BUCKET, key)?,
        }],
    };
    Ok(Arc::new(Keyring::unlock(&contents, &[master])?))
}

fn plan(blob: BlobId) -> Result<FooterPlan> {
    let facts = FooterFacts {
        cluster: ClusterId([1; 16]),
        bucket: BUCKET,
        bucket_name: "bench".to_owned(),
        object_key: "folder/object-000000000000001.bin".to_owned(),
        upload: None,
        place: Place::first(blob),
        system_metadata: vec![("content-type".to_owned(), "application/octet-stream".to_owned())],
        user_metadata: Vec::new(),
        order: Order {
            incarnation: 1,
            read_index: 1,
            unix_ms: 1,
        },
    };
    Ok(FooterPlan::new(facts, Expected::Last(&[]))?)
}

struct Stored {
    blob: BlobId,
    layout: Layout,
    protection: Protection,
    bytes: Bytes,
}

/// Seals `plaintext` as it comes from a connection, in `piece` bytes; keeps the result if asked to.
fn seal(
    encryption: &Encryption,
    plaintext: &[u8],
    piece: usize,
    mut keep: Option<&mut BytesMut>,
) -> Result<Stored> {
    let blob = BlobId::generate()?;
    let sealer = encryption.sealer(BUCKET, blob, ChunkSize::DEFAULT)?;
    let mut encoder = Encoder::new(sealer, plaintext.len() as u64, plan(blob)?)?;
    let (layout, protection) = (*encoder.layout(), *encoder.protection());
    let mut sink = |bytes: Bytes| match &mut keep {
        Some(keep) => keep.extend_from_slice(&bytes),
        None => drop(black_box(bytes)),
    };
    for mut piece in plaintext.chunks(piece) {
        while let Some(batch) = encoder.push(&mut piece)? {
            sink(batch);
        }
    }
    let len = plaintext.len() as u64;
    let body = BodyResults {
        len,
        etag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
        checksums: Vec::new(),
    };
    let sealed = encoder.finish(FooterResults {
        content_len: len,
        body: Some(body),
    })?;
    sink(sealed.tail);
    Ok(Stored {
        blob,
        layout,
        protection,
        bytes: Bytes::new(),
    })
}

fn open(keyring: &Keyring, stored: &Stored, pieces: &[Bytes]) -> Result<()> {
    let opener = keyring.opener(stored.blob, ChunkSize::DEFAULT, &stored.protection)?;
    let mut decoder = Decoder::new(opener, stored.layout.whole());
    for piece in pieces {
        let mut piece = piece.clone();
        while let Some(plaintext) = decoder.push(&mut piece)? {
            black_box(plaintext);
        }
    }
    Ok(decoder.finish()?)
}

fn pieces(body: &Bytes, len: usize) -> Vec<Bytes> {
    body.chunks(len).map(Bytes::copy_from_slice).collect()
}

fn primitives(data: &mut [u8]) -> Result<()> {
    fn sealing<A: Aead>(data: &mut [u8]) -> Result<()> {
        let cipher = A::new(&[7; 32])?;
        for chunk in data.chunks_mut(ChunkSize::DEFAULT.bytes()) {
            black_box(cipher.seal(&[0; 12], &[0; 37], chunk)?);
        }
        Ok(())
    }
    gigabytes("AES-256-GCM, aws-lc-rs, 64 KiB messages", LARGE, || {
        sealing::<AwsLc>(data)
    })?;
    gigabytes("AES-256-GCM, RustCrypto, 64 KiB messages", LARGE, || {
        sealing::<RustCrypto>(data)
    })?;
    gigabytes("XXH3-128, 64 KiB messages", LARGE, || {
        data.chunks(64 << 10).for_each(|chunk| {
            black_box(xxhash_rust::xxh3::xxh3_128(chunk));
        });
        Ok(())
    })?;
    gigabytes("CRC-64/NVME, 64 KiB pieces", LARGE, || {
        let mut crc = Crc64Nvme::new();
        data.chunks(64 << 10).for_each(|chunk| crc.update(chunk));
        black_box(crc.value());
        Ok(())
    })
}

fn main() -> Result<()> {
    let mut plaintext: Vec<u8> = (0..LARGE as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9) >> 13) as u8)
        .collect();
    primitives(&mut plaintext)?;
    let keyring = keyring()?;
    let suites = [
        ("suite 0", Encryption::Disabled(EncryptionDisabled::by_settings())),
        ("suite 1", Encryption::Enabled(Arc::clone(&keyring))),
    ];
    for (suite, encryption) in &suites {
        gigabytes(
            &format!("{suite}: seal 64 MiB from 16 KiB pieces, with CRC"),
            LARGE,
            || seal(encryption, &plaintext, 16 << 10, None).map(drop),
        )?;
        let mut bytes = BytesMut::new();
        let mut stored = seal(encryption, &plaintext, 1 << 20, Some(&mut bytes))?;
        bytes.truncate(stored.layout.body_len() as usize);
        stored.bytes = bytes.freeze();
        for piece in [16 << 10, 64 << 10, 256 << 10] {
            let pieces = pieces(&stored.bytes, piece);
            let name = format!("{suite}: open 64 MiB from {} KiB pieces", piece >> 10);
            gigabytes(&name, LARGE, || open(&keyring, &stored, &pieces))?;
        }
        micros(&format!("{suite}: seal 4 KiB, key and footer included"), || {
            seal(encryption, &plaintext[..SMALL], SMALL, None).map(drop)
        })?;
        let mut bytes = BytesMut::new();
        let stored = seal(encryption, &plaintext[..SMALL], SMALL, Some(&mut bytes))?;
        bytes.truncate(stored.layout.body_len() as usize);
        let pieces = [bytes.freeze()];
        micros(&format!("{suite}: open 4 KiB, key included"), || {
            open(&keyring, &stored, &pieces)
        })?;
    }
    Ok(())
}
