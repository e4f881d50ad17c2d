//! The host process: privileges, limits, its id and its end.

use crate::auxv::auxiliary_value;
use crate::errno::Errno;
use crate::other_process;
use crate::raw::{decode, reg, syscall, syscall0};
use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;

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
