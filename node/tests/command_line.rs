//! The binary as a user meets it: words and exit codes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;

use support::{file, holdfast, output, served};
use tempfile::TempDir;

/// A whole configuration, on a folder that everybody has and nobody may write to.
const WHOLE: &str = "\
backends: [{name: disk, type: fs, path: /usr}]
users: [{access_key: someone, secret_key: canary-of-the-tests, allowed_buckets: ['*']}]
";

#[test]
fn version_and_a_good_configuration_go_to_standard_output() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, WHOLE);
    for version in ["version", "--version", "-V"] {
        assert_eq!(
            output(&[version]),
            (
                Some(0),
                format!("holdfast {}\n", env!("CARGO_PKG_VERSION")),
                String::new()
            )
        );
    }
    for named in [&[&*path][..], &["--config", &path], &["-config", &path]] {
        let arguments: Vec<_> = ["config", "check"].iter().chain(named).copied().collect();
        assert_eq!(output(&arguments), (Some(0), "ok\n".to_owned(), String::new()));
    }
    let (code, printed, words) = output(&["config", "print", &path]);
    assert_eq!((code, words.as_str()), (Some(0), ""));
    assert!(
        printed.starts_with("server:\n  listen_addr: \"0.0.0.0:9000\"\n"),
        "{printed}"
    );
    assert!(
        printed.contains("secret_access_key: \"<secret>\"") && !printed.contains("canary"),
        "{printed}"
    );
}

#[test]
fn every_problem_of_a_configuration_is_named_and_nothing_starts() {
    let folder = TempDir::new().unwrap();
    let path = file(
        &folder,
        "server: {listen_adr: x}\ndata_dir: here\nredis: {address: y}\n",
    );
    let expected = "\
holdfast: server.listen_adr: is not a known key; did you mean listen_addr?
holdfast: data_dir: \"here\" is wrong: it is an absolute path
holdfast: backends: is required
holdfast: redis: Holdfast needs no Redis: nodes share what they know among themselves. Remove this section
";
    for arguments in [
        &["config", "check", &path][..],
        &["config", "print", &path],
        &["serve", "--config", &path],
        &["serve", "-config", &path],
        &["-config", &path],
        &["--config", &path],
    ] {
        assert_eq!(
            output(arguments),
            (Some(1), String::new(), expected.to_owned()),
            "{arguments:?}"
        );
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "something was made"
    );
}

#[test]
fn warnings_go_to_standard_error_and_a_missing_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &format!("{WHOLE}cache: {{enabled: true}}\n"));
    let (code, printed, words) = output(&["config", "check", &path]);
    assert_eq!((code, printed.as_str()), (Some(0), "ok\n"));
    assert_eq!(
        words,
        "holdfast: warning: cache: has no effect: there is no cache of objects yet\n"
    );
    let (code, _, words) = output(&["serve", "--config", "/nowhere/holdfast.yaml"]);
    assert_eq!(code, Some(1));
    assert!(
        words.contains("/nowhere/holdfast.yaml") && words.contains("No such file"),
        "{words}"
    );
}

#[test]
fn a_wrong_command_line_ends_with_2_and_what_is_not_built_with_1() {
    for arguments in [
        &["serve"][..],
        &[],
        &["frobnicate"],
        &["-config"],
        &["config", "check"],
        &["demo", "--access-key", "only-half"],
        &["demo", "--nodes", "0"],
        &["demo", "--port", "65536"],
    ] {
        assert_eq!(output(arguments).0, Some(2), "{arguments:?}");
    }
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    for (asked, told) in [
        (
            ["demo", "--nodes", "3", "--data", data],
            "clusters are not built yet: --nodes can only be 1",
        ),
        (
            ["demo", "--backends", "2", "--data", data],
            "copies on several backends are not built yet: --backends can only be 1",
        ),
    ] {
        assert_eq!(
            output(&asked),
            (Some(1), String::new(), format!("holdfast: {told}\n"))
        );
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "something was made"
    );
}

#[test]
fn secrets_in_the_environment_do_not_show_in_the_help() {
    let help = holdfast(&["demo", "--help"])
        .env("HOLDFAST_DEMO_ACCESS_KEY", "canary-access")
        .env("HOLDFAST_DEMO_SECRET_KEY", "canary-secret")
        .output()
        .unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(
        text.contains("HOLDFAST_DEMO_SECRET_KEY") && !text.contains("canary-secret"),
        "{text}"
    );
}

#[test]
fn a_node_whose_backend_is_missing_does_not_start_and_names_the_key() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &served(&folder));
    let objects = folder.path().join("objects");
    fs::remove_dir(&objects).unwrap();
    let told = format!(
        "backends[0].path: {}: No such file or directory (os error 2). It is not made here, since it may be a \
         disk that is not mounted\n",
        objects.display()
    );
    assert_eq!(
        output(&["serve", "--config", &path]),
        (Some(1), String::new(), format!("holdfast: {told}"))
    );
    assert!(!folder.path().join("metadata").exists(), "something was made");
    // It may be there on the machine that the configuration is for.
    assert_eq!(
        output(&["config", "check", &path]),
        (Some(0), "ok\n".to_owned(), format!("holdfast: warning: {told}"))
    );
}
