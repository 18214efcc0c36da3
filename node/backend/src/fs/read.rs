//! Reading a body: at once when it is short, with a bounded read-ahead when it is long.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use rustix::buffer::spare_capacity;
use rustix::fd::OwnedFd;
use rustix::fs::{Advice, FileType};
use rustix::io::{Errno, ReadWriteFlags};

use super::blocking::{Step, step};
use super::failure::Failure;
use super::place::Place;
use super::tree::{InlineReads, Tree};
use crate::download::ByteRange;
use crate::error::ErrorKind;
use crate::port::{Evidence, Head};

/// What is read on the calling thread when it lies in memory: copying it takes a few microseconds,
/// less than handing it to another thread.
const INLINE_READ: u64 = 64 << 10;

/// What is read in one step, open to close. One such buffer per request is in memory either way.
const SMALL_READ: u64 = 256 << 10;

/// The pieces of a longer read.
const READ_PIECE: u64 = 256 << 10;

/// Pieces being read or ready while the reader has one in hand: so disk and network overlap, and a
/// body holds at most three pieces.
const READ_AHEAD: usize = 2;

/// What a read found.
pub(super) struct Found {
    /// The whole stored body.
    pub(super) head: Head,
    /// What was asked for.
    pub(super) content: Content,
}

/// The bytes asked for.
pub(super) enum Content {
    /// All of them.
    Whole(Bytes),
    /// To be read.
    Pieces(FilePieces),
}

/// A part of a file as a stream of pieces, read ahead.
pub(super) struct FilePieces {
    file: Arc<OwnedFd>,
    rest: Range<u64>,
    ahead: VecDeque<Step<Bytes>>,
}

/// A file that is open and of which it is known what part is wanted.
struct Opened {
    file: OwnedFd,
    size: u64,
    part: Range<u64>,
}

/// Reads a body or a part of it.
pub(super) async fn read(tree: &Arc<Tree>, place: Place, range: Option<ByteRange>) -> Result<Found, Failure> {
    let opened = match try_inline(tree, &place, range)? {
        Inline::Done(found) => return Ok(found),
        Inline::Opened(opened) => Some(opened),
        Inline::Nothing => None,
    };
    let tree = Arc::clone(tree);
    step(move || {
        let opened = match opened {
            Some(opened) => opened,
            None => Opened::new(
                tree.open_file(place.path()).map_err(Failure::looking("open"))?,
                range,
            )?,
        };
        opened.read()
    })
    .await
}

/// What is stored, without its bytes.
pub(super) async fn head(tree: &Arc<Tree>, place: Place) -> Result<Head, Failure> {
    let tree = Arc::clone(tree);
    step(move || {
        let file = tree.open_file(place.path()).map_err(Failure::looking("open"))?;
        Ok(head_of(size_of_file(&file)?))
    })
    .await
}

enum Inline {
    /// It was all in memory.
    Done(Found),
    /// The name was, the bytes were not, or are too many.
    Opened(Opened),
    /// Not even the name was.
    Nothing,
}

/// Reads on the calling thread what needs no waiting.
fn try_inline(tree: &Tree, place: &Place, range: Option<ByteRange>) -> Result<Inline, Failure> {
    let mode = tree.inline_reads();
    if mode == InlineReads::Never {
        return Ok(Inline::Nothing);
    }
    let file = match tree.open_cached_file(place.path()) {
        Ok(file) => file,
        Err(Errno::AGAIN) => return Ok(Inline::Nothing),
        Err(errno) => return Err(Failure::looking("open")(errno)),
    };
    let opened = Opened::new(file, range)?;
    let wanted = opened.part.end - opened.part.start;
    if wanted > INLINE_READ {
        return Ok(Inline::Opened(opened));
    }
    let content = match mode {
        InlineReads::Never => None,
        InlineReads::Memory => Some(read_part(&opened.file, opened.part.clone())?),
        InlineReads::NoWait => read_cached_part(&opened.file, opened.part.clone()),
    };
    Ok(match content {
        Some(bytes) => Inline::Done(opened.found(Content::Whole(bytes))),
        None => Inline::Opened(opened),
    })
}

impl Opened {
    fn new(file: OwnedFd, range: Option<ByteRange>) -> Result<Self, Failure> {
        let size = size_of_file(&file)?;
        let part = ByteRange::resolve(range, size).map_err(Failure::of)?;
        Ok(Self { file, size, part })
    }

    fn read(self) -> Result<Found, Failure> {
        let wanted = self.part.end - self.part.start;
        if wanted <= SMALL_READ {
            let bytes = read_part(&self.file, self.part.clone())?;
            return Ok(self.found(Content::Whole(bytes)));
        }
        // A hint: its failure changes nothing but the speed.
        let _ = rustix::fs::fadvise(
            &self.file,
            self.part.start,
            wanted.try_into().ok(),
            Advice::Sequential,
        );
        let (head, rest) = (head_of(self.size), self.part);
        let pieces = FilePieces {
            file: Arc::new(self.file),
            rest,
            ahead: VecDeque::with_capacity(READ_AHEAD),
        };
        Ok(Found {
            head,
            content: Content::Pieces(pieces),
        })
    }

    fn found(&self, content: Content) -> Found {
        Found {
            head: head_of(self.size),
            content,
        }
    }
}

impl FilePieces {
    /// How many bytes are still to come; all of them before the first poll.
    pub(super) fn length(&self) -> u64 {
        self.rest.end - self.rest.start
    }

    fn read_ahead(&mut self) {
        while self.ahead.len() < READ_AHEAD && !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start + READ_PIECE);
            let part = self.rest.start..end;
            self.rest.start = end;
            let file = Arc::clone(&self.file);
            self.ahead.push_back(step(move || read_part(&file, part)));
        }
    }
}

impl Stream for FilePieces {
    type Item = Result<Bytes, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.read_ahead();
        let Some(next) = self.ahead.front_mut() else {
            return Poll::Ready(None);
        };
        let outcome = ready!(Pin::new(next).poll(cx));
        self.ahead.pop_front();
        self.read_ahead();
        Poll::Ready(Some(outcome))
    }
}

fn head_of(size: u64) -> Head {
    Head {
        size,
        evidence: Evidence::None,
        version: None,
    }
}

fn size_of_file(file: &OwnedFd) -> Result<u64, Failure> {
    let found = rustix::fs::fstat(file).map_err(Failure::looking("look at the file"))?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => {
            u64::try_from(found.st_size).map_err(|_| Failure::of(ErrorKind::corrupt("a negative size")))
        }
        FileType::Directory => Err(Failure::of(ErrorKind::NotFound)),
        _ => Err(Failure::of(ErrorKind::corrupt(
            "not a regular file lies in its place",
        ))),
    }
}

/// Reads a part of a file; waits for the disk.
fn read_part(file: &OwnedFd, part: Range<u64>) -> Result<Bytes, Failure> {
    let length = length_of(&part)?;
    let mut buffer = Vec::with_capacity(length);
    while buffer.len() < length {
        let offset = part.start + buffer.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut buffer), offset) {
            Ok(0) => return Err(Failure::of(ErrorKind::corrupt("the file became shorter"))),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::reading("read")(errno)),
        }
    }
    // The allocation may be longer than was asked for, and so what was read.
    buffer.truncate(length);
    Ok(Bytes::from(buffer))
}

/// Reads a part of a file if all of it is in the page cache.
fn read_cached_part(file: &OwnedFd, part: Range<u64>) -> Option<Bytes> {
    let mut buffer = vec![0; length_of(&part).ok()?];
    if buffer.is_empty() {
        return Some(Bytes::new());
    }
    let slices = &mut [IoSliceMut::new(&mut buffer)];
    let read = rustix::io::preadv2(file, slices, part.start, ReadWriteFlags::NOWAIT).ok()?;
    (read == buffer.len()).then(|| Bytes::from(buffer))
}

fn length_of(part: &Range<u64>) -> Result<usize, Failure> {
    usize::try_from(part.end - part.start)
        .map_err(|_| Failure::of(ErrorKind::invalid("more than this machine can address")))
}
