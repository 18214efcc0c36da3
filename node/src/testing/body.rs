//! Request bodies that do as they are told.

use std::collections::VecDeque;

use api::port::{BodyError, Checksum, ChecksumAlgorithm, Digests, VerifiedBody};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

/// Bytes of one piece of a body that is there as a whole.
const PIECE: usize = 10_000;

/// A body. Its MD5 is no MD5, which nobody here checks, but the same for the same bytes.
#[derive(Debug)]
pub(crate) struct TestBody {
    length: u64,
    pieces: Pieces,
    taken: Sha256,
    declared: Option<ChecksumAlgorithm>,
    computed: Option<ChecksumAlgorithm>,
    at_end: Option<BodyError>,
}

#[derive(Debug)]
enum Pieces {
    Ready(VecDeque<Bytes>),
    /// Each of them comes a little later than it is asked for.
    Slow(VecDeque<Bytes>),
    Fed(mpsc::UnboundedReceiver<Result<Bytes, BodyError>>),
}

/// Feeds a body. Dropped, the body ends.
#[derive(Debug)]
pub(crate) struct Feeder(mpsc::UnboundedSender<Result<Bytes, BodyError>>);

impl TestBody {
    /// A body that is all there.
    pub(crate) fn of(bytes: &Bytes) -> Self {
        Self::new(bytes.len() as u64, Pieces::Ready(cut(bytes)))
    }

    /// A body for each of whose pieces, and for whose end, a reader has to wait.
    pub(crate) fn slow(bytes: &Bytes) -> Self {
        Self::new(bytes.len() as u64, Pieces::Slow(cut(bytes)))
    }

    /// A body whose pieces the test hands over.
    pub(crate) fn fed(length: usize) -> (Feeder, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Feeder(sender), Self::new(length as u64, Pieces::Fed(receiver)))
    }

    fn new(length: u64, pieces: Pieces) -> Self {
        Self {
            length,
            pieces,
            taken: Sha256::new(),
            declared: None,
            computed: None,
            at_end: None,
        }
    }

    /// Lets its verification fail after the last byte.
    pub(crate) fn refused_at_end(mut self, error: BodyError) -> Self {
        self.at_end = Some(error);
        self
    }
}

fn cut(bytes: &Bytes) -> VecDeque<Bytes> {
    bytes.chunks(PIECE).map(Bytes::copy_from_slice).collect()
}

fn md5_of(digest: &[u8]) -> [u8; 16] {
    let mut md5 = [0; 16];
    md5.copy_from_slice(&digest[..16]);
    md5
}

impl Feeder {
    /// Hands a piece over. Nobody may be left to take it.
    pub(crate) fn send(&self, piece: impl Into<Bytes>) {
        let _ = self.0.send(Ok(piece.into()));
    }

    /// Lets the body fail.
    pub(crate) fn fail(&self, error: BodyError) {
        let _ = self.0.send(Err(error));
    }

    /// Waits until nobody takes pieces any more.
    pub(crate) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl VerifiedBody for TestBody {
    fn length(&self) -> u64 {
        self.length
    }

    fn declared_checksum(&self) -> Option<ChecksumAlgorithm> {
        self.declared
    }

    fn compute_checksum(&mut self, algorithm: ChecksumAlgorithm) {
        assert_eq!(
            algorithm,
            ChecksumAlgorithm::Sha256,
            "the only one that is known here"
        );
        self.computed = Some(algorithm);
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let piece = match &mut self.pieces {
            Pieces::Ready(pieces) => pieces.pop_front(),
            Pieces::Slow(pieces) => {
                tokio::task::yield_now().await;
                pieces.pop_front()
            }
            Pieces::Fed(receiver) => receiver.recv().await.transpose()?,
        };
        if let Some(piece) = &piece {
            self.taken.update(piece);
        }
        Ok(piece)
    }

    async fn finish(self) -> Result<Digests, BodyError> {
        if let Some(error) = self.at_end {
            return Err(error);
        }
        let digest = self.taken.finalize();
        let algorithm = self.declared.or(self.computed);
        Ok(Digests {
            length: self.length,
            md5: md5_of(digest.as_slice()),
            checksum: algorithm.and_then(|algorithm| Checksum::new(algorithm, digest.as_slice())),
        })
    }
}
