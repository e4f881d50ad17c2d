//! The cookie (`CFR_COOKIE`): every system call of the library's own that the launcher's seccomp filter
//! would stop has it, and no other call is changed.

use cfr_testkit::{Filesystems, Run, Scratch, compile};
use std::fs;
use std::path::Path;

const COOKIE: &str = "0x5ca1ab1e";
const OTHER: &str = "0x5ca1ab1f";
/// Filesystems that share blocks.
const KINDS: [&str; 2] = ["btrfs", "xfs"];

/// Variables of the environment.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Makes every kind of call below `directory`, under a filter that expects [`COOKIE`] if there is an
/// `action` for calls without it. Returns the driver's output.
fn calls(directory: &Path, action: Option<&str>, variables: Variables) -> String {
    let driver = compile("drivers/marked_calls.c", "marked_calls", &[]);
    let filter = compile("drivers/cookie_filter.c", "cookie_filter", &[]);
    let scratch = Scratch::below(directory);
    let logs = Scratch::new();
    let mut run = match action {
        Some(action) => Run::preloaded(filter).args([COOKIE, action]).args([&driver]),
        None => Run::preloaded(&driver),
    };
    run = run.env("CFR_LOG_FILE", logs.file("log"));
    for (variable, value) in variables {
        run = run.env(variable, value);
    }
    let output = run.within(scratch.path()).ok();
    assert_eq!(output.stderr, "", "{variables:?}");
    // The calls that the next library makes are left to the supervisor, which the cookie tells of.
    let is_left = variables.contains(&("CFR_FORWARD", "next"));
    if variables.contains(&("CFR_LOG", "info")) && !is_left {
        assert!(!fs::read(logs.file("log")).unwrap().is_empty(), "{variables:?}");
    }
    output.stdout
}

/// The filter kills a process whose call has no cookie.
#[test]
fn every_call_of_the_library_has_the_cookie() {
    let filesystems =
        Filesystems::mount("preload::cookie::every_call_of_the_library_has_the_cookie");
    let settings: [Variables; 19] = [
        &[],
        &[("CFR_LOG_FORMAT", "json")],
        &[("CFR_SUMMARY", "/dev/null")],
        &[("CFR_SHARED", "yes")],
        &[("CFR_VERIFY", "yes")],
        &[("CFR_BACKEND", "emulate")],
        &[("CFR_BACKEND", "emulate"), ("CFR_VERIFY", "yes")],
        &[("CFR_DEFAULT_FLAGS", "COPY_FR_REFLINK")],
        &[("CFR_DEFAULT_FLAGS", "COPY_FR_DEDUP")],
        &[("CFR_HOOKS", "copy_file_range")],
        &[("CFR_HOOKS", "syscall,sendfile64")],
        &[("CFR_INJECT", "short=50%")],
        &[("CFR_INJECT", "short=1:hook=ioctl,sendfile;zero:hook=syscall")],
        &[("CFR_INJECT", "error=ENOSYS:hook=copy_file_range")],
        &[("CFR_INJECT", "delay_enter=1:hook=sendfile")],
        &[("CFR_DIALECT", "proposal-2015")],
        &[("CFR_DIALECT", "linux-5.3")],
        &[("CFR_DIALECT", "freebsd-14")],
        &[("CFR_DIALECT", "glibc-2.27")],
    ];
    for name in KINDS {
        let Some(directory) = filesystems.get(name) else { continue };
        for variables in settings {
            for log in ["off", "info", "trace"] {
                let variables = [&[("CFR_LOG", log)], variables].concat();
                let with_cookie = [&variables[..], &[("CFR_COOKIE", COOKIE)]].concat();
                let free = calls(directory, None, &variables);
                let marked = calls(directory, Some("kill"), &with_cookie);
                assert_eq!(marked, free, "{name} {variables:?}");
            }
        }
    }
}

/// A decimal number is the same cookie.
#[test]
fn without_the_right_cookie_every_call_is_stopped() {
    let directory = Scratch::new();
    let stopped = |action, variables: Variables| {
        let output = calls(directory.path(), action, variables);
        let lines: Vec<_> = output.lines().filter(|line| !line.starts_with("# ")).collect();
        let stopped = lines.iter().filter(|line| line.ends_with(": EXFULL")).count();
        assert_eq!(lines.len(), 14);
        stopped
    };
    for log in ["off", "info"] {
        for (cookie, count) in
            [("", 14), (OTHER, 14), ("1", 14), (COOKIE, 0), ("1554098974", 0), ("0x005ca1ab1e", 0)]
        {
            let variables = [("CFR_LOG", log), ("CFR_COOKIE", cookie)];
            assert_eq!(stopped(Some("refuse"), &variables), count, "{variables:?}");
            assert_eq!(stopped(None, &variables), 0, "{variables:?}");
        }
        // The next library's functions make calls of their own.
        let next = [("CFR_LOG", log), ("CFR_COOKIE", COOKIE), ("CFR_FORWARD", "next")];
        assert_eq!(stopped(Some("refuse"), &next), 14);
    }
}
