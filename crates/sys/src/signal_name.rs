//! Signal numbers by name.

/// Names of signals 1 to 31 without `SIG`, from asm-generic/signal.h, which x86-64 and aarch64
/// share.
const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD \
                     CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// `SIGRTMIN` of glibc, which keeps 32 and 33 for itself (signal(7)).
const FIRST_REAL_TIME: i32 = 34;
const LAST: i32 = 64;

/// Returns the signal with this name or number; the prefix `SIG` is optional, as in strace(1).
/// `None` for 32 and 33, which glibc uses.
#[must_use]
pub fn by_name(name: &[u8]) -> Option<i32> {
    let word = core::str::from_utf8(name).ok()?;
    let bare = word.strip_prefix("SIG").unwrap_or(word);
    if let Some(after) = bare.strip_prefix("RTMIN") {
        let further = match after.strip_prefix('+') {
            Some(digits) => digits.parse::<u8>().ok()?,
            None if after.is_empty() => 0,
            None => return None,
        };
        return usable(FIRST_REAL_TIME + i32::from(further));
    }
    let known = NAMES.split(' ').zip(1..).find(|(known, _)| *known == bare);
    known.map(|(_, number)| number).or_else(|| usable(word.parse().ok()?))
}

fn usable(number: i32) -> Option<i32> {
    matches!(number, 1..=31 | FIRST_REAL_TIME..=LAST).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_numbers_of_the_c_library() {
        for (name, number) in [
            ("HUP", libc::SIGHUP),
            ("SIGKILL", libc::SIGKILL),
            ("SIGUSR1", libc::SIGUSR1),
            ("STKFLT", libc::SIGSTKFLT),
            ("SIGCHLD", libc::SIGCHLD),
            ("URG", libc::SIGURG),
            ("SIGXFSZ", libc::SIGXFSZ),
            ("WINCH", libc::SIGWINCH),
            ("IO", libc::SIGIO),
            ("SIGSYS", libc::SIGSYS),
            ("SIGRTMIN", libc::SIGRTMIN()),
            ("RTMIN+3", libc::SIGRTMIN() + 3),
            ("10", libc::SIGUSR1),
            ("64", libc::SIGRTMAX()),
        ] {
            assert_eq!(by_name(name.as_bytes()), Some(number), "{name}");
        }
        for name in
            ["", "SIG", "0", "32", "33", "65", "RTMIN+31", "RTMIN+", "usr1", "RTMIN-1", "\u{e9}"]
        {
            assert_eq!(by_name(name.as_bytes()), None, "{name}");
        }
    }
}
