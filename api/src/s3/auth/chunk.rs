//! The chain of signatures of a body in signed chunks.

use std::fmt;
use std::sync::Arc;

use super::date::AmzDate;
use super::keys::SigningKey;

/// Verifies the signatures of chunks, each of which covers the one before it.
pub struct ChunkSigner {
    key: Arc<SigningKey>,
    /// `<date>\n<scope>\n`, the same in every string to sign of one request.
    context: Box<[u8]>,
    /// The signature before the next chunk, in hex as strings to sign have it.
    previous: [u8; 64],
}

/// SHA-256 of nothing, which stands in every chunk's string to sign in place of signed headers.
const EMPTY: &[u8; 64] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl ChunkSigner {
    /// Begins the chain with the signature of the request itself.
    pub(super) fn new(key: Arc<SigningKey>, date: AmzDate, scope: &str, seed: &[u8; 32]) -> Self {
        let mut context = Vec::with_capacity(date.as_bytes().len() + scope.len() + 2);
        context.extend_from_slice(date.as_bytes());
        context.push(b'\n');
        context.extend_from_slice(scope.as_bytes());
        context.push(b'\n');
        Self {
            key,
            context: context.into(),
            previous: hex_of(seed),
        }
    }

    /// Whether `signature` is that of the next chunk, whose bytes have this SHA-256. Goes on to the
    /// chunk after it if so.
    #[must_use]
    pub fn verify_chunk(&mut self, sha256: &[u8; 32], signature: &[u8; 32]) -> bool {
        let hash = hex_of(sha256);
        let genuine = self.key.verifies(
            &[
                b"AWS4-HMAC-SHA256-PAYLOAD\n",
                &self.context,
                &self.previous,
                b"\n",
                EMPTY,
                b"\n",
                &hash,
            ],
            signature,
        );
        if genuine {
            self.previous = hex_of(signature);
        }
        genuine
    }

    /// Whether `signature` is that of the trailer, whose canonical lines have this SHA-256.
    #[must_use]
    pub fn verify_trailer(&mut self, sha256: &[u8; 32], signature: &[u8; 32]) -> bool {
        let hash = hex_of(sha256);
        self.key.verifies(
            &[
                b"AWS4-HMAC-SHA256-TRAILER\n",
                &self.context,
                &self.previous,
                b"\n",
                &hash,
            ],
            signature,
        )
    }
}

/// 32 bytes as 64 lower-case hex digits.
pub(super) fn hex_of(bytes: &[u8; 32]) -> [u8; 64] {
    let mut text = [b'0'; 64];
    // The lengths fit by their types.
    let _ = hex::encode_to_slice(bytes, &mut text);
    text
}

/// Reads a signature: 64 hex digits in lower case, as every signer writes them.
pub(in crate::s3) fn parse_signature(text: &[u8]) -> Option<[u8; 32]> {
    let mut signature = [0; 32];
    let lower = !text.iter().any(u8::is_ascii_uppercase);
    (lower && hex::decode_to_slice(text, &mut signature).is_ok()).then_some(signature)
}

impl fmt::Debug for ChunkSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkSigner(..)")
    }
}
