//! What a cut leaves: the durable state, and by its policy some of the rest.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::directory::{Directory, EntryKind, NameChange};
use super::file::File;
use super::inode::{Body, Ino, Inode, Link, Name, ROOT};
use super::{SpaceUse, State};
use crate::protocol::{CutPolicy, CutReport, UnsyncedNames};
use crate::rng::Rng;

/// The stream of the seed that decides on names; files use their own numbers, which start at 1.
const NAMES_STREAM: u64 = 0;

/// The names of every directory.
type Names = HashMap<Ino, BTreeMap<Name, Ino>>;

/// Builds the surviving state from what was there before.
struct Survivors<'a> {
    before: &'a State,
    policy: CutPolicy,
    report: CutReport,
    inodes: HashMap<Ino, Inode>,
}

impl State {
    /// The state that a cut would leave now, all of it durable. Inodes keep their numbers.
    pub(crate) fn after_cut(&self, policy: CutPolicy) -> (Self, CutReport) {
        let mut survivors = Survivors {
            before: self,
            policy,
            report: CutReport {
                seed: policy.seed,
                ..CutReport::default()
            },
            inodes: HashMap::new(),
        };
        let names = survivors.surviving_names();
        survivors.collect(&names);
        survivors.finish()
    }
}

impl Survivors<'_> {
    /// The names that survive, in all directories, reachable or not.
    fn surviving_names(&mut self) -> Names {
        let mut names = Names::new();
        let mut unsynced: Vec<(Ino, &NameChange)> = Vec::new();
        for (ino, inode) in &self.before.inodes {
            let Body::Directory(directory) = &inode.body else {
                continue;
            };
            names.insert(*ino, directory.durable_entries());
            unsynced.extend(directory.unsynced().iter().map(|change| (*ino, change)));
        }
        // In the order in which they happened; the two halves of a move stand side by side.
        unsynced.sort_by_key(|(directory, change)| (change.number, *directory));
        let mut choice = NameChoice::new(self.policy);
        for halves in unsynced.chunk_by(|a, b| a.1.number == b.1.number) {
            if choice.survives(halves) {
                self.report.kept_names += 1;
                for (directory, change) in halves {
                    let entries = names.entry(*directory).or_default();
                    change.edits().for_each(|edit| edit.apply(entries));
                }
            } else {
                self.report.lost_names += 1;
            }
        }
        names
    }

    /// Takes over what can be reached from the root.
    fn collect(&mut self, names: &Names) {
        let Some(root) = self.before.inodes.get(&ROOT) else {
            return;
        };
        self.adopt(
            ROOT,
            root,
            Link {
                parent: ROOT,
                name: Name::from(std::ffi::OsStr::new("")),
            },
        );
        let mut todo = vec![ROOT];
        while let Some(parent) = todo.pop() {
            let Some(entries) = names.get(&parent) else {
                continue;
            };
            let mut directory = Directory::default();
            for (name, ino) in entries {
                let Some(inode) = self.before.inodes.get(ino) else {
                    continue;
                };
                let link = Link {
                    parent,
                    name: Name::clone(name),
                };
                if let Some(adopted) = self.inodes.get_mut(ino) {
                    debug_assert!(!adopted.is_directory(), "a directory has one parent");
                    adopted.links.push(link);
                } else {
                    self.adopt(*ino, inode, link);
                    todo.extend(inode.is_directory().then_some(*ino));
                }
                let kind = if inode.is_directory() {
                    EntryKind::Directory
                } else {
                    EntryKind::Other
                };
                directory.insert(name, *ino, kind);
            }
            if let Some(inode) = self.inodes.get_mut(&parent) {
                inode.body = Body::Directory(directory);
            }
        }
    }

    fn adopt(&mut self, ino: Ino, inode: &Inode, link: Link) {
        let body = match &inode.body {
            Body::File(file) => Body::File(self.surviving_file(ino, file)),
            Body::Directory(_) => Body::Directory(Directory::default()),
            Body::Symlink(target) => Body::Symlink(target.clone()),
            Body::Special(special) => Body::Special(*special),
        };
        let mut survivor = Inode::new(body, inode.durable_meta);
        survivor.links.push(link);
        survivor.lookups = inode.lookups;
        survivor.charged = survivor.allocated();
        self.inodes.insert(ino, survivor);
    }

    fn surviving_file(&mut self, ino: Ino, file: &File) -> File {
        let (content, torn) = file.survivor(self.policy.data, &mut Rng::new(self.policy.seed, ino));
        self.report.unsynced_files += u64::from(torn.unsynced);
        self.report.torn_files += u64::from(torn.torn);
        self.report.lost_bytes += torn.lost_bytes;
        File::durable(content)
    }

    fn finish(self) -> (State, CutReport) {
        let used = self.inodes.values().map(|inode| inode.charged).sum();
        let state = State {
            inodes: self.inodes,
            last_ino: self.before.last_ino,
            last_change: self.before.last_change,
            moves: BTreeMap::new(),
            space: SpaceUse {
                used,
                ..self.before.space
            },
        };
        (state, self.report)
    }
}

/// Decides which unsynced changes of names survive.
struct NameChoice {
    policy: UnsyncedNames,
    rng: Rng,
    /// Names of which a change was lost: later changes of them are lost too.
    spoiled: HashSet<(Ino, Name)>,
    /// Directories of which a change was lost: they cannot have been removed later.
    incomplete: HashSet<Ino>,
    /// A move of a directory was lost, and with it all later ones: so the durable directories
    /// are always a tree that existed at some time.
    moves_spoiled: bool,
}

impl NameChoice {
    fn new(policy: CutPolicy) -> Self {
        Self {
            policy: policy.names,
            rng: Rng::new(policy.seed, NAMES_STREAM),
            spoiled: HashSet::new(),
            incomplete: HashSet::new(),
            moves_spoiled: false,
        }
    }

    /// Whether a change, given by its one or two halves, survives.
    fn survives(&mut self, halves: &[(Ino, &NameChange)]) -> bool {
        let wanted = match self.policy {
            UnsyncedNames::Lost => false,
            UnsyncedNames::Kept => true,
            UnsyncedNames::Subset => self.rng.coin(),
        };
        let is_move = halves.iter().any(|(_, change)| change.is_move);
        let touched = || {
            halves.iter().flat_map(|(directory, change)| {
                change.edits().map(|edit| (*directory, Name::clone(&edit.name)))
            })
        };
        let mut removed = halves.iter().flat_map(|(_, change)| change.removed());
        let possible = !(is_move && self.moves_spoiled)
            && touched().all(|name| !self.spoiled.contains(&name))
            && removed.all(|ino| !self.incomplete.contains(&ino));
        if wanted && possible {
            return true;
        }
        self.spoiled.extend(touched());
        self.incomplete
            .extend(halves.iter().map(|(directory, _)| *directory));
        self.moves_spoiled |= is_move;
        false
    }
}
