//! Where a listing goes on, as clients carry it: opaque, and nobody's but ours.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

/// The key under which the tokens of listings are authenticated: the same on every node of a cluster,
/// derived from its secret. Never shown.
#[derive(Clone)]
pub struct TokenKey(hmac::Key);

/// Separates these MACs from all others made under a key that was, by mistake, used twice.
const LABEL: &[u8] = b"holdfast/s3 list token 1";
/// Bytes of MAC in a token. A forged one only makes a listing begin elsewhere, so 128 bits are plenty.
const MAC: usize = 16;
/// A cursor is a key or a common prefix of one, so a longer token is not ours.
const MAX_TOKEN: usize = 4096;

impl TokenKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The token for going on after `cursor` in the listing that `scope` describes.
    pub(crate) fn seal(&self, scope: &[&str], cursor: &str) -> String {
        let mut token = Vec::with_capacity(MAC + cursor.len());
        token.extend_from_slice(&self.mac(scope, cursor));
        token.extend_from_slice(cursor.as_bytes());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The cursor of a token that [`seal`](Self::seal) made for the same `scope`.
    pub(crate) fn open(&self, scope: &[&str], token: &str) -> Option<String> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let mut mac = URL_SAFE_NO_PAD.decode(token).ok()?;
        if mac.len() < MAC {
            return None;
        }
        let cursor = String::from_utf8(mac.split_off(MAC)).ok()?;
        let genuine: bool = mac.ct_eq(&self.mac(scope, &cursor)).into();
        genuine.then_some(cursor)
    }

    fn mac(&self, scope: &[&str], cursor: &str) -> [u8; MAC] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(LABEL);
        // Each with its length, so that no two lists of texts are the same bytes.
        for text in scope.iter().chain([&cursor]) {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let tag = context.sign();
        let mut mac = [0; MAC];
        mac.iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        mac
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
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
    use proptest::prelude::*;

    use super::TokenKey;

    #[test]
    fn a_token_opens_under_its_key_and_scope_only() {
        let key = TokenKey::new(&[1; 32]);
        let token = key.seal(&["books", "p/", "/"], "p/x/");
        assert_eq!(key.open(&["books", "p/", "/"], &token).as_deref(), Some("p/x/"));
        assert_eq!(key.open(&["other", "p/", "/"], &token), None);
        assert_eq!(key.open(&["books", "p", "//"], &token), None);
        assert_eq!(TokenKey::new(&[2; 32]).open(&["books", "p/", "/"], &token), None);
    }

    #[test]
    fn what_is_no_token_does_not_open() {
        let key = TokenKey::new(&[1; 32]);
        for token in ["", "a", "x/x", "AAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(5000)] {
            assert_eq!(key.open(&[], token), None, "{token}");
        }
    }

    proptest! {
        #[test]
        fn every_changed_character_is_seen(cursor in any::<String>().prop_filter("a key", |c| c.len() <= 1024), at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
            let key = TokenKey::new(&[7; 32]);
            let token = key.seal(&["b"], &cursor);
            prop_assert_eq!(key.open(&["b"], &token), Some(cursor));
            let at = at.index(token.len());
            let mut forged = token.clone();
            forged.replace_range(at..=at, &to);
            prop_assert!(forged == token || key.open(&["b"], &forged).is_none());
        }
    }
}
