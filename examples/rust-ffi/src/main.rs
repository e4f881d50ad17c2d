//! Copies a file through the C API of libcfr: shares blocks if possible, else copies, and says which.
//! `cargo run SOURCE TARGET`.
//!
//! It needs no header: the declarations below are those of cfr.h. The library keeps their layout,
//! because a struct begins with its size.

use std::error::Error;
use std::ffi::{CStr, c_char, c_int, c_uint};
use std::fs::File;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{null, null_mut};

const COPY_FR_REFLINK: c_uint = 2;
const CFR_YES: c_int = 1;

/// The options of one call; 0 and null leave them to the process's setting.
#[repr(C)]
struct Options {
    size: usize,
    dialect: *const c_char,
    backend: c_int,
    checks: c_int,
    verify: c_int,
    shared: c_int,
    else_copy: c_int,
    reserved: c_int,
}

/// The outcome of one call.
#[repr(C)]
struct Outcome {
    size: usize,
    bytes: u64,
    error: c_int,
    method: c_int,
    shared: c_int,
    flags: c_uint,
    rule: [c_char; 32],
    dialect: [c_char; 24],
}

// build.rs names the library to link with.
unsafe extern "C" {
    fn cfr_copy(
        fd_in: c_int,
        off_in: *mut i64,
        fd_out: c_int,
        off_out: *mut i64,
        len: usize,
        flags: c_uint,
        options: *const Options,
        outcome: *mut Outcome,
    ) -> isize;
    fn cfr_method_name(method: c_int) -> *const c_char;
}

/// Copies up to 1 GiB at the file offsets, which move. Returns the bytes and the method; 0 bytes is the
/// end of the source.
fn copy_piece(source: BorrowedFd, target: BorrowedFd) -> io::Result<(usize, &'static str)> {
    let options = Options {
        size: size_of::<Options>(),
        dialect: null(),
        backend: 0,
        checks: 0,
        verify: 0,
        shared: 0,
        else_copy: CFR_YES,
        reserved: 0,
    };
    // SAFETY: all its fields are integers.
    let mut outcome: Outcome = unsafe { zeroed() };
    outcome.size = size_of::<Outcome>();
    // SAFETY: null offsets are allowed, and both structs are as long as they say.
    let count = unsafe {
        cfr_copy(
            source.as_raw_fd(),
            null_mut(),
            target.as_raw_fd(),
            null_mut(),
            1 << 30,
            COPY_FR_REFLINK,
            &options,
            &mut outcome,
        )
    };
    // A negative count is an error, which is in errno.
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: it takes any number, and returns a static string or null.
    let name = unsafe { cfr_method_name(outcome.method) };
    if name.is_null() {
        return Ok((count, "unknown"));
    }
    // SAFETY: it is not null, so it is a static string.
    Ok((count, unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("unknown")))
}

fn main() -> Result<(), Box<dyn Error>> {
    use std::os::fd::AsFd;
    let [_, source, target] = std::env::args()
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: rust-ffi SOURCE TARGET")?;
    let (source, target) = (File::open(source)?, File::create(target)?);
    let mut bytes = 0;
    let mut how = "none";
    loop {
        match copy_piece(source.as_fd(), target.as_fd()) {
            Ok((0, _)) => break,
            Ok((count, method)) => (bytes, how) = (bytes + count, method),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    println!("{bytes} bytes: {how}");
    Ok(())
}
