//! A full or failing disk under the backend: writes are answered with 503 and leave no trace, everything
//! else is served, and writes go on once the disk is well again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use cluster_tests::{Disk, Node, NodeConfig, Rng};
use cluster_tests_powercut::{Effect, Fault, FaultError, OpClass};
use http::Method;

/// Room left on a disk that is full.
const ROOM: u64 = 192 << 10;
/// Bodies that do not fit: stored in one call, streamed, and long enough that room is reserved.
const TOO_LARGE: [usize; 3] = [250_000, 900_000, 6 << 20];

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backend_refuses_writes_without_a_trace_and_takes_them_once_there_is_room() {
    let test = "a_full_backend_refuses_writes_without_a_trace_and_takes_them_once_there_is_room";
    let mut rng = Rng::of_test(test);
    let Some((mut node, disk)) = start(test).await else {
        return;
    };
    let s3 = node.client();
    s3.put("/full", "").await.expect(200);
    let old = rng.bytes(400_000);
    s3.put("/full/old", old.clone()).await.expect(200);
    let begun = s3
        .send(Method::POST, "/full/parts", &[("uploads", "")], &[], "")
        .await
        .expect(200);
    let upload = begun.element("UploadId").expect("an upload id");
    let part = [("partNumber", "1"), ("uploadId", upload.as_str())];
    node.assert_no_orphans().await;

    let used = disk.stats().expect("the counters").space.used;
    disk.set_space_budget(Some(used + ROOM)).expect("a smaller disk");
    for length in TOO_LARGE {
        let new = s3.put("/full/new", rng.bytes(length)).await.expect(503);
        assert!(new.header("retry-after").is_some(), "{:?}", new.headers);
        s3.put("/full/old", rng.bytes(length)).await.expect(503);
        s3.send(Method::PUT, "/full/parts", &part, &[], rng.bytes(length))
            .await
            .expect(503);
    }
    assert!(disk.stats().expect("the counters").space.refused > 0);
    // Nothing of what was refused is there, and everything that needs no room is served.
    s3.get("/full/new").await.expect(404);
    assert!(s3.get("/full/old").await.expect(200).body == old);
    let listed = s3
        .send(
            Method::GET,
            "/full/parts",
            &[("uploadId", upload.as_str())],
            &[],
            "",
        )
        .await
        .expect(200);
    assert_eq!(listed.elements("PartNumber"), Vec::<String>::new());
    assert_eq!(s3.list("full").await, ["old"]);
    node.assert_no_orphans().await;
    s3.put("/full/fits", "fits").await.expect(200);

    // What is deleted makes room, without anybody's help.
    s3.delete("/full/old").await.expect(204);
    node.assert_no_orphans().await;
    let new = rng.bytes(TOO_LARGE[0]);
    s3.put("/full/new", new.clone()).await.expect(200);
    disk.set_space_budget(None).expect("a larger disk");
    for length in TOO_LARGE {
        s3.send(Method::PUT, "/full/parts", &part, &[], rng.bytes(length))
            .await
            .expect(200);
    }
    assert!(s3.get("/full/new").await.expect(200).body == new);
    assert_eq!(s3.list("full").await, ["fits", "new"]);
    node.assert_no_orphans().await;
    assert_eq!(node.ended(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_backend_refuses_writes_without_a_trace_and_takes_them_once_it_is_well() {
    let test = "a_failing_backend_refuses_writes_without_a_trace_and_takes_them_once_it_is_well";
    let mut rng = Rng::of_test(test);
    let Some((mut node, disk)) = start(test).await else {
        return;
    };
    let s3 = node.client();
    s3.put("/failing", "").await.expect(200);
    let old = rng.bytes(300_000);
    s3.put("/failing/old", old.clone()).await.expect(200);
    // Each step of a put fails in its turn: the temporary file, its bytes, its sync, its name, the sync
    // of its folder.
    let steps = [OpClass::Name, OpClass::Write, OpClass::SyncFile, OpClass::SyncDir];
    for (class, error) in steps
        .iter()
        .flat_map(|class| [(*class, FaultError::Io), (*class, FaultError::NoSpace)])
    {
        for length in [2_000, 500_000, 5 << 20] {
            let fault = Fault::new(class, "backend/.holdfast/**", Effect::Fail(error));
            let fault = disk.inject(fault).expect("a fault");
            eprintln!("{class:?} fails with {error:?} for {length} bytes");
            s3.put("/failing/new", rng.bytes(length)).await.expect(503);
            s3.put("/failing/old", rng.bytes(length)).await.expect(503);
            assert!(disk.fault_count(fault).expect("its count").fired > 0);
            disk.clear_faults().expect("a disk that is well");
            s3.get("/failing/new").await.expect(404);
            assert!(s3.get("/failing/old").await.expect(200).body == old);
            node.assert_no_orphans().await;
        }
        let body = rng.bytes(10_000);
        s3.put("/failing/new", body.clone()).await.expect(200);
        assert!(s3.get("/failing/new").await.expect(200).body == body);
        s3.delete("/failing/new").await.expect(204);
        node.assert_no_orphans().await;
    }
    assert_eq!(node.ended(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_for_a_while_is_not_forgotten() {
    let test = "an_object_that_cannot_be_read_for_a_while_is_not_forgotten";
    let mut rng = Rng::of_test(test);
    let Some((mut node, disk)) = start(test).await else {
        return;
    };
    let s3 = node.client();
    s3.put("/failing", "").await.expect(200);
    let bodies = [rng.bytes(2_000), rng.bytes(3 << 20)];
    for (n, body) in bodies.iter().enumerate() {
        s3.put(&format!("/failing/{n}"), body.clone()).await.expect(200);
    }
    let fault = Fault::new(
        OpClass::Read,
        "backend/.holdfast/**",
        Effect::Fail(FaultError::Io),
    );
    let fault = disk.inject(fault).expect("a fault");
    for n in 0..bodies.len() {
        // A body that was begun breaks off with its connection.
        if let Ok(answer) = s3
            .try_send(Method::GET, &format!("/failing/{n}"), &[], &[], "")
            .await
        {
            drop(answer.expect(503));
        }
        s3.head(&format!("/failing/{n}")).await.expect(200);
    }
    assert_eq!(s3.list("failing").await, ["0", "1"]);
    assert!(disk.fault_count(fault).expect("its count").fired > 0);
    disk.clear_faults().expect("a disk that is well");
    for (n, body) in bodies.iter().enumerate() {
        assert!(s3.get(&format!("/failing/{n}")).await.expect(200).body == *body);
    }
    node.assert_no_orphans().await;
    assert_eq!(node.ended(), None);
}

/// A node whose backend, and nothing else, lies on a disk that fails.
async fn start(test: &str) -> Option<(Node, Disk)> {
    let disk = Disk::mount(test)?;
    let config = NodeConfig {
        backend: Some(disk.folder("backend")),
        ..NodeConfig::default()
    };
    Some((Node::start(&config).await, disk))
}
