//! The figures of one node, measured in one run beside what they are compared with. Rounds of the two
//! sides alternate, so that a slow minute of the machine hits both.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use serde_json::json;

use crate::cpu;
use crate::load::{Load, Outcome, Requests, Until};
use crate::presign::Presigner;
use crate::report::{Figure, Goal, Report, median};
use crate::servers::{Holdfast, HoldfastSetup, Nginx, ServerError};
use crate::wire::WireError;

const ACCESS_KEY: &str = "BENCHBENCHBENCHBENCH";
const SECRET_KEY: &str = "bench-secret-that-guards-nothing-but-random-bytes";
const BUCKET: &str = "bench";
/// Distinct objects that the small GETs choose from.
const SMALL_OBJECTS: usize = 10_000;
/// Distinct objects of 1 MiB.
const LARGE_OBJECTS: usize = 64;
const KIB_4: usize = 4 << 10;
const MIB: usize = 1 << 20;
/// Clients of the small requests, as the goals say.
const CLIENTS: usize = 64;
/// Clients of the 1 MiB requests: enough to keep both cores busy.
const LARGE_CLIENTS: usize = 8;
/// Memory that may be added by a body of any size.
const MEMORY_GROWTH: f64 = 64.0;

/// A group of figures that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// 4 KiB GETs beside nginx.
    SmallGets,
    /// 1 MiB GETs beside nginx.
    LargeGets,
    /// 4 KiB PUTs.
    SmallPuts,
    /// Bodies of 1 GiB beside MD5 alone.
    HugeBody,
    /// Bytes of compacted state per object.
    StateSize,
    /// A bucket of many objects: start, size, memory, listings.
    Million,
}

/// What a run is made with.
pub(crate) struct Plan {
    /// What is measured, in the order of [`Part`]'s declaration.
    pub(crate) parts: Vec<Part>,
    /// The binary under test.
    pub(crate) holdfast: PathBuf,
    /// The binary that writes objects with two copies into a state of its own.
    pub(crate) state_size: PathBuf,
    /// Where logs and metadata lie: a real disk.
    pub(crate) disk: PathBuf,
    /// Where the bytes lie: a tmpfs.
    pub(crate) memory: PathBuf,
    /// Seconds of one round.
    pub(crate) seconds: u64,
    /// Rounds of each side.
    pub(crate) rounds: usize,
    /// Objects of the large bucket.
    pub(crate) objects: usize,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuiteError {
    /// A server failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A connection failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A file could not be made.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The measurement of the state failed.
    #[error("the size of the state was not measured: {0}")]
    StateSize(String),
    /// Requests that must succeed did not.
    #[error("{step}: {failed} requests failed, the first with {first}")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// How many.
        failed: u64,
        /// One of them.
        first: String,
    },
}

/// Runs every measurement and returns the figures.
pub(crate) fn run(plan: &Plan) -> Result<Report, SuiteError> {
    let wanted = |part| plan.parts.contains(&part);
    let mut suite = Suite::prepare(plan)?;
    if wanted(Part::SmallGets) {
        suite.small_gets()?;
    }
    if wanted(Part::LargeGets) {
        suite.large_gets()?;
    }
    if wanted(Part::SmallPuts) {
        suite.small_puts()?;
    }
    if wanted(Part::HugeBody) {
        suite.huge_body()?;
    }
    if wanted(Part::StateSize) {
        suite.state_size()?;
    }
    if wanted(Part::Million) {
        suite = suite.million()?;
    }
    Ok(suite.report)
}

struct Suite<'a> {
    plan: &'a Plan,
    node: Holdfast,
    nginx: Nginx,
    signer: Presigner,
    report: Report,
}

impl<'a> Suite<'a> {
    fn prepare(plan: &'a Plan) -> Result<Suite<'a>, SuiteError> {
        let files = plan.memory.join("files");
        fs::create_dir_all(&files)?;
        let block = noise(MIB);
        for n in 0..SMALL_OBJECTS {
            fs::write(files.join(format!("s{n}")), &block[..KIB_4])?;
        }
        for n in 0..LARGE_OBJECTS {
            fs::write(files.join(format!("l{n}")), &block)?;
        }
        let nginx = Nginx::start(&plan.disk.join("nginx"), &files)?;
        let node = start(plan)?;
        let signer = signer(&node);
        let suite = Suite {
            plan,
            node,
            nginx,
            signer,
            report: Report::default(),
        };
        suite.all(
            "create the bucket",
            1,
            vec![suite.put_head(&format!("/{BUCKET}"), 0)],
            Vec::new(),
        )?;
        let small = (0..SMALL_OBJECTS)
            .map(|n| suite.put_head(&object("s", n), KIB_4))
            .collect();
        suite.all("write the small objects", CLIENTS, small, block[..KIB_4].to_vec())?;
        let large = (0..LARGE_OBJECTS)
            .map(|n| suite.put_head(&object("l", n), MIB))
            .collect();
        suite.all("write the large objects", LARGE_CLIENTS, large, block)?;
        Ok(suite)
    }

    fn small_gets(&mut self) -> Result<(), SuiteError> {
        self.against_nginx(
            "4 KiB GET, 64 clients, of nginx",
            "s",
            SMALL_OBJECTS,
            CLIENTS,
            45.0,
        )
    }

    fn large_gets(&mut self) -> Result<(), SuiteError> {
        self.against_nginx(
            "1 MiB GET, 8 clients, of nginx",
            "l",
            LARGE_OBJECTS,
            LARGE_CLIENTS,
            60.0,
        )
    }

    fn against_nginx(
        &mut self,
        name: &str,
        prefix: &str,
        objects: usize,
        clients: usize,
        goal: f64,
    ) -> Result<(), SuiteError> {
        let ours: Vec<Vec<u8>> = (0..objects).map(|n| self.get_head(&object(prefix, n))).collect();
        let theirs: Vec<Vec<u8>> = (0..objects)
            .map(|n| {
                format!(
                    "GET /{prefix}{n} HTTP/1.1\r\nHost: {}\r\n\r\n",
                    self.nginx.address
                )
                .into_bytes()
            })
            .collect();
        let (mut we, mut they) = (Vec::new(), Vec::new());
        for _ in 0..self.plan.rounds {
            we.push(self.timed(self.node.address, clients, ours.clone(), Vec::new())?);
            they.push(self.timed(self.nginx.address, clients, theirs.clone(), Vec::new())?);
        }
        let rate = |rounds: &[Outcome]| median(rounds.iter().map(|o| o.per_second).collect());
        self.report.add(Figure {
            name: name.to_owned(),
            value: 100.0 * rate(&we) / rate(&they),
            unit: "%",
            goal: Goal::AtLeast(goal),
            detail: json!({ "holdfast": we, "nginx": they }),
        });
        Ok(())
    }

    fn small_puts(&mut self) -> Result<(), SuiteError> {
        let block = noise(KIB_4);
        let mut rounds = Vec::new();
        for round in 0..self.plan.rounds {
            // More distinct keys than any round can write, so that every PUT is a new object.
            let heads = (0..self.plan.seconds as usize * 40_000)
                .map(|n| self.put_head(&format!("/{BUCKET}/p{round}/{n:08}"), KIB_4))
                .collect();
            rounds.push(self.timed(self.node.address, CLIENTS, heads, block.clone())?);
        }
        self.report.add(Figure {
            name: "4 KiB PUT, 64 clients".to_owned(),
            value: median(rounds.iter().map(|o| o.per_second).collect()),
            unit: "per second",
            goal: Goal::AtLeast(6_000.0),
            detail: json!(rounds),
        });
        Ok(())
    }

    fn huge_body(&mut self) -> Result<(), SuiteError> {
        let (mut puts, mut gets, mut sums) = (Vec::new(), Vec::new(), Vec::new());
        let block = noise(MIB);
        let before = cpu::memory(self.node.pid()).map_or(0, |m| m.resident);
        cpu::reset_peak(self.node.pid())?;
        for _ in 0..self.plan.rounds {
            sums.push(md5_megabytes_per_second(&block, 1024));
            let head = self.put_head(&object("huge", 0), 1 << 30);
            puts.push(self.once(head, block.clone(), 1024)?);
            let head = self.get_head(&object("huge", 0));
            gets.push(self.once(head, Vec::new(), 0)?);
        }
        let peak = cpu::memory(self.node.pid()).map_or(0, |m| m.peak);
        let put = median(puts.iter().map(|o| o.megabytes_per_second).collect());
        let sum = median(sums.clone());
        self.report.add(Figure {
            name: "1 GiB PUT, of MD5 alone on one core".to_owned(),
            value: 100.0 * put / sum,
            unit: "%",
            goal: Goal::AtLeast(70.0),
            detail: json!({ "put": puts, "md5_megabytes_per_second": sums }),
        });
        self.report.add(Figure {
            name: "1 GiB GET".to_owned(),
            value: median(gets.iter().map(|o| o.megabytes_per_second).collect()),
            unit: "MB/s",
            goal: Goal::None,
            detail: json!(gets),
        });
        self.report.add(Figure {
            name: "memory added by bodies of 1 GiB".to_owned(),
            value: peak.saturating_sub(before) as f64 / MIB as f64,
            unit: "MiB",
            goal: Goal::Under(MEMORY_GROWTH),
            detail: json!({ "before": before, "peak": peak }),
        });
        Ok(())
    }

    /// What an object with two copies takes, measured without a node: one with one backend has one copy.
    fn state_size(&mut self) -> Result<(), SuiteError> {
        let output = std::process::Command::new(&self.plan.state_size)
            .arg(self.plan.objects.to_string())
            .arg(self.plan.disk.join("state-size"))
            .output()?;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|_| SuiteError::StateSize(String::from_utf8_lossy(&output.stderr).into_owned()))?;
        self.report.add(Figure {
            name: "compacted state per object, 2 copies".to_owned(),
            value: told["bytes_per_object"].as_f64().unwrap_or(f64::NAN),
            unit: "bytes",
            goal: Goal::Under(400.0),
            detail: told,
        });
        Ok(())
    }

    /// Everything that depends on the number of objects; restarts the node.
    fn million(mut self) -> Result<Suite<'a>, SuiteError> {
        let objects = self.plan.objects;
        const BATCH: usize = 50_000;
        let mut written = 0;
        while written < objects {
            // Keys of 40 bytes, as the goal for the state's size assumes.
            let until = (written + BATCH).min(objects);
            let heads = (written..until)
                .map(|n| self.put_head(&million_key(n), 0))
                .collect();
            self.all("fill the large bucket", CLIENTS, heads, Vec::new())?;
            written = until;
        }
        let memory = cpu::memory(self.node.pid());
        let data = self.plan.disk.join("data");
        self.node.stop()?;
        self.node = start(self.plan)?;
        self.signer = signer(&self.node);
        self.report.add(Figure {
            name: format!("ready after a clean stop with {objects} objects"),
            value: self.node.ready_after.as_secs_f64(),
            unit: "s",
            goal: Goal::Under(2.0),
            detail: json!(null),
        });
        let state = folder_size(&data.join("state"))?;
        self.report.add(Figure {
            name: "state per object, 1 copy, as it was left".to_owned(),
            value: state as f64 / (objects + SMALL_OBJECTS) as f64,
            unit: "bytes",
            goal: Goal::None,
            detail: json!({ "bytes": state }),
        });
        self.report.add(Figure {
            name: format!("memory with {objects} objects"),
            value: memory.map_or(f64::NAN, |m| m.resident as f64 / MIB as f64),
            unit: "MiB",
            goal: Goal::Under(512.0),
            detail: json!(memory),
        });
        self.lists(objects)?;
        Ok(self)
    }

    fn lists(&mut self, objects: usize) -> Result<(), SuiteError> {
        let kinds: [(&str, Vec<(&str, String)>); 3] = [
            ("LIST of 1000 keys anywhere", vec![]),
            ("LIST with delimiter", vec![("delimiter", "/".to_owned())]),
            (
                "LIST with prefix and delimiter",
                vec![("delimiter", "/".to_owned()), ("prefix", "m/".to_owned())],
            ),
        ];
        for (name, fixed) in kinds {
            let heads = (0..200)
                .map(|n| {
                    let after = million_key(n * (objects / 200).max(1));
                    let after = after.trim_start_matches(&format!("/{BUCKET}/")).to_owned();
                    let mut query: Vec<(&str, &str)> = vec![("list-type", "2")];
                    query.extend(fixed.iter().map(|(k, v)| (*k, v.as_str())));
                    query.push(("start-after", &after));
                    self.head("GET", &format!("/{BUCKET}"), &query, 0)
                })
                .collect();
            let outcome = self.all("list", 1, heads, Vec::new())?;
            self.report.add(Figure {
                name: format!("{name}, p50"),
                value: outcome.p50_us as f64 / 1000.0,
                unit: "ms",
                goal: Goal::Under(10.0),
                detail: json!(outcome),
            });
        }
        Ok(())
    }

    fn timed(
        &self,
        address: std::net::SocketAddr,
        clients: usize,
        heads: Vec<Vec<u8>>,
        block: Vec<u8>,
    ) -> Result<Outcome, SuiteError> {
        let repeat = usize::from(!block.is_empty());
        let until = Until::Elapsed(Duration::from_secs(self.plan.seconds));
        let load = Load {
            addresses: vec![address],
            clients,
            until,
            requests: Requests { heads, block, repeat },
        };
        checked("measure", load.run()?)
    }

    fn once(&self, head: Vec<u8>, block: Vec<u8>, repeat: usize) -> Result<Outcome, SuiteError> {
        let requests = Requests {
            heads: vec![head],
            block,
            repeat,
        };
        let load = Load {
            addresses: vec![self.node.address],
            clients: 1,
            until: Until::AllSent,
            requests,
        };
        checked("send one large body", load.run()?)
    }

    fn all(
        &self,
        step: &'static str,
        clients: usize,
        heads: Vec<Vec<u8>>,
        block: Vec<u8>,
    ) -> Result<Outcome, SuiteError> {
        let repeat = usize::from(!block.is_empty());
        let requests = Requests { heads, block, repeat };
        let load = Load {
            addresses: vec![self.node.address],
            clients,
            until: Until::AllSent,
            requests,
        };
        checked(step, load.run()?)
    }

    fn put_head(&self, path: &str, length: usize) -> Vec<u8> {
        self.head("PUT", path, &[], length)
    }

    fn get_head(&self, path: &str) -> Vec<u8> {
        self.head("GET", path, &[], 0)
    }

    fn head(&self, method: &str, path: &str, query: &[(&str, &str)], length: usize) -> Vec<u8> {
        let target = self.signer.target(method, path, query);
        let length = if method == "PUT" {
            format!("Content-Length: {length}\r\n")
        } else {
            String::new()
        };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{length}\r\n",
            self.node.address
        )
        .into_bytes()
    }
}

fn start(plan: &Plan) -> Result<Holdfast, ServerError> {
    Holdfast::start(&HoldfastSetup {
        binary: &plan.holdfast,
        folder: &plan.disk,
        backend: &plan.memory.join("backend"),
        access_key: ACCESS_KEY,
        secret_key: SECRET_KEY,
    })
}

fn signer(node: &Holdfast) -> Presigner {
    Presigner::new(
        ACCESS_KEY,
        SECRET_KEY,
        &node.address.to_string(),
        &crate::timestamp(),
    )
}

fn checked(step: &'static str, outcome: Outcome) -> Result<Outcome, SuiteError> {
    if outcome.failed == 0 {
        return Ok(outcome);
    }
    Err(SuiteError::Failed {
        step,
        failed: outcome.failed,
        first: outcome.first_failure.unwrap_or_default(),
    })
}

fn object(prefix: &str, n: usize) -> String {
    format!("/{BUCKET}/{prefix}{n}")
}

/// A key of 40 bytes, spread over a thousand folders.
fn million_key(n: usize) -> String {
    format!("/{BUCKET}/m/{:04}/{:032}.", n % 1000, n)
}

fn md5_megabytes_per_second(block: &[u8], repeat: usize) -> f64 {
    let begun = Instant::now();
    let mut md5 = Md5::new();
    for _ in 0..repeat {
        md5.update(block);
    }
    std::hint::black_box(md5.finalize());
    (block.len() * repeat) as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

/// Bytes that do not compress, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn folder_size(folder: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            size += folder_size(&entry.path())?;
        } else if entry.path().extension().is_some_and(|e| e == "sst") {
            size += metadata.len();
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_large_bucket_have_forty_bytes() {
        let key = million_key(123_456);
        assert_eq!(key.trim_start_matches(&format!("/{BUCKET}/")).len(), 40);
    }

    #[test]
    fn noise_has_the_length_asked_for() {
        assert_eq!(noise(13).len(), 13);
        assert_ne!(noise(16)[..8], noise(16)[8..]);
    }
}
