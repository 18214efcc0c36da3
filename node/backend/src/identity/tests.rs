use bytes::Bytes;
use raft_types::IncarnationCounter;

use super::*;
use crate::fault::{Fault, Faulty, Script, When};
use crate::memory::MemoryBackend;

fn identity() -> Identity {
    Identity {
        cluster: ClusterId([0xc1; 16]),
        incarnation: Incarnation {
            counter: IncarnationCounter(4),
            tag: 0xfeed,
        },
        backend: BackendId(7),
        nonce: BackendNonce([0x0e; 16]),
    }
}

fn incarnation(counter: u32, tag: u64) -> Identity {
    let incarnation = Incarnation {
        counter: IncarnationCounter(counter),
        tag,
    };
    Identity {
        incarnation,
        ..identity()
    }
}

fn backend() -> (MemoryBackend, KeyPrefix) {
    (
        MemoryBackend::new(BackendName::new("b").unwrap()),
        KeyPrefix::parse("pre/fix").unwrap(),
    )
}

#[test]
fn an_identity_has_exactly_one_spelling() {
    let text = identity().to_string();
    assert_eq!(
        text,
        "holdfast backend identity 1\n\
         cluster c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1\n\
         incarnation 00000004000000000000feed\n\
         backend 7\n\
         nonce 0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e\n\
         check b3faf86bcd1fd249\n"
    );
    assert_eq!(Identity::parse(text.as_bytes()), Some(identity()));
    for changed in [
        text.trim_end().to_owned(),
        text.replace('\n', "\r\n"),
        text.replace("backend 7", "backend 07"),
        text.replace("backend 7", "backend 8"),
        text.replace("identity 1", "identity 2"),
        format!("{text}\n"),
        format!("\u{feff}{text}"),
        String::new(),
    ] {
        assert_eq!(Identity::parse(changed.as_bytes()), None, "{changed:?}");
    }
}

#[test]
fn no_changed_bit_and_no_cut_passes_for_an_identity() {
    let bytes = identity().to_string().into_bytes();
    for at in 0..bytes.len() {
        assert_eq!(Identity::parse(&bytes[..at]), None, "cut at {at}");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert_eq!(Identity::parse(&changed), None, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_difference_has_its_verdict() {
    let ours = identity();
    let judge = |found| ours.judge(Found::Identity(found));
    assert_eq!(judge(ours), Verdict::Ours);
    assert_eq!(ours.judge(Found::Missing), Verdict::Missing);
    assert_eq!(
        ours.judge(Found::Unreadable),
        Verdict::Foreign(Foreign::Unreadable)
    );

    let other = Identity {
        cluster: ClusterId([2; 16]),
        ..ours
    };
    assert_eq!(judge(other), Verdict::Foreign(Foreign::OtherCluster(other)));
    let other = Identity {
        backend: BackendId(8),
        ..ours
    };
    assert_eq!(judge(other), Verdict::Foreign(Foreign::OtherBackend(other)));
    let other = Identity {
        nonce: BackendNonce([1; 16]),
        ..ours
    };
    assert_eq!(judge(other), Verdict::Foreign(Foreign::OtherNonce(other)));

    assert_eq!(
        judge(incarnation(3, 9)),
        Verdict::EarlierIncarnation(incarnation(3, 9))
    );
    assert_eq!(
        judge(incarnation(5, 9)),
        Verdict::Foreign(Foreign::LaterIncarnation(incarnation(5, 9)))
    );
    assert_eq!(
        judge(incarnation(4, 9)),
        Verdict::Foreign(Foreign::OtherRestore(incarnation(4, 9)))
    );
}

#[test]
fn an_earlier_incarnation_with_another_nonce_is_foreign() {
    let found = Identity {
        nonce: BackendNonce([1; 16]),
        ..incarnation(3, 9)
    };
    assert_eq!(
        identity().judge(Found::Identity(found)),
        Verdict::Foreign(Foreign::OtherNonce(found))
    );
}

#[tokio::test]
async fn attaching_writes_the_identity_once_and_may_be_repeated() {
    let (backend, prefix) = backend();
    assert_eq!(read_identity(&backend, &prefix).await.unwrap(), Found::Missing);
    write_identity(&backend, &prefix, &identity()).await.unwrap();
    write_identity(&backend, &prefix, &identity()).await.unwrap();
    assert_eq!(
        read_identity(&backend, &prefix).await.unwrap(),
        Found::Identity(identity())
    );
    assert_eq!(backend.keys(), ["pre/fix/.holdfast/identity"]);
}

#[tokio::test]
async fn attaching_never_replaces_an_identity_not_even_an_earlier_one_of_ours() {
    for there in [
        incarnation(3, 9),
        Identity {
            cluster: ClusterId([2; 16]),
            ..identity()
        },
    ] {
        let (backend, prefix) = backend();
        write_identity(&backend, &prefix, &there).await.unwrap();
        let error = write_identity(&backend, &prefix, &identity()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotOurs { .. }), "{error}");
        assert_eq!(
            read_identity(&backend, &prefix).await.unwrap(),
            Found::Identity(there)
        );
    }
}

#[tokio::test]
async fn only_an_earlier_incarnation_of_the_same_row_is_taken_over() {
    let (backend, prefix) = backend();
    assert!(
        take_over(&backend, &prefix, &identity()).await.is_err(),
        "nothing there"
    );

    write_identity(&backend, &prefix, &incarnation(3, 9))
        .await
        .unwrap();
    take_over(&backend, &prefix, &identity()).await.unwrap();
    take_over(&backend, &prefix, &identity()).await.unwrap();
    assert_eq!(
        read_identity(&backend, &prefix).await.unwrap(),
        Found::Identity(identity())
    );

    for past in [incarnation(3, 9), incarnation(4, 1)] {
        let error = take_over(&backend, &prefix, &past).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotOurs { .. }), "{error}");
    }
    assert_eq!(
        read_identity(&backend, &prefix).await.unwrap(),
        Found::Identity(identity())
    );
}

#[tokio::test]
async fn a_user_file_in_the_place_of_the_identity_is_foreign_whatever_its_size() {
    for planted in [
        Bytes::from_static(b"mine"),
        Bytes::from(vec![b'x'; 1 << 20]),
        Bytes::new(),
    ] {
        let (backend, prefix) = backend();
        backend.plant("pre/fix/.holdfast/identity", planted.clone());
        assert_eq!(read_identity(&backend, &prefix).await.unwrap(), Found::Unreadable);
        assert!(write_identity(&backend, &prefix, &identity()).await.is_err());
        assert!(take_over(&backend, &prefix, &identity()).await.is_err());
        assert_eq!(backend.bytes("pre/fix/.holdfast/identity"), Some(planted));
    }
}

#[tokio::test]
async fn of_clusters_that_attach_at_once_one_wins_and_the_other_knows() {
    let (memory, prefix) = backend();
    let script = Script::seeded(1);
    let backend = Faulty::new(memory, script.clone());
    let (ours, theirs) = (
        identity(),
        Identity {
            cluster: ClusterId([2; 16]),
            ..identity()
        },
    );
    // Both have seen that nothing is there.
    let rule = script.on(Operation::Put, When::First(2), Fault::Stall);
    let release = async {
        script.until_fired(rule, 2).await;
        script.release().await;
    };
    let (left, right, ()) = tokio::join!(
        write_identity(&backend, &prefix, &ours),
        write_identity(&backend, &prefix, &theirs),
        release,
    );
    let (winner, error) = match (left, right) {
        (Ok(()), Err(error)) => (ours, error),
        (Err(error), Ok(())) => (theirs, error),
        outcomes => panic!("{outcomes:?}"),
    };
    assert!(matches!(error.kind(), ErrorKind::NotOurs { .. }), "{error:?}");
    assert_eq!(
        read_identity(&backend, &prefix).await.unwrap(),
        Found::Identity(winner)
    );
}
