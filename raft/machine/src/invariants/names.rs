//! Invariants of names, ids, backends and time.

use raft_types::keys::{BackendCountersKey, BackendNameKey, BucketNameKey, NodeNameKey};
use raft_types::records::BackendState;

use super::World;

pub(super) fn i11_names_and_ids(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let counters = &world.counters;
    for (key, record) in &world.buckets {
        let name = world.bucket_names.get(&BucketNameKey {
            name: record.name.clone(),
        });
        if name.map(|row| row.bucket) != Some(key.bucket) || key.bucket > counters.bucket {
            found.push(format!("bucket {} and its name {}", key.bucket, record.name));
        }
    }
    for (key, record) in &world.nodes {
        let name = world.node_names.get(&NodeNameKey {
            name: record.name.clone(),
        });
        if name.map(|row| row.node) != Some(key.node) || key.node > counters.node {
            found.push(format!("node {} and its name {}", key.node, record.name));
        }
        let disk = record.disk;
        if world
            .nodes
            .iter()
            .any(|(other, row)| other.node != key.node && row.disk == disk)
        {
            found.push(format!("node {}: its disk {disk} is bound twice", key.node));
        }
    }
    let mut named = 0;
    for (key, record) in &world.backends {
        let name = world.backend_names.get(&BackendNameKey {
            name: record.name.clone(),
        });
        let is_named = name.map(|row| row.backend) == Some(key.backend);
        named += usize::from(is_named);
        if is_named == (record.state == BackendState::Removed) || key.backend > counters.backend {
            found.push(format!("backend {} and its name {}", key.backend, record.name));
        }
    }
    let counts = [
        ("bucket", world.bucket_names.len(), world.buckets.len()),
        ("node", world.node_names.len(), world.nodes.len()),
        ("backend", world.backend_names.len(), named),
    ];
    for (what, names, rows) in counts {
        if names != rows {
            found.push(format!("{names} {what} names for {rows} rows"));
        }
    }
    let session_is_counted = world.sessions.keys().all(|key| key.session <= counters.session);
    let epoch_is_counted = world.epochs.keys().all(|key| key.epoch <= counters.epoch);
    if !session_is_counted || !epoch_is_counted {
        found.push("a session or epoch is above its counter".to_owned());
    }
    if counters.incidents as usize != world.incidents.len() {
        found.push(format!(
            "{} incidents are counted, {} stand",
            counters.incidents,
            world.incidents.len()
        ));
    }
    found
}

pub(super) fn i16_removed_backends(world: &World) -> Vec<String> {
    let removed = world
        .backends
        .iter()
        .filter(|(_, record)| record.state == BackendState::Removed);
    removed
        .filter_map(|(key, _)| {
            let counters = world
                .backend_counters
                .get(&BackendCountersKey { backend: key.backend })?;
            let holds = counters.replicas > 0 || counters.garbage > 0;
            holds.then(|| format!("backend {} is removed and holds {counters:?}", key.backend))
        })
        .collect()
}

pub(super) fn i17_time(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |time: raft_types::MillisUtc, what: &str| {
        if time > world.now {
            found.push(format!("{what} of {time} lies after {}", world.now));
        }
    };
    world
        .objects()
        .for_each(|(_, object)| check(object.modified, "an object"));
    world
        .parts
        .values()
        .for_each(|part| check(part.modified, "a part"));
    world.garbage.values().for_each(|row| check(row.since, "garbage"));
    world
        .release
        .values()
        .for_each(|row| check(row.since, "a release"));
    found
}
