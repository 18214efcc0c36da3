//! Choices drawn from a few numbers, so that a failing history shrinks towards the first choice everywhere.

/// How many numbers one action has for its choices.
pub(super) const WORDS: usize = 10;

/// Numbers that are used up by the choices made with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    words: [u64; WORDS],
    place: usize,
}

impl Dice {
    pub(super) fn new(words: [u64; WORDS]) -> Self {
        Dice { words, place: 0 }
    }

    /// Always the first choice.
    pub(super) fn first() -> Self {
        Self::new([0; WORDS])
    }

    /// A number below `bound`, from the next word each time; 0 once all are used up.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        self.place = (self.place + 1) % WORDS;
        let word = &mut self.words[self.place];
        let rolled = *word % bound;
        *word /= bound;
        rolled as usize
    }

    /// Once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// One of a list.
    pub(super) fn pick<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        let place = self.below(list.len());
        list.get(place).cloned()
    }

    /// A choice among things that are there for certain.
    pub(super) fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}
