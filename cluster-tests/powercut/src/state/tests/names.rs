//! What survives of names.

use super::*;
use crate::protocol::{UnsyncedData, UnsyncedNames};

/// `a/f` and `b`, all durable.
fn two_folders() -> (State, Ino, Ino, Ino) {
    let mut state = State::empty();
    let (a, b) = (state.test_dir(ROOT, "a"), state.test_dir(ROOT, "b"));
    let file = state.test_file(a, "f");
    state.write(file, 0, b"f").unwrap();
    state.commit_all();
    (state, a, b, file)
}

#[track_caller]
fn assert_survivors(state: &State, expected: &[&str]) {
    assert_eq!(paths(&after_losing_all(state)), expected);
}

#[test]
fn a_name_is_durable_by_fsync_of_its_directory_alone() {
    let (mut state, a, _, _) = two_folders();
    let file = state.test_file(a, "g");
    state.fsync(file);
    assert_survivors(&state, &["/a", "/a/f", "/b"]);
    state.fsync_dir(ROOT);
    assert_survivors(&state, &["/a", "/a/f", "/b"]);
    state.fsync_dir(a);
    assert_survivors(&state, &["/a", "/a/f", "/a/g", "/b"]);
}

#[test]
fn an_unlink_is_undone_until_the_directory_is_synced() {
    let (mut state, a, _, file) = two_folders();
    state.unlink(a, name("f")).unwrap();
    assert_eq!(tree(&after_losing_all(&state))["/a/f"], Some(b"f".to_vec()));
    assert!(state.inode(file).is_ok(), "it may come back");
    state.fsync_dir(a);
    assert_survivors(&state, &["/a", "/b"]);
    assert!(state.inode(file).is_err(), "nobody can reach it");
}

#[test]
fn a_rename_without_a_synced_directory_reverts_with_all_it_replaced() {
    let (mut state, a, _, file) = two_folders();
    let new = state.test_file(a, "f.tmp");
    state.write(new, 0, b"new").unwrap();
    state.fsync(new);
    state.fsync_dir(a);
    state.test_rename((a, "f.tmp"), (a, "f"));
    let survived = tree(&after_losing_all(&state));
    assert_eq!(survived["/a/f"], Some(b"f".to_vec()));
    assert_eq!(survived["/a/f.tmp"], Some(b"new".to_vec()));
    state.fsync_dir(a);
    let survived = tree(&after_losing_all(&state));
    assert_eq!(survived["/a/f"], Some(b"new".to_vec()));
    assert!(!survived.contains_key("/a/f.tmp"));
    assert!(state.inode(file).is_err());
}

#[test]
fn each_half_of_a_files_rename_between_directories_is_durable_with_its_directory() {
    let (mut state, a, b, _) = two_folders();
    state.test_rename((a, "f"), (b, "g"));
    assert_survivors(&state, &["/a", "/a/f", "/b"]);
    let mut new_synced = state.clone();
    new_synced.fsync_dir(b);
    assert_survivors(&new_synced, &["/a", "/a/f", "/b", "/b/g"]);
    let mut old_synced = state.clone();
    old_synced.fsync_dir(a);
    assert_survivors(&old_synced, &["/a", "/b"]);
    new_synced.fsync_dir(a);
    assert_survivors(&new_synced, &["/a", "/b", "/b/g"]);
}

#[test]
fn a_link_is_durable_with_its_own_directory_and_shares_the_content() {
    let (mut state, a, b, file) = two_folders();
    state.link(file, b, name("l")).unwrap();
    state.fsync_dir(b);
    state.unlink(a, name("f")).unwrap();
    state.fsync_dir(a);
    state.write(file, 0, b"F").unwrap();
    state.fsync(file);
    let survived = after_losing_all(&state);
    assert_eq!(tree(&survived)["/b/l"], Some(b"F".to_vec()));
    assert_eq!(paths(&survived), ["/a", "/b", "/b/l"]);
}

#[test]
fn a_directory_without_a_durable_name_is_lost_with_all_it_holds() {
    let mut state = State::empty();
    let dir = state.test_dir(ROOT, "d");
    let file = state.test_file(dir, "f");
    state.fsync(file);
    state.fsync_dir(dir);
    assert_survivors(&state, &[]);
    state.fsync_dir(ROOT);
    assert_survivors(&state, &["/d", "/d/f"]);
}

#[test]
fn a_move_of_a_directory_is_whole_by_either_parent() {
    for synced in ["old", "new"] {
        let (mut state, a, b, _) = two_folders();
        state.test_rename((ROOT, "a"), (b, "moved"));
        assert_survivors(&state, &["/a", "/a/f", "/b"]);
        state.fsync_dir(if synced == "old" { ROOT } else { b });
        assert_survivors(&state, &["/b", "/b/moved", "/b/moved/f"]);
        assert_eq!(after_losing_all(&state).parent(a).unwrap(), b);
    }
}

#[test]
fn a_move_takes_earlier_moves_and_changes_of_both_parents_with_it() {
    let mut state = State::empty();
    let dirs: Vec<Ino> = ["a", "b", "c"]
        .iter()
        .map(|text| state.test_dir(ROOT, text))
        .collect();
    let [a, b, c] = dirs[..] else { unreachable!() };
    let inner = state.test_dir(a, "inner");
    state.commit_all();
    state.test_rename((a, "inner"), (b, "inner"));
    state.test_file(c, "early");
    state.test_rename((ROOT, "b"), (c, "b"));
    state.test_file(c, "late");
    state.fsync_dir(ROOT);
    assert_survivors(&state, &["/a", "/c", "/c/b", "/c/b/inner", "/c/early"]);
    assert_eq!(after_losing_all(&state).parent(inner).unwrap(), b);
}

#[test]
fn directories_that_swap_places_never_form_a_ring() {
    // b moves out of a, then a moves into b: the first move alone, or both, or none.
    let mut state = State::empty();
    let a = state.test_dir(ROOT, "a");
    let b = state.test_dir(a, "b");
    state.commit_all();
    state.test_rename((a, "b"), (ROOT, "b"));
    state.test_rename((ROOT, "a"), (b, "a"));
    assert_survivors(&state, &["/a", "/a/b"]);
    for seed in 0..64 {
        let policy = CutPolicy {
            seed,
            data: UnsyncedData::Lost,
            names: UnsyncedNames::Subset,
        };
        let survived = paths(&state.after_cut(policy).0);
        let possible = [["/a", "/a/b"], ["/a", "/b"], ["/b", "/b/a"]];
        assert!(
            possible.iter().any(|paths| *survived == *paths),
            "seed {seed}: {survived:?}"
        );
    }
    state.fsync_dir(b);
    assert_survivors(&state, &["/b", "/b/a"]);
}

#[test]
fn a_durable_removal_of_a_directory_makes_durable_what_was_moved_out_of_it() {
    let (mut state, a, b, _) = two_folders();
    let inner = state.test_dir(a, "inner");
    state.test_file(inner, "g");
    state.commit_all();
    state.test_rename((a, "inner"), (b, "inner"));
    state.unlink(a, name("f")).unwrap();
    state.remove_directory(ROOT, name("a")).unwrap();
    state.fsync_dir(ROOT);
    assert_survivors(&state, &["/b", "/b/inner", "/b/inner/g"]);
}

#[test]
fn a_removal_that_survives_by_chance_takes_nothing_with_it_that_was_moved_out() {
    let mut state = State::empty();
    let (a, b) = (state.test_dir(ROOT, "a"), state.test_dir(ROOT, "b"));
    state.test_dir(a, "inner");
    state.commit_all();
    state.test_rename((a, "inner"), (b, "inner"));
    state.remove_directory(ROOT, name("a")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..64 {
        seen.insert(paths(&state.after_cut(CutPolicy::random(seed)).0).join(" "));
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["/a /a/inner /b", "/a /b /b/inner", "/b /b/inner"]
    );
}

#[test]
fn a_subset_of_names_respects_the_order_of_each_name() {
    let mut state = State::empty();
    let file = state.test_file(ROOT, "1");
    state.test_rename((ROOT, "1"), (ROOT, "2"));
    state.test_rename((ROOT, "2"), (ROOT, "3"));
    state.test_file(ROOT, "other");
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let (survived, report) = state.after_cut(CutPolicy::random(seed));
        let paths = paths(&survived);
        let chain: Vec<&String> = paths.iter().filter(|path| *path != "/other").collect();
        assert!(chain.len() <= 1, "a rename is whole: {paths:?}");
        assert_eq!(report.kept_names + report.lost_names, 4);
        assert_eq!(survived.inode(file).is_ok(), chain.len() == 1);
        seen.insert(paths);
    }
    assert_eq!(seen.len(), 8, "every state is reached: {seen:?}");
}

#[test]
fn keeping_everything_is_the_live_state() {
    let (mut state, a, b, file) = two_folders();
    state.write(file, 0, b"changed").unwrap();
    state.test_rename((a, "f"), (b, "f"));
    state.test_rename((ROOT, "a"), (b, "a"));
    let (survived, report) = state.after_cut(CutPolicy::everything());
    assert_eq!(tree(&survived), tree(&state));
    assert_eq!((report.lost_names, report.lost_bytes), (0, 0));
}

#[test]
fn a_surviving_state_has_nothing_unsynced() {
    let (mut state, a, b, file) = two_folders();
    state.write(file, 0, b"changed").unwrap();
    state.test_rename((a, "f"), (b, "f"));
    let (survived, _) = state.after_cut(CutPolicy::random(5));
    assert_eq!(survived.unsynced(), super::super::Unsynced::default());
    let (again, report) = survived.after_cut(CutPolicy::random(6));
    assert_eq!(tree(&again), tree(&survived));
    assert_eq!(
        (report.lost_names, report.kept_names, report.unsynced_files),
        (0, 0, 0)
    );
}

#[test]
fn nothing_is_kept_in_memory_that_nobody_can_reach() {
    let mut state = State::empty();
    for round in 0..50 {
        let dir = state.test_dir(ROOT, "d");
        let other = state.test_dir(ROOT, "e");
        let file = state.test_file(dir, "f");
        state.link(file, other, name("l")).unwrap();
        state.test_rename((dir, "f"), (other, "f"));
        state.test_rename((ROOT, "d"), (other, "d"));
        if round % 2 == 0 {
            state.fsync_dir(other);
        }
        state.unlink(other, name("f")).unwrap();
        state.unlink(other, name("l")).unwrap();
        state.remove_directory(other, name("d")).unwrap();
        state.remove_directory(ROOT, name("e")).unwrap();
        state.fsync_dir(ROOT);
        assert_eq!(state.inode_count(), 1, "round {round}: only the root is left");
        assert_eq!(state.unsynced().names, 0);
    }
}

#[test]
fn the_kernels_knowledge_of_an_inode_keeps_it_until_it_is_forgotten() {
    let mut state = State::empty();
    let file = state.test_file(ROOT, "f");
    state.add_lookup(file);
    state.add_lookup(file);
    state.unlink(ROOT, name("f")).unwrap();
    state.fsync_dir(ROOT);
    state.forget(file, 1);
    assert!(state.inode(file).is_ok());
    state.forget(file, 1);
    assert!(state.inode(file).is_err());
}

#[test]
fn the_kernels_knowledge_outlasts_a_cut() {
    let (mut state, a, _, file) = two_folders();
    state.add_lookup(file);
    let mut survived = after_losing_all(&state);
    survived.unlink(a, name("f")).unwrap();
    survived.fsync_dir(a);
    assert!(survived.inode(file).is_ok());
    survived.forget(file, 1);
    assert!(survived.inode(file).is_err());
}
