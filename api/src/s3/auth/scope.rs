//! The credential of a signature: an access key and the scope in which it signed.

use std::borrow::Cow;
use std::ops::Range;

/// `<access key>/<day>/<region>/s3/aws4_request`.
#[derive(Debug)]
pub(super) struct CredentialScope<'r> {
    text: Cow<'r, str>,
    access_key: usize,
    region: Range<usize>,
}

/// What is wrong with a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScopeError {
    /// Not five parts, or one of them is empty or too long.
    Malformed,
    /// The day is not that of the signature.
    OtherDay,
    /// Signed for another service.
    OtherService,
    /// The last part is not `aws4_request`.
    OtherTerminator,
}

/// The longest access key. Those of AWS have 16 to 128 characters; the bound is there so that no log
/// line or cache grows with what a stranger sends.
const MAX_ACCESS_KEY: usize = 256;
/// The longest region; the longest of AWS has 14 characters.
const MAX_REGION: usize = 64;

impl<'r> CredentialScope<'r> {
    /// Reads a credential whose signature was made on `day`. An access key may hold slashes, so the
    /// scope is what stands at the end.
    pub(super) fn parse(text: Cow<'r, str>, day: &[u8]) -> Result<Self, ScopeError> {
        let mut parts = text.rsplitn(5, '/');
        let (terminator, service, region, date, access_key) = match (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) {
            (Some(a), Some(b), Some(c), Some(d), Some(e)) => (a, b, c, d, e),
            _ => return Err(ScopeError::Malformed),
        };
        let printable = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic());
        if access_key.is_empty() || access_key.len() > MAX_ACCESS_KEY || !printable(access_key) {
            return Err(ScopeError::Malformed);
        }
        if region.is_empty() || region.len() > MAX_REGION || !printable(region) {
            return Err(ScopeError::Malformed);
        }
        if terminator != "aws4_request" {
            return Err(ScopeError::OtherTerminator);
        }
        if service != "s3" {
            return Err(ScopeError::OtherService);
        }
        if date.as_bytes() != day {
            return Err(ScopeError::OtherDay);
        }
        let start = access_key.len() + 1 + date.len() + 1;
        let (access_key, region) = (access_key.len(), start..start + region.len());
        Ok(Self {
            text,
            access_key,
            region,
        })
    }

    /// The access key.
    pub(super) fn access_key(&self) -> &str {
        self.text.get(..self.access_key).unwrap_or_default()
    }

    /// The region.
    pub(super) fn region(&self) -> &str {
        self.text.get(self.region.clone()).unwrap_or_default()
    }

    /// All but the access key, as it stands in the string to sign.
    pub(super) fn scope(&self) -> &str {
        self.text.get(self.access_key + 1..).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CredentialScope<'_>, ScopeError> {
        CredentialScope::parse(Cow::Borrowed(text), b"20130524")
    }

    #[test]
    fn a_credential_is_an_access_key_and_a_scope() {
        let scope = parse("AKIA/20130524/us-east-1/s3/aws4_request").expect("well-formed");
        assert_eq!(scope.access_key(), "AKIA");
        assert_eq!(scope.region(), "us-east-1");
        assert_eq!(scope.scope(), "20130524/us-east-1/s3/aws4_request");
    }

    #[test]
    fn an_access_key_may_hold_slashes() {
        let scope = parse("a/b/c/20130524/eu/s3/aws4_request").expect("well-formed");
        assert_eq!(scope.access_key(), "a/b/c");
        assert_eq!(scope.region(), "eu");
    }

    #[test]
    fn every_part_is_checked() {
        let refused = |text: &str| parse(text).err();
        assert_eq!(refused(""), Some(ScopeError::Malformed));
        assert_eq!(refused("AKIA"), Some(ScopeError::Malformed));
        assert_eq!(
            refused("20130524/us-east-1/s3/aws4_request"),
            Some(ScopeError::Malformed)
        );
        assert_eq!(
            refused("/20130524/us-east-1/s3/aws4_request"),
            Some(ScopeError::Malformed)
        );
        assert_eq!(
            refused("AKIA/20130524//s3/aws4_request"),
            Some(ScopeError::Malformed)
        );
        assert_eq!(
            refused("AK IA/20130524/eu/s3/aws4_request"),
            Some(ScopeError::Malformed)
        );
        assert_eq!(
            refused("AKIA/20130525/eu/s3/aws4_request"),
            Some(ScopeError::OtherDay)
        );
        assert_eq!(
            refused("AKIA/20130524/eu/sts/aws4_request"),
            Some(ScopeError::OtherService)
        );
        assert_eq!(
            refused("AKIA/20130524/eu/s3/aws4_reques"),
            Some(ScopeError::OtherTerminator)
        );
        let long = format!("{}/20130524/eu/s3/aws4_request", "k".repeat(MAX_ACCESS_KEY + 1));
        assert_eq!(refused(&long), Some(ScopeError::Malformed));
        let long = format!("AKIA/20130524/{}/s3/aws4_request", "r".repeat(MAX_REGION + 1));
        assert_eq!(refused(&long), Some(ScopeError::Malformed));
    }
}
