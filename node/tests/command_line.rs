//! The binary as a user meets it: words, exit codes, files, signals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

fn holdfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(arguments).stdin(Stdio::null()).env_clear();
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
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

fn file(folder: &TempDir, yaml: &str) -> String {
    let path = folder.path().join("holdfast.yaml");
    fs::write(&path, yaml).unwrap();
    path.to_str().unwrap().to_owned()
}

const WHOLE: &str = "\
backends: [{name: disk, type: fs, path: /srv/holdfast}]
users: [{access_key: someone, secret_key: canary-of-the-tests, allowed_buckets: ['*']}]
";

/// A process that is killed when its test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.0.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the code and what was left of standard output and error.
    fn end(&mut self) -> (Option<i32>, String, String) {
        let mut rest = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut rest.0).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut rest.1).unwrap();
        (self.0.wait().unwrap().code(), rest.0, rest.1)
    }
}

/// A demo that has said `ready`, and the words that it said before.
fn demo(data: &Path, more: &[&str]) -> (Running, String) {
    let mut arguments = vec!["demo", "--port", "0", "--data", data.to_str().unwrap()];
    arguments.extend(more);
    let child = holdfast(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut first = Vec::new();
    let stdout = running.0.stdout.as_mut().unwrap();
    // Byte by byte, so that nothing after the line is taken.
    while first.last() != Some(&b'\n') {
        let mut byte = [0];
        if stdout.read(&mut byte).unwrap() == 0 {
            let (code, _, words) = running.end();
            panic!("the demo ended with {code:?}:\n{words}");
        }
        first.push(byte[0]);
    }
    assert_eq!(first, b"ready\n");
    let mut words = String::new();
    let mut stderr = BufReader::new(running.0.stderr.take().unwrap());
    while !words.contains("Ctrl-C") {
        assert!(stderr.read_line(&mut words).unwrap() > 0, "{words}");
    }
    running.0.stderr = Some(stderr.into_inner());
    (running, words)
}

fn endpoint(words: &str) -> SocketAddr {
    let rest = words.split("S3 at http://").nth(1).unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

fn get(address: SocketAddr, path: &str) -> String {
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

#[test]
fn version_and_a_good_configuration_go_to_standard_output() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, WHOLE);
    assert_eq!(
        output(&["version"]),
        (
            Some(0),
            format!("holdfast {}\n", env!("CARGO_PKG_VERSION")),
            String::new()
        )
    );
    assert_eq!(
        output(&["config", "check", &path]),
        (Some(0), "ok\n".to_owned(), String::new())
    );
    let (code, printed, words) = output(&["config", "print", &path]);
    assert_eq!((code, words.as_str()), (Some(0), ""));
    assert!(
        printed.starts_with("server:\n  listen_addr: \"0.0.0.0:9000\"\n"),
        "{printed}"
    );
    assert!(
        printed.contains("secret_access_key: \"<secret>\"") && !printed.contains("canary"),
        "{printed}"
    );
}

#[test]
fn every_problem_of_a_configuration_is_named_and_nothing_starts() {
    let folder = TempDir::new().unwrap();
    let path = file(
        &folder,
        "server: {listen_adr: x}\ndata_dir: here\nredis: {address: y}\n",
    );
    let expected = "\
holdfast: server.listen_adr: is not a known key; did you mean listen_addr?
holdfast: data_dir: \"here\" is wrong: it is an absolute path
holdfast: backends: is required
holdfast: redis: Holdfast needs no Redis: nodes share what they know among themselves. Remove this section
";
    for arguments in [
        &["config", "check", &path][..],
        &["config", "print", &path],
        &["serve", "--config", &path],
        &["serve", "-config", &path],
    ] {
        assert_eq!(
            output(arguments),
            (Some(1), String::new(), expected.to_owned()),
            "{arguments:?}"
        );
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "something was made"
    );
}

#[test]
fn warnings_go_to_standard_error_and_a_missing_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &format!("{WHOLE}cache: {{enabled: true}}\n"));
    let (code, printed, words) = output(&["config", "check", &path]);
    assert_eq!((code, printed.as_str()), (Some(0), "ok\n"));
    assert_eq!(
        words,
        "holdfast: warning: cache: has no effect: there is no cache of objects yet\n"
    );
    let (code, _, words) = output(&["serve", "--config", "/nowhere/holdfast.yaml"]);
    assert_eq!(code, Some(1));
    assert!(
        words.contains("/nowhere/holdfast.yaml") && words.contains("No such file"),
        "{words}"
    );
}

#[test]
fn a_wrong_command_line_ends_with_2_and_what_is_not_built_with_1() {
    for arguments in [
        &["serve"][..],
        &[],
        &["frobnicate"],
        &["demo", "--access-key", "only-half"],
    ] {
        assert_eq!(output(arguments).0, Some(2), "{arguments:?}");
    }
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    let (code, _, words) = output(&["demo", "--nodes", "3", "--data", data]);
    assert_eq!(code, Some(1));
    assert!(words.contains("clusters are not built yet"), "{words}");
}

#[test]
fn secrets_in_the_environment_do_not_show_in_the_help() {
    let help = holdfast(&["demo", "--help"])
        .env("HOLDFAST_DEMO_ACCESS_KEY", "canary-access")
        .env("HOLDFAST_DEMO_SECRET_KEY", "canary-secret")
        .output()
        .unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(
        text.contains("HOLDFAST_DEMO_SECRET_KEY") && !text.contains("canary-secret"),
        "{text}"
    );
}

#[test]
fn a_demo_serves_stops_in_order_and_finds_its_key_again() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("demo");
    let (mut running, words) = demo(&data, &[]);
    let address = endpoint(&words);
    assert!(get(address, "/health/ready").starts_with("HTTP/1.1 200"));
    assert!(get(address, "/metrics").contains("\ns3o_build_info{version="));
    assert!(
        get(address, "/demo/key").starts_with("HTTP/1.1 403"),
        "anonymous requests are refused"
    );

    let key = |words: &str, name: &str| {
        words
            .lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .unwrap()
            .trim()
            .to_owned()
    };
    let (access, secret) = (key(&words, "access key"), key(&words, "secret key"));
    let command_line = fs::read(format!("/proc/{}/cmdline", running.0.id())).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains(&secret));
    let permissions = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for private in ["credentials", "master.key"] {
        assert_eq!(permissions(&data.join(private)), 0o600, "{private}");
    }
    let mut folders = vec![data.clone()];
    while let Some(path) = folders.pop() {
        assert_eq!(permissions(&path) & 0o077, 0, "{}", path.display());
        if path.is_dir() {
            folders.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }

    running.signal("INT");
    let (code, rest, words) = running.end();
    assert_eq!((code, rest.as_str()), (Some(0), ""), "{words}");

    let (mut running, words) = demo(&data, &[]);
    assert_eq!(
        (key(&words, "access key"), key(&words, "secret key")),
        (access, secret)
    );
    running.signal("TERM");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn no_log_line_shows_a_secret_however_much_is_logged() {
    let folder = TempDir::new().unwrap();
    let overlay = folder.path().join("overlay.yaml");
    fs::write(&overlay, "logging: {level: trace, format: json}\n").unwrap();
    let data = folder.path().join("demo");
    let more = ["--config", overlay.to_str().unwrap()];
    let (mut running, words) = demo(&data, &more);
    let address = endpoint(&words);
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /demo/canary-key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=canary-signature HTTP/1.1\r\n\
         Host: a\r\nAuthorization: canary-authorization\r\nX-Amz-Security-Token: canary-token\r\n\
         Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    running.signal("HUP");
    running.signal("TERM");
    let (code, _, log) = running.end();
    assert_eq!(code, Some(0), "{log}");

    let secret = words
        .lines()
        .find_map(|line| line.trim().strip_prefix("secret key"))
        .unwrap()
        .trim();
    let master = fs::read_to_string(data.join("master.key")).unwrap();
    for canary in [
        secret,
        master.trim(),
        "canary-signature",
        "canary-authorization",
        "canary-token",
    ] {
        assert!(!log.contains(canary), "the log shows {canary}");
    }
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let access: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "holdfast::access")
        .collect();
    let request = access
        .iter()
        .find(|line| line["message"] == "request")
        .expect("a line for the request");
    assert_eq!(request["request_id"].as_str().unwrap().len(), 16);
    assert!(answer.contains(request["request_id"].as_str().unwrap()));
    assert!(request["status"].as_u64().unwrap() >= 400 && request["duration_ms"].is_number());
    assert!(lines.iter().any(|line| line["message"] == "reloading"));
}

#[test]
fn the_service_manager_is_told_of_every_step() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &served(&folder));
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let heard = || {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let child = holdfast(&["serve", "--config", &path])
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    assert_eq!(heard().trim(), "READY=1");
    running.signal("HUP");
    let reloading = heard();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(heard().trim(), "READY=1");
    running.signal("TERM");
    assert_eq!(heard().trim(), "STOPPING=1");
    let (code, said, log) = running.end();
    assert_eq!((code, said.as_str()), (Some(0), ""), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
}

#[test]
fn a_reload_changes_the_level_of_the_log_and_a_broken_file_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = served(&folder).replace("127.0.0.1:0", &port.to_string());
    let path = file(&folder, &format!("{base}logging: {{level: error}}\n"));
    let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let wait_until_ready = || {
        let mut buffer = [0; 512];
        while &buffer[..7] != b"READY=1" {
            socket.recv(&mut buffer).unwrap();
        }
    };
    let child = holdfast(&["serve", "--config", &path])
        .env("NOTIFY_SOCKET", folder.path().join("notify"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    wait_until_ready();
    get(port, "/bucket/unlogged");
    fs::write(&path, format!("{base}logging: {{level: debug}}\n")).unwrap();
    running.signal("HUP");
    wait_until_ready();
    get(port, "/bucket/logged");
    fs::write(&path, "server: nonsense\n").unwrap();
    running.signal("HUP");
    wait_until_ready();
    assert!(get(port, "/health/ready").starts_with("HTTP/1.1 200"));
    assert!(get(port, "/metrics").contains("s3o_config_reloads_total{status=\"refused\"} 1"));
    running.signal("TERM");
    let (code, _, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        !log.contains("\"unlogged\"") && log.contains("\"logged\""),
        "{log}"
    );
    assert!(log.contains("is a section with keys of its own"), "{log}");
}

/// A configuration with a directory of its own.
fn served(folder: &TempDir) -> String {
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

#[test]
fn a_node_whose_backend_is_missing_does_not_start_and_says_so() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &served(&folder));
    fs::remove_dir(folder.path().join("objects")).unwrap();
    let (code, said, log) = output(&["serve", "--config", &path]);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{log}");
    let told = log.lines().last().unwrap();
    assert!(told.starts_with("holdfast: cannot start: backend disk"), "{log}");
}

#[test]
fn a_port_that_is_taken_is_told_and_the_folder_is_not_touched_by_a_node() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    let (code, said, words) = output(&["demo", "--port", &port, "--data", data]);
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(
        words.contains(&format!("cannot listen on 127.0.0.1:{port}: another program")),
        "{words}"
    );
    assert!(!folder.path().join("node-1").exists());
}
