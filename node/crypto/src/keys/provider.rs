//! Where master keys come from.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::DomainId;
use crate::keys::{KeyFileError, MasterKey, key_file};
use crate::secret::WeakKey;

/// Why a provider has no key to give.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The configured text is not the base64 of 32 bytes.
    #[error("the inline master key is not the base64 of 32 bytes")]
    Inline,
    /// The configured key was not drawn at random.
    #[error("the inline master key: {0}")]
    Weak(#[from] WeakKey),
    /// The key file cannot be used.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// A key service or another provider failed.
    #[error("{provider}: {reason}")]
    Service {
        /// [`KeyProvider::name`].
        provider: String,
        /// What it said, free of secrets.
        reason: String,
    },
}

/// What a provider is told when it is asked for its key.
#[derive(Debug, Clone, Copy)]
pub struct LoadRequest<'a> {
    /// The encryption domain: the salt for providers that stretch a typed secret.
    pub domain: DomainId,
    /// What this provider returned as [`LoadedKey::sealed`] when the key was first used; `None` when
    /// the key is about to become a new master key version.
    pub sealed: Option<&'a [u8]>,
}

/// A master key and what it takes to obtain it again.
#[derive(Debug)]
pub struct LoadedKey {
    /// The key.
    pub key: MasterKey,
    /// Stored with the version (`MasterEntry::sealed`) and handed back at the next load. Empty for
    /// providers that hold the key themselves.
    pub sealed: Vec<u8>,
}

/// A source of one master key. Asked at start and on reload, never on a request's path, so it may
/// block on a file or on stretching a passphrase.
///
/// A key service is asked by asynchronous code before: its provider holds what the service answered
/// (the unwrapped key, and the ciphertext as `sealed`) and hands it over here.
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// Shown to operators and stored with the versions that came from here. Free of secrets.
    fn name(&self) -> &str;

    /// The key.
    ///
    /// # Errors
    /// There is none, or it cannot be a key. Never falls back to another one.
    fn load(&self, request: LoadRequest<'_>) -> Result<LoadedKey, ProviderError>;
}

/// `encryption.master_key`: base64 of 32 bytes in the configuration.
pub struct InlineKey(Zeroizing<String>);

impl InlineKey {
    /// Takes the configured text, which is judged when the key is loaded.
    pub fn new(base64: Zeroizing<String>) -> Self {
        Self(base64)
    }
}

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InlineKey(..)")
    }
}

impl KeyProvider for InlineKey {
    fn name(&self) -> &str {
        "inline"
    }

    fn load(&self, _request: LoadRequest<'_>) -> Result<LoadedKey, ProviderError> {
        let bytes = key_file::parse_base64(self.0.as_bytes()).ok_or(ProviderError::Inline)?;
        Ok(LoadedKey {
            key: MasterKey::new(&bytes)?,
            sealed: Vec::new(),
        })
    }
}

/// `encryption.master_key_file`: 32 raw bytes, or their base64 with a line end.
#[derive(Debug)]
pub struct KeyFileProvider(PathBuf);

impl KeyFileProvider {
    /// Takes the configured path; the file is read when the key is loaded.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl KeyProvider for KeyFileProvider {
    fn name(&self) -> &str {
        "file"
    }

    fn load(&self, _request: LoadRequest<'_>) -> Result<LoadedKey, ProviderError> {
        let key = MasterKey::from(key_file::read_key_file(&self.0)?);
        Ok(LoadedKey {
            key,
            sealed: Vec::new(),
        })
    }
}
