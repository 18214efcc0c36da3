//! Versions, null versions, delete markers (H6).

use raft_types::records::{VersionName, Versioning};
use raft_types::{BlobId, Command, DeleteResult, Rejection, VersionId};

use super::fixture::{Machine, key};
use crate::queries::{self, Lookup, VersionListEntry, VersionStart, VersionsQuery};

/// All entries of the bucket as (key, version, is marker, is latest).
fn listed(machine: &Machine) -> Vec<(String, VersionName, bool, bool)> {
    let query = VersionsQuery {
        bucket: machine.bucket,
        prefix: Default::default(),
        delimiter: Default::default(),
        start: VersionStart::Beginning,
        limit: 1000,
    };
    let page = queries::list_versions(&machine.tables, &query).unwrap();
    page.entries
        .into_iter()
        .map(|entry| match entry {
            VersionListEntry::Version {
                key,
                entry,
                is_latest,
            } => {
                let name = VersionName::of(entry.version(), entry.is_null());
                let is_marker = matches!(entry, raft_types::records::VersionEntry::DeleteMarker(_));
                (key.to_string(), name, is_marker, is_latest)
            }
            VersionListEntry::Prefix(prefix) => panic!("{prefix:?}"),
        })
        .collect()
}

fn names(machine: &Machine) -> Vec<VersionName> {
    listed(machine).into_iter().map(|(_, name, _, _)| name).collect()
}

fn put(machine: &mut Machine, name: &str) -> (BlobId, VersionId) {
    let (blob, committed) = machine.put(name);
    (blob, committed.version)
}

fn marker(result: DeleteResult) -> VersionName {
    match result {
        DeleteResult::Gone(gone) => gone.marker.unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn h6_versions_are_ordered_by_commit_and_the_newest_remaining_one_is_promoted() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let (_, one) = put(&mut machine, "key");
    let (_, two) = put(&mut machine, "key");
    let (blob, three) = put(&mut machine, "key");
    assert_eq!(names(&machine), [three, two, one].map(VersionName::Id));
    machine.delete("key", Some(VersionName::Id(three)));
    assert_eq!(machine.current("key").unwrap().version, two);
    assert!(!machine.blob(blob).unwrap().is_live());
    machine.delete("key", Some(VersionName::Id(one)));
    assert_eq!(names(&machine), [VersionName::Id(two)]);
}

#[test]
fn h6_removing_the_current_version_above_a_marker_makes_nothing_current() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let (_, one) = put(&mut machine, "key");
    let deleted = marker(machine.delete("key", None));
    let (_, two) = put(&mut machine, "key");
    machine.delete("key", Some(VersionName::Id(two)));
    assert!(machine.current("key").is_none(), "what was deleted stays deleted");
    assert!(matches!(
        queries::lookup(&machine.tables, machine.bucket, &key("key"), None).unwrap(),
        Lookup::DeleteMarker(_)
    ));
    assert_eq!(names(&machine), [deleted, VersionName::Id(one)]);
}

#[test]
fn h6_removing_the_newest_marker_brings_the_version_below_it_back() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let (_, one) = put(&mut machine, "key");
    let first = marker(machine.delete("key", None));
    let second = marker(machine.delete("key", None));
    machine.delete("key", Some(first));
    assert!(machine.current("key").is_none());
    let gone = machine.delete("key", Some(second));
    assert!(matches!(gone, DeleteResult::Gone(gone) if gone.removed_marker));
    assert_eq!(machine.current("key").unwrap().version, one);
}

#[test]
fn h6_a_suspended_write_replaces_the_null_version_wherever_it_is() {
    let mut machine = Machine::ready();
    let (null, _) = put(&mut machine, "key");
    machine.set_versioning(Versioning::Enabled);
    let (_, one) = put(&mut machine, "key");
    assert_eq!(names(&machine), [VersionName::Id(one), VersionName::Null]);
    machine.set_versioning(Versioning::Suspended);
    let (second, _) = put(&mut machine, "key");
    assert_eq!(names(&machine), [VersionName::Null, VersionName::Id(one)]);
    assert!(
        !machine.blob(null).unwrap().is_live(),
        "the noncurrent null version is gone"
    );
    let (third, _) = put(&mut machine, "key");
    assert_eq!(names(&machine), [VersionName::Null, VersionName::Id(one)]);
    assert!(!machine.blob(second).unwrap().is_live());
    assert!(machine.blob(third).unwrap().is_live());
}

#[test]
fn h6_a_suspended_delete_leaves_a_null_marker_in_place_of_the_null_version() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let (_, one) = put(&mut machine, "key");
    machine.set_versioning(Versioning::Suspended);
    let (null, _) = put(&mut machine, "key");
    assert_eq!(marker(machine.delete("key", None)), VersionName::Null);
    assert!(!machine.blob(null).unwrap().is_live());
    assert_eq!(names(&machine), [VersionName::Null, VersionName::Id(one)]);
    assert_eq!(
        marker(machine.delete("key", None)),
        VersionName::Null,
        "one null marker takes the other's place"
    );
    assert_eq!(names(&machine).len(), 2);
    machine.set_versioning(Versioning::Enabled);
    let (_, two) = put(&mut machine, "key");
    assert_eq!(
        names(&machine),
        [VersionName::Id(two), VersionName::Null, VersionName::Id(one)]
    );
    machine.set_versioning(Versioning::Suspended);
    put(&mut machine, "key");
    assert_eq!(
        names(&machine),
        [VersionName::Null, VersionName::Id(two), VersionName::Id(one)]
    );
}

#[test]
fn a_delete_marker_is_made_even_where_there_was_no_object() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let made = marker(machine.delete("key", None));
    assert_eq!(listed(&machine), [("key".to_owned(), made, true, true)]);
    machine.delete("key", Some(made));
    assert!(listed(&machine).is_empty());
}

#[test]
fn a_null_version_goes_by_its_name_and_not_by_its_id() {
    let mut machine = Machine::ready();
    let (_, null) = put(&mut machine, "key");
    machine.set_versioning(Versioning::Enabled);
    machine.delete("key", Some(VersionName::Id(null)));
    assert!(machine.current("key").is_some());
    put(&mut machine, "key");
    machine.delete("key", Some(VersionName::Id(null)));
    assert_eq!(names(&machine).len(), 2);
    machine.delete("key", Some(VersionName::Null));
    assert_eq!(names(&machine).len(), 1);
}

#[test]
fn several_deletions_of_one_key_in_one_command_get_versions_of_their_own() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    put(&mut machine, "key");
    let target = raft_types::commands::DeleteTarget {
        key: key("key"),
        version: None,
        conditions: None,
    };
    let delete = raft_types::commands::DeleteObjects {
        bucket: machine.bucket,
        targets: vec![target; 100],
        owner: None,
    };
    machine.command(Command::DeleteObjects(delete));
    assert_eq!(names(&machine).len(), 101);
}

#[test]
fn versioning_is_never_switched_off() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let off = raft_types::commands::SetVersioning {
        bucket: machine.bucket,
        versioning: Versioning::Off,
    };
    assert!(matches!(
        machine.rejection(Command::SetVersioning(off)),
        Rejection::Malformed(_)
    ));
}

#[test]
fn listing_of_versions_pages_through_every_entry_once() {
    let mut machine = Machine::ready();
    for name in ["a", "a/b", "a\u{0}c", "b"] {
        put(&mut machine, name);
    }
    machine.set_versioning(Versioning::Enabled);
    for name in ["a", "a/b", "b", "b", "c\u{0}"] {
        put(&mut machine, name);
    }
    machine.delete("b", None);
    machine.delete("nothing", None);
    let all = listed(&machine);
    assert_eq!(
        all.iter().filter(|entry| entry.3).count(),
        6,
        "one latest entry per key: {all:?}"
    );
    for limit in 1..=all.len() {
        let mut start = VersionStart::Beginning;
        let mut paged = Vec::new();
        loop {
            let query = VersionsQuery {
                bucket: machine.bucket,
                prefix: Default::default(),
                delimiter: Default::default(),
                start,
                limit,
            };
            let page = queries::list_versions(&machine.tables, &query).unwrap();
            paged.extend(page.entries.into_iter().map(|entry| match entry {
                VersionListEntry::Version {
                    key,
                    entry,
                    is_latest,
                } => {
                    let name = VersionName::of(entry.version(), entry.is_null());
                    (key.to_string(), name, is_latest)
                }
                VersionListEntry::Prefix(_) => panic!("no delimiter was given"),
            }));
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        let expected: Vec<_> = all
            .iter()
            .map(|(key, name, _, latest)| (key.clone(), *name, *latest))
            .collect();
        assert_eq!(paged, expected, "pages of {limit}");
    }
}

#[test]
fn h6_a_null_version_goes_by_its_name_and_not_by_its_id_wherever_it_stands() {
    let mut machine = Machine::ready();
    let (_, null) = put(&mut machine, "key");
    let lookup = |machine: &Machine, name| {
        queries::lookup(&machine.tables, machine.bucket, &key("key"), Some(&name)).unwrap()
    };
    let by_id = VersionName::Id(null);
    assert_eq!(lookup(&machine, by_id), Lookup::Nothing, "while it is current");
    machine.set_versioning(Versioning::Enabled);
    put(&mut machine, "key");
    assert_eq!(lookup(&machine, by_id), Lookup::Nothing, "and when it is not");
    assert!(matches!(lookup(&machine, VersionName::Null), Lookup::Object(_)));
}
