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
use std::time::{Duration, Instant};

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

/// A configuration file for its owner alone, since it holds secrets.
fn file(folder: &TempDir, yaml: &str) -> String {
    let path = folder.path().join("holdfast.yaml");
    fs::write(&path, yaml).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A whole configuration, on a folder that everybody has and nobody may write to.
const WHOLE: &str = "\
backends: [{name: disk, type: fs, path: /usr}]
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
    for version in ["version", "--version", "-V"] {
        assert_eq!(
            output(&[version]),
            (
                Some(0),
                format!("holdfast {}\n", env!("CARGO_PKG_VERSION")),
                String::new()
            )
        );
    }
    for named in [&[&*path][..], &["--config", &path], &["-config", &path]] {
        let arguments: Vec<_> = ["config", "check"].iter().chain(named).copied().collect();
        assert_eq!(output(&arguments), (Some(0), "ok\n".to_owned(), String::new()));
    }
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
        &["-config", &path],
        &["--config", &path],
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
        &["-config"],
        &["config", "check"],
        &["demo", "--access-key", "only-half"],
        &["demo", "--nodes", "0"],
        &["demo", "--port", "65536"],
    ] {
        assert_eq!(output(arguments).0, Some(2), "{arguments:?}");
    }
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    for (asked, told) in [
        (
            ["demo", "--nodes", "3", "--data", data],
            "clusters are not built yet: --nodes can only be 1",
        ),
        (
            ["demo", "--backends", "2", "--data", data],
            "copies on several backends are not built yet: --backends can only be 1",
        ),
    ] {
        assert_eq!(
            output(&asked),
            (Some(1), String::new(), format!("holdfast: {told}\n"))
        );
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "something was made"
    );
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
    let stays = format!("Holdfast has stopped. Its data stays in {}.\n", data.display());
    assert!(words.ends_with(&stays), "{words}");

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

/// What a service manager hears.
struct Manager(UnixDatagram);

impl Manager {
    /// Listens in `folder`.
    fn in_folder(folder: &TempDir) -> Self {
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(socket)
    }

    /// Starts a node that tells it.
    fn serve(&self, folder: &TempDir, path: &str, environment: &[(&str, &str)]) -> Running {
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
    fn until(&self, line: &str) -> (String, Vec<String>) {
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

#[test]
fn the_service_manager_is_told_of_every_step() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &served(&folder));
    let manager = Manager::in_folder(&folder);
    let mut running = manager.serve(&folder, &path, &[]);
    let (_, before) = manager.until("READY=1");
    assert!(
        before.iter().all(|line| line == "EXTEND_TIMEOUT_USEC=60000000") && !before.is_empty(),
        "{before:?}"
    );
    running.signal("HUP");
    let (reloading, _) = manager.until("RELOADING=1");
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    manager.until("READY=1");
    running.signal("TERM");
    // 20 seconds for requests, 30 for the node.
    let (stopping, before) = manager.until("STOPPING=1");
    assert_eq!(stopping.trim(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=50000000");
    assert!(before.is_empty(), "nobody asked for a sign of life: {before:?}");
    let (code, said, log) = running.end();
    assert_eq!((code, said.as_str()), (Some(0), ""), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
}

#[test]
fn the_service_manager_hears_that_the_process_lives_as_often_as_it_asks_for() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &served(&folder));
    let manager = Manager::in_folder(&folder);
    let mut running = manager.serve(&folder, &path, &[("WATCHDOG_USEC", "300000")]);
    manager.until("READY=1");
    let begun = Instant::now();
    for _ in 0..4 {
        manager.until("WATCHDOG=1");
    }
    // One may have waited already; the others come every 150 ms.
    assert!(begun.elapsed() >= Duration::from_millis(300));
    running.signal("TERM");
    manager.until("STOPPING=1");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_node_told_to_stop_is_unready_at_once_serves_on_and_ends_with_0() {
    let folder = TempDir::new().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = served(&folder).replace(
        "server: {listen_addr: '127.0.0.1:0'}",
        &format!("server: {{listen_addr: '{port}', shutdown_delay: 1h}}"),
    );
    let path = file(&folder, &yaml);
    let manager = Manager::in_folder(&folder);
    let mut running = manager.serve(&folder, &path, &[]);
    manager.until("READY=1");
    assert!(get(port, "/health/ready").starts_with("HTTP/1.1 200"));
    running.signal("TERM");
    manager.until("STOPPING=1");
    assert!(get(port, "/health/ready").starts_with("HTTP/1.1 503"));
    assert!(get(port, "/health").starts_with("HTTP/1.1 200"));
    assert!(
        get(port, "/bucket/key").contains("<Code>AccessDenied</Code>"),
        "S3 is served on"
    );
    running.signal("TERM");
    let (code, _, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\"stopped\""), "{log}");
    assert!(TcpStream::connect(port).is_err());
}

#[test]
fn a_reload_changes_the_level_of_the_log_and_a_broken_file_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = served(&folder).replace("127.0.0.1:0", &port.to_string());
    let path = file(&folder, &format!("{base}logging: {{level: error}}\n"));
    let manager = Manager::in_folder(&folder);
    let mut running = manager.serve(&folder, &path, &[]);
    manager.until("READY=1");
    get(port, "/bucket/unlogged");
    fs::write(&path, format!("{base}logging: {{level: debug}}\n")).unwrap();
    running.signal("HUP");
    manager.until("READY=1");
    get(port, "/bucket/logged");
    fs::write(&path, "server: nonsense\n").unwrap();
    running.signal("HUP");
    manager.until("READY=1");
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
fn a_node_whose_backend_is_missing_does_not_start_and_names_the_key() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &served(&folder));
    let objects = folder.path().join("objects");
    fs::remove_dir(&objects).unwrap();
    let told = format!(
        "backends[0].path: {}: No such file or directory (os error 2). It is not made here, since it may be a \
         disk that is not mounted\n",
        objects.display()
    );
    assert_eq!(
        output(&["serve", "--config", &path]),
        (Some(1), String::new(), format!("holdfast: {told}"))
    );
    assert!(!folder.path().join("metadata").exists(), "something was made");
    // It may be there on the machine that the configuration is for.
    assert_eq!(
        output(&["config", "check", &path]),
        (Some(0), "ok\n".to_owned(), format!("holdfast: warning: {told}"))
    );
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
        words.ends_with(&format!(
            "holdfast: cannot listen on 127.0.0.1:{port}: another program listens there already; \
             --port chooses another\n"
        )),
        "{words}"
    );
    assert!(!folder.path().join("node-1").exists());
}
