//! Copies by reference (H3).

use raft_types::commands::CopyReference;
use raft_types::records::{MetadataPair, Versioning};
use raft_types::{Command, Outcome, Rejection, VersionId};

use super::fixture::{MIB, Machine, key, new_object, written_of};

fn copy(machine: &Machine, source: &str, version: VersionId, target: &str) -> CopyReference {
    let object = machine.current(source).unwrap();
    let mut new = new_object(object.size);
    new.etag = object.etag;
    CopyReference {
        bucket: machine.bucket,
        source: key(source),
        source_version: version,
        source_conditions: None,
        key: key(target),
        object: new,
        conditions: None,
    }
}

fn send(machine: &mut Machine, copy: CopyReference) -> Outcome {
    machine.command(Command::CopyReference(Box::new(copy)))
}

#[test]
fn h3_a_copy_shares_the_blob_until_both_are_gone() {
    let mut machine = Machine::ready();
    let (blob, put) = machine.put("a");
    let command = copy(&machine, "a", put.version, "b");
    assert!(matches!(send(&mut machine, command), Outcome::Committed(_)));
    assert_eq!(machine.blob(blob).unwrap().references, 2);
    machine.delete("a", None);
    assert!(machine.garbage(1).is_empty());
    machine.delete("b", None);
    assert_eq!(machine.garbage(1).len(), 1);
}

#[test]
fn h3_a_copy_onto_itself_changes_the_metadata_and_keeps_the_bytes() {
    let mut machine = Machine::ready();
    let (blob, put) = machine.put("a");
    let mut command = copy(&machine, "a", put.version, "a");
    command.object.metadata = vec![MetadataPair {
        name: "mtime".to_owned(),
        value: "1".to_owned(),
    }];
    let Outcome::Committed(copied) = send(&mut machine, command) else {
        panic!("not copied");
    };
    assert!(copied.version > put.version);
    assert_eq!(machine.current("a").unwrap().metadata.len(), 1);
    assert_eq!(machine.blob(blob).unwrap().references, 1);
    assert!(machine.garbage(1).is_empty() && machine.releases().is_empty());
}

#[test]
fn h3_a_copy_of_several_blobs_onto_itself_releases_nothing() {
    let mut machine = Machine::ready();
    let blobs = vec![machine.new_blob(10, &[1]), machine.new_blob(20, &[2])];
    let commit = machine.commit("a", written_of(blobs));
    let put = machine.committed(Command::CommitObject(Box::new(commit)));
    let command = copy(&machine, "a", put.version, "a");
    assert!(matches!(send(&mut machine, command), Outcome::Committed(_)));
    assert!(machine.releases().is_empty());
    let version = machine.current("a").unwrap().version;
    let command = copy(&machine, "a", version, "b");
    assert!(matches!(send(&mut machine, command), Outcome::Committed(_)));
    machine.delete("a", None);
    machine.release_all(100);
    assert!(machine.garbage(1).is_empty());
    machine.delete("b", None);
    machine.release_all(100);
    assert_eq!((machine.garbage(1).len(), machine.garbage(2).len()), (1, 1));
}

#[test]
fn h3_a_copy_of_a_manifest_counts_on_the_manifest_and_never_on_its_parts() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("a");
    let blob = machine.put_part(&target, 1, 5 * MIB);
    machine.put_part(&target, 2, 1);
    let complete = machine.complete(&target, &[1, 2]);
    let put = machine.committed(Command::CompleteUpload(Box::new(complete)));
    let command = copy(&machine, "a", put.version, "b");
    assert!(matches!(send(&mut machine, command), Outcome::Committed(_)));
    assert_eq!(machine.blob(blob).unwrap().references, 1);
    machine.delete("a", None);
    assert!(machine.releases().is_empty());
    machine.delete("b", None);
    machine.release_all(1);
    assert_eq!(machine.garbage(1).len(), 2);
}

#[test]
fn h3_a_source_that_changed_since_it_was_read_is_refused() {
    let mut machine = Machine::ready();
    let (_, put) = machine.put("a");
    let command = copy(&machine, "a", put.version, "b");
    machine.put("a");
    assert_eq!(
        send(&mut machine, command),
        Outcome::Rejected(Rejection::SourceChanged)
    );
    assert!(machine.current("b").is_none());
}

#[test]
fn a_noncurrent_version_can_be_copied_to_become_current_again() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let (old, put) = machine.put("a");
    machine.put("a");
    let command = copy(&machine, "a", put.version, "a");
    assert!(matches!(send(&mut machine, command), Outcome::Committed(_)));
    assert_eq!(machine.blob(old).unwrap().references, 2);
    assert_eq!(
        machine.current("a").unwrap().content,
        raft_types::records::Content::Blob(old)
    );
}

#[test]
fn a_copy_that_lies_about_the_length_is_malformed() {
    let mut machine = Machine::ready();
    let (_, put) = machine.put("a");
    let mut command = copy(&machine, "a", put.version, "b");
    command.object.size += 1;
    assert!(matches!(
        send(&mut machine, command),
        Outcome::Rejected(Rejection::Malformed(_))
    ));
}
