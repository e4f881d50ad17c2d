//! Standard output, where a report goes.

use crate::term::failure::{Failure, told};
use std::io::{self, Write};

/// Writes all of it: status 0.
pub(crate) fn write(text: &str) -> Result<u8, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // Who reads no further has what he wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the report: {}", told(&error))))
        }
        _ => Ok(0),
    }
}
