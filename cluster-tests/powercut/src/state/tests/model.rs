//! Random operations against a naive model that copies whole contents and whole directories at
//! every sync.

use proptest::prelude::*;

use super::*;
use crate::protocol::{UnsyncedData, UnsyncedNames};

const FILES: usize = 4;
const DIRS: usize = 3;
const NAMES: [&str; 3] = ["x", "y", "z"];

#[derive(Clone, Debug)]
enum Op {
    Write {
        file: usize,
        offset: u64,
        bytes: Vec<u8>,
    },
    SetSize {
        file: usize,
        size: u64,
    },
    Fsync {
        file: usize,
    },
    FsyncDir {
        dir: usize,
    },
    Link {
        file: usize,
        dir: usize,
        name: usize,
    },
    Unlink {
        dir: usize,
        name: usize,
    },
    Rename {
        from: (usize, usize),
        to: (usize, usize),
    },
}

fn op() -> impl Strategy<Value = Op> {
    let file = 0..FILES;
    let slot = (0..DIRS, 0..NAMES.len());
    let bytes = prop::collection::vec(1_u8.., 1..12);
    prop_oneof![
        6 => (file.clone(), 0_u64..24, bytes).prop_map(|(file, offset, bytes)| Op::Write { file, offset, bytes }),
        2 => (file.clone(), 0_u64..24).prop_map(|(file, size)| Op::SetSize { file, size }),
        2 => file.clone().prop_map(|file| Op::Fsync { file }),
        2 => (0..DIRS).prop_map(|dir| Op::FsyncDir { dir }),
        4 => (file, slot.clone()).prop_map(|(file, (dir, name))| Op::Link { file, dir, name }),
        2 => slot.clone().prop_map(|(dir, name)| Op::Unlink { dir, name }),
        4 => (slot.clone(), slot).prop_map(|(from, to)| Op::Rename { from, to }),
    ]
}

/// A file as the naive model has it: the content at the last sync and the changes since.
#[derive(Clone, Debug, Default)]
struct NaiveFile {
    durable: Vec<u8>,
    changes: Vec<Op>,
}

/// Directories as the naive model has them: names to numbers of files.
#[derive(Clone, Debug, Default)]
struct NaiveDir {
    live: BTreeMap<usize, usize>,
    durable: BTreeMap<usize, usize>,
}

fn apply(content: &mut Vec<u8>, change: &Op, limit: usize) {
    match change {
        Op::Write { offset, bytes, .. } if limit > 0 => {
            let (at, bytes) = (
                usize::try_from(*offset).unwrap(),
                &bytes[..limit.min(bytes.len())],
            );
            content.resize(content.len().max(at + bytes.len()), 0);
            content[at..at + bytes.len()].copy_from_slice(bytes);
        }
        Op::SetSize { size, .. } if limit > 0 => content.resize(usize::try_from(*size).unwrap(), 0),
        _ => {}
    }
}

impl NaiveFile {
    fn live(&self) -> Vec<u8> {
        let mut content = self.durable.clone();
        self.changes
            .iter()
            .for_each(|change| apply(&mut content, change, usize::MAX));
        content
    }

    /// Every content that a torn cut may leave.
    fn possible(&self) -> Vec<Vec<u8>> {
        let mut content = self.durable.clone();
        let mut possible = vec![content.clone()];
        for change in &self.changes {
            let steps = if let Op::Write { bytes, .. } = change {
                bytes.len()
            } else {
                1
            };
            for step in 1..=steps {
                let mut torn = content.clone();
                apply(&mut torn, change, step);
                possible.push(torn);
            }
            apply(&mut content, change, usize::MAX);
        }
        possible
    }
}

struct Harness {
    state: State,
    files: Vec<Ino>,
    dirs: Vec<Ino>,
    naive_files: Vec<NaiveFile>,
    naive_dirs: Vec<NaiveDir>,
}

impl Harness {
    /// Directories `0`, `1` …, all durable, and files that have a name only in a folder apart.
    fn new() -> Self {
        let mut state = State::empty();
        let dirs: Vec<Ino> = (0..DIRS)
            .map(|at| state.test_dir(ROOT, &at.to_string()))
            .collect();
        let apart = state.test_dir(ROOT, "files");
        let files: Vec<Ino> = (0..FILES)
            .map(|at| state.test_file(apart, &at.to_string()))
            .collect();
        state.commit_all();
        Self {
            state,
            files,
            dirs,
            naive_files: vec![NaiveFile::default(); FILES],
            naive_dirs: vec![NaiveDir::default(); DIRS],
        }
    }

    fn run(&mut self, op: Op) {
        match op.clone() {
            Op::Write { file, offset, bytes } => {
                self.state.write(self.files[file], offset, &bytes).unwrap();
                self.naive_files[file].changes.push(op);
            }
            Op::SetSize { file, size } => {
                self.state.set_size(self.files[file], size).unwrap();
                if self.naive_files[file].live().len() as u64 != size {
                    self.naive_files[file].changes.push(op);
                }
            }
            Op::Fsync { file } => {
                self.state.fsync(self.files[file]);
                let naive = &mut self.naive_files[file];
                *naive = NaiveFile {
                    durable: naive.live(),
                    changes: Vec::new(),
                };
            }
            Op::FsyncDir { dir } => {
                self.state.fsync_dir(self.dirs[dir]);
                self.naive_dirs[dir].durable = self.naive_dirs[dir].live.clone();
            }
            Op::Link { file, dir, name: at } => {
                let linked = self.state.link(self.files[file], self.dirs[dir], name(NAMES[at]));
                let taken = self.naive_dirs[dir].live.contains_key(&at);
                assert_eq!(linked.is_err(), taken);
                self.naive_dirs[dir].live.entry(at).or_insert(file);
            }
            Op::Unlink { dir, name: at } => {
                let removed = self.state.unlink(self.dirs[dir], name(NAMES[at]));
                assert_eq!(removed.is_ok(), self.naive_dirs[dir].live.remove(&at).is_some());
            }
            Op::Rename { from, to } => {
                let old = (self.dirs[from.0], name(NAMES[from.1]));
                let new = (self.dirs[to.0], name(NAMES[to.1]));
                let renamed = self.state.rename(old, new, Replace::Allowed);
                let moved = self.naive_dirs[from.0].live.get(&from.1).copied();
                assert_eq!(renamed.is_ok(), moved.is_some());
                let Some(moved) = moved else { return };
                if self.naive_dirs[to.0].live.insert(to.1, moved) != Some(moved) {
                    self.naive_dirs[from.0].live.remove(&from.1);
                }
            }
        }
    }

    /// The names that a state shows in the directories, as numbers of files.
    fn names(&self, state: &State) -> Vec<BTreeMap<usize, usize>> {
        let number = |ino: Ino| self.files.iter().position(|file| *file == ino).unwrap();
        let names = |dir: &Ino| {
            let entries = state.read_dir(*dir, 0).unwrap();
            let at = |text: &OsStr| NAMES.iter().position(|known| name(known) == text).unwrap();
            entries.map(|(_, text, ino)| (at(text), number(ino))).collect()
        };
        self.dirs.iter().map(names).collect()
    }

    fn contents(&self, state: &State) -> Vec<Vec<u8>> {
        self.files.iter().map(|file| bytes_of(state, *file)).collect()
    }
}

proptest! {
    #[test]
    fn a_cut_leaves_what_the_naive_model_says(ops in prop::collection::vec(op(), 1..60), seed: u64) {
        let mut harness = Harness::new();
        for op in ops {
            harness.run(op);
        }
        let Harness { state, naive_files, naive_dirs, .. } = &harness;

        let live: Vec<_> = naive_dirs.iter().map(|dir| dir.live.clone()).collect();
        let durable: Vec<_> = naive_dirs.iter().map(|dir| dir.durable.clone()).collect();
        prop_assert_eq!(harness.names(state), &live[..]);
        prop_assert_eq!(harness.contents(state), naive_files.iter().map(NaiveFile::live).collect::<Vec<_>>());

        let (lost, report) = state.after_cut(CutPolicy::nothing(seed));
        prop_assert_eq!(harness.names(&lost), durable);
        let durable_contents: Vec<_> = naive_files.iter().map(|file| file.durable.clone()).collect();
        prop_assert_eq!(harness.contents(&lost), durable_contents);
        let written = |file: &NaiveFile| -> usize {
            file.changes.iter().map(|op| if let Op::Write { bytes, .. } = op { bytes.len() } else { 0 }).sum()
        };
        prop_assert_eq!(report.lost_bytes, naive_files.iter().map(written).sum::<usize>() as u64);

        let policy = CutPolicy { seed, data: UnsyncedData::Torn, names: UnsyncedNames::Subset };
        let (torn, _) = state.after_cut(policy);
        for (content, naive) in harness.contents(&torn).iter().zip(naive_files) {
            prop_assert!(naive.possible().contains(content), "{:?} of {:?}", content, naive);
        }

        let (kept, _) = state.after_cut(CutPolicy::everything());
        prop_assert_eq!(harness.names(&kept), live);
        prop_assert_eq!(tree(&kept), tree(state));
    }

    #[test]
    fn random_moves_of_directories_leave_a_tree(
        moves in prop::collection::vec((0_usize..6, 0_usize..6, prop::option::of(0_usize..6)), 1..40),
        seed: u64,
    ) {
        let mut state = State::empty();
        let dirs: Vec<Ino> = (0..6).map(|at| state.test_dir(ROOT, &format!("d{at}"))).collect();
        state.commit_all();
        for (moved, parent, synced) in moves {
            let old = state.parent(dirs[moved]).unwrap();
            let text = format!("d{moved}");
            // Refused where it would form a ring; that is part of the test.
            let _ = state.rename((old, name(&text)), (dirs[parent], name(&text)), Replace::Allowed);
            if let Some(synced) = synced {
                state.fsync_dir(dirs[synced]);
            }
        }
        for policy in [CutPolicy::nothing(seed), CutPolicy::random(seed)] {
            let (survived, _) = state.after_cut(policy);
            // All were durable once, and a move alone loses no directory.
            let mut found: Vec<String> =
                paths(&survived).iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect();
            found.sort();
            prop_assert_eq!(found, ["d0", "d1", "d2", "d3", "d4", "d5"]);
        }
    }
}
