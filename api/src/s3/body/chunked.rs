//! The `aws-chunked` framing, undone without IO.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;

use super::budget::Reserved;
use super::engine::Engine;
use super::held::Held;
use super::trailer::{Line, TrailerReader};
use crate::port::{BodyError, Checksum};
use crate::s3::auth::{ChunkSigner, parse_signature};

/// The largest signed chunk, in bytes. Nothing of a signed chunk may be used before all of it is there,
/// so this much is held per body. Clients send 64 KiB to 1 MiB.
pub const MAX_SIGNED_CHUNK: u64 = 16 * 1024 * 1024;

/// The longest line before a chunk: 16 digits, the name of the extension, 64 digits, CR LF.
const MAX_SIZE_LINE: usize = 16 + SIGNATURE.len() + 64 + 2;
/// The longest line of a trailer; `x-amz-trailer-signature` with its value takes 90 bytes.
const MAX_TRAILER_LINE: usize = 256;
/// What stands between the size of a signed chunk and its signature.
const SIGNATURE: &[u8] = b";chunk-signature=";

/// Takes chunks apart: hand it input until it asks for more, then again until the input ends.
#[derive(Debug)]
pub(super) struct ChunkDecoder {
    state: State,
    /// Payload that no chunk has announced yet, in bytes.
    unannounced: u64,
    signer: Option<ChunkSigner>,
    trailer: Option<TrailerReader>,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Payload, never empty.
    Data(Bytes),
    /// Payload that is held until the signature of its chunk was verified. It may be hashed, and will
    /// be in order; nothing else may happen to it.
    Held(Bytes),
    /// Payload that was held and is verified now.
    Released(Bytes),
    /// The input is used up.
    More,
    /// So many bytes are about to be held; call [`ChunkDecoder::grant`] before the next step.
    Reserve(u64),
}

#[derive(Debug)]
enum State {
    Size,
    /// Within an unsigned chunk: so many bytes are left.
    Plain(u64),
    /// Before a signed chunk that must be held.
    Granting(Signed),
    /// Within a signed chunk.
    Signed(Signed),
    /// After a signed chunk that was verified.
    Release(Held),
    /// Before the CR LF after a chunk; one of the two may have been seen.
    Crlf(After, Seen),
    Trailer(TrailerReader),
    Done(Option<Checksum>),
}

/// A signed chunk on its way.
#[derive(Debug)]
struct Signed {
    left: u64,
    signature: [u8; 32],
    hash: Engine,
    held: Held,
}

#[derive(Debug, Clone, Copy)]
enum After {
    Chunk,
    Body,
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    Nothing,
    Cr,
}

/// What stands before a chunk.
struct SizeLine {
    size: u64,
    signature: Option<[u8; 32]>,
}

impl ChunkDecoder {
    /// A decoder for `length` bytes of payload in chunks, signed where there is a signer, before a
    /// trailer where there is one.
    pub(super) fn new(length: u64, signer: Option<ChunkSigner>, trailer: Option<TrailerReader>) -> Self {
        Self {
            state: State::Size,
            unannounced: length,
            signer,
            trailer,
            line: Vec::new(),
        }
    }

    /// Goes as far as `input` allows; what it has used is gone from it.
    pub(super) fn step(&mut self, input: &mut Bytes) -> Result<Step, BodyError> {
        loop {
            match std::mem::replace(&mut self.state, State::Size) {
                State::Size => {
                    let Some(line) = take_line(&mut self.line, input, MAX_SIZE_LINE) else {
                        return self.more(input, State::Size, BodyError::MalformedChunk);
                    };
                    let line = SizeLine::parse(&line, self.signer.is_some())?;
                    self.state = self.begin(&line, input)?;
                }
                State::Plain(0) => self.state = State::Crlf(After::Chunk, Seen::Nothing),
                State::Plain(left) => {
                    let piece = take(input, left);
                    self.state = State::Plain(left - piece.len() as u64);
                    return Ok(if piece.is_empty() {
                        Step::More
                    } else {
                        Step::Data(piece)
                    });
                }
                State::Granting(chunk) => {
                    let size = chunk.left;
                    self.state = State::Granting(chunk);
                    return Ok(Step::Reserve(size));
                }
                State::Signed(chunk) if chunk.left == 0 => {
                    let hash = chunk.hash.finish();
                    self.verify(hash.bytes(), &chunk.signature)?;
                    self.state = State::Release(chunk.held);
                }
                State::Signed(mut chunk) => {
                    let piece = take(input, chunk.left);
                    chunk.left -= piece.len() as u64;
                    chunk.hash.update(&piece);
                    chunk.held.push(piece.clone());
                    self.state = State::Signed(chunk);
                    return Ok(if piece.is_empty() {
                        Step::More
                    } else {
                        Step::Held(piece)
                    });
                }
                State::Release(mut held) => match held.pop() {
                    Some(piece) => {
                        self.state = State::Release(held);
                        return Ok(Step::Released(piece));
                    }
                    None => self.state = State::Crlf(After::Chunk, Seen::Nothing),
                },
                State::Crlf(after, seen) => {
                    let Some(byte) = input.first().copied() else {
                        self.state = State::Crlf(after, seen);
                        return Ok(Step::More);
                    };
                    drop(input.split_to(1));
                    self.state = match (seen, byte, after) {
                        (Seen::Nothing, b'\r', _) => State::Crlf(after, Seen::Cr),
                        (Seen::Cr, b'\n', After::Chunk) => State::Size,
                        (Seen::Cr, b'\n', After::Body) => State::Done(None),
                        _ => return Err(BodyError::MalformedChunk),
                    };
                }
                State::Trailer(mut trailer) => {
                    let Some(line) = take_line(&mut self.line, input, MAX_TRAILER_LINE) else {
                        return self.more(input, State::Trailer(trailer), BodyError::MalformedTrailer);
                    };
                    self.state = match trailer.line(&line, self.signer.as_mut())? {
                        Line::Middle => State::Trailer(trailer),
                        Line::Last => State::Done(trailer.checksum()),
                    };
                }
                State::Done(_) if !input.is_empty() => return Err(BodyError::MalformedChunk),
                State::Done(checksum) => {
                    self.state = State::Done(checksum);
                    return Ok(Step::More);
                }
            }
        }
    }

    /// Gives what [`Step::Reserve`] asked for.
    pub(super) fn grant(&mut self, reserved: Reserved) {
        if let State::Granting(mut chunk) = std::mem::replace(&mut self.state, State::Size) {
            chunk.held.reserved(reserved);
            self.state = State::Signed(chunk);
        }
    }

    /// Ends the input. Answers with the checksum that the trailer carried.
    pub(super) fn end(&self) -> Result<Option<Checksum>, BodyError> {
        match &self.state {
            State::Done(checksum) => Ok(*checksum),
            State::Trailer(trailer) if trailer.may_end() && self.line.is_empty() => Ok(trailer.checksum()),
            _ => Err(BodyError::Incomplete),
        }
    }

    /// The state after the line before a chunk.
    fn begin(&mut self, line: &SizeLine, input: &Bytes) -> Result<State, BodyError> {
        let size = line.size;
        if size == 0 {
            if self.unannounced > 0 {
                return Err(BodyError::Incomplete);
            }
            if let Some(signature) = &line.signature {
                self.verify(digest(&SHA256, b"").as_ref(), signature)?;
            }
            return Ok(match self.trailer.take() {
                Some(trailer) => State::Trailer(trailer),
                None => State::Crlf(After::Body, Seen::Nothing),
            });
        }
        self.unannounced = self.unannounced.checked_sub(size).ok_or(BodyError::TooLong)?;
        let Some(signature) = line.signature else {
            return Ok(State::Plain(size));
        };
        if size > MAX_SIGNED_CHUNK {
            return Err(BodyError::ChunkTooLarge);
        }
        let chunk = Signed {
            left: size,
            signature,
            hash: Engine::sha256(),
            held: Held::default(),
        };
        // A chunk that is there as a whole is verified where it lies.
        let waits = (input.len() as u64) < size;
        Ok(if waits {
            State::Granting(chunk)
        } else {
            State::Signed(chunk)
        })
    }

    fn verify(&mut self, sha256: &[u8], signature: &[u8; 32]) -> Result<(), BodyError> {
        let sha256 = sha256.try_into().map_err(|_| BodyError::ChunkSignatureMismatch)?;
        let signer = self.signer.as_mut().ok_or(BodyError::ChunkSignatureMismatch)?;
        signer
            .verify_chunk(sha256, signature)
            .then_some(())
            .ok_or(BodyError::ChunkSignatureMismatch)
    }

    /// Waits for the rest of a line, unless what is there is longer than any line.
    fn more(&mut self, input: &Bytes, state: State, too_long: BodyError) -> Result<Step, BodyError> {
        self.state = state;
        if input.is_empty() {
            Ok(Step::More)
        } else {
            Err(too_long)
        }
    }
}

impl SizeLine {
    fn parse(line: &[u8], signed: bool) -> Result<Self, BodyError> {
        let line = line.strip_suffix(b"\r\n").ok_or(BodyError::MalformedChunk)?;
        let (digits, signature) = if signed {
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let signature = line
                .get(digits.len()..)
                .and_then(|rest| rest.strip_prefix(SIGNATURE));
            let signature = signature
                .and_then(parse_signature)
                .ok_or(BodyError::MalformedChunk)?;
            (digits, Some(signature))
        } else {
            (line, None)
        };
        if digits.is_empty() || digits.len() > 16 {
            return Err(BodyError::MalformedChunk);
        }
        let mut size = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or(BodyError::MalformedChunk)?;
            size = size << 4 | u64::from(digit);
        }
        Ok(Self { size, signature })
    }
}

/// At most `most` bytes from the front of `input`.
fn take(input: &mut Bytes, most: u64) -> Bytes {
    let length = usize::try_from(most).map_or(input.len(), |most| most.min(input.len()));
    input.split_to(length)
}

/// A line with its line feed, put together from `begun` and the front of `input`. `None` when it does
/// not end within `longest` bytes: then `input` is empty, or the line is too long.
fn take_line(begun: &mut Vec<u8>, input: &mut Bytes, longest: usize) -> Option<Bytes> {
    let room = longest.saturating_sub(begun.len()).min(input.len());
    let Some(end) = input.iter().take(room).position(|byte| *byte == b'\n') else {
        begun.extend_from_slice(&input.split_to(room));
        return None;
    };
    let rest = input.split_to(end + 1);
    if begun.is_empty() {
        return Some(rest);
    }
    begun.extend_from_slice(&rest);
    Some(Bytes::from(std::mem::take(begun)))
}
