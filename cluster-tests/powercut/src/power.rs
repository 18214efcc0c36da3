//! The power: on or off, and the boundary at which it goes off.

use std::collections::VecDeque;

use crate::protocol::{Boundary, CutPoint, Outage, Side, SyncKind};

/// How many of the last boundaries are remembered: a workload whose boundaries are all to be tried
/// has far fewer, and a long one costs no memory.
const REMEMBERED_BOUNDARIES: usize = 16_384;

/// The power of one mount.
#[derive(Debug)]
pub(crate) struct Power {
    supply: Supply,
    boundaries: u64,
    recent: VecDeque<Boundary>,
    trap: Option<CutPoint>,
    outages: u64,
}

#[derive(Debug)]
enum Supply {
    On,
    /// Nothing is served; the state is still the one from before the cut.
    Frozen(Outage),
    /// Nothing is served; the state is the one that survived.
    Cut(Outage),
}

impl Power {
    pub(crate) fn on() -> Self {
        Self {
            supply: Supply::On,
            boundaries: 0,
            recent: VecDeque::new(),
            trap: None,
            outages: 0,
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        matches!(self.supply, Supply::On)
    }

    /// Whether a cut was made and the power is not back yet.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self.supply, Supply::Cut(_))
    }

    /// Boundaries passed.
    pub(crate) fn boundaries(&self) -> u64 {
        self.boundaries
    }

    pub(crate) fn outages(&self) -> u64 {
        self.outages
    }

    pub(crate) fn recent(&self) -> impl Iterator<Item = &Boundary> {
        self.recent.iter()
    }

    pub(crate) fn outage(&self) -> Option<&Outage> {
        match &self.supply {
            Supply::On => None,
            Supply::Frozen(outage) | Supply::Cut(outage) => Some(outage),
        }
    }

    /// Takes the power away at a boundary to come. Answers whether it is to come.
    pub(crate) fn set_trap(&mut self, trap: CutPoint) -> bool {
        let ahead = trap.boundary > self.boundaries;
        if ahead {
            self.trap = Some(trap);
        }
        ahead
    }

    pub(crate) fn clear_trap(&mut self) {
        self.trap = None;
    }

    /// A boundary is reached. Answers its number; the power may be off now.
    pub(crate) fn reach(&mut self, kind: SyncKind, path: String) -> u64 {
        self.boundaries += 1;
        if self.recent.len() == REMEMBERED_BOUNDARIES {
            self.recent.pop_front();
        }
        self.recent.push_back(Boundary {
            number: self.boundaries,
            kind,
            path,
        });
        self.spring(CutPoint {
            boundary: self.boundaries,
            side: Side::Before,
        });
        self.boundaries
    }

    /// A boundary had its effect. The power may be off now.
    pub(crate) fn leave(&mut self, boundary: u64) {
        self.spring(CutPoint {
            boundary,
            side: Side::After,
        });
    }

    fn spring(&mut self, here: CutPoint) {
        if self.is_on() && self.trap == Some(here) {
            let boundary = self
                .recent
                .iter()
                .rev()
                .find(|boundary| boundary.number == here.boundary)
                .cloned();
            self.freeze(Outage {
                boundaries: self.boundaries,
                at: Some(here),
                boundary,
            });
        }
    }

    /// Takes the power away now, if it is on.
    pub(crate) fn turn_off(&mut self) {
        if self.is_on() {
            self.freeze(Outage {
                boundaries: self.boundaries,
                at: None,
                boundary: None,
            });
        }
    }

    fn freeze(&mut self, outage: Outage) {
        self.supply = Supply::Frozen(outage);
        self.outages += 1;
        self.trap = None;
    }

    /// The state was replaced by the surviving one.
    pub(crate) fn mark_cut(&mut self) {
        if let Supply::Frozen(outage) = &self.supply {
            self.supply = Supply::Cut(outage.clone());
        }
    }

    pub(crate) fn turn_on(&mut self) {
        self.supply = Supply::On;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(power: &mut Power) -> u64 {
        power.reach(SyncKind::Fsync, "a".into())
    }

    #[test]
    fn the_power_goes_off_before_or_after_exactly_one_boundary() {
        for (side, off_before) in [(Side::Before, true), (Side::After, false)] {
            let mut power = Power::on();
            assert!(power.set_trap(CutPoint { boundary: 2, side }));
            let first = reach(&mut power);
            power.leave(first);
            assert!(power.is_on());
            let second = reach(&mut power);
            assert_eq!(power.is_on(), !off_before);
            power.leave(second);
            assert!(!power.is_on());
            let outage = power.outage().unwrap();
            assert_eq!(outage.at, Some(CutPoint { boundary: 2, side }));
            assert_eq!(outage.boundary.as_ref().unwrap().number, 2);
        }
    }

    #[test]
    fn a_boundary_that_was_passed_is_no_trap() {
        let mut power = Power::on();
        reach(&mut power);
        assert!(!power.set_trap(CutPoint {
            boundary: 1,
            side: Side::After
        }));
        power.leave(1);
        assert!(power.is_on());
    }

    #[test]
    fn a_trap_springs_once() {
        let mut power = Power::on();
        power.set_trap(CutPoint {
            boundary: 1,
            side: Side::Before,
        });
        reach(&mut power);
        power.mark_cut();
        assert!(power.is_cut());
        power.turn_on();
        reach(&mut power);
        assert!(power.is_on());
        assert_eq!((power.boundaries(), power.outages()), (2, 1));
    }

    #[test]
    fn the_memory_of_boundaries_is_bounded() {
        let mut power = Power::on();
        for _ in 0..REMEMBERED_BOUNDARIES + 10 {
            reach(&mut power);
        }
        assert_eq!(power.recent().count(), REMEMBERED_BOUNDARIES);
        assert_eq!(power.recent().next().unwrap().number, 11);
    }
}
