use std::fmt;
use std::str::FromStr;

use super::{IncarnationCounter, InvalidId, parse_hex};
use crate::codec::record;

impl IncarnationCounter {
    /// The life that bootstrap begins.
    pub const FIRST: Self = IncarnationCounter(1);
}

record! {
    /// One life of a cluster. The counter orders, the tag tells two restores of one backup apart.
    #[derive(Copy, Hash)]
    pub struct Incarnation {
        /// The number of this life, from 1.
        1 => counter: IncarnationCounter,
        /// Drawn together with it.
        2 => tag: u64,
    }
}

impl fmt::Display for Incarnation {
    /// 24 lower-case hexadecimal digits: 8 of the counter, 16 of the tag.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}{:016x}", self.counter.0, self.tag)
    }
}

impl FromStr for Incarnation {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "an incarnation: 24 lower-case hexadecimal digits");
        let (counter, tag) = text.split_at_checked(8).ok_or_else(invalid)?;
        let counter = parse_hex(counter).map(u32::from_be_bytes).ok_or_else(invalid)?;
        let tag = parse_hex(tag).map(u64::from_be_bytes).ok_or_else(invalid)?;
        Ok(Incarnation {
            counter: IncarnationCounter(counter),
            tag,
        })
    }
}
