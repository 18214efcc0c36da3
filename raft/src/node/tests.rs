use std::sync::mpsc;

use bytes::Bytes;

use super::*;
use crate::consensus::Proposal;
use crate::handle::{ProposeError, Role};
use crate::log::batch::CommandBatch;
use crate::testing::{history, open, options, pristine};
use crate::{ExecuteError, Session, SessionOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_core_that_dies_ends_the_process_and_leaves_nothing_that_looks_alive() {
    let folder = tempfile::tempdir().unwrap();
    let (causes, reported) = mpsc::channel();
    let mut options = options(&folder.path().join("data"));
    options.fatal = Fatal::with(move |cause| causes.send(cause.clone()).unwrap());
    let node = Store::open(options)
        .unwrap()
        .bootstrap(NodeOptions::default())
        .await
        .unwrap();
    let handle = node.handle();
    let session = Session::open(
        &handle,
        SessionOptions {
            deadline: Duration::from_millis(100),
        },
    )
    .await
    .unwrap();

    // What a later release may have written: past every check of the handle, into the log.
    let poison = CommandBatch {
        now: 0,
        commands: vec![Bytes::from_static(b"\xff\xff")],
    };
    let raft = handle.shared().raft.clone();
    raft.client_write(Proposal(poison.to_bytes())).await.unwrap_err();

    let cause = reported.recv().unwrap();
    assert!(
        matches!(cause, FatalCause::Apply(_) | FatalCause::CoreStopped(_)),
        "{cause}"
    );
    handle
        .leadership()
        .wait_for(|leadership| leadership.role == Role::Stopped)
        .await
        .unwrap();
    assert!(handle.barrier().await.is_err());
    let error = session
        .execute(history::create_bucket("bucket"))
        .await
        .unwrap_err();
    assert!(!matches!(error, ExecuteError::SessionSealed), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_this_release_cannot_read_is_not_let_into_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let node = pristine(folder.path())
        .bootstrap(NodeOptions::default())
        .await
        .unwrap();
    let handle = node.handle();
    let future_version = Bytes::from_static(&[0x08, 0x63, 0x12, 0x00]);
    for unreadable in [Bytes::from_static(b"\xff\xff"), Bytes::new(), future_version] {
        let refused = handle.propose(unreadable).await;
        assert!(matches!(refused, Err(ProposeError::Unreadable(_))), "{refused:?}");
    }
    let session = Session::open(&handle, SessionOptions::default()).await.unwrap();
    session.execute(history::create_bucket("bucket")).await.unwrap();
    drop((session, handle));
    node.shutdown().await.unwrap();
    let node = open(folder.path()).start(NodeOptions::default()).await.unwrap();
    node.wait_until_recovered(Duration::from_secs(30)).await.unwrap();
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_in_order_is_not_fatal() {
    let folder = tempfile::tempdir().unwrap();
    // The fatal action of these options fails the test.
    let node = pristine(folder.path())
        .bootstrap(NodeOptions::default())
        .await
        .unwrap();
    let handle = node.handle();
    node.shutdown().await.unwrap();
    assert!(handle.barrier().await.is_err());
}
