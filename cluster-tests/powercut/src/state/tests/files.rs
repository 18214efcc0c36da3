//! What survives of contents and attributes.

use super::super::{AttrChange, FallocateMode, PAGE};
use super::*;
use crate::protocol::{UnsyncedData, UnsyncedNames};

/// A file with a durable name, a durable content `old`, and the changes that follow.
fn durable_file(old: &[u8]) -> (State, Ino) {
    let mut state = State::empty();
    let file = state.test_file(ROOT, "f");
    state.write(file, 0, old).unwrap();
    state.commit_all();
    (state, file)
}

fn kept(state: &State, file: Ino, policy: UnsyncedData, seed: u64) -> Vec<u8> {
    let policy = CutPolicy {
        seed,
        data: policy,
        names: UnsyncedNames::Lost,
    };
    bytes_of(&state.after_cut(policy).0, file)
}

#[test]
fn synced_data_is_kept_and_unsynced_data_is_lost() {
    let (mut state, file) = durable_file(b"old");
    state.write(file, 3, b" and synced").unwrap();
    state.fsync(file);
    state.write(file, 14, b" and not").unwrap();
    assert_eq!(bytes_of(&state, file), b"old and synced and not");
    assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), b"old and synced");
    assert_eq!(
        kept(&state, file, UnsyncedData::Kept, 0),
        b"old and synced and not"
    );
}

#[test]
fn a_synced_file_without_a_synced_name_is_lost() {
    let mut state = State::empty();
    let file = state.test_file(ROOT, "f");
    state.write(file, 0, b"data").unwrap();
    state.fsync(file);
    assert!(paths(&after_losing_all(&state)).is_empty());
}

#[test]
fn a_synced_name_without_synced_data_is_an_empty_file() {
    let mut state = State::empty();
    let file = state.test_file(ROOT, "f");
    state.write(file, 0, b"data").unwrap();
    state.fsync_dir(ROOT);
    assert_eq!(
        tree(&after_losing_all(&state)),
        Tree::from([("/f".into(), Some(vec![]))])
    );
}

#[test]
fn every_kind_of_change_is_taken_back() {
    let old: Vec<u8> = (0..3 * PAGE).map(|at| (at % 251) as u8).collect();
    let changes: [fn(&mut State, Ino); 8] = [
        |state, file| state.write(file, 100, b"overwritten").unwrap(),
        |state, file| state.write(file, 3 * PAGE as u64 - 2, b"across the end").unwrap(),
        |state, file| state.write(file, 50_000, b"beyond the end").unwrap(),
        |state, file| state.set_size(file, 10).unwrap(),
        |state, file| state.set_size(file, 0).unwrap(),
        |state, file| state.set_size(file, 100_000).unwrap(),
        |state, file| {
            state
                .fallocate(file, 1, 2 * PAGE as u64, FallocateMode::Punch)
                .unwrap();
        },
        |state, file| state.fallocate(file, 7, 30_000, FallocateMode::Zero).unwrap(),
    ];
    for first in changes {
        for second in changes {
            let (mut state, file) = durable_file(&old);
            first(&mut state, file);
            second(&mut state, file);
            assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), old);
            let live = bytes_of(&state, file);
            state.fsync(file);
            assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), live);
        }
    }
}

#[test]
fn a_torn_append_is_a_prefix_and_all_lengths_occur() {
    let (mut state, file) = durable_file(b"old ");
    let appended: Vec<u8> = (0..=255).collect();
    for (at, piece) in appended.chunks(7).enumerate() {
        state.write(file, 4 + 7 * at as u64, piece).unwrap();
    }
    let whole = bytes_of(&state, file);
    let lengths: std::collections::BTreeSet<usize> = (0..300)
        .map(|seed| {
            let torn = kept(&state, file, UnsyncedData::Torn, seed);
            assert!(
                torn.starts_with(b"old ") && whole.starts_with(&torn),
                "seed {seed}: {torn:?}"
            );
            torn.len()
        })
        .collect();
    assert!(
        lengths.contains(&4) && lengths.contains(&whole.len()),
        "{lengths:?}"
    );
    assert!(
        lengths.iter().any(|length| (length - 4) % 7 != 0),
        "a write must be torn inside"
    );
    assert!(lengths.len() > 20, "{lengths:?}");
}

#[test]
fn tears_prefer_sectors_of_the_disk() {
    let (mut state, file) = durable_file(b"");
    state.write(file, 0, &[7; 100 * PAGE]).unwrap();
    let lengths = (0..200).map(|seed| kept(&state, file, UnsyncedData::Torn, seed).len());
    let inside: Vec<usize> = lengths
        .filter(|length| *length != 0 && *length != 100 * PAGE)
        .collect();
    let on_sectors = inside.iter().filter(|length| *length % 512 == 0).count();
    assert!(
        on_sectors > 20 && on_sectors < inside.len(),
        "{on_sectors} of {}",
        inside.len()
    );
}

#[test]
fn the_same_seed_tears_alike_and_another_one_differently() {
    let (mut state, file) = durable_file(b"");
    state.write(file, 0, &[1; 10_000]).unwrap();
    let torn: Vec<Vec<u8>> = (0..50)
        .map(|seed| kept(&state, file, UnsyncedData::Torn, seed))
        .collect();
    for (seed, first) in torn.iter().enumerate() {
        assert_eq!(*first, kept(&state, file, UnsyncedData::Torn, seed as u64));
    }
    assert!(torn.iter().any(|other| *other != torn[0]));
}

#[test]
fn files_are_torn_independently() {
    let mut state = State::empty();
    let files: Vec<Ino> = (0..8)
        .map(|at| state.test_file(ROOT, &format!("f{at}")))
        .collect();
    state.commit_all();
    for file in &files {
        state.write(*file, 0, &[1; 10_000]).unwrap();
    }
    let (survived, report) = state.after_cut(CutPolicy::torn(3));
    let lengths: std::collections::BTreeSet<usize> = files
        .iter()
        .map(|file| bytes_of(&survived, *file).len())
        .collect();
    assert!(lengths.len() > 2, "{lengths:?}");
    assert_eq!(report.unsynced_files, 8);
    let left: usize = files.iter().map(|file| bytes_of(&survived, *file).len()).sum();
    assert_eq!(report.lost_bytes, 80_000 - left as u64);
}

#[test]
fn a_slow_sync_covers_what_was_there_when_it_began() {
    let (mut state, file) = durable_file(b"");
    state.write(file, 0, b"before").unwrap();
    state.seal_file(file);
    let upto = state.last_change();
    // An append that follows immediately, so that it would have been merged with the one before.
    state.write(file, 6, b" and during").unwrap();
    state.commit_file(file, upto, None);
    assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), b"before");
    state.fsync(file);
    assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), b"before and during");
}

#[test]
fn after_a_failed_sync_no_later_one_helps() {
    let (mut state, file) = durable_file(b"old");
    state.write(file, 3, b" lost").unwrap();
    state.lose_unsynced(file);
    state.fsync(file);
    state.write(file, 8, b" more").unwrap();
    state.fsync(file);
    assert_eq!(bytes_of(&state, file), b"old lost more");
    assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), b"old");
}

#[test]
fn a_file_that_is_written_anew_recovers_from_a_failed_sync() {
    let (mut state, file) = durable_file(b"old");
    state.write(file, 3, b" lost").unwrap();
    state.lose_unsynced(file);
    state.set_size(file, 0).unwrap();
    state.write(file, 0, b"new").unwrap();
    assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), b"old");
    state.fsync(file);
    assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), b"new");
}

#[test]
fn a_failed_sync_of_a_clean_file_loses_nothing() {
    let (mut state, file) = durable_file(b"old");
    state.lose_unsynced(file);
    state.write(file, 3, b" new").unwrap();
    state.fsync(file);
    assert_eq!(kept(&state, file, UnsyncedData::Lost, 0), b"old new");
}

#[test]
fn attributes_become_durable_by_fsync_and_not_by_fdatasync() {
    let (mut state, file) = durable_file(b"old");
    state
        .set_attr(
            file,
            &AttrChange {
                mode: Some(0o600),
                ..AttrChange::default()
            },
        )
        .unwrap();
    state.write(file, 0, b"new").unwrap();
    let upto = state.last_change();
    state.commit_file(file, upto, None);
    let survived = after_losing_all(&state);
    assert_eq!(survived.inode(file).unwrap().meta.mode, 0o644);
    assert_eq!(bytes_of(&survived, file), b"new");
    state.fsync(file);
    assert_eq!(after_losing_all(&state).inode(file).unwrap().meta.mode, 0o600);
}

#[test]
fn the_budget_counts_pages_and_frees_what_nobody_can_reach() {
    let page = PAGE as u64;
    let mut state = State::empty();
    state.set_budget(Some(4 * page + 100));
    let file = state.test_file(ROOT, "f");
    state.write(file, 0, &[1; 3 * PAGE]).unwrap();
    state
        .fallocate(file, 3 * page, page, FallocateMode::Reserve)
        .unwrap();
    assert_eq!(state.used_pages(), 4);
    let other = state.test_file(ROOT, "g");
    assert_eq!(state.write(other, 0, b"x").unwrap_err(), rustix::io::Errno::NOSPC);
    assert_eq!(state.refused_for_space(), 1);
    assert_eq!(bytes_of(&state, other), b"");
    let reserved = state.fallocate(other, 0, 1, FallocateMode::Reserve);
    assert_eq!(
        (reserved, state.refused_for_space()),
        (Err(rustix::io::Errno::NOSPC), 2)
    );
    // Overwriting, and writing into what was allocated, needs no room.
    state.write(file, 10, &[2; PAGE]).unwrap();
    state.write(file, 3 * page, b"reserved").unwrap();
    // An unlinked file keeps its room while it is open.
    state.add_handle(file);
    state.unlink(ROOT, name("f")).unwrap();
    assert_eq!(state.used_pages(), 4);
    state.drop_handle(file);
    assert_eq!(state.used_pages(), 0);
    state.write(other, 0, b"x").unwrap();
    // A cut brings nothing back here: neither name was durable.
    assert_eq!(after_losing_all(&state).used_pages(), 0);
}
