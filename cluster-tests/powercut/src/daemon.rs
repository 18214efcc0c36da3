//! The process that serves one mount, from its arguments to its end.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use rustix::mount::UnmountFlags;

use crate::delay::DelayLine;
use crate::fuse::FuseVolume;
use crate::mount::{BINARY_NAME, Startup};
use crate::server::{Event, Server};
use crate::state::State;
use crate::volume::Volume;

/// Threads that read requests of the kernel. They do not wait for one another, since slow syncs
/// wait elsewhere, so this needs not grow with the threads of the program under test.
const FUSE_THREADS: usize = 4;

/// Where the kernel offers FUSE.
const FUSE_DEVICE: &str = "/dev/fuse";

/// What a serving process is told.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// The folder whose contents are there, durable, from the start.
    pub backing: PathBuf,
    /// The folder to mount at.
    pub mountpoint: PathBuf,
    /// Where the control socket is made.
    pub control: PathBuf,
    /// Bytes that the mount may hold.
    pub space_budget: Option<u64>,
    /// How long to serve, apart from commands and signals.
    pub lifetime: Lifetime,
}

/// How long a serving process lives, unless it is told to unmount.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lifetime {
    /// Until the mount is gone.
    Mount,
    /// Until standard input is closed too: so it ends with the process that started it.
    StandardInput,
}

/// Mounts, says so in one line on standard output, serves, and unmounts at the end. The exit code
/// is 0 after a mount, else 1.
#[must_use]
pub fn run(options: &DaemonOptions) -> u8 {
    let started = Daemon::start(options);
    let line = match &started {
        Ok(_) => Startup::Ready,
        Err(failure) => failure.clone(),
    };
    match (started, announce(&line)) {
        (Ok(daemon), Ok(())) => {
            daemon.serve(options);
            0
        }
        (Ok(daemon), Err(_)) => {
            // Nobody is there to use it.
            daemon.unmount(options);
            1
        }
        (Err(_), _) => 1,
    }
}

struct Daemon {
    session: BackgroundSession,
    events: mpsc::Receiver<Event>,
    /// Kept, so that the receiver never finds all senders gone.
    sender: Sender<Event>,
}

impl Daemon {
    fn start(options: &DaemonOptions) -> Result<Self, Startup> {
        let refused = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
            Startup::Refused(format!("{what} {}: {error}", path.display()))
        };
        let mountpoint = std::fs::metadata(&options.mountpoint)
            .map_err(|error| refused("mount point", &options.mountpoint, &error))?;
        if !mountpoint.is_dir() {
            return Err(refused("mount point", &options.mountpoint, &"not a folder"));
        }
        let mut state =
            State::load(&options.backing).map_err(|error| refused("backing", &options.backing, &error))?;
        state.set_budget(options.space_budget);
        let server =
            Server::bind(&options.control).map_err(|error| refused("control", &options.control, &error))?;
        let (sender, events) = mpsc::channel();
        let volume = Arc::new(Volume::new(state));
        // What fails from here on is what this machine does not give.
        let unavailable = |what: &str, error: &io::Error| {
            let _ = std::fs::remove_file(&options.control);
            Startup::Unavailable(format!("{what}: {error}"))
        };
        let delays = DelayLine::start().map_err(|error| unavailable("starting a thread", &error))?;
        // The mount would fail too, without saying what is missing.
        open_device().map_err(|error| unavailable(FUSE_DEVICE, &error))?;
        let fuse = FuseVolume::new(Arc::clone(&volume), delays);
        let session = fuser::spawn_mount2(fuse, &options.mountpoint, &config())
            .map_err(|error| unavailable("mounting", &error))?;
        server
            .start(volume, sender.clone())
            .map_err(|error| unavailable("starting a thread", &error))?;
        Ok(Self {
            session,
            events,
            sender,
        })
    }

    fn serve(mut self, options: &DaemonOptions) {
        if options.lifetime == Lifetime::StandardInput {
            watch_standard_input(self.sender.clone());
        }
        self.watch_session();
        match self.events.recv() {
            // Unmounted from outside: only the socket is left.
            Ok(Event::SessionEnded) => self.leave(options),
            Ok(Event::Unmount | Event::ParentGone) | Err(_) => self.unmount(options),
        }
    }

    /// Lets the end of the session be an event.
    fn watch_session(&mut self) {
        let events = self.sender.clone();
        let guard = std::mem::replace(&mut self.session.guard, thread::spawn(|| Ok(())));
        thread::spawn(move || {
            if let Ok(Err(error)) = guard.join() {
                eprintln!("{BINARY_NAME}: the session ended: {error}");
            }
            let _ = events.send(Event::SessionEnded);
        });
    }

    /// Detaches the mount, busy or not. What is open in it gets errors when the process ends, which
    /// it does right after this.
    fn unmount(self, options: &DaemonOptions) {
        if let Err(error) = rustix::mount::unmount(&options.mountpoint, UnmountFlags::DETACH) {
            eprintln!(
                "{BINARY_NAME}: {} cannot be unmounted: {error}",
                options.mountpoint.display()
            );
        }
        self.leave(options);
    }

    fn leave(self, options: &DaemonOptions) {
        // Somebody may have removed it already, which is what is wanted.
        let _ = std::fs::remove_file(&options.control);
        // Dropping the session would unmount a second time, whatever lies there by then.
        std::mem::forget(self.session);
    }
}

fn open_device() -> io::Result<()> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(FUSE_DEVICE)
        .map(drop)
}

fn config() -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("powercut".into()),
        MountOption::Subtype("powercut".into()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    // The program under test may run as another user than this process.
    config.acl = SessionACL::All;
    config.n_threads = Some(FUSE_THREADS);
    config
}

fn announce(startup: &Startup) -> io::Result<()> {
    let mut line = serde_json::to_vec(startup)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

fn watch_standard_input(events: Sender<Event>) {
    thread::spawn(move || {
        let mut byte = [0];
        let mut input = io::stdin().lock();
        while matches!(input.read(&mut byte), Ok(read) if read > 0) {}
        let _ = events.send(Event::ParentGone);
    });
}
