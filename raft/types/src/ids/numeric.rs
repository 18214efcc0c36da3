use std::fmt;

use crate::codec::{Problem, Raw, Value};
use crate::keys::{KeyError, KeyPart, KeyReader};

macro_rules! numeric_id {
    ($(#[$meta:meta])* $name:ident($int:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            /// The id that is given out after this one; `None` where the range is exhausted.
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(next) => Some($name(next)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl Value for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                self.0.put(tag, out);
            }

            fn size(&self, tag: u32) -> usize {
                self.0.size(tag)
            }

            fn take(raw: Raw) -> Result<Self, Problem> {
                <$int>::take(raw).map($name)
            }

            fn is_omitted(&self) -> bool {
                self.0 == 0
            }

            fn omitted() -> Option<Self> {
                Some($name(0))
            }
        }

        impl KeyPart for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                <$int>::read(reader).map($name)
            }
        }
    };
}

numeric_id! {
    /// A node: its raft id, given out by the state.
    NodeId(u64)
}
numeric_id! {
    /// One boot of one node. Commands are numbered within it.
    SessionId(u64)
}
numeric_id! {
    /// A key prefix of attempts, opened by one session.
    EpochId(u64)
}
numeric_id! {
    /// A storage backend. Its name is only a label.
    BackendId(u32)
}
numeric_id! {
    /// A bucket. A bucket that is created again under an old name has another id.
    BucketId(u64)
}
numeric_id! {
    /// One try to write one blob, numbered by its writer within an epoch.
    Attempt(u32)
}
numeric_id! {
    /// Counts the lives of a cluster: each restore or forced recovery raises it by one.
    IncarnationCounter(u32)
}
numeric_id! {
    /// A version of a bucket key, counted per bucket from 1.
    KeyVersion(u32)
}
