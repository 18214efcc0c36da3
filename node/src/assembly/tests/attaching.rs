//! Attaching backends, whatever fails meanwhile (C2, DESIGN 3.4).

use std::sync::Arc;
use std::time::Duration;

use node_backend::fault::{Fault, Faulty, Script, When};
use node_backend::identity::{Identity, Verdict};
use node_backend::memory::MemoryBackend;
use node_backend::{BackendKey, ErrorKind, KeyPrefix, Operation};
use raft_machine::queries;
use raft_types::records::BackendState;
use raft_types::{BackendName, BackendNonce};

use crate::assembly::Attacher;
use crate::assembly::backends::AttachError;
use crate::replicas::Backends;
use crate::testing::{Fate, World};

struct Disk {
    name: BackendName,
    memory: MemoryBackend,
    script: Script,
}

impl Disk {
    fn new(name: &str) -> Self {
        let name = BackendName::new(name).unwrap();
        Self {
            memory: MemoryBackend::new(name.clone()),
            script: Script::seeded(1),
            name,
        }
    }

    /// Attaches it as a start of the process does.
    async fn attach(&self, world: &World, kind: &'static str) -> Result<Backends, AttachError> {
        let backends = Backends::default();
        let adapter = Arc::new(Faulty::new(self.memory.clone(), self.script.clone()));
        let attacher = Attacher {
            metadata: &world.metadata,
            identity: &world.identity,
            backends: &backends,
            timeout: Duration::from_secs(30),
        };
        attacher.attach_adapter(&self.name, kind, adapter).await?;
        Ok(backends)
    }

    fn state(&self, world: &World) -> Option<BackendState> {
        let found = queries::backend_by_name(&world.metadata.local(), &self.name).unwrap();
        found.map(|(_, row)| row.state)
    }

    fn identity_key() -> String {
        BackendKey::identity(&KeyPrefix::root())
            .unwrap()
            .as_str()
            .to_owned()
    }

    fn identity(&self) -> Option<Identity> {
        Identity::parse(&self.memory.bytes(&Self::identity_key())?)
    }
}

#[tokio::test]
async fn a_backend_is_found_again_at_the_next_start() {
    let world = World::new().await;
    let disk = Disk::new("disk");
    let first = disk.attach(&world, "memory").await.unwrap().all();
    let identity = disk.identity().unwrap();
    let again = disk.attach(&world, "memory").await.unwrap().all();
    assert_eq!((first[0].id, first.len()), (again[0].id, again.len()));
    assert_eq!(disk.identity(), Some(identity));
    assert_eq!(disk.state(&world), Some(BackendState::Active));
    let other_kind = disk.attach(&world, "fs").await;
    assert!(
        matches!(other_kind, Err(AttachError::OtherKind { .. })),
        "{other_kind:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn what_fails_on_the_way_is_completed_by_the_next_start() {
    let steps: [(&'static str, Option<Fault>, Option<Fate>); 7] = [
        ("the row", None, Some(Fate::NotTaken)),
        ("the row", None, Some(Fate::AnswerLost)),
        (
            "the identity",
            Some(Fault::FailBefore(|| ErrorKind::Unavailable)),
            None,
        ),
        (
            "the identity",
            Some(Fault::FailAfter(|| ErrorKind::Unavailable)),
            None,
        ),
        ("the identity", Some(Fault::Lie), None),
        ("the activation", None, Some(Fate::NotTaken)),
        ("the activation", None, Some(Fate::AnswerLost)),
    ];
    for (step, fault, fate) in steps {
        let world = World::new().await;
        let disk = Disk::new("disk");
        if let Some(fault) = &fault {
            disk.script.on(Operation::Put, When::First(1), fault.clone());
        }
        if let Some(fate) = &fate {
            let command = if step == "the row" {
                "AttachBackend"
            } else {
                "ActivateBackend"
            };
            world.wire.next(command, fate.clone());
        }
        disk.attach(&world, "memory").await.unwrap_err();
        let attached = disk.attach(&world, "memory").await;
        assert_eq!(attached.unwrap().all().len(), 1, "{step} {fault:?} {fate:?}");
        assert_eq!(disk.state(&world), Some(BackendState::Active));
        world.finish().await;
    }
}

#[tokio::test]
async fn a_place_that_is_not_ours_is_neither_used_nor_changed() {
    let world = World::new().await;
    let disk = Disk::new("disk");
    disk.attach(&world, "memory").await.unwrap();
    let ours = disk.identity().unwrap();
    let stranger = Identity {
        nonce: BackendNonce([9; 16]),
        ..ours
    };
    let key = Disk::identity_key();
    for (present, verdict) in [
        (None, "no identity is there"),
        (Some("garbage".to_owned()), "cannot be read"),
        (Some(stranger.to_string()), "attached"),
    ] {
        disk.memory.lose(&key);
        if let Some(present) = &present {
            disk.memory.plant(&key, present.clone().into());
        }
        let refused = disk.attach(&world, "memory").await;
        assert!(
            matches!(refused, Err(AttachError::NotOurs { .. })),
            "{verdict}: {refused:?}"
        );
        let left = disk.memory.bytes(&key).map(|bytes| bytes.to_vec());
        assert_eq!(
            left,
            present.map(String::into_bytes),
            "an active backend is never given an identity"
        );
    }
    world.finish().await;
}

#[tokio::test]
async fn one_place_under_two_names_is_found() {
    let world = World::new().await;
    let disk = Disk::new("disk");
    disk.attach(&world, "memory").await.unwrap();
    let alias = Disk {
        name: BackendName::new("alias").unwrap(),
        memory: disk.memory.clone(),
        script: Script::seeded(2),
    };
    let refused = alias.attach(&world, "memory").await;
    assert!(matches!(refused, Err(AttachError::Backend { .. })), "{refused:?}");
    assert_eq!(
        alias.state(&world),
        Some(BackendState::Attaching),
        "it takes no replicas"
    );
    let attached = disk.attach(&world, "memory").await.unwrap().all();
    assert_eq!(attached[0].check_identity().await.unwrap(), Verdict::Ours);
    world.finish().await;
}
