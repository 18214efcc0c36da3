//! What is wrong with a configuration, all of it at once.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the key, such as `backends[0].path`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what was expected. Never holds the value of a secret.
    pub message: String,
    /// The layer that the key came from, where there is more than one.
    pub layer: Option<String>,
}

impl Problem {
    /// A problem of the key at `path`.
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            layer: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.layer {
            Some(layer) => write!(f, " (in {layer})"),
            None => Ok(()),
        }
    }
}

/// A configuration that must not be started with: every problem that was found, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `None` when there are no problems.
    pub(crate) fn of(problems: Vec<Problem>) -> Option<Self> {
        if problems.is_empty() {
            None
        } else {
            Some(Self(problems))
        }
    }

    /// For a configuration that could not be built although nothing was found wrong with it.
    pub(crate) fn unexplained() -> Self {
        Self(vec![Problem::new("", "the configuration could not be built")])
    }

    /// Every problem, in the order of the reference page.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.iter();
        if let Some(first) = lines.next() {
            first.fmt(f)?;
        }
        lines.try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for Problems {}

/// A key that is accepted and does less than one might think, so that nobody relies on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Dotted path of the key.
    pub path: String,
    /// What does not happen, and why.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
