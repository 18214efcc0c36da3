use super::{KeyError, KeyPart, KeyReader};
use crate::codec::numbered;

numbered! {
    /// A table. Its number is the first byte of the keys of its rows and never changes its meaning.
    pub enum Table {
        /// Singletons: identity, clock, counters, keyring.
        0x01 => Cluster,
        /// For each small table the last entry that changed it.
        0x02 => Revisions,
        /// Buckets by id.
        0x08 => Buckets,
        /// Buckets by name.
        0x09 => BucketNames,
        /// What each bucket holds, derived.
        0x0a => BucketCounters,
        /// The current version of each key.
        0x10 => Current,
        /// Noncurrent versions and delete markers.
        0x11 => Versions,
        /// Where the noncurrent null version of a key stands.
        0x12 => NullVersions,
        /// Stored byte sequences and their replicas.
        0x18 => Blobs,
        /// Contents put together from the parts of an upload.
        0x19 => Manifests,
        /// How many blobs each bucket key version wraps, derived.
        0x1a => Wraps,
        /// Open multipart uploads.
        0x20 => Uploads,
        /// Parts of uploads and manifests.
        0x21 => Parts,
        /// Results of completed uploads, for replays.
        0x22 => Completions,
        /// When each of them may be forgotten.
        0x23 => CompletionsDue,
        /// Urgent work: missing copies, suspects.
        0x28 => Work,
        /// Attempts to delete.
        0x29 => Garbage,
        /// Dead content that a job walks in batches.
        0x2a => Release,
        /// Backends by id.
        0x30 => Backends,
        /// Backends by name.
        0x31 => BackendNames,
        /// What each backend holds, derived.
        0x32 => BackendCounters,
        /// Use of the monthly budgets.
        0x33 => Usage,
        /// Objects of a provider that were imported where they lie.
        0x34 => Native,
        /// Boots of nodes.
        0x38 => Sessions,
        /// Outcomes of commands whose numbers are not settled.
        0x39 => Outcomes,
        /// Key prefixes of attempts.
        0x3a => Epochs,
        /// Lives of the cluster.
        0x3b => Incarnations,
        /// Portions of budgets that sessions hold.
        0x3c => Grants,
        /// Wrapped bucket keys.
        0x40 => Keys,
        /// Nodes by id.
        0x48 => Nodes,
        /// Nodes by name.
        0x49 => NodeNames,
        /// Users and their access keys.
        0x4a => Principals,
        /// The cluster-wide settings.
        0x4b => Settings,
        /// Cursors of walks.
        0x50 => Jobs,
        /// Broken invariants that were found.
        0x51 => Incidents,
    }
}

impl Table {
    /// The name in documentation, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Cluster => "cluster",
            Table::Revisions => "revisions",
            Table::Buckets => "buckets",
            Table::BucketNames => "bucket_names",
            Table::BucketCounters => "bucket_counters",
            Table::Current => "current",
            Table::Versions => "versions",
            Table::NullVersions => "null_versions",
            Table::Blobs => "blobs",
            Table::Manifests => "manifests",
            Table::Wraps => "wraps",
            Table::Uploads => "uploads",
            Table::Parts => "parts",
            Table::Completions => "completions",
            Table::CompletionsDue => "completions_due",
            Table::Work => "work",
            Table::Garbage => "garbage",
            Table::Release => "release",
            Table::Backends => "backends",
            Table::BackendNames => "backend_names",
            Table::BackendCounters => "backend_counters",
            Table::Usage => "usage",
            Table::Native => "native",
            Table::Sessions => "sessions",
            Table::Outcomes => "outcomes",
            Table::Epochs => "epochs",
            Table::Incarnations => "incarnations",
            Table::Grants => "grants",
            Table::Keys => "keys",
            Table::Nodes => "nodes",
            Table::NodeNames => "node_names",
            Table::Principals => "principals",
            Table::Settings => "settings",
            Table::Jobs => "jobs",
            Table::Incidents => "incidents",
        }
    }
}

impl KeyPart for Table {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.number());
    }

    fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
        let number = reader.byte()?;
        Table::from_number(number).ok_or(KeyError::Range(u64::from(number)))
    }
}
