//! Bounds that belong to the format of the state. They are the same on every node of every version.

/// Rows that one command may write. A long apply stops all later commands on every node.
pub const ROWS_WRITTEN: usize = 1_000;

/// Rows of these that belong to the command's number: its outcome, its session, the clock, and outcomes
/// that are trimmed.
pub const ROWS_OF_NUMBER: usize = OUTCOMES_TRIMMED + 3;

/// Rows that one command may read by scanning: the parts of one upload.
pub const ROWS_SCANNED: usize = 10_000;

/// Numbers above the floor that a session may use: bounds its rows in `outcomes`.
pub const SEQ_WINDOW: u64 = 65_536;

/// Outcome rows under the floor that one command removes.
pub const OUTCOMES_TRIMMED: usize = 64;

/// Keys of one DeleteObjects: with at most 9 rows per key it stays under the bound of rows.
pub const DELETE_KEYS: usize = 100;

/// Replicas of a blob that are moved to `garbage` in the command by which it dies; a blob with more goes to
/// `release`.
pub const INLINE_REPLICAS: usize = 3;

/// Replicas of one blob, dying ones included.
pub const REPLICAS: usize = 32;

/// Blobs of a part that are released together with it; a part of more leaves a release of its own.
pub const INLINE_PIECES: usize = 8;

/// Blobs of one body. With 1 GiB per blob this is far above what S3 allows in one request.
pub const INLINE_BLOBS: usize = 64;

/// Attempts that one command may name, verified, given up or running.
pub const ATTEMPTS: usize = 256;

/// Garbage rows that one ConfirmDeleted may name: each may change a blob row too.
pub const CONFIRM_ROWS: usize = 250;

/// Length of the record of an object in bytes: HEAD and LIST read it whole.
pub const OBJECT_RECORD: usize = 16 * 1024;

/// Plaintext that one blob may hold, in bytes.
pub const BLOB_SIZE: u64 = 1 << 30;

/// Parts of one upload.
pub const PARTS: usize = 10_000;

/// Length in bytes that every part but the last has at least.
pub const MIN_PART_SIZE: u64 = 5 * 1024 * 1024;

/// Listed parts from one recorded offset of a manifest to the next.
pub const PARTS_PER_OFFSET: usize = 64;

/// How long the result of a completed upload is kept for repetitions where its command does not say, in
/// milliseconds: 24 hours.
pub const COMPLETION_KEPT_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Incident rows that may stand; further ones are only counted.
pub const INCIDENTS: u32 = 1_000;

/// Settings, in bytes: they travel in one command.
pub const SETTINGS_SIZE: usize = 512 * 1024;
