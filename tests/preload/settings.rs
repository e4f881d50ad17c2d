//! The settings of a process that is preloaded without the launcher, or linked with the library.

use cfr_shared::settings::{Setting, TABLE, Values};
use cfr_shared::stats::Stats;
use cfr_sys::Mark;
use cfr_testkit::{Output, Run, Scratch, compile, find_program, library, project, read_json, skip};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const SIZE: usize = 5000;
/// The end of a line whose call copied the whole file.
const WHOLE: &str = " = 5000 (kernel)";

/// A source and a target path.
struct SettingsFiles {
    scratch: Scratch,
    from: PathBuf,
    to: PathBuf,
}

impl SettingsFiles {
    fn new() -> SettingsFiles {
        let scratch = Scratch::new();
        SettingsFiles { from: scratch.random("a", SIZE), to: scratch.file("b"), scratch }
    }

    /// Prepares the copier, preloaded, with one call through each of these hooks.
    fn copier(&self, hooks: &[&str]) -> Run {
        let mut run = Run::preloaded(copier());
        for hook in hooks {
            run = run.args([OsStr::new(hook), self.from.as_os_str(), self.to.as_os_str()]);
        }
        run
    }

    /// Makes one copy through the C library's wrapper, checks that it is correct, and returns the
    /// output.
    #[track_caller]
    fn copy_with(&self, variables: &[(&str, &OsStr)]) -> Output {
        let mut run = self.copier(&["copy"]);
        for (variable, value) in variables {
            run = run.env(variable, value);
        }
        let output = run.args(["exit", "3"]).output();
        assert_eq!(output.status, Some(3), "{output:#?}");
        assert_eq!(output.stdout, "5000\n", "{output:#?}");
        assert!(fs::read(&self.from).unwrap() == fs::read(&self.to).unwrap());
        output
    }
}

/// c-tests/drivers/scripted_calls.c.
fn copier() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| compile("drivers/scripted_calls.c", "settings_copy", &[]));
    &PROGRAM
}

/// Returns the hooks through which whole copies were logged.
fn hooks(output: &Output) -> Vec<&'static str> {
    let calls = output.calls();
    let whole = calls.iter().filter(|call| call.ends_with(WHOLE));
    let hook = |call: &String| match call {
        call if call.starts_with("copy_file_range(") => "copy_file_range",
        call if call.starts_with("syscall(SYS_copy_file_range, ") => "syscall",
        call => panic!("{call}"),
    };
    whole.map(hook).collect()
}

/// Returns the lines that are not calls.
fn others(output: &Output) -> Vec<&str> {
    let calls = output.calls();
    output.stderr.lines().filter(|line| !calls.iter().any(|call| line.contains(call))).collect()
}

/// An invalid value of `setting`.
fn unusable(setting: &Setting) -> Vec<u8> {
    match setting.values {
        Values::OneOf(_) | Values::SomeOf(_) | Values::Errors | Values::Faults | Values::Cookie => {
            b"sideways".to_vec()
        }
        Values::Template | Values::SwitchOrTemplate => b"/tmp/%q".to_vec(),
        // Longer than any path.
        Values::Path => vec![b'x'; 4096],
    }
}

/// Returns what is said about that value.
fn reason(setting: &Setting) -> String {
    match setting.values {
        Values::Path => "too long (at most 4095 bytes)".to_owned(),
        _ => format!("expected {}", setting.values),
    }
}

// Invalid values.

#[test]
fn an_invalid_value_is_warned_of_once_and_the_default_applies() {
    let files = SettingsFiles::new();
    for setting in &TABLE {
        let value = unusable(setting);
        let output = files.copy_with(&[(setting.variable, OsStr::from_bytes(&value))]);
        assert_eq!(hooks(&output), ["copy_file_range"], "{}: {output:#?}", setting.variable);
        let warnings = others(&output);
        assert_eq!(warnings.len(), 1, "{}: {output:#?}", setting.variable);
        let shown = String::from_utf8_lossy(&value[..value.len().min(50)]);
        assert!(
            warnings[0].starts_with(&format!("cfr: invalid value '{shown}"))
                && warnings[0].contains(&format!("' for {}", setting.variable))
                && warnings[0].contains(&reason(setting))
                && warnings[0].ends_with(&format!("; using the default: {}", setting.default)),
            "{}: {output:#?}",
            setting.variable
        );
    }
}

#[test]
fn every_invalid_value_has_its_own_warning() {
    let files = SettingsFiles::new();
    let values: Vec<_> =
        TABLE.iter().map(|setting| (setting.variable, unusable(setting))).collect();
    let variables: Vec<_> =
        values.iter().map(|(variable, value)| (*variable, OsStr::from_bytes(value))).collect();
    let output = files.copy_with(&variables);
    let warnings = others(&output);
    assert_eq!(warnings.len(), TABLE.len(), "{output:#?}");
    for setting in &TABLE {
        let name = format!("' for {}", setting.variable);
        let names = |line: &&&str| {
            line.split_once(&name).is_some_and(|(_, rest)| rest.starts_with([':', ' ']))
        };
        let count = warnings.iter().filter(names).count();
        assert_eq!(count, 1, "{name}: {output:#?}");
    }
    assert_eq!(hooks(&output), ["copy_file_range"]);
}

#[test]
fn each_process_that_copies_warns_and_no_other() {
    let files = SettingsFiles::new();
    let script =
        "true; cat /dev/null; cp \"$0\" \"$1\"; ls / > /dev/null; cp \"$0\" \"$1\"; exit 4";
    let output = Run::preloaded("sh")
        .args(["-c", script])
        .args([&files.from, &files.to])
        .env("CFR_PATHS", "sideways")
        .output();
    assert_eq!(output.status, Some(4));
    assert_eq!(hooks(&output).len(), 2, "{output:#?}");
    assert_eq!(others(&output).len(), 2, "{output:#?}");

    // However often the process copies.
    let output = files.copier(&["copy", "syscall", "copy"]).env("CFR_PATHS", "sideways").ok();
    assert_eq!(hooks(&output), ["copy_file_range", "syscall", "copy_file_range"]);
    assert_eq!(others(&output).len(), 1, "{output:#?}");

    let output = files.copier(&[]).args(["other"]).env("CFR_PATHS", "sideways").ok();
    assert_eq!(output.stderr, "", "a process that does not copy");
}

#[test]
fn hostile_values_are_escaped_and_cut() {
    let files = SettingsFiles::new();
    let long = [b'x'; 10_000];
    for (value, shown) in [
        (&b"\x1b[31mred\x07"[..], "'\\33[31mred\\7'"),
        (b"a\nb\r\ncfr: forged", "'a\\nb\\r\\ncfr: forged'"),
        (b"caf\xe9 \xc2\x9b", "'caf\\351 \\302\\233'"),
        (b"a\"b\\c<d>", "'a\\\"b\\\\c<d>'"),
        (b" info", "' info'"),
        (b"INFO", "'INFO'"),
        (b"info,", "'info,'"),
    ] {
        let output = files.copy_with(&[("CFR_LOG", OsStr::from_bytes(value))]);
        assert_eq!(output.stderr.lines().count(), 2, "{output:#?}");
        let warnings = others(&output);
        assert!(
            warnings[0]
                .starts_with(&format!("cfr: invalid value {shown} for CFR_LOG: expected off, ")),
            "{output:#?}"
        );
        assert!(output.stderr.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
    }
    for value in [&long[..], &[&[0xff; 5000][..], b"\n"].concat(), &[b'\n'; 200]] {
        for format in ["text", "json"] {
            let variables =
                [("CFR_PATHS", OsStr::from_bytes(value)), ("CFR_LOG_FORMAT", format.as_ref())];
            let output = files.copy_with(&variables);
            let warning = output.stderr.lines().find(|line| line.contains("CFR_PATHS")).unwrap();
            assert!(warning.len() < 1200, "{} bytes: {warning}", warning.len());
            assert_eq!(output.stderr.lines().count(), 2, "{output:#?}");
        }
    }
}

/// Otherwise it would look like a complete value.
#[test]
fn a_cut_value_shows_that_it_was_cut() {
    let files = SettingsFiles::new();
    let output = files.copy_with(&[("CFR_PATHS", OsStr::from_bytes(&[b'x'; 300]))]);
    assert!(
        others(&output)[0].contains("xxx...' for CFR_PATHS: expected yes or no"),
        "{output:#?}"
    );
}

#[test]
fn warnings_are_json_where_the_log_is() {
    let files = SettingsFiles::new();
    let variables =
        [("CFR_LOG_FORMAT", "json".as_ref()), ("CFR_PATHS", OsStr::from_bytes(b"\xff\""))];
    let output = files.copy_with(&variables);
    let lines: Vec<serde_json::Value> = output.stderr.lines().map(read_json).collect();
    assert_eq!(lines.len(), 2, "{output:#?}");
    assert_eq!(lines[0]["level"], "warn");
    let message = lines[0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("invalid value '\\377\\\"' for CFR_PATHS: expected yes or no"),
        "{message}"
    );
    assert_eq!(lines[1]["call"], "copy_file_range");
}

/// The path may be another file by now: a daemon outlives its launcher, and /proc/PID/fd/N is soon
/// another process's.
#[test]
fn a_stats_file_that_is_not_the_launchers_is_not_written() {
    let files = SettingsFiles::new();
    for content in [&[][..], b"short", &[7; 8192]] {
        let theirs = files.scratch.write("theirs", content);
        let output = files.copy_with(&[("CFR_STATS", theirs.as_os_str())]);
        assert_eq!(hooks(&output), ["copy_file_range"]);
        assert!(fs::read(theirs).unwrap() == content, "{} bytes have changed", content.len());
    }
    let fifo = files.scratch.file("fifo");
    Run::bare("mkfifo").args([&fifo]).ok();
    for other in [fifo.as_path(), "/no/such/file".as_ref(), "/".as_ref(), "/dev/null".as_ref()] {
        let output = files.copy_with(&[("CFR_STATS", other.as_os_str())]);
        assert_eq!(hooks(&output), ["copy_file_range"], "{}", other.display());
    }
}

/// Also if it has the launcher's name and size: it may be of another version.
#[test]
fn only_a_memory_file_with_the_launchers_mark_is_written() {
    const TEST: &str = "preload::settings::only_a_memory_file_with_the_launchers_mark_is_written";
    const SCRIPT: &str = "if True:
        import fcntl, os, subprocess, sys
        program, library = sys.argv[1:3]
        size, at, mark = [int(word) for word in sys.argv[3:]]
        for size, seals, mark in (
                (size, fcntl.F_SEAL_SHRINK, mark), (size, fcntl.F_SEAL_SHRINK, mark ^ 1),
                (size, fcntl.F_SEAL_GROW, mark), (8 * at + 8, fcntl.F_SEAL_SHRINK, mark)):
            fd = os.memfd_create('cfr-stats', os.MFD_ALLOW_SEALING)
            os.ftruncate(fd, size)
            os.pwrite(fd, mark.to_bytes(8, sys.byteorder), 8 * at)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
            before = os.pread(fd, size, 0)
            path = f'/proc/{os.getpid()}/fd/{fd}'
            subprocess.run([program], env={'LD_PRELOAD': library, 'CFR_STATS': path}, check=True)
            print(os.pread(fd, size, 0) != before)";
    let Some(python) = find_program("python3") else {
        return skip(TEST, "python3 is not installed");
    };
    let Mark { at, word } = Stats::MARK;
    let numbers = [8 * Stats::WORDS, at].map(|number| number.to_string());
    let script = Run::bare(python).args(["-c", SCRIPT]).args([copier(), &library()]);
    let output = script.args(numbers).args([word.to_string()]).ok();
    assert_eq!(output.stdout, "True\nFalse\nFalse\nFalse\n");
}

/// Only if no process but this user's can shrink it, and no page of it can be missing.
#[test]
fn a_file_that_is_not_sealed_is_written_if_it_is_out_of_reach() {
    const TEST: &str =
        "preload::settings::a_file_that_is_not_sealed_is_written_if_it_is_out_of_reach";
    const SCRIPT: &str = "if True:
        import os, subprocess, sys
        program, library = sys.argv[1:3]
        size, at, mark = [int(word) for word in sys.argv[3:]]
        def show(directory, mode=0o600, has_name=False, pages=1, owner=-1):
            name = f'{directory}/cfr-test-{os.getpid()}'
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            os.truncate(fd, size)
            if pages: os.posix_fallocate(fd, 0, size)
            os.fchmod(fd, mode), os.fchown(fd, owner, -1)
            if not has_name: os.unlink(name)
            os.pwrite(fd, mark.to_bytes(8, sys.byteorder), 8 * at)
            before = os.pread(fd, size, 0)
            path = f'/proc/{os.getpid()}/fd/{fd}'
            subprocess.run([program], env={'LD_PRELOAD': library, 'CFR_STATS': path}, check=True)
            print(os.pread(fd, size, 0) != before)
            if has_name: os.unlink(name)
        show('/dev/shm')
        show('/dev/shm', mode=0o660)
        show('/dev/shm', mode=0o604)
        show('/dev/shm', has_name=True)
        show('/dev/shm', pages=0)
        show('.')
        if os.geteuid() == 0: show('/dev/shm', owner=65534)";
    let Some(python) = find_program("python3") else {
        return skip(TEST, "python3 is not installed");
    };
    let filesystem = |path: &str| {
        let output = Run::bare("stat").args(["-f", "-c", "%T", path]).output();
        output.stdout == "tmpfs\n"
    };
    let scratch = Scratch::new();
    if !filesystem("/dev/shm") || filesystem(scratch.path().to_str().unwrap()) {
        return skip(TEST, "needs a tmpfs at /dev/shm and none for temporary files");
    }
    let Mark { at, word } = Stats::MARK;
    let numbers = [8 * Stats::WORDS, at].map(|number| number.to_string());
    let script = Run::bare(python).args(["-c", SCRIPT]).args([copier(), &library()]);
    let script = script.args(numbers).args([word.to_string()]).within(scratch.path());
    let output = script.ok().stdout;
    let (accepted, refused) = output.split_once('\n').unwrap();
    assert_eq!(accepted, "True");
    assert!(refused.lines().all(|line| line == "False"), "{output}");
    assert!(refused.lines().count() >= 5, "{output}");
}

#[test]
fn an_empty_value_is_the_default() {
    let files = SettingsFiles::new();
    let expected = files.copy_with(&[]);
    for setting in &TABLE {
        let output = files.copy_with(&[(setting.variable, "".as_ref())]);
        assert_eq!(output.calls(), expected.calls(), "{}", setting.variable);
        assert_eq!(others(&output), [""; 0], "{}", setting.variable);
    }
}

#[test]
fn off_is_silent_even_if_other_settings_are_invalid() {
    let files = SettingsFiles::new();
    let values: Vec<_> = TABLE[1..].iter().map(|row| (row.variable, unusable(row))).collect();
    let mut variables: Vec<_> =
        values.iter().map(|(variable, value)| (*variable, OsStr::from_bytes(value))).collect();
    variables.push(("CFR_LOG", "off".as_ref()));
    assert_eq!(files.copy_with(&variables).stderr, "");
    let nowhere = [("CFR_LOG", "off".as_ref()), ("CFR_LOG_FILE", "/no/such/log".as_ref())];
    assert_eq!(files.copy_with(&nowhere).stderr, "");
}

#[test]
fn strict_ends_the_process_before_main() {
    let files = SettingsFiles::new();
    for setting in TABLE.iter().filter(|setting| setting.variable != "CFR_STRICT") {
        for hooks in [&["copy"][..], &[]] {
            let value = unusable(setting);
            let run = files.copier(hooks).args(["exit", "3"]).env("CFR_STRICT", "yes");
            let output = run.env(setting.variable, OsStr::from_bytes(&value)).output();
            assert_eq!((output.status, output.signal), (Some(125), None), "{output:#?}");
            assert_eq!(output.stdout, "");
            assert!(!files.to.exists());
            assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
            assert!(output.stderr.starts_with("cfr: invalid value '"), "{output:#?}");
            let name = format!("' for {}", setting.variable);
            assert!(output.stderr.contains(&name), "{output:#?}");
            assert!(output.stderr.ends_with(&format!("{}\n", reason(setting))), "{output:#?}");
        }
    }
    // Without errors it prints nothing.
    let output = files.copy_with(&[("CFR_STRICT", "yes".as_ref())]);
    assert_eq!((hooks(&output).len(), others(&output).len()), (1, 0), "{output:#?}");
}

// The effects of the values.

#[test]
fn each_log_level_adds_its_messages() {
    let files = SettingsFiles::new();
    for level in ["off", "error", "warn"] {
        assert_eq!(files.copy_with(&[("CFR_LOG", level.as_ref())]).stderr, "", "{level}");
    }
    let info = files.copy_with(&[("CFR_LOG", "info".as_ref())]);
    assert_eq!(info.stderr.lines().count(), 1);
    let remarks = |level: &str| {
        let output = files.copy_with(&[("CFR_LOG", level.as_ref())]);
        assert_eq!(output.calls(), info.calls(), "{level}");
        let remarks: Vec<_> = others(&output).into_iter().map(str::to_owned).collect();
        for line in &remarks {
            let text = line.strip_prefix("cfr: ").unwrap();
            let (pid, rest) = text.split_once(' ').unwrap();
            let (time, remark) = rest.split_once(' ').unwrap();
            assert!(pid.parse::<u32>().is_ok() && time.parse::<f64>().is_ok(), "{line}");
            assert!(remark.starts_with("--- ") && remark.ends_with(" ---"), "{line}");
        }
        remarks
    };
    let debug = remarks("debug");
    let [begins, ends] = debug.as_slice() else { panic!("{debug:?}") };
    assert!(begins.contains("--- debug: copy_file_range begins: 1048576 bytes from 3 to 4 ---"));
    assert!(ends.contains("--- debug: kernel: 5000 bytes ---"), "{debug:?}");
    let trace = remarks("trace");
    assert!(trace.len() > debug.len(), "{trace:?}");
    for call in ["--- trace: copy_file_range: 5000 bytes ---", "--- trace: readlinkat "] {
        assert!(trace.iter().any(|line| line.contains(call)), "no {call} in {trace:?}");
    }
}

#[test]
fn paths_can_be_left_out() {
    let files = SettingsFiles::new();
    let output = files.copy_with(&[("CFR_PATHS", "no".as_ref())]);
    assert_eq!(output.calls(), ["copy_file_range(3, NULL, 4, NULL, 1048576, 0) = 5000 (kernel)"]);
    let output = files.copy_with(&[("CFR_PATHS", "yes".as_ref())]);
    assert_eq!(
        output.calls(),
        [format!(
            "copy_file_range(3<{}>, NULL, 4<{}>, NULL, 1048576, 0) = 5000 (kernel)",
            files.from.display(),
            files.to.display()
        )]
    );
}

#[test]
fn only_the_named_hooks_are_watched() {
    let files = SettingsFiles::new();
    for (value, watched) in [
        ("", &["copy_file_range", "syscall"][..]),
        ("copy_file_range", &["copy_file_range"]),
        ("syscall", &["syscall"]),
        ("syscall,copy_file_range", &["copy_file_range", "syscall"]),
    ] {
        let run = files.copier(&["copy", "syscall"]).args(["other"]).env("CFR_HOOKS", value);
        let output = run.ok();
        assert_eq!(output.stdout, "5000\n5000\n", "{value}");
        assert_eq!(hooks(&output), watched, "{value}");
        assert_eq!(others(&output), [""; 0], "{value}");
    }
}

#[test]
fn calls_can_go_on_to_the_next_library() {
    let files = SettingsFiles::new();
    let shim = compile("shims/returns_7.c", "settings_shim.so", &["-shared", "-fPIC"]);
    let list = format!("{}:{}", library().display(), shim.display());
    let with_shim = |variables: &[(&str, &str)]| {
        let mut run = files.copier(&["copy", "syscall"]).env("LD_PRELOAD", &list);
        for (variable, value) in variables {
            run = run.env(variable, value);
        }
        run.ok()
    };
    let output = with_shim(&[]);
    assert_eq!(output.stdout, "5000\n5000\n", "straight to the kernel by default");

    let next = ("CFR_FORWARD", "next");
    let output = with_shim(&[next]);
    assert_eq!(output.stdout, "7\n7\n");
    let calls = output.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.iter().all(|call| call.ends_with(" = 7 (next)")), "{calls:?}");

    // Also calls that are not watched.
    let output = with_shim(&[next, ("CFR_LOG", "off")]);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("7\n7\n", ""));
    let output = with_shim(&[next, ("CFR_HOOKS", "syscall")]);
    assert_eq!(output.stdout, "7\n7\n");
    assert_eq!(output.calls().len(), 1);

    // If no other library follows, the C library is next.
    let output = files.copier(&["copy", "syscall"]).env(next.0, next.1).ok();
    assert_eq!(output.stdout, "5000\n5000\n");
    assert!(output.calls().iter().all(|call| call.ends_with(" = 5000 (next)")), "{output:#?}");
    assert!(fs::read(&files.from).unwrap() == fs::read(&files.to).unwrap());
}

#[test]
fn an_error_of_the_next_library_keeps_its_errno() {
    let files = SettingsFiles::new();
    let run = files.copier(&[]).args(["copy".as_ref(), "/dev/null".as_ref(), files.to.as_os_str()]);
    let output = run.env("CFR_FORWARD", "next").ok();
    let bare = Run::bare(copier())
        .args(["copy".as_ref(), "/dev/null".as_ref(), files.to.as_os_str()])
        .ok();
    assert_eq!(output.stdout, bare.stdout);
    assert!(output.stdout.starts_with("-1 EINVAL"), "{output:#?}");
    let expected = " = -1 EINVAL (Invalid argument) (next, rule not-regular)";
    assert!(output.calls()[0].ends_with(expected), "{output:#?}");
}

// The log file.

#[test]
fn a_relative_log_is_where_the_process_started() {
    let files = SettingsFiles::new();
    for name in ["plain", "100%p"] {
        let directory = files.scratch.file(name);
        fs::create_dir(&directory).unwrap();
        let elsewhere = Scratch::new();
        let run = files.copier(&[]).args(["cd".as_ref(), elsewhere.path().as_os_str()]);
        let output = run
            .args(["copy".as_ref(), files.from.as_os_str(), files.to.as_os_str()])
            .env("CFR_LOG_FILE", "log")
            .within(&directory)
            .ok();
        assert_eq!(output.stderr, "");
        let log = fs::read_to_string(directory.join("log")).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(fs::read_dir(elsewhere.path()).unwrap().next().is_none());
    }
}

/// Nothing would ever read the lines.
#[test]
fn a_fifo_without_a_reader_delays_no_call() {
    let files = SettingsFiles::new();
    let fifo = files.scratch.file("fifo");
    Run::bare("mkfifo").args([&fifo]).ok();
    let output = files.copy_with(&[("CFR_LOG_FILE", fifo.as_os_str())]);
    assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
    let begin = format!("cfr: cannot write the log to {}: ", fifo.display());
    assert!(output.stderr.starts_with(&begin), "{output:#?}");
}

#[test]
fn a_log_that_cannot_be_opened_is_reported_once_and_changes_nothing() {
    let files = SettingsFiles::new();
    for path in ["/no/such/directory/log", "/", "/dev/full"] {
        let run = files.copier(&["copy", "copy", "syscall"]).env("CFR_LOG_FILE", path);
        let output = run.ok();
        assert_eq!(output.stdout, "5000\n5000\n5000\n");
        let begin = format!("cfr: cannot write the log to {path}: ");
        assert!(output.stderr.starts_with(&begin), "{output:#?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
    }
}

#[test]
fn a_process_that_does_not_copy_opens_no_log() {
    let scratch = Scratch::new();
    let log = scratch.file("log");
    Run::preloaded("true").env("CFR_LOG_FILE", &log).ok();
    assert!(!log.exists());
}

// Linked programs.

/// c-tests/drivers/linked_copy.c, which copies through both hooks.
fn linked(files: &SettingsFiles) -> Run {
    // The linker uses one name of the library, the program its SONAME.
    let soname = files.scratch.file("libcfr.so.0");
    if !soname.exists() {
        std::os::unix::fs::symlink(library(), soname).unwrap();
    }
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let include = format!("-I{}", project().join("include").display());
        let place = format!("-L{}", library().parent().unwrap().display());
        compile("drivers/linked_copy.c", "linked_copy", &["-std=c11", &include, &place, "-lcfr"])
    });
    Run::bare(PROGRAM.as_path())
        .args([&files.from, &files.to])
        .env("LD_LIBRARY_PATH", files.scratch.path())
}

#[test]
fn a_linked_program_is_silent_until_it_is_configured() {
    let files = SettingsFiles::new();
    let copied = format!("{}\n5000\n5000\n", env!("CARGO_PKG_VERSION"));
    for (variables, watched) in [
        (&[][..], &[][..]),
        (&[("CFR_LOG", "")], &[]),
        (&[("CFR_PATHS", "sideways")], &[]),
        (&[("CFR_HOOKS", "copy_file_range,syscall")], &[]),
        (&[("CFR_LOG", "info")], &["copy_file_range"]),
        (&[("CFR_LOG", "info"), ("CFR_HOOKS", "syscall")], &["syscall"]),
        (
            &[("CFR_LOG", "info"), ("CFR_HOOKS", "syscall,copy_file_range")],
            &["copy_file_range", "syscall"],
        ),
    ] {
        let mut run = linked(&files);
        for (variable, value) in variables {
            run = run.env(variable, value);
        }
        let output = run.ok();
        assert_eq!(output.stdout, copied, "{variables:?}");
        assert_eq!(hooks(&output), watched, "{variables:?}");
        assert_eq!(others(&output), [""; 0], "{variables:?}");
        assert!(fs::read(&files.from).unwrap() == fs::read(&files.to).unwrap());
    }
}

#[test]
fn a_linked_program_that_is_preloaded_as_well_logs_each_call_once() {
    let files = SettingsFiles::new();
    let output = linked(&files).env("LD_PRELOAD", library()).ok();
    assert_eq!(hooks(&output), ["copy_file_range", "syscall"], "{output:#?}");
}
