//! How many commands per second one voter commits, durably, with 64 proposers; and how many read
//! barriers it answers.
//!
//! `cargo run --release -p raft --example propose_bench [SECONDS] [DIRECTORY]`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use raft::{Fatal, Node, NodeOptions, OpenOptions, Session, SessionOptions, Store};
use raft_types::commands::{Command, CreateBucket, SetVersioning};
use raft_types::records::Versioning;
use raft_types::{BucketName, NodeName, Outcome, PrincipalName};

const PROPOSERS: usize = 64;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let limit = Duration::from_secs(seconds);
    let path = arguments.next().map_or_else(
        || std::env::temp_dir().join(format!("propose-bench-{}", std::process::id())),
        PathBuf::from,
    );

    let store = Store::open(OpenOptions {
        path: path.clone(),
        node_name: NodeName::new("node-1")?,
        fatal: Fatal::abort(),
    })?;
    let node = store.bootstrap(NodeOptions::default()).await?;
    for proposers in [1, PROPOSERS] {
        let (count, elapsed) = propose(&node, proposers, limit).await?;
        report("commands", proposers, count, elapsed);
    }
    for readers in [1, PROPOSERS] {
        let (count, elapsed) = read(&node, readers, limit).await?;
        report("read barriers", readers, count, elapsed);
    }
    node.shutdown().await?;
    std::fs::remove_dir_all(&path)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the report of a benchmark")]
fn report(what: &str, tasks: usize, count: u64, elapsed: Duration) {
    let rate = count as f64 / elapsed.as_secs_f64();
    let latency = elapsed.as_secs_f64() * 1e6 * tasks as f64 / count.max(1) as f64;
    println!("{tasks:>3} tasks: {rate:>9.0} {what}/s, {latency:>7.0} µs each");
}

/// Commands that change one row, so that the state machine weighs little.
async fn propose(node: &Node, proposers: usize, limit: Duration) -> Result<(u64, Duration), Failure> {
    let session = Session::open(&node.handle(), SessionOptions::default()).await?;
    let create = Command::CreateBucket(CreateBucket {
        name: BucketName::new(format!("bucket-{proposers}"))?,
        owner: PrincipalName::new("owner")?,
    });
    let Outcome::BucketCreated(bucket) = session.execute(create).await? else {
        return Err("the bucket was not created".into());
    };
    run(proposers, limit, move || {
        let session = session.clone();
        let command = Command::SetVersioning(SetVersioning {
            bucket,
            versioning: Versioning::Enabled,
        });
        async move { session.execute(command).await.map(drop).map_err(Failure::from) }
    })
    .await
}

async fn read(node: &Node, readers: usize, limit: Duration) -> Result<(u64, Duration), Failure> {
    let handle = node.handle();
    run(readers, limit, move || {
        let handle = handle.clone();
        async move { handle.read().await.map(drop).map_err(Failure::from) }
    })
    .await
}

/// Runs `work` in `tasks` tasks, again and again.
async fn run<F, W>(tasks: usize, limit: Duration, work: W) -> Result<(u64, Duration), Failure>
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), Failure>> + Send,
{
    let count = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let (count, work) = (Arc::clone(&count), work.clone());
        running.spawn(async move {
            while started.elapsed() < limit {
                work().await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok((count.load(Ordering::Relaxed), started.elapsed()))
}
