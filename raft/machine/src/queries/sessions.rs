//! Sessions and the outcomes of their commands.

use raft_types::keys::{KeyRange, OutcomeKey, SessionKey, Table};
use raft_types::records::SessionRecord;
use raft_types::{Outcome, SessionId};

use crate::fault::Fault;
use crate::port::ReadTables;
use crate::rows;

/// A session, open or sealed.
pub fn session(tables: &impl ReadTables, session: SessionId) -> Result<Option<SessionRecord>, Fault> {
    rows::get(tables, &SessionKey { session })
}

/// All sessions in the order of their ids. Those without `seal` are open.
pub fn sessions(tables: &impl ReadTables) -> Result<Vec<(SessionId, SessionRecord)>, Fault> {
    let rows = rows::page::<SessionKey>(tables, &KeyRange::of_table(Table::Sessions), None, usize::MAX)?;
    Ok(rows
        .into_iter()
        .map(|(key, record)| (key.session, record))
        .collect())
}

/// The stored outcome of a number that is not settled.
pub fn outcome(tables: &impl ReadTables, session: SessionId, seq: u64) -> Result<Option<Outcome>, Fault> {
    rows::get(tables, &OutcomeKey { session, seq })
}
