//! What hosts do to a library that is a guest in them: one C program a hazard, each run bare and
//! with the library in every way that it logs. What the host sees must not depend on it.

use crate::harness::{Output, Run, Scratch, call, compile, library, library_with_panics, skip};
use Log::{Any, AtLeast, AtMost, Exact, Whole};
use cfr_core::format::JSON_KEYS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What must hold for a log. Unless it says otherwise, every line is whole and is a call's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    /// One line for each call that the program reports.
    Exact,
    /// The programs that it starts copy too.
    AtLeast,
    /// The program takes the log away from us for a while.
    AtMost,
    /// The program cannot say how many calls it made.
    Whole,
    /// The program leaves no way to write whole lines.
    Any,
}

/// The table: a test, its program and the program's words after the log's path, and what must hold
/// for a log on standard error and in a file. A hazard is one C file and one row.
macro_rules! hazards {
    ($($test:ident: $program:literal $(+ $word:literal)*, $console:ident, $file:ident;)*) => {$(
        #[test]
        fn $test() {
            let hazard = Hazard::new(stringify!($test), $program, &[$($word),*]);
            hazard.run_in_each_mode($console, $file);
        }
    )*};
}

hazards! {
    closes_descriptors: "closes_descriptors", Exact, Exact;
    replaces_standard: "replaces_standard", AtMost, Exact;
    without_standard: "without_standard", AtMost, Exact;
    signal_handler: "signal_handler", Exact, Exact;
    signal_handler_on_a_small_stack: "signal_handler" + "altstack", Exact, Exact;
    forks_from_threads: "forks_from_threads", Exact, Exact;
    fork_then_threads: "fork_then_threads", Exact, Exact;
    vfork_exec: "vfork_exec", AtLeast, AtLeast;
    vfork_copies: "vfork_copies", Exact, Exact;
    vfork_often: "vfork_often", Exact, Exact;
    closes_often: "closes_often", Exact, Exact;
    signal_while_waiting: "signal_while_waiting", Any, Exact;
    stuck_threads: "stuck_threads", Any, AtMost;
    leader_gone: "leader_gone", Exact, Exact;
    late_copies: "late_copies", Exact, Exact;
    cancel_pending: "cancel_pending", Exact, Exact;
    cancel_async: "cancel_async", Whole, Whole;
    cancel_late: "cancel_late", Whole, Whole;
    jumps_out: "jumps_out", Any, Any;
    errno: "errno", Exact, Exact;
    moves_log: "moves_log", Exact, Exact;
    deletes_log: "deletes_log", Whole, Any;
    file_size_limit: "file_size_limit", Whole, Any;
    descriptors_exhausted: "descriptors_exhausted", Exact, AtMost;
    descriptor_tables: "descriptor_tables", Exact, Exact;
    wild_offsets: "wild_offsets", Exact, Exact;
    other_syscalls: "other_syscalls", Exact, Exact;
    wiped_environment: "wiped_environment", Exact, Exact;
    many_threads: "many_threads", Exact, Exact;
    many_processes: "many_processes", Exact, Exact;
    without_proc: "without_proc", Exact, Exact;
    small_stack: "small_stack", Exact, Exact;
    inode_reused: "inode_reused", Any, Whole;
    reader_gone: "reader_gone", Any, Exact;
    writes_nothing: "writes_nothing", AtMost, AtMost;
    full_pipe: "full_stderr" + "pipe", Any, Whole;
    full_fifo_on_stderr: "full_stderr" + "fifo", Any, Whole;
    full_socket: "full_stderr" + "socket", Any, Whole;
    full_terminal: "full_stderr" + "terminal", Any, Whole;
}

/// How a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Bare,
    Off,
    Console,
    Text,
    Json,
}

/// A program to run, over and over, each time in a new directory.
struct Hazard {
    test: String,
    program: PathBuf,
    words: Vec<String>,
}

/// What came of it.
struct Outcome {
    output: Output,
    /// Every file that it left, by name.
    files: BTreeMap<String, Vec<u8>>,
    /// How many calls it reports.
    calls: usize,
    /// The log file's bytes.
    log: Vec<u8>,
}

impl Hazard {
    fn new(test: &str, program: &str, words: &[&str]) -> Hazard {
        Hazard {
            test: test.to_owned(),
            program: compile(&format!("{program}.c"), &format!("hazard-{test}"), &[]),
            words: words.iter().map(ToString::to_string).collect(),
        }
    }

    fn run_in_each_mode(&self, console: Log, file: Log) {
        let bare = self.run(Mode::Bare);
        if bare.cannot(&self.test) {
            return;
        }
        assert_eq!(bare.output.status, Some(0), "{}", bare.output.stdout.escape_debug());
        for mode in [Mode::Off, Mode::Console, Mode::Text, Mode::Json] {
            let with = self.run(mode);
            with.must_equal(&bare, mode);
            let stderr = with.output.stderr.as_bytes();
            match mode {
                Mode::Bare | Mode::Off => assert_eq!(with.output.stderr, bare.output.stderr),
                Mode::Console => with.judge(console, mode, parse_text(stderr, "cfr: ")),
                Mode::Text => with.judge(file, mode, parse_text(&with.log, "")),
                Mode::Json => with.judge(file, mode, parse_json(&with.log)),
            }
        }
    }

    fn run(&self, mode: Mode) -> Outcome {
        self.run_with(|run, log| match mode {
            Mode::Bare => run,
            Mode::Off => preload(run).env("CFR_LOG", "off"),
            Mode::Console => preload(run),
            Mode::Text => preload(run).env("CFR_LOG_FILE", log),
            Mode::Json => preload(run).env("CFR_LOG_FILE", log).env("CFR_LOG_FORMAT", "json"),
        })
    }

    /// Runs it with the environment that `prepare` gives it, who is told the log's path.
    fn run_with(&self, prepare: impl FnOnce(Run, &Path) -> Run) -> Outcome {
        let (data, logs) = (Scratch::new(), Scratch::new());
        let log = logs.file("log");
        let run =
            Run::bare(&self.program).args([log.as_os_str()]).args(&self.words).within(data.path());
        let output = prepare(run, &log).output();
        let mut files = read_files(data.path());
        let calls = files.remove("calls").unwrap_or_default();
        Outcome {
            output,
            files,
            calls: String::from_utf8(calls)
                .unwrap()
                .lines()
                .map(|line| line.parse::<usize>().unwrap())
                .sum(),
            log: fs::read(&log).unwrap_or_default(),
        }
    }
}

impl Outcome {
    /// Whether the program says, by automake's status for it, that it cannot run here: a skip.
    fn cannot(&self, test: &str) -> bool {
        let cannot = self.output.status == Some(77);
        if cannot {
            skip(test, self.output.stdout.trim());
        }
        cannot
    }

    /// The host did the same as without us.
    #[track_caller]
    fn must_equal(&self, bare: &Outcome, what: impl std::fmt::Debug) {
        let ended = |outcome: &Outcome| {
            let output = &outcome.output;
            (output.status, output.signal, output.stdout.clone())
        };
        assert_eq!(ended(self), ended(bare), "{what:?}: {:?}", self.stderr());
        assert_eq!(host_lines(self), host_lines(bare), "{what:?}: stderr");
        let names = |outcome: &Outcome| outcome.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(self), names(bare), "{what:?}: files");
        for (name, bytes) in &self.files {
            assert!(
                bare.files.get(name) == Some(bytes),
                "{what:?}: {name} holds {:?}",
                String::from_utf8_lossy(bytes.get(..400).unwrap_or(bytes))
            );
        }
    }

    /// The end of standard error, for a message.
    fn stderr(&self) -> String {
        let stderr = &self.output.stderr;
        let start = stderr.len().saturating_sub(600);
        stderr.get(start..).unwrap_or(stderr).to_owned()
    }

    #[track_caller]
    fn judge(&self, demand: Log, mode: Mode, parsed: Result<Lines, String>) {
        if demand == Any {
            return;
        }
        let lines = parsed.unwrap_or_else(|line| panic!("{mode:?}: not a line: {line:?}"));
        let calls = self.calls;
        assert!(
            match demand {
                Exact => lines.calls == calls && lines.messages.is_empty(),
                AtLeast => lines.calls >= calls,
                AtMost => lines.calls <= calls,
                Whole | Any => true,
            },
            "{mode:?}: {demand:?} {calls} calls: {lines:?}"
        );
        if calls > 0 && matches!(demand, Exact | AtLeast) {
            assert!(lines.calls > 0, "{mode:?}: nothing was logged");
        }
    }
}

/// A log that was read.
#[derive(Debug)]
struct Lines {
    calls: usize,
    messages: Vec<String>,
}

impl Lines {
    /// How many lines it says are lost.
    fn lost(&self) -> usize {
        self.messages
            .iter()
            .map(|message| {
                let number = message.strip_suffix(" lines lost");
                number.unwrap_or_else(|| panic!("{message}"))
            })
            .map(|number| number.parse::<usize>().unwrap())
            .sum()
    }
}

/// The text log; on standard error only what begins as it does. Or the first line that is none.
fn parse_text(log: &[u8], prefix: &str) -> Result<Lines, String> {
    let mut lines = Lines { calls: 0, messages: Vec::new() };
    let log = String::from_utf8_lossy(log);
    if !prefix.is_empty() || log.is_empty() || log.ends_with('\n') {
        for line in log.lines() {
            let Some(line) = line.strip_prefix(prefix) else {
                // The host's own, which is compared elsewhere; but not with one of ours in it.
                if line.contains("copy_file_range(") {
                    return Err(line.to_owned());
                }
                continue;
            };
            if let Some(call) = call(line) {
                if !is_call(&call) {
                    return Err(line.to_owned());
                }
                lines.calls += 1;
            } else if is_sentence(line) {
                // It says which rule the call before it broke.
            } else if line.ends_with(" lines lost") {
                lines.messages.push(line.replacen("cfr: ", "", 1));
            } else {
                return Err(line.to_owned());
            }
        }
        return Ok(lines);
    }
    Err(log.lines().last().unwrap_or_default().to_owned())
}

/// `PID TIME --- LEVEL: rule ID: why (dialect; source) ---` and nothing before or behind it.
fn is_sentence(line: &str) -> bool {
    let mut words = line.splitn(3, ' ');
    let origin = [words.next(), words.next()];
    let numbers = origin.iter().flatten().all(|word| word.parse::<f64>().is_ok());
    let sentence = words.next().unwrap_or_default();
    numbers
        && ["--- info: rule ", "--- warn: rule "].iter().any(|start| sentence.starts_with(start))
        && sentence.ends_with(") ---")
        && sentence.matches("---").count() == 2
}

/// One call and nothing behind it.
fn is_call(call: &str) -> bool {
    let Some((call, notes)) = call.rsplit_once(" (") else { return false };
    (call.starts_with("copy_file_range(") || call.starts_with("syscall(SYS_copy_file_range, "))
        && (notes == "kernel)" || notes.starts_with("kernel, rule ") && notes.ends_with(')'))
        && call.matches(" = ").count() == 1
        && call.matches("SYS_").count() <= 1
}

fn parse_json(log: &[u8]) -> Result<Lines, String> {
    let mut lines = Lines { calls: 0, messages: Vec::new() };
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let shown = || String::from_utf8_lossy(line).into_owned();
        if !line.ends_with(b"\n") {
            return Err(shown());
        }
        let object: Value = serde_json::from_slice(line).map_err(|_| shown())?;
        if JSON_KEYS.iter().any(|key| object.get(key).is_none()) {
            return Err(shown());
        }
        match object.get("message") {
            Some(message) => lines.messages.push(message.as_str().unwrap().to_owned()),
            None => lines.calls += 1,
        }
    }
    Ok(lines)
}

fn parse(format: &str, log: &[u8]) -> Result<Lines, String> {
    match format {
        "text" => parse_text(log, ""),
        _ => parse_json(log),
    }
}

/// What the host itself wrote to standard error.
fn host_lines(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.output.stderr.lines();
    lines.filter(|line| !line.starts_with("cfr: ")).collect()
}

fn read_files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn preload(run: Run) -> Run {
    run.env("LD_PRELOAD", library())
}

/// A path in C's terms.
fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn make_fifo(path: &Path) {
    let path = c_path(path);
    // SAFETY: path is a C string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

/// A log that cannot be written changes nothing but the log.
#[test]
fn log_that_cannot_be_written() {
    let hazard = Hazard::new("log_that_cannot_be_written", "errno", &[]);
    let bare = hazard.run(Mode::Bare);
    let places = Scratch::new();
    let fifo = places.file("fifo");
    make_fifo(&fifo);
    let socket = places.file("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for place in [
        Path::new("/dev/full"),
        &places.file("no such directory/log"),
        places.path(),
        &fifo,
        &socket,
        Path::new("/proc/self/status"),
        Path::new("/proc/self/mem"),
    ] {
        let with = hazard.run_with(|run, _| preload(run).env("CFR_LOG_FILE", place));
        with.must_equal(&bare, place);
        let told = with.output.stderr.matches("cannot write the log").count();
        assert_eq!(told, 1, "{}: {}", place.display(), with.output.stderr);
    }
}

/// Standard error on a full disk, or a log there too.
#[test]
fn standard_error_that_cannot_be_written() {
    let program = compile("errno.c", "hazard-standard_error_that_cannot", &[]);
    let shell = Hazard { test: "cp".into(), program: "/bin/sh".into(), words: Vec::new() };
    let run = |redirection: &str, log: Option<&str>, preloaded: bool| {
        shell.run_with(|run, _| {
            let script = format!("exec {} log {redirection}", program.display());
            // The log's path, which the shell would take for a script, goes after "-c".
            let mut run = Run::bare("/bin/sh").args(["-c", &script]).within(run_directory(run));
            if preloaded {
                run = preload(run);
            }
            match log {
                Some(log) => run.env("CFR_LOG_FILE", log),
                None => run,
            }
        })
    };
    for redirection in ["2>/dev/full", "2>&-", "2</dev/null", "2>/dev/null"] {
        let bare = run(redirection, None, false);
        assert_eq!(bare.output.status, Some(0), "{}", bare.output.stdout);
        for log in [None, Some("/dev/full")] {
            run(redirection, log, true).must_equal(&bare, redirection);
        }
    }
}

/// The directory in which a program would run.
fn run_directory(mut run: Run) -> PathBuf {
    run.command().get_current_dir().unwrap().to_owned()
}

/// Held up for at most about a second in a row; then lines are dropped, counted, and told of.
#[test]
fn full_fifo() {
    let hazard = Hazard::new("full_fifo", "full_fifo", &[]);
    for format in ["text", "json"] {
        let places = Scratch::new();
        let (fifo, kept) = (places.file("fifo"), places.file("kept"));
        make_fifo(&fifo);
        let outcome = hazard.run_with(|run, _| {
            preload(Run::bare(&hazard.program).within(run_directory(run)))
                .args([&fifo, &kept])
                .env("CFR_LOG_FILE", &fifo)
                .env("CFR_LOG_FORMAT", format)
        });
        assert_eq!(outcome.output.status, Some(0), "{format}: {:?}", outcome.output);
        let log = fs::read(&kept).unwrap();
        let lines = parse(format, &log).unwrap();
        assert_eq!(lines.messages.len(), 2, "{format}: {lines:?}");
        assert_eq!(lines.calls + lines.lost(), outcome.calls, "{format}: {lines:?}");
    }
}

/// cp started with its standard descriptors closed; each in turn, and all of them.
#[test]
fn cp_without_standard_descriptors() {
    let scratch = Scratch::new();
    let source = scratch.random("source", 100_000);
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        for log in [None, Some("log")] {
            let script = format!("exec cp source copied {closed}");
            let mut run = Run::preloaded("sh").args(["-c", &script]).within(scratch.path());
            if let Some(log) = log {
                run = run.env("CFR_LOG_FILE", log);
            }
            run.ok();
            assert_eq!(fs::read(&source).unwrap(), fs::read(scratch.file("copied")).unwrap());
            if log.is_some() {
                let lines = parse_text(&fs::read(scratch.file("log")).unwrap(), "").unwrap();
                assert!(lines.calls > 0, "{closed}");
                fs::remove_file(scratch.file("log")).unwrap();
            }
            fs::remove_file(scratch.file("copied")).unwrap();
        }
    }
}

/// Another library's constructor copies before ours has run, and after.
#[test]
fn early_constructor() {
    let program = Hazard::new("early_constructor", "copies_once", &[]);
    let other =
        compile("early_constructor.c", "hazard-early_constructor.so", &["-shared", "-fPIC"]);
    let ours = library();
    let bare = program.run_with(|run, _| run.env("LD_PRELOAD", &other));
    assert_eq!(bare.output.stdout, "constructor\nok\n");
    let mut came_first = Vec::new();
    for order in [[&ours, &other], [&other, &ours]] {
        let list = order.map(|path| path.to_str().unwrap()).join(":");
        for format in ["text", "json"] {
            let debug = Scratch::new();
            let with = program.run_with(|run, log| {
                run.env("LD_PRELOAD", &list)
                    .env("CFR_LOG_FILE", log)
                    .env("CFR_LOG_FORMAT", format)
                    .env("LD_DEBUG", "files")
                    .env("LD_DEBUG_OUTPUT", debug.file("ld"))
            });
            with.must_equal(&bare, &list);
            let parsed = parse(format, &with.log);
            with.judge(Exact, Mode::Text, parsed);
            let said = read_files(debug.path()).into_values().next().unwrap();
            let said = String::from_utf8_lossy(&said).into_owned();
            let first = said
                .lines()
                .filter_map(|line| line.split_once("calling init: "))
                .map(|(_, path)| Path::new(path.trim()).to_owned())
                .find(|path| *path == ours || *path == other);
            came_first.push(first.expect("a constructor ran") == ours);
        }
    }
    came_first.sort_unstable();
    came_first.dedup();
    assert_eq!(came_first, [false, true], "both orders were tried");
}

/// Opened by dlopen(3), used, closed, again and again: quiet unless told, and nothing leaks.
#[test]
fn opens_library() {
    let hazard = Hazard::new("opens_library", "opens_library", &[]);
    let run = |settings: &[(&str, &str)], with_file: bool| {
        hazard.run_with(|run, log| {
            let mut run = run.args([library()]);
            if with_file {
                run = run.env("CFR_LOG_FILE", log);
            }
            settings.iter().fold(run, |run, (name, value)| run.env(name, value))
        })
    };
    let quiet = run(&[], true);
    assert_eq!(quiet.output.status, Some(0), "{}", quiet.output.stdout);
    assert_eq!(quiet.output.stderr, "");
    assert!(quiet.log.is_empty());
    for format in ["text", "json"] {
        let logged = run(&[("CFR_LOG", "info"), ("CFR_LOG_FORMAT", format)], true);
        logged.must_equal(&quiet, format);
        let parsed = parse(format, &logged.log);
        logged.judge(Exact, Mode::Text, parsed);
    }
    let console = run(&[("CFR_LOG", "info")], false);
    console.must_equal(&quiet, "console");
    console.judge(Exact, Mode::Console, parse_text(console.output.stderr.as_bytes(), "cfr: "));
}

/// A file for each process (`%p`): each holds the lines of its own, and what the host opens while
/// a child turns from its parent's to its own stays open.
macro_rules! one_log_a_process {
    ($($test:ident: $program:literal, $format:literal;)*) => {$(
        #[test]
        fn $test() {
            one_log_a_process(stringify!($test), $program, $format);
        }
    )*};
}

one_log_a_process! {
    one_log_a_fork_of_threads: "forks_from_threads", "text";
    one_log_a_fork_with_threads: "fork_then_threads", "text";
    one_log_a_fork_with_threads_in_json: "fork_then_threads", "json";
    one_log_a_raw_fork: "other_syscalls", "text";
    one_log_a_vfork: "vfork_often", "text";
    one_log_a_program: "many_processes", "json";
    one_log_a_spawned_program: "vfork_exec", "json";
}

fn one_log_a_process(test: &str, program: &str, format: &str) {
    let hazard = Hazard::new(test, program, &[]);
    let bare = hazard.run(Mode::Bare);
    let logs = Scratch::new();
    let with = hazard.run_with(|run, _| {
        preload(run).env("CFR_LOG_FILE", logs.file("%p")).env("CFR_LOG_FORMAT", format)
    });
    with.must_equal(&bare, format);
    let mut calls = 0;
    for (name, log) in read_files(logs.path()) {
        let lines = parse(format, &log).unwrap();
        assert!(lines.messages.is_empty(), "{lines:?}");
        calls += lines.calls;
        let origin = match format {
            "text" => format!("{name} "),
            _ => format!("\"pid\":{name},"),
        };
        for line in String::from_utf8(log).unwrap().lines() {
            let its_own = match format {
                "text" => line.starts_with(&origin),
                _ => line.contains(&origin),
            };
            assert!(its_own, "in {name}: {line}");
        }
    }
    // cp makes calls that nobody reports.
    assert!(calls == with.calls || program == "vfork_exec" && calls > with.calls);
}

/// When the limit on file sizes is lifted, the log goes on, on a line of its own, and says what is
/// missing.
#[test]
fn log_after_a_limit() {
    let hazard = Hazard::new("log_after_a_limit", "file_size_limit", &[]);
    for mode in [Mode::Text, Mode::Json] {
        let with = hazard.run(mode);
        let log = String::from_utf8(with.log).unwrap();
        let lines = log.lines().collect::<Vec<_>>();
        let format = if mode == Mode::Text { "text" } else { "json" };
        // The program's last two copies are made without a limit; a message follows the first.
        let last = lines.get(lines.len() - 3..).unwrap().join("\n") + "\n";
        let last = parse(format, last.as_bytes()).unwrap();
        assert_eq!((last.calls, last.lost() > 0), (2, true), "{mode:?}: {last:?}");
    }
}

/// Without /proc a descriptor is shown without a path.
#[test]
fn paths_without_proc() {
    let hazard = Hazard::new("paths_without_proc", "without_proc", &[]);
    let with = hazard.run(Mode::Console);
    if with.cannot("paths_without_proc") {
        return;
    }
    let calls = with.output.calls();
    assert_eq!(calls.len(), with.calls, "{}", with.output.stderr);
    for call in calls.get(1..).unwrap() {
        assert!(!call.contains('<'), "{call}");
    }
}

/// Each thread's descriptors have their paths, whatever /proc/self is.
#[test]
fn paths_of_each_thread() {
    for program in ["leader_gone", "descriptor_tables"] {
        let hazard = Hazard::new(&format!("paths_of_each_thread-{program}"), program, &[]);
        let with = hazard.run(Mode::Console);
        let calls = with.output.calls();
        assert_eq!(calls.len(), with.calls, "{}", with.output.stderr);
        for call in calls {
            assert!(call.contains("/source>") && call.contains("/out"), "{program}: {call}");
        }
    }
}

/// In a set-user-ID program every variable is ignored: no file is made, nothing is said.
#[test]
fn set_user_id() {
    const NOBODY: &str = "65534";
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        return skip("set_user_id", "only root may become another user");
    }
    let places = Scratch::new();
    let open_to_all = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open_to_all(places.path(), 0o777);
    fs::write(places.file("libcfr.so.0"), fs::read(library()).unwrap()).unwrap();
    open_to_all(&places.file("libcfr.so.0"), 0o755);
    let compiled = compile(
        "copies_once.c",
        "hazard-set_user_id",
        &[
            "-Wl,--no-as-needed",
            places.file("libcfr.so.0").to_str().unwrap(),
            // The dynamic linker trusts a path that is spelled out; $ORIGIN and the environment
            // it does not.
            &format!("-Wl,-rpath,{}", places.path().display()),
        ],
    );
    let [plain, secure] = ["plain", "secure"].map(|name| places.file(name));
    for (program, mode) in [(&plain, 0o755), (&secure, 0o4755)] {
        fs::write(program, fs::read(&compiled).unwrap()).unwrap();
        open_to_all(program, mode);
    }
    let run = |program: &Path, log: &Path| {
        let data = Scratch::new();
        open_to_all(data.path(), 0o777);
        let output = Run::bare("setpriv")
            .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"])
            .args([program])
            .env("CFR_LOG", "info")
            .env("CFR_LOG_FILE", log)
            .within(data.path())
            .ok();
        let owner = fs::metadata(data.file("out")).unwrap();
        let copied = fs::read(data.file("out")).unwrap();
        assert_eq!(copied, fs::read(data.file("source")).unwrap());
        (output, std::os::unix::fs::MetadataExt::uid(&owner))
    };
    let log = places.file("log");
    let (_, owner) = run(&plain, &log);
    assert_eq!(owner.to_string(), NOBODY);
    assert_eq!(
        parse_text(&fs::read(&log).unwrap_or_default(), "").unwrap().calls,
        1,
        "linked and not privileged, it does log"
    );
    fs::remove_file(&log).unwrap();
    let (output, owner) = run(&secure, &log);
    if owner != 0 {
        skip("set_user_id", "the filesystem ignores set-user-ID");
        return;
    }
    assert!(!log.exists());
    assert_eq!(output.stdout, "ok\n");
    assert_eq!(output.stderr, "");
}

/// A fault of our own, at each step of a call: the host gets what the kernel said.
#[test]
fn faults_of_our_own() {
    for program in [
        "errno",
        "wild_offsets",
        "closes_descriptors",
        "late_copies",
        "cancel_pending",
        "many_processes",
    ] {
        let hazard = Hazard::new(&format!("faults_of_our_own-{program}"), program, &[]);
        let bare = hazard.run(Mode::Bare);
        for format in ["text", "json"] {
            let with = hazard.run_with(|run, log| {
                let run =
                    run.env("LD_PRELOAD", library_with_panics()).env("CFR_LOG_FORMAT", format);
                match format {
                    "json" => run.env("CFR_LOG_FILE", log),
                    _ => run,
                }
            });
            with.must_equal(&bare, program);
            let log = match format {
                "json" => String::from_utf8_lossy(&with.log).into_owned(),
                _ => with.output.stderr.clone(),
            };
            assert!(log.contains("a fault of libcfr's own"), "{program}: {format}: {log}");
        }
    }
}

/// The log's descriptor is at 10 or above, close-on-exec, and not one of the host's.
#[test]
fn descriptor_of_the_log() {
    let hazard = Hazard::new("descriptor_of_the_log", "without_standard", &[]);
    let with = hazard.run(Mode::Text);
    assert_eq!(with.output.status, Some(0), "{:?}", with.files.keys());
    assert!(parse_text(&with.log, "").unwrap().calls > 0);
}
