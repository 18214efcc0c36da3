use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use proptest::prelude::*;
use raft_machine::{EntryContext, MemoryTables, Transaction, queries};
use raft_types::{BucketName, MillisUtc, NodeId, Record};

use super::*;
use crate::testing::history::{self, CLUSTER, create_bucket};

/// What happens to a proposal on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is applied and answered.
    Answered,
    /// It is applied, and the answer is lost.
    AnswerLost,
    /// It is lost, and nobody knows.
    Lost,
    /// It is refused before it reaches the log.
    NotLeader,
    Overloaded,
    /// It is on its way for long: it is applied before the proposal after the next one.
    Delayed,
    Shutdown,
}

/// A state machine behind a bad network.
#[derive(Clone, Default)]
struct Network {
    inner: Arc<Mutex<Inner>>,
    proposals: Arc<AtomicU64>,
}

#[derive(Default)]
struct Inner {
    tables: MemoryTables,
    index: u64,
    fates: VecDeque<Fate>,
    /// What every proposal meets once the script is over.
    then: Option<Fate>,
    delayed: VecDeque<(u32, Bytes)>,
}

impl Inner {
    fn apply(&mut self, envelope: Bytes) -> Applied {
        self.index += 1;
        let at = EntryContext {
            term: 1,
            index: self.index,
            position: 0,
            now: MillisUtc(self.index),
        };
        let mut transaction = Transaction::new(&self.tables);
        let applied = raft_machine::apply(&mut transaction, &at, envelope).unwrap();
        let writes: Vec<_> = transaction.into_writes().collect();
        self.tables.write(writes);
        Applied {
            index: self.index,
            outcome: applied.outcome,
        }
    }

    fn deliver_delayed(&mut self) {
        for (left, _) in &mut self.delayed {
            *left = left.saturating_sub(1);
        }
        while self.delayed.front().is_some_and(|(left, _)| *left == 0) {
            let (_, envelope) = self.delayed.pop_front().unwrap();
            self.apply(envelope);
        }
    }
}

impl Network {
    fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let network = Self::default();
        {
            let mut inner = network.inner.lock();
            inner.apply(history::bind());
            inner.apply(history::open_session(1));
            inner.fates = fates.into_iter().collect();
        }
        network
    }

    fn then(self, fate: Fate) -> Self {
        self.inner.lock().then = Some(fate);
        self
    }

    fn bucket(&self, name: &str) -> bool {
        let name = BucketName::new(name).unwrap();
        queries::bucket_by_name(&self.inner.lock().tables, &name)
            .unwrap()
            .is_some()
    }

    fn set(&self, fates: impl IntoIterator<Item = Fate>) {
        let mut inner = self.inner.lock();
        inner.fates = fates.into_iter().collect();
        inner.then = None;
    }
}

impl Propose for Network {
    async fn propose(&self, envelope: Bytes) -> Result<Applied, ProposeError> {
        self.proposals.fetch_add(1, Ordering::SeqCst);
        let mut inner = self.inner.lock();
        inner.deliver_delayed();
        let fate = inner.fates.pop_front().or(inner.then).unwrap_or(Fate::Answered);
        match fate {
            Fate::Answered => Ok(inner.apply(envelope)),
            Fate::AnswerLost => {
                inner.apply(envelope);
                Err(ProposeError::Unknown)
            }
            Fate::Lost => Err(ProposeError::Unknown),
            Fate::NotLeader => Err(ProposeError::NotLeader { leader: None }),
            Fate::Overloaded => Err(ProposeError::Overloaded {
                retry_after: Duration::from_secs(1),
            }),
            Fate::Delayed => {
                inner.delayed.push_back((2, envelope));
                Err(ProposeError::Unknown)
            }
            Fate::Shutdown => Err(ProposeError::Shutdown),
        }
    }

    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
}

fn session(network: &Network) -> Arc<SessionCore<Network>> {
    let options = SessionOptions {
        deadline: Duration::from_millis(200),
    };
    SessionCore::start(
        network.clone(),
        SessionId(1),
        options,
        &tokio::runtime::Handle::current(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_answer_was_lost_is_answered_with_what_it_came_to() {
    let network = Network::new([Fate::AnswerLost, Fate::AnswerLost, Fate::Answered]);
    let outcome = session(&network).execute(create_bucket("bucket")).await.unwrap();
    // Applied again it would have found its own bucket.
    assert!(matches!(outcome, Outcome::BucketCreated(_)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_command_is_sent_again_until_it_is_applied() {
    let network = Network::new([
        Fate::Lost,
        Fate::NotLeader,
        Fate::Lost,
        Fate::Overloaded,
        Fate::Answered,
    ]);
    let outcome = session(&network).execute(create_bucket("bucket")).await.unwrap();
    assert!(matches!(outcome, Outcome::BucketCreated(_)), "{outcome:?}");
    assert_eq!(network.proposals.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_an_outcome() {
    let network = Network::new([]);
    let session = session(&network);
    session.execute(create_bucket("bucket")).await.unwrap();
    let outcome = session.execute(create_bucket("bucket")).await.unwrap();
    assert!(
        matches!(outcome, Outcome::Rejected(Rejection::BucketExists(_))),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_never_reached_the_log_is_certainly_not_applied_and_its_number_is_free() {
    let network = Network::new([]).then(Fate::NotLeader);
    let session = session(&network);
    let error = session.execute(create_bucket("bucket")).await.unwrap_err();
    assert!(
        matches!(error, ExecuteError::NotApplied(ProposeError::NotLeader { .. })),
        "{error}"
    );
    network.set([]);
    session.execute(create_bucket("other")).await.unwrap();
    assert!(!network.bucket("bucket"));
    assert_eq!(session.numbers.settled_below(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_node_says_so_at_once() {
    let network = Network::new([Fate::Overloaded]);
    let error = session(&network)
        .execute(create_bucket("bucket"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ExecuteError::NotApplied(ProposeError::Overloaded { .. })),
        "{error}"
    );
    assert_eq!(network.proposals.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_given_up_before_it_was_applied_is_cancelled_for_ever() {
    let network = Network::new([]).then(Fate::Lost);
    let session = session(&network);
    let error = session.execute(create_bucket("bucket")).await.unwrap_err();
    let ExecuteError::Unknown { number } = error else {
        panic!("{error}")
    };
    network.set([]);
    assert_eq!(session.settled.wait(number).await, Some(Outcome::Cancelled));
    // A late delivery changes nothing.
    let late = history::numbered(1, number, 1, create_bucket("bucket"));
    let outcome = network.inner.lock().apply(late).outcome;
    assert_eq!(outcome, Outcome::Cancelled);
    assert!(!network.bucket("bucket"));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_given_up_after_it_was_applied_is_settled_with_its_outcome() {
    let network = Network::new([Fate::AnswerLost]).then(Fate::Lost);
    let session = session(&network);
    let error = session.execute(create_bucket("bucket")).await.unwrap_err();
    let ExecuteError::Unknown { number } = error else {
        panic!("{error}")
    };
    network.set([Fate::Lost, Fate::AnswerLost, Fate::NotLeader, Fate::Overloaded]);
    let outcome = session.settled.wait(number).await;
    assert!(matches!(outcome, Some(Outcome::BucketCreated(_))), "{outcome:?}");
    assert!(network.bucket("bucket"));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_settles_the_number() {
    let network = Network::new([Fate::AnswerLost]).then(Fate::Lost);
    let session = session(&network);
    let execute = session.execute(create_bucket("bucket"));
    // Long enough for the first try, too short for the deadline.
    assert!(
        tokio::time::timeout(Duration::from_millis(50), execute)
            .await
            .is_err()
    );
    assert_eq!(session.numbers.settled_below(), 1);
    network.set([]);
    let outcome = session.settled.wait(1).await;
    assert!(matches!(outcome, Some(Outcome::BucketCreated(_))), "{outcome:?}");
    session.execute(create_bucket("other")).await.unwrap();
    assert_eq!(session.numbers.settled_below(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_sealed_session_fails_everything_and_says_so() {
    let network = Network::new([]);
    let session = session(&network);
    session.execute(create_bucket("bucket")).await.unwrap();
    network.inner.lock().apply(history::open_session(2));
    let sealed = session.sealed.subscribe();
    assert!(!*sealed.borrow());
    let error = session.execute(create_bucket("other")).await.unwrap_err();
    assert_eq!(error, ExecuteError::SessionSealed);
    assert!(*sealed.borrow());
    let before = network.proposals.load(Ordering::SeqCst);
    assert_eq!(
        session.execute(create_bucket("other")).await,
        Err(ExecuteError::SessionSealed)
    );
    assert_eq!(network.proposals.load(Ordering::SeqCst), before, "not even sent");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_number_hears_when_the_session_is_sealed_first() {
    let network = Network::new([]).then(Fate::Lost);
    let session = session(&network);
    let error = session.execute(create_bucket("bucket")).await.unwrap_err();
    let ExecuteError::Unknown { number } = error else {
        panic!("{error}")
    };
    network.inner.lock().apply(history::open_session(2));
    network.set([]);
    assert_eq!(session.settled.wait(number).await, None);
    assert!(*session.sealed.borrow());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_shuts_down_fails_at_once_without_concluding_anything() {
    let network = Network::new([Fate::Shutdown]);
    let error = session(&network)
        .execute(create_bucket("bucket"))
        .await
        .unwrap_err();
    assert_eq!(error, ExecuteError::NotApplied(ProposeError::Shutdown));
    let network = Network::new([Fate::Lost, Fate::Shutdown]).then(Fate::Shutdown);
    let error = session(&network)
        .execute(create_bucket("bucket"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ExecuteError::Unknown { .. } | ExecuteError::SessionSealed),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn opening_is_repeated_until_it_is_answered_and_a_superseded_boot_is_told() {
    let boot = |number: u64| Boot {
        number,
        nonce: raft_types::BootNonce([u8::try_from(number).unwrap(); 16]),
    };
    let options = SessionOptions::default();
    let network = Network::new([Fate::Lost, Fate::AnswerLost, Fate::NotLeader, Fate::Overloaded]);
    let opened = open(&network, NodeId(1), boot(5), options).await.unwrap();
    assert_eq!(opened, SessionId(2));
    assert_eq!(
        open(&network, NodeId(1), boot(5), options).await.unwrap(),
        opened,
        "a repetition"
    );
    let error = open(&network, NodeId(1), boot(4), options).await.unwrap_err();
    assert_eq!(error, OpenSessionError::Superseded);
    let copy = Boot {
        nonce: raft_types::BootNonce([0xee; 16]),
        ..boot(5)
    };
    assert_eq!(
        open(&network, NodeId(1), copy, options).await.unwrap_err(),
        OpenSessionError::Superseded
    );
    let error = open(&network, NodeId(7), boot(5), options).await.unwrap_err();
    assert_eq!(error, OpenSessionError::NoSuchNode);
    assert_eq!(
        queries::identity(&network.inner.lock().tables)
            .unwrap()
            .unwrap()
            .cluster,
        CLUSTER
    );
}

#[test]
fn an_envelope_of_a_session_can_be_read_back() {
    let bytes = history::numbered(7, 3, 2, create_bucket("bucket"));
    let envelope = Envelope::decode(bytes).unwrap();
    let raft_types::Proposal::Numbered(numbered) = envelope.proposal else {
        panic!()
    };
    assert_eq!(
        (numbered.session, numbered.seq, numbered.settled_below),
        (SessionId(7), 3, 2)
    );
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Answered),
        2 => Just(Fate::AnswerLost),
        2 => Just(Fate::Lost),
        1 => Just(Fate::NotLeader),
        1 => Just(Fate::Overloaded),
        2 => Just(Fate::Delayed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Each command creates a bucket of its own. Whatever the network does: a command that is answered
    /// was applied exactly once, one that is not applied never is, and every unknown one is settled as
    /// what it came to.
    #[test]
    fn every_command_takes_effect_at_most_once_and_is_told_truly(
        fates in prop::collection::vec(fate(), 0..60),
        commands in 1_usize..12,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let network = Network::new(fates);
            let session = session(&network);
            let mut told = Vec::new();
            for command in 0..commands {
                told.push(session.execute(create_bucket(&format!("bucket-{command}"))).await);
            }
            // The network recovers, and what is delayed arrives.
            network.set([]);
            let mut truths = Vec::new();
            for answer in told {
                truths.push(match answer {
                    Ok(outcome) => Some(outcome),
                    Err(ExecuteError::Unknown { number }) => Some(session.settled.wait(number).await.unwrap()),
                    Err(ExecuteError::NotApplied(_)) => None,
                    Err(error) => panic!("{error}"),
                });
            }
            for _ in 0..4 {
                network.inner.lock().deliver_delayed();
            }
            for (command, truth) in truths.into_iter().enumerate() {
                let exists = network.bucket(&format!("bucket-{command}"));
                match truth {
                    Some(Outcome::BucketCreated(_)) => assert!(exists),
                    Some(Outcome::Cancelled) | None => assert!(!exists),
                    // A second application would have found the bucket of the first.
                    Some(other) => panic!("{other:?}"),
                }
            }
        });
    }
}
