//! The folders that a configuration names, as they are on this machine.
//!
//! Apart from the rest: a configuration may be checked on another machine than the one it is for, and
//! a disk that is away while a node runs must not make a reload fail.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::cluster::{BackendKind, ClusterSettings};
use super::problem::{Problem, Problems, Warning};

/// Permission to write for others.
const OTHERS_WRITE: u32 = 0o002;

/// What was found of the folders.
#[derive(Debug, Default)]
pub struct Places {
    problems: Vec<Problem>,
    /// What should be mended and keeps no node from starting.
    pub warnings: Vec<Warning>,
}

impl Places {
    /// Looks at the folder of every backend.
    #[must_use]
    pub fn of(settings: &ClusterSettings) -> Self {
        let mut found = Self::default();
        for (index, backend) in settings.backends.iter().enumerate() {
            if let BackendKind::Fs { path, .. } = &backend.kind {
                found.look(format!("backends[{index}].path"), path);
            }
        }
        found
    }

    /// What keeps a node from starting, if anything does.
    #[must_use]
    pub fn problems(self) -> Option<Problems> {
        Problems::of(self.problems)
    }

    /// Everything as warnings: for a configuration that may be meant for another machine.
    #[must_use]
    pub fn as_warnings(self) -> Vec<Warning> {
        let problems = self.problems.into_iter();
        let from_problem = |Problem { path, message, .. }| Warning { path, message };
        problems.map(from_problem).chain(self.warnings).collect()
    }

    fn look(&mut self, key: String, path: &Path) {
        let shown = path.display();
        match fs::metadata(path) {
            Err(error) => {
                let message = format!(
                    "{shown}: {error}. It is not made here, since it may be a disk that is not mounted"
                );
                self.problems.push(Problem::new(key, message));
            }
            Ok(found) if !found.is_dir() => {
                self.problems.push(Problem::new(key, format!("{shown} is no folder")));
            }
            Ok(found) if found.mode() & OTHERS_WRITE != 0 => self.warnings.push(Warning {
                path: key,
                message: format!(
                    "everybody on this machine may write to {shown} (mode {:04o}), and so put other bytes in the \
                     place of ours; chmod it to 0700",
                    found.mode() & 0o7777
                ),
            }),
            Ok(_) => {}
        }
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
    use std::os::unix::fs::PermissionsExt;

    use super::super::Loader;
    use super::*;

    fn places(backends: &str) -> Places {
        let loaded = Loader::new()
            .text("test.yaml", &format!("backends: {backends}"))
            .load();
        Places::of(&loaded.unwrap().config.cluster)
    }

    #[test]
    fn every_folder_that_cannot_be_used_is_named_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        fs::write(folder.path().join("file"), "").unwrap();
        fs::create_dir(folder.path().join("there")).unwrap();
        let yaml = format!(
            "[{{name: a, path: {root}/gone}}, {{name: b, path: {root}/there}}, {{name: c, path: {root}/file}}, \
             {{name: d, type: memory}}]"
        );
        let expected = format!(
            "backends[0].path: {root}/gone: No such file or directory (os error 2). It is not made here, since it \
             may be a disk that is not mounted\nbackends[2].path: {root}/file is no folder"
        );
        assert_eq!(places(&yaml).problems().unwrap().to_string(), expected);
        let told: Vec<_> = places(&yaml)
            .as_warnings()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told.join("\n"), expected);
    }

    #[test]
    fn a_folder_that_everybody_may_write_to_is_told_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, told) in [
            (0o777, true),
            (0o1777, true),
            (0o775, false),
            (0o755, false),
            (0o700, false),
        ] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let places = places(&format!("[{{name: a, path: {}}}]", folder.path().display()));
            assert_eq!(places.warnings.len(), usize::from(told), "{mode:o}");
            assert!(places.problems().is_none());
        }
    }
}
