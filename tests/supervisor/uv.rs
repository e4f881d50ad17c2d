//! uv: it copies by the crates reflink-copy and std, the first one by system call instructions (rustix).

use super::{strace, trace};
use cfr_testkit::{Filesystems, Run, Scratch, find_program, launcher, parse_call, skip};
use std::fs;

/// Writes a wheel of five files: `make_wheel.py WHEEL`.
const MAKE_WHEEL: &str = "import sys, zipfile\n\
    with zipfile.ZipFile(sys.argv[1], 'w') as wheel:\n\
    \x20   wheel.writestr('small/__init__.py', 'x = 1\\n' * 2000)\n\
    \x20   wheel.writestr('small/data', 'y' * 50_000)\n\
    \x20   info = 'small-1.0.dist-info/'\n\
    \x20   wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: small\\nVersion: 1.0\\n')\n\
    \x20   wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
    \x20   wheel.writestr(info + 'RECORD', ',,\\n'.join(wheel.namelist() + [info + 'RECORD', '']))\n";
const WHEEL: &str = "small-1.0-py3-none-any.whl";
const FILES: usize = 5;

/// Returns calls in the order of their words, without the names that uv makes up in its cache: its
/// installation takes the files in any order.
fn in_order(calls: &[String]) -> Vec<String> {
    const BEFORE: &str = "/archive-v0/";
    let mut calls: Vec<_> = calls
        .iter()
        .map(|call| match call.split_once(BEFORE) {
            Some((start, rest)) => {
                format!("{start}{BEFORE}{}", rest.split_once('/').map_or(rest, |(_, file)| file))
            }
            None => call.clone(),
        })
        .collect();
    calls.sort();
    calls
}

/// The clone's reflinks are the supervisor's, the copies those of a C library's function.
#[test]
fn uv_makes_the_calls_that_strace_sees() {
    let test = "supervisor::uv::uv_makes_the_calls_that_strace_sees";
    let (Some(uv), Some(python)) = (find_program("uv"), find_program("python3")) else {
        return skip(test, "uv or python3 is not installed");
    };
    let filesystems = Filesystems::mount(test);
    for (name, place) in filesystems.iter().filter(|(name, _)| ["btrfs", "xfs"].contains(name)) {
        let scratch = Scratch::below(place);
        Run::bare(&python).args(["-c", MAKE_WHEEL]).args([scratch.file(WHEEL)]).ok();
        for (mode, call, count) in
            [("clone", "FICLONE", FILES), ("copy", "copy_file_range(", 2 * FILES)]
        {
            let mut command = vec![uv.to_str().unwrap(), "pip", "install", "--quiet", "--offline"];
            command.extend(["--no-index", "--no-config", "--cache-dir", "cache", "--target", "to"]);
            command.extend(["--python", python.to_str().unwrap(), "--link-mode", mode, WHEEL]);
            let again = || {
                for directory in ["cache", "to"] {
                    let _ = fs::remove_dir_all(scratch.file(directory));
                }
            };
            let bare = strace::calls_of(&command, scratch.path());
            again();
            let log = scratch.file("log");
            let _ = fs::remove_file(&log);
            trace(&log, &[]).args(&command).within(scratch.path()).ok();
            let log = fs::read_to_string(log).unwrap();
            let calls: Vec<_> = log.lines().filter_map(parse_call).collect();
            if let Some(bare) = bare {
                let logged = strace::logged_calls(&calls);
                let about = format!("{name} {mode}");
                strace::assert_same(&in_order(&logged), &in_order(&bare), &about);
            }
            let copies: Vec<_> = calls.iter().filter(|logged| logged.contains(call)).collect();
            assert_eq!((copies.len(), calls.len()), (count, count), "{name} {mode}: {log}");
            let is_supervised = |call: &&String| call.ends_with(" = 0 (reflink, supervised)");
            assert!(mode != "clone" || copies.iter().all(is_supervised), "{name}: {log}");
            assert_eq!(fs::read(scratch.file("to/small/data")).unwrap(), [b'y'; 50_000]);
            again();
            let expected = format!("calls={count}");
            let run = Run::bare(launcher()).args(["run", "--reach", "all", "--expect", &expected]);
            let run = run.args(["--expect", "no error", "--"]).args(&command);
            assert_eq!(run.within(scratch.path()).ok().stderr, "", "{name} {mode}");
            again();
        }
    }
}
