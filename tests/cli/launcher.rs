//! `cfr trace` and `cfr run`, as a shell and a user run them.

use cfr_shared::format::JSON_KEYS;
use cfr_shared::settings::{TABLE, Values};
use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, copy_product, find_program, launcher, library,
    read_json, skip,
};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

fn cfr() -> Run {
    Run::bare(launcher())
}

fn trace<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Run {
    cfr().args(["trace"]).args(words)
}

/// A program that makes the calls that its arguments name: c-tests/drivers/scripted_calls.c.
fn copier() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| compile("drivers/scripted_calls.c", "scripted_calls", &[]));
    &PROGRAM
}

/// Another library to preload: c-tests/shims/returns_7.c.
fn shim() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> =
        LazyLock::new(|| compile("shims/returns_7.c", "returns_7.so", &["-shared", "-fPIC"]));
    &LIBRARY
}

/// A source and a target path.
struct LauncherFiles {
    scratch: Scratch,
    from: PathBuf,
    to: PathBuf,
}

const SIZE: usize = 5000;

impl LauncherFiles {
    fn new() -> LauncherFiles {
        let scratch = Scratch::new();
        LauncherFiles { from: scratch.random("a", SIZE), to: scratch.file("b"), scratch }
    }

    fn cp(&self) -> [OsString; 3] {
        ["cp".into(), self.from.clone().into(), self.to.clone().into()]
    }

    #[track_caller]
    fn assert_copied(&self) {
        assert!(fs::read(&self.from).unwrap() == fs::read(&self.to).unwrap());
    }
}

/// Creates an executable file. Another process writes it: if this one did, a program that another
/// test starts at the same time would inherit a writable descriptor, and executing the file would
/// fail with ETXTBSY.
fn executable(scratch: &Scratch, name: &str, content: &[u8]) -> PathBuf {
    let path = scratch.file(name);
    let script = "cat > \"$0\" && chmod 755 \"$0\"";
    Run::bare("sh").args(["-c", script]).args([&path]).input(content).ok();
    path
}

/// Copies the launcher to another directory, without the library.
fn copy_launcher(directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).expect("can be created");
    Run::bare("cp").args([launcher().as_path(), directory]).ok();
    directory.join("cfr")
}

/// Returns how many copies were logged on standard error, without cp's last call, which finds the
/// end.
fn logged(output: &Output) -> usize {
    let whole = format!(" = {SIZE} (kernel)");
    output.calls().iter().filter(|call| call.ends_with(&whole)).count()
}

#[track_caller]
fn assert_fails(run: Run, status: i32, said: &[&str]) {
    let output = run.output();
    assert_eq!(output.status, Some(status), "{output:#?}");
    assert_eq!(output.stdout, "");
    assert!(output.stderr.starts_with("cfr: "), "{output:#?}");
    for said in said {
        assert!(output.stderr.contains(said), "no {said:?} in {output:#?}");
    }
}

/// "seen" or, with a supervisor, "made".
const NONE_SEEN: &str = "no copy was ";

fn none_seen(output: &Output) -> usize {
    output.stderr.matches(NONE_SEEN).count()
}

// Exit statuses.

#[test]
fn the_programs_status_is_the_launchers() {
    for command in ["trace", "run"] {
        for status in [0, 3, 125, 255] {
            let script = format!("exit {status}");
            let output = cfr().args([command, "sh", "-c", &script]).output();
            assert_eq!((output.status, output.signal), (Some(status), None));
        }
    }
}

/// An invalid value for any setting.
fn unusable(values: &Values) -> Option<&'static str> {
    match values {
        Values::OneOf(_) | Values::SomeOf(_) | Values::Errors | Values::Faults => Some("sideways"),
        Values::Template | Values::SwitchOrTemplate => Some("/tmp/%q"),
        Values::Path | Values::Cookie => None,
    }
}

#[test]
fn unusable_values_are_125_and_name_the_expected_ones() {
    let mut checked = 0;
    for setting in &TABLE {
        let Some(value) = unusable(&setting.values) else { continue };
        let expected = format!("expected {}", setting.values);
        let program = ["sh", "-c", "echo ran"];
        let run = cfr().args(["run"]).args(program).env(setting.variable, value);
        assert_fails(run, 125, &[setting.variable, value, &expected]);
        if let Some(option) = setting.option {
            let option = format!("--{option}");
            // The word after a plain -c is the program.
            if setting.variable != "CFR_SUMMARY" {
                let run = trace([option.as_str(), value]).args(program);
                assert_fails(run, 125, &[&option, value, &expected]);
            }
            let joined = format!("{option}={value}");
            assert_fails(trace([joined.as_str()]).args(program), 125, &[&option, value, &expected]);
        }
        checked += 1;
    }
    assert!(checked >= 7, "the table has shrunk");
}

#[test]
fn hostile_values_are_escaped_and_cut() {
    let mut value = b"\x1b[31m\xff\n".to_vec();
    value.resize(10_000, b'x');
    let output = cfr().args(["run", "true"]).env("CFR_LOG", OsStr::from_bytes(&value)).output();
    assert_eq!(output.status, Some(125));
    assert!(output.stderr.contains("invalid value '\\33[31m\\377\\nxxx"), "{output:#?}");
    assert!(output.stderr.contains("xxx...' for CFR_LOG: expected off, error"), "{output:#?}");
    assert!(output.stderr.len() < 500, "{output:#?}");
    assert_eq!(output.stderr.lines().count(), 1);
}

#[test]
fn a_path_that_no_system_call_takes_is_too_long() {
    let long = "a/".repeat(2048);
    for option in ["--output", "--summary"] {
        let run = trace([format!("{option}={long}").as_str(), "true"]);
        let why = format!("...' for {option}: too long (at most 4095 bytes)");
        assert_fails(run, 125, &["invalid value 'a/a/", &why]);
    }
}

/// Variables that the program's shell sets are checked as strictly.
#[test]
fn unusable_values_of_the_programs_own_are_125() {
    let files = LauncherFiles::new();
    let script = "CFR_PATHS=sideways cp \"$0\" \"$1\"; echo $?";
    let output = trace(["sh", "-c", script]).args([&files.from, &files.to]).ok();
    assert_eq!(output.stdout, "125\n");
    assert!(
        output
            .stderr
            .starts_with("cfr: invalid value 'sideways' for CFR_PATHS: expected yes or no"),
        "{output:#?}"
    );
    assert!(!files.to.exists());
}

#[test]
fn an_option_outranks_its_variable() {
    let files = LauncherFiles::new();
    let output = trace(["--log=info"]).args(files.cp()).env("CFR_LOG", "sideways").ok();
    assert_eq!(logged(&output), 1, "{output:#?}");
}

#[test]
fn mistakes_on_the_command_line_are_125() {
    assert_fails(cfr(), 125, &["no command", "Usage: cfr", "trace"]);
    assert_fails(cfr().args(["trcae", "true"]), 125, &["trcae", "trace"]);
    assert_fails(cfr().args(["trace"]), 125, &["PROGRAM"]);
    assert_fails(cfr().args(["run", "--log"]), 125, &["--log"]);
    assert_fails(cfr().args(["--log", "info", "trace", "true"]), 125, &["--log"]);
}

/// Not 127, the status for a program that is not found.
#[test]
fn an_unknown_option_is_125_and_not_taken_for_a_program() {
    for slip in ["--lgo", "-x", "--lgo=info", "--version"] {
        assert_fails(trace([slip, "true"]), 125, &[slip.trim_end_matches("=info")]);
    }
    let scratch = Scratch::new();
    executable(&scratch, "--lgo", b"#!/bin/sh\necho ran\n");
    let run = trace(["--", "--lgo"]).env("PATH", scratch.path());
    assert_eq!(run.ok().stdout, "ran\n");
}

#[test]
fn a_log_that_cannot_be_opened_is_125() {
    let scratch = Scratch::new();
    let missing = scratch.file("no/such/log");
    let missing = missing.to_str().unwrap();
    assert_fails(trace(["-o", missing, "echo", "ran"]), 125, &[missing, "ENOENT"]);
    assert_fails(
        cfr().args(["run", "echo", "ran"]).env("CFR_LOG_FILE", missing),
        125,
        &[missing, "ENOENT"],
    );
    let directory = scratch.path().to_str().unwrap();
    assert_fails(trace(["-o", directory, "echo", "ran"]), 125, &[directory, "EISDIR"]);
    let template = scratch.file("no/such/%p");
    assert_fails(trace(["-o", template.to_str().unwrap(), "echo", "ran"]), 125, &["ENOENT"]);
}

#[test]
fn a_launcher_without_its_library_is_125_and_says_where_it_looked() {
    let scratch = Scratch::new();
    let alone = copy_launcher(&scratch.file("bin"));
    let output = Run::bare(&alone).args(["run", "sh", "-c", "echo $LD_PRELOAD"]).output();
    if output.status == Some(0) {
        let test = "cli::launcher::a_launcher_without_its_library_is_125_and_says_where_it_looked";
        return skip(test, &format!("libcfr is installed: {}", output.stdout.trim()));
    }
    let looked = scratch.file("lib/libcfr.so.0");
    let beside = scratch.file("bin/libcfr.so");
    let [looked, beside] = [&looked, &beside].map(|path| path.to_str().unwrap());
    assert_fails(
        Run::bare(&alone).args(["run", "echo", "ran"]),
        125,
        &["cannot find libcfr.so", looked, beside],
    );
}

#[test]
fn the_library_is_found_where_packages_put_it() {
    for place in ["lib", concat!("lib/", "x86_64-linux-gnu"), "lib64"] {
        if place.contains("x86_64") && !cfg!(target_arch = "x86_64") {
            continue;
        }
        let scratch = Scratch::new();
        let launcher = copy_launcher(&scratch.file("bin"));
        fs::create_dir_all(scratch.file(place)).unwrap();
        let put = scratch.file(place).join("libcfr.so.0");
        Run::bare("cp").args([&library(), &put]).ok();
        let output = Run::bare(launcher).args(["run", "sh", "-c", "echo $LD_PRELOAD"]).ok();
        assert_eq!(Path::new(output.stdout.trim()), put.canonicalize().unwrap());
    }
}

#[test]
fn what_cannot_be_executed_is_126() {
    let scratch = Scratch::new();
    let plain = scratch.write("plain", b"#!/bin/sh\necho ran\n");
    let garbage = executable(&scratch, "garbage", b"\x7f\x01\0\x02garbage\n");
    let directory = scratch.path();
    for (program, why) in [
        (plain.as_path(), "not executable"),
        (directory, "is a directory"),
        (&garbage, "Exec format error (ENOEXEC)"),
    ] {
        assert_fails(trace([program]), 126, &[program.to_str().unwrap(), why]);
    }
    // As in execvp(3): a file that may not be executed does not end the search.
    let other = Scratch::new();
    let path = format!("{}:{}", directory.display(), other.path().display());
    assert_fails(trace(["plain"]).env("PATH", &path), 126, &["not executable"]);
    executable(&other, "plain", b"#!/bin/sh\necho the other\n");
    assert_eq!(trace(["plain"]).env("PATH", &path).ok().stdout, "the other\n");
}

#[test]
fn what_is_not_found_is_127() {
    let scratch = Scratch::new();
    let missing = scratch.file("missing");
    let missing = missing.to_str().unwrap();
    assert_fails(trace([missing]), 127, &[missing]);
    assert_fails(trace(["no-program-has-this-name"]), 127, &["no-program-has-this-name", "PATH"]);
    // A path below a regular file.
    let file = scratch.write("file", b"");
    assert_fails(trace([file.join("x")]), 127, &["file/x"]);
    let script = executable(&scratch, "script", b"#!/no/such/interpreter\n");
    assert_fails(trace([&script]), 127, &[script.to_str().unwrap(), "interpreter"]);
}

/// execvp(3) finds nothing of that name, and not a directory of the PATH either.
#[test]
fn an_empty_program_name_is_127() {
    assert_fails(trace([""]), 127, &["is empty"]);
}

/// As with env(1), nohup(1) and timeout(1): execvp(3) passes to sh what the kernel cannot execute.
#[test]
fn a_script_without_an_interpreter_runs_under_sh() {
    let files = LauncherFiles::new();
    let script = executable(&files.scratch, "script", b"cp \"$1\" \"$2\"; echo $#; exit 5\n");
    let output = trace([&script, &files.from, &files.to]).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(5), "2\n"), "{output:#?}");
    assert_eq!(logged(&output), 1, "{output:#?}");
    files.assert_copied();
}

// What the program gets.

#[test]
fn the_programs_words_pass_untouched() {
    let printer = ["sh", "-c", "printf '%s|' \"$0\" \"$@\"", "zero"];
    let words = ["--log", "off", "-o", "--help", "--", "", "a b", "-c", "--log=loud", "*", "-V"];
    let expected = format!("zero|{}|", words.join("|"));
    for front in [&[][..], &["--"], &["--log", "error"], &["--log=error", "--"]] {
        let output = trace(front).args(printer).args(words).ok();
        assert_eq!(output.stdout, expected, "{front:?}");
    }
    let bytes = OsStr::from_bytes(b"\xff\xfe");
    let output = trace(["sh", "-c", "printf %s \"$1\" | od -An -tx1", "x"]).args([bytes]).ok();
    assert_eq!(output.stdout, " ff fe\n");
}

#[test]
fn the_program_has_the_name_it_was_called_by() {
    let output = trace(["sh", "-c", "tr '\\0' ' ' < /proc/$$/cmdline"]).ok();
    assert!(output.stdout.starts_with("sh -c "), "{}", output.stdout);
}

#[test]
fn standard_input_passes_through() {
    let text = "a line\n".repeat(30_000);
    let output = trace(["cat"]).input(text.as_bytes()).ok();
    assert!(output.stdout == text);
}

#[test]
fn standard_output_stays_the_programs() {
    let files = LauncherFiles::new();
    let output = trace(["--log=trace", "cp", "-v"]).args([&files.from, &files.to]).ok();
    let expected = format!("'{}' -> '{}'\n", files.from.display(), files.to.display());
    assert_eq!(output.stdout, expected);
    assert_eq!(logged(&output), 1);
}

#[test]
fn no_descriptor_of_the_launchers_reaches_the_program() {
    let scratch = Scratch::new();
    let log = scratch.file("log");
    let list = "ls /proc/self/fd";
    let script = |command: &str| {
        let run = Run::bare("sh").args(["-c", command]).args([launcher()]).args([&log]);
        run.ok().stdout
    };
    let bare = script(&format!("exec 7< /dev/null; exec {list}"));
    let traced = script(&format!("exec 7< /dev/null; exec \"$0\" trace -o \"$1\" {list}"));
    assert_eq!(bare, traced);
}

/// Starts a program with signals ignored and blocked, as nohup(1) and systemd do.
#[track_caller]
fn assert_inherits(ignored: &str) {
    // Without the C library's own two, 32 and 33: posix_spawn(3) may have a child ignore them.
    const INTERNAL: u64 = 0b11 << 31;
    let masks = |launcher: &[&OsStr]| {
        let env = [format!("--ignore-signal={ignored}"), "--block-signal=USR2,WINCH".to_owned()];
        let run = Run::bare("env").args(env).args(launcher);
        let output = run.args(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]).ok();
        let mask = |line: &str| {
            let (_, mask) = line.split_once(":\t").expect("a mask");
            u64::from_str_radix(mask, 16).expect("hexadecimal")
        };
        output.stdout.lines().map(|line| mask(line) & !INTERNAL).collect::<Vec<_>>()
    };
    assert_eq!(
        masks(&[launcher().as_os_str(), "run".as_ref()]),
        masks(&[]),
        "blocked and ignored, of {ignored}"
    );
}

#[test]
fn ignored_and_blocked_signals_stay_so() {
    for ignored in ["HUP", "INT,QUIT", "TERM,USR1,USR2", "TSTP,TTIN,TTOU"] {
        assert_inherits(ignored);
    }
}

/// systemd starts services with SIGPIPE ignored, and they rely on EPIPE.
#[test]
fn an_ignored_sigpipe_stays_ignored() {
    assert_inherits("PIPE");
}

/// A process that ignores SIGCHLD has no children to wait for: wait(2).
#[test]
fn an_ignored_sigchld_loses_no_status() {
    let env = ["--ignore-signal=CHLD"];
    let script = ["run", "sh", "-c", "exit 3"];
    let output = Run::bare("env").args(env).args([launcher()]).args(script).output();
    assert_eq!((output.status, output.stderr.as_str()), (Some(3), ""));
}

#[test]
fn an_empty_environment_is_enough() {
    let files = LauncherFiles::new();
    let output = Run::bare("env")
        .args(["-i".as_ref(), launcher().as_os_str(), "trace".as_ref()])
        .args(files.cp())
        .ok();
    files.assert_copied();
    assert_eq!(logged(&output), 1, "{output:#?}");
}

#[test]
fn the_launcher_runs_with_closed_standard_descriptors() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let files = LauncherFiles::new();
        let script = format!("exec \"$0\" trace cp \"$1\" \"$2\" {closed}");
        let run = Run::bare("sh").args(["-c", &script]).args([launcher()]);
        let output = run.args([&files.from, &files.to]).ok();
        files.assert_copied();
        assert_eq!(output.stdout, "", "{closed}");
        assert_eq!(logged(&output), usize::from(!closed.contains('2')), "{closed}");
    }
}

// Signals.

/// Waits for the signal, at most a minute.
const WAIT: &str = "i=0; while [ $i -lt 6000 ]; do sleep 0.01; i=$((i+1)); done; exit 77";

fn signalled(script: &str) -> Output {
    cfr().args(["run", "sh", "-c", script]).output()
}

#[test]
fn signals_sent_to_the_launcher_reach_the_program() {
    for (signal, number) in [("TERM", 15), ("HUP", 1), ("USR1", 10), ("USR2", 12)] {
        let output = signalled(&format!("kill -{signal} $PPID; {WAIT}"));
        assert_eq!(output.status, Some(128 + number), "SIG{signal}: {output:#?}");
        let script = format!("trap 'echo caught; exit 41' {signal}; kill -{signal} $PPID; {WAIT}");
        let output = signalled(&script);
        assert_eq!(output.status, Some(41), "SIG{signal}: {output:#?}");
        assert_eq!(output.stdout, "caught\n");
    }
}

#[test]
fn a_death_by_signal_is_128_and_its_number() {
    for (signal, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11), ("HUP", 1)] {
        let script = format!("ulimit -c 0; kill -{signal} $$");
        let output = signalled(&script);
        let expected = Output {
            status: Some(128 + number),
            signal: None,
            stdout: String::new(),
            stderr: String::new(),
        };
        assert_eq!(output, expected, "SIG{signal}");
    }
}

/// A terminal sends them to the program too.
#[test]
fn sigint_and_sigquit_do_not_end_the_launcher_before_the_program() {
    for signal in ["INT", "QUIT"] {
        let output = signalled(&format!("kill -{signal} $PPID; sleep 0.1; echo ended; exit 4"));
        assert_eq!((output.status, output.stdout.as_str()), (Some(4), "ended\n"), "SIG{signal}");
    }
}

#[test]
fn an_ignored_sighup_stays_ignored() {
    let output = Run::bare("env")
        .args(["--ignore-signal=HUP"])
        .args([launcher()])
        .args(["run", "sh", "-c", "kill -HUP $PPID; kill -HUP $$; sleep 0.1; echo alive"])
        .ok();
    assert_eq!(output.stdout, "alive\n");
}

// Preloading.

/// Returns the library that this line, an entry of LD_PRELOAD, leads to.
fn preloaded(line: &str) -> PathBuf {
    Path::new(line.trim_end()).canonicalize().unwrap()
}

#[test]
fn what_was_preloaded_stays_and_comes_first() {
    let files = LauncherFiles::new();
    let script = ["sh", "-c", "echo $SHIM; echo $LD_PRELOAD"];
    let output = trace(script).env("LD_PRELOAD", shim()).ok();
    let ours = output.stdout.strip_prefix(&format!("loaded\n{}:", shim().display()));
    let ours = ours.unwrap_or_else(|| panic!("{output:#?}"));
    assert_eq!(preloaded(ours), library().canonicalize().unwrap());

    // So the other library returns the result, and libcfr.so gets no call.
    let copy = [copier(), "copy".as_ref(), &files.from, &files.to].map(Path::to_owned);
    let output = trace(copy).env("LD_PRELOAD", shim()).ok();
    assert_eq!(output.stdout, "7\n");
    assert_eq!(output.calls(), [""; 0]);
}

/// With the links beside the library, the path goes through them; without, it is the library's.
#[test]
fn a_product_that_was_copied_is_preloaded() {
    let files = LauncherFiles::new();
    let launcher = copy_product(&files.scratch.file("product"));
    let library = files.scratch.file("product/libcfr.so");
    let show = ["run", "sh", "-c", "echo $LD_PRELOAD"];
    let alone = Run::bare(&launcher).args(show).ok();
    assert_eq!(Path::new(alone.stdout.trim_end()), library.canonicalize().unwrap());

    let links = cfr_testkit::library().with_file_name("libcfr");
    Run::bare("cp")
        .args(["-RP".as_ref(), links.as_os_str(), files.scratch.file("product").as_ref()])
        .ok();
    let linked = Run::bare(&launcher).args(show).ok();
    assert_ne!(linked.stdout, alone.stdout);
    assert_eq!(preloaded(&linked.stdout), library.canonicalize().unwrap());
    let output = Run::bare(launcher).args(["trace"]).args(files.cp()).ok();
    assert_eq!(logged(&output), 1, "{output:#?}");

    // A link that leads to another library is not used.
    fs::remove_file(files.scratch.file("product/libcfr/64-bit/libcfr.so")).unwrap();
    std::os::unix::fs::symlink(
        cfr_testkit::library(),
        files.scratch.file("product/libcfr/64-bit/libcfr.so"),
    )
    .unwrap();
    let launcher = files.scratch.file("product/cfr");
    assert_eq!(Run::bare(launcher).args(show).ok().stdout, alone.stdout);
}

#[test]
fn a_trace_within_a_trace_logs_each_call_once() {
    let files = LauncherFiles::new();
    let once = trace(files.cp()).ok();
    for inner in ["trace", "run"] {
        let output = trace([launcher().as_os_str(), inner.as_ref()]);
        let output = output.args(["--log=info"]).args(files.cp()).ok();
        assert_eq!(output.calls(), once.calls(), "{inner}");
    }
}

/// The outer one does not report an empty trace.
#[test]
fn a_trace_within_a_trace_is_counted_by_both() {
    let files = LauncherFiles::new();
    for inner in ["trace", "run"] {
        let output = trace([launcher().as_os_str(), inner.as_ref()]).args(files.cp()).ok();
        assert_eq!(none_seen(&output), 0, "{inner}: {output:#?}");
    }
}

#[test]
fn a_path_that_no_preload_list_can_hold_is_refused() {
    for (name, why) in [("a b", "space"), ("a:b", "colon"), ("a$LIB", "dollar sign")] {
        let scratch = Scratch::new();
        let launcher = copy_product(&scratch.file(name));
        let library = scratch.file(name).join("libcfr.so");
        assert_fails(
            Run::bare(launcher).args(["trace", "echo", "ran"]),
            125,
            &[library.to_str().unwrap(), why],
        );
    }
}

#[test]
fn a_library_path_of_any_other_bytes_is_preloaded() {
    for name in [&b"\xc3\xa9\xe6\x97\xa5"[..], b"caf\xe9\xff", b"a%p;b'c\"d\\e"] {
        let files = LauncherFiles::new();
        let launcher = copy_product(&files.scratch.file("").join(OsStr::from_bytes(name)));
        let output = Run::bare(launcher).args(["trace"]).args(files.cp()).ok();
        assert_eq!(logged(&output), 1, "{output:#?}");
    }
}

// Programs that a preloaded library cannot see.

/// The program is started all the same, and the reason is printed before or after.
#[track_caller]
fn assert_unseen(output: &Output, why: &str) {
    let lines: Vec<_> = output.stderr.lines().filter(|line| line.contains(why)).collect();
    assert_eq!(lines.len(), 2, "{output:#?}");
    assert!(lines[0].ends_with("its copies will not be seen"), "{output:#?}");
    assert!(lines[1].contains(NONE_SEEN), "{output:#?}");
    assert_eq!(output.calls(), [""; 0]);
}

/// `cfr trace` without the supervisor.
fn alone() -> Run {
    cfr().args(["trace", "--reach=preload"])
}

#[test]
fn a_static_program_runs_without_being_traced() {
    let archive = Run::bare("cc").args(["-print-file-name=libc.a"]).ok().stdout;
    if !Path::new(archive.trim()).is_absolute() {
        return skip(
            "cli::launcher::a_static_program_runs_without_being_traced",
            "there is no libc.a",
        );
    }
    let files = LauncherFiles::new();
    let program = compile("drivers/scripted_calls.c", "launcher_copy_static", &["-static"]);
    let words = [program.as_path(), "copy".as_ref(), &files.from, &files.to];
    let output = alone().args(words).args(["exit", "3"]).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(3), "5000\n"));
    files.assert_copied();
    assert_unseen(&output, "statically linked");

    // It may also read scripts.
    let script = format!("#!{} exit\n", program.display());
    let output = alone().args([executable(&files.scratch, "script", script.as_bytes())]).output();
    assert_eq!(output.status, Some(0), "{output:#?}");
    assert_unseen(&output, "statically linked");

    // Without lines, but with the warning.
    let output = cfr().args(["run", "--reach=preload"]).args(words).ok();
    assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
    assert!(output.stderr.contains("its copies will not be seen"));
}

/// Starts programs as an unprivileged user.
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

#[test]
fn a_set_user_id_program_runs_without_being_traced() {
    let test = "cli::launcher::a_set_user_id_program_runs_without_being_traced";
    let files = LauncherFiles::new();
    if find_program("setpriv").is_none() || fs::metadata("/proc/self").unwrap().uid() != 0 {
        return skip(test, "needs setpriv and root");
    }
    fs::set_permissions(files.scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let launcher = copy_product(&files.scratch.file("bin"));
    let cp = files.scratch.file("set-user-ID-cp");
    let script = "cp \"$(command -v cp)\" \"$0\" && chmod 4755 \"$0\"";
    Run::bare("sh").args(["-c", script]).args([&cp]).ok();
    let as_nobody = |words: &[&OsStr]| {
        Run::bare(NOBODY[0]).args(&NOBODY[1..]).args(words).args([&files.from, &files.to])
    };
    if as_nobody(&[cp.as_os_str()]).output().status != Some(0) {
        return skip(test, "set-user-ID programs have no effect here");
    }
    // A supervisor would take the program its privileges.
    for reach in ["--reach=preload", "--reach=auto"] {
        fs::remove_file(&files.to).unwrap();
        let words = [launcher.as_os_str(), "trace".as_ref(), reach.as_ref(), cp.as_os_str()];
        let output = as_nobody(&words).ok();
        files.assert_copied();
        assert_eq!(fs::metadata(&files.to).unwrap().uid(), 0, "{reach}");
        assert_unseen(&output, "is set-user-ID");
    }

    // For its owner it is an ordinary program.
    let output = trace([&cp, &files.from, &files.to]).ok();
    assert_eq!((logged(&output), none_seen(&output)), (1, 0), "{output:#?}");

    // Also if no program gains privileges, as in many containers.
    fs::remove_file(&files.to).unwrap();
    let target = Scratch::below(files.scratch.path());
    fs::set_permissions(target.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let output = Run::bare(NOBODY[0])
        .args(&NOBODY[1..])
        .args(["--no-new-privs".as_ref(), launcher.as_os_str(), "trace".as_ref()])
        .args([&cp, &files.from, &target.file("b")])
        .ok();
    assert_eq!((logged(&output), none_seen(&output)), (1, 0), "{output:#?}");
    assert!(!output.stderr.contains("set-user-ID: the"), "{output:#?}");
}

/// A program that calls `exit(3)`, by instruction.
#[test]
fn a_32_bit_program_is_named_as_such() {
    const AT: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    let code = [
        0xb8, 1, 0, 0, 0, // mov eax, 1 (exit)
        0xbb, 3, 0, 0, 0, // mov ebx, 3
        0xcd, 0x80, // int 0x80
    ];
    let size = HEADERS + code.len() as u32;
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |file: &mut Vec<u8>, words: &[u16]| {
        words.iter().for_each(|word| file.extend(word.to_le_bytes()));
    };
    let word = |file: &mut Vec<u8>, words: &[u32]| {
        words.iter().for_each(|word| file.extend(word.to_le_bytes()));
    };
    half(&mut file, &[2, 3]); // ET_EXEC, EM_386
    word(&mut file, &[1, AT + HEADERS, 52, 0, 0]); // version, entry, program headers at, none
    half(&mut file, &[52, 32, 1, 40, 0, 0]); // sizes and counts of headers
    word(&mut file, &[1, 0, AT, AT, size, size, 5, 0x1000]); // PT_LOAD, readable and executable
    file.extend(code);

    let scratch = Scratch::new();
    let program = executable(&scratch, "program", &file);
    let output = alone().args([&program]).output();
    assert!(output.stderr.contains("is a program for 32-bit"), "{output:#?}");
    assert!(output.stderr.contains("its copies will not be seen"), "{output:#?}");
    // The second if this kernel cannot run such programs.
    match output.status {
        Some(3) => assert_unseen(&output, "is a program for 32-bit"),
        status => assert_eq!(status, Some(126), "{output:#?}"),
    }
}

#[test]
fn a_script_is_seen_through_its_interpreter() {
    let files = LauncherFiles::new();
    let script = executable(&files.scratch, "script", b"#! /bin/sh -e\ncp \"$1\" \"$2\"; exit 6\n");
    let output = trace([&script, &files.from, &files.to]).output();
    assert_eq!(output.status, Some(6), "{output:#?}");
    assert_eq!((logged(&output), none_seen(&output)), (1, 0), "{output:#?}");
    // An interpreter may be a script itself.
    let script =
        executable(&files.scratch, "second", format!("#!{}\n", script.display()).as_bytes());
    // "#!" puts the script's path before its arguments.
    let output = trace([&script, &files.to]).output();
    assert_eq!(output.status, Some(6), "{output:#?}");
    assert!(!output.calls().is_empty(), "{output:#?}");
}

// The line that explains an empty trace.

#[test]
fn an_empty_trace_is_explained_once() {
    let output = alone().args(["true"]).ok();
    assert_eq!(output.stderr.lines().count(), 1, "{output:#?}");
    assert!(output.stderr.starts_with("cfr: no copy was seen: /"), "{output:#?}");
    assert!(output.stderr.contains("true never called copy_file_range"), "{output:#?}");

    let output = alone().args(["sh", "-c", "true; cat /dev/null; ls > /dev/null"]).ok();
    assert_eq!(none_seen(&output), 1, "{output:#?}");
    assert!(output.stderr.contains("none of the 3 programs called"), "{output:#?}");

    let output = alone().args(["env", "-u", "LD_PRELOAD", "true"]).ok();
    assert_eq!(none_seen(&output), 1, "{output:#?}");
}

#[test]
fn a_trace_with_a_copy_needs_no_explanation() {
    let files = LauncherFiles::new();
    let output = trace(files.cp()).ok();
    assert_eq!((logged(&output), none_seen(&output)), (1, 0), "{output:#?}");

    let script = "sh -c 'cp \"$0\" \"$1\"; true' \"$0\" \"$1\"; true";
    let output = trace(["sh", "-c", script]).args([&files.from, &files.to]).ok();
    assert_eq!((logged(&output), none_seen(&output)), (1, 0), "a grandchild's: {output:#?}");

    let output = trace(["--log=warn"]).args(files.cp()).ok();
    assert_eq!((logged(&output), none_seen(&output)), (0, 0), "not logged, but seen: {output:#?}");

    let log = files.scratch.file("log");
    let output = trace(["-o".as_ref(), log.as_os_str()]).args(files.cp()).ok();
    assert_eq!(output.stderr, "");
}

#[test]
fn run_prints_nothing_of_its_own() {
    let files = LauncherFiles::new();
    assert_eq!(cfr().args(["run"]).args(files.cp()).ok().stderr, "");
    assert_eq!(cfr().args(["run", "true"]).ok().stderr, "");
    let output = cfr().args(["run", "--log", "info"]).args(files.cp()).ok();
    assert_eq!(logged(&output), 1, "unless told otherwise: {output:#?}");
}

/// The launcher must not say that the program never copied.
#[test]
fn an_empty_trace_is_not_explained_if_the_hook_or_the_log_was_off() {
    let files = LauncherFiles::new();
    for options in ["--log=off", "--hooks=syscall"] {
        let output = trace([options]).args(files.cp()).ok();
        assert!(!output.stderr.contains("never called copy_file_range"), "{options}: {output:#?}");
    }
}

// The log.

#[test]
fn a_relative_log_is_where_the_launcher_started() {
    let files = LauncherFiles::new();
    let script = "cd /; exec cp \"$0\" \"$1\"";
    let words = ["sh".as_ref(), "-c".as_ref(), script.as_ref(), files.from.as_os_str()];
    let copy = [&words[..], &[files.to.as_os_str()]].concat();
    for (directory, is_option) in [("plain", true), ("100%p", true), ("of a variable", false)] {
        let directory = files.scratch.file(directory);
        fs::create_dir(&directory).unwrap();
        let run = if is_option {
            trace(["-o", "log"])
        } else {
            trace([""; 0]).env("CFR_LOG_FILE", "log")
        };
        let output = run.args(&copy).within(&directory).ok();
        assert_eq!(output.stderr, "", "{directory:?}");
        let log = fs::read_to_string(directory.join("log")).unwrap();
        assert!(log.contains(" = 5000 (kernel)"), "{directory:?}: {log}");
        assert!(!log.contains("cfr: "), "{log}");
    }
}

#[test]
fn a_log_file_may_hold_placeholders() {
    let files = LauncherFiles::new();
    let names = |template: &str, script: &str| {
        let directory = Scratch::below(files.scratch.path());
        let run = trace(["-o", template, "sh", "-c", script]);
        let output = run.args([&files.from, &files.to]).within(directory.path()).ok();
        assert_eq!(output.stderr, "", "{template}");
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let log = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), log)
            })
            .collect();
        names.sort();
        names
    };
    let cp = "cp \"$0\" \"$1\"";

    let twice = names("log.%p", &format!("{cp}; {cp}; true"));
    assert_eq!(twice.len(), 2, "{twice:?}");
    for (name, log) in &twice {
        let pid = name.strip_prefix("log.").unwrap();
        assert!(log.lines().all(|line| line.starts_with(&format!("{pid} "))), "{name}: {log}");
    }
    assert_eq!(names("log.%e", cp)[0].0, "log.cp");
    assert_eq!(names("100%%", cp)[0].0, "100%");
    assert_eq!(names("%%p.%e%%", cp)[0].0, "%p.cp%");
}

/// Only the traced process knows which directory that is.
#[test]
fn a_log_files_directory_may_hold_placeholders() {
    let files = LauncherFiles::new();
    for (template, file) in [("%e/log", "cp/log"), ("50%%/log.%e", "50%/log.cp")] {
        let file = files.scratch.file(file);
        fs::create_dir(file.parent().unwrap()).unwrap();
        trace(["-o", template]).args(files.cp()).within(files.scratch.path()).ok();
        assert!(fs::read_to_string(file).unwrap().contains(" = 5000 (kernel)"));
    }
}

#[test]
fn a_log_file_is_appended_to() {
    let files = LauncherFiles::new();
    let log = files.scratch.write("log", b"what was there\n");
    // FICLONE, the copy, the end of the file.
    for lines in [4, 7] {
        trace(["-o".as_ref(), log.as_os_str()]).args(files.cp()).ok();
        let log = fs::read_to_string(&log).unwrap();
        assert!(log.starts_with("what was there\n"), "{log}");
        assert_eq!(log.lines().count(), lines, "{log}");
    }
}

#[test]
fn the_number_of_lines_that_the_log_lacks_is_said() {
    let test = "cli::launcher::the_number_of_lines_that_the_log_lacks_is_said";
    let filesystems = Filesystems::mount_also(test, &["small-tmpfs"]);
    let Some(full) = filesystems.get("small-tmpfs") else {
        return skip(test, "no tmpfs can be mounted");
    };
    let files = LauncherFiles::new();
    let log = full.join("log");
    fs::write(&log, "").unwrap();
    // As much as there is room for.
    fs::write(full.join("rest"), vec![0; 8 << 20]).unwrap_err();
    let words = |hook: &str| [copier().into(), hook.into(), files.from.clone(), files.to.clone()];
    let said = |options: &[&str]| {
        let run = trace(["-o"]).args([&log]).args(options).args(words("copy"));
        run.ok().stderr
    };
    let lost = "cfr: 1 line of the log was lost\n";
    assert!(said(&[]).ends_with(lost), "{}", said(&[]));
    // The summary has the number.
    assert!(!said(&["-c"]).contains(lost));
}

#[test]
fn json_lines_have_every_key_in_order() {
    let files = LauncherFiles::new();
    let log = files.scratch.file("log");
    let to = OsString::from_vec([files.to.as_os_str().as_bytes(), b"\xff\"\n"].concat());
    let words = |hook: &str| [copier().into(), hook.into(), files.from.clone().into(), to.clone()];
    for hook in ["copy", "syscall"] {
        let run = trace(["--format", "json", "--log", "trace", "-o"]).args([&log]);
        run.args(words(hook)).ok();
    }
    let log = fs::read_to_string(&log).unwrap();
    let mut calls = Vec::new();
    for line in log.lines() {
        let value = read_json(line);
        let object = value.as_object().unwrap();
        let mut rest = line;
        for key in &JSON_KEYS {
            assert!(object.contains_key(*key), "no {key} in {line}");
            let at = rest.find(&format!("\"{key}\":"));
            rest = &rest[at.unwrap_or_else(|| panic!("{key} is out of order in {line}"))..];
        }
        // A message has two more keys.
        let more = if value["call"].is_null() { 2 } else { 0 };
        assert_eq!(object.len(), JSON_KEYS.len() + more, "{line}");
        if more == 0 {
            calls.push(value);
        }
    }
    assert_eq!(calls.len(), 2, "{log}");
    for (call, hook) in calls.iter().zip(["copy_file_range", "syscall"]) {
        assert_eq!(call["hook"], hook);
        assert_eq!(call["ret"], 5000);
        assert_eq!(call["method"], "kernel");
        assert_eq!(call["comm"], "scripted_calls");
        assert_eq!(call["path_in"], files.from.to_str().unwrap());
        let shown = format!("{}\0ff\"\n", files.to.display());
        assert_eq!(call["path_out"], shown.as_str());
    }
}

// Help.

#[test]
fn help_names_every_option_and_variable() {
    for words in [&["--help"][..], &["trace", "--help"], &["run", "--help"], &["help", "trace"]] {
        let output = cfr().args(words).ok();
        assert_eq!(output.stderr, "", "{words:?}");
        for setting in &TABLE {
            let Some(option) = setting.option else { continue };
            let names = [format!("--{option}"), setting.variable.to_owned()];
            let help = crate::docs::pages::settings_help::of(setting);
            let short = help.short.map(|letter| format!("-{letter},"));
            for name in names.into_iter().chain(short) {
                assert!(output.stdout.contains(&name), "no {name} in {words:?}: {}", output.stdout);
            }
        }
    }
    let output = cfr().args(["--help"]).ok();
    for word in ["trace", "run", "125", "126", "127", "128+N", "cfr(1)"] {
        assert!(output.stdout.contains(word), "no {word} in {}", output.stdout);
    }
}

/// Names that were changed before the first release have no alias.
#[test]
fn old_names_are_unknown() {
    for option in ["--witness", "--doors"] {
        assert_fails(trace([option, "x", "true"]), 125, &[option, "unexpected argument"]);
    }
    for variable in ["CFR_WITNESS", "CFR_DOORS"] {
        let output = cfr().args(["run", "true"]).env(variable, "x").ok();
        let expected = format!("cfr: unknown variable {variable} is ignored: expected CFR_LOG, ");
        assert!(output.stderr.starts_with(&expected), "{output:#?}");
    }
    assert_fails(trace(["--inject", "error=EIO:door=ioctl", "true"]), 125, &["--inject", "door"]);
    assert_fails(trace(["--expect", "dedup=1", "true"]), 125, &["--expect", "dedup"]);
}

/// A name must not command the terminal or forge a line.
#[test]
fn names_with_control_characters_are_escaped() {
    let evil = "no\u{1b}[31m\nsuch";
    for output in [
        trace([evil]).output(),
        trace(["-o", &format!("/{evil}/log"), "true"]).output(),
        trace(["true"]).env("CFR_\u{1b}[31m\nX", "1").output(),
    ] {
        let said = &output.stderr;
        assert!(
            !said.contains('\u{1b}') && !said.contains("\nsuch") && !said.contains("\nX"),
            "{said}"
        );
        assert!(said.contains("[31m\\n"), "{said}");
    }
}

/// A shell's loop ends with Ctrl-C or Ctrl-\ only if the shell sees the death by that signal itself.
#[test]
fn a_death_by_a_signal_of_the_terminal_is_passed_on() {
    for (signal, number) in [("INT", libc::SIGINT), ("QUIT", libc::SIGQUIT)] {
        for command in ["trace", "run"] {
            let kill = format!("ulimit -c 0; kill -{signal} $$");
            let output = cfr().args([command, "sh", "-c", &kill]).output();
            assert_eq!((output.status, output.signal), (None, Some(number)), "{output:#?}");
        }
    }
}

/// The program may dump core by SIGQUIT; a core of the launcher has nothing more to tell.
#[test]
fn the_launcher_dumps_no_core() {
    let scratch = Scratch::new();
    let script = "ulimit -c unlimited; exec \"$0\" run sh -c 'ulimit -c 0; kill -QUIT $$'";
    let mut run = Run::bare("sh").args(["-c", script]).args([launcher()]).within(scratch.path());
    let end = run.command().status().unwrap();
    assert_eq!((end.signal(), end.core_dumped()), (Some(libc::SIGQUIT), false));
}

#[test]
fn an_empty_option_is_refused() {
    for option in ["--log", "-o", "--format"] {
        assert_fails(trace([option, "", "true"]), 125, &["invalid value '' for --", ": expected "]);
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let expected = format!("cfr {}\n", env!("CARGO_PKG_VERSION"));
    for option in ["--version", "-V"] {
        let output = cfr().args([option]).ok();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (expected.as_str(), ""));
    }
}

#[test]
fn an_unknown_cfr_variable_is_warned_of() {
    let output = cfr().args(["run", "true"]).env("CFR_LGO", "info").ok();
    assert!(
        output.stderr.starts_with("cfr: unknown variable CFR_LGO is ignored: expected "),
        "{output:#?}"
    );
    assert!(output.stderr.contains("CFR_LOG_FILE"), "{output:#?}");
}
