//! The canonical request, written once for hashing and once, when it did not match, for reading.

use std::borrow::Cow;

use aws_lc_rs::digest::{Context, SHA256, digest};
use http::request::Parts;

use super::error::AuthError;
use super::query::{Parameter, Query};

/// A request as its signature sees it.
pub(super) struct CanonicalRequest<'r> {
    pub(super) parts: &'r Parts,
    /// The path in the one form that S3 prescribes.
    pub(super) path: Cow<'r, str>,
    pub(super) query: Query<'r>,
    pub(super) host: &'r [u8],
    /// Names separated by semicolons, checked by [`check_signed_headers`].
    pub(super) signed_headers: Cow<'r, str>,
    /// The last line.
    pub(super) payload: Cow<'r, str>,
}

/// How a client may have spelled what it signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Percent-encoded as S3 prescribes.
    Normal,
    /// As it was sent.
    Sent,
}

/// The spellings to try, the usual one first.
const SPELLINGS: [(Spelling, Spelling); 4] = [
    (Spelling::Normal, Spelling::Normal),
    (Spelling::Sent, Spelling::Normal),
    (Spelling::Normal, Spelling::Sent),
    (Spelling::Sent, Spelling::Sent),
];

/// The parameter of a presigned query that the signature cannot cover.
const SIGNATURE: &str = "X-Amz-Signature";

/// Headers whose values are keys to something: never repeated in an answer or a log line.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
];

/// Where a canonical request is written to.
trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn put_header_value(&mut self, _name: &str, bytes: &[u8]) {
        self.put(bytes);
    }
}

impl CanonicalRequest<'_> {
    /// SHA-256 of the usual spelling.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash_spelled(Spelling::Normal, Spelling::Normal)
    }

    /// SHA-256 of every other spelling in which this request may have been signed. Empty for nearly
    /// all requests: those whose path and query were sent in the usual one.
    pub(super) fn other_hashes(&self) -> impl Iterator<Item = [u8; 32]> {
        let path_differs = self.path != self.parts.uri.path();
        let query_differs = self.query.parameters().iter().any(|given| {
            let (name, value) = given.sent;
            given.name != name || given.value != value
        });
        SPELLINGS
            .into_iter()
            .skip(1)
            .filter(move |(path, query)| {
                (path_differs || *path == Spelling::Normal) && (query_differs || *query == Spelling::Normal)
            })
            .map(|(path, query)| self.hash_spelled(path, query))
    }

    /// The usual spelling, for people.
    pub(super) fn explain(&self) -> String {
        let mut text = Text(Vec::with_capacity(1024));
        self.write(&mut text, Spelling::Normal, Spelling::Normal);
        String::from_utf8_lossy(&text.0).into_owned()
    }

    fn hash_spelled(&self, path: Spelling, query: Spelling) -> [u8; 32] {
        let mut hash = Hash::new();
        self.write(&mut hash, path, query);
        hash.finish()
    }

    fn write(&self, sink: &mut impl Sink, path: Spelling, query: Spelling) {
        sink.put(self.parts.method.as_str().as_bytes());
        sink.put(b"\n");
        sink.put(match path {
            Spelling::Normal => self.path.as_bytes(),
            Spelling::Sent => self.parts.uri.path().as_bytes(),
        });
        sink.put(b"\n");
        self.write_query(sink, query);
        sink.put(b"\n");
        for name in self.signed_headers.split(';') {
            sink.put(name.as_bytes());
            sink.put(b":");
            self.write_header(sink, name);
            sink.put(b"\n");
        }
        sink.put(b"\n");
        sink.put(self.signed_headers.as_bytes());
        sink.put(b"\n");
        sink.put(self.payload.as_bytes());
    }

    fn write_query(&self, sink: &mut impl Sink, spelling: Spelling) {
        let signed = self
            .query
            .parameters()
            .iter()
            .filter(|given| given.name != SIGNATURE);
        let mut separator: &[u8] = b"";
        let mut put = |name: &str, value: &str| {
            sink.put(separator);
            sink.put(name.as_bytes());
            sink.put(b"=");
            sink.put(value.as_bytes());
            separator = b"&";
        };
        match spelling {
            Spelling::Normal => signed.for_each(|Parameter { name, value, .. }| put(name, value)),
            Spelling::Sent => {
                let mut sent: Vec<_> = signed.map(|given| given.sent).collect();
                sent.sort_unstable();
                sent.into_iter().for_each(|(name, value)| put(name, value));
            }
        }
    }

    fn write_header(&self, sink: &mut impl Sink, name: &str) {
        if name == "host" {
            return write_folded(sink, name, self.host);
        }
        let mut separator: &[u8] = b"";
        for value in self.parts.headers.get_all(name) {
            sink.put(separator);
            write_folded(sink, name, value.as_bytes());
            separator = b",";
        }
    }
}

/// Writes a header's value without leading and trailing blanks, each run of blanks as one space.
fn write_folded(sink: &mut impl Sink, name: &str, value: &[u8]) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut words = value.split(is_blank).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return };
    sink.put_header_value(name, first);
    for word in words {
        sink.put(b" ");
        sink.put_header_value(name, word);
    }
}

/// Checks the list of signed headers against the headers that are there: lower case, strictly
/// ascending, all present, `host` among them, and no `x-amz-*` header left out.
pub(super) fn check_signed_headers(
    parts: &Parts,
    list: &str,
    malformed: &'static str,
    describe: fn(&'static str) -> AuthError,
) -> Result<(), AuthError> {
    let (mut previous, mut host_signed, mut amz_signed) = ("", false, 0);
    for name in list.split(';') {
        if name <= previous || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(describe(malformed));
        }
        previous = name;
        if name == "host" {
            host_signed = true;
            continue;
        }
        if !parts.headers.contains_key(name) {
            return Err(AuthError::SignedHeaderAbsent(name.into()));
        }
        amz_signed += usize::from(name.starts_with("x-amz-"));
    }
    let is_amz = |name: &&http::HeaderName| name.as_str().starts_with("x-amz-");
    if host_signed && amz_signed == parts.headers.keys().filter(is_amz).count() {
        return Ok(());
    }
    let signed: std::collections::HashSet<&str> = list.split(';').collect();
    let mut missing: Vec<&str> = parts
        .headers
        .keys()
        .filter(is_amz)
        .map(http::HeaderName::as_str)
        .collect();
    missing.push("host");
    missing.retain(|name| !signed.contains(name));
    missing.sort_unstable();
    Err(AuthError::HeadersNotSigned(missing.join(", ").into()))
}

/// Collects up to a kibibyte, so that the usual request is hashed in one call.
struct Hash {
    buffer: [u8; 1024],
    filled: usize,
    context: Option<Context>,
}

impl Hash {
    const fn new() -> Self {
        Self {
            buffer: [0; 1024],
            filled: 0,
            context: None,
        }
    }

    fn finish(self) -> [u8; 32] {
        let collected = self.buffer.get(..self.filled).unwrap_or_default();
        let hash = match self.context {
            None => digest(&SHA256, collected),
            Some(mut context) => {
                context.update(collected);
                context.finish()
            }
        };
        hash.as_ref().try_into().unwrap_or_default()
    }
}

impl Sink for Hash {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(free) = self.buffer.get_mut(self.filled..self.filled + bytes.len()) {
            free.copy_from_slice(bytes);
            self.filled += bytes.len();
            return;
        }
        let context = self.context.get_or_insert_with(|| Context::new(&SHA256));
        context.update(self.buffer.get(..self.filled).unwrap_or_default());
        context.update(bytes);
        self.filled = 0;
    }
}

struct Text(Vec<u8>);

impl Sink for Text {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn put_header_value(&mut self, name: &str, bytes: &[u8]) {
        self.put(if SECRET_HEADERS.contains(&name) {
            b"(hidden)"
        } else {
            bytes
        });
    }
}
