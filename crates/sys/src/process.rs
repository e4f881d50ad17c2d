//! The process that we are a guest in: environment, privileges, clocks, other libraries.

use crate::errno::Errno;
use crate::raw::{answer, reg, syscall, syscall0};
use core::ffi::{CStr, c_char};

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Every `NAME=value` of the environment. To be called while nothing else writes to it: by the
/// constructor, or by the first call if that comes before.
pub fn environment() -> impl Iterator<Item = &'static CStr> {
    // SAFETY: the C library sets environ before any constructor runs.
    let mut entry = unsafe { environ };
    core::iter::from_fn(move || {
        if entry.is_null() {
            return None;
        }
        // SAFETY: environ(7) is an array of pointers that ends in NULL, and we stop there.
        let string = unsafe { *entry };
        if string.is_null() {
            return None;
        }
        // SAFETY: the array goes on at least to its NULL.
        entry = unsafe { entry.add(1) };
        // SAFETY: each entry is a C string; the values are copied before the host can move them.
        Some(unsafe { CStr::from_ptr(string) })
    })
}

/// Whether the process runs with more rights than its caller: set-user-ID, capabilities
/// (getauxval(3), `AT_SECURE`).
#[must_use]
pub fn is_secure() -> bool {
    // SAFETY: getauxval takes any number.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The path by which the program was executed (getauxval(3), `AT_EXECFN`).
#[must_use]
pub fn execfn() -> Option<&'static CStr> {
    // SAFETY: getauxval takes any number.
    let address = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    if address.is_null() {
        return None;
    }
    // SAFETY: the kernel leaves a C string there for the life of the process.
    Some(unsafe { CStr::from_ptr(address) })
}

/// Ends the process at once with `status`, without running anything of the host's.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: no pointers; the call does not return.
        let _ = unsafe { syscall(libc::SYS_exit_group, [reg(status), 0, 0, 0, 0, 0]) };
    }
}

// Registers and kernel structures are spelled for 64-bit machines.
const _: () = assert!(size_of::<usize>() == 8);

/// getpid(2). Not cached: a child of vfork shares our memory but not our number.
#[must_use]
pub fn getpid() -> i32 {
    syscall0(libc::SYS_getpid)
}

/// Whether the process has a limit on file sizes, so that a write may raise SIGXFSZ. `true` where
/// the kernel does not say.
#[must_use]
pub fn has_file_size_limit() -> bool {
    file_size_limit() != Ok(libc::RLIM_INFINITY)
}

/// The most bytes that a file may have for this process to write them (getrlimit(2),
/// `RLIMIT_FSIZE`); `u64::MAX` is no limit.
pub fn file_size_limit() -> Result<u64, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let resource = libc::RLIMIT_FSIZE as usize;
    let registers = [resource, &raw mut limit as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one struct rlimit.
    answer(unsafe { syscall(libc::SYS_getrlimit, registers) })?;
    Ok(limit.rlim_cur)
}
