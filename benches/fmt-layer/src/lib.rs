//! The peer of the figures: copy_file_range(2) as a preload library that logs each
//! call as one event through tracing-subscriber's fmt layer. The figures compare lines with it.

use libc::{c_int, c_long, c_uint, size_t, ssize_t};
use std::env;
use std::ffi::CStr;
use std::fs::OpenOptions;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};
use std::time::Instant;

/// The environment variables with the path of the log, which is appended to, and its format.
const FILE: &str = "FMT_LAYER_FILE";
const FORMAT: &str = "FMT_LAYER_FORMAT";

static STARTED: Once = Once::new();

/// JSON lines have the thread, as those of libcfr.so do.
static IS_JSON: AtomicBool = AtomicBool::new(false);

fn start() {
    let path = env::var_os(FILE).unwrap_or_else(|| panic!("{FILE} must be a path"));
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(file));
    match env::var(FORMAT).as_deref() {
        Ok("text") => subscriber.init(),
        Ok("json") => {
            IS_JSON.store(true, Ordering::Relaxed);
            subscriber.json().init()
        }
        _ => panic!("{FORMAT} must be text or json"),
    }
}

/// Copies as copy_file_range(2) does.
///
/// # Safety
///
/// As for the C library's: the offsets are NULL or can be read and written.
#[unsafe(no_mangle)]
#[expect(clippy::disallowed_methods, reason = "no hook of this library's")]
pub unsafe extern "C" fn copy_file_range(
    fd_in: c_int,
    off_in: *mut i64,
    fd_out: c_int,
    off_out: *mut i64,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    STARTED.call_once(start);
    // SAFETY: the caller's promise.
    let (from, to) = unsafe { (off_in.as_ref().copied(), off_out.as_ref().copied()) };
    let begun = Instant::now();
    // SAFETY: the kernel looks at the pointers itself.
    let ret: c_long = unsafe {
        libc::syscall(libc::SYS_copy_file_range, fd_in, off_in, fd_out, off_out, len, flags)
    };
    let duration = begun.elapsed();
    // SAFETY: the calling thread's own.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *place };
    let mut comm = [0u8; 16];
    let is_json = IS_JSON.load(Ordering::Relaxed);
    if is_json {
        // SAFETY: the kernel writes at most 16 bytes, the last of them zero.
        unsafe { libc::prctl(libc::PR_GET_NAME, comm.as_mut_ptr()) };
    }
    let comm = CStr::from_bytes_until_nul(&comm).unwrap_or_default().to_string_lossy();
    tracing::info!(
        pid = std::process::id(),
        // SAFETY: takes nothing.
        tid = is_json.then(|| unsafe { libc::gettid() }),
        comm = is_json.then_some(&*comm),
        fd_in,
        off_in = ?from,
        fd_out,
        off_out = ?to,
        len,
        flags,
        ret,
        errno = if ret < 0 { kept } else { 0 },
        duration_ns = duration.as_nanos() as u64,
    );
    // SAFETY: as above.
    unsafe { *place = kept };
    ret as ssize_t
}
