//! The client of a mounted power-cut file system: starts its process, steers it, ends it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use rustix::mount::UnmountFlags;
use thiserror::Error;

use crate::mount::{MountError, MountOptions, Startup};
use crate::protocol::{
    Answer, Boundary, Command, CutPoint, CutPolicy, CutReport, Fault, FaultCount, Outage, Side, Stats,
};
use crate::skip::require_or_skip;

/// How long an answer may take beyond what the command itself may wait: loading and materializing
/// a few GiB on a busy machine takes seconds, so a minute means that the process hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A mounted file system that loses what was not synced, served by a process of its own.
///
/// Dropping it kills that process and detaches the mount.
#[derive(Debug)]
pub struct PowerCutFs {
    mountpoint: PathBuf,
    control: Control,
    /// Its standard input stays open as long as this value lives: it ends by itself when the test's
    /// process dies, so that no mount is left behind.
    process: Child,
}

/// A connection to the control socket of a mount, also for other processes than the one that
/// mounted. Each command is a connection of its own, so commands may be given from many threads.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

/// Why a command was not carried out.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The control socket failed, or did not answer in time.
    #[error("the control socket {socket} failed: {source}")]
    Socket {
        /// The socket's path.
        socket: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The command was understood and refused.
    #[error("{0}")]
    Refused(String),
    /// The answer was not one to the command.
    #[error("an answer that does not belong to the command: {0}")]
    Protocol(String),
}

impl PowerCutFs {
    /// Mounts a file system at `mountpoint`, an existing folder, with the contents of `backing`,
    /// all of it durable. `backing` is only read, and only now. Returns when the mount is served.
    ///
    /// # Errors
    /// [`MountError::Unavailable`] where the machine cannot mount FUSE; the others are mistakes.
    pub fn mount(backing: &Path, mountpoint: &Path, options: &MountOptions) -> Result<Self, MountError> {
        let control = options.control.clone().unwrap_or_else(|| beside(mountpoint));
        let mut process = Process::new(&options.binary);
        process
            .arg("--backing")
            .arg(backing)
            .arg("--mountpoint")
            .arg(mountpoint);
        process.arg("--control").arg(&control).arg("--until-stdin-closes");
        if let Some(budget) = options.space_budget {
            process.arg("--space-budget").arg(budget.to_string());
        }
        // Not in the group that a terminal's Ctrl-C kills: it must live long enough to unmount.
        process.process_group(0);
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let child = process.spawn().map_err(|source| MountError::Spawn {
            binary: options.binary.clone(),
            source,
        })?;
        // From here on every return that is not a success ends the process, by dropping this value.
        let mut mounted = Self {
            mountpoint: mountpoint.to_path_buf(),
            control: Control { socket: control },
            process: child,
        };
        mounted.await_startup()?;
        Ok(mounted)
    }

    /// Mounts as [`PowerCutFs::mount`] does, and answers `None`, after reporting it, where the
    /// machine cannot mount FUSE: `let Some(fs) = … else { return };`.
    ///
    /// # Errors
    /// As [`PowerCutFs::mount`], without [`MountError::Unavailable`].
    ///
    /// # Panics
    /// As [`require_or_skip`] where a skip is not allowed.
    pub fn mount_or_skip(
        test_name: &str,
        backing: &Path,
        mountpoint: &Path,
        options: &MountOptions,
    ) -> Result<Option<Self>, MountError> {
        match Self::mount(backing, mountpoint, options) {
            Ok(mounted) => Ok(Some(mounted)),
            Err(MountError::Unavailable(reason)) => {
                require_or_skip(test_name, &reason);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Where it is mounted.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// A handle that gives commands from elsewhere.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Unmounts and waits until the serving process has ended. What is still open gets errors.
    ///
    /// # Errors
    /// The process did not take the command; it is killed and the mount detached all the same.
    pub fn unmount(mut self) -> Result<(), ControlError> {
        self.control.expect_done(&Command::Unmount, Duration::ZERO)?;
        let socket = self.control.socket.clone();
        self.process
            .wait()
            .map(drop)
            .map_err(|source| ControlError::Socket { socket, source })
    }

    fn await_startup(&mut self) -> Result<(), MountError> {
        let Some(stdout) = self.process.stdout.take() else {
            return Err(MountError::NotReady(
                "its standard output is not connected".into(),
            ));
        };
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        match read {
            Ok(0) => Err(MountError::NotReady("it ended without a word".into())),
            Ok(_) => match serde_json::from_str(&line) {
                Ok(Startup::Ready) => Ok(()),
                Ok(Startup::Unavailable(reason)) => Err(MountError::Unavailable(reason)),
                Ok(Startup::Refused(reason)) => Err(MountError::Refused(reason)),
                Err(error) => Err(MountError::NotReady(format!("{error}: {line:?}"))),
            },
            Err(error) => Err(MountError::NotReady(error.to_string())),
        }
    }
}

impl std::ops::Deref for PowerCutFs {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for PowerCutFs {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Fails where it is unmounted already; `DETACH` because a killed test may still sit in it.
        let _ = rustix::mount::unmount(&self.mountpoint, UnmountFlags::DETACH);
        let _ = std::fs::remove_file(&self.control.socket);
    }
}

impl Control {
    /// The control of the mount whose socket lies here.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Where the control socket lies.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Takes the power away at a sync boundary to come. A second call replaces the first.
    ///
    /// # Errors
    /// Refused when that boundary was passed already.
    pub fn freeze_at(&self, boundary: u64, side: Side) -> Result<(), ControlError> {
        self.expect_done(&Command::FreezeAt(CutPoint { boundary, side }), Duration::ZERO)
    }

    /// Forgets the last [`Control::freeze_at`].
    ///
    /// # Errors
    /// The control socket failed.
    pub fn clear_freeze(&self) -> Result<(), ControlError> {
        self.expect_done(&Command::ClearFreeze, Duration::ZERO)
    }

    /// Waits until the power is off.
    ///
    /// # Errors
    /// Refused when it is still on after `timeout`.
    pub fn wait_off(&self, timeout: Duration) -> Result<Outage, ControlError> {
        match self.call(
            &Command::WaitOff {
                timeout_ms: millis(timeout),
            },
            timeout,
        )? {
            Answer::Outage(outage) => Ok(outage),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes the power away, unless it is off already, and replaces the state by what survives.
    /// A second cut before the power is back changes nothing: nothing is unsynced then.
    ///
    /// # Errors
    /// The control socket failed.
    pub fn cut(&self, policy: CutPolicy) -> Result<CutReport, ControlError> {
        self.expect_report(&Command::Cut(policy))
    }

    /// Serves the surviving state again, once all handles from before the cut are closed.
    ///
    /// # Errors
    /// Refused when no cut was made, or when handles are still open after `timeout`.
    pub fn power_on(&self, timeout: Duration) -> Result<(), ControlError> {
        self.expect_done(
            &Command::PowerOn {
                timeout_ms: millis(timeout),
            },
            timeout,
        )
    }

    /// Writes what would survive a cut now into the folder `to`, which is empty or missing. The
    /// mount is not changed, so one moment can be materialized under many seeds. Sockets, pipes
    /// and devices are left out.
    ///
    /// # Errors
    /// Refused when the folder cannot be written.
    pub fn materialize(&self, to: &Path, policy: CutPolicy) -> Result<CutReport, ControlError> {
        self.expect_report(&Command::Materialize {
            to: to.to_path_buf(),
            policy,
        })
    }

    /// Makes everything durable that was done so far, without passing a boundary.
    ///
    /// # Errors
    /// Refused while the power is off.
    pub fn commit_all(&self) -> Result<(), ControlError> {
        self.expect_done(&Command::CommitAll, Duration::ZERO)
    }

    /// Adds a fault and answers its id.
    ///
    /// # Errors
    /// Refused when it concerns nothing, or its effect does not fit its operations.
    pub fn inject(&self, fault: Fault) -> Result<u64, ControlError> {
        match self.call(&Command::Fault(fault), Duration::ZERO)? {
            Answer::FaultId(id) => Ok(id),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes one fault.
    ///
    /// # Errors
    /// Refused when there is no such fault.
    pub fn clear_fault(&self, id: u64) -> Result<(), ControlError> {
        self.expect_done(&Command::Clear { id }, Duration::ZERO)
    }

    /// Removes all faults. The space budget stays.
    ///
    /// # Errors
    /// The control socket failed.
    pub fn clear_faults(&self) -> Result<(), ControlError> {
        self.expect_done(&Command::ClearAll, Duration::ZERO)
    }

    /// How often a fault was met.
    ///
    /// # Errors
    /// Refused when there is no such fault.
    pub fn fault_count(&self, id: u64) -> Result<FaultCount, ControlError> {
        let stats = self.stats()?;
        let found = stats.faults.iter().find(|count| count.id == id).copied();
        found.ok_or_else(|| ControlError::Refused(format!("there is no fault {id}")))
    }

    /// Sets how many bytes the mount may hold; `None` lifts the limit. A budget below what is used
    /// refuses every write that needs a new page.
    ///
    /// # Errors
    /// The control socket failed.
    pub fn set_space_budget(&self, budget: Option<u64>) -> Result<(), ControlError> {
        self.expect_done(&Command::Space { budget }, Duration::ZERO)
    }

    /// The counters.
    ///
    /// # Errors
    /// The control socket failed.
    pub fn stats(&self) -> Result<Stats, ControlError> {
        match self.call(&Command::Stats, Duration::ZERO)? {
            Answer::Stats(stats) => Ok(*stats),
            other => Err(unexpected(&other)),
        }
    }

    /// The last boundaries that were passed, oldest first; the memory of them is bounded.
    ///
    /// # Errors
    /// The control socket failed.
    pub fn boundaries(&self) -> Result<Vec<Boundary>, ControlError> {
        match self.call(&Command::Boundaries, Duration::ZERO)? {
            Answer::Boundaries(boundaries) => Ok(boundaries),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives one command and waits for its answer, `patience` longer than an answer takes.
    fn call(&self, command: &Command, patience: Duration) -> Result<Answer, ControlError> {
        let answer = self
            .exchange(command, patience)
            .map_err(|source| ControlError::Socket {
                socket: self.socket.clone(),
                source,
            })?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Refused(reason)) => Err(ControlError::Refused(reason)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(ControlError::Protocol(format!("{error}: {answer:?}"))),
        }
    }

    fn exchange(&self, command: &Command, patience: Duration) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT.saturating_add(patience)))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = String::new();
        if BufReader::new(stream).read_line(&mut answer)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer)
    }

    fn expect_done(&self, command: &Command, patience: Duration) -> Result<(), ControlError> {
        match self.call(command, patience)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn expect_report(&self, command: &Command) -> Result<CutReport, ControlError> {
        match self.call(command, Duration::ZERO)? {
            Answer::Cut(report) => Ok(report),
            other => Err(unexpected(&other)),
        }
    }
}

fn beside(mountpoint: &Path) -> PathBuf {
    let mut name = mountpoint.as_os_str().to_os_string();
    name.push(".powercut");
    PathBuf::from(name)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn unexpected(answer: &Answer) -> ControlError {
    ControlError::Protocol(format!("{answer:?}"))
}
