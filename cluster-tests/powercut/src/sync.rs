//! Syncs: the boundaries at which something becomes durable, or the power goes off.

use std::time::Duration;

use rustix::io::Errno;

use crate::fault::{Spoiled, Verdict};
use crate::protocol::{FaultError, OpClass, SyncKind};
use crate::state::{Ino, MetaSnapshot, Result};
use crate::volume::{Volume, World, errno};

/// What a sync is asked to make durable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SyncRequest {
    pub(crate) kind: SyncKind,
    pub(crate) scope: SyncScope,
}

/// Whether attributes are synced too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SyncScope {
    /// Content and size.
    Data,
    /// Attributes too.
    All,
}

/// What a write owes before it returns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WriteSync {
    None,
    /// `O_DSYNC`.
    Data,
    /// `O_SYNC`.
    All,
}

/// Where a sync stands.
#[derive(Debug)]
#[must_use]
pub(crate) enum Progress {
    Done,
    /// It is slow: to be finished after this time.
    Slow(Duration, Ticket),
}

/// A sync that has begun.
#[derive(Debug)]
pub(crate) struct Ticket {
    boundary: u64,
    ino: Ino,
    request: SyncRequest,
    /// The last change that it covers.
    upto: u64,
    meta: Option<MetaSnapshot>,
    spoiled: Option<Spoiled>,
}

impl SyncRequest {
    /// `fsync` or `fdatasync` of a file.
    pub(crate) fn file(scope: SyncScope) -> Self {
        let kind = match scope {
            SyncScope::Data => SyncKind::Fdatasync,
            SyncScope::All => SyncKind::Fsync,
        };
        Self { kind, scope }
    }

    /// `fsync` of a directory.
    pub(crate) fn directory() -> Self {
        Self {
            kind: SyncKind::Directory,
            scope: SyncScope::All,
        }
    }
}

impl WriteSync {
    pub(crate) fn request(self) -> SyncRequest {
        let scope = match self {
            Self::All => SyncScope::All,
            Self::None | Self::Data => SyncScope::Data,
        };
        SyncRequest {
            kind: SyncKind::SyncedWrite,
            scope,
        }
    }
}

impl Volume {
    /// Reaches a boundary and, unless a fault makes it slow, passes it.
    pub(crate) fn begin_sync(&self, ino: Ino, request: SyncRequest) -> Result<Progress> {
        let mut world = self.powered()?;
        self.begin_sync_locked(&mut world, ino, request)
    }

    pub(crate) fn begin_sync_locked(
        &self,
        world: &mut World,
        ino: Ino,
        request: SyncRequest,
    ) -> Result<Progress> {
        let (verdict, ticket) = world.begin_sync(ino, request);
        if world.power.is_on() && !verdict.delay.is_zero() {
            return Ok(Progress::Slow(verdict.delay, ticket));
        }
        self.finish_sync_locked(world, &ticket).map(|()| Progress::Done)
    }

    /// Passes a boundary that was slow.
    pub(crate) fn finish_sync(&self, ticket: &Ticket) -> Result<()> {
        let mut world = self.powered()?;
        self.finish_sync_locked(&mut world, ticket)
    }

    fn finish_sync_locked(&self, world: &mut World, ticket: &Ticket) -> Result<()> {
        let result = world.finish_sync(ticket);
        if !world.power.is_on() {
            self.changed.notify_all();
        }
        result
    }
}

impl World {
    fn begin_sync(&mut self, ino: Ino, request: SyncRequest) -> (Verdict, Ticket) {
        let paths = self.state.paths(ino);
        let class = if request.kind == SyncKind::Directory {
            OpClass::SyncDir
        } else {
            OpClass::SyncFile
        };
        match class {
            OpClass::SyncDir => self.ops.dir_syncs += 1,
            _ => self.ops.file_syncs += 1,
        }
        let verdict = self.faults.judge(class, &paths);
        let boundary = self
            .power
            .reach(request.kind, paths.into_iter().next().unwrap_or_default());
        self.state.seal_file(ino);
        let meta = match request.scope {
            SyncScope::All => self.state.meta_snapshot(ino),
            SyncScope::Data => None,
        };
        let upto = self.state.last_change();
        (
            verdict,
            Ticket {
                boundary,
                ino,
                request,
                upto,
                meta,
                spoiled: verdict.spoiled,
            },
        )
    }

    fn finish_sync(&mut self, ticket: &Ticket) -> Result<()> {
        if !self.power.is_on() {
            return Err(Errno::IO);
        }
        let result = match ticket.spoiled {
            None => {
                self.commit(ticket);
                Ok(())
            }
            Some(Spoiled::Ignored) => Ok(()),
            Some(Spoiled::Fails(error)) => {
                if error == FaultError::Io {
                    self.state.lose_unsynced(ticket.ino);
                }
                Err(errno(error))
            }
        };
        self.power.leave(ticket.boundary);
        if self.power.is_on() {
            result
        } else {
            Err(Errno::IO)
        }
    }

    fn commit(&mut self, ticket: &Ticket) {
        match ticket.request.kind {
            SyncKind::Directory => self.state.commit_names(ticket.ino, ticket.upto, ticket.meta),
            SyncKind::Fsync | SyncKind::Fdatasync | SyncKind::SyncedWrite => {
                self.state.commit_file(ticket.ino, ticket.upto, ticket.meta);
            }
        }
    }
}
