//! What the kernel does with copy_file_range(2), whatever its release says: filters hide calls, and
//! distributions carry changes back.

use super::fact::{Fact, Finding};
use super::temporary::Temporary;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Range};
use std::fs::File;
use std::os::fd::AsRawFd;

/// What there is to know of it.
pub(super) fn facts() -> Vec<Fact> {
    let call = call();
    let reaches = call.errno.is_none();
    let release = rustix::system::uname();
    vec![
        Fact {
            key: "release",
            label: "release",
            finding: Finding::name(release.release().to_string_lossy().into_owned()),
        },
        Fact { key: "copy_file_range", label: "copy_file_range", finding: call },
        Fact { key: "seccomp_filter", label: "seccomp filter", finding: filter() },
        Fact {
            key: "behaves_as",
            label: "behaves as",
            finding: if reaches {
                behaviour().unwrap_or_else(Finding::untried)
            } else {
                Finding::unknown("the call does not get through")
            },
        },
    ]
}

/// Whether the call exists: with descriptors that are none the kernel says EBADF, and a filter what
/// it says of every call.
fn call() -> Finding {
    match sys::copy_range(&Range { fd_in: -1, off_in: 0, fd_out: -1, off_out: 0, len: 1 }) {
        Err(Errno::EBADF) => Finding::yes(),
        Err(Errno::ENOSYS) => Finding::refused(Errno::ENOSYS)
            .with_note("the kernel has no such call (before 4.5), or a seccomp filter says so"),
        Err(Errno::EPERM) => {
            Finding::refused(Errno::EPERM).with_note("a seccomp filter hides the call")
        }
        Err(errno) => Finding::refused(errno).with_note("the kernel would say EBADF"),
        Ok(_) => Finding::no().with_note("a copy between no files succeeds: not the kernel's call"),
    }
}

/// Whether some filter looks at the system calls of this process (proc_pid_status(5)).
fn filter() -> Finding {
    const FILTERED: &str = "2";
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.lines().find_map(|line| line.strip_prefix("Seccomp:")) {
        Some(mode) if mode.trim() == FILTERED => Finding::yes(),
        Some(_) => Finding::no(),
        None => Finding::unknown("/proc/self/status does not say"),
    }
}

/// Which kernels it behaves as. Tried: no call across filesystems succeeds from 5.19 on and before
/// 5.3; overlapping ranges are refused from 5.3 on.
fn behaviour() -> Result<Finding, Errno> {
    let memory = Temporary::in_memory()?;
    memory.write(b"ab", 0)?;
    let fd = memory.fd();
    let other = File::open("/proc/self/status").map_err(|error| super::fact::errno(&error))?;
    // No bytes: every check is made, and nothing is moved.
    let across = Range { fd_in: other.as_raw_fd(), off_in: 0, fd_out: fd, off_out: 0, len: 0 };
    let overlapping = Range { fd_in: fd, off_in: 0, fd_out: fd, off_out: 1, len: 2 };
    Ok(match (sys::copy_range(&across), sys::copy_range(&overlapping)) {
        (Ok(_), Err(Errno::EINVAL)) => Finding::name("5.3 to 5.18")
            .with_note("between filesystems it copies, or returns 0 where it cannot"),
        (Err(Errno::EXDEV), Err(Errno::EINVAL)) => Finding::name("5.19 and later")
            .with_note("EXDEV between filesystems that do not share a copy of their own"),
        (Err(Errno::EXDEV), Ok(_)) => Finding::name("before 5.3")
            .with_note("EXDEV between filesystems; overlapping ranges are not refused"),
        (Err(errno), _) | (_, Err(errno)) => {
            Finding::unknown("like no kernel that cfr knows").with_errno(errno)
        }
        _ => Finding::unknown("like no kernel that cfr knows"),
    })
}
