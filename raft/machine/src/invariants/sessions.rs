//! Invariants of sessions, outcomes and epochs.

use raft_types::keys::{IncarnationKey, SessionKey};
use raft_types::limits::SEQ_WINDOW;
use raft_types::records::ReleaseSubject;

use super::World;

pub(super) fn i6_outcomes_are_unsettled(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for key in world.outcomes.keys() {
        let (session, seq) = (key.session, key.seq);
        let Some(record) = world.sessions.get(&SessionKey { session }) else {
            found.push(format!(
                "outcome {seq} of session {session}, which does not stand"
            ));
            continue;
        };
        if seq < record.trimmed || seq > record.floor.saturating_add(SEQ_WINDOW) {
            found.push(format!(
                "outcome {seq} of session {session}, whose floor is {}",
                record.floor
            ));
        }
        let is_released = || {
            let subject = ReleaseSubject::Outcomes(session);
            world.release.values().any(|release| release.subject == subject)
        };
        if record.seal.is_some() && !is_released() {
            found.push(format!(
                "outcome {seq} of the sealed session {session} is not being released"
            ));
        }
    }
    for (key, record) in &world.sessions {
        if record.trimmed > record.floor {
            found.push(format!("session {} is trimmed above its floor", key.session));
        }
    }
    found
}

pub(super) fn i7_epochs_of_replicas(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (key, record) in &world.blobs {
        for replica in &record.replicas {
            if replica.epoch > world.counters.epoch {
                found.push(format!(
                    "blob {}: epoch {} was never opened",
                    key.blob, replica.epoch
                ));
            }
            if !world.incarnations.contains_key(&IncarnationKey {
                counter: replica.incarnation,
            }) {
                found.push(format!(
                    "blob {}: incarnation {} is unknown",
                    key.blob, replica.incarnation
                ));
            }
        }
    }
    for (key, epoch) in &world.epochs {
        if !world.sessions.contains_key(&SessionKey {
            session: epoch.session,
        }) {
            found.push(format!(
                "epoch {} of session {}, which does not stand",
                key.epoch, epoch.session
            ));
        }
    }
    found
}
