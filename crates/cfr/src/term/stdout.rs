//! Standard output, for reports.

use crate::term::failure::{Failure, describe};
use std::io::{self, Write};

/// Writes the text and returns exit status 0.
pub(crate) fn write(text: &str) -> Result<u8, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // A reader that closes the pipe early is not an error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the report: {}", describe(&error))))
        }
        _ => Ok(0),
    }
}
