//! The control socket: reads commands, a line each, and answers them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::fs::Mode;

use crate::protocol::{Answer, Command};
use crate::volume::Volume;

/// The longest command, in bytes: a path or a pattern and some numbers.
const LONGEST_COMMAND: u64 = 64 * 1024;

/// How many connections are served at once: a harness has a few threads, each with one command.
const MOST_CONNECTIONS: usize = 64;

/// A message to whoever holds the mount.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// A command wants it unmounted.
    Unmount,
    /// The process that mounted has gone.
    ParentGone,
    /// The kernel has ended the session: somebody else unmounted.
    SessionEnded,
}

/// The control socket of one mount.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
}

impl Server {
    /// Creates the socket, for its owner only.
    ///
    /// The file creation mask of the process is changed for a moment, so no other thread may create
    /// files meanwhile.
    ///
    /// # Errors
    /// The path is taken, too long, or not writable.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound?;
        // The mask did it already, unless the folder has a default access list.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener })
    }

    /// Serves for as long as the process lives.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn start(self, volume: Arc<Volume>, events: Sender<Event>) -> io::Result<()> {
        let accept = move || {
            let connections = Arc::new(AtomicUsize::new(0));
            for stream in self.listener.incoming().filter_map(Result::ok) {
                serve(stream, &volume, &events, &connections);
            }
        };
        thread::Builder::new()
            .name("control".into())
            .spawn(accept)
            .map(drop)
    }
}

fn serve(stream: UnixStream, volume: &Arc<Volume>, events: &Sender<Event>, connections: &Arc<AtomicUsize>) {
    if connections.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
        connections.fetch_sub(1, Ordering::Relaxed);
        return; // The peer sees the connection closed.
    }
    let (volume, events) = (Arc::clone(volume), events.clone());
    let counted = Arc::clone(connections);
    let talk = move || {
        // Whoever has gone without reading its answer does not miss it.
        let _ = talk(&stream, &volume, &events);
        counted.fetch_sub(1, Ordering::Relaxed);
    };
    if thread::Builder::new()
        .name("connection".into())
        .spawn(talk)
        .is_err()
    {
        connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn talk(stream: &UnixStream, volume: &Volume, events: &Sender<Event>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let read = reader
            .by_ref()
            .take(LONGEST_COMMAND)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return answer(
                stream,
                &Answer::Refused("the command is cut off or too long".into()),
            );
        }
        match serde_json::from_slice(&line) {
            Ok(Command::Unmount) => {
                answer(stream, &Answer::Done)?;
                let _ = events.send(Event::Unmount);
                return Ok(());
            }
            Ok(command) => answer(stream, &volume.execute(command))?,
            Err(error) => answer(stream, &Answer::Refused(format!("not a command: {error}")))?,
        }
    }
}

fn answer(mut stream: &UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}
