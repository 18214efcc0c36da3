//! The settings that the cluster has agreed on, and what this node's file says of them (H8).
//!
//! The file of the node that founds the cluster enters the replicated settings. Later a start or a
//! reload offers its cluster-wide part if that is not the one it showed last, and it is taken only if
//! the settings are still what this file said before. So an old file never wins: a node whose file says
//! otherwise goes by the settings, and shows the drift.

use node_crypto::{ClusterSecret, Purpose, SealError};
use raft::ExecuteError;
use raft_machine::{Fault, queries};
use raft_types::commands::{ProposeSettings, SettingsProposal};
use raft_types::records::SettingsRecord;
use raft_types::{Command, Digest, NodeId, Outcome, SettingsVerdict};

use crate::config::{ClusterSettings, Problems};
use crate::metadata::Metadata;

/// Why the settings are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The state could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The file's settings could not be offered.
    #[error("the settings could not be offered to the cluster")]
    Execute(#[from] ExecuteError),
    /// The offer was answered otherwise than expected.
    #[error("the offer of the settings was answered with {0:?}")]
    Refused(Outcome),
    /// They could not be sealed or opened.
    #[error("the cluster's settings are sealed under another secret than this node's")]
    Secret(#[source] SealError),
    /// They could not be sealed.
    #[error("the settings could not be sealed")]
    Seal(#[source] SealError),
    /// They are no text.
    #[error("the cluster's settings cannot be read")]
    Text(#[from] std::str::Utf8Error),
    /// This release does not understand them.
    #[error("the cluster's settings cannot be used by this release")]
    Problems(#[from] Problems),
    /// There are none although they were offered.
    #[error("the cluster has no settings")]
    Missing,
}

/// Settings to go by.
#[derive(Debug)]
pub(crate) enum Agreed {
    /// Those of this node's file.
    Own,
    /// Those of the cluster, which are others.
    Others(Box<ClusterSettings>),
}

/// Who agrees with the cluster, and under which secret.
#[derive(Debug)]
pub(crate) struct Agreement {
    pub(crate) metadata: Metadata,
    pub(crate) node: NodeId,
    pub(crate) secret: ClusterSecret,
}

impl Agreement {
    /// Offers the settings of this node's file if they are not what it showed last, and says which
    /// ones hold.
    ///
    /// # Errors
    /// Nothing is known of the settings that hold.
    pub(crate) async fn reach(&self, own: &ClusterSettings) -> Result<Agreed, SettingsError> {
        let mac = |statement: &[u8]| self.secret.mac(Purpose::Fingerprints, statement);
        let fingerprint = Digest(own.fingerprint(mac).0);
        if !self.was_shown(fingerprint)? {
            self.offer(own, fingerprint).await?;
        }
        let present = queries::settings(&self.metadata.local())?.ok_or(SettingsError::Missing)?;
        if present.fingerprint == fingerprint {
            return Ok(Agreed::Own);
        }
        tracing::warn!(
            file = %fingerprint,
            cluster = %present.fingerprint,
            revision = present.revision,
            by = %present.node,
            "the settings of the cluster are not those of this node's file; those of the cluster hold"
        );
        self.open(&present).map(Box::new).map(Agreed::Others)
    }

    /// Whether the cluster has settings and has seen what this node's file says.
    fn was_shown(&self, fingerprint: Digest) -> Result<bool, Fault> {
        let view = self.metadata.local();
        let seen = queries::node(&view, self.node)?.and_then(|node| node.seen);
        Ok(seen == Some(fingerprint) && queries::settings(&view)?.is_some())
    }

    async fn offer(&self, own: &ClusterSettings, fingerprint: Digest) -> Result<(), SettingsError> {
        let content = self
            .secret
            .seal(Purpose::Settings, &fingerprint.0, own.document())
            .map_err(SettingsError::Seal)?;
        let offer = ProposeSettings {
            node: self.node,
            content: content.into(),
            fingerprint,
            proposal: SettingsProposal::Offer,
        };
        match self.metadata.execute(Command::ProposeSettings(offer)).await? {
            Outcome::SettingsTaken(SettingsVerdict::Taken) => {
                tracing::info!(%fingerprint, "the settings of this node's file are those of the cluster now");
                Ok(())
            }
            Outcome::SettingsTaken(_) => Ok(()),
            other => Err(SettingsError::Refused(other)),
        }
    }

    fn open(&self, present: &SettingsRecord) -> Result<ClusterSettings, SettingsError> {
        let opened = self
            .secret
            .open(Purpose::Settings, &present.fingerprint.0, &present.content);
        let document = opened.map_err(SettingsError::Secret)?;
        Ok(ClusterSettings::read(std::str::from_utf8(&document)?)?)
    }
}
