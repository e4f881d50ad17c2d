//! cfr_stats: what this process has copied so far.

use super::sized::{self, SizedStruct};
use super::text::method_number;
use crate::runtime;
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_shared::stats::{Counter, Stats};
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use core::ffi::c_int;

/// copy_file_range, and cfr_copy.
pub const CFR_HOOK_COPY_FILE_RANGE: c_int = 0;
/// syscall with SYS_copy_file_range.
pub const CFR_HOOK_SYSCALL: c_int = 1;
/// ioctl with FICLONE, FICLONERANGE or FIDEDUPERANGE.
pub const CFR_HOOK_IOCTL: c_int = 2;
/// sendfile to a regular file or a block device.
pub const CFR_HOOK_SENDFILE: c_int = 3;
/// sendfile64 to a regular file or a block device.
pub const CFR_HOOK_SENDFILE64: c_int = 4;

/// The calls of watched hooks in this process. A linked library watches copy_file_range; the setting
/// "hooks" adds others.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cfr_stats {
    /// sizeof(struct cfr_stats), set by the program.
    pub size: usize,
    /// Calls that have begun.
    pub calls: u64,
    /// Calls of these that have not ended.
    pub unfinished: u64,
    /// Calls that failed; for FIDEDUPERANGE targets that failed.
    pub errors: u64,
    /// Bytes that were copied or shared.
    pub bytes: u64,
    /// Calls that have ended, by CFR_METHOD_KERNEL, ...; for FIDEDUPERANGE targets.
    pub method_calls: [u64; 8],
    /// Their bytes.
    pub method_bytes: [u64; 8],
    /// Calls that have ended, by CFR_HOOK_COPY_FILE_RANGE, ...
    pub hook_calls: [u64; 8],
}

// SAFETY: `repr(C)`, begins with its size, and has a member in each byte; all are integers.
unsafe impl SizedStruct for cfr_stats {
    const ZEROS: cfr_stats = cfr_stats {
        size: 0,
        calls: 0,
        unfinished: 0,
        errors: 0,
        bytes: 0,
        method_calls: [0; 8],
        method_bytes: [0; 8],
        hook_calls: [0; 8],
    };
}

/// Fills `stats` with what this process has copied since it set "stats" to "yes" (cfr_configure), or
/// since it was started with CFR_SUMMARY. A child that was forked begins at zero.
///
/// Returns 0, or -1 with errno set: ENODATA if nothing is counted, EINVAL if `stats` is NULL or has no
/// size, E2BIG if its size is more than 4096. May be called by any thread and in a signal handler.
#[unsafe(no_mangle)]
pub extern "C" fn cfr_stats(stats: *mut cfr_stats) -> c_int {
    // SAFETY: the program passes a struct that is as large as it says, or NULL.
    match unsafe { fill(stats) } {
        Ok(()) => 0,
        Err(errno) => {
            sys::set_errno(errno);
            -1
        }
    }
}

/// # Safety
///
/// The pointer is NULL, or points to a struct that is as large as it says.
unsafe fn fill(stats: *mut cfr_stats) -> Result<(), Errno> {
    if stats.is_null() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the caller vouches for it.
    let size = unsafe { sized::size_of_program(stats) }?;
    let counted = runtime::get().and_then(|it| it.collectors.own).ok_or(Errno::ENODATA)?;
    // SAFETY: likewise.
    unsafe { sized::write(stats, size, &read(&counted)) };
    Ok(())
}

fn read(stats: &Stats) -> cfr_stats {
    let mut all = cfr_stats {
        size: size_of::<cfr_stats>(),
        calls: stats.get(Counter::Calls),
        unfinished: stats.unfinished(),
        errors: stats.errors().map(|(_, count)| count).fold(0, u64::saturating_add),
        bytes: stats.bytes(),
        ..cfr_stats::ZEROS
    };
    for method in Method::ALL {
        let at = usize::try_from(method_number(method)).unwrap_or(usize::MAX);
        let totals = stats.method_totals(method);
        if let (Some(calls), Some(bytes)) =
            (all.method_calls.get_mut(at), all.method_bytes.get_mut(at))
        {
            (*calls, *bytes) = totals;
        }
    }
    for hook in Hook::ALL {
        let at = hook_number(hook).and_then(|number| usize::try_from(number).ok());
        if let Some(calls) = at.and_then(|at| all.hook_calls.get_mut(at)) {
            *calls = stats.hook_calls(hook);
        }
    }
    all
}

/// Returns the number of a hook in C; `None` if no call of this process comes through it.
fn hook_number(hook: Hook) -> Option<c_int> {
    Some(match hook {
        Hook::CopyFileRange => CFR_HOOK_COPY_FILE_RANGE,
        Hook::Syscall => CFR_HOOK_SYSCALL,
        Hook::Ioctl => CFR_HOOK_IOCTL,
        Hook::Sendfile => CFR_HOOK_SENDFILE,
        Hook::Sendfile64 => CFR_HOOK_SENDFILE64,
        Hook::Seccomp => return None,
    })
}
