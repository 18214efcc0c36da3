#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod access;
mod canary;
mod examples;
mod files;
mod print;
mod problems;
mod seeds;
mod settings;

use std::path::{Path, PathBuf};

use super::*;

/// Just enough to start with.
pub(super) const MINIMAL: &str = "backends: [{name: disk, type: fs, path: /srv/holdfast}]\n";

/// Variables that the seeds' files name.
pub(super) fn variables(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "9123",
        "FLAG" => "true",
        "AGE" => "90s",
        "DIR" => "/srv/elsewhere",
        "BACKEND1_NAME" => "oci",
        "BACKEND1_ENDPOINT" => "https://namespace.example.com",
        "BACKEND1_REGION" => "us-ashburn-1",
        "BACKEND1_BUCKET" => "my-bucket",
        "BACKEND1_ACCESS_KEY" => "backend-access",
        "BACKEND1_SECRET_KEY" => "canary-backend-secret",
        "BUCKET_ACCESS_KEY" => "f00dfeed00112233445566778899aabbccddeeff",
        "BUCKET_SECRET_KEY" => "canary-bucket-secret",
        "UI_ADMIN_KEY" => "canary-admin-key",
        "UI_ADMIN_SECRET" => "canary-admin-secret",
        "UI_SESSION_SECRET" => "canary-session-secret",
        "VAULT_TOKEN" => "canary-vault-token",
        _ => return None,
    };
    Some(value.to_owned())
}

pub(super) fn load(yaml: &str) -> Result<Loaded, Problems> {
    Loader::new()
        .environment(variables)
        .text("test.yaml", yaml)
        .load()
}

/// What is wrong with a configuration, one line each.
pub(super) fn problems(yaml: &str) -> Vec<String> {
    match load(yaml) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// What is wrong beside [`MINIMAL`].
pub(super) fn problems_beside_minimal(yaml: &str) -> Vec<String> {
    problems(&format!("{MINIMAL}{yaml}"))
}

pub(super) fn minimal(yaml: &str) -> Loaded {
    load(&format!("{MINIMAL}{yaml}")).unwrap_or_else(|problems| panic!("{problems}"))
}

pub(super) fn warnings(yaml: &str) -> Vec<String> {
    load(yaml)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// 32 random bytes in base64 with a line end, as the guide makes a key file.
pub(super) const MASTER_KEY: &str = "nALxelU+yBTZYKsng+5LkTb9CLJvxR104EmaM4fWXAE=\n";

pub(super) fn key_file(folder: &Path) -> PathBuf {
    let path = folder.join("master.key");
    std::fs::write(&path, MASTER_KEY).unwrap();
    private(&path);
    path
}

/// As packages install what is secret.
pub(super) fn private(path: &Path) {
    set_mode(path, 0o640);
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
