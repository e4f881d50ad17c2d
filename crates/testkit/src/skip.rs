//! Reports and counts tests that cannot run on this machine.

use std::fs::OpenOptions;
use std::io::Write;

/// Reports that the calling test is skipped, and why. The report is also appended to the file that
/// `CFR_TEST_SKIPS` names. `make check` prints that file after the tests; if `CI=true`, it fails for a
/// skip that tests/data/allowed-skips does not list.
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(path) = std::env::var_os("CFR_TEST_SKIPS") {
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("opens");
        file.write_all(format!("{test}: {reason}\n").as_bytes()).expect("can be written");
    }
}
