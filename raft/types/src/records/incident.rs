use crate::codec::{numbered, record};
use crate::time::MillisUtc;

numbered! {
    /// A broken invariant, found while a command was applied. The command was rejected.
    pub enum IncidentKind {
        /// A command would have deleted an attempt that a blob row holds as present or suspect.
        1 => LiveAttemptGivenUp,
        /// A reference count would have fallen below zero.
        2 => ReferenceUnderflow,
        /// A derived counter would have fallen below zero.
        3 => CounterUnderflow,
        /// A row refers to another one that does not stand.
        4 => DanglingReference,
        /// A command went beyond the bound of rows.
        5 => BoundExceeded,
        /// A row stands where none may stand.
        6 => UnexpectedRow,
    }
}

record! {
    /// A broken invariant that was found.
    pub struct IncidentRecord {
        /// Which.
        1 => kind: IncidentKind,
        /// What was found, with the ids concerned.
        2 => detail: String,
        /// When.
        3 => at: MillisUtc,
    }
}
