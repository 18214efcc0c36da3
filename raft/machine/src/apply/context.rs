use raft_types::keys::{CountersKey, IncidentKey, RevisionKey, RowKey, Table};
use raft_types::limits::ROWS_SCANNED;
use raft_types::records::{CountersRecord, IncidentRecord, RevisionRecord};
use raft_types::{IncarnationCounter, MillisUtc, Record, Rejection, RowId, SessionId, VersionId, limits};

use super::counters::Deltas;
use super::references::References;
use super::stop::{Broken, Stop};
use crate::effect::Effect;
use crate::fault::Fault;
use crate::port::ReadTables;
use crate::transaction::Transaction;
use crate::{queries, rows};

/// Versions that one command may assign: the low bits of a version's position.
const VERSIONS_PER_COMMAND: u32 = 256;

/// What a command works with: the tables, its place in history, and what it gathers until its end.
pub(super) struct Context<'c, 't, T> {
    pub(super) tx: &'c mut Transaction<'t, T>,
    /// The session that sends the command.
    pub(super) session: SessionId,
    /// Term of the entry.
    pub(super) term: u64,
    /// Index of the entry.
    pub(super) index: u64,
    /// The life of the cluster.
    pub(super) incarnation: IncarnationCounter,
    /// The replicated time.
    pub(super) now: MillisUtc,
    /// Changes of derived counters.
    pub(super) deltas: Deltas,
    /// Changes of reference counts.
    pub(super) references: References,
    pub(super) effects: Vec<Effect>,
    /// What was found so far.
    incidents: Vec<(RowId, Broken)>,
    position: u32,
    row_ordinal: u32,
    version_ordinal: u32,
    scanned: usize,
}

/// Where and when a command is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) term: u64,
    pub(super) index: u64,
    pub(super) position: u32,
    pub(super) incarnation: IncarnationCounter,
    pub(super) now: MillisUtc,
}

impl<'c, 't, T: ReadTables> Context<'c, 't, T> {
    pub(super) fn new(tx: &'c mut Transaction<'t, T>, session: SessionId, at: &Moment) -> Self {
        Context {
            tx,
            session,
            term: at.term,
            index: at.index,
            incarnation: at.incarnation,
            now: at.now,
            deltas: Deltas::default(),
            references: References::default(),
            effects: Vec::new(),
            incidents: Vec::new(),
            position: at.position,
            row_ordinal: 0,
            version_ordinal: 0,
            scanned: 0,
        }
    }

    pub(super) fn get<K: RowKey>(&self, key: &K) -> Result<Option<K::Record>, Fault> {
        rows::get(&*self.tx, key)
    }

    pub(super) fn put<K: RowKey>(&mut self, key: &K, record: &K::Record) {
        self.tx.put(key.to_bytes(), record.encode());
    }

    pub(super) fn delete<K: RowKey>(&mut self, key: &K) {
        self.tx.delete(key.to_bytes());
    }

    /// Notes that what is cached from a small table is stale.
    pub(super) fn changed(&mut self, table: Table) {
        self.put(&RevisionKey { table }, &RevisionRecord { index: self.index });
        self.effects.push(Effect::Changed(table));
    }

    /// Notes an effect once.
    pub(super) fn effect(&mut self, effect: Effect) {
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    /// Counts rows that were read by scanning.
    pub(super) fn scanned(&mut self, rows: usize) -> Result<(), Stop> {
        self.scanned += rows;
        if self.scanned > ROWS_SCANNED {
            Err(Rejection::TooLarge.into())
        } else {
            Ok(())
        }
    }

    /// The next version: above all versions assigned before.
    pub(super) fn next_version(&mut self) -> Result<VersionId, Stop> {
        let ordinal = self.version_ordinal;
        let position = self
            .position
            .checked_mul(VERSIONS_PER_COMMAND)
            .filter(|_| ordinal < VERSIONS_PER_COMMAND)
            .and_then(|first| first.checked_add(ordinal))
            .ok_or(Fault::Exhausted("version"))?;
        self.version_ordinal += 1;
        Ok(VersionId {
            incarnation: self.incarnation,
            index: self.index,
            position,
        })
    }

    /// The id of the next row that stands beside the command's own subject.
    pub(super) fn next_row(&mut self) -> RowId {
        let row = RowId {
            index: self.index,
            position: self.position,
            ordinal: self.row_ordinal,
        };
        self.row_ordinal += 1;
        row
    }

    pub(super) fn counters(&self) -> Result<CountersRecord, Fault> {
        queries::counters(&*self.tx)
    }

    /// Writes an incident row, or only counts it where too many stand already. What a command finds twice is
    /// one incident.
    pub(super) fn incident(&mut self, broken: Broken) -> Result<RowId, Fault> {
        if let Some((row, _)) = self.incidents.iter().find(|(_, known)| *known == broken) {
            return Ok(*row);
        }
        let row = self.next_row();
        self.incidents.push((row, broken.clone()));
        let mut counters = self.counters()?;
        if counters.incidents < limits::INCIDENTS {
            counters.incidents += 1;
            let record = IncidentRecord {
                kind: broken.kind,
                detail: broken.detail,
                at: self.now,
            };
            self.put(&IncidentKey { row }, &record);
        } else {
            counters.suppressed_incidents = counters.suppressed_incidents.saturating_add(1);
        }
        self.put(&CountersKey, &counters);
        self.effect(Effect::Incident);
        Ok(row)
    }

    /// Forgets what a command gathered that was taken back.
    pub(super) fn forget(&mut self) {
        self.deltas = Deltas::default();
        self.references = References::default();
        self.effects.clear();
        self.incidents.clear();
    }

    /// Writes the counters that changed beside a command that was taken back.
    pub(super) fn settle_counters(&mut self) -> Result<(), Fault> {
        match super::counters::settle(self) {
            Err(Stop::Fault(fault)) => Err(fault),
            Err(Stop::Incident(broken)) => self.incident(broken).map(|_| ()),
            Err(Stop::Reject(_)) | Ok(()) => Ok(()),
        }
    }

    /// Writes what was gathered: reference counts first, since contents that die change counters.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        super::references::settle(self)?;
        super::counters::settle(self)
    }
}
