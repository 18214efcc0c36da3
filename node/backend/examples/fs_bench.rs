//! What the directory backend does on a given folder: small puts and gets per second, long ones in
//! megabytes per second.
//!
//! ```text
//! cargo run --release -p node-backend --example fs_bench -- /dev/shm/bench [--ops 100000] [--clients 64] [--mib 1024]
//! ```
//!
//! The folder must be empty or missing; what is written is removed at the end.

#![allow(clippy::print_stdout, reason = "a report for people")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use node_backend::fs::{FsBackend, FsOptions, RootPolicy};
use node_backend::{
    Backend, BackendKey, Body, GetOptions, KeyPrefix, ListRequest, Listing, PutOptions, Target,
};
use raft_types::{
    Attempt, BackendName, BlobId, ClusterId, EpochId, Incarnation, IncarnationCounter, PhysicalKey,
};

const SMALL: usize = 4 << 10;
const PIECE: usize = 64 << 10;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Plan {
    path: PathBuf,
    ops: u64,
    clients: u64,
    mib: u64,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let plan = Plan::from_args()?;
    let options = FsOptions {
        path: plan.path.clone(),
        root: RootPolicy::Create,
    };
    let backend = Arc::new(FsBackend::open(BackendName::new("bench")?, options).await?);

    let body = Bytes::from(vec![7; SMALL]);
    let to = Arc::clone(&backend);
    let put = clients(&plan, move |number| {
        let (backend, body) = (Arc::clone(&to), body.clone());
        async move {
            backend
                .put(&key(number)?, Body::from_bytes(body), PutOptions::default())
                .await?;
            Ok(())
        }
    });
    report("put 4 KiB", plan.ops, put.await?);
    let from = Arc::clone(&backend);
    let get = clients(&plan, move |number| {
        let backend = Arc::clone(&from);
        async move {
            let download = backend.get(&key(number)?, GetOptions::default()).await?;
            let bytes = download.body.collect().await?;
            if bytes.len() == SMALL {
                Ok(())
            } else {
                Err("a short body".into())
            }
        }
    });
    report("get 4 KiB", plan.ops, get.await?);

    let started = Instant::now();
    let mut request = ListRequest::first(Listing::Objects, KeyPrefix::root());
    let mut targets = Vec::new();
    let mut deleting = Duration::ZERO;
    let mut listed = 0;
    loop {
        let page = backend.list(&request).await?;
        listed += page.entries.len() as u64;
        for entry in &page.entries {
            targets.push(entry.target()?);
        }
        let Some(next) = page.next else { break };
        request = request.after(next);
    }
    report("list, pages of 1,000", listed, started.elapsed());
    for batch in targets.chunks(1_000) {
        let started = Instant::now();
        delete(&*backend, batch).await?;
        deleting += started.elapsed();
    }
    report("delete, batches of 1,000", listed, deleting);

    long(&*backend, &plan).await?;
    backend.tidy(&KeyPrefix::parse(".holdfast")?).await?;
    std::fs::remove_dir(&plan.path)?;
    Ok(())
}

async fn long(backend: &dyn Backend, plan: &Plan) -> Outcome<()> {
    let key = key(u64::MAX)?;
    let length = plan.mib << 20;
    let started = Instant::now();
    let (mut writer, body) = Body::channel(length);
    let writing = async move {
        let piece = Bytes::from(vec![9; PIECE]);
        for _ in 0..length / PIECE as u64 {
            writer.write(piece.clone()).await?;
        }
        Outcome::Ok(())
    };
    let (written, stored) = tokio::join!(
        tokio::spawn(writing),
        backend.put(&key, body, PutOptions::default())
    );
    written??;
    speed("put", stored?.size, started.elapsed());

    let started = Instant::now();
    let mut download = backend.get(&key, GetOptions::default()).await?;
    let mut got = 0;
    while let Some(piece) = download.body.next().await {
        got += piece?.len() as u64;
    }
    speed("get", got, started.elapsed());
    println!(
        "peak resident memory: {}",
        peak_memory().unwrap_or_else(|| "unknown".to_owned())
    );
    delete(backend, &[Target::current(key)]).await
}

async fn delete(backend: &dyn Backend, targets: &[Target]) -> Outcome<()> {
    for outcome in backend.delete(targets).await? {
        outcome?;
    }
    Ok(())
}

/// Runs `plan.ops` operations on `plan.clients` tasks, each number once.
async fn clients<F, Fut>(plan: &Plan, operation: F) -> Outcome<Duration>
where
    F: Fn(u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Outcome<()>> + Send,
{
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..plan.clients)
        .map(|_| {
            let (next, operation, ops) = (Arc::clone(&next), operation.clone(), plan.ops);
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= ops {
                        return Outcome::Ok(());
                    }
                    operation(number).await?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(started.elapsed())
}

/// Keys as a node makes them: one epoch, blobs spread by their random bytes.
fn key(number: u64) -> Outcome<BackendKey> {
    let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    let mut random = [0; BlobId::RANDOM_BYTES];
    random[..8].copy_from_slice(&spread);
    let physical = PhysicalKey {
        cluster: ClusterId([1; 16]),
        incarnation: Incarnation {
            counter: IncarnationCounter::FIRST,
            tag: 1,
        },
        epoch: EpochId(1),
        blob: BlobId::from_parts(0, random),
        attempt: Attempt(1),
    };
    Ok(BackendKey::attempt(&KeyPrefix::root(), &physical)?)
}

fn report(what: &str, ops: u64, took: Duration) {
    let rate = ops as f64 / took.as_secs_f64();
    println!("{what}: {ops} in {took:.2?}, {rate:.0} per second");
}

fn speed(what: &str, bytes: u64, took: Duration) {
    let rate = bytes as f64 / 1e6 / took.as_secs_f64();
    println!("{what} {} MiB: {took:.2?}, {rate:.0} MB/s", bytes >> 20);
}

fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}

impl Plan {
    fn from_args() -> Outcome<Self> {
        let mut args = std::env::args().skip(1);
        let path = args
            .next()
            .ok_or("usage: fs_bench FOLDER [--ops N] [--clients N] [--mib N]")?;
        let mut plan = Self {
            path: path.into(),
            ops: 100_000,
            clients: 64,
            mib: 1_024,
        };
        while let Some(flag) = args.next() {
            let value: u64 = args.next().ok_or("a flag without its value")?.parse()?;
            match flag.as_str() {
                "--ops" => plan.ops = value,
                "--clients" => plan.clients = value.max(1),
                "--mib" => plan.mib = value,
                _ => return Err(format!("unknown flag {flag}").into()),
            }
        }
        Ok(plan)
    }
}
