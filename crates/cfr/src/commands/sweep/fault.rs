//! Faults, by their names on the command line and in the matrix.

use super::calls::Counted;
use cfr_engine::hook::Hook;
use cfr_shared::inject::Faults;
use cfr_sys::errno::Errno;
use std::fmt::{self, Display, Formatter};

/// What one case does to the calls that it chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call fails.
    Error(Errno),
    /// The call copies at most this much: bytes, or a percentage such as `50%`.
    Short(String),
    /// The call returns 0 and copies nothing.
    Zero,
    /// A signal interrupts the call, which copies only a part.
    Signal,
}

/// A name in `--faults` or `--must-pass`, which may stand for several faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FaultName {
    /// `default`, and in `--must-pass` also `all`: the faults that each hook is known for.
    All,
    /// `short`, of any length.
    AnyShort,
    One(Fault),
}

/// The shortest copy, and half of one.
const SHORT: [&str; 2] = ["1", "50%"];

/// Errors of copy_file_range: the ERRORS of its manual page, and those of filters, old kernels and
/// filesystems (EACCES, EAGAIN, EDQUOT, EINTR, ENOSYS). Those after which a program is expected to
/// copy by other means come first.
const COPY: &str = "ENOSYS EXDEV EOPNOTSUPP EPERM EINVAL EINTR EAGAIN EIO ENOSPC EDQUOT EFBIG ENOMEM EOVERFLOW ETXTBSY EBADF EACCES EISDIR";

/// Errors of ioctl_ficlone(2) and ioctl_fideduperange(2), and those of filesystems without reflinks
/// (ENOTTY) and of disks (EIO).
const SHARE: &str = "EXDEV EOPNOTSUPP EPERM EINVAL EIO ENOMEM ETXTBSY EBADF EISDIR ENOTTY";

/// Errors of sendfile(2) without EFAULT, which is a bug of the program, and those of a file as
/// target.
const SEND: &str =
    "ENOSYS EINVAL EINTR EAGAIN EIO ENOSPC EDQUOT EFBIG ENOMEM EOVERFLOW EBADF ESPIPE";

impl Fault {
    /// Returns the faults that a hook is known for, in the order of the matrix.
    pub(super) fn of(hook: Hook) -> Vec<Fault> {
        let errors = match hook {
            Hook::CopyFileRange | Hook::Syscall | Hook::Seccomp => COPY,
            Hook::Ioctl => SHARE,
            Hook::Sendfile | Hook::Sendfile64 => SEND,
        };
        let others = SHORT
            .map(|most| Fault::Short(most.to_owned()))
            .into_iter()
            .chain([Fault::Zero, Fault::Signal]);
        let errors = errors.split(' ').filter_map(|name| Errno::by_name(name.as_bytes()));
        errors.map(Fault::Error).chain(others).collect()
    }

    /// Returns the name in the matrix.
    pub(super) fn name(&self) -> String {
        match self {
            Fault::Error(errno) => errno.name().unwrap_or("?").to_owned(),
            Fault::Short(most) => format!("short={most}"),
            Fault::Zero => "zero".to_owned(),
            Fault::Signal => "signal".to_owned(),
        }
    }

    /// Returns the fault as `--inject` takes it, without position.
    pub(super) fn expression(&self, signal: &str) -> String {
        match self {
            // A call returns EINTR only after a signal.
            Fault::Error(Errno::EINTR) => format!("error=EINTR:signal={signal}"),
            Fault::Error(_) => format!("error={}", self.name()),
            Fault::Short(_) | Fault::Zero => self.name(),
            Fault::Signal => format!("signal={signal}:short=50%"),
        }
    }

    /// Reports whether the fault may hit every call. A program may retry after EINTR and EAGAIN for
    /// ever, and a large copy takes too long byte by byte.
    pub(super) fn may_last(&self) -> bool {
        match self {
            Fault::Error(errno) => *errno != Errno::EINTR && *errno != Errno::EAGAIN,
            Fault::Short(most) => most != "1",
            Fault::Zero | Fault::Signal => true,
        }
    }

    /// Returns the calls that it counts.
    pub(super) fn counted(&self) -> Counted {
        match self {
            Fault::Error(_) => Counted::All,
            Fault::Zero => Counted::Partial,
            Fault::Short(_) | Fault::Signal => Counted::Moving,
        }
    }

    /// Reports whether a program can go on by the same call.
    pub(super) fn can_be_repeated(&self) -> bool {
        match self {
            Fault::Error(errno) => matches!(*errno, Errno::EINTR | Errno::EAGAIN),
            Fault::Short(_) | Fault::Signal => true,
            Fault::Zero => false,
        }
    }

    /// Reports whether the fault sends the signal.
    pub(super) fn sends(&self) -> bool {
        matches!(self, Fault::Signal | Fault::Error(Errno::EINTR))
    }
}

impl FaultName {
    /// Returns the faults of this name; `None` if the name is unknown.
    pub(super) fn by_name(name: &str) -> Option<FaultName> {
        Some(match name {
            "default" | "all" => FaultName::All,
            "short" => FaultName::AnyShort,
            "zero" => FaultName::One(Fault::Zero),
            "signal" => FaultName::One(Fault::Signal),
            name => match name.strip_prefix("short=") {
                Some(most) => FaultName::One(short(most)?),
                None => FaultName::One(Fault::Error(Errno::by_name(name.as_bytes())?)),
            },
        })
    }

    /// Reports whether it is the name of one fault.
    pub(super) fn is_one(&self) -> bool {
        matches!(self, FaultName::One(_))
    }

    /// Reports whether the name stands for `fault` too.
    pub(super) fn stands_for(&self, fault: &Fault) -> bool {
        match self {
            FaultName::All => true,
            FaultName::AnyShort => matches!(fault, Fault::Short(_)),
            FaultName::One(one) => one == fault,
        }
    }

    /// Returns the faults to try at this hook.
    pub(super) fn faults(&self, hook: Hook) -> Vec<Fault> {
        match self {
            FaultName::All => Fault::of(hook),
            FaultName::AnyShort => SHORT.map(|most| Fault::Short(most.to_owned())).into(),
            FaultName::One(fault) => vec![fault.clone()],
        }
    }
}

impl Display for FaultName {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            FaultName::All => f.write_str("all"),
            FaultName::AnyShort => f.write_str("short"),
            FaultName::One(fault) => f.write_str(&fault.name()),
        }
    }
}

/// Returns the fault `short=` with this value; `None` if the value is invalid.
fn short(most: &str) -> Option<Fault> {
    let fault = Fault::Short(most.to_owned());
    // Nothing else may follow: a condition, or another fault.
    let is_word = most.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'%');
    (is_word && Faults::parse(fault.name().as_bytes()).is_ok()).then_some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_an_error() {
        for name in [COPY, SHARE, SEND].iter().flat_map(|names| names.split(' ')) {
            assert!(Errno::by_name(name.as_bytes()).is_some(), "{name}");
        }
    }
}
