//! A node as its service manager and its operator meet it: signals, reloads, certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::{Manager, file, free_address, get, served};
use tempfile::TempDir;

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
    let port = free_address();
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
    let port = free_address();
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
