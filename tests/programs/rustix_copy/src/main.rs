//! Copies a file by rustix, which makes system calls by instruction: rustix_copy FROM TO. It asks for a
//! reflink first, and uses each call that copies.

use rustix::fs::{copy_file_range, ioctl_ficlone, sendfile};
use std::fs::File;
use std::io;

/// The bytes that copy_file_range(2) copies; sendfile(2) copies the others.
const FIRST: usize = 5000;

fn main() -> io::Result<()> {
    let [_, from, to] = &std::env::args_os().collect::<Vec<_>>()[..] else {
        return Err(io::Error::other("usage: rustix_copy FROM TO"));
    };
    let (source, target) = (File::open(from)?, File::create(to)?);
    if ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    copy_file_range(&source, None, &target, None, FIRST)?;
    while sendfile(&target, &source, None, 1 << 20)? > 0 {}
    Ok(())
}
