//! Backends and encryption.

use std::path::{Path, PathBuf};

use raft_types::BackendName;

use super::node::overlap;
use super::{Findings, climbs, invalid_name};
use crate::config::cluster::{BackendKind, BackendSettings, EncryptionMode, EncryptionSettings, Sharing};
use crate::config::tree::{Section, Value};

/// Keys that only a backend of type s3 has.
const S3_KEYS: [&str; 10] = [
    "endpoint",
    "region",
    "bucket",
    "access_key_id",
    "secret_access_key",
    "force_path_style",
    "unsigned_payload",
    "disable_checksum",
    "strip_sdk_headers",
    "prefix",
];

pub(super) fn backends(root: &Section, findings: &mut Findings) -> Vec<BackendSettings> {
    let sections = root.sections("backends");
    if matches!(root.values.get("backends"), Some((Value::Sections(items), _)) if items.is_empty()) {
        findings.problem("backends", "names no backend; at least one is needed");
    }
    let data_dir = root
        .text("data_dir")
        .map(|path| ("data_dir".to_owned(), PathBuf::from(path)));
    let mut folders: Vec<_> = data_dir.into_iter().collect();
    let mut built: Vec<BackendSettings> = Vec::new();
    for section in sections {
        let kind = kind(section, &mut folders, findings);
        let Some(name) = section.text("name") else {
            continue;
        };
        match BackendName::new(name) {
            Ok(name) if built.iter().any(|other| other.name == name) => {
                findings.problem(section.path_of("name"), "is the name of another backend already");
            }
            Ok(name) => built.extend(kind.map(|kind| BackendSettings { name, kind })),
            Err(invalid) => findings.problem(section.path_of("name"), invalid_name(&invalid)),
        }
    }
    built
}

fn kind(
    section: &Section,
    folders: &mut Vec<(String, PathBuf)>,
    findings: &mut Findings,
) -> Option<BackendKind> {
    let named = section.choice("type");
    let kind = match named {
        Some(kind) => kind,
        None if section.gives("type") => return None,
        None if section.gives("endpoint") => "s3",
        None if section.gives("path") => "fs",
        None => {
            findings.problem(section.path_of("type"), "is required; for a directory it is fs");
            return None;
        }
    };
    if kind == "s3" {
        findings.problem(
            &section.path,
            "is a backend of type s3, which is not built yet; type fs is",
        );
        return None;
    }
    for key in S3_KEYS.iter().filter(|key| section.gives(key)) {
        findings.problem(section.path_of(key), "belongs to a backend of type s3");
    }
    if kind == "fs" {
        return fs(section, folders, findings);
    }
    for key in ["path", "shared"].iter().filter(|key| section.gives(key)) {
        findings.problem(section.path_of(key), "belongs to a backend of type fs");
    }
    findings.warning(
        &section.path,
        "keeps its objects in memory: they are gone when the process ends",
    );
    Some(BackendKind::Memory)
}

fn fs(
    section: &Section,
    folders: &mut Vec<(String, PathBuf)>,
    findings: &mut Findings,
) -> Option<BackendKind> {
    let Some(path) = section.text("path").map(PathBuf::from) else {
        if !section.gives("path") {
            findings.problem(section.path_of("path"), "is required for a backend of type fs");
        }
        return None;
    };
    let key = section.path_of("path");
    if climbs(&path) {
        findings.problem(&key, "must not contain `..`");
    } else if path == Path::new("/") {
        findings.problem(&key, "is the root of the file system");
    } else if let Some((other, _)) = folders.iter().find(|(_, other)| overlap(&path, other)) {
        findings.problem(
            &key,
            format!("overlaps with the folder of {other}; each needs one of its own"),
        );
    }
    folders.push((key, path.clone()));
    let sharing = match section.flag("shared") {
        Some(true) => Sharing::Shared,
        _ => Sharing::NodeLocal,
    };
    Some(BackendKind::Fs { path, sharing })
}

pub(super) fn encryption(root: &Section, has_key: bool, findings: &mut Findings) -> EncryptionSettings {
    let section = root.section("encryption");
    let names_key = ["master_key", "master_key_file", "vault"]
        .iter()
        .any(|key| section.gives(key));
    match section.flag("enabled") {
        Some(true) if !names_key && !has_key => {
            findings.problem(
                section.path_of("enabled"),
                "is true, but there is no master_key_file and no master_key",
            );
        }
        // A key without a word about encryption may be meant either way, and one of them is plaintext.
        Some(false) if names_key && !section.gives("enabled") => {
            findings.problem(
                section.path_of("enabled"),
                "must be given, true or false, beside a master key",
            );
        }
        _ => {}
    }
    let chunk_size = section
        .size("chunk_size")
        .and_then(|size| u32::try_from(size).ok())
        .unwrap_or_default();
    if chunk_size != 0 && !chunk_size.is_power_of_two() {
        findings.problem(section.path_of("chunk_size"), "is a power of two, such as 64KiB");
    }
    let mode = match section.flag("enabled") {
        Some(false) => EncryptionMode::Off,
        // Wrong or missing is a problem already; were it not, nothing would be stored in clear.
        _ => EncryptionMode::On,
    };
    EncryptionSettings { mode, chunk_size }
}
