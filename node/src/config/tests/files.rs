//! The files that a configuration is read from.

use super::*;

fn file(folder: &Path, yaml: &str) -> PathBuf {
    let path = folder.join("holdfast.yaml");
    std::fs::write(&path, format!("{MINIMAL}{yaml}")).unwrap();
    path
}

fn warnings_of(path: &Path) -> Vec<String> {
    let loaded = Loader::new().environment(variables).file(path).load();
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    loaded.warnings.iter().map(ToString::to_string).collect()
}

const SECRET: &str = "users: [{access_key: a, secret_key: canary-in-clear, allowed_buckets: ['*']}]";
const NAMED: &str = "users: [{access_key: a, secret_key: '${BUCKET_SECRET_KEY}', allowed_buckets: ['*']}]";

#[test]
fn a_file_with_secrets_that_everybody_may_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), SECRET);
    for (mode, told) in [
        (0o644, true),
        (0o604, true),
        (0o640, false),
        (0o600, false),
        (0o400, false),
    ] {
        set_mode(&path, mode);
        let expected = format!(
            "users[0].secret_key: everybody on this machine may read it (mode {mode:04o} of {}): chmod it to 0600 \
             or 0640, or take secrets from the environment with ${{VAR}}",
            path.display()
        );
        let expected: &[String] = if told { &[expected] } else { &[] };
        assert_eq!(warnings_of(&path), expected, "{mode:o}");
    }
}

#[test]
fn a_file_without_secrets_of_its_own_may_be_read_by_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), NAMED);
    set_mode(&path, 0o644);
    assert_eq!(warnings_of(&path), [""; 0]);
}

#[test]
fn an_overlay_is_told_for_its_own_secrets_and_not_for_those_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), SECRET);
    set_mode(&path, 0o600);
    let overlay = folder.path().join("overlay.yaml");
    let load = |yaml: &str| {
        std::fs::write(&overlay, yaml).unwrap();
        set_mode(&overlay, 0o644);
        Loader::new().file(&path).overlay(&overlay).load().unwrap()
    };
    let quiet = load("users: [{access_key: b, secret_key: '${HOME}-and-more', allowed_buckets: ['*']}]");
    assert_eq!((quiet.warnings.len(), quiet.config.cluster.users.len()), (0, 2));
    let loud = load("users: [{access_key: b, secret_key: canary-in-clear, allowed_buckets: ['*']}]");
    assert_eq!(loud.warnings.len(), 1);
    assert_eq!(loud.warnings[0].path, "users[0].secret_key");
}
