//! How a power-cut file system is mounted, and how that can fail.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name of the binary that serves a mount.
pub const BINARY_NAME: &str = "holdfast-powercut";

/// Names the binary where it does not lie beside the tests.
pub const BINARY_ENV: &str = "HOLDFAST_POWERCUT_BIN";

/// How a file system is mounted.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// The binary that serves the mount.
    pub binary: PathBuf,
    /// The control socket; by default `<mount point>.powercut` beside the mount point. A Unix
    /// socket's path has at most 107 bytes.
    pub control: Option<PathBuf>,
    /// Bytes that the mount may hold; no limit by default.
    pub space_budget: Option<u64>,
}

/// Why a file system could not be mounted.
#[derive(Debug, Error)]
pub enum MountError {
    /// This machine mounts no FUSE file system: no `/dev/fuse`, or no right to use it.
    #[error("FUSE cannot be mounted here: {0}")]
    Unavailable(String),
    /// The binary is not where it was looked for.
    #[error("{BINARY_NAME} was not found: {0}")]
    BinaryNotFound(String),
    /// The serving process could not be started.
    #[error("{binary} could not be started: {source}")]
    Spawn {
        /// The binary that was tried.
        binary: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The serving process refused: a wrong path, an unreadable backing folder.
    #[error("{BINARY_NAME} refused to mount: {0}")]
    Refused(String),
    /// The serving process ended before it was ready, or said something else than it should.
    #[error("{BINARY_NAME} did not become ready: {0}")]
    NotReady(String),
}

/// The one line that the serving process writes to its standard output.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Startup {
    /// The mount is served and the control socket listens.
    Ready,
    /// FUSE is not to be had on this machine.
    Unavailable(String),
    /// The arguments are wrong.
    Refused(String),
}

impl MountOptions {
    /// Options that use this binary, in own integration tests `env!("CARGO_BIN_EXE_holdfast-powercut")`.
    pub fn with_binary(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            control: None,
            space_budget: None,
        }
    }

    /// Options that use the binary named by [`BINARY_ENV`], or else the one that was built into
    /// the same target folder as the running test.
    ///
    /// # Errors
    /// [`MountError::BinaryNotFound`] where neither is a file: build it first with
    /// `cargo build --package cluster-tests-powercut --bins`.
    pub fn locate() -> Result<Self, MountError> {
        if let Some(path) = std::env::var_os(BINARY_ENV).map(PathBuf::from) {
            return Self::existing(path, BINARY_ENV);
        }
        let test = std::env::current_exe().map_err(|error| MountError::BinaryNotFound(error.to_string()))?;
        // A test lies in `<target>/<profile>/deps`, an example in `examples`, a binary one above.
        let above = test
            .parent()
            .and_then(Path::parent)
            .map(|dir| dir.join(BINARY_NAME));
        let beside = test.parent().map(|dir| dir.join(BINARY_NAME));
        let found = above.into_iter().chain(beside).find(|path| path.is_file());
        found.map(Self::with_binary).ok_or_else(|| {
            MountError::BinaryNotFound(format!(
                "not built beside {}; cargo build --package cluster-tests-powercut --bins builds it",
                test.display()
            ))
        })
    }

    fn existing(path: PathBuf, origin: &str) -> Result<Self, MountError> {
        if !path.is_file() {
            return Err(MountError::BinaryNotFound(format!(
                "{origin} names {}",
                path.display()
            )));
        }
        Ok(Self::with_binary(path))
    }

    /// Limits how many bytes the mount may hold.
    #[must_use]
    pub fn space_budget(mut self, bytes: u64) -> Self {
        self.space_budget = Some(bytes);
        self
    }

    /// Puts the control socket here.
    #[must_use]
    pub fn control(mut self, path: impl Into<PathBuf>) -> Self {
        self.control = Some(path.into());
        self
    }
}
