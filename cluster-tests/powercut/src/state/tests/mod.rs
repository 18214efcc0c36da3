//! The durability model itself, without a mount: by example, and against a naive model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod files;
mod model;
mod names;

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::{Body, Ino, Ownership, ROOT, Replace, State};
use crate::protocol::CutPolicy;

const OWNER: Ownership = Ownership {
    mode: 0o644,
    uid: 1,
    gid: 2,
};

/// Paths with what lies there: the bytes of a file, nothing for a directory.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

/// The live tree, with every file's bytes.
fn tree(state: &State) -> Tree {
    let mut tree = Tree::new();
    let mut todo = vec![(String::new(), ROOT)];
    while let Some((path, ino)) = todo.pop() {
        for (_, name, child) in state.read_dir(ino, 0).unwrap() {
            let path = format!("{path}/{}", name.to_string_lossy());
            match &state.inode(child).unwrap().body {
                Body::Directory(_) => {
                    assert!(tree.insert(path.clone(), None).is_none());
                    todo.push((path, child));
                }
                Body::File(file) => {
                    let size = usize::try_from(file.content().size()).unwrap();
                    tree.insert(path, Some(file.content().read(0, size)));
                }
                Body::Symlink(_) | Body::Special(_) => panic!("not used here"),
            }
        }
    }
    tree
}

fn paths(state: &State) -> Vec<String> {
    tree(state).into_keys().collect()
}

fn after_losing_all(state: &State) -> State {
    state.after_cut(CutPolicy::nothing(0)).0
}

fn bytes_of(state: &State, ino: Ino) -> Vec<u8> {
    state
        .read(ino, 0, usize::try_from(state.inode(ino).unwrap().size()).unwrap())
        .unwrap()
}

impl State {
    fn empty() -> Self {
        Self::new(0, 0)
    }

    fn test_file(&mut self, parent: Ino, text: &str) -> Ino {
        self.create_file(parent, name(text), OWNER).unwrap()
    }

    fn test_dir(&mut self, parent: Ino, text: &str) -> Ino {
        self.create_directory(parent, name(text), OWNER).unwrap()
    }

    fn test_rename(&mut self, old: (Ino, &str), new: (Ino, &str)) {
        self.rename((old.0, name(old.1)), (new.0, name(new.1)), Replace::Allowed)
            .unwrap();
    }

    fn fsync(&mut self, ino: Ino) {
        let (upto, meta) = (self.last_change(), self.meta_snapshot(ino));
        self.commit_file(ino, upto, meta);
    }

    fn fsync_dir(&mut self, ino: Ino) {
        let (upto, meta) = (self.last_change(), self.meta_snapshot(ino));
        self.commit_names(ino, upto, meta);
    }
}
