//! Every key there is: its form, default, meaning, and what becomes of it today.
//!
//! One table decides what is accepted, what is printed and what the reference page says. The rule
//! for keys whose feature does not exist yet: ignoring one that would lose, expose, overspend or
//! leave something unprotected is an error ([`Standing::NotBuilt`]); ignoring one that costs only
//! speed, comfort or visibility is a warning ([`Standing::NoEffect`]).

mod access;
mod jobs;
mod later;
mod metadata;
mod server;
mod storage;
mod telemetry;

use std::time::Duration;

/// One key of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name within the section.
    pub(crate) name: &'static str,
    /// Other spellings that mean the same.
    pub(crate) aliases: &'static [&'static str],
    /// What its value looks like.
    pub(crate) form: Form,
    /// The value that holds when none is given, as it would be written.
    pub(crate) default: Option<&'static str>,
    /// Whether it may be left out.
    pub(crate) presence: Presence,
    /// Whom it concerns.
    pub(crate) scope: Scope,
    /// When a change takes effect.
    pub(crate) change: Change,
    /// What becomes of it.
    pub(crate) standing: Standing,
    /// What it means, for the reference page.
    pub(crate) doc: &'static str,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Text.
    Text,
    /// Text that is never shown.
    Secret,
    /// `true` or `false`.
    Flag,
    /// A whole number between the two, both included.
    Count(u64, u64),
    /// A number from 0 to 1.
    Ratio,
    /// A number of bytes between the two, both included.
    Size(u64, u64),
    /// A duration between the two, both included.
    Time(Duration, Duration),
    /// Where to listen.
    Address,
    /// An absolute path.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A section of its own.
    Section(&'static [Key]),
    /// A list of sections.
    Sections(&'static [Key]),
    /// Anything; used where nothing below is looked at.
    Any,
}

/// Whether a key may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It may.
    Optional,
    /// It must be given.
    Required,
}

/// Whom a key concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The node whose file it stands in.
    Node,
    /// The whole cluster; part of the settings that nodes compare.
    Cluster,
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// At the next start.
    Restart,
    /// At a reload (SIGHUP) too.
    Reload,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does what its documentation says.
    Works,
    /// It is accepted with a warning that it changes nothing, and why.
    NoEffect(&'static str),
    /// Another key of its section decides; what that is.
    GoesWith(&'static str),
    /// It is refused, except for values that describe what happens anyway.
    NotBuilt {
        /// Values that ask for nothing that is missing, as they would be written.
        harmless: &'static [&'static str],
        /// What is missing.
        why: &'static str,
    },
    /// It is refused for good; what to do instead.
    Gone(&'static str),
}

impl Key {
    const fn new(name: &'static str, form: Form, doc: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            form,
            default: None,
            presence: Presence::Optional,
            scope: Scope::Cluster,
            change: Change::Restart,
            standing: Standing::Works,
            doc,
        }
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    const fn required(mut self) -> Self {
        self.presence = Presence::Required;
        self
    }

    const fn local(mut self) -> Self {
        self.scope = Scope::Node;
        self
    }

    const fn live(mut self) -> Self {
        self.change = Change::Reload;
        self
    }

    const fn no_effect(mut self, why: &'static str) -> Self {
        self.standing = Standing::NoEffect(why);
        self
    }

    const fn goes_with(mut self, what: &'static str) -> Self {
        self.standing = Standing::GoesWith(what);
        self
    }

    const fn not_built(mut self, harmless: &'static [&'static str], why: &'static str) -> Self {
        self.standing = Standing::NotBuilt { harmless, why };
        self
    }

    const fn gone(mut self, instead: &'static str) -> Self {
        self.standing = Standing::Gone(instead);
        self
    }

    /// The keys of the section or list of sections that this key names.
    pub(crate) const fn children(&self) -> &'static [Key] {
        match self.form {
            Form::Section(children) | Form::Sections(children) => children,
            _ => &[],
        }
    }

    /// Whether `name` is this key, by its name or an alias.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

const YEAR: Duration = hours(24 * 366);
const ANY_TIME: Form = Form::Time(Duration::ZERO, YEAR);
/// A bound that is meant to be a bound: zero would mean that nothing can ever finish.
const POSITIVE_TIME: Form = Form::Time(millis(1), YEAR);
const ANY_SIZE: Form = Form::Size(0, u64::MAX);
const ANY_COUNT: Form = Form::Count(0, u64::MAX);

/// The top of the file.
pub(crate) const ROOT: &[Key] = &[
    Key::new("server", Form::Section(server::SERVER), "The S3 listener, and what holds for every request."),
    Key::new("data_dir", Form::Path, "Folder of the node's metadata. Created with mode 0700 when missing.")
        .default("/var/lib/holdfast")
        .local(),
    Key::new("node_name", Form::Text, "Name of this node. A cluster of one may change it.")
        .default("node-1")
        .local(),
    Key::new("metadata", Form::Section(metadata::METADATA), "Snapshots of the metadata, and the log that is kept beside them."),
    Key::new("buckets", Form::Sections(access::BUCKET), "Buckets that exist from the first start on, each with keys of its own.")
        .live(),
    Key::new("users", Form::Sections(access::USER), "Users and the buckets that they may use.").live(),
    Key::new("backends", Form::Sections(storage::BACKEND), "Where the bytes lie; at least one.").required(),
    Key::new("routing_strategy", Form::Choice(&["pack", "spread"]), "Which backend a new object goes to: `pack` fills them in the order of the file, `spread` takes the one with the least in it, which is not built yet and refused where there are several.")
        .default("pack"),
    Key::new("encryption", Form::Section(storage::ENCRYPTION), "Encryption of everything that goes to a backend. The choice holds for objects written from then on."),
    Key::new("replication", Form::Section(storage::REPLICATION), "How many copies of an object there are."),
    Key::new("garbage", Form::Section(jobs::GARBAGE), "When bytes that nothing refers to are deleted."),
    Key::new("sessions", Form::Section(jobs::SESSIONS), "When a node that fell silent is given up, and how long a prefix of uploads stays in use."),
    Key::new("uploads", Form::Section(jobs::UPLOADS), "Multipart uploads."),
    Key::new("logging", Form::Section(telemetry::LOGGING), "Log lines on standard error."),
    Key::new("metrics", Form::Section(telemetry::METRICS), "Prometheus metrics. The same as `telemetry.metrics`, as the IAM proxy writes it."),
    Key::new("telemetry", Form::Section(telemetry::TELEMETRY), "Metrics and traces."),
    later::CLUSTER,
    later::RATE_LIMIT,
    later::CIRCUIT_BREAKER,
    later::BACKEND_CIRCUIT_BREAKER,
    later::UI,
    later::USAGE_FLUSH,
    later::REBALANCE,
    later::CLEANUP_QUEUE,
    later::INTEGRITY,
    later::CACHE,
    later::LIFECYCLE,
    later::RECONCILE,
    later::NOTIFICATIONS,
    later::SECURITY,
    later::MASTER_CREDENTIALS,
    later::BACKUP,
    later::DATABASE,
    later::REDIS,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn each(keys: &'static [Key], path: &str, visit: &mut impl FnMut(&str, &'static Key, &'static [Key])) {
        for key in keys {
            let path = format!("{path}.{}", key.name);
            visit(&path, key, keys);
            each(key.children(), &path, visit);
        }
    }

    #[test]
    fn no_section_knows_two_keys_of_one_name() {
        each(ROOT, "", &mut |path, key, siblings| {
            let names = std::iter::once(key.name).chain(key.aliases.iter().copied());
            for name in names {
                assert_eq!(
                    siblings.iter().filter(|other| other.is_called(name)).count(),
                    1,
                    "{path} as {name}"
                );
            }
        });
    }

    #[test]
    fn every_key_is_documented_in_a_sentence() {
        each(ROOT, "", &mut |path, key, _| {
            assert!(key.doc.ends_with('.') && key.doc.len() > 8, "{path}: {}", key.doc);
        });
    }

    #[test]
    fn a_required_key_has_no_default_and_works() {
        each(ROOT, "", &mut |path, key, _| {
            if key.presence == Presence::Required {
                assert!(key.default.is_none() && key.standing == Standing::Works, "{path}");
            }
        });
    }
}
