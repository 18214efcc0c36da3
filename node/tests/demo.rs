//! `holdfast demo` as a user meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;

use support::{Running, get, holdfast, mode, output};
use tempfile::TempDir;

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
    for private in ["credentials", "master.key"] {
        assert_eq!(mode(&data.join(private)), 0o600, "{private}");
    }
    let mut folders = vec![data.clone()];
    while let Some(path) = folders.pop() {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
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
