//! The body of a GET: verified plaintext, piece of a blob after piece of a blob.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::port::Error;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{self, BoxStream, StreamExt};
use raft_machine::{ReadTables, queries};
use raft_types::records::Content;

use super::errors::{read_failed, state_fault};
use crate::keys::BucketKeys;
use crate::metadata::{Metadata, RequestView};
use crate::replicas::{BlobReader, PieceRead, PieceStream, ReadError, ReadGuard};

/// Blobs of an object that are looked up at a time: a row of each is held in memory.
const PIECES_AHEAD: usize = 16;

/// What it takes to read an object's content.
#[derive(Debug, Clone)]
pub(crate) struct ContentSource {
    pub(crate) metadata: Metadata,
    pub(crate) reader: Arc<BlobReader>,
    pub(crate) keys: Arc<BucketKeys>,
    /// Keeps everything that the content refers to from being deleted.
    pub(crate) guard: Arc<ReadGuard>,
    pub(crate) content: Content,
    pub(crate) size: u64,
}

/// The bytes of one read. An error ends it.
pub struct ObjectBody {
    first: Option<Bytes>,
    rest: Option<BoxStream<'static, Result<Bytes, Error>>>,
}

/// The pieces still to be read.
struct Reading {
    source: ContentSource,
    pieces: VecDeque<PieceRead>,
    current: Option<PieceStream>,
    /// Bytes of the object that no looked-up piece covers yet.
    left: Range<u64>,
}

impl ObjectBody {
    /// Opens `range` of the content; `view` is the one on which the object was found. Waits for the
    /// first bytes, so that a failure of every replica is an error and not a broken body.
    pub(crate) async fn open(
        source: ContentSource,
        view: &RequestView,
        range: Range<u64>,
    ) -> Result<Self, Error> {
        if range.is_empty() {
            return Ok(Self {
                first: None,
                rest: None,
            });
        }
        let length = range.end - range.start;
        let mut reading = Reading {
            source,
            pieces: VecDeque::new(),
            current: None,
            left: range,
        };
        reading.look_up(view).await?;
        let first = reading.next().await?;
        if first.as_ref().is_some_and(|first| first.len() as u64 == length) {
            return Ok(Self { first, rest: None });
        }
        let rest = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|bytes| (bytes, reading)))
        });
        Ok(Self {
            first,
            rest: Some(rest.boxed()),
        })
    }
}

impl Stream for ObjectBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        match &mut self.rest {
            Some(rest) => rest.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }
}

impl std::fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectBody").finish_non_exhaustive()
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(current) = &mut self.current {
                match current.next().await {
                    Ok(Some(bytes)) => return Ok(Some(bytes)),
                    Ok(None) => self.current = None,
                    Err(error) if self.find_again(&error).await? => {}
                    Err(error) => return Err(read_failed(&error)),
                }
                continue;
            }
            if self.pieces.is_empty() && !self.left.is_empty() {
                let view = self.source.local_view();
                self.look_up(&view).await?;
            }
            let Some(piece) = self.pieces.pop_front() else {
                return Ok(None);
            };
            self.current = Some(self.begin(piece).map_err(|error| read_failed(&error))?);
        }
    }

    fn begin(&self, piece: PieceRead) -> Result<PieceStream, ReadError> {
        let ContentSource { reader, keys, .. } = &self.source;
        let keyring = keys.for_reading(&piece.content);
        let stream = reader.open(piece, keyring.opener(), |replicas| {
            node_planner::read_order(replicas);
        })?;
        Ok(stream)
    }

    /// Looks the next blobs up.
    async fn look_up(&mut self, view: &RequestView) -> Result<(), Error> {
        let wanted = Wanted {
            content: self.source.content.clone(),
            size: self.source.size,
            left: self.left.clone(),
        };
        let (_, (pieces, end)) = view
            .decide(wanted, |view, wanted| wanted.pieces(view.tables()))
            .await?;
        self.pieces.extend(pieces);
        self.left.start = end;
        Ok(())
    }

    /// Whether the blob has replicas by now that were not tried: a read that lasted may come too late
    /// for those that it knew (H5).
    async fn find_again(&mut self, error: &ReadError) -> Result<bool, Error> {
        let ReadError::Replicas { blob, .. } = error else {
            return Ok(false);
        };
        let view = self.source.local_view();
        let (_, record) = view
            .decide(*blob, |view, blob| {
                queries::blob(view.tables(), *blob).map_err(state_fault)
            })
            .await?;
        let replicas = record.map(|record| record.replicas).unwrap_or_default();
        Ok(self
            .current
            .as_mut()
            .is_some_and(|current| current.add_replicas(replicas, |fresh| node_planner::read_order(fresh))))
    }
}

impl ContentSource {
    /// The state as it is now, under the registration of the read that is running.
    fn local_view(&self) -> RequestView {
        self.metadata.view_now(Arc::clone(&self.guard))
    }
}

/// A range of a content whose blobs are to be looked up.
struct Wanted {
    content: Content,
    size: u64,
    left: Range<u64>,
}

impl Wanted {
    /// The next blobs, and where the bytes begin that lie beyond them.
    fn pieces(&self, tables: &impl ReadTables) -> Result<(Vec<PieceRead>, u64), Error> {
        let Self { content, size, left } = self;
        let spans =
            queries::resolve(tables, content, *size, left.clone(), PIECES_AHEAD).map_err(state_fault)?;
        let Some(last) = spans.last() else {
            tracing::error!(?content, ?left, "an object has no blob for a range of its bytes");
            return Err(Error::Internal);
        };
        let end = last.end().min(left.end);
        let mut pieces = Vec::with_capacity(spans.len());
        for span in spans {
            let record = queries::blob(tables, span.blob).map_err(state_fault)?;
            let Some((blob_content, replicas)) = record.and_then(|r| Some((r.content?, r.replicas))) else {
                tracing::error!(blob = %span.blob, "an object refers to a blob that does not exist");
                return Err(Error::Internal);
            };
            let from = left.start.max(span.start) - span.start;
            let to = left.end.min(span.end()) - span.start;
            pieces.push(PieceRead {
                blob: span.blob,
                content: blob_content,
                replicas,
                range: from..to,
            });
        }
        Ok((pieces, end))
    }
}
