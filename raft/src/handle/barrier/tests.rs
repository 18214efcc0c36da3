use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::*;

type Round = oneshot::Sender<Result<ReadIndex, RoundError>>;

/// A leader that confirms when a test says so.
#[derive(Clone, Default)]
struct Leader {
    rounds: Arc<Mutex<Vec<Round>>>,
    begun: Arc<Notify>,
}

impl ReadIndexSource for Leader {
    async fn read_index(&self) -> Result<ReadIndex, RoundError> {
        let (sender, confirmed) = oneshot::channel();
        self.rounds.lock().push(sender);
        self.begun.notify_one();
        confirmed.await.unwrap_or(Err(RoundError::Stopped))
    }
}

impl Leader {
    /// Waits for a round to begin.
    async fn round(&self) -> Round {
        loop {
            if let Some(round) = self.rounds.lock().pop() {
                return round;
            }
            self.begun.notified().await;
        }
    }
}

fn barrier(leader: &Leader) -> (Arc<Barrier>, watch::Sender<Leadership>) {
    let leadership = watch::Sender::new(Leadership::UNKNOWN);
    let own = OwnState {
        leadership: leadership.subscribe(),
        sole: Arc::default(),
        applied: watch::channel(0).1,
    };
    (Arc::new(start(leader, own)), leadership)
}

fn start(leader: &Leader, own: OwnState) -> Barrier {
    Barrier::start(leader.clone(), own, Duration::from_secs(5))
}

fn read(barrier: &Arc<Barrier>) -> tokio::task::JoinHandle<Answer> {
    let barrier = Arc::clone(barrier);
    tokio::spawn(async move { barrier.wait().await })
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_reader_never_joins_a_round_that_has_begun() {
    let leader = Leader::default();
    let (barrier, _leadership) = barrier(&leader);
    let first = read(&barrier);
    let round = leader.round().await;
    let second = read(&barrier);
    settle().await;
    round.send(Ok(ReadIndex(5))).unwrap();
    assert_eq!(first.await.unwrap(), Ok(ReadIndex(5)));
    let round = leader.round().await;
    assert!(!second.is_finished());
    round.send(Ok(ReadIndex(9))).unwrap();
    assert_eq!(second.await.unwrap(), Ok(ReadIndex(9)));
}

#[tokio::test]
async fn everybody_who_waits_when_a_round_begins_shares_it() {
    let leader = Leader::default();
    let (barrier, _leadership) = barrier(&leader);
    let first = read(&barrier);
    let round = leader.round().await;
    let others: Vec<_> = (0..100).map(|_| read(&barrier)).collect();
    settle().await;
    round.send(Ok(ReadIndex(1))).unwrap();
    first.await.unwrap().unwrap();
    leader.round().await.send(Ok(ReadIndex(2))).unwrap();
    for other in others {
        assert_eq!(other.await.unwrap(), Ok(ReadIndex(2)));
    }
    settle().await;
    assert!(leader.rounds.lock().is_empty(), "no third round");
}

#[tokio::test(start_paused = true)]
async fn readers_wait_for_a_leader_up_to_the_limit_each_for_itself() {
    let leader = Leader::default();
    let (barrier, _leadership) = barrier(&leader);
    let refusing = {
        let leader = leader.clone();
        tokio::spawn(async move {
            loop {
                let _ = leader.round().await.send(Err(RoundError::NoLeader));
            }
        })
    };
    let started = Instant::now();
    let early = read(&barrier);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let late = read(&barrier);
    let waited = Duration::from_secs(5);
    assert_eq!(early.await.unwrap(), Err(BarrierError::NoLeader { waited }));
    assert!(started.elapsed() >= waited && started.elapsed() < waited + 2 * RETRY_INTERVAL);
    refusing.abort();
    let _ = refusing.await;
    // A leader is found before the second one's time is over.
    leader.round().await.send(Ok(ReadIndex(4))).unwrap();
    assert_eq!(late.await.unwrap(), Ok(ReadIndex(4)));
}

#[tokio::test]
async fn a_core_that_has_stopped_answers_everybody() {
    let leader = Leader::default();
    let (barrier, _leadership) = barrier(&leader);
    let reader = read(&barrier);
    leader.round().await.send(Err(RoundError::Stopped)).unwrap();
    assert_eq!(reader.await.unwrap(), Err(BarrierError::Shutdown));
    assert_eq!(barrier.wait().await, Err(BarrierError::Shutdown));
}

#[tokio::test]
async fn a_leader_that_is_alone_asks_once_and_answers_at_once_from_then_on() {
    let leader = Leader::default();
    let leadership = watch::Sender::new(Leadership::UNKNOWN);
    let applied = watch::Sender::new(6);
    let sole = Arc::new(SoleLeader::default());
    let own = OwnState {
        leadership: leadership.subscribe(),
        sole: Arc::clone(&sole),
        applied: applied.subscribe(),
    };
    let barrier = Arc::new(start(&leader, own));
    sole.observe(Some(2));
    assert_eq!(
        barrier.now(),
        None,
        "what came before the term may not be applied"
    );

    let first = read(&barrier);
    leader.round().await.send(Ok(ReadIndex(7))).unwrap();
    assert_eq!(first.await.unwrap(), Ok(ReadIndex(7)));
    assert_eq!(barrier.now(), None, "the round's index is not applied yet");

    applied.send_replace(7);
    let second = read(&barrier);
    leader.round().await.send(Ok(ReadIndex(7))).unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(barrier.now(), Some(ReadIndex(7)));
    applied.send_replace(9);
    assert_eq!(barrier.wait().await, Ok(ReadIndex(9)), "without a round");

    sole.resign();
    let third = read(&barrier);
    leader.round().await.send(Ok(ReadIndex(9))).unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(
        barrier.now(),
        None,
        "a round of a leader that is not alone proves nothing"
    );
}

#[tokio::test]
async fn a_round_in_which_the_term_changed_proves_nothing_of_the_new_one() {
    let leader = Leader::default();
    let leadership = watch::Sender::new(Leadership::UNKNOWN);
    let sole = Arc::new(SoleLeader::default());
    let own = OwnState {
        leadership: leadership.subscribe(),
        sole: Arc::clone(&sole),
        applied: watch::channel(9).1,
    };
    let barrier = Arc::new(start(&leader, own));
    sole.observe(Some(2));
    let reader = read(&barrier);
    let round = leader.round().await;
    sole.observe(Some(3));
    round.send(Ok(ReadIndex(5))).unwrap();
    reader.await.unwrap().unwrap();
    assert_eq!(barrier.now(), None);
}
