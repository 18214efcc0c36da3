//! Folders whose names are known to survive a power cut.

use std::collections::HashSet;
use std::mem;

use parking_lot::Mutex;

/// Names per generation: an epoch of one group has 256 folders, so several epochs of several groups
/// fit; a longer memory would only save an fsync now and then. About 100 bytes each.
const GENERATION: usize = 4_096;

/// Paths of folders, below the root, whose entries in the folders above them were synced by this
/// process. A path that was forgotten is synced again: forgetting is always safe.
#[derive(Debug, Default)]
pub(super) struct DurableFolders(Mutex<Generations>);

/// The members of `old` that were asked for since they got old are in `young` too.
#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Box<str>>,
    old: HashSet<Box<str>>,
}

impl DurableFolders {
    /// Whether the name of this folder was synced. The root's always was.
    pub(super) fn contains(&self, path: &str) -> bool {
        if path.is_empty() {
            return true;
        }
        let mut generations = self.0.lock();
        if generations.young.contains(path) {
            return true;
        }
        let Some(known) = generations.old.take(path) else {
            return false;
        };
        generations.insert(known);
        true
    }

    /// Remembers that the name of this folder was synced.
    pub(super) fn insert(&self, path: &str) {
        self.0.lock().insert(path.into());
    }

    /// Forgets a folder and all below it.
    pub(super) fn forget(&self, path: &str) {
        let mut generations = self.0.lock();
        if path.is_empty() {
            *generations = Generations::default();
            return;
        }
        generations.young.retain(|known| !is_at_or_below(known, path));
        generations.old.retain(|known| !is_at_or_below(known, path));
    }
}

fn is_at_or_below(known: &str, path: &str) -> bool {
    known
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Generations {
    fn insert(&mut self, path: Box<str>) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(path);
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
    use super::*;

    #[test]
    fn forgetting_a_folder_forgets_what_is_below_and_nothing_beside() {
        let folders = DurableFolders::default();
        for path in ["a", "a/b", "a/b/c", "a/bc", "ab"] {
            folders.insert(path);
        }
        folders.forget("a/b");
        assert!(folders.contains("a"));
        assert!(!folders.contains("a/b"));
        assert!(!folders.contains("a/b/c"));
        assert!(folders.contains("a/bc"));
        assert!(folders.contains("ab"));
        folders.forget("");
        assert!(!folders.contains("a"));
        assert!(folders.contains(""));
    }

    #[test]
    fn what_is_used_is_remembered_and_memory_is_bounded() {
        let folders = DurableFolders::default();
        folders.insert("hot");
        for number in 0..10 * GENERATION {
            assert!(folders.contains("hot"), "{number}");
            folders.insert(&format!("cold/{number}"));
        }
        assert!(!folders.contains("cold/0"));
        let generations = folders.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
    }
}
