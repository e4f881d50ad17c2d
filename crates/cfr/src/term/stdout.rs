//! Standard output, for reports.

use crate::term::failure::{Failure, describe};
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// Writes the text and returns exit status 0.
pub(crate) fn write(text: &str) -> Result<u8, Failure> {
    let mut stdout = io::stdout().lock();
    check(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()), "the report")?;
    Ok(0)
}

/// Returns the failure if `what` could not be written. A reader that closes the pipe early is not an
/// error.
pub(crate) fn check(written: io::Result<()>, what: &str) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write {what}: {}", describe(&error))))
        }
        _ => Ok(()),
    }
}

/// Returns a duplicate of standard output or standard error, if that is the file that `metadata` is of:
/// for `/dev/stdout` if the output goes to a file, which must not be replaced.
pub(crate) fn standard_stream(metadata: &Metadata) -> Option<File> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    [stdout.as_fd(), stderr.as_fd()].into_iter().find_map(|fd| {
        let stat = rustix::fs::fstat(fd).ok()?;
        let is_same = (stat.st_dev, stat.st_ino) == (metadata.dev(), metadata.ino());
        is_same.then(|| fd.try_clone_to_owned().ok()).flatten().map(File::from)
    })
}
