//! Listing: the tree of folders as a flat, ordered space of keys.

use std::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::failure::Failure;
use super::place::{TempName, fan_of, is_fan};
use super::tree::Tree;
use crate::listing::{Entry, EntryKind, IncompleteId, ListRequest, Listing, Page, Position};

/// Lists one page.
///
/// Only folders that can hold entries after the position are read, and of an epoch one folder of its
/// fan at a time: a page costs about as many system calls as it has entries, and memory for the names
/// of the folders on its way.
pub(super) fn list(tree: &Tree, request: &ListRequest) -> Result<Page, Failure> {
    let prefix = request.prefix.as_str();
    let limit = request.bounded_limit();
    // One more than is wanted shows whether anything follows.
    let mut walk = Walk {
        tree,
        request,
        entries: Vec::new(),
        enough: limit + 1,
    };
    walk.folder(prefix)?;
    let mut entries = walk.entries;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(Entry::position);
    Ok(Page { entries, next })
}

struct Walk<'a> {
    tree: &'a Tree,
    request: &'a ListRequest,
    entries: Vec<Entry>,
    enough: usize,
}

/// Something in a folder, under the text that places it among the keys.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Child {
    /// The rest of its key after that of the folder; with a slash at its end for a folder, since all
    /// keys below begin with that.
    rest: String,
    kind: ChildKind,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ChildKind {
    /// A body.
    File,
    /// A temporary file, by its tag.
    Temp(String),
    /// A folder.
    Folder,
    /// A folder that may hold attempts of the folder it lies in; its rest has no slash.
    Fan,
}

impl Walk<'_> {
    fn is_done(&self) -> bool {
        self.entries.len() >= self.enough
    }

    /// Lists a folder, given by the key prefix it stands for.
    fn folder(&mut self, prefix: &str) -> Result<(), Failure> {
        let Some(folder) = self.open(prefix)? else {
            return Ok(());
        };
        let mut children = self.children(prefix, &folder)?.into_iter().peekable();
        while let Some(child) = children.next() {
            if self.is_done() {
                return Ok(());
            }
            if child.kind != ChildKind::Fan {
                self.child(prefix, &folder, child)?;
                continue;
            }
            // What lies in the fan folder and what lies beside it can interleave.
            let mut group = self.fan(prefix, &child.rest)?;
            while let Some(beside) = children.next_if(|next| next.rest.starts_with(&child.rest)) {
                group.push((None, beside));
            }
            group.sort_by(|(_, left), (_, right)| left.cmp(right));
            let fan = self.open(&format!("{prefix}{}/", child.rest))?;
            for (place, member) in group {
                match (place, &fan) {
                    (None, _) => self.child(prefix, &folder, member)?,
                    (Some(InFan), Some(fan)) => self.child(prefix, fan, member)?,
                    (Some(InFan), None) => {}
                }
                if self.is_done() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn child(&mut self, prefix: &str, folder: &OwnedFd, child: Child) -> Result<(), Failure> {
        let (name, kind) = match &child.kind {
            ChildKind::Folder => return self.folder(&format!("{prefix}{}", child.rest)),
            ChildKind::Fan => return Ok(()),
            ChildKind::File => (child.rest.clone(), EntryKind::Object(None)),
            ChildKind::Temp(tag) => {
                let temp = TempName {
                    name: &child.rest,
                    tag,
                };
                (temp.file_name(), EntryKind::Incomplete(IncompleteId::new(tag)))
            }
        };
        let found = match rustix::fs::statat(folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(Failure::changing("look at a file")(errno)),
        };
        if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile {
            let size = u64::try_from(found.st_size).unwrap_or(0);
            self.entries.push(Entry {
                key: format!("{prefix}{}", child.rest),
                size,
                kind,
            });
        }
        Ok(())
    }

    /// The children of a folder that are of this listing and not before its position, in key order.
    fn children(&self, prefix: &str, folder: &OwnedFd) -> Result<Vec<Child>, Failure> {
        let mut children = Vec::new();
        self.each_name(folder, |name, kind| {
            let child = match kind {
                FileType::Directory => {
                    if is_fan(name) {
                        children.extend(self.wanted(prefix, name.to_owned(), ChildKind::Fan));
                    }
                    self.wanted(prefix, format!("{name}/"), ChildKind::Folder)
                }
                // An attempt outside its fan folder has no key.
                FileType::RegularFile => self
                    .file(prefix, name)
                    .filter(|child| fan_of(&child.rest).is_none()),
                _ => None,
            };
            children.extend(child);
        })?;
        children.sort();
        Ok(children)
    }

    /// The attempts that lie in a fan folder, as children of the folder above it.
    fn fan(&self, prefix: &str, fan: &str) -> Result<Vec<(Option<InFan>, Child)>, Failure> {
        let Some(folder) = self.open(&format!("{prefix}{fan}/"))? else {
            return Ok(Vec::new());
        };
        let mut members = Vec::new();
        self.each_name(&folder, |name, kind| {
            if kind != FileType::RegularFile {
                return;
            }
            if let Some(child) = self
                .file(prefix, name)
                .filter(|child| fan_of(&child.rest) == Some(fan))
            {
                members.push((Some(InFan), child));
            }
        })?;
        Ok(members)
    }

    fn file(&self, prefix: &str, name: &str) -> Option<Child> {
        match (TempName::parse(name), self.request.listing) {
            (None, Listing::Objects | Listing::Versions) => {
                self.wanted(prefix, name.to_owned(), ChildKind::File)
            }
            (Some(temp), Listing::Incomplete) => {
                self.wanted(prefix, temp.name.to_owned(), ChildKind::Temp(temp.tag.to_owned()))
            }
            _ => None,
        }
    }

    /// Drops a child that lies wholly before the position.
    fn wanted(&self, prefix: &str, rest: String, kind: ChildKind) -> Option<Child> {
        let Some(after) = &self.request.after else {
            return Some(Child { rest, kind });
        };
        let key = format!("{prefix}{rest}");
        let wanted = match &kind {
            ChildKind::Folder | ChildKind::Fan => key > after.key || after.key.starts_with(&key),
            ChildKind::File => is_after(&key, None, after),
            ChildKind::Temp(tag) => is_after(&key, Some(tag), after),
        };
        wanted.then_some(Child { rest, kind })
    }

    fn open(&self, prefix: &str) -> Result<Option<OwnedFd>, Failure> {
        match self.tree.open_folder(prefix.strip_suffix('/').unwrap_or(prefix)) {
            Ok(folder) => Ok(Some(folder)),
            // Gone meanwhile, or a link that is none of ours.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(Failure::changing("open a folder")(errno)),
        }
    }

    fn each_name(&self, folder: &OwnedFd, mut visit: impl FnMut(&str, FileType)) -> Result<(), Failure> {
        let failed = Failure::changing("read a folder");
        for entry in Dir::read_from(folder).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            // What is not a text has no key.
            let Ok(name) = CStr::to_str(entry.file_name()) else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) => FileType::from_raw_mode(found.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(Failure::changing("look at a file")(errno)),
                },
                known => known,
            };
            visit(name, kind);
        }
        Ok(())
    }
}

/// Marks a child whose file lies in the fan folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InFan;

/// Whether an entry stands strictly after a position.
fn is_after(key: &str, id: Option<&str>, after: &Position) -> bool {
    match key.cmp(after.key.as_str()) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => match (&after.id, id) {
            (Some(after), Some(id)) => id > after.as_str(),
            _ => false,
        },
    }
}
