//! The configuration of a process: one YAML file, checked as a whole before anything starts.
//!
//! ```text
//!  YAML files ──▶ source (figment layers) ──▶ check (schema: forms, ${VAR}, unknown keys)
//!                                                │ tree: values in the form that their key demands
//!                                                ▼
//!                                     build (rules over several keys) ──▶ Config { node, cluster }
//! ```
//!
//! Lives here: what a file may say and what it means. May not: a port, a thread, a folder made; the
//! only IO is reading the files that a configuration names, and a look at its folders ([`Places`]).
//!
//! Entry points: [`Loader`] reads layers and yields [`Loaded`] or every problem at once; [`Config`]
//! is what the rest of the process is built from, split into what concerns this node alone and what
//! the whole cluster must agree on; [`reference_page`] is the table behind
//! `docs/reference/configuration.md`.

mod build;
mod check;
mod cluster;
mod document;
mod effective;
mod expand;
mod forms;
mod master_key;
mod nearest;
mod node;
mod places;
mod problem;
mod reference;
mod schema;
mod secret;
mod source;
mod statement;
#[cfg(test)]
mod tests;
mod tree;

use std::path::Path;

use figment::Figment;

pub use cluster::{
    AllowedBuckets, BackendKind, BackendSettings, BucketCreation, BucketSettings, ClusterSettings,
    CredentialSettings, EncryptionMode, EncryptionSettings, Fingerprint, GarbageSettings, OPERATOR,
    ReplicationSettings, RoutingStrategy, SessionSettings, Sharing, UploadSettings, UserSettings,
};
pub use effective::{Difference, Effective, REDACTED, TakesEffect};
pub use forms::{ListenAddr, ListenHost};
pub use master_key::MasterKeySource;
pub use node::{
    HttpProtocols, LogFormat, LogLevel, LoggingConfig, MetadataConfig, MetricsConfig, NodeConfig, RootAnswer,
    ServerConfig, TlsConfig, TlsVersion,
};
pub use places::Places;
pub use problem::{Problem, Problems, Warning};
pub use reference::reference_page;
pub use secret::Secret;

use check::Check;
use expand::{EnvironmentError, process_environment};
use source::{Exposure, Layer};

/// A whole, checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What concerns this node alone.
    pub node: NodeConfig,
    /// What every node must agree on.
    pub cluster: ClusterSettings,
}

/// A configuration that can be started with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Keys that are accepted and do less than one might think.
    pub warnings: Vec<Warning>,
    /// Everything with defaults filled in, to be shown and compared.
    pub effective: Effective,
}

/// Reads layers, each over the one before, and checks them as one.
///
/// ```
/// let loaded = node::config::Loader::new()
///     .text("example", "backends: [{name: disk, path: /srv/holdfast}]")
///     .load()
///     .map_err(|problems| problems.to_string())?;
/// assert_eq!(loaded.config.cluster.backends.len(), 1);
/// # Ok::<(), String>(())
/// ```
pub struct Loader {
    layers: Figment,
    /// Files that everybody on the machine may read, with their permission bits.
    open: Vec<(String, u32)>,
    problems: Vec<Problem>,
    environment: Variables,
}

/// Where `${VAR}` is looked up.
type Variables = Box<dyn Fn(&str) -> Result<String, EnvironmentError>>;

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl Loader {
    /// A loader without layers, over the process's environment.
    #[must_use]
    pub fn new() -> Self {
        Self {
            layers: Figment::new(),
            open: Vec::new(),
            problems: Vec::new(),
            environment: Box::new(process_environment),
        }
    }

    /// Lays a YAML file over what is there: sections are merged, lists and scalars replaced.
    #[must_use]
    pub fn file(self, path: &Path) -> Self {
        self.layer(Layer::file(path))
    }

    /// Lays YAML text over what is there; `name` stands for it in messages.
    #[must_use]
    pub fn text(self, name: &str, yaml: &str) -> Self {
        self.layer(Layer::text(name, yaml))
    }

    /// As [`file`](Self::file), but the buckets and users that are there stay: those of the file are
    /// added, and one of the same name takes the place of the one that was there.
    #[must_use]
    pub fn overlay(self, path: &Path) -> Self {
        let layer = Layer::file(path).map(|layer| layer.beside_items_of(&self.layers, &["buckets", "users"]));
        self.layer(layer)
    }

    fn layer(mut self, layer: Result<Layer, Vec<Problem>>) -> Self {
        match layer {
            Ok(layer) => {
                if let Exposure::Open(mode) = layer.exposure() {
                    self.open.push((layer.name().to_owned(), mode));
                }
                self.layers = self.layers.merge(layer);
            }
            Err(problems) => self.problems.extend(problems),
        }
        self
    }

    /// Takes `${VAR}` from `variables` instead of the process's environment.
    #[must_use]
    pub fn environment(mut self, variables: impl Fn(&str) -> Option<String> + 'static) -> Self {
        self.environment = Box::new(move |name| variables(name).ok_or(EnvironmentError::Unset));
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// Every problem there is. Where a file is no YAML, those of the other layers are not looked
    /// for, since what is missing from it would show up as problems of its own.
    pub fn load(self) -> Result<Loaded, Problems> {
        if let Some(problems) = Problems::of(self.problems) {
            return Err(problems);
        }
        let mut check = Check::new(&self.layers, self.environment.as_ref());
        let root = check.root(schema::ROOT);
        let (mut problems, mut warnings) = (check.problems, check.warnings);
        for (layer, mode) in &self.open {
            if let Some(path) = check.secrets.get(layer) {
                warnings.push(Warning {
                    path: path.clone(),
                    message: format!(
                        "everybody on this machine may read it (mode {mode:04o} of {layer}): \
                         chmod it to 0600 or 0640, or take secrets from the environment with ${{VAR}}"
                    ),
                });
            }
        }
        let (config, found, more) = build::build(&root);
        problems.extend(found);
        warnings.extend(more);
        match (Problems::of(problems), config) {
            (None, Some(config)) => Ok(Loaded {
                config,
                warnings,
                effective: Effective(root),
            }),
            (Some(problems), _) => Err(problems),
            // Whoever builds nothing says why; were that forgotten, starting would still be wrong.
            (None, None) => Err(Problems::unexplained()),
        }
    }
}
