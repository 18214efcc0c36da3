//! Signing keys, derived once a day and kept.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use parking_lot::RwLock;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::port::SecretKey;

/// A key that signs strings of one day and region. Its state is wiped when it is dropped.
pub(super) struct SigningKey(hmac::Key);

/// The signing keys of credentials that proved themselves, so that a request costs one HMAC instead of
/// five.
///
/// A key is found by a hash of the secret, the day and the region, so that a changed secret finds
/// nothing of the old one. Keys enter only after a signature made with them was verified: strangers
/// cannot push them out. Bounded: a full set forgets the key that entered it first.
pub struct SigningKeys {
    sets: Box<[RwLock<Set>]>,
    hasher: RandomState,
    decoy: SecretKey,
}

/// Sets times ways is the number of keys kept: 1,024 credentials, each in use today in one region,
/// take under a megabyte.
const SETS: usize = 256;
const WAYS: usize = 4;

#[derive(Default)]
struct Set {
    ways: [Option<Entry>; WAYS],
    oldest: usize,
}

struct Entry {
    id: KeyId,
    key: Arc<SigningKey>,
}

/// What a signing key was derived from.
struct KeyId {
    secret: Zeroizing<[u8; 32]>,
    day: [u8; 8],
    region: Box<str>,
}

/// A signing key, and where it belongs once it has proved itself.
pub(super) struct Candidate {
    pub(super) key: Arc<SigningKey>,
    unproved: Option<KeyId>,
}

impl SigningKey {
    /// The four steps from a secret to the key of a day, a region and S3.
    pub(super) fn derive(secret: &str, day: &[u8], region: &str) -> Self {
        let mut seed = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        seed.extend_from_slice(b"AWS4");
        seed.extend_from_slice(secret.as_bytes());
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        for step in [day, region.as_bytes(), b"s3", b"aws4_request"] {
            let mut next: [u8; 32] = hmac::sign(&key, step).as_ref().try_into().unwrap_or_default();
            key = hmac::Key::new(hmac::HMAC_SHA256, &next);
            next.zeroize();
        }
        Self(key)
    }

    /// Whether `signature` is that of the pieces of a string, in constant time.
    pub(super) fn verifies(&self, pieces: &[&[u8]], signature: &[u8; 32]) -> bool {
        let mut context = hmac::Context::with_key(&self.0);
        for piece in pieces {
            context.update(piece);
        }
        context.sign().as_ref().ct_eq(signature).into()
    }
}

impl SigningKeys {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sets: (0..SETS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            // Whoever asks with an unknown key is refused whatever this signs, so it need not be secret.
            decoy: SecretKey::new("0000000000000000000000000000000000000000".to_owned()),
        }
    }

    /// A secret that belongs to nobody, for requests whose access key is not known: they take the same
    /// path as all others.
    pub(super) fn decoy(&self) -> &SecretKey {
        &self.decoy
    }

    /// The key that signs for `secret` on `day` in `region`.
    pub(super) fn candidate(&self, secret: &SecretKey, day: &[u8], region: &str) -> Candidate {
        let hash = digest(&SHA256, secret.expose().as_bytes());
        let id: [u8; 32] = hash.as_ref().try_into().unwrap_or_default();
        let id = Zeroizing::new(id);
        let day: [u8; 8] = day.try_into().unwrap_or_default();
        if let Some(set) = self.set(&id, day, region) {
            let set = set.read();
            let known = |entry: &&Entry| entry.id.is(&id, day, region);
            if let Some(entry) = set.ways.iter().flatten().find(known) {
                return Candidate {
                    key: Arc::clone(&entry.key),
                    unproved: None,
                };
            }
        }
        let key = Arc::new(SigningKey::derive(secret.expose(), &day, region));
        Candidate {
            key,
            unproved: Some(KeyId {
                secret: id,
                day,
                region: region.into(),
            }),
        }
    }

    /// Keeps the key of a candidate that proved itself.
    pub(super) fn keep(&self, candidate: Candidate) -> Arc<SigningKey> {
        let Candidate { key, unproved } = candidate;
        let Some(id) = unproved else { return key };
        let Some(set) = self.set(&id.secret, id.day, &id.region) else {
            return key;
        };
        let mut set = set.write();
        let known = |entry: &Entry| entry.id.is(&id.secret, id.day, &id.region);
        if set.ways.iter().flatten().any(known) {
            return key;
        }
        let oldest = set.oldest;
        set.oldest = (oldest + 1) % WAYS;
        if let Some(way) = set.ways.get_mut(oldest) {
            *way = Some(Entry {
                id,
                key: Arc::clone(&key),
            });
        }
        key
    }

    fn set(&self, secret: &[u8; 32], day: [u8; 8], region: &str) -> Option<&RwLock<Set>> {
        let hash = self.hasher.hash_one((secret, day, region));
        self.sets
            .get(usize::try_from(hash % SETS as u64).unwrap_or_default())
    }
}

impl KeyId {
    fn is(&self, secret: &[u8; 32], day: [u8; 8], region: &str) -> bool {
        bool::from(self.secret.ct_eq(secret)) && self.day == day && *self.region == *region
    }
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(..)")
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

    const DAY: &[u8] = b"20130524";

    fn secret(text: &str) -> SecretKey {
        SecretKey::new(text.to_owned())
    }

    fn kept(keys: &SigningKeys, secret: &SecretKey, day: &[u8], region: &str) -> bool {
        keys.candidate(secret, day, region).unproved.is_none()
    }

    #[test]
    fn a_key_is_kept_once_it_has_proved_itself() {
        let keys = SigningKeys::new();
        let secret = secret("secret");
        assert!(!kept(&keys, &secret, DAY, "eu"));
        assert!(!kept(&keys, &secret, DAY, "eu"), "asking proves nothing");
        keys.keep(keys.candidate(&secret, DAY, "eu"));
        assert!(kept(&keys, &secret, DAY, "eu"));
        assert!(!kept(&keys, &secret, b"20130525", "eu"));
        assert!(!kept(&keys, &secret, DAY, "us"));
    }

    #[test]
    fn a_changed_secret_finds_nothing_of_the_old_one() {
        let keys = SigningKeys::new();
        keys.keep(keys.candidate(&secret("old"), DAY, "eu"));
        assert!(!kept(&keys, &secret("new"), DAY, "eu"));
    }

    #[test]
    fn the_cache_is_bounded_and_forgets_the_eldest() {
        let keys = SigningKeys::new();
        for number in 0..SETS * WAYS * 2 {
            keys.keep(keys.candidate(&secret(&number.to_string()), DAY, "eu"));
        }
        let count: usize = keys
            .sets
            .iter()
            .map(|set| set.read().ways.iter().flatten().count())
            .sum();
        assert!(count <= SETS * WAYS, "{count}");
        assert!(
            kept(&keys, &secret(&(SETS * WAYS * 2 - 1).to_string()), DAY, "eu"),
            "the last one stays"
        );
    }

    #[test]
    fn a_full_cache_finds_no_key_of_another_day_or_region() {
        let (keys, secret) = (SigningKeys::new(), secret("secret"));
        let day = |number: usize| format!("{number:08}").into_bytes();
        for number in 0..SETS * WAYS * 2 {
            keys.keep(keys.candidate(&secret, &day(number), "eu"));
            keys.keep(keys.candidate(&secret, DAY, &number.to_string()));
        }
        for number in SETS * WAYS * 2..SETS * WAYS * 3 {
            assert!(!kept(&keys, &secret, &day(number), "eu"), "day {number}");
            assert!(!kept(&keys, &secret, DAY, &number.to_string()), "region {number}");
        }
    }

    #[test]
    fn keeping_twice_takes_one_place() {
        let keys = SigningKeys::new();
        let (one, two) = (
            keys.candidate(&secret("s"), DAY, "eu"),
            keys.candidate(&secret("s"), DAY, "eu"),
        );
        keys.keep(one);
        keys.keep(two);
        let count: usize = keys
            .sets
            .iter()
            .map(|set| set.read().ways.iter().flatten().count())
            .sum();
        assert_eq!(count, 1);
    }

    #[test]
    fn nothing_is_shown() {
        let keys = SigningKeys::new();
        keys.keep(keys.candidate(&secret("canary"), DAY, "eu"));
        assert_eq!(format!("{keys:?}"), "SigningKeys(..)");
    }
}
