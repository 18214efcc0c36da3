//! From checked values to the typed configuration, with the rules that concern more than one key.
//!
//! Everything is looked at even when something is wrong already, so that all problems come out at
//! once. Where a value is missing or wrong a placeholder stands in for it; whoever calls
//! [`build`] throws the result away when there are problems.

mod access;
mod node;
mod storage;

pub(super) use node::reserved_names;

use std::path::{Component, Path};
use std::time::Duration;

use raft_types::InvalidName;

use super::Config;
use super::cluster::{
    ClusterSettings, GarbageSettings, ReplicationSettings, RoutingStrategy, SessionSettings, UploadSettings,
};
use super::document::document;
use super::forms::is_host_name;
use super::problem::{Problem, Warning};
use super::statement::statement;
use super::tree::Section;

/// What the rules found.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Findings {
    fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Warning {
            path: path.into(),
            message: message.into(),
        });
    }
}

/// Builds both parts. The configuration is `None` when a name could not be built at all, which a
/// problem then says.
pub(super) fn build(root: &Section) -> (Option<Config>, Vec<Problem>, Vec<Warning>) {
    let mut findings = Findings::default();
    let node = node::build(root, &mut findings);
    let here = Here {
        reserved: node::reserved_bucket_names(root),
        has_master_key: node.as_ref().is_some_and(|node| node.master_key.is_some()),
    };
    let cluster = cluster(root, &here, &mut findings);
    let config = node.map(|node| Config { node, cluster });
    (config, findings.problems, findings.warnings)
}

/// Builds what every node must agree on, from what the cluster keeps of it. Whether it fits this node
/// shows where it is used.
pub(super) fn settings(root: &Section) -> (ClusterSettings, Vec<Problem>) {
    let mut findings = Findings::default();
    let anywhere = Here {
        reserved: Vec::new(),
        has_master_key: true,
    };
    let settings = cluster(root, &anywhere, &mut findings);
    (settings, findings.problems)
}

/// What of a node bears on the settings in its file.
struct Here {
    /// Names that no bucket may bear here.
    reserved: Vec<String>,
    /// Whether it has a master key.
    has_master_key: bool,
}

fn cluster(root: &Section, here: &Here, findings: &mut Findings) -> ClusterSettings {
    let server = root.section("server");
    let replication = root.section("replication");
    let (buckets, users) = access::build(root, &here.reserved, findings);
    let factor = replication
        .count("factor")
        .and_then(|factor| u32::try_from(factor).ok())
        .unwrap_or(1);
    let garbage = root.section("garbage");
    let sessions = root.section("sessions");
    let time = |section: &Section, key: &str| section.time(key).unwrap_or_default();
    if time(&garbage, "min_age") > time(&garbage, "max_age") {
        findings.problem(garbage.path_of("min_age"), "is longer than garbage.max_age");
    }
    ClusterSettings {
        region: region(&server, findings),
        domain: domain(&server, findings),
        max_object_size: server.size("max_object_size").unwrap_or_default(),
        backend_timeout: time(&server, "backend_timeout"),
        buckets,
        users,
        backends: storage::backends(root, findings),
        routing: routing(root, findings),
        encryption: storage::encryption(root, here.has_master_key, findings),
        replication: ReplicationSettings {
            factor,
            write_copies: replication
                .count("write_copies")
                .and_then(|copies| u32::try_from(copies).ok())
                .unwrap_or_else(|| factor.min(2)),
        },
        garbage: GarbageSettings {
            min_age: time(&garbage, "min_age"),
            max_age: time(&garbage, "max_age"),
            interval: time(&garbage, "interval"),
        },
        sessions: SessionSettings {
            silent_after: time(&sessions, "silent_after"),
            epoch_max_age: time(&sessions, "epoch_max_age"),
            epoch_max_attempts: sessions.count("epoch_max_attempts").unwrap_or_default(),
            epoch_close_timeout: time(&sessions, "epoch_close_timeout"),
            second_sweep_after: time(&sessions, "second_sweep_after"),
        },
        uploads: UploadSettings {
            completed_retention: completed_retention(root),
        },
        statement: statement(root),
        document: document(root),
    }
}

fn routing(root: &Section, findings: &mut Findings) -> RoutingStrategy {
    let several = root.sections("backends").len() > 1;
    let spread = root.choice("routing_strategy") == Some("spread");
    if several && spread {
        findings.problem(
            "routing_strategy",
            "is not built yet: objects are not spread over several backends",
        );
    } else if several {
        findings.warning(
            "backends",
            "objects go to the first one only; the others keep what they hold",
        );
    }
    if spread {
        RoutingStrategy::Spread
    } else {
        RoutingStrategy::Pack
    }
}

fn completed_retention(root: &Section) -> Duration {
    root.section("uploads")
        .time("completed_retention")
        .unwrap_or_default()
}

/// A region stands in signatures between slashes.
fn region(server: &Section, findings: &mut Findings) -> Option<String> {
    let region = server.text("region")?;
    if !region
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        findings.problem(
            server.path_of("region"),
            "consists of letters, digits, hyphens and underscores",
        );
    }
    Some(region.to_owned())
}

fn domain(server: &Section, findings: &mut Findings) -> Option<String> {
    let domain = server.text("domain")?.to_ascii_lowercase();
    if !is_host_name(&domain) {
        findings.problem(
            server.path_of("domain"),
            "is a name such as s3.example.com, without scheme, port or `*`",
        );
    }
    Some(domain)
}

/// What is wrong with a name, without the name: it may come from a variable, and that may be secret.
fn invalid_name(invalid: &InvalidName) -> String {
    format!("is not a valid {}: {}", invalid.kind, invalid.rule)
}

/// Whether a path climbs; such a path may mean another place than it seems to.
fn climbs(path: &Path) -> bool {
    path.components()
        .any(|component| component == Component::ParentDir)
}
