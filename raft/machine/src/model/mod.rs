//! A naive model of the state machine: what a history of commands comes to, said in the simplest way.
//!
//! It takes the commands that [`apply`](crate::apply()) takes, at the same places in history, and gives the
//! outcomes and answers that are expected of it. Tests compare the two after every command, and tests of
//! other crates use it where they need a state.
//!
//! Written from the design and not from `apply`, with which it shares the vocabulary of `raft-types` and the
//! types of questions and answers, but no logic. There are no rows, indices, pointers or counters: the
//! versions of a key are one list, who refers to a blob is found by looking at everything, what a bucket
//! holds is summed up when somebody asks, and a command that does not happen gives way to a copy of the state
//! that was made before it. So it is slow, and can be read in one sitting. Here stands what all commands have
//! in common; each family has a file, which also answers the questions about what it keeps.
//!
//! Left out on purpose: effects, which are hints; the texts of malformed commands and of incidents; and all
//! that follows from the bound of rows per command: a step of a release goes as far as its limit says, and
//! the keys of a bucket are destroyed with it however many there are. Where several reasons speak against a
//! command, the first in the order of the checks is the answer.

mod backend;
mod blob;
mod bucket;
mod cluster;
mod death;
mod key;
mod listing;
mod object;
mod queue;
mod replica;
mod session;
mod upload;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use raft_types::commands::{Command, Numbered, Proposal, Settle};
use raft_types::keys::Table;
use raft_types::records::{
    BackendRecord, BucketRecord, CompletionRecord, Content, CountersRecord, DeathCause, EpochRecord,
    Identity, IncarnationRecord, IncidentKind, KeyRecord, KeyringRecord, NodeRecord, PartRecord,
    ReleaseRecord, SettingsRecord, UploadRecord, VersionEntry,
};
use raft_types::{
    AttemptAddress, BackendId, BlobAttempt, BlobId, BucketId, Envelope, EpochId, IncarnationCounter,
    KeyVersion, MillisUtc, NodeId, ObjectKey, Outcome, PartNumber, Refusal, Rejection, RowId, SessionId,
    UploadId, VersionId, limits,
};

use crate::apply::EntryContext;
use blob::Blob;
use session::Session;
use upload::Manifest;

/// The state, as plain collections.
#[derive(Clone, Debug)]
pub struct Model {
    now: MillisUtc,
    identity: Option<Identity>,
    lives: BTreeMap<IncarnationCounter, IncarnationRecord>,
    /// The ids given out last, and incidents that were only counted.
    given: CountersRecord,
    /// When each small table last changed.
    revisions: BTreeMap<Table, u64>,
    nodes: BTreeMap<NodeId, NodeRecord>,
    settings: Option<SettingsRecord>,
    sessions: BTreeMap<SessionId, Session>,
    epochs: BTreeMap<EpochId, EpochRecord>,
    backends: BTreeMap<BackendId, BackendRecord>,
    buckets: BTreeMap<BucketId, BucketRecord>,
    keys: BTreeMap<(BucketId, KeyVersion), KeyRecord>,
    keyring: Option<KeyringRecord>,
    /// All versions and delete markers of a key, the oldest first.
    versions: BTreeMap<(BucketId, ObjectKey), Vec<VersionEntry>>,
    uploads: BTreeMap<(BucketId, ObjectKey, UploadId), UploadRecord>,
    parts: BTreeMap<UploadId, BTreeMap<PartNumber, PartRecord>>,
    manifests: BTreeMap<UploadId, Manifest>,
    completions: BTreeMap<UploadId, CompletionRecord>,
    blobs: BTreeMap<BlobId, Blob>,
    releases: BTreeMap<RowId, ReleaseRecord>,
    incidents: BTreeMap<RowId, Incident>,
    /// What a part has at least, unless it is the last.
    min_part_size: u64,
    moment: Moment,
}

/// A broken invariant that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Which.
    pub kind: IncidentKind,
    /// When.
    pub at: MillisUtc,
}

/// The command that is applied, and what it has done so far.
#[derive(Clone, Debug, Default)]
struct Moment {
    session: SessionId,
    term: u64,
    index: u64,
    position: u32,
    /// How many versions and rows it has made.
    versions: u32,
    rows: u32,
    /// Contents that versions and parts have let go, and those that versions took anew.
    lost: Vec<Content>,
    taken: Vec<Content>,
    /// Live attempts that it would have deleted, and the incident of each.
    live: Vec<(BlobId, AttemptAddress, RowId)>,
}

/// Why a command does not happen.
#[derive(Debug)]
enum No {
    Because(Rejection),
    /// It would delete an attempt that a blob holds as present or suspect.
    Live(BlobAttempt),
}

impl From<Rejection> for No {
    fn from(rejection: Rejection) -> Self {
        No::Because(rejection)
    }
}

fn malformed<T>(reason: &str) -> Result<T, No> {
    Err(Rejection::malformed(reason).into())
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// Before the first entry.
    pub fn new() -> Self {
        Model {
            now: MillisUtc::default(),
            identity: None,
            lives: BTreeMap::new(),
            given: CountersRecord::default(),
            revisions: BTreeMap::new(),
            nodes: BTreeMap::new(),
            settings: None,
            sessions: BTreeMap::new(),
            epochs: BTreeMap::new(),
            backends: BTreeMap::new(),
            buckets: BTreeMap::new(),
            keys: BTreeMap::new(),
            keyring: None,
            versions: BTreeMap::new(),
            uploads: BTreeMap::new(),
            parts: BTreeMap::new(),
            manifests: BTreeMap::new(),
            completions: BTreeMap::new(),
            blobs: BTreeMap::new(),
            releases: BTreeMap::new(),
            incidents: BTreeMap::new(),
            min_part_size: limits::MIN_PART_SIZE,
            moment: Moment::default(),
        }
    }

    /// With another least length of parts, so that tests with bytes can be small.
    #[must_use]
    pub fn with_min_part_size(mut self, bytes: u64) -> Self {
        self.min_part_size = bytes;
        self
    }

    /// Applies a command and says what became of it.
    pub fn apply(&mut self, at: &EntryContext, envelope: &Envelope) -> Outcome {
        match &envelope.proposal {
            Proposal::BindCluster(command) => {
                self.begin(at, SessionId(0));
                self.attempt(|model| model.bind(command))
                    .unwrap_or_else(Outcome::Rejected)
            }
            Proposal::OpenSession(command) => {
                self.begin(at, SessionId(0));
                self.attempt(|model| model.open_session(command))
                    .unwrap_or_else(Outcome::Rejected)
            }
            Proposal::Numbered(numbered) => self.numbered(at, numbered),
        }
    }

    fn begin(&mut self, at: &EntryContext, session: SessionId) {
        self.now = self.now.max(at.now);
        self.moment = Moment {
            session,
            term: at.term,
            index: at.index,
            position: at.position,
            ..Moment::default()
        };
    }

    /// A number that cannot be looked at, and one whose outcome is known, change nothing.
    fn numbered(&mut self, at: &EntryContext, numbered: &Numbered) -> Outcome {
        let Numbered {
            session: id,
            seq,
            settled_below,
            command,
        } = numbered;
        let Some(session) = self.sessions.get(id) else {
            return Outcome::Refused(Refusal::UnknownSession);
        };
        let floor = session.record.floor.max(*settled_below);
        if session.record.seal.is_some() {
            return Outcome::Refused(Refusal::SessionSealed);
        }
        if *seq < floor {
            return Outcome::Refused(Refusal::Settled);
        }
        if *seq > floor.saturating_add(limits::SEQ_WINDOW) {
            return Outcome::Refused(Refusal::BeyondWindow);
        }
        if let Some(known) = session.outcomes.get(seq) {
            return known.clone();
        }
        self.begin(at, *id);
        let outcome = self
            .attempt(|model| model.perform(*seq, floor, command))
            .unwrap_or_else(|rejection| {
                // The attempts of what does not happen are to be deleted.
                for attempt in command.attempts().iter().take(limits::ATTEMPTS) {
                    self.give_up_or_report(attempt, DeathCause::Rejected);
                }
                Outcome::Rejected(rejection)
            });
        if let Some(session) = self.sessions.get_mut(id) {
            session.outcomes.insert(*seq, outcome.clone());
            session.settle_below(floor);
        }
        outcome
    }

    /// Does something wholly, or not at all.
    fn attempt(&mut self, body: impl FnOnce(&mut Self) -> Result<Outcome, No>) -> Result<Outcome, Rejection> {
        let before = self.clone();
        let no = match body(self) {
            Ok(outcome) => {
                self.bury_lost();
                self.forget_sessions();
                self.note_changes(&before);
                return Ok(outcome);
            }
            Err(no) => no,
        };
        *self = before;
        Err(match no {
            No::Because(rejection) => rejection,
            No::Live(attempt) => Rejection::Incident(self.report_live(&attempt)),
        })
    }

    /// The revision of a small table is the entry that changed it last.
    fn note_changes(&mut self, before: &Model) {
        let changed = [
            (Table::Buckets, self.buckets != before.buckets),
            (Table::Backends, self.backends != before.backends),
            (Table::Keys, self.keys != before.keys),
            (Table::Nodes, self.nodes != before.nodes),
            (Table::Settings, self.settings != before.settings),
        ];
        for (table, _) in changed.into_iter().filter(|(_, changed)| *changed) {
            self.revisions.insert(table, self.moment.index);
        }
    }

    /// Versions of one command differ in their low eight bits.
    fn next_version(&mut self) -> VersionId {
        let Moment {
            index,
            position,
            versions,
            ..
        } = self.moment;
        self.moment.versions += 1;
        VersionId {
            incarnation: self.incarnation_now(),
            index,
            position: position * 256 + versions,
        }
    }

    fn next_row(&mut self) -> RowId {
        let Moment {
            index,
            position,
            rows: ordinal,
            ..
        } = self.moment;
        self.moment.rows += 1;
        RowId {
            index,
            position,
            ordinal,
        }
    }

    /// One incident for each live attempt that a command would have deleted.
    fn report_live(&mut self, attempt: &BlobAttempt) -> RowId {
        let BlobAttempt { blob, address, .. } = *attempt;
        let known = self
            .moment
            .live
            .iter()
            .find(|(other, at, _)| (*other, *at) == (blob, address));
        if let Some((.., row)) = known {
            return *row;
        }
        let row = self.next_row();
        self.moment.live.push((blob, address, row));
        if self.incidents.len() < limits::INCIDENTS as usize {
            let incident = Incident {
                kind: IncidentKind::LiveAttemptGivenUp,
                at: self.now,
            };
            self.incidents.insert(row, incident);
        } else {
            self.given.suppressed_incidents += 1;
        }
        row
    }

    fn perform(&mut self, seq: u64, floor: u64, command: &Command) -> Result<Outcome, No> {
        match command {
            Command::RegisterNode(command) => self.register_node(command),
            Command::RemoveNode(command) => self.remove_node(command),
            Command::ProposeSettings(command) => self.propose_settings(command),
            Command::DismissIncident(command) => self.dismiss_incident(command),
            Command::CloseSession(_) => self.close_session(),
            Command::SealSession(command) => self.seal_silent(command),
            Command::Settle(command) => self.settle(seq, floor, command),
            Command::OpenEpoch(_) => self.open_epoch(),
            Command::CloseEpoch(command) => self.close_epoch(command),
            Command::SealEpoch(command) => self.seal_epoch(command),
            Command::RecordSweep(command) => self.record_sweep(command),
            Command::CreateBucket(command) => self.create_bucket(command),
            Command::DeleteBucket(command) => self.delete_bucket(command),
            Command::SetVersioning(command) => self.set_versioning(command),
            Command::CommitObject(command) => self.commit_object(command),
            Command::DeleteObjects(command) => self.delete_objects(command),
            Command::CopyReference(command) => self.copy_reference(command),
            Command::CreateUpload(command) => self.create_upload(command),
            Command::CommitPart(command) => self.commit_part(command),
            Command::CompleteUpload(command) => self.complete_upload(command),
            Command::AbortUpload(command) => self.abort_upload(command),
            Command::ExpireCompletions(command) => self.expire_completions(command),
            Command::AddReplica(command) => self.add_replica(command),
            Command::GiveUpAttempts(command) => self.give_up_attempts(command),
            Command::MarkSuspect(command) => self.mark_suspect(command),
            Command::ClearSuspect(command) => self.clear_suspect(command),
            Command::RemoveReplica(command) => self.remove_replica(command),
            Command::ConfirmDeleted(command) => self.confirm_deleted(command),
            Command::Release(command) => self.release_step(command),
            Command::AttachBackend(command) => self.attach_backend(command),
            Command::ActivateBackend(command) => self.activate_backend(command),
            Command::SetBackendState(command) => self.set_backend_state(command),
            Command::PutBucketKey(command) => self.put_bucket_key(command),
            Command::ProveKey(command) => self.prove_key(command),
            Command::ActivateKey(command) => self.activate_key(command),
            Command::RecordKeyring(command) => self.record_keyring(command),
        }
    }

    /// The outcome of another number of the session. One that has none gets the outcome that it never
    /// happens.
    fn settle(&mut self, own: u64, floor: u64, command: &Settle) -> Result<Outcome, No> {
        let seq = command.seq;
        if seq == own || !(floor..=floor.saturating_add(limits::SEQ_WINDOW)).contains(&seq) {
            return malformed("this number cannot be settled by that one");
        }
        let id = self.moment.session;
        if let Some(known) = self.outcome(id, seq) {
            return Ok(known);
        }
        if command.attempts.len() > limits::ATTEMPTS {
            return malformed("too many attempts");
        }
        for attempt in &command.attempts {
            self.give_up_or_report(attempt, DeathCause::Cancelled);
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.outcomes.insert(seq, Outcome::Cancelled);
        }
        Ok(Outcome::Cancelled)
    }
}
