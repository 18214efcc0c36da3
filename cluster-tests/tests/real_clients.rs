//! Clients that others wrote carry a tree in and out: byte for byte, with the node killed in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use cluster_tests::tools::{assert_same_tree, command, find_or_skip, succeed};
use cluster_tests::{Node, NodeConfig, Rng};

/// Files of the tree. Larger campaigns use `HOLDFAST_TREE_FILES`.
const FILES: usize = 250;
/// Above the 8 MiB at which aws-cli and boto3 upload in parts.
const LARGE: usize = 9 << 20;

/// A tree with awkward names, empty files and a few large ones.
fn tree(root: &Path, rng: &mut Rng) {
    let files = std::env::var("HOLDFAST_TREE_FILES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(FILES);
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
    for n in 0..files {
        let folder = root.join(format!("dir {}", n % 7)).join(names[n % names.len()]);
        fs::create_dir_all(&folder).expect("a folder");
        let size = match n % 50 {
            0 => 0,
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

#[tokio::test(flavor = "multi_thread")]
async fn aws_s3_sync_carries_a_tree_in_and_out_although_the_node_is_killed_in_between() {
    let test = "aws_s3_sync_carries_a_tree_in_and_out_although_the_node_is_killed_in_between";
    let Some(aws) = find_or_skip(test, "aws") else {
        return;
    };
    let mut rng = Rng::of_test(test);
    let mut node = Node::start(&NodeConfig::default()).await;
    node.client().put("/tree", "").await.expect(200);
    let source = node.folder().join("source");
    tree(&source, &mut rng);
    let endpoint = format!("http://{}", node.address());
    let sync = |from: &str, to: &str| {
        let mut sync = command(&aws, node.folder());
        sync.args([
            "--endpoint-url",
            &endpoint,
            "s3",
            "sync",
            "--only-show-errors",
            from,
            to,
        ]);
        sync
    };
    let (from, bucket) = (source.display().to_string(), "s3://tree");
    let mut first = sync(&from, bucket).spawn().expect("aws");
    // Killed when a part of the tree is there: the client sees connections break.
    cluster_tests::wait::until("the first files", std::time::Duration::from_secs(60), || async {
        let listed = node.client().list("tree").await.len();
        if listed > 20 {
            Ok(())
        } else {
            Err(format!("{listed} files"))
        }
    })
    .await;
    let (endpoint, home) = (endpoint.clone(), node.folder().to_owned());
    node.kill();
    node.run();
    node.ready().await;
    first.wait().expect("the end of aws");
    let run = |from: &str, to: &str| {
        let mut sync = command(&aws, &home);
        sync.args([
            "--endpoint-url",
            &endpoint,
            "s3",
            "sync",
            "--only-show-errors",
            from,
            to,
        ]);
        succeed(&mut sync);
    };
    run(&from, bucket);
    let copy = home.join("copy");
    run(bucket, &copy.display().to_string());
    assert_same_tree(&source, &copy);
    node.assert_no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone_finds_no_difference() {
    let test = "rclone_finds_no_difference";
    let Some(rclone) = find_or_skip(test, "rclone") else {
        return;
    };
    let mut rng = Rng::of_test(test);
    let node = Node::start(&NodeConfig::default()).await;
    node.client().put("/rclone", "").await.expect(200);
    let source = node.folder().join("source");
    tree(&source, &mut rng);
    let remote = format!(
        ":s3,provider=Other,env_auth=true,endpoint='http://{}':rclone",
        node.address()
    );
    let run = |arguments: &[&str]| {
        let mut run = command(&rclone, node.folder());
        run.args(arguments)
            .args(["--config", "/dev/null", "--retries", "1"]);
        succeed(&mut run);
    };
    let from = source.display().to_string();
    run(&["copy", &from, &remote]);
    run(&["check", &from, &remote]);
    run(&["check", "--download", &from, &remote]);
    let copy = node.folder().join("copy");
    run(&["copy", &remote, &copy.display().to_string()]);
    assert_same_tree(&source, &copy);
    node.assert_no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3cmd_carries_a_tree_in_and_out() {
    let test = "s3cmd_carries_a_tree_in_and_out";
    let Some(s3cmd) = find_or_skip(test, "s3cmd") else {
        return;
    };
    let mut rng = Rng::of_test(test);
    let node = Node::start(&NodeConfig::default()).await;
    node.client().put("/s3cmd", "").await.expect(200);
    let source = node.folder().join("source");
    tree(&source, &mut rng);
    let configuration = node.folder().join("s3cfg");
    fs::write(
        &configuration,
        format!(
            "[default]\naccess_key = {}\nsecret_key = {}\nhost_base = {address}\nhost_bucket = {address}\nuse_https = False\n",
            cluster_tests::node::ACCESS_KEY,
            cluster_tests::node::SECRET_KEY,
            address = node.address(),
        ),
    )
    .expect("its configuration");
    let run = |arguments: &[&str]| {
        let mut run = command(&s3cmd, node.folder());
        run.arg("-c")
            .arg(&configuration)
            .arg("--no-progress")
            .args(arguments);
        succeed(&mut run);
    };
    let from = format!("{}/", source.display());
    run(&["sync", &from, "s3://s3cmd/"]);
    let copy = node.folder().join("copy");
    fs::create_dir(&copy).expect("a folder");
    run(&["sync", "s3://s3cmd/", &format!("{}/", copy.display())]);
    assert_same_tree(&source, &copy);
    node.assert_no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_with_its_default_checksums_reads_back_what_it_wrote() {
    let test = "boto3_with_its_default_checksums_reads_back_what_it_wrote";
    let Some(python) = find_or_skip(test, "python3") else {
        return;
    };
    let has_boto3 = Command::new(&python)
        .args(["-c", "import boto3"])
        .output()
        .is_ok_and(|o| o.status.success());
    if !has_boto3 && find_or_skip(test, "python3 with boto3").is_none() {
        return;
    }
    let node = Node::start(&NodeConfig::default()).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/boto3_roundtrip.py");
    let mut run = command(&python, node.folder());
    run.arg(script).arg(format!("http://{}", node.address()));
    succeed(&mut run);
    node.assert_no_orphans().await;
}
