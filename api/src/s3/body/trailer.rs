//! The trailer of an `aws-chunked` body.

use aws_lc_rs::digest::{SHA256, digest};

use crate::port::{BodyError, Checksum, ChecksumAlgorithm};
use crate::s3::auth::{ChunkSigner, TrailerMode, parse_signature};
use crate::s3::checksum;

/// Reads the lines after the last chunk: the announced checksum, in the signed form its signature, and
/// an empty line.
///
/// Lines end in CR LF. One client ends the line of the checksum in LF CR LF instead, so after a line
/// that ended in a bare LF one empty line is passed over.
#[derive(Debug)]
pub(super) struct TrailerReader {
    announced: Option<ChecksumAlgorithm>,
    checksum: Option<Checksum>,
    signature: SignatureState,
    blank: Blank,
    /// The lines as their signature covers them.
    canonical: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignatureState {
    NotWanted,
    Wanted,
    Verified,
}

/// Whether an empty line is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blank {
    /// No: it is the last line.
    Ends,
    /// The line before ended in a bare LF.
    Passes,
    /// One was. Another may follow or not.
    Passed,
}

/// What a line was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// One of several.
    Middle,
    /// The empty one at the end.
    Last,
}

const SIGNATURE: &str = "x-amz-trailer-signature";

impl TrailerReader {
    /// Expects the checksum that was announced and no other trailer.
    pub(super) fn new(announced: Option<ChecksumAlgorithm>, signed: TrailerMode) -> Self {
        let signature = match signed {
            TrailerMode::Signed => SignatureState::Wanted,
            TrailerMode::None => SignatureState::NotWanted,
        };
        Self {
            announced,
            checksum: None,
            signature,
            blank: Blank::Ends,
            canonical: Vec::new(),
        }
    }

    /// The checksum that was read.
    pub(super) fn checksum(&self) -> Option<Checksum> {
        self.checksum
    }

    /// Takes one line, its line feed included.
    pub(super) fn line(&mut self, line: &[u8], signer: Option<&mut ChunkSigner>) -> Result<Line, BodyError> {
        let (text, bare_lf) = match line {
            [text @ .., b'\r', b'\n'] => (text, false),
            [text @ .., b'\n'] => (text, true),
            _ => return Err(BodyError::MalformedTrailer),
        };
        if text.is_empty() {
            if bare_lf {
                return Err(BodyError::MalformedTrailer);
            }
            if self.blank == Blank::Passes {
                self.blank = Blank::Passed;
                return Ok(Line::Middle);
            }
            return self
                .complete()
                .then_some(Line::Last)
                .ok_or(BodyError::MalformedTrailer);
        }
        let text = std::str::from_utf8(text).map_err(|_| BodyError::MalformedTrailer)?;
        let (name, value) = text.split_once(':').ok_or(BodyError::MalformedTrailer)?;
        let value = value.trim_start_matches(' ');
        if name.eq_ignore_ascii_case(SIGNATURE) {
            self.signature(value, signer)?;
        } else {
            self.field(name, value)?;
        }
        self.blank = if bare_lf { Blank::Passes } else { Blank::Ends };
        Ok(Line::Middle)
    }

    /// Whether the body may end after the lines so far: where LF CR LF was all that followed an
    /// unsigned checksum.
    pub(super) fn may_end(&self) -> bool {
        self.blank == Blank::Passed && self.complete() && self.signature == SignatureState::NotWanted
    }

    fn complete(&self) -> bool {
        self.signature != SignatureState::Wanted && self.checksum.is_some() == self.announced.is_some()
    }

    fn field(&mut self, name: &str, value: &str) -> Result<(), BodyError> {
        let announced = self
            .announced
            .filter(|announced| announced.header().eq_ignore_ascii_case(name));
        let algorithm = announced.ok_or(BodyError::MalformedTrailer)?;
        if self.checksum.is_some() || self.signature == SignatureState::Verified {
            return Err(BodyError::MalformedTrailer);
        }
        let checksum = checksum::decode(algorithm, value).ok_or(BodyError::MalformedTrailer)?;
        self.checksum = Some(checksum);
        self.canonical.extend_from_slice(algorithm.header().as_bytes());
        self.canonical.push(b':');
        self.canonical.extend_from_slice(value.as_bytes());
        self.canonical.push(b'\n');
        Ok(())
    }

    fn signature(&mut self, value: &str, signer: Option<&mut ChunkSigner>) -> Result<(), BodyError> {
        let signer = signer.ok_or(BodyError::MalformedTrailer)?;
        if self.signature != SignatureState::Wanted {
            return Err(BodyError::MalformedTrailer);
        }
        let signature = parse_signature(value.as_bytes()).ok_or(BodyError::MalformedTrailer)?;
        let hash = digest(&SHA256, &self.canonical);
        let hash: [u8; 32] = hash.as_ref().try_into().unwrap_or_default();
        if !signer.verify_trailer(&hash, &signature) {
            return Err(BodyError::ChunkSignatureMismatch);
        }
        self.signature = SignatureState::Verified;
        Ok(())
    }
}
