//! The host process: privileges, limits, its id and its end.

use crate::auxv::auxiliary_value;
use crate::errno::Errno;
use crate::other_process;
use crate::raw::{decode, reg, syscall, syscall0};
use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};

/// Reports whether the process runs with more privileges than its caller, by set-user-ID,
/// set-group-ID or file capabilities (getauxval(3), `AT_SECURE`); true if that is unknown.
#[must_use]
pub fn is_secure() -> bool {
    auxiliary_value(libc::AT_SECURE) != Some(0)
}

/// Returns the path that the program was executed by (getauxval(3), `AT_EXECFN`).
#[must_use]
pub fn execfn() -> Option<&'static CStr> {
    let address = auxiliary_value(libc::AT_EXECFN)? as *const c_char;
    if address.is_null() {
        return None;
    }
    // SAFETY: the kernel puts a C string there, which is valid as long as the process.
    Some(unsafe { CStr::from_ptr(address) })
}

/// Ends the process with `status` by exit_group(2); no handler of the host runs.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: no pointers; the call does not return.
        let _ = unsafe { syscall(libc::SYS_exit_group, [reg(status), 0, 0, 0, 0, 0]) };
    }
}

// Registers and kernel structures are written for 64-bit machines.
const _: () = assert!(size_of::<usize>() == 8);

/// Reports whether the kernel is at least this version (uname(2)); false if that is unknown.
#[must_use]
pub fn is_linux_at_least(major: u16, minor: u16) -> bool {
    /// The version as two halves. Not 0 at first, for the reason that `SetOnce` gives.
    static VERSION: AtomicU32 = AtomicU32::new(UNKNOWN);
    const UNKNOWN: u32 = 1;
    let mut version = VERSION.load(Ordering::Relaxed);
    if version == UNKNOWN {
        let (major, minor) = linux_version().unwrap_or_default();
        version = u32::from(major) << 16 | u32::from(minor);
        VERSION.store(version, Ordering::Relaxed);
    }
    version >= u32::from(major) << 16 | u32::from(minor)
}

/// Returns the first two numbers of the kernel's release (uname(2)).
fn linux_version() -> Option<(u16, u16)> {
    let mut names = MaybeUninit::<libc::utsname>::uninit();
    let registers = [names.as_mut_ptr() as usize, 0, 0, 0, 0, 0];
    // SAFETY: the kernel writes one struct utsname.
    decode(unsafe { syscall(libc::SYS_uname, registers) }).ok()?;
    // SAFETY: it succeeded, so the kernel has filled it.
    let names = unsafe { names.assume_init_ref() };
    // SAFETY: the kernel ends each field with a zero.
    let release = unsafe { CStr::from_ptr(names.release.as_ptr()) };
    first_two_numbers(release.to_bytes())
}

fn first_two_numbers(release: &[u8]) -> Option<(u16, u16)> {
    let mut numbers = release.split(|byte| !byte.is_ascii_digit());
    let mut number = || str::from_utf8(numbers.next()?).ok()?.parse().ok();
    Some((number()?, number()?))
}

/// Returns the process id. It is not cached: after vfork(2) the child shares our memory but has an
/// id of its own.
#[must_use]
pub fn getpid() -> i32 {
    syscall0(libc::SYS_getpid)
}

/// Reports whether no process `pid` is left to run: it was collected, or has ended and was not
/// collected yet. False if it may not be known.
#[must_use]
pub fn has_ended(pid: i32) -> bool {
    // SAFETY: no pointers; signal 0 is not sent (kill(2)).
    let sent = decode(unsafe { syscall(libc::SYS_kill, [reg(pid), 0, 0, 0, 0, 0]) });
    // A process that was not collected has no memory (process_vm_readv(2)).
    let read = || other_process::read_memory(pid, 0, &mut [0]);
    sent.err() == Some(Errno::ESRCH) || read().err() == Some(Errno::ESRCH)
}

/// Returns the number of the process's PID namespace (pid_namespaces(7)); `None` without /proc. In
/// another one a process id is another process's.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    let path = c"/proc/self/ns/pid".as_ptr() as usize;
    let registers = [reg(libc::AT_FDCWD), path, stat.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: a C string, and the kernel writes one struct stat.
    decode(unsafe { syscall(libc::SYS_newfstatat, registers) }).ok()?;
    // SAFETY: it succeeded, so the kernel has filled it.
    Some(unsafe { stat.assume_init_ref() }.st_ino)
}

/// The value of a limit that is not set.
pub const NO_LIMIT: u64 = libc::RLIM_INFINITY;

/// Returns `RLIMIT_FSIZE` (getrlimit(2)) in bytes; [`NO_LIMIT`] if it is not set.
pub fn file_size_limit() -> Result<u64, Errno> {
    limit(libc::RLIMIT_FSIZE as usize)
}

/// Reports whether the address space is limited (getrlimit(2), `RLIMIT_AS`).
pub(crate) fn is_address_space_limited() -> bool {
    limit(libc::RLIMIT_AS as usize).is_ok_and(|limit| limit != NO_LIMIT)
}

fn limit(resource: usize) -> Result<u64, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let registers = [resource, &raw mut limit as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes one struct rlimit.
    decode(unsafe { syscall(libc::SYS_getrlimit, registers) })?;
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_two_numbers() {
        for (release, version) in [
            ("6.18.0-rc1+deb", Some((6, 18))),
            ("5.4.0", Some((5, 4))),
            ("4.4", Some((4, 4))),
            ("5.10-arch1", Some((5, 10))),
            ("6", None),
            ("", None),
            ("x.y", None),
            ("70000.1", None),
        ] {
            assert_eq!(first_two_numbers(release.as_bytes()), version, "{release}");
        }
        assert!(is_linux_at_least(3, 0) && !is_linux_at_least(1000, 0));
    }
}
