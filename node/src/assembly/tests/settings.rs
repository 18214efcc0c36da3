//! The settings of the cluster and the files of its nodes (H8).

use node_crypto::{ClusterSecret, SealError};
use raft_machine::queries;
use raft_types::commands::RegisterNode;
use raft_types::records::SettingsRecord;
use raft_types::{Command, DiskId, NodeId, NodeName, Outcome};

use crate::assembly::gauges::drifted;
use crate::assembly::settings::{Agreed, Agreement, SettingsError};
use crate::config::{ClusterSettings, Loader};
use crate::testing::{Fate, World, bytes};

fn file(users: &str) -> ClusterSettings {
    let yaml = format!("backends: [{{name: disk, path: /srv/holdfast}}]\nusers: [{users}]\n");
    Loader::new().text("test", &yaml).load().unwrap().config.cluster
}

fn ann() -> ClusterSettings {
    file("{access_key: ann, secret_key: secret-of-ann, allowed_buckets: ['*']}")
}

fn bob() -> ClusterSettings {
    file("{access_key: bob, secret_key: secret-of-bob, allowed_buckets: [one, two]}")
}

fn eve() -> ClusterSettings {
    file("{access_key: eve, secret_key: secret-of-eve, create_buckets: true}")
}

fn secret(seed: u64) -> ClusterSecret {
    let bytes = bytes(seed, 32);
    ClusterSecret::new(bytes.as_ref().try_into().unwrap()).unwrap()
}

fn agreement(world: &World, node: NodeId) -> Agreement {
    Agreement {
        metadata: world.metadata.clone(),
        node,
        secret: secret(1),
    }
}

fn first(world: &World) -> NodeId {
    world.handle().identity().node
}

async fn second(world: &World) -> NodeId {
    let register = Command::RegisterNode(RegisterNode {
        name: NodeName::new("node-2").unwrap(),
        disk: DiskId([2; 16]),
    });
    match world.metadata.execute(register).await.unwrap() {
        Outcome::NodeRegistered(node) => node,
        other => panic!("{other:?}"),
    }
}

fn kept(world: &World) -> SettingsRecord {
    queries::settings(&world.metadata.local()).unwrap().unwrap()
}

/// Whose settings hold: the first access key that they name.
fn users(agreed: &Agreed, own: &ClusterSettings) -> String {
    let settings = match agreed {
        Agreed::Own => own,
        Agreed::Others(others) => others,
    };
    settings.users[0].credential.access_key_id.clone()
}

/// What a node with this file goes by after a start.
async fn start(world: &World, node: NodeId, own: &ClusterSettings) -> (bool, String) {
    let agreed = agreement(world, node).reach(own).await.unwrap();
    (matches!(agreed, Agreed::Own), users(&agreed, own))
}

#[tokio::test]
async fn the_file_of_the_founder_enters_the_settings_and_its_secrets_are_sealed() {
    let world = World::new().await;
    let node = first(&world);
    assert_eq!(start(&world, node, &ann()).await, (true, "ann".to_owned()));
    let kept = kept(&world);
    assert_eq!(kept.node, node);
    for word in ["secret-of-ann", "ann", "backends"] {
        let shows = kept
            .content
            .windows(word.len())
            .any(|part| part == word.as_bytes());
        assert!(!shows, "{word} stands in the state");
    }
    assert_eq!(drifted(&world.metadata.local()).unwrap(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_mere_restart_offers_nothing() {
    let world = World::new().await;
    let node = first(&world);
    start(&world, node, &ann()).await;
    let before = kept(&world);
    // Whatever would be sent would fail.
    world.wire.next("ProposeSettings", Fate::NotTaken);
    assert_eq!(start(&world, node, &ann()).await, (true, "ann".to_owned()));
    assert_eq!(kept(&world), before);
    let failed = agreement(&world, node).reach(&bob()).await;
    assert!(matches!(failed, Err(SettingsError::Execute(_))), "{failed:?}");
    world.finish().await;
}

#[tokio::test]
async fn a_file_that_was_changed_changes_the_settings() {
    let world = World::new().await;
    let node = first(&world);
    for own in [ann(), bob(), ann(), eve()] {
        let name = own.users[0].credential.access_key_id.clone();
        assert_eq!(start(&world, node, &own).await, (true, name));
    }
    world.finish().await;
}

#[tokio::test]
async fn an_offer_whose_answer_was_lost_is_found_at_the_next_start() {
    let world = World::new().await;
    let node = first(&world);
    start(&world, node, &ann()).await;
    world.wire.next("ProposeSettings", Fate::AnswerLost);
    agreement(&world, node).reach(&bob()).await.unwrap_err();
    assert_eq!(start(&world, node, &bob()).await, (true, "bob".to_owned()));
    world.finish().await;
}

#[tokio::test]
async fn an_old_file_never_wins() {
    let world = World::new().await;
    let (one, two) = (first(&world), second(&world).await);
    start(&world, one, &ann()).await;
    assert_eq!(start(&world, two, &ann()).await, (true, "ann".to_owned()));
    // A rolling change: node 1 has the new file, node 2 restarts with the old one.
    assert_eq!(start(&world, one, &bob()).await, (true, "bob".to_owned()));
    for _ in 0..2 {
        assert_eq!(start(&world, two, &ann()).await, (false, "bob".to_owned()));
        assert_eq!(drifted(&world.metadata.local()).unwrap(), 1);
    }
    // Its turn comes: nothing is left to do.
    assert_eq!(start(&world, two, &bob()).await, (true, "bob".to_owned()));
    assert_eq!(drifted(&world.metadata.local()).unwrap(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_node_that_joins_with_another_file_goes_by_the_settings() {
    let world = World::new().await;
    let (one, two) = (first(&world), second(&world).await);
    start(&world, one, &ann()).await;
    assert_eq!(start(&world, two, &bob()).await, (false, "ann".to_owned()));
    assert_eq!(drifted(&world.metadata.local()).unwrap(), 1);
    // Another change of a file that never was the settings is for an operator to decide.
    assert_eq!(start(&world, two, &eve()).await, (false, "ann".to_owned()));
    assert_eq!(start(&world, one, &ann()).await, (true, "ann".to_owned()));
    world.finish().await;
}

#[tokio::test]
async fn settings_under_another_secret_are_not_taken_for_ours() {
    let world = World::new().await;
    let node = first(&world);
    start(&world, node, &ann()).await;
    let two = Agreement {
        secret: secret(2),
        ..agreement(&world, second(&world).await)
    };
    let refused = two.reach(&ann()).await;
    assert!(
        matches!(refused, Err(SettingsError::Secret(SealError::NotAuthentic))),
        "{refused:?}"
    );
    world.finish().await;
}
