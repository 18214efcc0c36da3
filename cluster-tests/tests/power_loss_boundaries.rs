//! Power loss at every sync boundary of a short workload, before and after it: what was acknowledged is
//! there byte for byte, what was not is there wholly or not at all, and once the jobs have settled the
//! backend holds exactly what the state counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use cluster_tests::cut::{Point, Tally, points};
use cluster_tests::workload::{Pace, Run, Step, Stopped};
use cluster_tests::{Disk, Node, NodeConfig, Rng, say};
use cluster_tests_powercut::{Boundary, CutPolicy};

/// Machines that are cut side by side: most of the time of each goes into waiting.
const MACHINES: usize = 3;
/// The shortest part that another one may follow.
const SHORTEST_PART: usize = 5 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_short_workload_survives_a_power_cut_at_every_sync_boundary() {
    let campaign = Campaign {
        test: "a_short_workload_survives_a_power_cut_at_every_sync_boundary",
        extra: "",
        steps: every_kind_of_change,
        pace: Pace::OnceDeleted,
        cuts_at: |_| true,
        ordinary: usize::MAX,
    };
    let Some(tally) = campaign.run().await else { return };
    tally.assert_fired(&[
        "fdatasync data/raftlog/*.log",
        "fdatasync backend/.holdfast/*/*/*/*.tmp",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_and_a_purged_log_survive_a_power_cut_at_every_sync_boundary() {
    let campaign = Campaign {
        test: "snapshots_and_a_purged_log_survive_a_power_cut_at_every_sync_boundary",
        // A snapshot after every second step or so, and no entry is kept that a snapshot holds.
        extra: "metadata: {snapshot_entries: 4, snapshot_interval: 1ms, log_entries: 1, check_interval: 10ms}\n",
        steps: some_changes,
        // Snapshots are built and logs purged beside the requests.
        pace: Pace::OnceQuiet,
        cuts_at: |boundary| boundary.path.starts_with("data/"),
        ordinary: 60,
    };
    let Some(tally) = campaign.run().await else { return };
    tally.assert_fired(&[
        "directory data/snapshots",
        "fsync data/snapshots/*/snapshot.tmp",
        "fdatasync data/state/*/*.sst",
    ]);
}

/// Enough changes for several snapshots, the shortest possible.
fn some_changes(rng: &mut Rng) -> Vec<Step> {
    vec![
        Step::CreateBucket,
        Step::put("a", rng.bytes(100)),
        Step::put("b", rng.bytes(200)),
        Step::put("a", rng.bytes(300)),
        Step::delete("b"),
        Step::put("c", rng.bytes(400)),
    ]
}

/// A change of every kind: a bucket, its first object (which makes its key), an overwrite, a body of
/// several writes, an upload of several parts with one written twice, deletions, an upload given up.
fn every_kind_of_change(rng: &mut Rng) -> Vec<Step> {
    vec![
        Step::CreateBucket,
        Step::put("small", rng.bytes(3_000)),
        Step::put("small", rng.bytes(5_000)),
        Step::put("streamed", rng.bytes(700_000)),
        Step::begin("parts"),
        Step::part("parts", 1, rng.bytes(SHORTEST_PART)),
        Step::part("parts", 2, rng.bytes(20_000)),
        Step::part("parts", 2, rng.bytes(10_000)),
        Step::complete("parts"),
        Step::delete("streamed"),
        Step::begin("aborted"),
        Step::part("aborted", 7, rng.bytes(1_000)),
        Step::abort("aborted"),
        Step::delete("parts"),
    ]
}

/// A workload that is cut.
#[derive(Clone, Copy)]
struct Campaign {
    test: &'static str,
    /// Lines of the node's configuration.
    extra: &'static str,
    steps: fn(&mut Rng) -> Vec<Step>,
    pace: Pace,
    /// Which boundaries are cut at.
    cuts_at: fn(&Boundary) -> bool,
    /// How many points the ordinary run cuts at.
    ordinary: usize,
}

impl Campaign {
    /// Counts the boundaries of a whole run, then cuts one run at each point. `None` where no disk can
    /// be mounted.
    async fn run(self) -> Option<Tally> {
        let mut rng = Rng::of_test(self.test);
        let mut machines = vec![Machine::new(self, &mut rng).await?];
        let passed = machines[0].count().await;
        let boundaries = (1..).zip(&passed).filter(|(_, passed)| (self.cuts_at)(passed));
        let points = points(boundaries.map(|(n, _)| n), self.ordinary, &mut rng);
        while machines.len() < MACHINES {
            machines.extend(Machine::new(self, &mut rng).await);
        }
        let (count, points) = (points.len(), Arc::new(points));
        let mut tasks = tokio::task::JoinSet::new();
        for (first, mut machine) in machines.into_iter().enumerate() {
            let points = Arc::clone(&points);
            tasks.spawn(async move {
                let mut tally = Tally::default();
                for point in points.iter().skip(first).step_by(MACHINES) {
                    machine.cut(*point, &mut tally).await;
                }
                tally
            });
        }
        let mut tally = Tally::default();
        for part in tasks.join_all().await {
            tally.add(part);
        }
        say(&format!(
            "{}: {} sync boundaries in a whole run, {count} points to cut at; {tally}",
            self.test,
            passed.len(),
        ));
        Some(tally)
    }
}

/// A node on a disk, which goes through the workload again and again, each time in a new bucket.
struct Machine {
    campaign: Campaign,
    // Before the disk, so that the process is gone when that is unmounted.
    node: Node,
    disk: Disk,
    rng: Rng,
    runs: u32,
}

impl Machine {
    /// A machine whose first run is behind it: every further one begins as after a power cut.
    async fn new(campaign: Campaign, rng: &mut Rng) -> Option<Self> {
        let disk = Disk::mount(campaign.test)?;
        let config = NodeConfig {
            extra: campaign.extra.to_owned(),
            ..disk.config()
        };
        let mut machine = Self {
            campaign,
            node: Node::start(&config).await,
            disk,
            rng: Rng::new(rng.draw()),
            runs: 0,
        };
        machine.count().await;
        Some(machine)
    }

    fn next_run(&mut self) -> (Run, Vec<Step>) {
        self.runs += 1;
        let run = Run::new(&format!("run-{}", self.runs), self.campaign.pace);
        (run, (self.campaign.steps)(&mut self.rng))
    }

    /// The boundaries of a whole run. The power is cut at its end.
    async fn count(&mut self) -> Vec<Boundary> {
        let (mut run, steps) = self.next_run();
        let base = self.disk.quiet().await;
        let stopped = run.take(&steps, &self.node, &self.disk).await;
        assert!(matches!(stopped, Stopped::AtTheEnd), "{stopped:?}");
        let end = self.disk.quiet().await;
        let policy = CutPolicy::nothing(self.rng.draw());
        self.restart(&mut run, None, policy).await;
        let mut boundaries = self.disk.boundaries().expect("the boundaries");
        boundaries.retain(|passed| (base + 1..=end).contains(&passed.number));
        boundaries
    }

    /// Cuts the power at a point of one run, and looks at what there is.
    async fn cut(&mut self, point: Point, tally: &mut Tally) {
        let (mut run, steps) = self.next_run();
        let base = self.disk.quiet().await;
        self.disk
            .freeze_at(base + point.boundary, point.side)
            .expect("a point of the cut");
        let open = match run.take(&steps, &self.node, &self.disk).await {
            Stopped::Open(step) => Some(step),
            Stopped::BetweenSteps => None,
            Stopped::AtTheEnd => {
                // The jobs may still have something to write down.
                self.disk.quiet().await;
                None
            }
        };
        if self.disk.is_on() {
            assert!(open.is_none(), "{open:?} failed although the power was on");
            self.disk.clear_freeze().expect("no cut");
            tally.miss(point);
        } else {
            let outage = self.disk.wait_off(std::time::Duration::ZERO).expect("an outage");
            let boundary = outage.boundary.expect("the boundary of the cut");
            tally.note(&boundary, point.side);
            // Shown if this round fails.
            eprintln!("{point:?} of run {} was {boundary:?}, {open:?} open", self.runs);
        }
        self.restart(&mut run, open, point.policy).await;
    }

    /// Loses the power, starts again, asserts, and removes what is there.
    async fn restart(&mut self, run: &mut Run, open: Option<Step>, policy: CutPolicy) {
        let report = self.disk.lose_power(&mut self.node, policy);
        eprintln!("{report}");
        self.node.run();
        self.node.ready().await;
        run.resolve(&self.node, open.as_ref()).await;
        run.assert_clean(&self.node).await;
        run.clean_up(&self.node).await;
    }
}
