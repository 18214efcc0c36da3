//! The cluster-wide settings as a text that can be read again: what the cluster keeps of a file.

use std::sync::Arc;

use figment::Figment;
use zeroize::Zeroizing;

use super::build;
use super::check::Check;
use super::cluster::{ClusterSettings, Statement};
use super::effective::{INDENT, quoted, written};
use super::expand::EnvironmentError;
use super::problem::Problems;
use super::schema::{self, Scope};
use super::source::Layer;
use super::statement::{matters, works};
use super::tree::{Section, Value};

/// What the text is called in problems.
const NAME: &str = "the cluster's settings";

/// YAML of every cluster-wide value that is given and not the default: what the fingerprint is made
/// from, in the form of a file. Secret.
pub(super) fn document(root: &Section) -> Statement {
    let mut out = Zeroizing::new(String::new());
    section(root, 0, &mut out);
    Statement(Arc::new(Zeroizing::new(out.as_bytes().to_vec())))
}

fn section(section: &Section, depth: usize, out: &mut String) {
    let indent = " ".repeat(depth * INDENT);
    for key in section.keys.iter().filter(|key| works(key)) {
        let Some((value, _)) = section.values.get(key.name) else {
            continue;
        };
        let is_shared = key.scope == Scope::Cluster;
        match value {
            Value::Section(below) => {
                let mut inner = Zeroizing::new(String::new());
                self::section(below, depth + 1, &mut inner);
                if !inner.is_empty() {
                    out.push_str(&format!("{indent}{}:\n{}", key.name, *inner));
                }
            }
            Value::Sections(items) if is_shared => list(key.name, items, depth, out),
            Value::Texts(texts) if is_shared && matters(key, value) => {
                let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
                out.push_str(&format!("{indent}{}: [{}]\n", key.name, texts.join(", ")));
            }
            Value::Secret(secret) if is_shared => {
                let text = Zeroizing::new(quoted(secret.expose()));
                out.push_str(&format!("{indent}{}: {}\n", key.name, *text));
            }
            _ if is_shared && matters(key, value) => {
                out.push_str(&format!("{indent}{}: {}\n", key.name, written(value)));
            }
            _ => {}
        }
    }
}

fn list(name: &str, items: &[Section], depth: usize, out: &mut String) {
    let indent = " ".repeat(depth * INDENT);
    if items.is_empty() {
        out.push_str(&format!("{indent}{name}: []\n"));
        return;
    }
    out.push_str(&format!("{indent}{name}:\n"));
    for item in items {
        let mut inner = Zeroizing::new(String::new());
        section(item, depth + 2, &mut inner);
        // The first key of an item stands behind its dash.
        let dash = format!("{indent}  - ");
        out.push_str(&dash);
        out.push_str(inner.get(dash.len()..).unwrap_or("{}\n"));
    }
}

impl ClusterSettings {
    /// The settings as the cluster keeps them, sealed: a text that [`read`](Self::read) understands.
    /// Secret.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.document.0
    }

    /// Reads the settings that the cluster keeps.
    ///
    /// # Errors
    /// What this release does not understand of them.
    pub fn read(document: &str) -> Result<Self, Problems> {
        let layer = Layer::text(NAME, document)
            .map_err(|problems| Problems::of(problems).unwrap_or_else(Problems::unexplained))?;
        let layers = Figment::new().merge(layer);
        // Variables were filled in where the file was read.
        let environment = |_: &str| Err(EnvironmentError::Unset);
        let mut check = Check::new(&layers, &environment);
        let root = check.root(schema::ROOT);
        let mut problems = check.problems;
        let (settings, found) = build::settings(&root);
        problems.extend(found);
        Problems::of(problems).map_or(Ok(settings), Err)
    }
}
