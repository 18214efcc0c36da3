//! One history, lived through by the machine and by the model.

use bytes::Bytes;
use raft_types::commands::{
    ActivateBackend, AttachBackend, BindCluster, BoundNode, Command, CreateBucket, Envelope, OpenEpoch,
    OpenSession, Proposal, UploadTarget,
};
use raft_types::{
    BackendNonce, BootNonce, ClusterId, DiskId, EncryptionDomain, MillisUtc, NodeId, Outcome, Record,
    Rejection, SessionId,
};

use super::answers;
use super::dice::Dice;
use crate::apply::EntryContext;
use crate::invariants;
use crate::memory::MemoryTables;
use crate::model::Model;
use crate::transaction::Transaction;

/// A session as its node sees it.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) id: SessionId,
    /// The number that is given to its next command.
    pub(super) next: u64,
}

pub(super) struct History {
    pub(super) model: Model,
    pub(super) tables: MemoryTables,
    pub(super) at: EntryContext,
    /// All sessions that were ever opened.
    pub(super) senders: Vec<Sender>,
    /// Commands that have a number and are still under way.
    pub(super) held: Vec<Envelope>,
    /// Everything that was applied.
    pub(super) log: Vec<(EntryContext, Envelope)>,
    /// All uploads that were ever asked for.
    pub(super) targets: Vec<UploadTarget>,
    pub(super) drawn: u64,
    /// What was proposed, and what became of it.
    pub(super) seen: Vec<(&'static str, Outcome)>,
}

impl History {
    /// Three nodes, sessions and epochs of two of them, two active backends and one bucket.
    pub(super) fn new() -> Self {
        let at = EntryContext {
            term: 1,
            index: 0,
            position: 0,
            now: MillisUtc(1_000_000),
        };
        let mut history = History {
            model: Model::new(),
            tables: MemoryTables::new(),
            at,
            senders: Vec::new(),
            held: Vec::new(),
            log: Vec::new(),
            targets: Vec::new(),
            drawn: 0,
            seen: Vec::new(),
        };
        assert_eq!(history.propose(Proposal::BindCluster(bind())), Outcome::Done);
        for node in [1, 2] {
            history.open_session(NodeId(node), 1, BootNonce([1; 16]));
        }
        for name in ["one", "two"] {
            history.send_first(attach(name));
        }
        for (backend, _) in history.model.backends() {
            let readers = history.model.sessions().into_iter().map(|(id, _)| id).collect();
            history.send_first(Command::ActivateBackend(ActivateBackend { backend, readers }));
        }
        history.send_first(create_bucket("bucket"));
        history
    }

    /// The next entry.
    pub(super) fn advance(&mut self, millis: u64) {
        self.at.index += 1;
        self.at.position = 0;
        self.at.now = self.at.now.plus_millis(millis);
    }

    /// Applies an envelope to both, and compares what became of it and what is then the case. The dice choose
    /// what is asked.
    pub(super) fn apply(&mut self, envelope: &Envelope, dice: &mut Dice) -> Outcome {
        let place = |at: &EntryContext| (at.index, at.position);
        let is_later = |(at, _): &(EntryContext, Envelope)| place(at) < place(&self.at);
        assert!(
            self.log.last().is_none_or(is_later),
            "no two commands have one place"
        );
        let mut transaction = Transaction::new(&self.tables);
        let applied = crate::apply(&mut transaction, &self.at, envelope.encode()).unwrap();
        let writes: Vec<_> = transaction.into_writes().collect();
        self.tables.write(writes);
        let expected = self.model.apply(&self.at, envelope);
        assert_eq!(
            plain(&applied.outcome),
            plain(&expected),
            "outcome of {envelope:?}"
        );
        let violations = invariants::violations(&self.tables).unwrap();
        assert_eq!(violations, vec![], "after {envelope:?}");
        answers::compare(self, dice);
        self.log.push((self.at, envelope.clone()));
        self.seen.push((name_of(envelope), expected.clone()));
        expected
    }

    fn propose(&mut self, proposal: Proposal) -> Outcome {
        self.advance(10);
        self.apply(&Envelope::new(proposal), &mut Dice::first())
    }

    /// Sends a command of the first session that is open, and returns what became of it.
    pub(super) fn send_first(&mut self, command: Command) -> Outcome {
        let is_open = |sender: &&mut Sender| {
            self.model
                .session(sender.id)
                .is_some_and(|session| session.seal.is_none())
        };
        let sender = self.senders.iter_mut().find(is_open).unwrap();
        let envelope = Envelope::numbered(sender.id, sender.next, sender.next, command);
        sender.next += 1;
        self.advance(10);
        self.apply(&envelope, &mut Dice::first())
    }

    /// Opens a session and an epoch of it.
    pub(super) fn open_session(&mut self, node: NodeId, boot: u64, nonce: BootNonce) {
        let open = Proposal::OpenSession(OpenSession { node, boot, nonce });
        let outcome = self.propose(open);
        self.note_session(&outcome);
        let sender = self.senders.last_mut().unwrap();
        let envelope = Envelope::numbered(sender.id, sender.next, 1, Command::OpenEpoch(OpenEpoch {}));
        sender.next += 1;
        self.advance(10);
        self.apply(&envelope, &mut Dice::first());
    }

    /// A session that was not known yet may send from now on.
    pub(super) fn note_session(&mut self, outcome: &Outcome) {
        if let Outcome::SessionOpened(id) = outcome
            && self.senders.iter().all(|sender| sender.id != *id)
        {
            self.senders.push(Sender { id: *id, next: 1 });
        }
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// However the log is cut into transactions, it comes to the same state.
    pub(super) fn replay(&self, dice: &mut Dice) {
        let mut replayed = MemoryTables::new();
        let mut rest = &self.log[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at((1 + dice.below(64)).min(rest.len()));
            rest = later;
            let base = replayed.clone();
            let mut transaction = Transaction::new(&base);
            for (at, envelope) in batch {
                crate::apply(&mut transaction, at, envelope.encode()).unwrap();
            }
            replayed.write(transaction.into_writes());
        }
        assert!(replayed == self.tables, "a replay in other transactions differs");
    }
}

/// An outcome without the texts that are for people.
pub(super) fn plain(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Rejected(Rejection::Malformed(_)) => Outcome::Rejected(Rejection::malformed("")),
        other => other.clone(),
    }
}

fn name_of(envelope: &Envelope) -> &'static str {
    match &envelope.proposal {
        Proposal::BindCluster(_) => "BindCluster",
        Proposal::OpenSession(_) => "OpenSession",
        Proposal::Numbered(numbered) => numbered.command.name(),
    }
}

pub(super) fn bind() -> BindCluster {
    let node = |number: u8| BoundNode {
        name: format!("node-{number}").parse().unwrap(),
        disk: DiskId([number; 16]),
    };
    BindCluster {
        cluster: ClusterId([1; 16]),
        tag: 42,
        domain: EncryptionDomain([2; 16]),
        nodes: vec![node(1), node(2), node(3)],
    }
}

pub(super) fn attach(name: &str) -> Command {
    Command::AttachBackend(AttachBackend {
        name: name.parse().unwrap(),
        kind: "memory".to_owned(),
        spec: Bytes::from_static(b"{}"),
        prefix: "p".to_owned(),
        nonce: BackendNonce([7; 16]),
    })
}

pub(super) fn create_bucket(name: &str) -> Command {
    Command::CreateBucket(CreateBucket {
        name: name.parse().unwrap(),
        owner: "alice".parse().unwrap(),
    })
}
