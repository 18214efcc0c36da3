use super::{BindCluster, Command, OpenSession};
use crate::codec::{choice, record};
use crate::ids::SessionId;

record! {
    /// What is proposed: one command, and who sends it under which number.
    pub struct Envelope {
        /// Version of the format. A node that does not know it halts.
        1 => version: u32,
        /// The command.
        2 => proposal: Proposal,
    }
}

impl Envelope {
    /// The version that this code writes and understands.
    pub const VERSION: u32 = 1;

    /// An envelope of the present version.
    pub fn new(proposal: Proposal) -> Self {
        Envelope {
            version: Self::VERSION,
            proposal,
        }
    }

    /// A numbered command in an envelope of the present version.
    pub fn numbered(session: SessionId, seq: u64, settled_below: u64, command: Command) -> Self {
        Self::new(Proposal::Numbered(Numbered {
            session,
            seq,
            settled_below,
            command,
        }))
    }
}

choice! {
    /// A command, by how repetitions of it are told apart.
    pub enum Proposal {
        /// The first entry of a cluster. A repetition finds it bound.
        1 => BindCluster(BindCluster),
        /// Begins a session. A repetition is known by its boot number and nonce.
        2 => OpenSession(OpenSession),
        /// Everything else. A repetition is known by its number.
        3 => Numbered(Numbered),
    }
}

record! {
    /// A command of a session, applied at most once.
    pub struct Numbered {
        /// The session.
        1 => session: SessionId,
        /// The command's number, from 1, never given to another command.
        2 => seq: u64,
        /// The node knows the outcomes of all numbers below this one.
        3 => settled_below: u64,
        /// What to do.
        4 => command: Command,
    }
}
