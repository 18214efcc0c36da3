//! Which master key a configuration names, and whether it can be had.

use std::path::PathBuf;

use node_crypto::DomainId;
use node_crypto::keys::{InlineKey, KeyFileProvider, KeyProvider, LoadRequest};
use zeroize::Zeroizing;

use super::problem::Problem;
use super::secret::Secret;
use super::tree::Section;

/// Where the master key comes from. What it names was loaded once when the configuration was
/// checked, so that a key that cannot be had stops a start before anything else happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file with 32 raw bytes or their base64.
    File(PathBuf),
    /// The base64 of 32 bytes in the configuration itself.
    Inline(Secret),
}

impl MasterKeySource {
    /// The provider that loads the key.
    #[must_use]
    pub fn provider(&self) -> Box<dyn KeyProvider> {
        match self {
            Self::File(path) => Box::new(KeyFileProvider::new(path.clone())),
            Self::Inline(key) => Box::new(InlineKey::new(Zeroizing::new(key.expose().to_owned()))),
        }
    }
}

/// The source that the `encryption` section names.
pub(super) fn find(section: &Section, problems: &mut Vec<Problem>) -> Option<MasterKeySource> {
    let inline = section
        .secret("master_key")
        .map(|key| ("master_key", MasterKeySource::Inline(key.clone())));
    let file = section
        .text("master_key_file")
        .map(|file| ("master_key_file", MasterKeySource::File(PathBuf::from(file))));
    if section.gives("master_key") && section.gives("master_key_file") {
        problems.push(Problem::new(
            section.path_of("master_key"),
            "stands beside master_key_file; give one of them",
        ));
    }
    for (key, source) in file.iter().chain(inline.iter()) {
        // Neither of these providers looks at the domain, which a cluster draws only when it begins.
        let request = LoadRequest {
            domain: DomainId([0; 16]),
            sealed: None,
        };
        if let Err(error) = source.provider().load(request) {
            problems.push(Problem::new(section.path_of(key), error.to_string()));
        }
    }
    file.or(inline).map(|(_, source)| source)
}
