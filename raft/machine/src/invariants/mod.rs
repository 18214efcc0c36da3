//! What holds of every state, between any two commands.
//!
//! Each invariant has an id, a sentence and a check over all rows. The checks read everything, so they are
//! for tests and for looking at a state offline; `apply` never runs them. Where `apply` itself meets a
//! broken invariant it rejects the command and leaves an incident row.

mod blobs;
mod names;
mod objects;
mod sessions;
mod world;

use crate::fault::Fault;
use crate::port::ReadTables;
pub use world::World;

/// One invariant.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its id, as it stands in documents and reports.
    pub id: &'static str,
    /// What holds.
    pub sentence: &'static str,
    /// Finds where it does not: one text per violation.
    pub check: fn(&World) -> Vec<String>,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Id of the invariant.
    pub id: &'static str,
    /// What was found, with the ids concerned.
    pub detail: String,
}

/// All invariants.
pub const ALL: &[Invariant] = &[
    Invariant {
        id: "I1",
        sentence: "the reference count of a blob or manifest equals the rows that refer to it",
        check: blobs::i1_references_equal_rows,
    },
    Invariant {
        id: "I2",
        sentence: "an attempt is in garbage exactly if its blob's row holds it as removing",
        check: blobs::i2_garbage_equals_removing,
    },
    Invariant {
        id: "I3",
        sentence: "derived counters equal the rows that they count",
        check: blobs::i3_counters_equal_rows,
    },
    Invariant {
        id: "I4",
        sentence: "the current version is the newest entry of its key, and a key without one has a delete \
                   marker as its newest entry or no entry",
        check: objects::i4_current_is_newest,
    },
    Invariant {
        id: "I5",
        sentence: "a key has at most one null version, and a pointer leads to it exactly if it is noncurrent",
        check: objects::i5_null_versions,
    },
    Invariant {
        id: "I6",
        sentence: "outcomes stand only for numbers of a known session that are within its window",
        check: sessions::i6_outcomes_are_unsettled,
    },
    Invariant {
        id: "I7",
        sentence: "the epoch of every replica is known or forgotten, and its incarnation is known",
        check: sessions::i7_epochs_of_replicas,
    },
    Invariant {
        id: "I8",
        sentence: "a live manifest lists exactly parts that stand and that add up to it",
        check: objects::i8_manifests_and_parts,
    },
    Invariant {
        id: "I9",
        sentence: "every part belongs to an open upload, to a manifest, or to a release",
        check: objects::i9_parts_have_owners,
    },
    Invariant {
        id: "I10",
        sentence: "work rows stand exactly for live blobs that are short or suspected",
        check: blobs::i10_work_rows,
    },
    Invariant {
        id: "I11",
        sentence: "names and ids lead to each other, and no id is above its counter",
        check: names::i11_names_and_ids,
    },
    Invariant {
        id: "I12",
        sentence: "every completion has one due row, and every due row its completion",
        check: objects::i12_completions,
    },
    Invariant {
        id: "I13",
        sentence: "rows of a bucket stand only while it does, or while they are being released",
        check: objects::i13_buckets_of_rows,
    },
    Invariant {
        id: "I14",
        sentence: "a live blob has a replica, and at most one present replica per backend",
        check: blobs::i14_replicas,
    },
    Invariant {
        id: "I15",
        sentence: "a blob is sealed by a key version that its bucket has, and that counts it",
        check: blobs::i15_sealing,
    },
    Invariant {
        id: "I16",
        sentence: "a removed backend holds nothing",
        check: names::i16_removed_backends,
    },
    Invariant {
        id: "I17",
        sentence: "nothing was applied later than the replicated time",
        check: names::i17_time,
    },
];

/// Where invariants do not hold. A row that cannot be read is a fault.
pub fn violations(tables: &impl ReadTables) -> Result<Vec<Violation>, Fault> {
    let world = World::read(tables)?;
    let mut violations = Vec::new();
    for invariant in ALL {
        let found = (invariant.check)(&world).into_iter();
        violations.extend(found.map(|detail| Violation {
            id: invariant.id,
            detail,
        }));
    }
    Ok(violations)
}

#[cfg(test)]
mod tests;
