//! What the tests of the binary share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking; each file uses a part of this"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub(crate) fn holdfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(arguments).stdin(Stdio::null()).env_clear();
    command
}

pub(crate) fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = holdfast(arguments).output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

/// A configuration file for its owner alone, since it holds secrets.
pub(crate) fn file(folder: &TempDir, yaml: &str) -> String {
    let path = folder.path().join("holdfast.yaml");
    fs::write(&path, yaml).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A process that is killed when its test ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.0.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the code and what was left of standard output and error.
    pub(crate) fn end(&mut self) -> (Option<i32>, String, String) {
        let mut rest = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut rest.0).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut rest.1).unwrap();
        (self.0.wait().unwrap().code(), rest.0, rest.1)
    }
}

/// What a service manager hears.
pub(crate) struct Manager(UnixDatagram);

impl Manager {
    /// Listens in `folder`.
    pub(crate) fn in_folder(folder: &TempDir) -> Self {
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(socket)
    }

    /// Starts a node that tells it.
    pub(crate) fn serve(&self, folder: &TempDir, path: &str, environment: &[(&str, &str)]) -> Running {
        let child = holdfast(&["serve", "--config", path])
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running(child)
    }

    /// Waits until it is told `line`; returns that message, and all lines of those before it.
    pub(crate) fn until(&self, line: &str) -> (String, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let mut buffer = [0; 512];
            let length = self.0.recv(&mut buffer).unwrap();
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|said| said == line) {
                return (message, before);
            }
            before.extend(message.lines().map(str::to_owned));
        }
    }
}

/// A configuration with a directory of its own.
pub(crate) fn served(folder: &TempDir) -> String {
    let backend = folder.path().join("objects");
    fs::create_dir(&backend).unwrap();
    format!(
        "server: {{listen_addr: '127.0.0.1:0'}}\ndata_dir: {}\n\
         backends: [{{name: disk, type: fs, path: {}}}]\n\
         users: [{{access_key: someone, secret_key: canary-of-the-tests, allowed_buckets: ['*']}}]\n",
        folder.path().join("metadata").display(),
        backend.display()
    )
}

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The permission bits of a file or folder.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
