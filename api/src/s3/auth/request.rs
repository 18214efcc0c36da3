//! Parse, then verify.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::HOST;
use http::request::Parts;

use super::canonical::{CanonicalRequest, check_signed_headers};
use super::chunk::{ChunkSigner, hex_of, parse_signature};
use super::date::{AmzDate, unix_seconds};
use super::encoding::{Component, normalise};
use super::error::{AuthError, Mechanism, SignatureMismatch};
use super::header::{self, Authorization};
use super::keys::{SigningKey, SigningKeys};
use super::payload::{DeclaredPayload, PayloadMode, UNSIGNED_PAYLOAD, WholePayload};
use super::presigned::Presigned;
use super::query::{Query, SignedQuery};
use super::scope::CredentialScope;
use crate::port::SecretKey;

/// What a server demands of signatures.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// The only region that a request may be signed for; any when there is none.
    pub region: Option<Box<str>>,
}

/// How far the clock of a client may be off, in seconds either way. The figure of AWS.
const ALLOWED_SKEW: i64 = 15 * 60;

/// A request whose authentication was read and not verified yet.
#[derive(Debug)]
pub struct AuthRequest<'r>(Scheme<'r>);

/// How a request says who sends it. Closed: whoever decides by it names every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthScheme {
    /// Signature Version 4 in the Authorization header.
    Header,
    /// Signature Version 4 in the query.
    Presigned,
    /// It does not say.
    Anonymous,
}

#[derive(Debug)]
enum Scheme<'r> {
    Header(SignedRequest<'r>, DeclaredPayload),
    Presigned(SignedRequest<'r>, WholePayload),
    Anonymous(WholePayload),
}

/// What a signature covers, and the signature.
struct SignedRequest<'r> {
    canonical: CanonicalRequest<'r>,
    hash: [u8; 32],
    credential: CredentialScope<'r>,
    date: AmzDate,
    signature: Cow<'r, str>,
}

/// The signature of a request, found to be that of its secret.
struct Genuine {
    key: Arc<SigningKey>,
    signature: [u8; 32],
}

/// A request whose signature is that of the secret it was verified with; or one that has none, which
/// proves nothing.
#[derive(Debug)]
pub struct VerifiedAuth {
    /// How the request says who sends it.
    pub scheme: AuthScheme,
    /// How the payload proves itself.
    pub payload: PayloadMode,
}

/// Reads the authentication of a request and does the part of the arithmetic that needs no secret.
///
/// # Errors
/// Whatever can be refused without knowing a secret, the time of the request included.
pub fn parse<'r>(
    parts: &'r Parts,
    config: &AuthConfig,
    now: SystemTime,
) -> Result<AuthRequest<'r>, AuthError> {
    if parts.headers.contains_key("x-amz-security-token") {
        return Err(AuthError::SessionToken);
    }
    let query = Query::parse(parts.uri.query())?;
    let by_header = parts.headers.contains_key(http::header::AUTHORIZATION);
    match (by_header, query.signed()) {
        (true, SignedQuery::VersionFour | SignedQuery::VersionTwo) => Err(AuthError::SeveralMechanisms),
        (true, SignedQuery::No) => signed_by_header(parts, query, config, now),
        (false, SignedQuery::VersionFour) => presigned(parts, query, config, now),
        (false, SignedQuery::VersionTwo) => Err(AuthError::VersionTwo),
        (false, SignedQuery::No) => anonymous(parts),
    }
}

impl AuthRequest<'_> {
    /// The access key that claims to have signed; none for an anonymous request.
    #[must_use]
    pub fn access_key(&self) -> Option<&str> {
        match &self.0 {
            Scheme::Header(signed, _) | Scheme::Presigned(signed, _) => Some(signed.credential.access_key()),
            Scheme::Anonymous(_) => None,
        }
    }

    /// How the request says who sends it.
    #[must_use]
    pub const fn scheme(&self) -> AuthScheme {
        match self.0 {
            Scheme::Header(..) => AuthScheme::Header,
            Scheme::Presigned(..) => AuthScheme::Presigned,
            Scheme::Anonymous(_) => AuthScheme::Anonymous,
        }
    }

    /// Verifies the signature with the secret of [`access_key`](Self::access_key), `None` when that key
    /// is not known: then the same work is done and the request refused. An anonymous request has
    /// nothing to verify; what it may do is for the caller to decide.
    ///
    /// # Errors
    /// [`AuthError::InvalidAccessKeyId`] without a secret, [`AuthError::SignatureDoesNotMatch`] with
    /// another one than that which signed.
    pub fn verify(&self, secret: Option<&SecretKey>, keys: &SigningKeys) -> Result<VerifiedAuth, AuthError> {
        let payload = match &self.0 {
            Scheme::Header(signed, payload) => {
                let genuine = signed.verify(secret, keys)?;
                payload.verified(|| signed.chunk_signer(genuine))
            }
            Scheme::Presigned(signed, payload) => {
                signed.verify(secret, keys)?;
                (*payload).into()
            }
            Scheme::Anonymous(payload) => (*payload).into(),
        };
        Ok(VerifiedAuth {
            scheme: self.scheme(),
            payload,
        })
    }
}

impl SignedRequest<'_> {
    fn verify(&self, secret: Option<&SecretKey>, keys: &SigningKeys) -> Result<Genuine, AuthError> {
        let candidate = keys.candidate(
            secret.unwrap_or_else(|| keys.decoy()),
            self.date.day(),
            self.credential.region(),
        );
        // What cannot be read is compared all the same, as nothing that could match.
        let readable = parse_signature(self.signature.as_bytes());
        let signature = readable.unwrap_or_default();
        let signed = |hash: [u8; 32]| {
            let (date, scope) = (self.date.as_bytes(), self.credential.scope().as_bytes());
            let pieces: [&[u8]; 6] = [b"AWS4-HMAC-SHA256\n", date, b"\n", scope, b"\n", &hex_of(&hash)];
            candidate.key.verifies(&pieces, &signature)
        };
        let genuine = signed(self.hash) || self.canonical.other_hashes().any(signed);
        if secret.is_none() {
            return Err(AuthError::InvalidAccessKeyId(self.credential.access_key().into()));
        }
        if readable.is_none() || !genuine {
            return Err(AuthError::SignatureDoesNotMatch(Box::new(self.mismatch())));
        }
        Ok(Genuine {
            key: keys.keep(candidate),
            signature,
        })
    }

    fn chunk_signer(&self, genuine: Genuine) -> ChunkSigner {
        ChunkSigner::new(
            genuine.key,
            self.date,
            self.credential.scope(),
            &genuine.signature,
        )
    }

    fn mismatch(&self) -> SignatureMismatch {
        let (date, scope) = (self.date.as_str(), self.credential.scope());
        SignatureMismatch {
            access_key: self.credential.access_key().to_owned(),
            signature_provided: self.signature.clone().into_owned(),
            string_to_sign: format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(self.hash)),
            canonical_request: self.canonical.explain(),
        }
    }
}

fn signed_by_header<'r>(
    parts: &'r Parts,
    query: Query<'r>,
    config: &AuthConfig,
    now: SystemTime,
) -> Result<AuthRequest<'r>, AuthError> {
    let Authorization {
        credential,
        signed_headers,
        signature,
        date,
    } = header::parse(&parts.headers)?.ok_or(AuthError::UnsupportedType)?;
    check_region(&credential, config, Mechanism::Header)?;
    let server = unix_seconds(now);
    if server.abs_diff(date.seconds()) > ALLOWED_SKEW.unsigned_abs() {
        let request = date.as_str().into();
        return Err(AuthError::RequestTimeTooSkewed {
            request,
            server,
            allowed: ALLOWED_SKEW,
        });
    }
    let payload = header::single(&parts.headers, "x-amz-content-sha256")?;
    let payload = payload.ok_or(AuthError::MissingContentSha256)?;
    let declared = DeclaredPayload::parse(payload)?;
    let canonical = CanonicalRequest {
        parts,
        path: normalise(parts.uri.path(), Component::Path).ok_or(AuthError::MalformedUri)?,
        query,
        host: host(parts)?,
        signed_headers: Cow::Borrowed(signed_headers),
        payload: String::from_utf8_lossy(payload),
    };
    let not_a_list = "the SignedHeaders field is not a sorted list of lower-case names";
    check_signed_headers(parts, signed_headers, not_a_list, AuthError::HeaderMalformed)?;
    let signature = Cow::Borrowed(signature);
    let signed = SignedRequest {
        hash: canonical.hash(),
        canonical,
        credential,
        date,
        signature,
    };
    Ok(AuthRequest(Scheme::Header(signed, declared)))
}

fn presigned<'r>(
    parts: &'r Parts,
    query: Query<'r>,
    config: &AuthConfig,
    now: SystemTime,
) -> Result<AuthRequest<'r>, AuthError> {
    let Presigned {
        credential,
        signed_headers,
        signature,
        date,
        expires,
        content_sha256,
    } = Presigned::parse(&query)?;
    check_region(&credential, config, Mechanism::Query)?;
    let (server, expires) = (unix_seconds(now), date.seconds().saturating_add(expires));
    if date.seconds().saturating_sub(server) > ALLOWED_SKEW {
        return Err(AuthError::NotYetValid);
    }
    if server > expires {
        return Err(AuthError::Expired { expires, server });
    }
    let in_header = header::single(&parts.headers, "x-amz-content-sha256")?.map(String::from_utf8_lossy);
    let payload = match (in_header, content_sha256) {
        (Some(header), Some(query)) if header != query => return Err(AuthError::InvalidContentSha256),
        (Some(value), _) | (None, Some(value)) => value,
        (None, None) => Cow::Borrowed(UNSIGNED_PAYLOAD),
    };
    let declared = DeclaredPayload::parse(payload.as_bytes())?.whole()?;
    check_signed_headers(
        parts,
        &signed_headers,
        "X-Amz-SignedHeaders must be a sorted list of lower-case names",
        AuthError::QueryMalformed,
    )?;
    let canonical = CanonicalRequest {
        parts,
        path: normalise(parts.uri.path(), Component::Path).ok_or(AuthError::MalformedUri)?,
        query,
        host: host(parts)?,
        signed_headers,
        payload,
    };
    let signed = SignedRequest {
        hash: canonical.hash(),
        canonical,
        credential,
        date,
        signature,
    };
    Ok(AuthRequest(Scheme::Presigned(signed, declared)))
}

fn anonymous(parts: &Parts) -> Result<AuthRequest<'_>, AuthError> {
    let payload = match header::single(&parts.headers, "x-amz-content-sha256")? {
        Some(value) => DeclaredPayload::parse(value)?.whole()?,
        None => WholePayload::Unsigned,
    };
    Ok(AuthRequest(Scheme::Anonymous(payload)))
}

fn check_region(
    credential: &CredentialScope<'_>,
    config: &AuthConfig,
    mechanism: Mechanism,
) -> Result<(), AuthError> {
    match &config.region {
        Some(expected) if **expected != *credential.region() => Err(AuthError::WrongRegion {
            mechanism,
            given: credential.region().into(),
            expected: expected.clone(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// The host that the client asked for: the `Host` header, or over HTTP/2 the authority. Where both are
/// there they must agree, because routing may look at either.
fn host(parts: &Parts) -> Result<&[u8], AuthError> {
    let authority = parts
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    match (header::single(&parts.headers, HOST.as_str())?, authority) {
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            Err(AuthError::AmbiguousHost)
        }
        (Some(host), _) | (None, Some(host)) if !host.is_empty() => Ok(host),
        (Some(_), _) | (None, _) => Err(AuthError::MissingHost),
    }
}

impl fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("access_key", &self.credential.access_key())
            .field("scope", &self.credential.scope())
            .finish_non_exhaustive()
    }
}
