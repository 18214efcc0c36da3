//! The numbers of a session's commands, and which of them are settled.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use raft_types::limits::SEQ_WINDOW;

/// Numbers held back for settling others: each number that is given up needs one, and must get it when
/// all others are taken.
const RESERVED_FOR_SETTLING: u64 = SEQ_WINDOW / 2;

/// A number in use. Never given out twice.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number(u64);

impl Number {
    pub(super) fn get(&self) -> u64 {
        self.0
    }
}

/// Gives out numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// Given out, not settled.
    open: BTreeSet<u64>,
}

impl State {
    fn floor(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    fn take(&mut self, window: u64) -> Option<Number> {
        if self.next - self.floor() >= window {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.open.insert(number);
        Some(Number(number))
    }
}

impl Numbers {
    /// The first number is 1.
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                next: 1,
                open: BTreeSet::new(),
            }),
        }
    }

    /// The next number; `None` while the lowest open one is too far behind.
    pub(super) fn take(&self) -> Option<Number> {
        self.state.lock().take(SEQ_WINDOW - RESERVED_FOR_SETTLING)
    }

    /// The next number, for a command that settles another one.
    pub(super) fn take_for_settling(&self) -> Option<Number> {
        self.state.lock().take(SEQ_WINDOW)
    }

    /// The outcome of the number is known, or nobody has ever seen it.
    pub(super) fn settle(&self, number: Number) {
        self.state.lock().open.remove(&number.0);
    }

    /// All numbers below this one are settled.
    pub(super) fn settled_below(&self) -> u64 {
        self.state.lock().floor()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_begin_at_one_and_the_floor_is_the_lowest_open_one() {
        let numbers = Numbers::new();
        assert_eq!(numbers.settled_below(), 1);
        let (first, second) = (numbers.take().unwrap(), numbers.take().unwrap());
        assert_eq!((first.get(), second.get()), (1, 2));
        assert_eq!(numbers.settled_below(), 1);
        numbers.settle(second);
        assert_eq!(numbers.settled_below(), 1);
        numbers.settle(first);
        assert_eq!(numbers.settled_below(), 3);
    }

    #[test]
    fn the_window_is_never_exceeded_and_leaves_room_for_settling() {
        let numbers = Numbers::new();
        let stuck = numbers.take().unwrap();
        while let Some(number) = numbers.take() {
            numbers.settle(number);
        }
        assert_eq!(numbers.state.lock().next, 1 + SEQ_WINDOW - RESERVED_FOR_SETTLING);
        let mut last = 0;
        while let Some(number) = numbers.take_for_settling() {
            last = number.get();
            numbers.settle(number);
        }
        // The state refuses what is more than the window above the floor.
        assert!(last - stuck.get() <= SEQ_WINDOW);
        numbers.settle(stuck);
        assert!(numbers.take().is_some());
    }

    proptest! {
        #[test]
        fn no_open_number_is_below_the_floor(steps in prop::collection::vec(any::<prop::sample::Index>(), 0..200)) {
            let numbers = Numbers::new();
            let mut open = Vec::new();
            for step in steps {
                if open.is_empty() || step.index(2) == 0 {
                    open.push(numbers.take().unwrap());
                } else {
                    let at = step.index(open.len());
                    numbers.settle(open.swap_remove(at));
                }
                let floor = numbers.settled_below();
                prop_assert!(open.iter().all(|number| number.get() >= floor));
                prop_assert!(open.iter().any(|number| number.get() == floor) || open.is_empty());
            }
        }
    }
}
