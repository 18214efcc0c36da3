//! The reader of a request's body.

use std::future::poll_fn;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::budget::{ChunkMemory, Reservation};
use super::chunked::{ChunkDecoder, Step};
use super::declared::{BodySpec, DeclaredChecksum};
use super::digests::{Computed, Digesting, Needed};
use super::pool::HashPool;
use super::source::Source;
use super::trailer::TrailerReader;
use crate::port::{BodyError, Checksum, ChecksumAlgorithm, Digests, VerifiedBody};
use crate::s3::auth::{PayloadMode, TrailerMode};

/// How long a signed chunk may take that holds memory for which others wait. A body may take for ever as
/// long as it comes, and the chunks of every client are far smaller than the largest.
const LONGEST_CHUNK: Duration = Duration::from_secs(120);

/// How bodies are read.
#[derive(Debug, Clone)]
pub struct BodyConfig {
    /// How long a client may send nothing while it is waited for, and how long it may send less than
    /// [`MIN_BYTES_PER_SECOND`](super::MIN_BYTES_PER_SECOND) on average.
    pub idle_timeout: Duration,
    /// Threads that hash large bodies; as many as there are cores.
    pub hash_threads: NonZeroUsize,
    /// Bytes of signed chunks that all bodies together may hold; at least
    /// [`MAX_SIGNED_CHUNK`](super::MAX_SIGNED_CHUNK).
    pub chunk_memory: u64,
}

/// What all bodies of one process share.
#[derive(Debug, Clone)]
pub struct BodyResources {
    idle_timeout: Duration,
    pool: Arc<HashPool>,
    memory: ChunkMemory,
}

/// The payload of one request, decoded and verified.
///
/// A body that is dropped before its end leaves unread bytes on its connection; whoever answers closes
/// that connection, or reads on.
#[derive(Debug)]
pub struct RequestBody<B> {
    source: Source<B>,
    input: Bytes,
    decoder: Decoder,
    reservation: Reservation,
    /// When the chunk that holds memory must have come.
    chunk_due: Option<Instant>,
    resources: BodyResources,
    expected: Expected,
    digesting: Option<Digesting>,
    state: State,
}

#[derive(Debug)]
enum Decoder {
    /// The bytes are the payload; so many are left.
    Whole(u64),
    /// Framed as `aws-chunked`.
    Chunked(Box<ChunkDecoder>),
}

/// What the payload must turn out to be.
#[derive(Debug)]
struct Expected {
    length: u64,
    sha256: Option<[u8; 32]>,
    md5: Option<[u8; 16]>,
    checksum: DeclaredChecksum,
    /// Computed although the client did not declare it.
    extra: Option<ChecksumAlgorithm>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Reading,
    /// Read to the end, with the checksum that the trailer carried.
    Ended(Option<Checksum>),
    Failed(BodyError),
}

impl Default for BodyConfig {
    /// A minute of silence, a thread per core, 128 MiB of chunks.
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(60),
            hash_threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            chunk_memory: 128 * 1024 * 1024,
        }
    }
}

impl BodyResources {
    /// Starts the threads that hash.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(config: &BodyConfig) -> io::Result<Self> {
        Ok(Self {
            idle_timeout: config.idle_timeout,
            pool: Arc::new(HashPool::new(config.hash_threads)?),
            memory: ChunkMemory::new(config.chunk_memory),
        })
    }

    /// The reader of what `spec` says `body` is.
    pub fn open<B>(&self, spec: BodySpec, body: B) -> RequestBody<B>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let BodySpec {
            payload,
            sent,
            length,
            md5,
            checksum,
        } = spec;
        let announced = match checksum {
            DeclaredChecksum::Trailer(algorithm) => Some(algorithm),
            DeclaredChecksum::Header(_) | DeclaredChecksum::None => None,
        };
        let sha256 = match payload {
            PayloadMode::Sha256(sha256) => Some(sha256),
            PayloadMode::Unsigned | PayloadMode::SignedChunks { .. } | PayloadMode::UnsignedChunks => None,
        };
        let decoder = match payload {
            PayloadMode::Unsigned | PayloadMode::Sha256(_) => Decoder::Whole(length),
            PayloadMode::SignedChunks { signer, trailer } => {
                let reader = trailer
                    .is_signed()
                    .then(|| TrailerReader::new(announced, trailer));
                Decoder::chunked(ChunkDecoder::new(length, Some(signer), reader))
            }
            PayloadMode::UnsignedChunks => {
                let reader = TrailerReader::new(announced, TrailerMode::None);
                Decoder::chunked(ChunkDecoder::new(length, None, Some(reader)))
            }
        };
        RequestBody {
            source: Source::new(body, sent, self.idle_timeout),
            input: Bytes::new(),
            decoder,
            reservation: Reservation::default(),
            chunk_due: None,
            resources: self.clone(),
            expected: Expected {
                length,
                sha256,
                md5,
                checksum,
                extra: None,
            },
            digesting: None,
            state: State::Reading,
        }
    }
}

impl<B> RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// The next piece of payload, as [`VerifiedBody::next`].
    ///
    /// # Errors
    /// As there; the same one again afterwards.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        match self.state {
            State::Ended(_) => return Poll::Ready(Ok(None)),
            State::Failed(error) => return Poll::Ready(Err(error)),
            State::Reading => {}
        }
        let next = ready!(self.poll_payload(cx));
        if let Err(error) = next {
            self.state = State::Failed(error);
        }
        Poll::Ready(next)
    }

    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let pool = &self.resources.pool;
        let digesting = self.digesting.get_or_insert_with(|| self.expected.digesting());
        loop {
            ready!(digesting.poll_ready(pool, cx)).map_err(|_| BodyError::Unread)?;
            match self.decoder.step(&mut self.input)? {
                Step::Data(piece) => {
                    digesting.add(&piece, pool);
                    return Poll::Ready(Ok(Some(piece)));
                }
                // Hashed while it waits: the hashes are as far as the chunk when it is released.
                Step::Held(piece) => digesting.add(&piece, pool),
                Step::Released(piece) => {
                    self.chunk_due = None;
                    return Poll::Ready(Ok(Some(piece)));
                }
                Step::Reserve(bytes) => {
                    let reserved = ready!(self.reservation.poll(&self.resources.memory, bytes, cx));
                    self.chunk_due = reserved.counts().then(|| Instant::now() + LONGEST_CHUNK);
                    if let Decoder::Chunked(decoder) = &mut self.decoder {
                        decoder.grant(reserved);
                    }
                }
                Step::More => match ready!(self.source.poll_next(cx))? {
                    Some(_) if self.chunk_due.is_some_and(|due| Instant::now() > due) => {
                        return Poll::Ready(Err(BodyError::TimedOut));
                    }
                    Some(bytes) => self.input = bytes,
                    None => {
                        self.state = State::Ended(self.decoder.end()?);
                        return Poll::Ready(Ok(None));
                    }
                },
            }
        }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<Digests, BodyError>> {
        let trailer = match self.state {
            State::Reading => return Poll::Ready(Err(BodyError::Unread)),
            State::Failed(error) => return Poll::Ready(Err(error)),
            State::Ended(trailer) => trailer,
        };
        let digesting = self.digesting.get_or_insert_with(|| self.expected.digesting());
        let computed = ready!(digesting.poll_finish(&self.resources.pool, cx));
        Poll::Ready(
            self.expected
                .check(&computed.map_err(|_| BodyError::Unread)?, trailer),
        )
    }
}

impl Decoder {
    fn chunked(decoder: ChunkDecoder) -> Self {
        Self::Chunked(Box::new(decoder))
    }

    fn step(&mut self, input: &mut Bytes) -> Result<Step, BodyError> {
        match self {
            Self::Chunked(decoder) => decoder.step(input),
            Self::Whole(_) if input.is_empty() => Ok(Step::More),
            Self::Whole(left) => {
                *left = left.checked_sub(input.len() as u64).ok_or(BodyError::TooLong)?;
                Ok(Step::Data(std::mem::take(input)))
            }
        }
    }

    fn end(&self) -> Result<Option<Checksum>, BodyError> {
        match self {
            Self::Chunked(decoder) => decoder.end(),
            Self::Whole(0) => Ok(None),
            Self::Whole(_) => Err(BodyError::Incomplete),
        }
    }
}

impl Expected {
    fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self.checksum {
            DeclaredChecksum::Header(checksum) => Some(checksum.algorithm()),
            DeclaredChecksum::Trailer(algorithm) => Some(algorithm),
            DeclaredChecksum::None => None,
        }
    }

    fn digesting(&self) -> Digesting {
        let sha256 = if self.sha256.is_some() {
            Needed::Yes
        } else {
            Needed::No
        };
        Digesting::new(self.length, sha256, self.algorithm().or(self.extra))
    }

    fn check(&self, computed: &Computed, trailer: Option<Checksum>) -> Result<Digests, BodyError> {
        let Computed {
            md5,
            sha256,
            checksum,
        } = *computed;
        if self.sha256.is_some() && self.sha256 != sha256 {
            return Err(BodyError::Sha256Mismatch);
        }
        if self.md5.is_some_and(|declared| declared != md5) {
            return Err(BodyError::Md5Mismatch);
        }
        let declared = match self.checksum {
            DeclaredChecksum::None => None,
            DeclaredChecksum::Header(declared) => Some(declared),
            DeclaredChecksum::Trailer(_) => Some(trailer.ok_or(BodyError::MalformedTrailer)?),
        };
        if let Some(declared) = declared.filter(|declared| checksum != Some(*declared)) {
            return Err(BodyError::ChecksumMismatch(declared.algorithm()));
        }
        Ok(Digests {
            length: self.length,
            md5,
            checksum,
        })
    }
}

impl<B> VerifiedBody for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
{
    fn length(&self) -> u64 {
        self.expected.length
    }

    fn declared_checksum(&self) -> Option<ChecksumAlgorithm> {
        self.expected.algorithm()
    }

    fn compute_checksum(&mut self, algorithm: ChecksumAlgorithm) {
        if self.expected.algorithm().is_none() && self.digesting.is_none() {
            self.expected.extra = Some(algorithm);
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    async fn finish(mut self) -> Result<Digests, BodyError> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }
}
