//! What it costs to verify a request and to take its body in.
//!
//! `cargo run --release -p api --example wire_bench`. Prints one table; runs about 20 seconds.
#![expect(clippy::print_stdout, reason = "the table is the program's answer")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends where its input is wrong")]

#[path = "../tests/auth_signer/mod.rs"]
mod signer;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use api::port::{SecretKey, VerifiedBody as _};
use api::s3::auth::{AuthConfig, SigningKeys, parse};
use api::s3::body::{BodyConfig, BodyKind, BodyResources, BodySpec};
use bytes::Bytes;
use http::request::Parts;
use http_body::{Body, Frame};
use md5::{Digest as _, Md5};

use signer::{Draft, now, secret, sha256_hex, sign_chunk};

/// How long each line is measured.
const EACH: Duration = Duration::from_millis(1500);
/// What one read of a connection brings.
const FRAME: usize = 64 * 1024;
const LARGE: usize = 64 * 1024 * 1024;
const SMALL: usize = 4 * 1024;

struct Frames(VecDeque<Bytes>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A request and the bytes that follow it.
struct Request {
    parts: Parts,
    frames: VecDeque<Bytes>,
}

struct Bench {
    config: AuthConfig,
    keys: SigningKeys,
    secret: SecretKey,
    resources: BodyResources,
}

impl Bench {
    fn verify(&self, parts: &Parts) -> BodySpec {
        let auth = parse(parts, &self.config, now()).unwrap();
        let payload = auth.verify(Some(&self.secret), &self.keys).unwrap().payload;
        BodySpec::parse(parts, payload, BodyKind::Document, 1 << 40).unwrap()
    }

    async fn take_in(&self, request: &Request) {
        let spec = self.verify(&request.parts);
        let mut body = self.resources.open(spec, Frames(request.frames.clone()));
        while let Some(piece) = body.next().await.unwrap() {
            black_box(piece);
        }
        black_box(body.finish().await.unwrap());
    }
}

fn request(payload: &str, data: &Bytes, chunk: Option<usize>) -> Request {
    let mut draft = Draft::new("PUT", "/bucket/photos/2013/may/24/0001.jpg")
        .payload(payload)
        .header("content-type", "application/octet-stream")
        .header("x-amz-meta-mtime", "1369353600.000000000");
    draft = match chunk {
        None => draft.header("content-length", &data.len().to_string()),
        Some(_) => draft.header("x-amz-decoded-content-length", &data.len().to_string()),
    };
    let (sent, seed) = draft.sign_header();
    let wire = match chunk {
        None => data.clone(),
        Some(size) => chunked(&seed, data, size, payload.contains("HMAC")).into(),
    };
    let frames = (0..wire.len())
        .step_by(FRAME)
        .map(|from| wire.slice(from..wire.len().min(from + FRAME)));
    Request {
        parts: sent.parts(),
        frames: frames.collect(),
    }
}

fn chunked(seed: &str, data: &[u8], size: usize, signed: bool) -> Vec<u8> {
    let (mut wire, mut previous) = (Vec::with_capacity(data.len() * 9 / 8), seed.to_owned());
    for chunk in data.chunks(size).chain([&b""[..]]) {
        wire.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
        if signed {
            previous = sign_chunk(&previous, chunk);
            wire.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(chunk);
        if !chunk.is_empty() {
            wire.extend_from_slice(b"\r\n");
        }
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// What one run takes.
struct Cost {
    /// The best batch: what it takes when nobody else wants the cores.
    wall: Duration,
    /// The mean over all threads of the process; none where the system does not tell.
    cpu: Option<Duration>,
}

/// Runs `once` for a while.
async fn cost(mut once: impl AsyncFnMut()) -> Cost {
    let (warm, mut count) = (Instant::now(), 0u32);
    while warm.elapsed() < EACH / 20 || count == 0 {
        once().await;
        count += 1;
    }
    let (begun, cpu, batch) = (Instant::now(), cpu_time(), count.div_ceil(10));
    let (mut runs, mut wall) = (0, Duration::MAX);
    while begun.elapsed() < EACH {
        let batch_begun = Instant::now();
        for _ in 0..batch {
            once().await;
        }
        wall = wall.min(batch_begun.elapsed() / batch);
        runs += batch;
    }
    let used = cpu_time()
        .zip(cpu)
        .map(|(after, before)| after.saturating_sub(before) / runs);
    Cost { wall, cpu: used }
}

/// The time that all threads of this process have run, as Linux counts it in nanoseconds.
fn cpu_time() -> Option<Duration> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let run = |thread: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Some(Duration::from_nanos(threads.filter_map(run).sum()))
}

fn micros(name: &str, Cost { wall, cpu }: Cost) {
    let micros = |time: Duration| format!("{:.2} µs", time.as_secs_f64() * 1e6);
    println!(
        "{name:<48} {:>14} {:>14}",
        micros(wall),
        cpu.map_or("-".to_owned(), micros)
    );
}

fn rate(name: &str, bytes: usize, Cost { wall, cpu }: Cost) {
    let rate = |time: Duration| format!("{:.2} GB/s", bytes as f64 / time.as_secs_f64() / 1e9);
    println!(
        "{name:<48} {:>14} {:>14}",
        rate(wall),
        cpu.map_or("-".to_owned(), rate)
    );
}

async fn run() {
    let bench = Bench {
        config: AuthConfig::default(),
        keys: SigningKeys::new(),
        secret: secret(),
        resources: BodyResources::new(&BodyConfig::default()).unwrap(),
    };
    let small = Bytes::from(vec![0x5a; SMALL]);
    let large = Bytes::from((0..LARGE).map(|index| (index >> 3) as u8).collect::<Vec<u8>>());

    println!("{:<48} {:>14} {:>14}\n", "", "best", "by CPU time");
    println!("requests (signing key cached)");
    let get = Draft::new("GET", "/bucket/photos/2013/may/24/0001.jpg")
        .sign_header()
        .0
        .parts();
    micros(
        "GET by header: parse",
        cost(async || drop(black_box(parse(&get, &bench.config, now())))).await,
    );
    micros(
        "GET by header: parse, verify",
        cost(async || drop(black_box(bench.verify(&get)))).await,
    );
    let presigned = Draft::new("GET", "/bucket/photos/2013/may/24/0001.jpg")
        .presign("600")
        .parts();
    micros(
        "GET presigned: parse, verify",
        cost(async || drop(black_box(bench.verify(&presigned)))).await,
    );
    let put = request("UNSIGNED-PAYLOAD", &small, None);
    micros(
        "PUT by header: parse, verify",
        cost(async || drop(black_box(bench.verify(&put.parts)))).await,
    );
    let cold = async || {
        let auth = parse(&get, &bench.config, now()).unwrap();
        black_box(auth.verify(Some(&bench.secret), &SigningKeys::new()).is_ok());
    };
    micros("GET by header, key derived (and a cache made)", cost(cold).await);

    println!("\nPUT of 4 KiB: parse, verify, read, hash");
    let hash = sha256_hex(&small);
    for (name, payload, chunk) in [
        ("unsigned payload", "UNSIGNED-PAYLOAD", None),
        ("signed SHA-256", hash.as_str(), None),
        ("signed chunks", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Some(FRAME)),
        (
            "unsigned chunks",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            Some(FRAME),
        ),
    ] {
        let request = request(payload, &small, chunk);
        micros(name, cost(async || bench.take_in(&request).await).await);
    }
    let md5 = async || {
        black_box(Md5::digest(&small));
    };
    micros("MD5 alone", cost(md5).await);

    println!("\nPUT of 64 MiB in reads of 64 KiB");
    let md5 = async || {
        black_box(Md5::digest(&large));
    };
    rate("MD5 alone", LARGE, cost(md5).await);
    let sha256 = async || {
        black_box(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &large));
    };
    rate("SHA-256 alone", LARGE, cost(sha256).await);
    let hash = sha256_hex(&large);
    for (name, payload, chunk) in [
        ("unsigned payload", "UNSIGNED-PAYLOAD", None),
        ("signed SHA-256", hash.as_str(), None),
        (
            "signed chunks of 64 KiB",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Some(FRAME),
        ),
        (
            "signed chunks of 1 MiB",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Some(1 << 20),
        ),
        (
            "unsigned chunks of 64 KiB",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            Some(FRAME),
        ),
        (
            "unsigned, one chunk",
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            Some(LARGE),
        ),
    ] {
        let request = request(payload, &large, chunk);
        rate(name, LARGE, cost(async || bench.take_in(&request).await).await);
    }
}

fn main() {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run());
}
