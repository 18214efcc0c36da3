//! What documents tell people to type works: the blocks of `sh` in the README and the guides are run, in
//! a folder that stands for the root of the file system, with doubles for what would change the machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

/// The blocks of code of a language, in their order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    text.split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// A folder that stands for the root of the file system.
struct Root(TempDir);

/// Folders of the machine that documents name, and where the binary is built.
const PLACES: [&str; 6] = [
    "/etc/holdfast",
    "/etc/default",
    "/etc/systemd/system",
    "/var/lib/holdfast",
    "/srv/holdfast",
    "/usr/local/bin",
];

/// Commands that change the machine or need a network. Each says what it was asked.
const DOUBLES: [&str; 4] = ["useradd", "systemctl", "aws", "curl"];

impl Root {
    fn new() -> Self {
        let root = Self(TempDir::new().unwrap());
        fs::create_dir(root.path("doubles")).unwrap();
        for double in DOUBLES {
            root.command(double, &format!("echo \"{double} $*\""));
        }
        // There is no user to give files to.
        root.command(
            "install",
            "for word; do shift; case $word in -o|-g) skip=1;; *) [ -n \"$skip\" ] || set -- \"$@\" \"$word\"; skip=;; \
             esac; done; exec /usr/bin/install \"$@\"",
        );
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_holdfast"), root.path("doubles/holdfast")).unwrap();
        for place in ["/etc/default", "/etc/systemd/system", "/usr/local/bin"] {
            fs::create_dir_all(root.path(&place[1..])).unwrap();
        }
        root
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn command(&self, name: &str, script: &str) {
        let path = self.path("doubles").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A text of a document as it is meant below this root, where nothing listens on a known port.
    fn below(&self, text: &str) -> String {
        let mut text = text.replace(
            "~/.cache/holdfast/target/release/holdfast",
            env!("CARGO_BIN_EXE_holdfast"),
        );
        for place in PLACES {
            text = text.replace(place, &format!("{}{place}", self.0.path().display()));
        }
        text.replace("\":9000\"", "\"127.0.0.1:0\"")
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-eu", "-c", script])
            .current_dir(self.0.path())
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("doubles").display()),
            )
            .stdin(Stdio::null());
        command
    }

    /// Runs a command that serves: waits until it says so, then tells it to stop.
    fn serves(&self, mut command: Command) {
        let socket = UnixDatagram::bind(self.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let child = command
            .env("NOTIFY_SOCKET", self.path("notify"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Running(child);
        let mut buffer = [0; 512];
        while !buffer.starts_with(b"READY=1") {
            buffer.fill(0);
            if let Err(error) = socket.recv(&mut buffer) {
                running.0.kill().unwrap();
                panic!("it does not serve ({error}):\n{}", running.end().1);
            }
        }
        let sent = Command::new("kill")
            .arg(running.0.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
        let (code, log) = running.end();
        assert_eq!(code, Some(0), "{log}");
    }
}

/// A process that is killed when its test ends.
struct Running(Child);

impl Running {
    fn end(&mut self) -> (Option<i32>, String) {
        let log = BufReader::new(self.0.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .collect::<Vec<_>>()
            .join("\n");
        (self.0.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_the_readme_tells_to_type_ends_in_a_node_that_serves() {
    let root = Root::new();
    let readme = document("README.md");
    let yaml = blocks(&readme, "yaml").remove(0);
    fs::write(root.path("holdfast.yaml"), root.below(&yaml)).unwrap();
    let script = root.below(&blocks(&readme, "sh").remove(0));
    let (before, serve) = script.trim_end().rsplit_once('\n').unwrap();
    assert!(serve.starts_with("holdfast serve"), "{serve}");
    let script = format!("{before} >&2\nexec {serve}\n");
    root.serves(root.shell(&script));
    assert_eq!(mode(&root.path("etc/holdfast/master.key")), 0o600);
}

#[test]
fn what_the_guide_of_one_node_tells_to_type_ends_in_a_service_that_serves() {
    let root = Root::new();
    fs::create_dir_all(root.path("deploy/examples")).unwrap();
    for name in ["one-node.yaml", "holdfast.service"] {
        let text = document(&format!("deploy/examples/{name}"));
        fs::write(root.path("deploy/examples").join(name), root.below(&text)).unwrap();
    }
    let guide = document("docs/guides/one-node.md");
    let scripts = blocks(&guide, "sh");
    assert!(scripts.len() >= 3);
    let ran = root.shell(&root.below(&scripts.concat())).output().unwrap();
    let (said, words) = (
        String::from_utf8(ran.stdout).unwrap(),
        String::from_utf8(ran.stderr).unwrap(),
    );
    assert!(ran.status.success() && words.is_empty(), "{said}\n{words}");
    for expected in [
        "ok\n",
        "useradd --system",
        "systemctl enable --now holdfast",
        "s3 mb s3://first",
    ] {
        assert!(said.contains(expected), "{expected} is missing: {said}");
    }
    for (path, expected) in [
        ("etc/holdfast", 0o750),
        ("etc/holdfast/master.key", 0o640),
        ("etc/holdfast/holdfast.yaml", 0o640),
        ("etc/default/holdfast", 0o600),
        ("var/lib/holdfast", 0o700),
        ("var/lib/holdfast/objects", 0o700),
        ("usr/local/bin/holdfast", 0o755),
    ] {
        assert_eq!(mode(&root.path(path)), expected, "{path}");
    }

    // What the unit starts, with the variables that it reads.
    let unit = fs::read_to_string(root.path("etc/systemd/system/holdfast.service")).unwrap();
    let value = |key: &str| {
        unit.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap()
            .to_owned()
    };
    let mut start = value("ExecStart=")
        .split(' ')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter();
    let mut command = Command::new(start.next().unwrap());
    command.args(start).env_clear();
    let variables = fs::read_to_string(value("EnvironmentFile=-")).unwrap();
    command.envs(variables.lines().map(|line| line.split_once('=').unwrap()));
    root.serves(command);
    assert_eq!(mode(&root.path("var/lib/holdfast/metadata")), 0o700);
}
