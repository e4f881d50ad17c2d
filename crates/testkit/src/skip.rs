//! Tests that cannot run where the tests run say so, and are counted.

use std::fs::OpenOptions;
use std::io::Write;

/// Says that the calling test is skipped, and why. `make check` lists what is said here after the
/// tests, and fails in CI for a skip that is not on its short list: the file named by
/// `CFR_TEST_SKIPS`, one skip a line.
pub fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(path) = std::env::var_os("CFR_TEST_SKIPS") {
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("opens");
        file.write_all(format!("{test}: {reason}\n").as_bytes()).expect("can be written");
    }
}
