//! What a test does where `/dev/fuse` cannot be mounted: skip, but so that everybody sees it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Names the file to which skipped tests are reported; `make test` prints it at its end.
pub const SKIP_REPORT: &str = "HOLDFAST_SKIP_REPORT";

/// Set to `1` where power-loss tests must run: a skip is a failure there.
pub const REQUIRE_FUSE: &str = "HOLDFAST_REQUIRE_FUSE";

/// Reports that a test is skipped because no FUSE file system can be mounted here.
///
/// The test's name and the reason go to standard error and, as one line, to the file that
/// [`SKIP_REPORT`] names.
///
/// # Panics
/// Where [`REQUIRE_FUSE`] is `1`, and where the report cannot be written: a skip nobody sees is
/// worse than a failure.
pub fn require_or_skip(test_name: &str, reason: &str) {
    let required = std::env::var_os(REQUIRE_FUSE).is_some_and(|value| value == "1");
    let report = std::env::var_os(SKIP_REPORT).filter(|path| !path.is_empty());
    if let Err(refusal) = skip(test_name, reason, required, report.as_deref().map(Path::new)) {
        #[expect(clippy::panic, reason = "a test that may not be skipped fails")]
        {
            panic!("{refusal}");
        }
    }
}

fn skip(test_name: &str, reason: &str, required: bool, report: Option<&Path>) -> Result<(), String> {
    if required {
        return Err(format!(
            "{test_name} needs FUSE, and {REQUIRE_FUSE} is 1: {reason}"
        ));
    }
    let line = format!("{test_name}: {}", reason.replace('\n', " "));
    eprintln!("skipped {line}");
    let Some(report) = report else { return Ok(()) };
    append_line(report, &line).map_err(|error| {
        format!(
            "{test_name} was skipped, and {} cannot say so: {error}",
            report.display()
        )
    })
}

/// One write, so that lines of tests that run at the same time do not mix.
fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_one_line_with_name_and_reason() {
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("skipped");
        skip("one", "no /dev/fuse\nhere", false, Some(&report)).unwrap();
        skip("two", "not root", false, Some(&report)).unwrap();
        let text = std::fs::read_to_string(report).unwrap();
        assert_eq!(text, "one: no /dev/fuse here\ntwo: not root\n");
    }

    #[test]
    fn a_required_test_is_never_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("skipped");
        assert!(skip("one", "no /dev/fuse", true, Some(&report)).is_err());
        assert!(!report.exists());
    }

    #[test]
    fn a_skip_that_cannot_be_reported_is_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            skip(
                "one",
                "no /dev/fuse",
                false,
                Some(&dir.path().join("missing/skipped"))
            )
            .is_err()
        );
    }
}
