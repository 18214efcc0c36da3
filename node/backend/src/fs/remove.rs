//! Deleting bodies and temporary files, and the folders of swept epochs.
//!
//! A confirmed delete is durable. The cluster forgets an attempt when its deletion is confirmed, so a
//! file that came back with a power cut would belong to nobody: the sweep of its epoch may be over.
//! Therefore each folder of a batch is synced once before anything in it is confirmed; also for a key
//! that was absent, since an earlier try may have removed it without living to sync it.

use std::collections::BTreeMap;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::failure::Failure;
use super::place::{Place, TempName, is_tag};
use super::tree::{Tree, sync_folder};
use crate::error::ErrorKind;
use crate::listing::{Target, TargetKind};

/// What came of each target, in their order.
pub(super) type Outcomes = Vec<Result<(), Failure>>;

/// The targets of one folder: their places in the batch, and the names of their files.
type InFolder = Vec<(usize, String)>;

/// Deletes a batch.
pub(super) fn delete(tree: &Tree, targets: &[Target]) -> Outcomes {
    let mut outcomes: Outcomes = Vec::with_capacity(targets.len());
    let mut folders: BTreeMap<String, InFolder> = BTreeMap::new();
    for (number, target) in targets.iter().enumerate() {
        match file_of(target) {
            Ok((folder, name)) => {
                folders.entry(folder).or_default().push((number, name));
                outcomes.push(Ok(()));
            }
            Err(failure) => outcomes.push(Err(failure)),
        }
    }
    for (path, files) in folders {
        delete_in_folder(tree, &path, &files, &mut outcomes);
    }
    outcomes
}

/// The folder and the name of what a target names.
fn file_of(target: &Target) -> Result<(String, String), Failure> {
    let place = Place::of(&target.key)?;
    let name = match &target.kind {
        TargetKind::Current => place.name().to_owned(),
        TargetKind::Version(_) => {
            return Err(Failure::of(ErrorKind::invalid("a directory keeps no versions")));
        }
        TargetKind::Incomplete(id) if is_tag(id.as_str()) => TempName {
            name: place.name(),
            tag: id.as_str(),
        }
        .file_name(),
        TargetKind::Incomplete(_) => {
            return Err(Failure::of(ErrorKind::invalid("not the tag of a temporary file")));
        }
    };
    Ok((place.folder().to_owned(), name))
}

fn delete_in_folder(tree: &Tree, path: &str, files: &InFolder, outcomes: &mut Outcomes) {
    let synced = match tree.open_folder(path) {
        Ok(folder) => {
            for (number, name) in files {
                let outcome = delete_file(&folder, name);
                set(outcomes, *number, outcome);
            }
            sync_folder(&folder)
        }
        Err(Errno::NOENT | Errno::NOTDIR) => tree.sync_nearest(path),
        Err(errno) => Err(Failure::changing("open the folder")(errno)),
    };
    let Err(failure) = synced else { return };
    let errno = failure.errno().unwrap_or(Errno::IO);
    for (number, _) in files {
        set(
            outcomes,
            *number,
            Err(Failure::changing("make the deletion durable")(errno)),
        );
    }
}

/// Sets an outcome; the first failure of a target stays.
fn set(outcomes: &mut Outcomes, number: usize, outcome: Result<(), Failure>) {
    if let Some(slot) = outcomes.get_mut(number).filter(|slot| slot.is_ok()) {
        *slot = outcome;
    }
}

fn delete_file(folder: &OwnedFd, name: &str) -> Result<(), Failure> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        // A folder of that name is not the body of that key, which therefore is absent.
        Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
        Err(errno) => Err(Failure::changing("remove a file")(errno)),
    }
}

/// Removes a folder and those below it as far as they are empty. Nothing is synced: an empty folder
/// that comes back holds nothing.
pub(super) fn tidy(tree: &Tree, path: &str) -> Result<(), Failure> {
    if path.is_empty() {
        return Err(Failure::of(ErrorKind::invalid(
            "the directory itself is not ours to remove",
        )));
    }
    let folder = match tree.open_folder(path) {
        Ok(folder) => folder,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(errno) => return Err(Failure::changing("open the folder")(errno)),
    };
    let failed = Failure::changing("read a folder");
    for entry in Dir::read_from(&folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if name != "." && name != ".." && matches!(entry.file_type(), FileType::Directory | FileType::Unknown)
        {
            tidy(tree, &format!("{path}/{name}"))?;
        }
    }
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = match tree.open_folder(parent) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(Failure::changing("open the folder")(errno)),
    };
    tree.forget(path);
    match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::BUSY) => Ok(()),
        Err(errno) => Err(Failure::changing("remove a folder")(errno)),
    }
}
