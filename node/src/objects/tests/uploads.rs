//! Multipart uploads: parts, completions and aborts that meet each other.

use std::time::Duration;

use api::port::{BodyError, ChecksumAlgorithm, ChecksumType, Error, StoredPart};
use bytes::Bytes;
use raft_types::limits::MIN_PART_SIZE;
use raft_types::records::DeathCause;

use crate::testing::{Fate, Options, TestBody, World, bytes};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn stored(world: &World, upload: &api::port::UploadId, number: u64, body: &Bytes) -> StoredPart {
    world.part("k", upload, number, TestBody::of(body)).await.unwrap()
}

#[tokio::test]
async fn listed_parts_become_the_object_and_all_other_bytes_go() {
    let world = World::new().await;
    let upload = world.create_upload("k", None).await;
    let large = bytes(1, MIN_PART_SIZE as usize);
    let first = stored(&world, &upload, 3, &large).await;
    stored(&world, &upload, 7, &bytes(2, 50_000)).await;
    let last = bytes(3, 1_234);
    let replaced = stored(&world, &upload, 9, &bytes(4, 60_000)).await;
    let second = stored(&world, &upload, 9, &last).await;
    assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
    // The part that was replaced is not there to be listed.
    let listed = world.complete("k", &upload, &[(3, &first), (9, &replaced)]).await;
    assert_eq!(
        listed.unwrap_err(),
        Error::InvalidPart(api::port::PartNumber::new(9).unwrap())
    );
    let object = world
        .complete("k", &upload, &[(3, &first), (9, &second)])
        .await
        .unwrap();
    assert!(object.etag.as_str().ends_with("-2"));
    assert!(world.get("k").await.unwrap() == [&large[..], &last].concat());
    world.jobs.release().await;
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 2);
    let around = MIN_PART_SIZE - 3..MIN_PART_SIZE + 3;
    let across = world.open("k", around).await.unwrap();
    let expected = [&large[large.len() - 3..], &last[..3]].concat();
    assert!(crate::testing::collect(across).await.unwrap() == expected);
    world.delete("k").await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing_however_many_parts_it_had() {
    let world = World::new().await;
    let upload = world.create_upload("k", None).await;
    for number in 1..=230 {
        stored(&world, &upload, number, &bytes(number, 20)).await;
    }
    world.abort("k", &upload).await.unwrap();
    assert_eq!(world.abort("k", &upload).await, Err(Error::NoSuchUpload));
    let part = world.part("k", &upload, 1, TestBody::of(&bytes(1, 20))).await;
    assert_eq!(part.unwrap_err(), Error::NoSuchUpload);
    assert_eq!(world.attempts_on(0).len(), 230);
    world.jobs.release().await;
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_part_that_is_committed_after_its_upload_ended_dies_in_the_same_apply() {
    for end in [true, false] {
        let mut world = World::new().await;
        let upload = world.create_upload("k", None).await;
        let first = stored(&world, &upload, 1, &bytes(1, 100)).await;
        let late = bytes(2, 900_000);
        let (feeder, body) = TestBody::fed(late.len());
        let part = world.begin_part("k", &upload, 2, body).await;
        feeder.send(late);
        if end {
            world.complete("k", &upload, &[(1, &first)]).await.unwrap();
        } else {
            world.abort("k", &upload).await.unwrap();
        }
        drop(feeder);
        assert_eq!(part.await.unwrap(), Err(Error::NoSuchUpload));
        let causes: Vec<_> = world.rows().garbage.into_values().map(|row| row.cause).collect();
        assert_eq!(causes, [DeathCause::Rejected]);
        assert_eq!(world.jobs.discard().await, 0);
        assert_eq!(world.get("k").await.is_ok(), end);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_answered_alike_when_repeated() {
    let world = World::new().await;
    let upload = world.create_upload("k", None).await;
    let part = stored(&world, &upload, 1, &bytes(1, 100)).await;
    world.wire.next("CompleteUpload", Fate::AnswerLost);
    let lost = world.complete("k", &upload, &[(1, &part)]).await;
    assert!(matches!(lost, Err(Error::Unavailable { .. })), "{lost:?}");
    let first = world.complete("k", &upload, &[(1, &part)]).await.unwrap();
    // An overwrite later does not change what the repetition says, nor does it come back.
    world.put("k", &bytes(2, 50)).await.unwrap();
    let again = world.complete("k", &upload, &[(1, &part)]).await.unwrap();
    assert_eq!(again, first);
    assert!(world.get("k").await.unwrap() == bytes(2, 50));
    assert_eq!(world.abort("k", &upload).await, Err(Error::NoSuchUpload));
    world.finish().await;
}

#[tokio::test]
async fn a_completion_that_was_not_taken_can_be_repeated() {
    let world = World::new().await;
    let upload = world.create_upload("k", None).await;
    let part = stored(&world, &upload, 1, &bytes(1, 100)).await;
    for fate in [Fate::NotTaken, Fate::Lost] {
        world.wire.next("CompleteUpload", fate);
        let failed = world.complete("k", &upload, &[(1, &part)]).await;
        assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
        assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
    }
    world.complete("k", &upload, &[(1, &part)]).await.unwrap();
    assert!(world.get("k").await.unwrap() == bytes(1, 100));
    world.finish().await;
}

#[tokio::test]
async fn of_a_completion_and_an_abort_that_race_exactly_one_happens() {
    for completed_first in [true, false] {
        let world = World::new().await;
        let upload = world.create_upload("k", None).await;
        let part = stored(&world, &upload, 1, &bytes(1, 100)).await;
        // One of them has read its view when the other one is applied.
        let held = if completed_first {
            "AbortUpload"
        } else {
            "CompleteUpload"
        };
        world.wire.next(held, Fate::Held);
        let parts = [(1, &part)];
        let met = async {
            world.wire.until_met(1).await;
            let result = if completed_first {
                world.complete("k", &upload, &parts).await.map(drop)
            } else {
                world.abort("k", &upload).await
            };
            world.wire.release();
            result
        };
        let other = async {
            if completed_first {
                world.abort("k", &upload).await
            } else {
                world.complete("k", &upload, &parts).await.map(drop)
            }
        };
        let (won, lost) = tokio::join!(met, other);
        assert_eq!((won, lost), (Ok(()), Err(Error::NoSuchUpload)));
        assert_eq!(world.get("k").await.is_ok(), completed_first);
        world.finish().await;
    }
}

#[tokio::test]
async fn parts_that_came_or_changed_since_the_list_was_read_are_not_completed() {
    let world = World::new().await;
    let upload = world.create_upload("k", None).await;
    let part = stored(&world, &upload, 1, &bytes(1, 100)).await;
    world.wire.next("CompleteUpload", Fate::Held);
    let complete = world.begin_complete("k", &upload, &[(1, &part)]).await;
    world.wire.until_met(1).await;
    let replaced = stored(&world, &upload, 1, &bytes(2, 100)).await;
    world.wire.release();
    assert_eq!(complete.await.unwrap().unwrap_err(), Error::OperationAborted);
    world.complete("k", &upload, &[(1, &replaced)]).await.unwrap();
    assert!(world.get("k").await.unwrap() == bytes(2, 100));
    world.finish().await;
}

#[tokio::test]
async fn a_part_without_a_checksum_gets_the_one_that_its_upload_was_begun_with() {
    for size in [0, 100, 900_000] {
        let world = World::new().await;
        let kind = (ChecksumAlgorithm::Sha256, ChecksumType::Composite);
        let upload = world.create_upload("k", Some(kind)).await;
        let part = stored(&world, &upload, 1, &bytes(1, size)).await;
        let checksum = part.checksum.expect("it was computed");
        assert_eq!(checksum.algorithm(), ChecksumAlgorithm::Sha256);
        let object = world.complete("k", &upload, &[(1, &part)]).await.unwrap();
        assert_eq!(object.checksum.unwrap().kind, ChecksumType::Composite);
        assert!(world.get("k").await.unwrap() == bytes(1, size));
        world.finish().await;
    }
}

#[tokio::test]
async fn refused_parts_leave_nothing() {
    let mut world = World::new().await;
    let upload = world.create_upload("k", None).await;
    for size in [100, 900_000] {
        let refused = TestBody::of(&bytes(1, size)).refused_at_end(BodyError::Md5Mismatch);
        let part = world.part("k", &upload, 1, refused).await;
        assert_eq!(part, Err(Error::Body(BodyError::Md5Mismatch)));
        world.wire.next("CommitPart", Fate::NotTaken);
        let part = world.part("k", &upload, 1, TestBody::of(&bytes(1, size))).await;
        assert!(matches!(part, Err(Error::Unavailable { .. })), "{part:?}");
    }
    world.assert_handed_over().await;
    assert!(world.rows().parts.is_empty());
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.abort("k", &upload).await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn results_of_completions_are_forgotten_a_day_later_and_not_before() {
    let options = Options {
        clock_behind: 2 * DAY,
        ..Options::default()
    };
    let world = World::with(options).await;
    let mut uploads = Vec::new();
    // More than are forgotten in one step.
    for n in 0..103 {
        let key = format!("k{n}");
        let upload = world.create_upload(&key, None).await;
        let part = world
            .part(&key, &upload, 1, TestBody::of(&bytes(n, 10)))
            .await
            .unwrap();
        world.complete(&key, &upload, &[(1, &part)]).await.unwrap();
        uploads.push((key, upload, part));
    }
    // This node's clock says that it is time, the replicated one does not: nothing happens, and the
    // step ends.
    world.clock.set_behind(2 * DAY - Duration::from_secs(60 * 60));
    world.jobs.expire().await;
    assert_eq!(world.rows().completions.len(), 103);
    let (key, upload, part) = &uploads[0];
    world.complete(key, upload, &[(1, part)]).await.unwrap();
    world.clock.set_behind(Duration::ZERO);
    world.put("tick", &Bytes::new()).await.unwrap();
    world.jobs.expire().await;
    assert_eq!(world.rows().completions.len(), 0);
    let again = world.complete(key, upload, &[(1, part)]).await;
    assert_eq!(again.unwrap_err(), Error::NoSuchUpload);
    assert!(world.get(key).await.unwrap() == bytes(0, 10));
    world.finish().await;
}
