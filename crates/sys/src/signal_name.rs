//! Signals by name.

/// The names of 1 to 31 without `SIG`: asm-generic/signal.h, which x86-64 and aarch64 share.
const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD \
                     CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// `SIGRTMIN` of the C library, which keeps the two before it for itself: signal(7).
const FIRST_REAL_TIME: i32 = 34;
/// `SIGRTMAX`.
const LAST: i32 = 64;

/// The signal of that name or number; with `SIG` before it or without, as strace(1) takes them. None of
/// the C library's own.
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
    fn names_are_those_of_the_c_library() {
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
