//! The keyring object: keyring contents as they lie on a backend.
//!
//! ```text
//!  0  8  "HOLDKEYS"
//!  8  1  version
//!  9  1  authority: 1 if a master key authenticates the object, else 0
//! 10  2  reserved, zero
//! 12  4  version of that master key, or 0
//! 16  4  bytes of the contents
//! 20  4  reserved, zero
//! 24  …  contents (protobuf)
//!  …  32  HMAC-SHA256 of everything before, or zeros
//!  …  16  XXH3-128 of everything before
//! ```

use subtle::ConstantTimeEq;

use crate::encryption::EncryptionDisabled;
use crate::frame::xxh3_128;
use crate::keys::{ContentsError, KeyringContents, MasterKey, wire};
use crate::{DomainId, MasterVersion};

/// First bytes of a keyring object.
pub const KEYRING_MAGIC: [u8; 8] = *b"HOLDKEYS";
/// Bytes of a keyring object at most: a hundred thousand buckets with a key version each take
/// about 15 MiB, and a reader must hold it all.
pub const MAX_KEYRING_LEN: usize = 64 << 20;

const VERSION: u8 = 1;
const PREFIX_LEN: usize = 24;
const MAC_LEN: usize = 32;
const CHECKSUM_LEN: usize = 16;

/// Why bytes are not a keyring that can be trusted, or contents cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// These bytes are no keyring object.
    #[error("these bytes are no keyring object")]
    NotAKeyring,
    /// Written by a later release.
    #[error("keyring version {0} is not known to this release")]
    Version(u8),
    /// The checksum does not hold.
    #[error("the keyring object is damaged")]
    Damaged,
    /// The checksum holds but a field is impossible.
    #[error("the keyring object is malformed")]
    Malformed,
    /// The contents contradict themselves.
    #[error("the keyring's contents: {0}")]
    Contents(#[from] ContentsError),
    /// More than a keyring object may hold.
    #[error("the keyring object would have {0} bytes, {MAX_KEYRING_LEN} are possible")]
    TooLong(usize),
    /// None of the configured keys is the master key that authenticates the object.
    #[error("none of the given keys is master key version {}, which authenticates the keyring", .0.0)]
    NoMasterKey(MasterVersion),
    /// The master key says that the object was altered.
    #[error("the keyring object was altered: its authentication fails")]
    Authentication,
    /// The object holds wrapped keys but nothing authenticates it, or one that must be
    /// authenticated was to be taken without.
    #[error("the keyring object holds keys and must be authenticated by a master key")]
    Unauthenticated,
}

/// What vouches for a keyring object.
#[derive(Debug, Clone, Copy)]
pub enum Authority<'a> {
    /// The active master key.
    Master(&'a MasterKey),
    /// Nothing: the cluster has never encrypted and holds no keys.
    None(EncryptionDisabled),
}

impl KeyringContents {
    /// The stored form.
    ///
    /// # Errors
    /// The contents contradict themselves or are too long, the key is not the active master key, or
    /// there are keys and nothing would authenticate them.
    pub fn encode(&self, authority: Authority<'_>) -> Result<Vec<u8>, KeyringError> {
        self.validate()?;
        let signer = match (authority, self.active_master) {
            (Authority::Master(key), Some(version)) => {
                let entry = self.masters.iter().find(|entry| entry.version == version);
                let is_active = entry.is_some_and(|entry| key.is(self.domain, version, &entry.check));
                Some((
                    is_active
                        .then_some(key)
                        .ok_or(KeyringError::NoMasterKey(version))?,
                    version,
                ))
            }
            (Authority::None(_), None) if self.keys.is_empty() => None,
            _ => return Err(KeyringError::Unauthenticated),
        };
        let contents = wire::encode(self);
        let total = PREFIX_LEN + contents.len() + MAC_LEN + CHECKSUM_LEN;
        if total > MAX_KEYRING_LEN {
            return Err(KeyringError::TooLong(total));
        }
        let mut out = Vec::with_capacity(total);
        out.extend_from_slice(&KEYRING_MAGIC);
        out.extend_from_slice(&[VERSION, u8::from(signer.is_some()), 0, 0]);
        out.extend_from_slice(&signer.map_or(0, |(_, version)| version.0).to_be_bytes());
        out.extend_from_slice(&(contents.len() as u32).to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&contents);
        let mac = signer.map_or([0; MAC_LEN], |(key, version)| {
            key.keyring_mac(self.domain, version, &out)
        });
        out.extend_from_slice(&mac);
        out.extend_from_slice(&xxh3_128(&[&out]));
        Ok(out)
    }
}

/// A keyring object that was read and is undamaged, but by whom it was written is not known yet.
#[derive(Debug, Clone)]
pub struct StoredKeyring {
    claims: KeyringContents,
    signer: Option<MasterVersion>,
    mac: [u8; MAC_LEN],
    /// What the MAC covers.
    covered: Vec<u8>,
}

impl StoredKeyring {
    /// Parses the stored form.
    ///
    /// # Errors
    /// Anything that this release would not have written.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let Some((prefix, _)) = bytes.split_first_chunk::<PREFIX_LEN>() else {
            return Err(KeyringError::NotAKeyring);
        };
        if prefix[..8] != KEYRING_MAGIC {
            return Err(KeyringError::NotAKeyring);
        }
        if prefix[8] != VERSION {
            return Err(KeyringError::Version(prefix[8]));
        }
        if bytes.len() > MAX_KEYRING_LEN {
            return Err(KeyringError::TooLong(bytes.len()));
        }
        let (rest, checksum) = bytes
            .split_last_chunk::<CHECKSUM_LEN>()
            .ok_or(KeyringError::NotAKeyring)?;
        if *checksum != xxh3_128(&[rest]) {
            return Err(KeyringError::Damaged);
        }
        let (covered, mac) = rest
            .split_last_chunk::<MAC_LEN>()
            .ok_or(KeyringError::Malformed)?;
        let [.., m0, m1, m2, m3, l0, l1, l2, l3, r0, r1, r2, r3] = *prefix;
        let contents = covered.get(PREFIX_LEN..).ok_or(KeyringError::Malformed)?;
        let reserved_is_zero = [prefix[10], prefix[11], r0, r1, r2, r3] == [0; 6];
        if contents.len() != u32::from_be_bytes([l0, l1, l2, l3]) as usize || !reserved_is_zero {
            return Err(KeyringError::Malformed);
        }
        let version = MasterVersion(u32::from_be_bytes([m0, m1, m2, m3]));
        let signer = match (prefix[9], version) {
            (0, MasterVersion(0)) if *mac == [0; MAC_LEN] => None,
            (1, MasterVersion(1..)) => Some(version),
            _ => return Err(KeyringError::Malformed),
        };
        let claims = wire::decode(contents).map_err(|wire::Malformed| KeyringError::Malformed)?;
        claims.validate()?;
        if claims.active_master != signer {
            return Err(KeyringError::Malformed);
        }
        Ok(Self {
            claims,
            signer,
            mac: *mac,
            covered: covered.to_vec(),
        })
    }

    /// What the object claims: for showing which master keys it needs, and for a provider that
    /// must obtain one. Nothing may be decided by it.
    pub const fn claims(&self) -> &KeyringContents {
        &self.claims
    }

    /// The contents, if one of the given keys is the master key that vouches for them.
    pub fn authenticate(self, masters: &[MasterKey]) -> Result<KeyringContents, KeyringError> {
        let version = self.signer.ok_or(KeyringError::Unauthenticated)?;
        let domain: DomainId = self.claims.domain;
        let entry = self.claims.masters.iter().find(|entry| entry.version == version);
        let check = entry.ok_or(KeyringError::Malformed)?.check;
        let Some(key) = masters.iter().find(|key| key.is(domain, version, &check)) else {
            return Err(KeyringError::NoMasterKey(version));
        };
        if key
            .keyring_mac(domain, version, &self.covered)
            .ct_eq(&self.mac)
            .into()
        {
            return Ok(self.claims);
        }
        Err(KeyringError::Authentication)
    }

    /// The contents of a keyring without keys, where the operator says that nothing is encrypted.
    pub fn accept_without_keys(self, _disabled: EncryptionDisabled) -> Result<KeyringContents, KeyringError> {
        if self.signer.is_some() || !self.claims.keys.is_empty() {
            return Err(KeyringError::Unauthenticated);
        }
        Ok(self.claims)
    }
}
