//! Sessions and epochs.

use std::collections::BTreeMap;

use raft_types::commands::{CloseEpoch, OpenSession, RecordSweep, SealEpoch, SealSession};
use raft_types::records::{
    BackendState, Closing, EpochRecord, ReleaseSubject, Seal, SealCause, SessionRecord, Sweep, SweepPass,
};
use raft_types::{BackendId, EpochId, Outcome, Rejection, SessionId, limits};

use super::{Model, No};
use crate::queries::EpochState;

/// A session, and the outcomes of its numbers that are not forgotten.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) record: SessionRecord,
    pub(super) outcomes: BTreeMap<u64, Outcome>,
}

impl Session {
    /// The floor moves at once; of the outcomes below it some are forgotten with every command.
    pub(super) fn settle_below(&mut self, floor: u64) {
        self.record.floor = floor;
        let forgotten = self.record.trimmed + limits::OUTCOMES_TRIMMED as u64;
        self.record.trimmed = forgotten.min(floor);
        self.outcomes.retain(|seq, _| *seq >= self.record.trimmed);
    }
}

impl Model {
    /// A later boot seals the session of the earlier one.
    pub(super) fn open_session(&mut self, command: &OpenSession) -> Result<Outcome, No> {
        let Some(mut node) = self.nodes.get(&command.node).cloned() else {
            return Err(Rejection::NoSuchNode.into());
        };
        if (node.boot, node.nonce) == (command.boot, Some(command.nonce)) {
            let session = node.session.ok_or(Rejection::BootSuperseded)?;
            return Ok(Outcome::SessionOpened(session));
        }
        if command.boot <= node.boot {
            return Err(Rejection::BootSuperseded.into());
        }
        if let Some(earlier) = node.session {
            self.seal_session(earlier, SealCause::Rebooted);
        }
        let id = SessionId(self.given.session.0 + 1);
        self.given.session = id;
        node.boot = command.boot;
        node.nonce = Some(command.nonce);
        node.session = Some(id);
        self.nodes.insert(command.node, node);
        let record = SessionRecord {
            node: command.node,
            boot: command.boot,
            nonce: command.nonce,
            opened_index: self.moment.index,
            opened: self.now,
            floor: 1,
            trimmed: 1,
            seal: None,
        };
        self.sessions.insert(
            id,
            Session {
                record,
                outcomes: BTreeMap::new(),
            },
        );
        Ok(Outcome::SessionOpened(id))
    }

    pub(super) fn close_session(&mut self) -> Result<Outcome, No> {
        self.seal_session(self.moment.session, SealCause::Ended);
        Ok(Outcome::Done)
    }

    pub(super) fn seal_silent(&mut self, command: &SealSession) -> Result<Outcome, No> {
        if command.term != self.moment.term {
            return Err(Rejection::OtherTerm.into());
        }
        if !self.seal_session(command.session, SealCause::Silent) {
            return Err(Rejection::NoSuchSession.into());
        }
        Ok(Outcome::Done)
    }

    /// Seals an open session. What is left of its outcomes is released.
    pub(super) fn seal_session(&mut self, id: SessionId, cause: SealCause) -> bool {
        let seal = self.seal_now(cause);
        let Some(session) = self
            .sessions
            .get_mut(&id)
            .filter(|session| session.record.seal.is_none())
        else {
            return false;
        };
        session.record.seal = Some(seal);
        self.release_later(ReleaseSubject::Outcomes(id));
        true
    }

    fn seal_now(&self, cause: SealCause) -> Seal {
        Seal {
            index: self.moment.index,
            at: self.now,
            cause,
        }
    }

    /// A sealed session stays until its outcomes were released and its epochs are forgotten.
    pub(super) fn forget_sessions(&mut self) {
        let Model {
            sessions,
            releases,
            epochs,
            ..
        } = self;
        sessions.retain(|id, session| {
            let releases_outcomes = releases
                .values()
                .any(|release| release.subject == ReleaseSubject::Outcomes(*id));
            let has_epochs = epochs.values().any(|epoch| epoch.session == *id);
            session.record.seal.is_none() || releases_outcomes || has_epochs
        });
    }

    pub(super) fn open_epoch(&mut self) -> Result<Outcome, No> {
        let id = EpochId(self.given.epoch.0 + 1);
        self.given.epoch = id;
        let record = EpochRecord {
            session: self.moment.session,
            incarnation: self.incarnation_now(),
            opened_index: self.moment.index,
            opened: self.now,
            closing: None,
            seal: None,
            sweeps: Vec::new(),
            quarantined: false,
        };
        self.epochs.insert(id, record);
        Ok(Outcome::EpochOpened(id))
    }

    /// An epoch of the session that sends the command.
    fn own_epoch(&self, id: EpochId, state: EpochState) -> Result<EpochRecord, No> {
        match self.epochs.get(&id) {
            Some(epoch) if epoch.session == self.moment.session && self.epoch_state(epoch) == state => {
                Ok(epoch.clone())
            }
            _ => Err(Rejection::EpochNotOpen(id).into()),
        }
    }

    pub(super) fn close_epoch(&mut self, command: &CloseEpoch) -> Result<Outcome, No> {
        let mut epoch = self.own_epoch(command.epoch, EpochState::Open)?;
        if command
            .used
            .iter()
            .any(|backend| !self.backends.contains_key(backend))
        {
            return Err(Rejection::NoSuchBackend.into());
        }
        // In order, each once.
        let used = self
            .backends
            .keys()
            .copied()
            .filter(|backend| command.used.contains(backend))
            .collect();
        epoch.closing = Some(Closing {
            index: self.moment.index,
            used,
        });
        self.epochs.insert(command.epoch, epoch);
        Ok(Outcome::Done)
    }

    pub(super) fn seal_epoch(&mut self, command: &SealEpoch) -> Result<Outcome, No> {
        let mut epoch = self.own_epoch(command.epoch, EpochState::Closing)?;
        epoch.seal = Some(self.seal_now(SealCause::Ended));
        self.keep_while_unswept(command.epoch, epoch);
        Ok(Outcome::Done)
    }

    fn keep_while_unswept(&mut self, id: EpochId, epoch: EpochRecord) {
        if self.sweep_targets(&epoch).is_empty() {
            self.epochs.remove(&id);
        } else {
            self.epochs.insert(id, epoch);
        }
    }

    /// A backend is swept twice, or once for all.
    pub(super) fn record_sweep(&mut self, command: &RecordSweep) -> Result<Outcome, No> {
        let epoch = self.epochs.get(&command.epoch).cloned();
        let sealed = epoch.filter(|epoch| matches!(self.epoch_state(epoch), EpochState::Sealed(_)));
        let Some(mut epoch) = sealed else {
            return Err(Rejection::EpochNotSweepable.into());
        };
        for mark in &command.sweeps {
            if !self.backends.contains_key(&mark.backend) {
                return Err(Rejection::NoSuchBackend.into());
            }
            let sweep = Sweep {
                backend: mark.backend,
                pass: mark.pass,
                at: self.now,
            };
            let place = epoch
                .sweeps
                .iter()
                .position(|sweep| sweep.backend == mark.backend);
            match (place, mark.pass) {
                (None, SweepPass::First | SweepPass::Final) => epoch.sweeps.push(sweep),
                (Some(place), SweepPass::Second | SweepPass::Final)
                    if epoch.sweeps[place].pass == SweepPass::First =>
                {
                    epoch.sweeps[place] = sweep;
                }
                _ => return Err(Rejection::Changed.into()),
            }
        }
        self.keep_while_unswept(command.epoch, epoch);
        Ok(Outcome::Done)
    }

    /// A session, open or sealed.
    pub fn session(&self, session: SessionId) -> Option<SessionRecord> {
        self.sessions.get(&session).map(|session| session.record.clone())
    }

    /// All sessions.
    pub fn sessions(&self) -> Vec<(SessionId, SessionRecord)> {
        self.sessions
            .iter()
            .map(|(id, session)| (*id, session.record.clone()))
            .collect()
    }

    /// The sessions that are open.
    pub(super) fn open_sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sessions
            .iter()
            .filter(|(_, session)| session.record.seal.is_none())
            .map(|(id, _)| *id)
    }

    /// The outcome of a number, until it is forgotten.
    pub fn outcome(&self, session: SessionId, seq: u64) -> Option<Outcome> {
        self.sessions.get(&session)?.outcomes.get(&seq).cloned()
    }

    /// An epoch.
    pub fn epoch(&self, epoch: EpochId) -> Option<EpochRecord> {
        self.epochs.get(&epoch).cloned()
    }

    /// All epochs that are not forgotten.
    pub fn epochs(&self) -> Vec<(EpochId, EpochRecord)> {
        self.epochs
            .iter()
            .map(|(id, epoch)| (*id, epoch.clone()))
            .collect()
    }

    /// The epochs of a session that are not forgotten.
    pub fn epochs_of(&self, session: SessionId) -> Vec<(EpochId, EpochRecord)> {
        self.epochs()
            .into_iter()
            .filter(|(_, epoch)| epoch.session == session)
            .collect()
    }

    /// Where an epoch stands in its life: it is sealed by itself, or with its session.
    pub fn epoch_state(&self, epoch: &EpochRecord) -> EpochState {
        let by_session = self
            .sessions
            .get(&epoch.session)
            .and_then(|session| session.record.seal);
        match (epoch.seal.or(by_session), &epoch.closing) {
            _ if epoch.quarantined => EpochState::Quarantined,
            (Some(seal), _) => EpochState::Sealed(seal),
            (None, Some(_)) => EpochState::Closing,
            (None, None) => EpochState::Open,
        }
    }

    /// Where a sealed epoch is still to be swept: on the backends that it told of, or on all.
    pub fn sweep_targets(&self, epoch: &EpochRecord) -> Vec<(BackendId, SweepPass)> {
        let used = |backend: &BackendId| match &epoch.closing {
            Some(closing) => closing.used.contains(backend),
            None => true,
        };
        let took = |state| matches!(state, BackendState::Active | BackendState::Draining);
        let candidates = self
            .backends
            .iter()
            .filter(|(id, backend)| used(id) && took(backend.state));
        candidates
            .filter_map(|(id, _)| {
                match epoch
                    .sweeps
                    .iter()
                    .find(|sweep| sweep.backend == *id)
                    .map(|sweep| sweep.pass)
                {
                    None => Some((*id, SweepPass::First)),
                    Some(SweepPass::First) => Some((*id, SweepPass::Second)),
                    Some(SweepPass::Second | SweepPass::Final) => None,
                }
            })
            .collect()
    }
}
