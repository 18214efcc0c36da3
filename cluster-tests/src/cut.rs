//! Which power cuts a test makes, and which of them it has made.

use std::collections::BTreeMap;
use std::fmt;

use cluster_tests_powercut::{Boundary, CutPolicy, Side};

use crate::seed::Rng;

/// How many points a test cuts at: a number, or `every`. Without it each test takes its own share.
const POINTS: &str = "HOLDFAST_POWER_POINTS";

/// A power cut to be made: where, counted from the begin of a workload, and what then survives.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The sync boundary, from 1.
    pub boundary: u64,
    /// Before or after it.
    pub side: Side,
    /// What survives of the unsynced.
    pub policy: CutPolicy,
}

/// Both sides of each boundary; where these are more than `ordinary`, or than the environment asks
/// for, as many of them, evenly spread from a random one on.
pub fn points(boundaries: impl IntoIterator<Item = u64>, ordinary: usize, rng: &mut Rng) -> Vec<Point> {
    let all: Vec<(u64, Side)> = boundaries
        .into_iter()
        .flat_map(|boundary| [(boundary, Side::Before), (boundary, Side::After)])
        .collect();
    let wanted = match std::env::var(POINTS).as_deref() {
        Ok("every") => all.len(),
        Ok(number) => number
            .parse()
            .expect("HOLDFAST_POWER_POINTS is a number or `every`"),
        Err(_) => ordinary,
    };
    let wanted = wanted.min(all.len());
    let first = rng.below(all.len() as u64) as usize;
    (0..wanted)
        .map(|n| {
            let (boundary, side) = all[(first + n * all.len() / wanted) % all.len()];
            Point {
                boundary,
                side,
                policy: policy(rng),
            }
        })
        .collect()
}

/// The strictest policy or the most random one.
pub fn policy(rng: &mut Rng) -> CutPolicy {
    match rng.below(3) {
        0 => CutPolicy::nothing(rng.draw()),
        1 => CutPolicy::torn(rng.draw()),
        _ => CutPolicy::random(rng.draw()),
    }
}

/// What has been cut.
#[derive(Debug, Default)]
pub struct Tally {
    /// How often the power went off before and after a sync of this kind of file.
    cut: BTreeMap<String, (u32, u32)>,
    /// Points that the workload ended without reaching.
    missed: Vec<Point>,
}

impl Tally {
    /// The power went off here.
    pub fn note(&mut self, boundary: &Boundary, side: Side) {
        let (before, after) = self.cut.entry(kind(boundary)).or_default();
        match side {
            Side::Before => *before += 1,
            Side::After => *after += 1,
        }
    }

    /// A point was not reached: the fault has not fired.
    pub fn miss(&mut self, point: Point) {
        self.missed.push(point);
    }

    /// Takes over what another one has counted.
    pub fn add(&mut self, other: Self) {
        for (kind, (before, after)) in other.cut {
            let sum = self.cut.entry(kind).or_default();
            sum.0 += before;
            sum.1 += after;
        }
        self.missed.extend(other.missed);
    }

    /// Cuts made.
    pub fn cuts(&self) -> u32 {
        self.cut.values().map(|(before, after)| before + after).sum()
    }

    /// Asserts that the faults have fired: of all points at most one in twenty was missed (jobs run
    /// beside the workload, so two runs differ by a few boundaries), and there was a cut at every kind
    /// that is named.
    pub fn assert_fired(&self, kinds: &[&str]) {
        let points = self.cuts() as usize + self.missed.len();
        assert!(
            self.missed.len() * 20 <= points,
            "{self}\nmissed: {:#?}",
            self.missed
        );
        for kind in kinds {
            assert!(self.cut.contains_key(*kind), "no cut at {kind}: {self}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} power cuts, {} points not reached",
            self.cuts(),
            self.missed.len()
        )?;
        for (kind, (before, after)) in &self.cut {
            write!(f, "\n  {before:3} before, {after:3} after  {kind}")?;
        }
        Ok(())
    }
}

/// Hex digits of the shortest drawn name, that of a folder into which blobs fan out.
const FAN_DIGITS: usize = 6;

/// A boundary without what differs from run to run: names with a digit in them stand for all alike.
fn kind(boundary: &Boundary) -> String {
    let path: Vec<String> = boundary.path.split('/').map(alike).collect();
    format!("{:?} {}", boundary.kind, path.join("/")).to_lowercase()
}

fn alike(name: &str) -> String {
    let has_digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
    let is_hex = name.len() >= FAN_DIGITS && name.chars().all(|c| c.is_ascii_hexdigit());
    if !has_digit(name) && !is_hex {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((_, ending)) if !has_digit(ending) => format!("*.{ending}"),
        _ => "*".to_owned(),
    }
}
