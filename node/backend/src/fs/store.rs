//! Storing a body: a temporary file, its bytes, its sync, its name, the sync of its folder.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::future::join;
use raft_types::checksum::Crc64;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FallocateFlags, RenameFlags};
use rustix::io::Errno;
use tokio::runtime::Handle;

use super::blocking::step;
use super::failure::Failure;
use super::place::{Place, TempName};
use super::tree::{InlineReads, Tree, sync_folder};
use crate::body::Body;
use crate::error::ErrorKind;
use crate::port::{Evidence, PutMode, PutOptions, Stored};

/// Bytes that go to a blocking thread at once: long enough that the hop does not count beside the
/// copy, short enough that a slow client's thousand uploads fit in memory. A put holds one batch being
/// written and one being gathered.
const WRITE_BATCH: u64 = 1 << 20;

/// From this length on room is reserved first, so that a full disk shows before the body is taken. Not
/// where files are memory: there reserving costs a fifth of the speed.
const RESERVE_FROM: u64 = 4 * WRITE_BATCH;

/// Slices of one vectored write: Linux's UIO_MAXIOV.
const MAX_SLICES: usize = 1_024;

/// A file this long is not freed on a thread that must not wait.
const SLOW_TO_FREE: u64 = 8 << 20;

/// Stores a body of any length.
pub(super) async fn store(
    tree: Arc<Tree>,
    place: Place,
    body: Body,
    options: PutOptions,
) -> Result<Stored, Failure> {
    let mut body = match body.into_memory() {
        Ok(bytes) => return step(move || store_pieces(&tree, place, &[bytes], options)).await,
        Err(body) => body,
    };
    let length = body.length();
    let mut pieces = gather(&mut body).await?;
    if body.is_finished() {
        return step(move || store_pieces(&tree, place, &pieces, options)).await;
    }
    let mut file = step(move || Pending::begin(&tree, place, length)).await?;
    while !body.is_finished() {
        let writing = step(move || file.append(&pieces).map(|()| file));
        let (written, gathered) = join(writing, gather(&mut body)).await;
        file = written?;
        pieces = gathered?;
    }
    step(move || {
        file.append(&pieces)?;
        file.publish(options)
    })
    .await
}

/// The next batch of a body; empty when nothing remains.
async fn gather(body: &mut Body) -> Result<Vec<Bytes>, Failure> {
    let mut pieces = Vec::new();
    let mut gathered = 0;
    while gathered < WRITE_BATCH {
        let Some(piece) = body.next().await else { break };
        let piece = piece.map_err(|cause| Failure::of(ErrorKind::Body(cause)))?;
        gathered += piece.len() as u64;
        pieces.push(piece);
    }
    Ok(pieces)
}

fn store_pieces(tree: &Tree, place: Place, pieces: &[Bytes], options: PutOptions) -> Result<Stored, Failure> {
    let mut file = Pending::begin(tree, place, 0)?;
    file.append(pieces)?;
    file.publish(options)
}

/// A body on its way: a temporary file that is removed unless it is published.
struct Pending {
    place: Place,
    folder: OwnedFd,
    file: Option<OwnedFd>,
    temp: String,
    reserved: u64,
    size: u64,
    digest: Digest,
}

impl Pending {
    /// Makes the temporary file, in its folder, with room for `reserve` bytes where that is long.
    fn begin(tree: &Tree, place: Place, reserve: u64) -> Result<Self, Failure> {
        let tag = tree.next_tag();
        let temp = TempName {
            name: place.name(),
            tag: &tag,
        }
        .file_name();
        let mut folder = tree.open_durable_folder(place.folder())?;
        let file = match tree.create_file(&folder, &temp) {
            Err(Errno::NOENT) => {
                // The folder was removed since: once more, from the top.
                folder = tree.open_durable_folder(place.folder())?;
                tree.create_file(&folder, &temp)
            }
            other => other,
        }
        .map_err(Failure::changing("create a temporary file"))?;
        let digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        let mut pending = Self {
            place,
            folder,
            file: Some(file),
            temp,
            reserved: 0,
            size: 0,
            digest,
        };
        if reserve >= RESERVE_FROM && tree.inline_reads() != InlineReads::Memory {
            pending.reserve(reserve)?;
        }
        Ok(pending)
    }

    fn reserve(&mut self, length: u64) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        self.reserved = length;
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length) {
            // Only a promise of room is worth an error; a file system without promises has none.
            Err(errno @ (Errno::NOSPC | Errno::DQUOT)) => Err(Failure::changing("reserve room")(errno)),
            _ => Ok(()),
        }
    }

    fn append(&mut self, pieces: &[Bytes]) -> Result<(), Failure> {
        let Some(file) = &self.file else { return Ok(()) };
        for pieces in pieces.chunks(MAX_SLICES) {
            let filled = pieces.iter().filter(|piece| !piece.is_empty());
            let mut slices: Vec<IoSlice<'_>> = filled.map(|piece| IoSlice::new(piece)).collect();
            let mut slices = slices.as_mut_slice();
            while !slices.is_empty() {
                match rustix::io::writev(file, slices) {
                    Ok(0) => return Err(Failure::changing("write")(Errno::IO)),
                    Ok(written) => IoSlice::advance_slices(&mut slices, written),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(Failure::changing("write")(errno)),
                }
            }
            for piece in pieces {
                self.digest.update(piece);
                self.size += piece.len() as u64;
            }
        }
        Ok(())
    }

    /// Syncs the bytes, gives the file its name and syncs that. An error of a sync is final: what the
    /// kernel failed to write it may have forgotten, so nothing is synced twice.
    fn publish(mut self, options: PutOptions) -> Result<Stored, Failure> {
        let checksum = Crc64(self.digest.finalize());
        if options.checksum.is_some_and(|expected| expected != checksum) {
            return Err(Failure::of(ErrorKind::corrupt(
                "the body has another checksum than announced",
            )));
        }
        let Some(file) = &self.file else {
            return Err(Failure::of(ErrorKind::Unavailable));
        };
        rustix::fs::fdatasync(file).map_err(Failure::changing("sync the file"))?;
        let found = rustix::fs::fstat(file).map_err(Failure::changing("look at the file"))?;
        if u64::try_from(found.st_size) != Ok(self.size) {
            return Err(Failure::of(ErrorKind::corrupt(
                "the file has another size than was written",
            )));
        }
        self.rename(options.mode)?;
        self.file = None;
        sync_folder(&self.folder)?;
        Ok(Stored {
            size: self.size,
            evidence: Evidence::Crc64(checksum),
            version: None,
        })
    }

    fn rename(&self, mode: PutMode) -> Result<(), Failure> {
        let (folder, temp, name) = (&self.folder, self.temp.as_str(), self.place.name());
        if mode == PutMode::Replace {
            return rustix::fs::renameat(folder, temp, folder, name).map_err(Failure::changing("rename"));
        }
        match rustix::fs::renameat_with(folder, temp, folder, name, RenameFlags::NOREPLACE) {
            // A file system that cannot rename without replacing, such as NFS, can still refuse a
            // second link of a name.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.link(),
            other => other.map_err(Failure::changing("rename")),
        }
    }

    fn link(&self) -> Result<(), Failure> {
        let (folder, temp, name) = (&self.folder, self.temp.as_str(), self.place.name());
        rustix::fs::linkat(folder, temp, folder, name, AtFlags::empty())
            .map_err(Failure::changing("link"))?;
        // The body is published. A temporary name that stays is found by the sweep.
        if let Err(cause) = rustix::fs::unlinkat(folder, temp, AtFlags::empty()) {
            tracing::warn!(%cause, temp, "a temporary name stays");
        }
        Ok(())
    }

    /// Takes the name away. The room is freed by closing the file, which can take long.
    fn remove(&mut self, file: OwnedFd) {
        match rustix::fs::unlinkat(&self.folder, self.temp.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(cause) => {
                let folder = self.place.folder();
                tracing::warn!(%cause, folder, temp = self.temp, "a temporary file stays");
            }
        }
        if self.size.max(self.reserved) < SLOW_TO_FREE {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            self.remove(file);
        }
    }
}
