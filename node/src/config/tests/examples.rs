//! The configurations that are shipped or shown, so that nobody copies one that does not work.

use std::fs;

use super::*;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Checks a configuration as it would be installed: its files exist, its variables are set.
fn check(yaml: &str) {
    let folder = tempfile::tempdir().unwrap();
    let key = key_file(folder.path());
    let issued = rcgen::generate_simple_self_signed(vec!["s3.example.com".to_owned()]).unwrap();
    let (cert_file, tls_key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert_file, issued.cert.pem()).unwrap();
    fs::copy(&key, &tls_key_file).unwrap();
    fs::write(&tls_key_file, issued.signing_key.serialize_pem()).unwrap();
    let installed = yaml
        .replace("/etc/holdfast/master.key", key.to_str().unwrap())
        .replace("/etc/holdfast/tls/cert.pem", cert_file.to_str().unwrap())
        .replace("/etc/holdfast/tls/key.pem", tls_key_file.to_str().unwrap());
    let variable = |name: &str| Some(format!("value-of-{}", name.to_ascii_lowercase()));
    let loaded = Loader::new()
        .environment(variable)
        .text("example", &installed)
        .load();
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{yaml}"));
    assert_eq!(loaded.warnings, [], "{yaml}");
    assert_eq!(loaded.config.cluster.encryption.mode, EncryptionMode::On);
}

#[test]
fn every_example_configuration_is_whole_and_without_warnings() {
    let mut checked = 0;
    for entry in fs::read_dir(repository().join("deploy/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            check(&fs::read_to_string(&path).unwrap());
            checked += 1;
        }
    }
    assert!(checked >= 2, "the examples were not found");
}

#[test]
fn the_configuration_of_the_readme_is_whole() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("```").unwrap();
    check(yaml);
}
