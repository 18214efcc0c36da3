//! Words that are for whoever runs the tests, whether they pass or not.

use std::io::Write;

/// Writes a line to standard error, past the harness, which keeps what a passing test prints to
/// itself: how many faults have fired is part of the result.
pub fn say(line: &str) {
    // Nobody reads it: no reason to fail.
    let _ = writeln!(std::io::stderr(), "{line}");
}
