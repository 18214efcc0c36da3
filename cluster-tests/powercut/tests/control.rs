//! The process behind a mount: how it starts, what it answers, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use cluster_tests_powercut::{Answer, Control, CutPolicy, MountError, MountOptions, PowerCutFs};
use support::{Rig, options};

fn is_mounted(path: &Path) -> bool {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.lines().any(|line| line.split(' ').nth(4) == path.to_str())
}

fn ask(stream: &mut UnixStream, line: &str) -> Answer {
    stream.write_all(line.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[test]
fn the_control_socket_is_for_its_owner_alone() {
    let Some(rig) = Rig::new("control::mode") else {
        return;
    };
    let mode = fs::metadata(rig.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_protocol_is_lines_of_json() {
    let Some(rig) = Rig::new("control::protocol") else {
        return;
    };
    fs::write(rig.path("f"), b"data").unwrap();
    let mut stream = UnixStream::connect(rig.socket()).unwrap();
    let fault =
        r#"{"cmd":"fault","on":["sync_file"],"path":"*.log","effect":{"fail":"io"},"skip":2,"times":1}"#;
    assert_eq!(ask(&mut stream, &format!("{fault}\n")), Answer::FaultId(1));
    let mutant = r#"{"cmd":"fault","on":["sync_dir"],"path":"","effect":"ignore"}"#;
    assert_eq!(ask(&mut stream, &format!("{mutant}\n")), Answer::FaultId(2));
    let freeze = "{\"cmd\":\"freeze_at\",\"boundary\":9,\"side\":\"before\"}\n";
    assert_eq!(ask(&mut stream, freeze), Answer::Done);
    assert_eq!(
        ask(&mut stream, "{\"cmd\":\"space\",\"budget\":null}\n"),
        Answer::Done
    );
    let Answer::Stats(stats) = ask(&mut stream, "{\"cmd\":\"stats\"}\n") else {
        panic!("no stats")
    };
    assert_eq!(
        (stats.unsynced_files, stats.unsynced_bytes, stats.unsynced_names),
        (1, 4, 1)
    );
    assert_eq!((stats.ops.writes, stats.ops.names, stats.faults.len()), (1, 1, 2));
    let to = rig.outside("there");
    let line = format!(
        "{{\"cmd\":\"materialize\",\"to\":{to:?},\"seed\":5,\"data\":\"kept\",\"names\":\"kept\"}}\n"
    );
    let Answer::Cut(report) = ask(&mut stream, &line) else {
        panic!("no report")
    };
    assert_eq!((report.seed, report.kept_names), (5, 1));
    assert_eq!(fs::read(to.join("f")).unwrap(), b"data");
    // Without further words a cut tears data and loses names.
    let Answer::Cut(report) = ask(&mut stream, "{\"cmd\":\"cut\",\"seed\":6}\n") else {
        panic!("no report")
    };
    assert_eq!((report.seed, report.lost_names), (6, 1));
}

#[test]
fn bad_commands_are_refused_and_harm_nobody() {
    let Some(rig) = Rig::new("control::bad_input") else {
        return;
    };
    let mut stream = UnixStream::connect(rig.socket()).unwrap();
    let bad = [
        "nonsense\n",
        "{}\n",
        "\n",
        "{\"cmd\":\"dance\"}\n",
        "{\"cmd\":\"cut\"}\n",
        "{\"cmd\":\"cut\",\"seed\":-1}\n",
        "{\"cmd\":\"freeze_at\",\"boundary\":0,\"side\":\"before\"}\n",
        "{\"cmd\":\"materialize\",\"to\":\"/proc/none\",\"seed\":1}\n",
        "\u{0}\u{ffff}\n",
    ];
    for line in bad {
        assert!(matches!(ask(&mut stream, line), Answer::Refused(_)), "{line:?}");
    }
    // A line without an end is cut off, and only that connection with it.
    let mut endless = UnixStream::connect(rig.socket()).unwrap();
    let flood = vec![b'x'; 64 * 1024];
    assert!(matches!(ask_bytes(&mut endless, &flood), Answer::Refused(_)));
    assert!(rig.stats().unwrap().powered);
    File::create(rig.path("f")).unwrap();
}

fn ask_bytes(stream: &mut UnixStream, bytes: &[u8]) -> Answer {
    stream.write_all(bytes).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn commands_can_be_given_from_many_threads() {
    let Some(rig) = Rig::new("control::threads") else {
        return;
    };
    thread::scope(|scope| {
        for thread in 0..8 {
            let (rig, control) = (&rig, Control::at(rig.socket()));
            scope.spawn(move || {
                for at in 0..20 {
                    fs::write(rig.path(&format!("{thread}-{at}")), b"x").unwrap();
                    control.stats().unwrap();
                    let to = rig.outside(&format!("{thread}-{at}"));
                    if at % 10 == 0 {
                        control.materialize(&to, CutPolicy::everything()).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(rig.stats().unwrap().unsynced_files, 160);
}

#[test]
fn unmounting_leaves_nothing_behind() {
    let Some(rig) = Rig::new("control::unmount") else {
        return;
    };
    let (mountpoint, socket) = (rig.path(""), rig.socket().to_path_buf());
    // Still busy: that must not keep it.
    let open = File::create(rig.path("f")).unwrap();
    assert!(is_mounted(&mountpoint));
    let Rig { fs, dir } = rig;
    fs.unmount().unwrap();
    assert!(!is_mounted(&mountpoint) && !socket.exists());
    assert_eq!(fs::read_dir(&mountpoint).unwrap().count(), 0);
    assert!(open.sync_all().is_err());
    drop(dir);
}

#[test]
fn dropping_the_client_ends_the_process_and_the_mount() {
    let Some(rig) = Rig::new("control::drop") else {
        return;
    };
    let (mountpoint, socket) = (rig.path(""), rig.socket().to_path_buf());
    let _open = File::create(rig.path("f")).unwrap();
    let Rig { fs, dir } = rig;
    drop(fs);
    assert!(!is_mounted(&mountpoint) && !socket.exists());
    drop(dir);
}

#[test]
fn the_process_ends_with_the_one_that_started_it() {
    let Some(rig) = Rig::new("control::orphan") else {
        return;
    };
    let (backing, mountpoint) = (rig.outside("backing"), rig.outside("orphan"));
    fs::create_dir(&mountpoint).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_holdfast-powercut"));
    process
        .arg("--backing")
        .arg(backing)
        .arg("--mountpoint")
        .arg(&mountpoint);
    process
        .arg("--control")
        .arg(rig.outside("orphan.sock"))
        .arg("--until-stdin-closes");
    let mut child = process
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "\"ready\"\n");
    assert!(is_mounted(&mountpoint));
    let _busy = File::create(mountpoint.join("f")).unwrap();
    // What the death of a parent does.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!is_mounted(&mountpoint) && !rig.outside("orphan.sock").exists());
}

#[test]
fn somebody_else_may_unmount_it() {
    let Some(rig) = Rig::new("control::umount") else {
        return;
    };
    rustix::mount::unmount(rig.path(""), rustix::mount::UnmountFlags::empty()).unwrap();
    let Rig { fs, dir } = rig;
    // The process has ended by itself or is about to; either way nothing is left to undo.
    let socket = fs.socket().to_path_buf();
    drop(fs);
    assert!(!socket.exists());
    drop(dir);
}

#[test]
fn what_cannot_be_mounted_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let (backing, mountpoint) = (dir.path().join("backing"), dir.path().join("mnt"));
    let mount = |options: &MountOptions| PowerCutFs::mount(&backing, &mountpoint, options).unwrap_err();
    let refused = mount(&options());
    assert!(
        matches!(&refused, MountError::Refused(why) if why.contains("mount point")),
        "{refused}"
    );
    fs::create_dir(&mountpoint).unwrap();
    let refused = mount(&options());
    assert!(
        matches!(&refused, MountError::Refused(why) if why.contains("backing")),
        "{refused}"
    );
    fs::create_dir(&backing).unwrap();
    let refused = mount(&options().control(dir.path().join("c".repeat(120))));
    assert!(
        matches!(&refused, MountError::Refused(why) if why.contains("control")),
        "{refused}"
    );
    let missing = mount(&MountOptions::with_binary(dir.path().join("none")));
    assert!(matches!(missing, MountError::Spawn { .. }), "{missing}");
    let silent = mount(&MountOptions::with_binary("/bin/true"));
    assert!(matches!(silent, MountError::NotReady(_)), "{silent}");
    let talkative = mount(&MountOptions::with_binary("/bin/echo"));
    assert!(matches!(talkative, MountError::NotReady(_)), "{talkative}");
    assert!(!is_mounted(&mountpoint));
}

#[test]
fn where_fuse_is_not_to_be_had_the_reason_is_told_apart_from_mistakes() {
    // A process that may not open the device: what a container without it looks like.
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("unavailable");
    fs::write(
        &script,
        "#!/bin/sh\necho '{\"unavailable\":\"no device\"}'\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = PowerCutFs::mount(dir.path(), dir.path(), &MountOptions::with_binary(script)).unwrap_err();
    assert!(
        matches!(&refused, MountError::Unavailable(why) if why == "no device"),
        "{refused}"
    );
}

#[test]
fn the_binary_is_found_beside_the_tests() {
    let found = MountOptions::locate().unwrap().binary;
    let built = Path::new(env!("CARGO_BIN_EXE_holdfast-powercut"));
    assert_eq!(found.canonicalize().unwrap(), built.canonicalize().unwrap());
}
