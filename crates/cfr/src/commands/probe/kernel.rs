//! The behavior of copy_file_range(2) in this kernel. The release alone does not tell: seccomp
//! filters hide calls, and distributions backport changes.

use super::fact::{Fact, Finding};
use super::kept_answers;
use super::temporary::UnnamedFile;
use crate::run::filter;
use crate::run::reach::takes_privileges;
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Range};
use std::fs::File;
use std::os::fd::AsRawFd;

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
                Finding::unknown("the call does not reach the kernel")
            },
        },
        Fact { key: "supervisor", label: "supervisor", finding: supervisor() },
        Fact {
            key: "keeps_answers",
            label: "keeps answers",
            finding: if reaches {
                kept_answers::finding()
            } else {
                Finding::unknown("the call does not reach the kernel")
            },
        },
    ]
}

/// Reports whether the call exists: for closed descriptors the kernel returns EBADF, and a seccomp
/// filter the error that it returns for every such call.
fn call() -> Finding {
    match sys::copy_range(&Range { fd_in: -1, off_in: 0, fd_out: -1, off_out: 0, len: 1 }) {
        Err(Errno::EBADF) => Finding::yes(),
        Err(Errno::ENOSYS) => Finding::refused(Errno::ENOSYS)
            .with_note("the kernel has no such call (before 4.5), or a seccomp filter hides it"),
        Err(Errno::EPERM) => {
            Finding::refused(Errno::EPERM).with_note("a seccomp filter hides the call")
        }
        Err(errno) => Finding::refused(errno).with_note("the kernel would return EBADF"),
        Ok(_) => Finding::no()
            .with_note("a copy between closed descriptors succeeds: not the kernel's call"),
    }
}

/// Reports whether a seccomp filter applies to this process (proc_pid_status(5)).
fn filter() -> Finding {
    const FILTERED: &str = "2";
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.lines().find_map(|line| line.strip_prefix("Seccomp:")) {
        Some(mode) if mode.trim() == FILTERED => Finding::yes(),
        Some(_) => Finding::no(),
        None => Finding::unknown("not in /proc/self/status"),
    }
}

/// Reports whether a supervisor can stop copies (cfr-trace(1), `--reach`).
fn supervisor() -> Finding {
    let takes_privileges = takes_privileges();
    match filter::try_out(takes_privileges) {
        Err(error) => Finding::untried(super::fact::errno(&error)),
        Ok(Ok(())) if takes_privileges => {
            Finding::yes().with_note("set-user-ID programs get no privileges then (no_new_privs)")
        }
        Ok(Ok(())) => Finding::yes(),
        Ok(Err(Errno::EBUSY)) => Finding::refused(Errno::EBUSY)
            .with_note("this process has one already, and can have no second"),
        Ok(Err(Errno::EINVAL)) => {
            Finding::refused(Errno::EINVAL).with_note("the kernel is older than 5.19")
        }
        Ok(Err(errno)) => Finding::refused(errno),
    }
}

/// Returns the kernel versions that behave as this one. From 5.3 to 5.18 copies across filesystems
/// succeed; since 5.3 overlapping ranges are refused.
fn behaviour() -> Result<Finding, Errno> {
    let memory = UnnamedFile::in_memory()?;
    memory.write(b"ab", 0)?;
    let fd = memory.fd();
    let other = File::open("/proc/self/status").map_err(|error| super::fact::errno(&error))?;
    // A length of 0: the kernel makes every check and copies nothing.
    let across = Range { fd_in: other.as_raw_fd(), off_in: 0, fd_out: fd, off_out: 0, len: 0 };
    let overlapping = Range { fd_in: fd, off_in: 0, fd_out: fd, off_out: 1, len: 2 };
    Ok(match (sys::copy_range(&across), sys::copy_range(&overlapping)) {
        (Ok(_), Err(Errno::EINVAL)) => Finding::name("5.3 to 5.18")
            .with_note("across filesystems it copies, or returns 0 if it cannot"),
        (Err(Errno::EXDEV), Err(Errno::EINVAL)) => Finding::name("5.19 and later")
            .with_note("EXDEV across filesystems that do not share a copy operation"),
        (Err(Errno::EXDEV), Ok(_)) => Finding::name("before 5.3")
            .with_note("EXDEV across filesystems; overlapping ranges are not refused"),
        (Err(errno), _) | (_, Err(errno)) => {
            Finding::unknown("no known kernel behaves like this").with_errno(errno)
        }
        _ => Finding::unknown("no known kernel behaves like this"),
    })
}
