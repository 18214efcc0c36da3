//! The keyring object: the wrapped bucket keys on the backends, so that backends and master key are
//! enough to read every blob (DESIGN 5, promise 7).

use bytes::Bytes;
use node_backend::{
    BackendKey, Body, GetOptions, KeyError, KeyPrefix, ListRequest, Listing, PutMode, PutOptions,
};
use node_crypto::keys::{Authority, KeyringContents, KeyringError, MasterKey, StoredKeyring};

use crate::replicas::AttachedBackend;

/// Where keyring objects lie under a backend's home.
const FOLDER: &str = "keyring";

/// Why a keyring object was not written and verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringObjectError {
    /// It cannot be encoded, or what was read back is not what was written.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] node_backend::Error),
    /// A name that no backend can hold: a defect of this node.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What was read back says something else.
    #[error("the keyring on {0} reads back as another")]
    Differs(String),
}

/// Writes the contents to a backend under their revision, reads them back, and removes older ones. What
/// cannot be removed now is removed after a later write.
pub(crate) async fn write(
    attached: &AttachedBackend,
    contents: &KeyringContents,
    master: &MasterKey,
) -> Result<(), KeyringObjectError> {
    let encoded = Bytes::from(contents.encode(Authority::Master(master))?);
    let key = key_of(&attached.prefix, contents)?;
    let options = PutOptions {
        mode: PutMode::Replace,
        checksum: None,
    };
    attached
        .backend
        .put(&key, Body::from_bytes(encoded), options)
        .await?;
    let read = attached
        .backend
        .get(&key, GetOptions::default())
        .await?
        .body
        .collect()
        .await?;
    if StoredKeyring::parse(&read)?.claims() != contents {
        return Err(KeyringObjectError::Differs(attached.backend.name().to_string()));
    }
    if let Err(error) = remove_older(attached, &key).await {
        tracing::warn!(
            backend = %attached.backend.name(),
            error = &error as &dyn std::error::Error,
            "older keyrings could not be removed"
        );
    }
    Ok(())
}

/// `<prefix>/.holdfast/keyring/<incarnation>-<revision>`, both of fixed width, so that the order of
/// names is the order of the keyrings.
fn key_of(prefix: &KeyPrefix, contents: &KeyringContents) -> Result<BackendKey, KeyError> {
    let name = format!("{FOLDER}/{:08x}-{:016x}", contents.incarnation, contents.revision);
    BackendKey::system(prefix, &name)
}

async fn remove_older(attached: &AttachedBackend, newest: &BackendKey) -> Result<(), KeyringObjectError> {
    let prefix = KeyPrefix::parse(newest.folder())?;
    let page = attached
        .backend
        .list(&ListRequest::first(Listing::Versions, prefix))
        .await?;
    let mut older = Vec::new();
    for entry in page.entries {
        if entry.key.as_str() < newest.as_str() {
            let target = entry.target()?;
            older.push(target);
        }
    }
    if !older.is_empty() {
        for result in attached.backend.delete(&older).await? {
            result?;
        }
    }
    Ok(())
}
