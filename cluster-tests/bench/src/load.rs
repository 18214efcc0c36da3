//! The load: so many clients, each with one connection and one request at a time, until the time is
//! over. One thread, since the machine's other core belongs to the server under test.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cpu::CpuClock;
use crate::wire::{Connection, WireError};

/// Latencies from one microsecond to two minutes with three significant digits.
const HIGHEST_LATENCY_US: u64 = 120_000_000;

/// One measurement.
pub(crate) struct Load {
    /// Where the clients connect; clients are dealt out over them in turn.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Clients that send at the same time.
    pub(crate) clients: usize,
    /// When to stop.
    pub(crate) until: Until,
    /// The requests, used in turn by all clients together.
    pub(crate) requests: Requests,
}

/// When a measurement ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After so much time; requests under way are finished.
    Elapsed(Duration),
    /// When each of the prepared requests was sent once.
    AllSent,
}

/// Prepared requests: whole heads, and a body that all of them share.
pub(crate) struct Requests {
    /// Complete request heads, blank line included.
    pub(crate) heads: Vec<Vec<u8>>,
    /// One block of the body.
    pub(crate) block: Vec<u8>,
    /// How often the block is sent.
    pub(crate) repeat: usize,
}

/// What a measurement found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// Answers with a status below 300.
    pub(crate) ok: u64,
    /// All others, failed connections included.
    pub(crate) failed: u64,
    /// One of the failures, in words.
    pub(crate) first_failure: Option<String>,
    /// Wall-clock seconds.
    pub(crate) seconds: f64,
    /// Successful requests per second.
    pub(crate) per_second: f64,
    /// Bytes of bodies, in both directions, per second of wall clock, in MB (10^6).
    pub(crate) megabytes_per_second: f64,
    /// Latency percentiles in microseconds.
    pub(crate) p50_us: u64,
    /// See `p50_us`.
    pub(crate) p99_us: u64,
    /// See `p50_us`.
    pub(crate) max_us: u64,
    /// CPU seconds that the generator itself used.
    pub(crate) generator_cpu_seconds: f64,
}

impl Load {
    /// Runs the measurement to its end.
    pub(crate) fn run(self) -> Result<Outcome, WireError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        tokio::task::LocalSet::new().block_on(&runtime, Rc::new(self).measure())
    }

    async fn measure(self: Rc<Self>) -> Result<Outcome, WireError> {
        let mut connections = Vec::with_capacity(self.clients);
        for client in 0..self.clients {
            let address = self.addresses[client % self.addresses.len()];
            connections.push((address, Connection::open(address).await?));
        }
        let cpu = CpuClock::of_this_process();
        let started = Instant::now();
        let next = Rc::new(Cell::new(0));
        let clients: Vec<_> = connections
            .into_iter()
            .map(|(address, connection)| {
                let load = Rc::clone(&self);
                let next = Rc::clone(&next);
                tokio::task::spawn_local(
                    async move { load.client(address, connection, &next, started).await },
                )
            })
            .collect();
        let mut sum = Tally::new();
        for client in clients {
            match client.await {
                Ok(tally) => sum.add(tally),
                Err(error) => sum.failed(format!("a client ended early: {error}")),
            }
        }
        Ok(sum.outcome(started.elapsed().as_secs_f64(), cpu.elapsed_seconds()))
    }

    async fn client(
        &self,
        address: SocketAddr,
        mut connection: Connection,
        next: &Cell<usize>,
        started: Instant,
    ) -> Tally {
        let mut tally = Tally::new();
        let sent = (self.requests.block.len() * self.requests.repeat) as u64;
        loop {
            let turn = next.replace(next.get() + 1);
            match self.until {
                Until::Elapsed(limit) if started.elapsed() >= limit => return tally,
                Until::AllSent if turn >= self.requests.heads.len() => return tally,
                Until::Elapsed(_) | Until::AllSent => {}
            }
            let head = &self.requests.heads[turn % self.requests.heads.len()];
            let begun = Instant::now();
            match connection
                .exchange(head, &self.requests.block, self.requests.repeat)
                .await
            {
                Ok(answer) if answer.status < 300 => tally.ok(begun.elapsed(), sent + answer.body),
                Ok(answer) => tally.failed(format!("status {}", answer.status)),
                Err(error) => {
                    tally.failed(error.to_string());
                    match Connection::open(address).await {
                        Ok(fresh) => connection = fresh,
                        Err(_) => return tally,
                    }
                }
            }
        }
    }
}

struct Tally {
    latencies: Histogram<u64>,
    ok: u64,
    bytes: u64,
    failed: u64,
    first_failure: Option<String>,
}

impl Tally {
    fn new() -> Tally {
        #[expect(
            clippy::expect_used,
            reason = "the bounds are constants that the histogram can represent"
        )]
        let latencies = Histogram::new_with_bounds(1, HIGHEST_LATENCY_US, 3).expect("valid bounds");
        Tally {
            latencies,
            ok: 0,
            bytes: 0,
            failed: 0,
            first_failure: None,
        }
    }

    fn ok(&mut self, latency: Duration, bytes: u64) {
        self.ok += 1;
        self.bytes += bytes;
        self.latencies.saturating_record(latency.as_micros() as u64);
    }

    fn failed(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }

    fn add(&mut self, other: Tally) {
        self.ok += other.ok;
        self.bytes += other.bytes;
        self.failed += other.failed;
        if self.first_failure.is_none() {
            self.first_failure = other.first_failure;
        }
        let _ = self.latencies.add(&other.latencies);
    }

    fn outcome(self, seconds: f64, generator_cpu_seconds: f64) -> Outcome {
        Outcome {
            ok: self.ok,
            failed: self.failed,
            first_failure: self.first_failure,
            seconds,
            per_second: self.ok as f64 / seconds,
            megabytes_per_second: self.bytes as f64 / 1e6 / seconds,
            p50_us: self.latencies.value_at_quantile(0.5),
            p99_us: self.latencies.value_at_quantile(0.99),
            max_us: self.latencies.max(),
            generator_cpu_seconds,
        }
    }
}
