//! Deletes: at once for clients, later and surely for bytes.

use api::port::{DeleteObject, Error, ObjectGateway, WriteConditions};

use crate::testing::{Fate, World, bytes, key_of};

fn delete(key: &str) -> DeleteObject {
    DeleteObject {
        bucket: api::port::BucketName::new("bucket").unwrap(),
        key: key_of(key),
        conditions: WriteConditions::default(),
    }
}

#[tokio::test]
async fn a_deleted_object_is_gone_at_once_and_its_bytes_with_the_next_collection() {
    let world = World::new().await;
    world.put("k", &bytes(1, 70_000)).await.unwrap();
    world.delete("k").await.unwrap();
    assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
    assert_eq!(world.attempts_on(0).len(), 1);
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.delete("k").await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn of_many_deletes_those_before_a_lost_command_stand_and_the_rest_is_unknown() {
    let world = World::new().await;
    let body = bytes(1, 10);
    for n in 0..230 {
        world.put(&format!("k{n:03}"), &body).await.unwrap();
    }
    let objects: Vec<_> = (0..230).map(|n| delete(&format!("k{n:03}"))).collect();
    let delete_all = async || {
        let bucket = api::port::BucketName::new("bucket").unwrap();
        let (view, caller) = (world.view().await, world.caller());
        world
            .gateway
            .delete_objects(view, caller, bucket, objects.clone())
            .await
    };
    // Three commands of at most a hundred keys; of the second one nothing is heard.
    world.wire.next("DeleteObjects", Fate::Sent);
    world.wire.next("DeleteObjects", Fate::Lost);
    let results = delete_all().await.unwrap();
    assert!(results[..100].iter().all(Result::is_ok));
    let unknown = |result: &Result<_, Error>| matches!(result, Err(Error::Unavailable { .. }));
    assert!(results[100..].iter().all(unknown));
    assert_eq!(world.rows().current.len(), 130);
    // Where not even the first one gets through, the whole request is answered so.
    world.wire.next("DeleteObjects", Fate::NotTaken);
    assert!(matches!(delete_all().await, Err(Error::Unavailable { .. })));
    assert!(delete_all().await.unwrap().iter().all(Result::is_ok));
    assert_eq!(world.rows().current.len(), 0);
    world.finish().await;
}
