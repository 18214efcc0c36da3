//! Keys whose components all have their natural encoding.

use super::{KeyError, KeyPart, KeyReader, RowKey, Table, TableKey};
use crate::ids::{
    Attempt, BackendId, BlobId, BucketId, EpochId, IncarnationCounter, KeyVersion, NodeId, PartNumber, RowId,
    SessionId, UploadId,
};
use crate::names::{BackendName, BucketName, NodeName, PrincipalName};
use crate::outcome::Outcome;
use crate::records::{
    BackendCounters, BackendNameRecord, BackendRecord, BlobRecord, BucketCounters, BucketNameRecord,
    BucketRecord, ClockRecord, CompletionDueRecord, CompletionRecord, CountersRecord, EpochRecord,
    GarbageRecord, Identity, IncarnationRecord, IncidentRecord, KeyRecord, KeyringRecord, ManifestRecord,
    NodeNameRecord, NodeRecord, PartRecord, ReleaseRecord, RevisionRecord, SessionRecord, SettingsRecord,
    WorkKind, WorkRecord, WrapRecord,
};
use crate::time::MillisUtc;

/// Declares the key of a table: `Name in Table { components }`, and what its rows hold.
macro_rules! row_key {
    (
        $(#[$meta:meta])*
        $name:ident in $table:ident { $( $(#[$part_meta:meta])* $part:ident: $type:ty, )* }
        $(holds $record:ty)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name { $( $(#[$part_meta])* pub $part: $type, )* }

        impl TableKey for $name {
            const TABLE: Table = Table::$table;

            fn write_components(&self, out: &mut Vec<u8>) {
                $( self.$part.write(out); )*
            }

            fn read_components(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                Ok($name { $( $part: <$type as KeyPart>::read(reader)?, )* })
            }
        }

        $( impl RowKey for $name { type Record = $record; } )?
    };
}

/// Declares the key of a singleton.
macro_rules! singleton_key {
    ($(#[$meta:meta])* $name:ident in $table:ident $(at $field:literal)? holds $record:ty) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name;

        impl TableKey for $name {
            const TABLE: Table = Table::$table;

            #[allow(unused_variables, reason = "a table of one row has no components")]
            fn write_components(&self, out: &mut Vec<u8>) {
                $( out.push($field); )?
            }

            #[allow(unused_variables, reason = "a table of one row has no components")]
            fn read_components(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                $(
                    let field = reader.byte()?;
                    if field != $field {
                        return Err(KeyError::Range(u64::from(field)));
                    }
                )?
                Ok($name)
            }
        }

        impl RowKey for $name {
            type Record = $record;
        }
    };
}

singleton_key! {
    /// Who this cluster is.
    IdentityKey in Cluster at 0x01 holds Identity
}
singleton_key! {
    /// The largest `now` that was applied.
    ClockKey in Cluster at 0x02 holds ClockRecord
}
singleton_key! {
    /// The ids that are given out next.
    CountersKey in Cluster at 0x03 holds CountersRecord
}
singleton_key! {
    /// Where the keyring was last written, and which revision of `keys` it holds.
    KeyringKey in Cluster at 0x04 holds KeyringRecord
}
singleton_key! {
    /// The cluster-wide settings.
    SettingsKey in Settings holds SettingsRecord
}

row_key! {
    /// The last change of a small table.
    RevisionKey in Revisions {
        /// The table that changed.
        table: Table,
    }
    holds RevisionRecord
}
row_key! {
    /// A bucket.
    BucketKey in Buckets {
        /// The bucket.
        bucket: BucketId,
    }
    holds BucketRecord
}
row_key! {
    /// The bucket of a name.
    BucketNameKey in BucketNames {
        /// The name.
        name: BucketName,
    }
    holds BucketNameRecord
}
row_key! {
    /// What a bucket holds.
    BucketCountersKey in BucketCounters {
        /// The bucket.
        bucket: BucketId,
    }
    holds BucketCounters
}
row_key! {
    /// A blob.
    BlobKey in Blobs {
        /// The blob.
        blob: BlobId,
    }
    holds BlobRecord
}
row_key! {
    /// A manifest. It bears the id of the upload that it was.
    ManifestKey in Manifests {
        /// The manifest.
        manifest: UploadId,
    }
    holds ManifestRecord
}
row_key! {
    /// How many blobs a bucket key version wraps.
    WrapKey in Wraps {
        /// The bucket.
        bucket: BucketId,
        /// The version of its key.
        version: KeyVersion,
    }
    holds WrapRecord
}
row_key! {
    /// A part of an upload or manifest.
    PartKey in Parts {
        /// The upload.
        upload: UploadId,
        /// The part's number.
        number: PartNumber,
    }
    holds PartRecord
}
row_key! {
    /// The result of a completed upload.
    CompletionKey in Completions {
        /// The upload.
        upload: UploadId,
    }
    holds CompletionRecord
}
row_key! {
    /// When a completion may be forgotten.
    CompletionDueKey in CompletionsDue {
        /// Not before this time.
        due: MillisUtc,
        /// The upload.
        upload: UploadId,
    }
    holds CompletionDueRecord
}
row_key! {
    /// Urgent work on a blob.
    WorkKey in Work {
        /// What is to be done.
        kind: WorkKind,
        /// The blob.
        blob: BlobId,
    }
    holds WorkRecord
}
row_key! {
    /// An attempt to delete. Backend first, so that one dead backend blocks nobody.
    GarbageKey in Garbage {
        /// Where it lies.
        backend: BackendId,
        /// Index of the entry by which it died.
        died: u64,
        /// The blob.
        blob: BlobId,
        /// The epoch under whose prefix it lies.
        epoch: EpochId,
        /// Which attempt within the epoch.
        attempt: Attempt,
    }
    holds GarbageRecord
}
row_key! {
    /// Dead content, in the order in which it died.
    ReleaseKey in Release {
        /// The row: index of the entry, position and ordinal.
        row: RowId,
    }
    holds ReleaseRecord
}
row_key! {
    /// A backend.
    BackendKey in Backends {
        /// The backend.
        backend: BackendId,
    }
    holds BackendRecord
}
row_key! {
    /// The backend of a name.
    BackendNameKey in BackendNames {
        /// The name.
        name: BackendName,
    }
    holds BackendNameRecord
}
row_key! {
    /// What a backend holds.
    BackendCountersKey in BackendCounters {
        /// The backend.
        backend: BackendId,
    }
    holds BackendCounters
}
row_key! {
    /// Use of a budget within a month.
    UsageKey in Usage {
        /// Months since January of year 0.
        month: u32,
        /// 1: a backend, 2: a bucket.
        subject: u8,
        /// Its id.
        id: u64,
        /// Class of request or direction of bytes; 0 where there is none.
        class: u8,
    }
}
row_key! {
    /// An imported object of a provider.
    NativeKey in Native {
        /// Where it lies.
        backend: BackendId,
        /// Its key there.
        key: String,
    }
}
row_key! {
    /// A session.
    SessionKey in Sessions {
        /// The session.
        session: SessionId,
    }
    holds SessionRecord
}
row_key! {
    /// The outcome of a numbered command.
    OutcomeKey in Outcomes {
        /// The session that numbered it.
        session: SessionId,
        /// Its number.
        seq: u64,
    }
    holds Outcome
}
row_key! {
    /// An epoch.
    EpochKey in Epochs {
        /// The epoch.
        epoch: EpochId,
    }
    holds EpochRecord
}
row_key! {
    /// A life of the cluster.
    IncarnationKey in Incarnations {
        /// Its number.
        counter: IncarnationCounter,
    }
    holds IncarnationRecord
}
row_key! {
    /// A portion of a backend's budget.
    GrantKey in Grants {
        /// Who holds it.
        session: SessionId,
        /// Whose budget it is.
        backend: BackendId,
        /// Months since January of year 0.
        month: u32,
    }
}
row_key! {
    /// A version of a bucket key.
    KeyVersionKey in Keys {
        /// The bucket.
        bucket: BucketId,
        /// The version.
        version: KeyVersion,
    }
    holds KeyRecord
}
row_key! {
    /// A node.
    NodeKey in Nodes {
        /// The node.
        node: NodeId,
    }
    holds NodeRecord
}
row_key! {
    /// The node of a name.
    NodeNameKey in NodeNames {
        /// The name.
        name: NodeName,
    }
    holds NodeNameRecord
}
row_key! {
    /// A user.
    PrincipalKey in Principals {
        /// The name.
        name: PrincipalName,
    }
}
row_key! {
    /// The cursor of a walk.
    JobKey in Jobs {
        /// Name of the job.
        name: String,
    }
}
row_key! {
    /// A broken invariant that was found.
    IncidentKey in Incidents {
        /// The row: index of the entry, position and ordinal.
        row: RowId,
    }
    holds IncidentRecord
}
