//! Whether random histories come by everything that can happen. A comparison of what never happens is none.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use raft_types::keys::Table;
use raft_types::records::{DeathCause, ReleaseSubject, SealCause, SweepPass};
use raft_types::{BackendId, DeleteResult, Outcome, Refusal, Rejection, SettingsVerdict};

use super::history::History;
use super::{live, steps};
use crate::queries;

/// What commands come to where they happen, and which they are.
const HAPPENED: [(&str, &str); 38] = [
    ("AbortUpload", "Done"),
    ("ActivateBackend", "Done"),
    ("ActivateKey", "Done"),
    ("AddReplica", "Done"),
    ("AttachBackend", "BackendAttached"),
    ("BindCluster", "Done"),
    ("ClearSuspect", "Done"),
    ("CloseEpoch", "Done"),
    ("CloseSession", "Done"),
    ("CommitObject", "Committed"),
    ("CommitPart", "Done"),
    ("CompleteUpload", "Committed"),
    ("ConfirmDeleted", "Done"),
    ("CopyReference", "Committed"),
    ("CreateBucket", "BucketCreated"),
    ("CreateUpload", "Done"),
    ("DeleteBucket", "Done"),
    ("DeleteObjects", "Deleted"),
    ("DismissIncident", "Done"),
    ("ExpireCompletions", "Released"),
    ("GiveUpAttempts", "Done"),
    ("MarkSuspect", "Done"),
    ("OpenEpoch", "EpochOpened"),
    ("OpenSession", "SessionOpened"),
    ("ProposeSettings", "SettingsTaken"),
    ("ProveKey", "Done"),
    ("PutBucketKey", "Done"),
    ("RecordKeyring", "Done"),
    ("RecordSweep", "Done"),
    ("RegisterNode", "NodeRegistered"),
    ("Release", "Released"),
    ("RemoveNode", "Done"),
    ("RemoveReplica", "Done"),
    ("SealEpoch", "Done"),
    ("SealSession", "Done"),
    ("SetBackendState", "Done"),
    ("SetVersioning", "Done"),
    ("Settle", "Cancelled"),
];

/// Rejections that come up. The others: `NoSuchVersion` and `NotBound` are given by no command, `TooLarge` is
/// beyond what clients can ask for, and so is [`Rejection::Incident`] but for live attempts.
const REJECTIONS: [&str; 36] = [
    "AlreadyBound",
    "BackendClosed",
    "BackendExists",
    "BackendInUse",
    "BlobExists",
    "BootSuperseded",
    "BucketExists",
    "BucketNotEmpty",
    "Changed",
    "EpochNotOpen",
    "EpochNotSweepable",
    "Incident",
    "KeyringBehind",
    "Malformed",
    "NoSuchBackend",
    "NoSuchBlob",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchKeyVersion",
    "NoSuchNode",
    "NoSuchReplica",
    "NoSuchRow",
    "NoSuchSession",
    "NoSuchUpload",
    "NodeBound",
    "OtherTerm",
    "PartTooSmall",
    "PartsChanged",
    "PreconditionFailed",
    "RecordTooLarge",
    "ReplicaExists",
    "SessionMissing",
    "SourceChanged",
    "TooFewReplicas",
    "Unsealed",
    "UploadExists",
];

/// The name of a variant: what stands before its fields.
fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}

/// What a history came by.
#[derive(Default)]
struct Seen {
    outcomes: BTreeSet<(&'static str, String)>,
    rejections: BTreeSet<String>,
    refusals: BTreeSet<Refusal>,
    settings: BTreeSet<SettingsVerdict>,
    causes: BTreeSet<DeathCause>,
    seals: BTreeSet<SealCause>,
    passes: BTreeSet<SweepPass>,
    releases: BTreeSet<String>,
    tables: BTreeSet<Table>,
    /// Settled numbers that had an outcome, and steps of releases that did not finish.
    settled: usize,
    unfinished: usize,
}

impl Seen {
    fn outcome(&mut self, name: &'static str, outcome: &Outcome) {
        self.outcomes.insert((name, variant(outcome)));
        match outcome {
            Outcome::Rejected(rejection) => self.rejection(rejection),
            Outcome::Refused(refusal) => {
                self.refusals.insert(*refusal);
            }
            Outcome::SettingsTaken(verdict) => {
                self.settings.insert(*verdict);
            }
            Outcome::Deleted(deletions) => {
                for result in &deletions.results {
                    if let DeleteResult::Rejected(rejection) = result {
                        self.rejection(rejection);
                    }
                }
            }
            Outcome::Released(step) if name == "Release" && !step.finished => self.unfinished += 1,
            Outcome::Committed(_) | Outcome::EpochOpened(_) if name == "Settle" => self.settled += 1,
            _ => {}
        }
    }

    fn rejection(&mut self, rejection: &Rejection) {
        self.rejections.insert(variant(rejection));
    }

    fn state(&mut self, history: &History) {
        let model = &history.model;
        for backend in (0..8).map(BackendId) {
            let garbage = model.garbage(backend, u64::MAX, None, usize::MAX);
            self.causes
                .extend(garbage.into_iter().map(|(_, record)| record.cause));
        }
        for (_, session) in model.sessions() {
            self.seals.extend(session.seal.map(|seal| seal.cause));
        }
        for (_, epoch) in model.epochs() {
            self.passes.extend(epoch.sweeps.iter().map(|sweep| sweep.pass));
        }
        for (_, release) in model.release(u64::MAX, usize::MAX) {
            let subject: ReleaseSubject = release.subject;
            self.releases.insert(variant(&subject));
        }
        let rows = queries::state_digest(&history.tables).unwrap().rows;
        self.tables.extend(rows.into_keys());
    }
}

#[test]
fn random_histories_come_by_everything_that_can_happen() {
    // Always the same ones: this is about what is generated, not about the machine.
    let mut runner = TestRunner::deterministic();
    let mut seen = Seen::default();
    for _ in 0..120 {
        let history = live(steps(80).new_tree(&mut runner).unwrap().current());
        seen.state(&history);
        for (name, outcome) in &history.seen {
            seen.outcome(name, outcome);
        }
    }
    let missing: Vec<_> = HAPPENED
        .iter()
        .filter(|(name, outcome)| !seen.outcomes.contains(&(*name, (*outcome).to_owned())))
        .collect();
    assert!(missing.is_empty(), "never: {missing:?}");
    let missing: Vec<_> = REJECTIONS
        .iter()
        .filter(|name| !seen.rejections.contains(**name))
        .collect();
    assert!(missing.is_empty(), "never rejected as {missing:?}");
    let rejections: BTreeSet<_> = REJECTIONS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen.rejections, rejections, "the list is complete");
    assert_eq!(seen.refusals, Refusal::ALL.iter().copied().collect());
    assert_eq!(seen.settings, SettingsVerdict::ALL.iter().copied().collect());
    assert_eq!(seen.causes, DeathCause::ALL.iter().copied().collect());
    assert_eq!(seen.passes, SweepPass::ALL.iter().copied().collect());
    // A new incarnation begins with a restore.
    let seals = SealCause::ALL
        .iter()
        .copied()
        .filter(|cause| *cause != SealCause::NewIncarnation);
    assert_eq!(seen.seals, seals.collect());
    let subjects = [
        "Blobs",
        "Bucket",
        "Manifest",
        "Outcomes",
        "UnlistedParts",
        "Upload",
    ];
    assert_eq!(seen.releases, subjects.map(str::to_owned).into());
    // Nothing writes these yet.
    let later = [
        Table::Usage,
        Table::Native,
        Table::Grants,
        Table::Principals,
        Table::Jobs,
    ];
    let tables = Table::ALL.iter().copied().filter(|table| !later.contains(table));
    assert_eq!(seen.tables, tables.collect());
    assert!(seen.settled > 0 && seen.unfinished > 0);
}
