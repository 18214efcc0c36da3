use std::num::NonZeroUsize;

use bytes::Bytes;
use raft_types::checksum::Crc64;

use super::*;
use crate::download::ByteRange;
use crate::error::Class;
use crate::listing::Listing;
use crate::memory::MemoryBackend;
use crate::port::Confirmation;

const BODY: &[u8] = b"all attempts of one blob carry the same bytes";

fn unavailable() -> ErrorKind {
    ErrorKind::Unavailable
}

fn not_found() -> ErrorKind {
    ErrorKind::NotFound
}

fn faulty() -> (Faulty<MemoryBackend>, Script, BackendKey) {
    let script = Script::seeded(7);
    let memory = MemoryBackend::new(BackendName::new("b").unwrap());
    (
        Faulty::new(memory, script.clone()),
        script,
        BackendKey::parse("k").unwrap(),
    )
}

async fn put(backend: &Faulty<MemoryBackend>, key: &BackendKey) -> Result<Stored> {
    backend
        .put(
            key,
            Body::from_bytes(Bytes::from_static(BODY)),
            PutOptions::default(),
        )
        .await
}

async fn get(backend: &Faulty<MemoryBackend>, key: &BackendKey) -> Result<Bytes> {
    backend
        .get(key, GetOptions::default())
        .await?
        .body
        .collect()
        .await
}

fn checksum() -> Crc64 {
    Crc64(crc_fast::crc64_nvme(BODY))
}

#[tokio::test]
async fn an_empty_script_changes_nothing() {
    let (backend, _script, key) = faulty();
    assert_eq!(
        put(&backend, &key)
            .await
            .unwrap()
            .confirms(BODY.len() as u64, checksum()),
        Confirmation::Confirmed
    );
    assert_eq!(get(&backend, &key).await.unwrap(), BODY);
}

#[tokio::test]
async fn an_error_before_the_effect_leaves_none_and_one_after_it_leaves_all() {
    let (backend, script, key) = faulty();
    let before = script.on(Operation::Put, When::First(1), Fault::FailBefore(unavailable));
    let after = script.on(Operation::Put, When::First(1), Fault::FailAfter(unavailable));

    assert_eq!(put(&backend, &key).await.unwrap_err().class(), Class::Retry);
    assert!(backend.inner().keys().is_empty());
    assert_eq!(put(&backend, &key).await.unwrap_err().class(), Class::Retry);
    assert_eq!(backend.inner().keys(), ["k"]);
    assert_eq!((script.fired(before), script.fired(after)), (1, 1));
}

#[tokio::test]
async fn a_truncated_or_changed_store_is_a_success_that_evidence_refutes() {
    for fault in [
        Fault::Truncate { keep: 5 },
        Fault::FlipBit { at: 1_000 },
        Fault::WrongEvidence,
    ] {
        let (backend, script, key) = faulty();
        let rule = script.on(Operation::Put, When::Always, fault.clone());
        let stored = put(&backend, &key).await.unwrap();
        assert_eq!(
            stored.confirms(BODY.len() as u64, checksum()),
            Confirmation::Differs,
            "{fault:?}"
        );
        assert_eq!(script.fired(rule), 1);
    }
}

#[tokio::test]
async fn a_liar_confirms_what_it_did_not_do() {
    let (backend, script, key) = faulty();
    let rule = script.on(Operation::Put, When::Always, Fault::Lie);
    let stored = put(&backend, &key).await.unwrap();
    assert_eq!(
        stored.confirms(BODY.len() as u64, checksum()),
        Confirmation::Confirmed
    );
    assert!(get(&backend, &key).await.unwrap_err().is_not_found());
    script.end(rule);

    put(&backend, &key).await.unwrap();
    script.on(Operation::Delete, When::Always, Fault::Lie);
    backend
        .delete(&[Target::current(key.clone())])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(backend.inner().keys(), ["k"]);
}

#[tokio::test]
async fn a_late_put_lands_after_the_delete_that_followed_it() {
    let (backend, script, key) = faulty();
    script.on(Operation::Put, When::Always, Fault::Late(unavailable));
    put(&backend, &key).await.unwrap_err();
    backend
        .delete(&[Target::current(key.clone())])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert!(backend.inner().keys().is_empty());
    script.release().await;
    assert_eq!(backend.inner().bytes("k").unwrap(), BODY);
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error_whether_it_ends_cleanly_or_breaks() {
    let (backend, script, key) = faulty();
    put(&backend, &key).await.unwrap();
    for keep in [0, 1, BODY.len() - 1] {
        let rule = script.on(Operation::Get, When::Always, Fault::Truncate { keep });
        assert_eq!(get(&backend, &key).await.unwrap_err().class(), Class::Suspect);
        script.end(rule);
        let rule = script.on(
            Operation::Get,
            When::Always,
            Fault::Reset {
                keep,
                error: unavailable,
            },
        );
        assert_eq!(get(&backend, &key).await.unwrap_err().class(), Class::Retry);
        script.end(rule);
    }
    assert_eq!(get(&backend, &key).await.unwrap(), BODY);
}

#[tokio::test]
async fn wrong_bytes_come_without_an_error() {
    let (backend, script, key) = faulty();
    put(&backend, &key).await.unwrap();
    let rule = script.on(Operation::Get, When::Always, Fault::FlipBit { at: 3 });
    let got = get(&backend, &key).await.unwrap();
    assert_eq!(
        got.iter().zip(BODY).filter(|(left, right)| left != right).count(),
        1
    );
    script.end(rule);

    let rule = script.on(
        Operation::Get,
        When::Always,
        Fault::Answer(Bytes::from_static(b"an old body")),
    );
    assert_eq!(get(&backend, &key).await.unwrap(), "an old body");
    script.end(rule);

    script.on(Operation::Get, When::Always, Fault::IgnoreRange);
    let range = GetOptions::range(ByteRange::new(4, 2).unwrap());
    let download = backend.get(&key, range).await.unwrap();
    assert_eq!(download.body.length(), BODY.len() as u64);
}

#[tokio::test]
async fn a_key_can_be_there_and_not_there_in_turn() {
    let (backend, script, key) = faulty();
    put(&backend, &key).await.unwrap();
    let rule = script.on(Operation::Head, When::EveryOther, Fault::FailBefore(not_found));
    for _ in 0..3 {
        assert!(backend.head(&key).await.unwrap_err().is_not_found());
        assert!(backend.head(&key).await.is_ok());
    }
    assert_eq!(script.fired(rule), 3);
}

#[tokio::test]
async fn each_key_of_a_delete_has_its_own_fault() {
    let (backend, script, _) = faulty();
    let keys = ["a", "b", "c", "d"].map(|name| BackendKey::parse(name).unwrap());
    for key in &keys {
        put(&backend, key).await.unwrap();
    }
    for (name, fault) in [
        ("a", Fault::FailBefore(unavailable)),
        ("b", Fault::FailAfter(unavailable)),
        ("c", Fault::Lie),
    ] {
        let key = KeyFilter::Contains(name.to_owned());
        script.add(Rule {
            operation: Some(Operation::Delete),
            key,
            when: When::Always,
            fault,
        });
    }
    let targets = keys.map(Target::current);
    let outcomes = backend.delete(&targets).await.unwrap();
    assert_eq!(
        outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [false, false, true, true]
    );
    assert_eq!(backend.inner().keys(), ["a", "c"]);
}

#[tokio::test]
async fn a_listing_can_miss_entries_or_give_them_twice() {
    let (backend, script, _) = faulty();
    for name in ["a", "b", "c", "d", "e"] {
        put(&backend, &BackendKey::parse(name).unwrap()).await.unwrap();
    }
    let request = ListRequest::first(Listing::Objects, KeyPrefix::root());
    let keys = async || {
        let page = backend.list(&request).await.unwrap();
        page.entries
            .into_iter()
            .map(|entry| entry.key)
            .collect::<String>()
    };
    let rule = script.on(
        Operation::List,
        When::Always,
        Fault::Omit {
            every: NonZeroUsize::new(2).unwrap(),
        },
    );
    assert_eq!(keys().await, "ace");
    script.end(rule);
    script.on(Operation::List, When::First(1), Fault::Duplicate);
    assert_eq!(keys().await, "aabbccddee");
    assert_eq!(keys().await, "abcde");
}

#[tokio::test]
async fn a_stalled_request_goes_on_when_it_is_released() {
    let (backend, script, key) = faulty();
    let rule = script.on(Operation::Put, When::First(1), Fault::Stall);
    let stalled = put(&backend, &key);
    let test = async {
        script.until_fired(rule, 1).await;
        assert!(backend.inner().keys().is_empty());
        script.release().await;
    };
    let (stored, ()) = tokio::join!(stalled, test);
    stored.unwrap();
    assert_eq!(backend.inner().keys(), ["k"]);
}

#[tokio::test]
async fn one_seed_gives_one_sequence_of_faults() {
    let mut sequences = Vec::new();
    for seed in [1, 1, 2] {
        let script = Script::seeded(seed);
        let rule = script.on(
            Operation::Head,
            When::PerMille(300),
            Fault::FailBefore(unavailable),
        );
        let sequence: Vec<bool> = (0..1_000)
            .map(|_| script.fire(Operation::Head, None).is_some())
            .collect();
        let fired = script.fired(rule);
        assert_eq!(fired, sequence.iter().filter(|fired| **fired).count() as u64);
        assert!((200..400).contains(&fired), "{fired}");
        sequences.push(sequence);
    }
    assert_eq!(sequences[0], sequences[1]);
    assert_ne!(sequences[0], sequences[2]);
}

#[tokio::test]
async fn the_nth_request_of_a_key_is_found_among_others() {
    let (backend, script, _) = faulty();
    let key = KeyFilter::Contains("hot".to_owned());
    let when = When::Nth(3);
    let rule = Rule {
        operation: None,
        key,
        when,
        fault: Fault::FailBefore(unavailable),
    };
    let rule = script.add(rule);
    let hot = BackendKey::parse("hot").unwrap();
    let cold = BackendKey::parse("cold").unwrap();
    put(&backend, &hot).await.unwrap();
    for _ in 0..5 {
        assert!(backend.head(&cold).await.unwrap_err().is_not_found());
    }
    backend.head(&hot).await.unwrap();
    assert_eq!(backend.head(&hot).await.unwrap_err().class(), Class::Retry);
    backend.head(&hot).await.unwrap();
    assert_eq!(script.fired(rule), 1);
}
