//! What happens next in a random history.

use raft_types::commands::{Command, OpenEpoch};
use raft_types::limits::COMPLETION_KEPT_MILLIS;
use raft_types::{BootNonce, Envelope, MillisUtc, NodeId, Proposal, SessionId};

use super::dice::Dice;
use super::history::{History, Sender, bind};

pub(super) const KEYS: [&str; 6] = ["a", "a/b", "a/c", "a/b\u{0}", "b", "b/b"];
pub(super) const BUCKETS: [&str; 3] = ["bucket", "other", "third"];
pub(super) const BACKENDS: [&str; 5] = ["one", "two", "three", "four", "five"];
pub(super) const NODES: [&str; 5] = ["node-1", "node-2", "node-3", "node-4", "node-5"];

/// A kind of thing that happens. What exactly is left to the dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Put,
    Copy,
    Delete,
    DeleteVersion,
    SetVersioning,
    CreateUpload,
    PutPart,
    Complete,
    Abort,
    Expire,
    AddReplica,
    Suspect,
    Clear,
    RemoveReplica,
    GiveUp,
    Release,
    Collect,
    OpenEpoch,
    CloseEpoch,
    SealEpoch,
    Sweep,
    OpenSession,
    CloseSession,
    SealSession,
    Settle,
    Deliver,
    Repeat,
    CreateBucket,
    DeleteBucket,
    Attach,
    Activate,
    SetBackendState,
    PutKey,
    ProveKey,
    WriteKeyring,
    ActivateKey,
    RegisterNode,
    RemoveNode,
    ProposeSettings,
    DismissIncident,
    Bind,
    Stray,
    WholeUpload,
    WholeKey,
    Replace,
    Burst,
}

/// All of them, and how often each comes.
pub(super) const ACTIONS: [(u32, Action); 46] = [
    (30, Action::Put),
    (12, Action::Copy),
    (12, Action::Delete),
    (12, Action::DeleteVersion),
    (6, Action::SetVersioning),
    (6, Action::CreateUpload),
    (16, Action::PutPart),
    (10, Action::Complete),
    (3, Action::Abort),
    (3, Action::Expire),
    (10, Action::AddReplica),
    (8, Action::Suspect),
    (5, Action::Clear),
    (8, Action::RemoveReplica),
    (5, Action::GiveUp),
    (16, Action::Release),
    (6, Action::Collect),
    (5, Action::OpenEpoch),
    (3, Action::CloseEpoch),
    (3, Action::SealEpoch),
    (6, Action::Sweep),
    (3, Action::OpenSession),
    (1, Action::CloseSession),
    (2, Action::SealSession),
    (6, Action::Settle),
    (6, Action::Deliver),
    (8, Action::Repeat),
    (4, Action::CreateBucket),
    (3, Action::DeleteBucket),
    (3, Action::Attach),
    (4, Action::Activate),
    (9, Action::SetBackendState),
    (3, Action::PutKey),
    (4, Action::ProveKey),
    (3, Action::WriteKeyring),
    (4, Action::ActivateKey),
    (2, Action::RegisterNode),
    (1, Action::RemoveNode),
    (6, Action::ProposeSettings),
    (2, Action::DismissIncident),
    (1, Action::Bind),
    (1, Action::Stray),
    (6, Action::WholeUpload),
    (3, Action::WholeKey),
    (6, Action::Replace),
    (1, Action::Burst),
];

impl History {
    /// Lets something happen, if there is something that it can happen to. What is asked then, is left to
    /// other dice.
    pub(super) fn act(&mut self, action: Action, mut dice: Dice, mut asking: Dice) {
        let (dice, asking) = (&mut dice, &mut asking);
        self.pass_time(dice);
        match action {
            Action::OpenSession => self.open_some_session(dice, asking),
            Action::Bind => {
                let mut command = bind();
                command.tag += dice.below(2) as u64;
                self.apply(&Envelope::new(Proposal::BindCluster(command)), asking);
            }
            Action::Deliver => {
                if !self.held.is_empty() {
                    let envelope = self.held.remove(dice.below(self.held.len()));
                    self.apply(&envelope, asking);
                }
            }
            Action::Repeat => self.repeat(dice, asking),
            Action::Stray => self.stray(dice, asking),
            Action::WholeUpload => self.upload_some_object(dice, asking),
            Action::WholeKey => self.make_some_key(dice, asking),
            Action::Replace => self.replace_some_suspect(dice, asking),
            Action::Burst => self.burst(dice, asking),
            _ => self.send(action, dice, asking),
        }
    }

    /// Mostly a new entry, sometimes a further command of the same one. Leaders' clocks may differ.
    fn pass_time(&mut self, dice: &mut Dice) {
        if dice.once_in(4) {
            self.at.position += 1 + dice.below(2) as u32;
            return;
        }
        self.advance(dice.one(&[0, 1, 700, 1000, 5000]));
        match dice.below(24) {
            21 => self.at.now = MillisUtc(self.at.now.0 - 3000),
            22 => self.at.now = self.at.now.plus_millis(COMPLETION_KEPT_MILLIS / 2),
            23 => self.at.term += 1,
            _ => {}
        }
    }

    /// A session that may send, mostly an open one.
    pub(super) fn some_sender(&self, dice: &mut Dice) -> Option<usize> {
        let is_open = |sender: &Sender| {
            self.model
                .session(sender.id)
                .is_some_and(|record| record.seal.is_none())
        };
        let any = dice.once_in(40);
        let places: Vec<_> = (0..self.senders.len())
            .filter(|place| any || is_open(&self.senders[*place]))
            .collect();
        dice.pick(&places)
    }

    fn send(&mut self, action: Action, dice: &mut Dice, asking: &mut Dice) {
        let Some(place) = self.some_sender(dice) else {
            return;
        };
        let (session, seq) = (self.senders[place].id, self.senders[place].next);
        if let Some(command) = self.command(action, session, seq, dice) {
            self.deliver(place, command, dice, asking);
        }
    }

    /// Each family knows its own kinds.
    fn command(&mut self, action: Action, session: SessionId, seq: u64, dice: &mut Dice) -> Option<Command> {
        if let Some(command) = self.object_command(action, session, dice) {
            return Some(command);
        }
        match self.copy_command(action, session, dice) {
            Some(command) => Some(command),
            None => self.cluster_command(action, session, seq, dice),
        }
    }

    /// The command gets the next number of a session. Some are delivered later, out of order.
    pub(super) fn deliver(&mut self, place: usize, command: Command, dice: &mut Dice, asking: &mut Dice) {
        let (session, seq) = (self.senders[place].id, self.senders[place].next);
        self.senders[place].next += 1;
        let held = self.held.iter().filter_map(|envelope| match &envelope.proposal {
            Proposal::Numbered(numbered) if numbered.session == session => Some(numbered.seq),
            _ => None,
        });
        // A careful node settles nothing that is under way; others are seen through, too.
        let settled_below = match dice.below(8) {
            0..5 => held
                .min()
                .unwrap_or(seq)
                .min(seq.saturating_sub(dice.below(8) as u64)),
            5 | 6 => 0,
            _ => seq,
        };
        let envelope = Envelope::numbered(session, seq, settled_below, command);
        if dice.once_in(12) {
            self.held.push(envelope);
        } else {
            self.apply(&envelope, asking);
        }
    }

    /// Sends a command at once, so that what is put together of several comes about.
    pub(super) fn send_now(&mut self, place: usize, command: Command, asking: &mut Dice) {
        let Sender { id, next } = self.senders[place];
        self.senders[place].next += 1;
        self.at.position += 1;
        self.apply(&Envelope::numbered(id, next, 0, command), asking);
    }

    /// An entry of the past arrives once more: it is answered as before, or refused, and changes nothing.
    fn repeat(&mut self, dice: &mut Dice, asking: &mut Dice) {
        let Some((_, envelope)) = dice.pick(&self.log) else {
            return;
        };
        let before = self.tables.clone();
        self.apply(&envelope, asking);
        if let Proposal::Numbered(_) = envelope.proposal {
            assert!(
                self.tables == before,
                "a repetition changed the state: {envelope:?}"
            );
        }
    }

    /// A number far above the floor, or of a session that never was.
    fn stray(&mut self, dice: &mut Dice, asking: &mut Dice) {
        let Some(sender) = dice.pick(&self.senders) else {
            return;
        };
        let session = dice.one(&[sender.id, SessionId(99)]);
        let seq = sender.next + raft_types::limits::SEQ_WINDOW;
        let command = Command::OpenEpoch(OpenEpoch {});
        self.apply(&Envelope::numbered(session, seq, 0, command), asking);
    }

    fn open_some_session(&mut self, dice: &mut Dice, asking: &mut Dice) {
        let nodes: Vec<_> = self.model.nodes();
        let Some((node, record)) = dice.pick(&nodes) else {
            return;
        };
        let boot = match dice.below(6) {
            0..3 => record.boot + 1,
            3 => record.boot + 2,
            4 => record.boot,
            _ => record.boot.saturating_sub(1),
        };
        let nonce = match dice.below(4) {
            0 => BootNonce([9; 16]),
            1 => record.nonce.unwrap_or(BootNonce([9; 16])),
            _ => BootNonce([boot as u8; 16]),
        };
        let node = if dice.once_in(12) { NodeId(77) } else { node };
        let open = raft_types::commands::OpenSession { node, boot, nonce };
        let outcome = self.apply(&Envelope::new(Proposal::OpenSession(open)), asking);
        let known = self.senders.len();
        self.note_session(&outcome);
        if self.senders.len() > known && !dice.once_in(4) {
            self.send_now(known, Command::OpenEpoch(OpenEpoch {}), asking);
        }
    }
}
