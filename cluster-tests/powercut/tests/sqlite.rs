//! A program that is known to sync what it must: SQLite, cut at every boundary of a workload. With
//! its syncs as they are it loses nothing; with the log's syncs ignored it does, and is caught.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cluster_tests_powercut::{CutPolicy, Fault, Side};
use support::{PATIENCE, Rig};

/// Runs one of two programs per line of input, each in a process of its own (forked, since starting
/// Python takes longer than all the rest), and ends its output with a line of its own.
///
/// `write` commits 5 rows, each a transaction, and says after each that it did. SQLite syncs the
/// log at each commit (`synchronous=FULL`) and the database at each checkpoint, every 3 pages.
/// `read` says how many rows it finds, `-1` for no table; they must be the first ones, as written.
const DRIVER: &str = r"
import os, sqlite3, sys

def write(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute('PRAGMA journal_mode=WAL')
    db.execute('PRAGMA synchronous=FULL')
    db.execute('PRAGMA wal_autocheckpoint=3')
    db.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)')
    print(0, flush=True)
    for row in range(1, 6):
        db.execute('INSERT INTO t VALUES (?, ?)', (row, 'x' * 700 + str(row)))
        print(row, flush=True)
    db.close()

def read(path):
    db = sqlite3.connect(path)
    assert db.execute('PRAGMA integrity_check').fetchone() == ('ok',)
    if not db.execute('SELECT name FROM sqlite_master').fetchone():
        print(-1, flush=True)
        return
    rows = db.execute('SELECT id, body FROM t ORDER BY id').fetchall()
    assert rows == [(n, 'x' * 700 + str(n)) for n in range(1, len(rows) + 1)], rows
    print(len(rows), flush=True)

for line in sys.stdin:
    program, path = line.split()
    child = os.fork()
    if child == 0:
        try:
            {'write': write, 'read': read}[program](path)
        except Exception as error:
            print('failed:', error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print('end', flush=True)
";

struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-I", "-S", "-c", DRIVER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self {
            child,
            input,
            output: BufReader::new(output),
        }
    }

    /// What a program said, line by line.
    fn run(&mut self, program: &str, rig: &Rig) -> Vec<String> {
        writeln!(self.input, "{program} {}", rig.path("db").display()).unwrap();
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the driver died");
            if line == "end\n" {
                return said;
            }
            said.push(line.trim_end().to_owned());
        }
    }

    /// Runs the writer; answers the last row that it was told is committed, `-1` for no table.
    fn write(&mut self, rig: &Rig) -> i64 {
        let said = self.run("write", rig);
        said.iter()
            .filter_map(|line| line.parse().ok())
            .next_back()
            .unwrap_or(-1)
    }

    /// Starts again on what a cut leaves; answers how many rows there are, or what is broken.
    fn read_after_cut(&mut self, rig: &Rig, policy: CutPolicy) -> Result<i64, String> {
        rig.cut(policy).unwrap();
        rig.power_on(PATIENCE).unwrap();
        let said = self.run("read", rig).join("\n");
        said.parse().map_err(|_| said)
    }

    fn boundaries_of_the_workload(&mut self, test: &str) -> Option<u64> {
        let rig = Rig::new(test)?;
        assert_eq!(self.write(&rig), 5);
        let boundaries = rig.boundaries().unwrap();
        let synced = |path: &str| boundaries.iter().filter(|boundary| boundary.path == path).count();
        // The log at each of six commits, the folder for the names, the database at checkpoints.
        assert!(
            synced("db-wal") >= 6 && synced("db") >= 2 && synced("") >= 1,
            "{boundaries:?}"
        );
        Some(boundaries.len() as u64)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Its own children have ended: it waits for each.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sqlite_survives_a_cut_at_every_boundary() {
    let test = "sqlite::every_boundary";
    let mut python = Python::start();
    let Some(boundaries) = python.boundaries_of_the_workload(test) else {
        return;
    };
    for boundary in 1..=boundaries {
        for (side, seed) in [(Side::Before, boundary), (Side::After, boundary + 1_000)] {
            let Some(rig) = Rig::new(test) else { return };
            rig.freeze_at(boundary, side).unwrap();
            let told = python.write(&rig);
            rig.wait_off(PATIENCE).unwrap();
            let found = python.read_after_cut(&rig, CutPolicy::random(seed));
            let whole = found
                .as_ref()
                .is_ok_and(|found| (told..=told + 1).contains(found));
            assert!(
                whole,
                "{side:?} boundary {boundary} of {boundaries}, seed {seed}: told {told}, found {found:?}"
            );
        }
    }
}

#[test]
fn sqlite_without_the_syncs_of_its_log_is_caught() {
    let test = "sqlite::mutant";
    let mut python = Python::start();
    let Some(boundaries) = python.boundaries_of_the_workload(test) else {
        return;
    };
    let mut losses = 0;
    // At the end the log is empty: what was told is lost only by cuts in between.
    for boundary in 1..=boundaries {
        let Some(rig) = Rig::new(test) else { return };
        rig.inject(Fault::ignore_file_sync("db-wal")).unwrap();
        rig.freeze_at(boundary, Side::Before).unwrap();
        let told = python.write(&rig);
        rig.wait_off(PATIENCE).unwrap();
        let found = python.read_after_cut(&rig, CutPolicy::nothing(0));
        losses += u32::from(found.is_ok_and(|found| found < told));
    }
    assert!(
        losses > 0,
        "rows that were told to be committed must be missing after some cut"
    );
}
