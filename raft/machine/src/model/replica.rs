//! Replicas that come and go, and attempts that are given up.

use raft_types::commands::{
    AddReplica, ClearSuspect, ConfirmDeleted, GarbageRow, GiveUpAttempts, MarkSuspect, RemoveReplica,
};
use raft_types::records::{BackendState, DeathCause, WorkRecord};
use raft_types::{BlobAttempt, BlobId, Outcome, Rejection, limits};

use super::blob::{Blob, Death, Fate, Replica, replica_of};
use super::{Model, No, malformed};

/// What became of an attempt that was to be deleted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// It will be deleted, or is no concern of this state.
    Yes,
    /// A blob holds it.
    Live,
}

impl Model {
    /// Lets an attempt be deleted, unless a blob holds it. What lies under the epochs of others is theirs to
    /// speak for, and what was forgotten was swept.
    pub(super) fn give_up(&mut self, attempt: &BlobAttempt, cause: DeathCause) -> GivenUp {
        let address = attempt.address;
        let is_there = self
            .backends
            .get(&address.backend)
            .is_some_and(|backend| backend.state != BackendState::Removed);
        if !is_there || !self.is_own_attempt(&address) {
            return GivenUp::Yes;
        }
        let death = Death {
            index: self.moment.index,
            cause,
            since: self.now,
            stored: attempt.stored,
        };
        let blob = self.blobs.entry(attempt.blob).or_default();
        match blob.find(&address).map(|replica| replica.fate) {
            Some(Fate::Present | Fate::Suspect) => return GivenUp::Live,
            Some(Fate::Removing(_)) => return GivenUp::Yes,
            None => {}
        }
        let provider_version = attempt.provider_version.clone();
        blob.replicas.push(Replica {
            address,
            provider_version,
            fate: Fate::Removing(death),
        });
        blob.forget_pending(&address);
        GivenUp::Yes
    }

    /// The same, where it must not stop the command.
    pub(super) fn give_up_or_report(&mut self, attempt: &BlobAttempt, cause: DeathCause) {
        if self.give_up(attempt, cause) == GivenUp::Live {
            self.report_live(attempt);
        }
    }

    pub(super) fn give_up_attempts(&mut self, command: &GiveUpAttempts) -> Result<Outcome, No> {
        if command.attempts.len() > limits::ATTEMPTS {
            return malformed("a command names 256 attempts at most");
        }
        for attempt in &command.attempts {
            let epoch = attempt.address.epoch;
            if self.epochs.contains_key(&epoch) && !self.is_own_attempt(&attempt.address) {
                return Err(Rejection::EpochNotOpen(epoch).into());
            }
            if self.give_up(attempt, DeathCause::GivenUp) == GivenUp::Live {
                return Err(No::Live(attempt.clone()));
            }
        }
        Ok(Outcome::Done)
    }

    /// A blob that something refers to.
    fn live_blob(&self, id: BlobId) -> Result<Blob, No> {
        let blob = self.blobs.get(&id).filter(|_| self.references_of(id) > 0);
        Ok(blob.cloned().ok_or(Rejection::NoSuchBlob)?)
    }

    pub(super) fn add_replica(&mut self, command: &AddReplica) -> Result<Outcome, No> {
        let AddReplica {
            blob: id,
            replica,
            stored,
        } = command;
        let mut blob = self.live_blob(*id)?;
        if blob.stored() != *stored {
            return malformed("the copy is not as long as the blob");
        }
        self.check_replica(replica)?;
        let address = replica.address();
        let is_full = blob.replicas.len() >= limits::REPLICAS;
        if blob.find(&address).is_some() || blob.is_present_on(replica.backend) || is_full {
            return Err(Rejection::ReplicaExists.into());
        }
        blob.replicas.push(replica_of(replica, Fate::Present));
        blob.forget_pending(&address);
        blob.end_work();
        self.blobs.insert(*id, blob);
        Ok(Outcome::Done)
    }

    pub(super) fn mark_suspect(&mut self, command: &MarkSuspect) -> Result<Outcome, No> {
        let mut blob = self.live_blob(command.blob)?;
        // As many copies are wanted again as there are now.
        let wanted = blob.present() as u32;
        let replica = blob.find(&command.address).ok_or(Rejection::NoSuchReplica)?;
        match replica.fate {
            Fate::Removing(_) => return Err(Rejection::NoSuchReplica.into()),
            Fate::Suspect => return Ok(Outcome::Done),
            Fate::Present => replica.fate = Fate::Suspect,
        }
        let since = self.now;
        blob.suspected.get_or_insert(WorkRecord {
            wanted,
            since,
            pending: Vec::new(),
        });
        self.blobs.insert(command.blob, blob);
        Ok(Outcome::Done)
    }

    /// A suspect that was replaced on its backend is surplus, however good it is.
    pub(super) fn clear_suspect(&mut self, command: &ClearSuspect) -> Result<Outcome, No> {
        let mut blob = self.live_blob(command.blob)?;
        let is_replaced = blob.is_present_on(command.address.backend);
        let replica = blob.find(&command.address).ok_or(Rejection::NoSuchReplica)?;
        match replica.fate {
            Fate::Removing(_) => return Err(Rejection::NoSuchReplica.into()),
            Fate::Present => return Ok(Outcome::Done),
            Fate::Suspect if is_replaced => return Err(Rejection::ReplicaExists.into()),
            Fate::Suspect => replica.fate = Fate::Present,
        }
        blob.end_work();
        self.blobs.insert(command.blob, blob);
        Ok(Outcome::Done)
    }

    /// A copy goes only while other good ones remain, at least one.
    pub(super) fn remove_replica(&mut self, command: &RemoveReplica) -> Result<Outcome, No> {
        let RemoveReplica {
            blob: id,
            address,
            keep,
        } = *command;
        let mut blob = self.live_blob(id)?;
        let death = self.death_now(&blob, DeathCause::Removed);
        let present = blob.present();
        let replica = blob.find(&address).ok_or(Rejection::NoSuchReplica)?;
        let others = match replica.fate {
            Fate::Removing(_) => return Err(Rejection::NoSuchReplica.into()),
            Fate::Present => present - 1,
            Fate::Suspect => present,
        };
        if others == 0 || others < keep as usize {
            return Err(Rejection::TooFewReplicas.into());
        }
        replica.fate = Fate::Removing(death);
        blob.end_suspicion();
        self.blobs.insert(id, blob);
        Ok(Outcome::Done)
    }

    fn death_now(&self, blob: &Blob, cause: DeathCause) -> Death {
        Death {
            index: self.moment.index,
            cause,
            since: self.now,
            stored: blob.stored(),
        }
    }

    /// Lets all replicas of a blob be deleted that nothing refers to any more.
    pub(super) fn bury(&mut self, id: BlobId, index: u64) {
        let Some(mut blob) = self.blobs.get(&id).cloned() else {
            return;
        };
        let death = Death {
            index,
            ..self.death_now(&blob, DeathCause::Unreferenced)
        };
        for replica in &mut blob.replicas {
            if !matches!(replica.fate, Fate::Removing(_)) {
                replica.fate = Fate::Removing(death);
            }
        }
        blob.missing = None;
        blob.suspected = None;
        self.blobs.insert(id, blob);
    }

    /// With its last replica a dead blob is forgotten. Rows that are gone already are passed over.
    pub(super) fn confirm_deleted(&mut self, command: &ConfirmDeleted) -> Result<Outcome, No> {
        if command.rows.len() > limits::CONFIRM_ROWS {
            return malformed("a command confirms 250 rows at most");
        }
        for GarbageRow {
            died,
            blob: id,
            epoch,
            attempt,
        } in &command.rows
        {
            let Some(blob) = self.blobs.get_mut(id) else {
                continue;
            };
            blob.replicas.retain(|replica| {
                let is_it = replica.address.backend == command.backend
                    && (replica.address.epoch, replica.address.attempt) == (*epoch, *attempt);
                !(is_it && matches!(replica.fate, Fate::Removing(death) if death.index == *died))
            });
            if blob.replicas.is_empty() && self.references_of(*id) == 0 {
                self.blobs.remove(id);
            }
        }
        Ok(Outcome::Done)
    }
}
