//! The faults that are set, and whether they fire.

use std::time::Duration;

use thiserror::Error;

use crate::pattern::Pattern;
use crate::protocol::{Effect, Fault, FaultCount, FaultError, OpClass};

/// The faults of one mount, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    last_id: u64,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    pattern: Pattern,
    count: FaultCount,
}

/// What the faults do to one operation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) delay: Duration,
    pub(crate) spoiled: Option<Spoiled>,
}

/// How an operation is spoiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Spoiled {
    Fails(FaultError),
    Ignored,
}

/// Why a fault is not accepted.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
pub(crate) enum FaultRefused {
    #[error("a fault concerns at least one class of operations")]
    NoClass,
    #[error("{0:?} is only for sync_file and sync_dir")]
    OnlyForSyncs(Effect),
    #[error("there is no fault {0}")]
    Unknown(u64),
}

impl Faults {
    pub(crate) fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    pub(crate) fn add(&mut self, fault: Fault) -> Result<u64, FaultRefused> {
        if fault.on.is_empty() {
            return Err(FaultRefused::NoClass);
        }
        let syncs_only = fault
            .on
            .iter()
            .all(|class| matches!(class, OpClass::SyncFile | OpClass::SyncDir));
        match fault.effect {
            Effect::Ignore | Effect::DelayMillis(_) if !syncs_only => {
                return Err(FaultRefused::OnlyForSyncs(fault.effect));
            }
            Effect::Fail(_) | Effect::Ignore | Effect::DelayMillis(_) => {}
        }
        self.last_id += 1;
        let count = FaultCount {
            id: self.last_id,
            ..FaultCount::default()
        };
        self.armed.push(Armed {
            pattern: Pattern::new(&fault.path),
            fault,
            count,
        });
        Ok(self.last_id)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Result<(), FaultRefused> {
        let at = self
            .armed
            .iter()
            .position(|armed| armed.count.id == id)
            .ok_or(FaultRefused::Unknown(id))?;
        self.armed.remove(at);
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn counts(&self) -> Vec<FaultCount> {
        self.armed.iter().map(|armed| armed.count).collect()
    }

    /// What happens to an operation of this class on something with these paths: the first fault
    /// that spoils it decides, delays before it add up.
    pub(crate) fn judge(&mut self, class: OpClass, paths: &[String]) -> Verdict {
        let mut verdict = Verdict::default();
        for armed in &mut self.armed {
            if !armed.fires(class, paths) {
                continue;
            }
            match armed.fault.effect {
                Effect::DelayMillis(millis) => verdict.delay += Duration::from_millis(millis),
                Effect::Fail(error) => verdict.spoiled = Some(Spoiled::Fails(error)),
                Effect::Ignore => verdict.spoiled = Some(Spoiled::Ignored),
            }
            if verdict.spoiled.is_some() {
                break;
            }
        }
        verdict
    }
}

impl Armed {
    fn fires(&mut self, class: OpClass, paths: &[String]) -> bool {
        if !self.fault.on.contains(&class) || !paths.iter().any(|path| self.pattern.matches(path)) {
            return false;
        }
        self.count.matched += 1;
        let due = self.count.matched > self.fault.skip;
        let left = self.fault.times.is_none_or(|times| self.count.fired < times);
        self.count.fired += u64::from(due && left);
        due && left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(class: OpClass, path: &str, effect: Effect) -> Fault {
        Fault::new(class, path, effect)
    }

    fn at(path: &str) -> Vec<String> {
        vec![path.to_owned()]
    }

    #[test]
    fn a_fault_skips_then_fires_as_often_as_it_was_told_and_counts_both() {
        let mut faults = Faults::default();
        let fault = on(OpClass::SyncFile, "*.log", Effect::Fail(FaultError::Io))
            .after(2)
            .times(1);
        let id = faults.add(fault).unwrap();
        let fired: Vec<bool> = (0..5)
            .map(|_| faults.judge(OpClass::SyncFile, &at("a.log")).spoiled.is_some())
            .collect();
        assert_eq!(fired, [false, false, true, false, false]);
        faults.judge(OpClass::SyncFile, &at("a.sst"));
        faults.judge(OpClass::Write, &at("a.log"));
        assert_eq!(
            faults.counts(),
            [FaultCount {
                id,
                matched: 5,
                fired: 1
            }]
        );
    }

    #[test]
    fn the_first_fault_that_spoils_decides_and_delays_before_it_add_up() {
        let mut faults = Faults::default();
        faults
            .add(on(OpClass::SyncDir, "**", Effect::DelayMillis(5)))
            .unwrap();
        faults
            .add(on(OpClass::SyncDir, "d", Effect::DelayMillis(7)))
            .unwrap();
        faults.add(on(OpClass::SyncDir, "d", Effect::Ignore)).unwrap();
        let last = faults
            .add(on(OpClass::SyncDir, "**", Effect::Fail(FaultError::NoSpace)))
            .unwrap();
        let verdict = faults.judge(OpClass::SyncDir, &at("d"));
        assert_eq!(
            verdict,
            Verdict {
                delay: Duration::from_millis(12),
                spoiled: Some(Spoiled::Ignored)
            }
        );
        let verdict = faults.judge(OpClass::SyncDir, &at(""));
        let failed = Some(Spoiled::Fails(FaultError::NoSpace));
        assert_eq!(
            verdict,
            Verdict {
                delay: Duration::from_millis(5),
                spoiled: failed
            }
        );
        assert_eq!(
            faults.counts()[3],
            FaultCount {
                id: last,
                matched: 1,
                fired: 1
            }
        );
    }

    #[test]
    fn a_file_matches_by_any_of_its_names() {
        let mut faults = Faults::default();
        faults
            .add(on(OpClass::Read, "b", Effect::Fail(FaultError::Io)))
            .unwrap();
        let paths = ["a".to_owned(), "b".to_owned()];
        assert!(faults.judge(OpClass::Read, &paths).spoiled.is_some());
    }

    #[test]
    fn faults_that_make_no_sense_are_refused() {
        let mut faults = Faults::default();
        let nothing = Fault {
            on: Vec::new(),
            ..Fault::ignore_file_sync("**")
        };
        assert_eq!(faults.add(nothing), Err(FaultRefused::NoClass));
        let mut ignored_read = Fault::ignore_file_sync("**");
        ignored_read.on.push(OpClass::Read);
        assert_eq!(
            faults.add(ignored_read),
            Err(FaultRefused::OnlyForSyncs(Effect::Ignore))
        );
        let slow_write = on(OpClass::Write, "**", Effect::DelayMillis(1));
        assert_eq!(
            faults.add(slow_write),
            Err(FaultRefused::OnlyForSyncs(Effect::DelayMillis(1)))
        );
        assert_eq!(faults.remove(1), Err(FaultRefused::Unknown(1)));
        assert!(faults.is_empty());
    }

    #[test]
    fn a_removed_fault_fires_no_more() {
        let mut faults = Faults::default();
        let id = faults.add(Fault::ignore_file_sync("**")).unwrap();
        faults.remove(id).unwrap();
        assert_eq!(faults.judge(OpClass::SyncFile, &at("a")), Verdict::default());
    }
}
