//! What can be done to a call, by the names that the command line and the matrix have for it.

use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails.
    Error(Errno),
    /// It is carried out for at most so much: bytes, or a share such as `50%`.
    Short(String),
    /// It returns 0 and copies nothing.
    Zero,
    /// A signal comes, and the copy ends early for it.
    Signal,
}

/// Names of several faults, as `--faults` and `--must-pass` take them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// `default`, and in `--must-pass` `all`: those that each hook has of its own.
    All,
    /// `short`: of any length.
    AnyShort,
    /// One.
    One(Fault),
}

/// The shortest that a copy can be, and one that is cut in the middle.
const SHORT: [&str; 2] = ["1", "50%"];

/// Of copy_file_range: its manual page's ERRORS, and what filters, old kernels and filesystems answer
/// besides (EACCES, EAGAIN, EDQUOT, EINTR, ENOSYS). First those after which programs are expected to copy
/// by other means.
const COPY: &str = "ENOSYS EXDEV EOPNOTSUPP EPERM EINVAL EINTR EAGAIN EIO ENOSPC EDQUOT EFBIG ENOMEM EOVERFLOW ETXTBSY EBADF EACCES EISDIR";

/// Of ioctl_ficlone(2) and ioctl_fideduperange(2), and what filesystems without them (ENOTTY) and disks
/// (EIO) answer.
const SHARE: &str = "EXDEV EOPNOTSUPP EPERM EINVAL EIO ENOMEM ETXTBSY EBADF EISDIR ENOTTY";

/// Of sendfile(2), but EFAULT, which is a slip of the program's; and what a file as its target adds.
const SEND: &str =
    "ENOSYS EINVAL EINTR EAGAIN EIO ENOSPC EDQUOT EFBIG ENOMEM EOVERFLOW EBADF ESPIPE";

impl Fault {
    /// Those that calls through this hook can meet in practice, in the matrix's order.
    pub(super) fn of(hook: Hook) -> Vec<Fault> {
        let errors = match hook {
            Hook::CopyFileRange | Hook::Syscall => COPY,
            Hook::Ioctl => SHARE,
            Hook::Sendfile | Hook::Sendfile64 => SEND,
        };
        let others = SHORT.map(|most| Fault::Short(most.to_owned())).into_iter();
        let others = others.chain([Fault::Zero, Fault::Signal]);
        let errors = errors.split(' ').filter_map(|name| Errno::by_name(name.as_bytes()));
        errors.map(Fault::Error).chain(others).collect()
    }

    /// Its name in the matrix.
    pub(super) fn name(&self) -> String {
        match self {
            Fault::Error(errno) => errno.name().unwrap_or("?").to_owned(),
            Fault::Short(most) => format!("short={most}"),
            Fault::Zero => "zero".to_owned(),
            Fault::Signal => "signal".to_owned(),
        }
    }

    /// The words of `--inject` that say it.
    pub(super) fn words(&self, signal: &str) -> String {
        match self {
            // Who is interrupted has got a signal.
            Fault::Error(Errno::EINTR) => format!("error=EINTR:signal={signal}"),
            Fault::Error(_) => format!("error={}", self.name()),
            Fault::Short(_) | Fault::Zero => self.name(),
            Fault::Signal => format!("signal={signal}:short=50%"),
        }
    }

    /// Whether every call may meet it: a program gets by, or gives up. After EINTR and EAGAIN it is right to
    /// try again and again, and byte by byte a large copy takes for ever.
    pub(super) fn may_last(&self) -> bool {
        match self {
            Fault::Error(errno) => *errno != Errno::EINTR && *errno != Errno::EAGAIN,
            Fault::Short(most) => most != "1",
            Fault::Zero | Fault::Signal => true,
        }
    }

    /// Whether `signal` is sent with it.
    pub(super) fn sends(&self) -> bool {
        matches!(self, Fault::Signal | Fault::Error(Errno::EINTR))
    }
}

impl Word {
    /// The faults or groups of faults of this name; `None` where there is none.
    pub(super) fn by_name(name: &str) -> Option<Word> {
        Some(match name {
            "default" | "all" => Word::All,
            "short" => Word::AnyShort,
            "zero" => Word::One(Fault::Zero),
            "signal" => Word::One(Fault::Signal),
            name => match name.strip_prefix("short=") {
                Some(most) => Word::One(Fault::Short(most.to_owned())),
                None => Word::One(Fault::Error(Errno::by_name(name.as_bytes())?)),
            },
        })
    }

    /// Whether it means `fault` too.
    pub(super) fn means(&self, fault: &Fault) -> bool {
        match self {
            Word::All => true,
            Word::AnyShort => matches!(fault, Fault::Short(_)),
            Word::One(one) => one == fault,
        }
    }

    /// The faults that it means at this hook, where it says what is to be tried.
    pub(super) fn faults(&self, hook: Hook) -> Vec<Fault> {
        match self {
            Word::All => Fault::of(hook),
            Word::AnyShort => SHORT.map(|most| Fault::Short(most.to_owned())).into(),
            Word::One(fault) => vec![fault.clone()],
        }
    }
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
