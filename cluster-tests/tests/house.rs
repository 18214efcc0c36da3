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
const MAY_IMPORT_FOR_TESTS: &[(&str, &str, &str)] = &[(
    "api",
    "raft-machine",
    "the node behind the surface is a double over the naive model, so that it cannot promise what the \
         state does not",
)];

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
                broken.push(format!(
                    "{} ships the doubles of {}",
                    package.name, dependency.name
                ));
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
fn every_relative_link_of_the_documents_leads_to_a_file_and_a_heading_in_it() {
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in markdown_files(&root()) {
        let text = read(&document);
        let folder = document.parent().expect("a document lies in a folder");
        for target in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if path.is_empty() {
                document.clone()
            } else {
                folder.join(path)
            };
            if !file.exists() {
                broken.push(format!("{}: {target}: there is no such file", document.display()));
            } else if !anchor.is_empty() && !has_anchor(&file, anchor) {
                broken.push(format!(
                    "{}: {target}: there is no such heading",
                    document.display()
                ));
            }
        }
    }
    assert!(checked > 10, "the documents were not found");
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_path_that_a_document_names_exists() {
    let root = root();
    let mut broken = Vec::new();
    let mut checked = 0;
    for document in markdown_files(&root) {
        for path in paths(&read(&document)) {
            // Only what begins with a folder of this repository is a path in it.
            let first = path.split('/').next().unwrap_or_default();
            if !root.join(first).is_dir() || first.is_empty() {
                continue;
            }
            checked += 1;
            if !root.join(&path).exists() {
                broken.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(checked > 10, "the documents were not found");
    assert!(
        broken.is_empty(),
        "paths that do not exist:\n{}",
        broken.join("\n")
    );
}

#[test]
fn every_target_of_make_that_a_document_names_exists() {
    let makefile = read(&root().join("Makefile"));
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with([' ', '\t', '#', '.']))
        .filter_map(|line| line.split_once(':'))
        .filter(|(_, rest)| !rest.starts_with('='))
        .map(|(name, _)| name)
        .collect();
    let mut found = 0;
    for document in markdown_files(&root()) {
        let text = read(&document);
        for mention in text.match_indices("make ") {
            let before = text[..mention.0].chars().next_back();
            // A command, not the verb: at the beginning of a line of code, or between backticks.
            if before != Some('`') && !text[..mention.0].ends_with("\n    ") {
                continue;
            }
            let rest = &text[mention.0 + "make ".len()..];
            let line = rest.split(['`', '\n', '#']).next().unwrap_or_default();
            for target in line.split_whitespace().filter(|word| !word.contains(['=', '"'])) {
                assert!(
                    targets.contains(target),
                    "{}: there is no `make {target}`",
                    document.display()
                );
                found += 1;
            }
        }
    }
    assert!(found > 5, "the documents were not found");
}

#[test]
fn link_targets_are_found_in_text_but_not_in_code() {
    let text = "see [a](one.md) and [b](two.md#x)\n```\n[c](three.md)\n```\n`[d](four.md)`\n\
                ![e](five.png \"title\") [f][g]\n\n[g]: six.md\n    [h](seven.md)\n";
    assert_eq!(links(text), ["one.md", "two.md#x", "five.png", "six.md"]);
}

#[test]
fn headings_become_anchors_as_they_do_where_documents_are_shown() {
    let text = "# A title\n## `server.tls`\n## What? It's *here*: two_words\n```\n# no heading\n```\n\
                ## Twice\n## Twice\n##no heading either\n";
    let expected = [
        "a-title",
        "servertls",
        "what-its-here-two_words",
        "twice",
        "twice-1",
    ];
    assert_eq!(anchors(text), expected);
}

#[test]
fn paths_are_found_between_backticks_and_not_in_blocks_of_code() {
    let text = "in `node/src/main.rs` and `a b/c` and `x`, `api/`, `s3::body`\n```\n`raft/gone.rs`\n```\n";
    assert_eq!(paths(text), ["node/src/main.rs", "api/"]);
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a readable document")
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

/// The lines of a document outside blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence && !line.starts_with("    ")
    })
}

/// The targets of links outside blocks of code and code spans: inline, images, and definitions.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push(target.trim().to_owned());
            continue;
        }
        let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let mut rest = outside.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            // A title may stand behind the target.
            found.extend(rest[..end].split_whitespace().next().map(str::to_owned));
            rest = &rest[end..];
        }
    }
    found
}

fn has_anchor(file: &Path, anchor: &str) -> bool {
    file.extension().is_some_and(|extension| extension == "md")
        && anchors(&read(file)).iter().any(|known| known == anchor)
}

/// The anchors of a document's headings: lower case, hyphens for spaces, no punctuation, and a number
/// behind those that came before.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let before = seen.entry(anchor.clone()).or_default();
        found.push(match *before {
            0 => anchor,
            number => format!("{anchor}-{number}"),
        });
        *before += 1;
    }
    found
}

/// What looks like a path between backticks: words with slashes and nothing else.
fn paths(text: &str) -> Vec<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    prose(text)
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|span| span.contains('/') && span.chars().all(plain))
        .map(str::to_owned)
        .collect()
}
