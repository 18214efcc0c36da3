use openraft::errors::ForwardToLeader;
use openraft::raft::ClientWriteResponse;
use parking_lot::Mutex;
use raft_types::MillisUtc;

use super::*;
use crate::clock::{Clock, NoOtherClocks};
use crate::consensus::{Peer, log_id};
use crate::state::Answers;

fn queued(length: usize) -> Queued {
    let budget = Arc::new(Budget::new(Gauge::noop()));
    Queued {
        command: vec![0; length].into(),
        answer: oneshot::channel().0,
        share: budget.take(length).unwrap(),
    }
}

fn entry_sizes(lengths: &[usize]) -> Vec<usize> {
    let mut waiting: VecDeque<_> = lengths.iter().map(|&length| queued(length)).collect();
    let mut sizes = Vec::new();
    while !waiting.is_empty() {
        sizes.push(take_entry(&mut waiting).len());
    }
    sizes
}

#[test]
fn an_entry_is_bounded_by_count_and_bytes_and_holds_at_least_one_command() {
    assert_eq!(entry_sizes(&[10; 130]), [64, 64, 2]);
    assert_eq!(entry_sizes(&[BYTES_PER_ENTRY / 2; 3]), [2, 1]);
    assert_eq!(entry_sizes(&[BYTES_PER_ENTRY + 1, 1, 1]), [1, 2]);
    assert_eq!(entry_sizes(&[1, COMMAND_BYTES, 1]), [1, 1, 1]);
}

#[test]
fn the_budget_refuses_what_exceeds_it_and_takes_back_what_is_done() {
    let budget = Arc::new(Budget::new(Gauge::noop()));
    let shares: Vec<_> = (0..IN_FLIGHT_COMMANDS).map(|_| budget.take(1).unwrap()).collect();
    assert!(matches!(budget.take(1), Err(ProposeError::Overloaded { .. })));
    drop(shares);
    let half = budget.take(IN_FLIGHT_BYTES / 2).unwrap();
    let other = budget.take(IN_FLIGHT_BYTES / 2).unwrap();
    assert!(matches!(budget.take(1), Err(ProposeError::Overloaded { .. })));
    drop(half);
    drop(budget.take(1).unwrap());
    drop(other);
    assert_eq!(budget.commands.load(Ordering::SeqCst), 0);
    assert_eq!(budget.bytes.load(Ordering::SeqCst), 0);
    budget.stopping.store(true, Ordering::SeqCst);
    assert!(matches!(budget.take(1), Err(ProposeError::Shutdown)));
    assert_eq!(
        budget.commands.load(Ordering::SeqCst),
        0,
        "a refusal takes nothing"
    );
}

/// An entry, and the way to answer it.
type Held = (CommandBatch, Callback<WriteResult>);

/// A log that keeps entries until a test answers them.
#[derive(Clone, Default)]
struct Log {
    entries: Arc<Mutex<Vec<Held>>>,
    arrived: Arc<Notify>,
}

impl Append for Log {
    async fn append(&self, proposal: Proposal, answer: Callback<WriteResult>) {
        let batch = CommandBatch::from_bytes(proposal.0).unwrap();
        self.entries.lock().push((batch, answer));
        self.arrived.notify_one();
    }
}

impl Log {
    fn first(&self) -> Option<Held> {
        let mut entries = self.entries.lock();
        (!entries.is_empty()).then(|| entries.remove(0))
    }

    async fn take(&self) -> Held {
        loop {
            if let Some(held) = self.first() {
                return held;
            }
            self.arrived.notified().await;
        }
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> MillisUtc {
        MillisUtc(12)
    }
}

fn proposer() -> (Arc<Proposer>, Log) {
    let log = Log::default();
    let stamper = Stamper::new(Arc::new(Noon), Arc::new(NoOtherClocks));
    (Arc::new(Proposer::start(log.clone(), stamper)), log)
}

fn propose(proposer: &Arc<Proposer>, command: &'static [u8]) -> tokio::task::JoinHandle<Answer> {
    let proposer = Arc::clone(proposer);
    tokio::spawn(async move { proposer.propose(Bytes::from_static(command)).await })
}

fn applied(index: u64, outcomes: Vec<Outcome>) -> WriteResult {
    Ok(ClientWriteResponse {
        log_id: log_id(1, index),
        data: Answers(outcomes),
        membership: None,
    })
}

#[tokio::test]
async fn an_entry_carries_the_stamp_and_answers_each_command_with_its_own_outcome() {
    let (proposer, log) = proposer();
    let (first, second) = (propose(&proposer, b"first"), propose(&proposer, b"second"));
    let mut outcomes = Vec::new();
    while outcomes.len() < 2 {
        let (batch, answer) = log.take().await;
        assert_eq!(batch.now, 12);
        let of_entry: Vec<_> = batch
            .commands
            .iter()
            .map(|command| Outcome::BucketCreated(raft_types::BucketId(command.len() as u64)))
            .collect();
        outcomes.extend(of_entry.clone());
        openraft::raft::responder::Responder::on_complete(answer, applied(7, of_entry));
    }
    for (task, length) in [(first, 5), (second, 6)] {
        let applied = task.await.unwrap().unwrap();
        assert_eq!(applied.index, 7);
        assert_eq!(
            applied.outcome,
            Outcome::BucketCreated(raft_types::BucketId(length))
        );
    }
}

#[tokio::test]
async fn commands_gather_for_one_entry_while_all_slots_are_taken() {
    let (proposer, log) = proposer();
    let mut tasks = Vec::new();
    let mut held = Vec::new();
    for _ in 0..ENTRIES_IN_FLIGHT {
        tasks.push(propose(&proposer, b"early"));
        held.push(log.take().await);
    }
    for _ in 0..10 {
        tasks.push(propose(&proposer, b"late"));
    }
    while proposer.budget.commands.load(Ordering::SeqCst) < ENTRIES_IN_FLIGHT + 10 {
        tokio::task::yield_now().await;
    }
    assert!(log.entries.lock().is_empty());
    let (batch, answer) = held.remove(0);
    assert_eq!(batch.commands.len(), 1);
    openraft::raft::responder::Responder::on_complete(answer, applied(1, vec![Outcome::Done]));
    let (batch, _) = log.take().await;
    assert_eq!(batch.commands.len(), 10);
}

#[tokio::test]
async fn what_nobody_answers_is_unknown_and_what_was_not_taken_is_certain() {
    let (proposer, log) = proposer();
    let lost = propose(&proposer, b"lost");
    drop(log.take().await);
    assert_eq!(lost.await.unwrap(), Err(ProposeError::Unknown));

    let forwarded = ForwardToLeader {
        leader_id: Some(3),
        leader_node: Some(Peer::default()),
        reason: openraft::errors::ForwardReason::NotLeader,
    };
    let refused = propose(&proposer, b"refused");
    let (_, answer) = log.take().await;
    let result = Err(ClientWriteError::ForwardToLeader(forwarded.clone()));
    openraft::raft::responder::Responder::on_complete(answer, result);
    let leader = Some(NodeId(3));
    assert_eq!(refused.await.unwrap(), Err(ProposeError::NotLeader { leader }));

    let discarded = propose(&proposer, b"discarded");
    let (_, answer) = log.take().await;
    let result = Err(ClientWriteError::LogEntryDiscarded(forwarded));
    openraft::raft::responder::Responder::on_complete(answer, result);
    assert_eq!(discarded.await.unwrap(), Err(ProposeError::Unknown));

    // An entry that is answered with too few outcomes tells nothing about any of its commands.
    let odd = propose(&proposer, b"odd");
    let (_, answer) = log.take().await;
    openraft::raft::responder::Responder::on_complete(answer, applied(9, Vec::new()));
    assert_eq!(odd.await.unwrap(), Err(ProposeError::Unknown));
}

#[tokio::test]
async fn stopping_refuses_what_comes_and_waits_for_what_is_in_flight() {
    let (proposer, log) = proposer();
    let in_flight = propose(&proposer, b"in flight");
    let (_, answer) = log.take().await;
    let stopping = {
        let proposer = Arc::clone(&proposer);
        tokio::spawn(async move { proposer.stop().await })
    };
    while !proposer.budget.stopping.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    assert_eq!(proposer.propose(Bytes::new()).await, Err(ProposeError::Shutdown));
    assert!(!stopping.is_finished());
    openraft::raft::responder::Responder::on_complete(answer, applied(1, vec![Outcome::Done]));
    assert!(in_flight.await.unwrap().is_ok());
    stopping.await.unwrap();
}
