//! Clients that others wrote carry a tree in and out: byte for byte, although the node is killed while
//! they write, and without waiting for anything that never comes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cluster_tests::node::{ACCESS_KEY, SECRET_KEY};
use cluster_tests::tools::{self, assert_same_tree, command, end_within, find_or_skip, succeed_within};
use cluster_tests::{Node, NodeConfig, Rng, say, wait};

/// Files of the tree. Larger campaigns use `HOLDFAST_TREE_FILES`.
const FILES: usize = 250;
/// Above the 8 MiB at which aws-cli and boto3 upload in parts.
const LARGE: usize = 9 << 20;
/// Objects that are there when the node is killed.
const KILLED_AFTER: usize = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// How many files the tree has.
fn files() -> usize {
    std::env::var("HOLDFAST_TREE_FILES").map_or(FILES, |number| {
        number.parse().expect("HOLDFAST_TREE_FILES is a number")
    })
}

/// How long a client may take for the tree. Many times what it needs: one that waits for something that
/// never comes fails the test instead of stopping it.
fn limit() -> Duration {
    Duration::from_secs(240) + Duration::from_millis(200) * files() as u32
}

/// A tree with awkward names, empty files and a few large ones.
fn tree(root: &Path, rng: &mut Rng) {
    let names = [
        "plain",
        "with space",
        "plus+sign",
        "per%20cent",
        "ünïcödé",
        "a&b=c",
        "dot.dot..",
        "~tilde",
        "quote'",
    ];
    for n in 0..files() {
        let folder = root.join(format!("dir {}", n % 7)).join(names[n % names.len()]);
        fs::create_dir_all(&folder).expect("a folder");
        let size = match n % 50 {
            0 | 25 => 0,
            1 => LARGE + n,
            2 => 1 << 20,
            _ => rng.below(20_000) as usize,
        };
        fs::write(
            folder.join(format!("{n} {}", names[(n / 7) % names.len()])),
            rng.bytes(size),
        )
        .expect("a file");
    }
}

/// A client, as the commands that carry a tree in and out.
trait Carrier {
    /// Carries the folder into the bucket.
    fn carry_in(&self, at: &Place, from: &Path) -> Command;
    /// Carries the bucket into a folder that exists.
    fn carry_out(&self, at: &Place, to: &Path) -> Command;
}

/// Where a client carries to and from.
struct Place {
    endpoint: String,
    bucket: String,
    home: PathBuf,
}

/// In, with the node killed in between; in again, which completes it; out. What comes out is what went
/// in, and rclone, where it is installed, finds no difference either.
async fn carries_a_tree(test: &str, carrier: &impl Carrier) {
    let mut rng = Rng::of_test(test);
    let mut node = Node::start(&NodeConfig::default()).await;
    node.client().put("/tree", "").await.expect(200);
    let at = Place {
        endpoint: format!("http://{}", node.address()),
        bucket: "tree".to_owned(),
        home: node.folder().to_owned(),
    };
    let source = at.home.join("source");
    tree(&source, &mut rng);

    let mut cut_off = carrier.carry_in(&at, &source);
    let mut cut_off = tools::start(&mut cut_off, &at.home.join("cut-off.log"));
    let there = wait::until("the first files", PATIENCE, || async {
        let listed = node.client().list("tree").await.len();
        (listed > KILLED_AFTER)
            .then_some(listed)
            .ok_or(format!("{listed} files"))
    })
    .await;
    node.kill();
    assert!(there < files(), "the client was done before the node was killed");
    node.run();
    node.ready().await;
    // It tries again or gives up: both is its own business, but it must come to an end.
    let status = end_within(&mut cut_off, limit());

    succeed_within(&mut carrier.carry_in(&at, &source), limit());
    let copy = at.home.join("copy");
    fs::create_dir(&copy).expect("a folder");
    succeed_within(&mut carrier.carry_out(&at, &copy), limit());
    assert_same_tree(&source, &copy);
    if let Some(rclone) = tools::find("rclone") {
        let mut check = rclone_command(&rclone, &at);
        check.arg("check").arg(&source).arg(rclone_remote(&at));
        succeed_within(&mut check, limit());
    }
    node.assert_no_orphans().await;
    say(&format!(
        "{test}: {} files, killed when {there} were there; the client that was cut off ended with {status}",
        files()
    ));
}

struct AwsCli(PathBuf);

impl AwsCli {
    fn sync(&self, at: &Place) -> Command {
        let mut sync = command(&self.0, &at.home);
        // No read timeout: whoever waits for an answer that never comes is to wait for ever, and be found.
        sync.args(["--endpoint-url", &at.endpoint, "--cli-read-timeout", "0"])
            .args(["s3", "sync", "--only-show-errors"]);
        sync
    }
}

impl Carrier for AwsCli {
    fn carry_in(&self, at: &Place, from: &Path) -> Command {
        let mut sync = self.sync(at);
        sync.arg(from).arg(format!("s3://{}", at.bucket));
        sync
    }

    fn carry_out(&self, at: &Place, to: &Path) -> Command {
        let mut sync = self.sync(at);
        sync.arg(format!("s3://{}", at.bucket)).arg(to);
        sync
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_cli_carries_a_tree_in_and_out_although_the_node_is_killed() {
    let test = "aws_cli_carries_a_tree_in_and_out_although_the_node_is_killed";
    let Some(aws) = find_or_skip(test, "aws") else {
        return;
    };
    carries_a_tree(test, &AwsCli(aws)).await;
}

/// Debian's is years older than the pinned one: it sends no checksums unless told to.
#[tokio::test(flavor = "multi_thread")]
async fn debians_aws_cli_carries_a_tree_in_and_out_although_the_node_is_killed() {
    let test = "debians_aws_cli_carries_a_tree_in_and_out_although_the_node_is_killed";
    let Some(aws) = find_or_skip(test, "/usr/bin/aws") else {
        return;
    };
    carries_a_tree(test, &AwsCli(aws)).await;
}

struct Boto3(PathBuf);

impl Boto3 {
    fn tree(&self, at: &Place, direction: &str, folder: &Path) -> Command {
        let mut run = command(&self.0, &at.home);
        run.arg(script("boto3_tree.py"))
            .args([&at.endpoint, &at.bucket, direction])
            .arg(folder);
        run
    }
}

impl Carrier for Boto3 {
    fn carry_in(&self, at: &Place, from: &Path) -> Command {
        self.tree(at, "in", from)
    }

    fn carry_out(&self, at: &Place, to: &Path) -> Command {
        self.tree(at, "out", to)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_carries_a_tree_in_and_out_although_the_node_is_killed() {
    let test = "boto3_carries_a_tree_in_and_out_although_the_node_is_killed";
    let Some(python) = python_with_boto3(test) else {
        return;
    };
    carries_a_tree(test, &Boto3(python)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_with_its_default_checksums_reads_back_what_it_wrote() {
    let test = "boto3_with_its_default_checksums_reads_back_what_it_wrote";
    let Some(python) = python_with_boto3(test) else {
        return;
    };
    let node = Node::start(&NodeConfig::default()).await;
    let mut run = command(&python, node.folder());
    run.arg(script("boto3_roundtrip.py"))
        .arg(format!("http://{}", node.address()));
    succeed_within(&mut run, limit());
    node.assert_no_orphans().await;
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

fn python_with_boto3(test: &str) -> Option<PathBuf> {
    let python = find_or_skip(test, "python3")?;
    let has_boto3 = Command::new(&python)
        .args(["-c", "import boto3"])
        .output()
        .is_ok_and(|output| output.status.success());
    if has_boto3 {
        Some(python)
    } else {
        find_or_skip(test, "python3 with boto3")
    }
}

struct S3cmd(PathBuf);

impl S3cmd {
    /// Parts of 5 MiB, so that the large files have some.
    fn sync(&self, at: &Place) -> Command {
        let configuration = at.home.join("s3cfg");
        let address = at.endpoint.trim_start_matches("http://");
        fs::write(
            &configuration,
            format!(
                "[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET_KEY}\nhost_base = {address}\n\
                 host_bucket = {address}\nuse_https = False\nmultipart_chunk_size_mb = 5\n"
            ),
        )
        .expect("its configuration");
        let mut sync = command(&self.0, &at.home);
        sync.arg("-c").arg(configuration).args(["--no-progress", "sync"]);
        sync
    }
}

impl Carrier for S3cmd {
    fn carry_in(&self, at: &Place, from: &Path) -> Command {
        let mut sync = self.sync(at);
        sync.arg(format!("{}/", from.display()))
            .arg(format!("s3://{}/", at.bucket));
        sync
    }

    fn carry_out(&self, at: &Place, to: &Path) -> Command {
        let mut sync = self.sync(at);
        sync.arg(format!("s3://{}/", at.bucket))
            .arg(format!("{}/", to.display()));
        sync
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3cmd_carries_a_tree_in_and_out_although_the_node_is_killed() {
    let test = "s3cmd_carries_a_tree_in_and_out_although_the_node_is_killed";
    let Some(s3cmd) = find_or_skip(test, "s3cmd") else {
        return;
    };
    carries_a_tree(test, &S3cmd(s3cmd)).await;
}

struct Rclone(PathBuf);

impl Rclone {
    fn copy(&self, at: &Place) -> Command {
        let mut copy = rclone_command(&self.0, at);
        copy.arg("copy");
        copy
    }
}

impl Carrier for Rclone {
    fn carry_in(&self, at: &Place, from: &Path) -> Command {
        let mut copy = self.copy(at);
        copy.arg(from).arg(rclone_remote(at));
        copy
    }

    fn carry_out(&self, at: &Place, to: &Path) -> Command {
        let mut copy = self.copy(at);
        copy.arg(rclone_remote(at)).arg(to);
        copy
    }
}

/// Parts for the large files, which rclone would send whole otherwise.
fn rclone_command(rclone: &Path, at: &Place) -> Command {
    let mut run = command(rclone, &at.home);
    run.args([
        "--config",
        "/dev/null",
        "--retries",
        "1",
        "--s3-upload-cutoff",
        "8Mi",
    ]);
    run
}

fn rclone_remote(at: &Place) -> String {
    format!(
        ":s3,provider=Other,env_auth=true,endpoint='{}':{}",
        at.endpoint, at.bucket
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone_carries_a_tree_in_and_out_although_the_node_is_killed() {
    let test = "rclone_carries_a_tree_in_and_out_although_the_node_is_killed";
    let Some(rclone) = find_or_skip(test, "rclone") else {
        return;
    };
    carries_a_tree(test, &Rclone(rclone)).await;
}
