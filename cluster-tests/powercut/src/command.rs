//! The commands of the control socket, carried out on a volume.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::protocol::{Answer, Command, CutPoint, CutPolicy, CutReport, Outage, Space, Stats};
use crate::state::Unsynced;
use crate::volume::Volume;

impl Volume {
    /// Carries a command out. `Unmount` is the server's business and refused here.
    pub(crate) fn execute(&self, command: Command) -> Answer {
        let answer = match command {
            Command::FreezeAt(point) => self.freeze_at(point).map(|()| Answer::Done),
            Command::ClearFreeze => {
                self.lock().power.clear_trap();
                Ok(Answer::Done)
            }
            Command::WaitOff { timeout_ms } => self.wait_off(timeout_ms).map(Answer::Outage),
            Command::Cut(policy) => Ok(Answer::Cut(self.cut(policy))),
            Command::PowerOn { timeout_ms } => self.power_on(timeout_ms).map(|()| Answer::Done),
            Command::Materialize { to, policy } => self.materialize(&to, policy).map(Answer::Cut),
            Command::CommitAll => self.commit_all().map(|()| Answer::Done),
            Command::Fault(fault) => self
                .lock()
                .faults
                .add(fault)
                .map(Answer::FaultId)
                .map_err(|refused| refused.to_string()),
            Command::Clear { id } => self
                .lock()
                .faults
                .remove(id)
                .map(|()| Answer::Done)
                .map_err(|refused| refused.to_string()),
            Command::ClearAll => {
                self.lock().faults.clear();
                Ok(Answer::Done)
            }
            Command::Space { budget } => {
                self.lock().state.set_budget(budget);
                Ok(Answer::Done)
            }
            Command::Stats => Ok(Answer::Stats(Box::new(self.stats()))),
            Command::Boundaries => Ok(Answer::Boundaries(self.lock().power.recent().cloned().collect())),
            Command::Unmount => Err("the volume cannot unmount itself".into()),
        };
        answer.unwrap_or_else(Answer::Refused)
    }

    fn freeze_at(&self, point: CutPoint) -> Result<(), String> {
        let mut world = self.lock();
        if !world.power.is_on() {
            return Err("the power is off".into());
        }
        if world.power.set_trap(point) {
            return Ok(());
        }
        Err(format!(
            "boundary {} was passed, {} are",
            point.boundary,
            world.power.boundaries()
        ))
    }

    fn wait_off(&self, timeout_ms: u64) -> Result<Outage, String> {
        let deadline = deadline(timeout_ms);
        let mut world = self.lock();
        loop {
            if let Some(outage) = world.power.outage() {
                return Ok(outage.clone());
            }
            if self.changed.wait_until(&mut world, deadline).timed_out() {
                return Err(format!("the power is on after {timeout_ms} ms"));
            }
        }
    }

    fn cut(&self, policy: CutPolicy) -> CutReport {
        let mut world = self.lock();
        world.power.turn_off();
        let (survived, mut report) = world.state.after_cut(policy);
        world.state = survived;
        world.power.mark_cut();
        report.boundaries = world.power.boundaries();
        drop(world);
        self.changed.notify_all();
        report
    }

    fn power_on(&self, timeout_ms: u64) -> Result<(), String> {
        let deadline = deadline(timeout_ms);
        let mut world = self.lock();
        if !world.power.is_cut() {
            return Err("the power comes back only after a cut".into());
        }
        while world.open_handles > 0 {
            if self.changed.wait_until(&mut world, deadline).timed_out() {
                return Err(format!(
                    "{} handles from before the cut are still open",
                    world.open_handles
                ));
            }
        }
        world.power.turn_on();
        Ok(())
    }

    fn materialize(&self, to: &Path, policy: CutPolicy) -> Result<CutReport, String> {
        let (survived, mut report) = {
            let world = self.lock();
            let (survived, report) = world.state.after_cut(policy);
            (
                survived,
                CutReport {
                    boundaries: world.power.boundaries(),
                    ..report
                },
            )
        };
        report.seed = policy.seed;
        survived
            .materialize(to)
            .map_err(|error| format!("{}: {error}", to.display()))?;
        Ok(report)
    }

    fn commit_all(&self) -> Result<(), String> {
        let mut world = self.powered().map_err(|_| "the power is off")?;
        world.state.commit_all();
        Ok(())
    }

    fn stats(&self) -> Stats {
        let world = self.lock();
        let Unsynced { files, bytes, names } = world.state.unsynced();
        Stats {
            powered: world.power.is_on(),
            boundaries: world.power.boundaries(),
            outages: world.power.outages(),
            open_handles: world.open_handles,
            ops: world.ops,
            refused_off: world.refused_off,
            unsynced_files: files,
            unsynced_bytes: bytes,
            unsynced_names: names,
            space: Space {
                budget: world.state.budget(),
                used: world.state.used_pages() * crate::state::PAGE as u64,
                refused: world.state.refused_for_space(),
            },
            faults: world.faults.counts(),
        }
    }
}

/// A deadline that fits the clock, however long the wait.
fn deadline(timeout_ms: u64) -> Instant {
    /// Nobody waits a day for a test.
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    Instant::now() + Duration::from_millis(timeout_ms).min(LONGEST)
}
