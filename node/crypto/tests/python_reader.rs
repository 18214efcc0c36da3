//! The independent reader in `docs/reference` on what this crate writes: the golden files, and blobs
//! written just now. `make test` prepares its Python; without one the tests report themselves as
//! skipped, and fail where `HOLDFAST_VENV` says that there is one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use common::{contents, plaintext, store};
use node_crypto::frame::ChunkSize;
use node_crypto::keys::{Authority, Keyring, MasterKey};
use node_crypto::{Encryption, EncryptionDisabled};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// A Python that has what the reader needs, or `None` after saying that `test` is skipped.
fn python(test: &str) -> Option<PathBuf> {
    let venv = env::var_os("HOLDFAST_VENV").map(|venv| PathBuf::from(venv).join("bin/python"));
    let python = venv.clone().unwrap_or_else(|| PathBuf::from("python3"));
    let imports = Command::new(&python)
        .args(["-c", "import cryptography, xxhash"])
        .output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(
        venv.is_none(),
        "{} lacks cryptography or xxhash",
        python.display()
    );
    let reason = format!("{test}: python3 with cryptography and xxhash is not installed");
    if let Some(report) = env::var_os("HOLDFAST_SKIP_REPORT") {
        let mut report = OpenOptions::new().append(true).create(true).open(report).unwrap();
        writeln!(report, "{reason}").unwrap();
    }
    eprintln!("skipped: {reason}");
    None
}

fn reader(python: &Path, arguments: &[&Path]) -> Output {
    Command::new(python)
        .arg(repository().join("docs/reference/blob_reader.py"))
        .args(arguments)
        // No __pycache__ in the source tree.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap()
}

#[test]
fn the_python_reader_reads_the_golden_files_and_refuses_their_alterations() {
    let Some(python) = python("the_python_reader_reads_the_golden_files_and_refuses_their_alterations")
    else {
        return;
    };
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let output = reader(&python, &[Path::new("--self-test"), &golden]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_python_reader_reads_what_was_written_just_now() {
    let Some(python) = python("the_python_reader_reads_what_was_written_just_now") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let master = MasterKey::generate().unwrap();
    let contents = contents(&master);
    let keyring_file = file("keyring", &contents.encode(Authority::Master(&master)).unwrap());
    let key_file = file("key", master.expose());
    let keyring = Arc::new(Keyring::unlock(&contents, &[master]).unwrap());
    let body = plaintext(200_000);

    let sealed = store(&Encryption::Enabled(keyring), ChunkSize::DEFAULT, &body);
    let mut altered = sealed.bytes.clone();
    altered[100_000] ^= 1;
    let (sealed, altered) = (file("sealed", &sealed.bytes), file("altered", &altered));
    let with_keys = |blob: &Path| {
        let names = ["--keyring", "--master-key-file"].map(Path::new);
        reader(&python, &[names[0], &keyring_file, names[1], &key_file, blob])
    };
    let output = with_keys(&sealed);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stdout == body);
    assert!(String::from_utf8_lossy(&output.stderr).contains("2026/aurora borealis.jpg"));
    let output = with_keys(&altered);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("chunk 1 fails its check"));

    let disabled = Encryption::Disabled(EncryptionDisabled::by_settings());
    let clear = file("clear", &store(&disabled, ChunkSize::MIN, &body).bytes);
    let output = reader(&python, &[Path::new("--clear"), &clear]);
    assert!(output.status.success() && output.stdout == body);
    assert!(!reader(&python, &[Path::new("--clear"), &sealed]).status.success());
    assert!(!with_keys(&clear).status.success());
}
