//! The rules of the house: which crate may import which, who may use which library, and that the
//! documents link to what exists. A rule broken here is a change of architecture, so it is changed
//! in `docs/ARCHITECTURE.md` first.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// For each crate of the workspace, the crates of the workspace that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("raft-types", &[]),
    ("raft-machine", &["raft-types"]),
    ("raft", &["raft-types", "raft-machine"]),
    ("api", &["raft-types"]),
    ("node-crypto", &["raft-types"]),
    ("node-backend", &["raft-types"]),
    ("node-planner", &["raft-types", "raft-machine"]),
    (
        "node",
        &[
            "raft",
            "raft-types",
            "raft-machine",
            "api",
            "node-crypto",
            "node-backend",
            "node-planner",
        ],
    ),
    ("cluster-tests", &["api", "raft-types", "cluster-tests-powercut"]),
    ("cluster-tests-powercut", &[]),
    ("cluster-tests-bench", &[]),
];

/// What tests may import beyond that, and why.
const MAY_IMPORT_FOR_TESTS: &[(&str, &str, &str)] = &[
    (
        "api",
        "raft-machine",
        "the node behind the surface is a double over the naive model, so that it cannot promise what the \
         state does not",
    ),
];

/// Libraries that only the named crates may use, and why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    (
        "openraft",
        &["raft"],
        "no openraft type may appear in a public signature, on disk or on the wire",
    ),
    ("rocksdb", &["raft"], "one crate owns the data directory"),
    (
        "aws-sdk-s3",
        &["node-backend", "cluster-tests"],
        "providers are reached through the Backend port",
    ),
    ("figment", &["node"], "configuration is read once, by the process"),
    (
        "fuser",
        &["cluster-tests-powercut"],
        "the power-cut layer is a tool of the tests",
    ),
];

/// Crates that must stay free of an async runtime and of the network.
const WITHOUT_RUNTIME: &[&str] = &["raft-types", "raft-machine", "node-crypto", "node-planner"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace root")
        .to_path_buf()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata describes the workspace")
}

#[test]
fn every_crate_imports_only_what_the_architecture_allows() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> = MAY_IMPORT
        .iter()
        .map(|(name, imports)| (*name, imports.iter().copied().collect()))
        .collect();
    let metadata = metadata();
    let members: BTreeSet<String> = metadata.packages.iter().map(|p| p.name.to_string()).collect();
    let mut broken = Vec::new();
    for package in &metadata.packages {
        let Some(may) = allowed.get(package.name.as_str()) else {
            broken.push(format!("{} has no row in MAY_IMPORT", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            if !members.contains(&dependency.name) || may.contains(dependency.name.as_str()) {
                continue;
            }
            let for_tests = dependency.kind == DependencyKind::Development
                && MAY_IMPORT_FOR_TESTS.iter().any(|(importer, imported, _)| {
                    (*importer, *imported) == (package.name.as_str(), dependency.name.as_str())
                });
            if !for_tests {
                broken.push(format!("{} may not import {}", package.name, dependency.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_is_for_tests_is_compiled_for_tests_only() {
    let mut broken = Vec::new();
    for package in &metadata().packages {
        for dependency in &package.dependencies {
            let is_for_tests = dependency.kind == DependencyKind::Development;
            if dependency.features.iter().any(|feature| feature == "testing") && !is_for_tests {
                broken.push(format!("{} ships the doubles of {}", package.name, dependency.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_package_is_named_after_its_path() {
    for package in &metadata().packages {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        let path = folder
            .strip_prefix(root().to_str().expect("a readable path"))
            .expect("inside the workspace");
        assert_eq!(
            package.name.as_str(),
            path.as_str().replace('/', "-"),
            "the package in {path}"
        );
    }
}

#[test]
fn reserved_libraries_have_only_their_owners_as_users() {
    let mut broken = Vec::new();
    for package in &metadata().packages {
        for dependency in &package.dependencies {
            let Some((library, owners, why)) = RESERVED.iter().find(|(name, ..)| *name == dependency.name)
            else {
                continue;
            };
            if !owners.contains(&package.name.as_str()) {
                broken.push(format!("{} uses {library}: {why}", package.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn pure_crates_know_no_runtime_and_no_network() {
    let mut broken = Vec::new();
    for package in metadata()
        .packages
        .iter()
        .filter(|p| WITHOUT_RUNTIME.contains(&p.name.as_str()))
    {
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal)
        {
            if ["tokio", "hyper", "tonic", "reqwest"].contains(&dependency.name.as_str()) {
                broken.push(format!("{} depends on {}", package.name, dependency.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_relative_link_of_the_documents_leads_to_a_file() {
    let mut broken = Vec::new();
    for document in markdown_files(&root()) {
        let text = std::fs::read_to_string(&document).expect("a readable document");
        let folder = document.parent().expect("a document lies in a folder");
        for target in links(&text) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !folder.join(path).exists() {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn link_targets_are_found_in_text_but_not_in_code() {
    let text = "see [a](one.md) and [b](two.md#x)\n```\n[c](three.md)\n```\n`[d](four.md)`\n";
    assert_eq!(links(text), ["one.md", "two.md#x"]);
}

/// Markdown files that git would commit: no build output, no hidden folders.
fn markdown_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a folder entry").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with('.') || name == "target" || name == "demo-data" || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            found.extend(markdown_files(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

/// The targets of inline links, outside fenced blocks and code spans.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let mut rest = prose.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            found.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    found
}
