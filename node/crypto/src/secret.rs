//! 256-bit secrets: drawn, checked, wiped, compared in constant time, never shown.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes in every symmetric key of this crate.
pub(crate) const KEY_LEN: usize = 32;

/// The system's random source failed; nothing was drawn.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed: {0}")]
pub struct NoEntropy(getrandom::Error);

/// A key that cannot have come from a random source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// One byte value throughout; all zeros is the common case of a key that was never set.
    #[error("all bytes of the key are equal (an unset or zeroed key?)")]
    Constant,
    /// Counting bytes, or any other arithmetic sequence.
    #[error("the bytes of the key form a sequence")]
    Sequence,
    /// Fewer distinct byte values than chance allows.
    #[error("the key has too few distinct bytes to be random")]
    FewDistinctBytes,
    /// Printable text: a passphrase or hexadecimal digits instead of random bytes.
    #[error("the key is printable text, not 32 random bytes (a passphrase, or hexadecimal digits?)")]
    Text,
}

/// 256 bits of key material. Lives on the heap so that moving it leaves no copies behind, is wiped
/// when dropped, and shows nothing in `Debug`. Not `Clone`: whoever shares a key shares an `Arc`.
pub struct SecretKey(Box<[u8; KEY_LEN]>);

impl SecretKey {
    /// Draws a key from the system's random source.
    pub fn generate() -> Result<Self, NoEntropy> {
        let mut key = Self(Box::new([0; KEY_LEN]));
        fill_random(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// Takes over key material that a machine produced, refusing only what no random source
    /// yields. Keys that an operator supplies go through [`SecretKey::from_operator`].
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Result<Self, WeakKey> {
        if is_constant(bytes) {
            return Err(WeakKey::Constant);
        }
        Ok(Self(Box::new(*bytes)))
    }

    /// Takes over a key that a person configured, refusing everything that is clearly not 32
    /// random bytes. Each test rejects a truly random key with a probability below 10^-13.
    pub fn from_operator(bytes: &[u8; KEY_LEN]) -> Result<Self, WeakKey> {
        let key = Self::from_bytes(bytes)?;
        if is_sequence(bytes) {
            return Err(WeakKey::Sequence);
        }
        if bytes
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
        {
            return Err(WeakKey::Text);
        }
        if distinct(bytes) < MIN_DISTINCT_BYTES {
            return Err(WeakKey::FewDistinctBytes);
        }
        Ok(key)
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for SecretKey {}

/// 32 random bytes hold about 30 distinct values; fewer than 16 have a probability of 10^-15.
const MIN_DISTINCT_BYTES: usize = 16;

fn is_constant(bytes: &[u8; KEY_LEN]) -> bool {
    bytes.iter().all(|byte| *byte == bytes[0])
}

fn is_sequence(bytes: &[u8; KEY_LEN]) -> bool {
    let step = bytes[1].wrapping_sub(bytes[0]);
    bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step)
}

fn distinct(bytes: &[u8; KEY_LEN]) -> usize {
    let mut seen = Zeroizing::new([false; 256]);
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    seen.iter().filter(|seen| **seen).count()
}

/// Fills `out` from the system's random source.
pub(crate) fn fill_random(out: &mut [u8]) -> Result<(), NoEntropy> {
    getrandom::fill(out).map_err(NoEntropy)
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

    #[test]
    fn an_all_zero_key_is_refused_by_every_constructor() {
        assert_eq!(SecretKey::from_bytes(&[0; 32]).err(), Some(WeakKey::Constant));
        assert_eq!(SecretKey::from_operator(&[0; 32]).err(), Some(WeakKey::Constant));
        assert_eq!(
            SecretKey::from_operator(&[0xff; 32]).err(),
            Some(WeakKey::Constant)
        );
    }

    #[test]
    fn keys_that_no_random_source_yields_are_refused_from_an_operator() {
        let counting: [u8; 32] = std::array::from_fn(|i| 200 + i as u8 % 56);
        let counting_down: [u8; 32] = std::array::from_fn(|i| 250 - 3 * i as u8);
        let few: [u8; 32] = std::array::from_fn(|i| (i as u8 % 15).wrapping_mul(91));
        assert_eq!(SecretKey::from_operator(&counting).err(), Some(WeakKey::Sequence));
        assert_eq!(
            SecretKey::from_operator(&counting_down).err(),
            Some(WeakKey::Sequence)
        );
        assert_eq!(
            SecretKey::from_operator(b"correct horse battery staple 123").err(),
            Some(WeakKey::Text)
        );
        assert_eq!(
            SecretKey::from_operator(b"0123456789abcdef0123456789abcdee").err(),
            Some(WeakKey::Text)
        );
        assert_eq!(
            SecretKey::from_operator(&few).err(),
            Some(WeakKey::FewDistinctBytes)
        );
    }

    #[test]
    fn random_keys_are_accepted_from_an_operator() {
        for _ in 0..10_000 {
            let key = SecretKey::generate().unwrap();
            assert!(
                SecretKey::from_operator(key.expose()).is_ok(),
                "{:?}",
                key.expose()
            );
        }
    }

    #[test]
    fn debug_output_shows_nothing_of_a_key() {
        let key = SecretKey::from_bytes(&std::array::from_fn(|i| i as u8)).unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(..)");
    }
}
