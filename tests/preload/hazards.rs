//! Hazards in which more must hold than that the host is unchanged: what the log says, where its
//! lines are, in what order things happen. The other hazards are rows in tests/hazards/.

use cfr_testkit::{
    Host, HostRun, LogLines, Run, Scratch, compile, is_root, library, parse, parse_text, skip,
};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is added to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Bare,
    Console,
    Text,
    Json,
}

fn run(host: &Host, mode: Mode) -> HostRun {
    host.run(|run, log| match mode {
        Mode::Bare => run,
        Mode::Console => preload(run),
        Mode::Text => preload(run).env("CFR_LOG_FILE", log),
        Mode::Json => preload(run).env("CFR_LOG_FILE", log).env("CFR_LOG_FORMAT", "json"),
    })
}

/// Fails the test unless the log has one line for each call that the program reports and no other.
#[track_caller]
fn must_hold_each_call(with: &HostRun, lines: Result<LogLines, String>) {
    let lines = lines.unwrap_or_else(|line| panic!("not a line: {line:?}"));
    assert!(lines.calls == with.calls && lines.messages.is_empty(), "{lines:?}");
    assert!(lines.calls > 0, "nothing was logged");
}

/// Returns the files in a directory, by name.
fn read_files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let named = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), entry.path());
    entries.map(named).map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

fn preload(run: Run) -> Run {
    run.env("LD_PRELOAD", library())
}

/// Converts a path to a C string.
fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn make_fifo(path: &Path) {
    let path = c_path(path);
    // SAFETY: path is a C string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[test]
fn a_log_that_cannot_be_written_is_reported_once_and_changes_nothing_else() {
    let host = Host::new("log_that_cannot_be_written", "errno", &[]);
    let bare = run(&host, Mode::Bare);
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
        let with = host.run(|run, _| preload(run).env("CFR_LOG_FILE", place));
        with.must_equal(&bare, place);
        let told = with.output.stderr.matches("cannot write the log").count();
        assert_eq!(told, 1, "{}: {}", place.display(), with.output.stderr);
    }
}

/// With a log that cannot be written, too.
#[test]
fn a_standard_error_that_cannot_be_written_changes_nothing() {
    let program = compile("hazards/errno.c", "hazard-standard_error_that_cannot", &[]);
    let shell = Host::of(["/bin/sh"], &[]);
    let run = |redirection: &str, log: Option<&str>, preloaded: bool| {
        shell.run(|run, _| {
            let script = format!("exec {} log {redirection}", program.display());
            // After "-c", because the shell would take the log's path for a script.
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

/// Returns the directory in which a program would run.
fn run_directory(mut run: Run) -> PathBuf {
    run.command().get_current_dir().unwrap().to_owned()
}

/// The delay is about a second at most; then lines are dropped, counted and reported.
#[test]
fn a_full_fifo_delays_calls_for_a_second_and_then_counts_lost_lines() {
    let program = compile("hazards/full_fifo.c", "hazard-full_fifo", &[]);
    let host = Host::of([&program], &[]);
    for format in ["text", "json"] {
        let places = Scratch::new();
        let (fifo, kept) = (places.file("fifo"), places.file("kept"));
        make_fifo(&fifo);
        let outcome = host.run(|run, _| {
            preload(Run::bare(&program).within(run_directory(run)))
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

/// Each of them closed in turn, and all of them.
#[test]
fn cp_without_standard_descriptors_copies_and_is_logged() {
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

/// Before libcfr.so's constructor has run, and after.
#[test]
fn copies_of_another_constructor_are_logged_in_both_orders() {
    let host = Host::new("early_constructor", "copies_once", &[]);
    let other =
        compile("shims/early_constructor.c", "hazard-early_constructor.so", &["-shared", "-fPIC"]);
    let ours = library();
    let bare = host.run(|run, _| run.env("LD_PRELOAD", &other));
    assert_eq!(bare.output.stdout, "constructor\nok\n");
    let mut came_first = Vec::new();
    for order in [[&ours, &other], [&other, &ours]] {
        let list = order.map(|path| path.to_str().unwrap()).join(":");
        for format in ["text", "json"] {
            let debug = Scratch::new();
            let with = host.run(|run, log| {
                run.env("LD_PRELOAD", &list)
                    .env("CFR_LOG_FILE", log)
                    .env("CFR_LOG_FORMAT", format)
                    .env("LD_DEBUG", "files")
                    .env("LD_DEBUG_OUTPUT", debug.file("ld"))
            });
            with.must_equal(&bare, &list);
            let parsed = parse(format, &with.log);
            must_hold_each_call(&with, parsed);
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

/// A call that comes before the environment can be known is passed on, and decides nothing.
#[test]
fn a_call_that_comes_too_early_is_passed_on_and_later_ones_are_logged() {
    let host = Host::new("too_early", "copies_in_preinit", &[]);
    let other = compile("shims/hides_stack.c", "hazard-hides_stack.so", &["-shared", "-fPIC"]);
    let bare = host.run(|run, _| run.env("LD_PRELOAD", &other));
    assert_eq!((&*bare.output.stdout, bare.calls), ("ok\n", 2));
    let list = [&other, &library()].map(|path| path.to_str().unwrap()).join(":");
    let with = host.run(|run, log| run.env("LD_PRELOAD", &list).env("CFR_LOG_FILE", log));
    with.must_equal(&bare, &list);
    let log = String::from_utf8(with.log).unwrap();
    assert!(log.lines().count() == 1 && log.contains("/out>, "), "{log}");
}

/// Faults count a call of .preinit_array as the first one, and the summary has both.
#[test]
fn an_early_call_is_the_first_for_faults_and_summary() {
    let host = Host::new("early_faults", "copies_in_preinit", &[]);
    let bare = run(&host, Mode::Bare);
    let with = host.run(|run, log| {
        preload(run)
            .env("CFR_LOG_FILE", log)
            .env("CFR_INJECT", "delay_enter=1us:when=1")
            .env("CFR_SUMMARY", "yes")
    });
    with.must_equal(&bare, "faults and summary");
    let log = String::from_utf8(with.log).unwrap();
    let lines: Vec<_> = log.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("/early>, "), "{log}");
    assert_eq!(
        lines.iter().map(|line| line.contains("DELAYED")).collect::<Vec<_>>(),
        [true, false]
    );
    let summary = with.output.stderr;
    assert!(summary.contains(": 2 calls"), "{summary}");
}

/// It is opened with dlopen(3), used and closed again and again.
#[test]
fn an_opened_library_is_silent_unless_configured_and_leaks_nothing() {
    let host = Host::new("opens_library", "opens_library", &[]);
    let run = |settings: &[(&str, &str)], with_file: bool| {
        host.run(|run, log| {
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
        must_hold_each_call(&logged, parsed);
    }
    let console = run(&[("CFR_LOG", "info")], false);
    console.must_equal(&quiet, "console");
    must_hold_each_call(&console, parse_text(console.output.stderr.as_bytes(), "cfr: "));
}

/// With `%p` each process has its own log, which holds its own lines. A file that the host opens
/// while a child changes from its parent's log to its own stays open.
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
    let host = Host::new(test, program, &[]);
    let bare = run(&host, Mode::Bare);
    let logs = Scratch::new();
    let with = host.run(|run, _| {
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
    // cp makes calls that are not reported.
    assert!(calls == with.calls || program == "vfork_exec" && calls > with.calls);
}

/// It continues on a new line.
#[test]
fn a_log_continues_after_a_lifted_limit_and_counts_the_lost_lines() {
    let host = Host::new("log_after_a_limit", "file_size_limit", &[]);
    for mode in [Mode::Text, Mode::Json] {
        let with = run(&host, mode);
        let log = String::from_utf8(with.log).unwrap();
        let lines = log.lines().collect::<Vec<_>>();
        let format = if mode == Mode::Text { "text" } else { "json" };
        // The program's last two copies are made without a limit, and a message follows the first.
        let last = lines.get(lines.len() - 3..).unwrap().join("\n") + "\n";
        let last = parse(format, last.as_bytes()).unwrap();
        assert_eq!((last.calls, last.lost() > 0), (2, true), "{mode:?}: {last:?}");
    }
}

#[test]
fn without_proc_a_descriptor_has_no_path() {
    let host = Host::new("paths_without_proc", "without_proc", &[]);
    let with = run(&host, Mode::Console);
    if let Some(reason) = with.skip_reason() {
        return skip("preload::hazards::without_proc_a_descriptor_has_no_path", reason);
    }
    let calls = with.output.calls();
    assert_eq!(calls.len(), with.calls, "{}", with.output.stderr);
    for call in calls.get(1..).unwrap() {
        assert!(!call.contains('<'), "{call}");
    }
}

/// /proc/self may be another thread's.
#[test]
fn each_thread_has_the_paths_of_its_own_descriptors() {
    for program in ["leader_gone", "descriptor_tables"] {
        let host = Host::new(&format!("paths_of_each_thread-{program}"), program, &[]);
        let with = run(&host, Mode::Console);
        let calls = with.output.calls();
        assert_eq!(calls.len(), with.calls, "{}", with.output.stderr);
        for call in calls {
            assert!(call.contains("/source>") && call.contains("/out"), "{program}: {call}");
        }
    }
}

/// It creates no file and prints nothing.
#[test]
fn a_set_user_id_program_ignores_every_variable() {
    const NOBODY: &str = "65534";
    if !is_root() {
        return skip(
            "preload::hazards::a_set_user_id_program_ignores_every_variable",
            "only root may become another user",
        );
    }
    let places = Scratch::new();
    let open_to_all = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open_to_all(places.path(), 0o777);
    fs::write(places.file("libcfr.so.0"), fs::read(library()).unwrap()).unwrap();
    open_to_all(&places.file("libcfr.so.0"), 0o755);
    let compiled = compile(
        "hazards/copies_once.c",
        "hazard-set_user_id",
        &[
            "-Wl,--no-as-needed",
            places.file("libcfr.so.0").to_str().unwrap(),
            // The dynamic linker trusts an absolute path, but not $ORIGIN or the environment.
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
        skip(
            "preload::hazards::a_set_user_id_program_ignores_every_variable",
            "the filesystem ignores set-user-ID",
        );
        return;
    }
    assert!(!log.exists());
    assert_eq!(output.stdout, "ok\n");
    assert_eq!(output.stderr, "");
}

/// It is at 10 or above and replaces none of the host's.
#[test]
fn the_descriptor_of_the_log_is_high_and_closed_on_exec() {
    let host = Host::new("descriptor_of_the_log", "without_standard", &[]);
    let with = run(&host, Mode::Text);
    assert_eq!(with.output.status, Some(0), "{:?}", with.files.keys());
    assert!(parse_text(&with.log, "").unwrap().calls > 0);
}
