//! How many bytes of compacted state an object takes: distinct keys of 40 bytes, every blob sealed and
//! with two copies, written as a node writes them. Prints one line of JSON.
//!
//! `cargo run --release -p raft --bin raft-state-size [OBJECTS] [DIRECTORY]`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use raft::{Fatal, MetadataHandle, NodeOptions, OpenOptions, Session, SessionOptions, Store};
use raft_machine::queries;
use raft_types::checksum::Crc64;
use raft_types::commands::{
    ActivateBackend, ActivateKey, AttachBackend, Command, CommitObject, CreateBucket, NewBlob, NewObject,
    NewReplica, OpenEpoch, OrderStamp, ProveKey, PutBucketKey, RecordKeyring, Written,
};
use raft_types::keys::Table;
use raft_types::records::{Frame, Sealing, Suite};
use raft_types::{
    Attempt, BackendId, BackendName, BackendNonce, BlobId, BucketId, BucketName, ETag, EpochId,
    IncarnationCounter, KeyVersion, MillisUtc, NodeName, ObjectKey, Outcome, PrincipalName,
};

/// Commands on their way at once.
const WRITERS: u64 = 64;
/// Copies of every blob, each on a backend of its own.
const COPIES: u32 = 2;
/// Lengths of what the crypto crate gives a sealed blob: they do not compress.
const WRAPPED_BYTES: usize = 40;
const COMMITMENT_BYTES: usize = 32;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let objects = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let path = arguments.next().map_or_else(
        || std::env::temp_dir().join(format!("state-size-{}", std::process::id())),
        PathBuf::from,
    );
    let store = Store::open(OpenOptions {
        path: path.clone(),
        node_name: NodeName::new("node-1")?,
        fatal: Fatal::abort(),
    })?;
    let node = store.bootstrap(NodeOptions::default()).await?;
    let session = Session::open(&node.handle(), SessionOptions::default()).await?;
    let place = prepare(&node.handle(), &session).await?;
    let begun = Instant::now();
    write(&session, place, objects).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let bytes = node.compact_state().await?;
    drop(session);
    node.shutdown().await?;
    std::fs::remove_dir_all(&path)?;
    report(objects, bytes, seconds);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report of a benchmark")]
fn report(objects: u64, bytes: u64, seconds: f64) {
    println!(
        "{{\"objects\":{objects},\"bytes\":{bytes},\"bytes_per_object\":{:.1},\"commits_per_second\":{:.0}}}",
        bytes as f64 / objects as f64,
        objects as f64 / seconds
    );
}

/// Where the objects go.
#[derive(Clone, Copy)]
struct Place {
    bucket: BucketId,
    epoch: EpochId,
    read_index: u64,
}

/// A bucket with a key, an epoch, and as many backends as copies.
async fn prepare(handle: &MetadataHandle, session: &Session) -> Result<Place, Failure> {
    for number in 1..=COPIES {
        let attach = AttachBackend {
            name: BackendName::new(format!("backend-{number}"))?,
            kind: "fs".into(),
            spec: Bytes::from_static(b"{}"),
            prefix: String::new(),
            nonce: BackendNonce(noise(u64::from(number))),
        };
        session.execute(Command::AttachBackend(attach)).await?;
        let activate = ActivateBackend {
            backend: BackendId(number),
            readers: vec![session.id()],
        };
        done(session.execute(Command::ActivateBackend(activate)).await?)?;
    }
    let create = Command::CreateBucket(CreateBucket {
        name: BucketName::new("bucket")?,
        owner: PrincipalName::new("owner")?,
    });
    let Outcome::BucketCreated(bucket) = session.execute(create).await? else {
        return Err("the bucket was not created".into());
    };
    let version = KeyVersion(1);
    let put = Command::PutBucketKey(PutBucketKey {
        bucket,
        version,
        wrapped: Bytes::from_static(&[7; WRAPPED_BYTES]),
        master: "inline".into(),
    });
    done(session.execute(put).await?)?;
    let revision = queries::revision(&handle.local_view(), Table::Keys)?;
    for command in [
        Command::ProveKey(ProveKey { bucket, version }),
        Command::RecordKeyring(RecordKeyring {
            revision,
            backends: vec![BackendId(1)],
        }),
        Command::ActivateKey(ActivateKey { bucket, version }),
    ] {
        done(session.execute(command).await?)?;
    }
    match session.execute(Command::OpenEpoch(OpenEpoch {})).await? {
        Outcome::EpochOpened(epoch) => Ok(Place {
            bucket,
            epoch,
            read_index: handle.local_view().applied_index(),
        }),
        other => Err(format!("no epoch was opened: {other:?}").into()),
    }
}

fn done(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Done => Ok(()),
        other => Err(format!("a command was answered with {other:?}").into()),
    }
}

async fn write(session: &Session, place: Place, objects: u64) -> Result<(), Failure> {
    let next = Arc::new(AtomicU64::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (session, next) = (session.clone(), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= objects {
                    return Ok::<_, Failure>(());
                }
                match session.execute(commit(place, number)?).await? {
                    Outcome::Committed(_) => {}
                    other => return Err(format!("a commit was answered with {other:?}").into()),
                }
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

fn commit(place: Place, number: u64) -> Result<Command, Failure> {
    let replica = |copy: u32| NewReplica {
        backend: BackendId(copy + 1),
        incarnation: IncarnationCounter::FIRST,
        epoch: place.epoch,
        attempt: Attempt(number as u32 * COPIES + copy),
        provider_version: None,
    };
    let size = 4096;
    let blob = NewBlob {
        blob: BlobId::from_parts(0, noise(number)),
        size,
        stored: size + 640,
        crc: Crc64(u64::from_le_bytes(noise(number ^ 1 << 40))),
        frame: Frame {
            suite: Suite::Aes256Gcm,
            chunk_log2: 16,
            sealing: Some(Sealing {
                key_version: KeyVersion(1),
                wrapped: Bytes::copy_from_slice(&noise::<WRAPPED_BYTES>(number ^ 2 << 40)),
                commitment: Bytes::copy_from_slice(&noise::<COMMITMENT_BYTES>(number ^ 3 << 40)),
            }),
        },
        replicas: (0..COPIES).map(replica).collect(),
    };
    let object = NewObject {
        size,
        etag: ETag::of_whole(noise(number ^ 4 << 40)),
        headers: None,
        metadata: Vec::new(),
        checksums: Vec::new(),
        storage_class: None,
        owner: None,
    };
    // Folders of a thousand, as trees have them; 40 bytes in all.
    let key = format!("tree/{:06}/{:028}", number / 1000, number);
    Ok(Command::CommitObject(Box::new(CommitObject {
        bucket: place.bucket,
        key: ObjectKey::new(key)?,
        written: Written {
            blobs: vec![blob],
            given_up: Vec::new(),
            running: Vec::new(),
            wanted: COPIES,
        },
        object,
        conditions: None,
        order: OrderStamp {
            incarnation: IncarnationCounter::FIRST,
            read_index: place.read_index,
            time: MillisUtc(number),
        },
    })))
}

/// Bytes that do not compress, the same for the same number.
fn noise<const N: usize>(number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    for (place, word) in bytes.chunks_mut(8).enumerate() {
        // The finaliser of SplitMix64.
        let mut mixed = number
            .wrapping_mul(8)
            .wrapping_add(place as u64)
            .wrapping_add(1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        word.copy_from_slice(&mixed.to_le_bytes()[..word.len()]);
    }
    bytes
}
