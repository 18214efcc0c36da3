//! The secret of a cluster of one: 32 random bytes in the data directory (DESIGN 5).

use std::path::Path;

use api::s3::TokenKey;
use node_crypto::keys::{KeyFileError, create_key_file};
use node_crypto::{ClusterSecret, Purpose};

/// Its file in the data directory.
const FILE: &str = "cluster.secret";
/// What the key of list tokens is derived for.
const TOKENS: &[u8] = b"continuation tokens";

/// Reads the secret, or makes it where a node starts for the first time.
///
/// # Errors
/// It cannot be made or read, or is not one.
pub(super) fn open(data_dir: &Path) -> Result<ClusterSecret, KeyFileError> {
    let path = data_dir.join(FILE);
    if !path.exists() {
        create_key_file(&path)?;
    }
    ClusterSecret::from_file(&path)
}

/// The key that authenticates the tokens of listings.
pub(super) fn token_key(secret: &ClusterSecret) -> TokenKey {
    TokenKey::new(&secret.mac(Purpose::ListTokens, TOKENS))
}
