//! The hooks that only forward calls, `ioctl`, `sendfile` and `sendfile64`: what they log, and
//! that nothing else changes.

use cfr_testkit::{
    Filesystems, LoopDevice, Run, Scratch, compile, find_program, is_foreign, launcher, library,
    parse, parse_call, read_json, skip, userland, without_rule,
};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Filesystems that differ in what can be cloned.
const KINDS: [&str; 4] = ["btrfs", "xfs", "ext4", "tmpfs"];

/// Compiles c-tests/drivers/hooks.c.
const GROUPS: [&str; 6] = ["clone", "clone_range", "dedupe", "sendfile", "sendfile64", "others"];

fn program() -> PathBuf {
    compile("drivers/hooks.c", "hooks", &[])
}

/// A directory in which one program runs repeatedly with the same paths.
struct Place {
    directory: PathBuf,
    logs: Scratch,
    /// A file on another filesystem.
    elsewhere: Scratch,
}

/// What a program printed and what the log holds.
struct Said {
    stdout: String,
    log: String,
}

impl Place {
    fn new(below: &Path) -> Place {
        // On a filesystem of its own, or in a directory of the system's.
        let elsewhere = if below.starts_with("/dev/shm") {
            Scratch::new()
        } else {
            Scratch::below(Path::new("/dev/shm"))
        };
        elsewhere.write("elsewhere", b"of another filesystem");
        Place { directory: below.join("d"), logs: Scratch::new(), elsewhere }
    }

    fn run(&self, run: Run, group: &str) -> Said {
        let log = self.logs.file("log");
        fs::create_dir(&self.directory).unwrap();
        let output = run
            .args([Path::new(group), &self.elsewhere.file("elsewhere")])
            .env("CFR_LOG_FILE", &log)
            .within(&self.directory)
            .ok();
        fs::remove_dir_all(&self.directory).unwrap();
        assert_eq!(output.stderr, "", "{group}");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        // Among the other requests are near misses (near_misses.rs).
        let is_call = |line: &&str| !line.contains(" is like FI") && !line.contains(" --- ");
        let calls = text.split_inclusive('\n').filter(is_call).map(without_rule);
        Said { stdout: output.stdout, log: calls.collect() }
    }
}

impl Said {
    fn calls(&self) -> Vec<String> {
        self.log.lines().map(|line| parse_call(line).unwrap_or_else(|| panic!("{line}"))).collect()
    }

    /// Returns the lines that the log must hold.
    fn expected(&self) -> Vec<&str> {
        self.stdout.lines().filter(|line| !line.starts_with("# ")).collect()
    }
}

/// Converts an object of the JSON log to the line of the text log that says the same, and checks
/// that keys which have to be null are null.
fn as_text(line: &str) -> String {
    let object = read_json(line);
    let key = |name: &str| &object[name];
    let file = |fd: &str, path: &str| match key(path) {
        Value::Null => key(fd).to_string(),
        path => format!("{}<{}>", key(fd), path.as_str().unwrap()),
    };
    let (source, target) = (file("fd_in", "path_in"), file("fd_out", "path_out"));
    let unsigned = |name: &str| key(name).as_i64().unwrap().cast_unsigned();
    let request = key("request").as_str();
    let mut text = format!("{}(", key("hook").as_str().unwrap());
    let by_targets = request == Some("FIDEDUPERANGE");
    let is_bad = key("off_in").is_string();
    let _ = match request {
        _ if is_bad && request.is_some() => {
            let first = if by_targets { &source } else { &target };
            write!(text, "{first}, {}, {}", request.unwrap(), key("off_in").as_str().unwrap())
        }
        Some("FICLONE") => {
            let nothing = [&json!(null); 3];
            assert_eq!(["off_in", "off_out", "len"].map(key), nothing, "{line}");
            write!(text, "{target}, FICLONE, {source}")
        }
        Some("FICLONERANGE") => write!(
            text,
            "{target}, FICLONERANGE, {{src_fd={source}, src_offset={}, src_length={}, dest_offset={}}}",
            unsigned("off_in"),
            key("len"),
            unsigned("off_out"),
        ),
        Some(_) => write!(
            text,
            "{source}, FIDEDUPERANGE, {{src_offset={}, src_length={}, dest_count={}, info=[{}]}}{}",
            unsigned("off_in"),
            key("len"),
            key("targets"),
            match key("target") {
                Value::Null => String::new(),
                _ => format!("{{dest_fd={target}, dest_offset={}}}", unsigned("off_out")),
            },
            match key("status") {
                Value::Null => String::new(),
                status => {
                    format!(" => {{info=[{{bytes_deduped={}, status={status}}}]}}", key("bytes"))
                }
            },
        ),
        None => {
            let offset = match (key("off_in"), key("off_in_after")) {
                (Value::Null, Value::Null) => "NULL".to_owned(),
                (Value::String(address), Value::Null) => address.clone(),
                (before, after) => format!("[{before}] => [{after}]"),
            };
            write!(text, "{target}, {source}, {offset}, {}", key("len"))
        }
    };
    let status = key("status").as_i64().unwrap_or(0);
    match (key("ret").as_i64().unwrap(), key("errno").as_i64().unwrap()) {
        (-1, errno) => {
            let message = std::io::Error::from_raw_os_error(errno as i32).to_string();
            let (message, _) = message.split_once(" (os error").unwrap();
            let _ = write!(text, ") = -1 {} ({message})", key("error").as_str().unwrap());
            assert_eq!(key("bytes"), &json!(0), "{line}");
        }
        (ret, errno) => {
            assert_eq!((errno, key("error").is_string()), (-status.min(0), status < 0), "{line}");
            assert!(request.is_some() || key("bytes") == &json!(ret), "{line}");
            let _ = write!(text, ") = {ret}");
        }
    }
    let _ = write!(text, " ({}", key("method").as_str().unwrap());
    if let (Some(target), Some(count @ 2..)) = (key("target").as_u64(), key("targets").as_u64()) {
        let _ = write!(text, ", target {target} of {count}");
    }
    text.push(')');
    let hooks = if request.is_some() { "ioctl" } else { "sendfile" };
    assert_eq!(key("call"), hooks, "{line}");
    assert_eq!(key("off_out_after"), &Value::Null, "{line}");
    assert!(request.is_none() || key("off_in_after").is_null(), "{line}");
    assert_eq!((key("flags"), key("flag_names")), (&json!(0), &json!([])), "{line}");
    assert_eq!(key("shared"), &Value::Null, "{line}");
    assert_eq!(key("rule").is_null(), key("why").is_null(), "{line}");
    assert_eq!(key("injected"), &json!(false));
    text
}

/// The log has the arguments and the result of each call and no other line. The program finds the
/// results, errno, offsets, positions and contents of a bare run.
#[test]
fn each_call_is_logged_and_none_is_changed() {
    let filesystems = Filesystems::mount("preload::hooks::each_call_is_logged_and_none_is_changed");
    for name in KINDS {
        let Some(mounted) = filesystems.get(name) else { continue };
        let place = Place::new(mounted);
        for group in GROUPS {
            let bare = place.run(Run::bare(program()), group);
            assert_eq!(bare.expected().is_empty(), group == "others");
            let text = place.run(Run::preloaded(program()), group);
            assert_eq!(text.stdout, bare.stdout, "{name}");
            assert_eq!(text.calls(), bare.expected(), "{name}");
            let json = Run::preloaded(program()).env("CFR_LOG_FORMAT", "json");
            let json = place.run(json, group);
            assert_eq!(json.stdout, bare.stdout, "{name}");
            let said: Vec<_> = json.log.lines().map(as_text).collect();
            assert_eq!(said, bare.expected(), "{name}");
        }
    }
}

#[test]
fn a_clone_is_logged_with_the_bytes_that_it_shares() {
    let filesystems =
        Filesystems::mount("preload::hooks::a_clone_is_logged_with_the_bytes_that_it_shares");
    let Some(mounted) = filesystems.get("btrfs") else { return };
    let place = Place::new(mounted);
    let bytes = |group| {
        let run = Run::preloaded(program()).env("CFR_LOG_FORMAT", "json");
        let log = place.run(run, group).log;
        let objects = log.lines().map(read_json);
        objects.map(|object| object["bytes"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let block = 65536;
    assert_eq!(bytes("clone")[..3], [2 * block, 2 * block, 0]);
    let ranges = [block, block, 2 * block, block];
    assert_eq!(bytes("clone_range")[..4], ranges);
    assert_eq!(bytes("dedupe")[..5], [2 * block, 0, 2 * block, 0, 2 * block]);
}

#[test]
fn only_watched_hooks_are_logged() {
    let scratch = Scratch::new();
    let place = Place::new(scratch.path());
    for (hooks, seen) in [
        ("ioctl", &["clone", "clone_range", "dedupe"][..]),
        ("sendfile", &["sendfile"]),
        ("sendfile64", &["sendfile64"]),
        ("copy_file_range,syscall", &[]),
        ("sendfile64,ioctl", &["clone", "clone_range", "dedupe", "sendfile64"]),
    ] {
        for group in GROUPS {
            let bare = place.run(Run::bare(program()), group);
            let with = place.run(Run::preloaded(program()).env("CFR_HOOKS", hooks), group);
            assert_eq!(with.stdout, bare.stdout, "{hooks}");
            let expected = if seen.contains(&group) { bare.expected() } else { Vec::new() };
            assert_eq!(with.calls(), expected, "{hooks}");
        }
    }
    for group in GROUPS {
        let bare = place.run(Run::bare(program()), group);
        let off = place.run(Run::preloaded(program()).env("CFR_LOG", "off"), group);
        assert_eq!((off.stdout, &*off.log), (bare.stdout, ""), "{group}");
    }
}

/// By default only copy_file_range is watched in a linked program.
#[test]
fn a_linked_program_is_not_watched_at_these_hooks() {
    let scratch = Scratch::new();
    let place = Place::new(scratch.path());
    let libraries = Scratch::new();
    std::os::unix::fs::symlink(library(), libraries.file("libcfr.so.0")).unwrap();
    let directory = format!("-L{}", library().parent().unwrap().display());
    // The program uses no hook of the library except these.
    let linked =
        compile("drivers/hooks.c", "hooks_linked", &[&directory, "-Wl,--no-as-needed", "-lcfr"]);
    let run = |watches: &str| {
        let run =
            Run::bare(&linked).env("LD_LIBRARY_PATH", libraries.path()).env("CFR_LOG", "info");
        if watches.is_empty() { run } else { run.env("CFR_HOOKS", watches) }
    };
    for group in GROUPS {
        let bare = place.run(Run::bare(program()), group);
        let silent = place.run(run(""), group);
        assert_eq!((silent.stdout, &*silent.log), (bare.stdout.clone(), ""), "{group}");
        let watched = place.run(run("ioctl,sendfile,sendfile64"), group);
        assert_eq!(watched.stdout, bare.stdout);
        assert_eq!(watched.calls(), bare.expected());
    }
}

/// Another library's constructor makes them.
#[test]
fn calls_before_the_librarys_constructor_are_logged() {
    if userland().is_some() {
        const TEST: &str = "preload::hooks::calls_before_the_librarys_constructor_are_logged";
        return skip(TEST, "the program is this machine's");
    }
    let scratch = Scratch::new();
    let place = Place::new(scratch.path());
    let early = compile("drivers/hooks.c", "hooks_early.so", &["-shared", "-fPIC", "-DEARLY"]);
    let both = format!("{}:{}", library().display(), early.display());
    for group in GROUPS {
        let bare = place.run(Run::bare("true").env("LD_PRELOAD", &early), group);
        assert!(!bare.stdout.is_empty());
        let with = place.run(Run::bare("true").env("LD_PRELOAD", &both), group);
        assert_eq!(with.stdout, bare.stdout);
        assert_eq!(with.calls(), bare.expected());
        let unwatched = Run::bare("true").env("LD_PRELOAD", &both).env("CFR_HOOKS", "syscall");
        let unwatched = place.run(unwatched, group);
        assert_eq!((unwatched.stdout, &*unwatched.log), (bare.stdout, ""));
    }
}

#[test]
fn the_next_library_gets_unwatched_calls_and_with_forward_next_all() {
    let scratch = Scratch::new();
    // It brings dlsym(3), which glibc had in libdl before 2.34: libcfr.so finds it with that.
    let flags = ["-shared", "-fPIC", "-Wl,--no-as-needed", "-ldl"];
    let next = compile("shims/recording_hooks.c", "hooks_next.so", &flags);
    let preload = format!("{}:{}", library().display(), next.display());
    let place = Place::new(scratch.path());
    let told = |variables: &[(&str, &str)], preload: &str, group: &str| {
        let told = place.elsewhere.file("told");
        let mut run = Run::bare(program()).env("LD_PRELOAD", preload).env("NEXT", &told);
        for (variable, value) in variables {
            run = run.env(variable, value);
        }
        let said = place.run(run, group);
        let lines = fs::read_to_string(&told).unwrap_or_default();
        // The addresses of the stack and the program differ from run to run.
        // They have 12 digits, or 10 of aarch64 under qemu.
        let is_place = |word: &str| {
            matches!(word.len(), 10 | 12) && (word.starts_with('7') || word.starts_with('5'))
        };
        let same = |word| if is_place(word) { "place" } else { word };
        let lines: Vec<_> = lines.split_whitespace().map(same).collect();
        let lines = lines.join(" ");
        let _ = fs::remove_file(told);
        (said, lines)
    };
    for group in GROUPS {
        let (bare, all) = told(&[], next.to_str().unwrap(), group);
        assert!(!all.is_empty(), "{group}");
        let (forwarded, seen) = told(&[("CFR_FORWARD", "next")], &preload, group);
        assert_eq!((forwarded.stdout.as_str(), &seen), (bare.stdout.as_str(), &all), "{group}");
        let by_next = |line: &&str| {
            let (call, method) = line.rsplit_once(" (").unwrap();
            let notes = method.split_once(", ").map_or(")", |(_, notes)| notes);
            let comma = if notes == ")" { "" } else { ", " };
            format!("{call} (next{comma}{notes}")
        };
        let expected: Vec<_> = bare.expected().iter().map(by_next).collect();
        assert_eq!(forwarded.calls(), expected, "{group}");
        let unwatched = [("CFR_HOOKS", "syscall")];
        let (passed, seen) = told(&unwatched, &preload, group);
        assert_eq!((passed.stdout, passed.log), (bare.stdout.clone(), String::new()));
        assert_eq!(seen, all, "{group}");
        // All calls that the library handles go to the kernel directly.
        let (straight, seen) = told(&[], &preload, group);
        assert_eq!(straight.stdout, bare.stdout);
        assert_eq!(straight.calls(), bare.expected());
        assert_eq!(seen, if group == "others" { all } else { String::new() });
    }
}

/// A pending cancellation is not acted on.
#[test]
fn the_hooks_are_no_cancellation_points() {
    let program = compile("drivers/hooks_cancelled.c", "hooks_cancelled", &[]);
    let bare = Run::bare(&program).within(Scratch::new().path()).output();
    if bare.status != Some(0) && userland().is_some() {
        const TEST: &str = "preload::hooks::the_hooks_are_no_cancellation_points";
        let how = format!("status {:?}, signal {:?}", bare.status, bare.signal);
        return skip(TEST, &format!("without the library too: {how}"));
    }
    for log in ["off", "info", "trace"] {
        let directory = Scratch::new();
        let output = Run::preloaded(&program)
            .env("CFR_LOG", log)
            .env("CFR_LOG_FILE", directory.file("log"))
            .within(directory.path())
            .ok();
        assert_eq!(output.stdout, "ok\n", "{log}");
    }
}

/// A profiler's signal, an exception and an asynchronous cancellation may come at any instruction.
#[test]
fn every_instruction_of_a_call_can_be_unwound() {
    const TEST: &str = "preload::hooks::every_instruction_of_a_call_can_be_unwound";
    if cfg!(not(target_arch = "x86_64")) || userland().is_some() {
        return skip(TEST, "the program steps by the trap flag of x86-64 and needs its unwinder");
    }
    let program = compile("drivers/single_steps.c", "hooks_single_steps", &[]);
    let next = compile("shims/refusing_copy.c", "hooks_refusing_copy.so", &["-shared", "-fPIC"]);
    let both = format!("{}:{}", library().display(), next.display());
    let settings: [&[(&str, &str)]; 5] = [
        &[],
        &[("CFR_HOOKS", "copy_file_range"), ("CFR_FALLBACK", "none")],
        &[("CFR_FORWARD", "next")],
        &[("CFR_DIALECT", "linux-5.3"), ("CFR_BACKEND", "emulate")],
        &[("CFR_INJECT", "error=EIO:when=1+2;signal=SIGWINCH")],
    ];
    for (log, variables) in
        ["off", "info"].iter().flat_map(|log| settings.map(|variables| (log, variables)))
    {
        let directory = Scratch::new();
        let mut run = Run::bare(&program).env("LD_PRELOAD", &both).env("CFR_LOG", log);
        for (variable, value) in variables {
            run = run.env(variable, value);
        }
        let output = run.env("CFR_LOG_FILE", directory.file("log")).within(directory.path()).ok();
        assert_eq!(output.stdout, "ok\n", "{log} {variables:?}");
    }
}

/// A variadic function of an older compiler jumps by that number.
#[test]
fn the_next_librarys_variadic_functions_get_the_number_of_vector_registers() {
    const TEST: &str =
        "preload::hooks::the_next_librarys_variadic_functions_get_the_number_of_vector_registers";
    if cfg!(not(target_arch = "x86_64")) || is_foreign() {
        return skip(TEST, "only x86-64 has that number");
    }
    let program = compile("drivers/variadic_calls.c", "hooks_variadic_calls", &[]);
    let next = compile("shims/variadic_calls.c", "hooks_variadic_calls.so", &["-shared", "-fPIC"]);
    let preload = format!("{}:{}", library().display(), next.display());
    for (variable, value) in [("CFR_LOG", "off"), ("CFR_HOOKS", "syscall"), ("CFR_FORWARD", "next")]
    {
        let directory = Scratch::new();
        let output = Run::bare(&program)
            .env("LD_PRELOAD", &preload)
            .env(variable, value)
            .within(directory.path())
            .ok();
        assert_eq!(output.stdout, "0\n", "{variable}={value}");
    }
}

/// They return errors for system calls of the library or of the program.
#[test]
fn seccomp_filters_that_return_errors_change_no_result() {
    let filtered = compile("drivers/failing_system_call.c", "hooks_failing_system_call", &[]);
    let filesystems =
        Filesystems::mount("preload::hooks::seccomp_filters_that_return_errors_change_no_result");
    let Some(mounted) = filesystems.get("btrfs") else { return };
    let place = Place::new(mounted);
    for filter in ["statx", "rt_sigprocmask", "ficlone", "ficlonerange", "fideduperange"] {
        for errno in ["EPERM", "ENOSYS"] {
            let under = |run: Run| run.args([filter, errno]).args([program()]);
            for group in GROUPS {
                let bare = place.run(under(Run::bare(&filtered)), group);
                let with = place.run(under(Run::preloaded(&filtered)), group);
                assert_eq!(with.stdout, bare.stdout, "{filter} {errno}");
                match (filter, group) {
                    // The filter cannot tell a bad pointer from a good one, so addresses are
                    // printed.
                    ("rt_sigprocmask", "clone_range" | "sendfile" | "sendfile64") => {
                        assert_eq!(with.calls().len(), bare.expected().len());
                    }
                    ("rt_sigprocmask", "dedupe") => assert!(!with.log.is_empty()),
                    _ => assert_eq!(with.calls(), bare.expected(), "{filter} {errno}"),
                }
            }
        }
    }
}

#[test]
fn random_calls_have_the_results_of_a_bare_run() {
    let filesystems =
        Filesystems::mount("preload::hooks::random_calls_have_the_results_of_a_bare_run");
    let program = compile("drivers/random_hook_calls.c", "random_hook_calls", &[]);
    for (name, mounted) in filesystems.iter().filter(|(name, _)| KINDS.contains(name)) {
        for seed in ["1", "2", "3", "4"] {
            let run = |run: Run| {
                let directory = Scratch::below(mounted);
                let logs = Scratch::new();
                let output = run
                    .args([seed, "800"])
                    .env("CFR_LOG_FILE", logs.file("log"))
                    .within(directory.path())
                    .ok();
                (output, fs::read(logs.file("log")).unwrap_or_default())
            };
            let (bare, _) = run(Run::bare(&program));
            for (format, shared) in [("text", "no"), ("json", "yes")] {
                let (with, log) = run(Run::preloaded(&program)
                    .env("CFR_LOG_FORMAT", format)
                    .env("CFR_SHARED", shared)
                    .env("CFR_SUMMARY", "/dev/null"));
                assert_eq!(with, bare, "{name}, seed {seed}, {format}");
                assert!(parse(format, &log).unwrap().calls > 100, "{name}, seed {seed}");
            }
        }
    }
}

/// Many threads make calls while others write to the same structs.
#[test]
fn arguments_that_change_during_the_call_are_harmless() {
    let filesystems =
        Filesystems::mount("preload::hooks::arguments_that_change_during_the_call_are_harmless");
    let program = compile("drivers/random_hook_calls.c", "random_hook_calls", &[]);
    let Some(mounted) = filesystems.get("btrfs") else { return };
    for format in ["text", "json"] {
        let directory = Scratch::below(mounted);
        let logs = Scratch::new();
        let output = Run::preloaded(&program)
            .args(["threads"])
            .env("CFR_LOG_FORMAT", format)
            .env("CFR_LOG_FILE", logs.file("log"))
            .within(directory.path())
            .ok();
        assert_eq!(output.stdout, "ok\n");
        let lines = parse(format, &fs::read(logs.file("log")).unwrap()).unwrap();
        assert!(lines.calls >= 64 * 60 * 3 && lines.messages.is_empty(), "{lines:?}");
    }
}

/// GNU cp.
#[test]
fn cp_clones_first_and_then_copies_as_the_filesystem_allows() {
    let Some(cp) = find_program("cp").filter(|_| !is_foreign()) else {
        return skip(
            "preload::hooks::cp_clones_first_and_then_copies_as_the_filesystem_allows",
            "cp of the library's machine is not installed",
        );
    };
    let filesystems = Filesystems::mount(
        "preload::hooks::cp_clones_first_and_then_copies_as_the_filesystem_allows",
    );
    for name in KINDS {
        let Some(mounted) = filesystems.get(name) else { continue };
        let directory = Scratch::below(mounted);
        let from = directory.random("from", 300_000);
        let elsewhere = Scratch::below(filesystems.get("tmpfs").unwrap_or(Path::new("/dev/shm")));
        let clones = ["btrfs", "xfs"].contains(&name);
        for (reflink, place) in [
            ("auto", &directory),
            ("always", &directory),
            ("never", &directory),
            ("auto", &elsewhere),
            ("always", &elsewhere),
        ] {
            let (log, to) = (directory.file("log"), place.file("to"));
            let output = Run::preloaded(&cp)
                .args([Path::new(&format!("--reflink={reflink}")), &from, &to])
                .env("CFR_LOG_FILE", &log)
                .output();
            let log_lines = fs::read_to_string(&log).unwrap_or_default();
            let calls = log_lines.lines().filter_map(parse_call);
            let calls: Vec<_> = calls.map(|call| without_rule(&call)).collect();
            let asks = calls.iter().filter(|call| call.contains(", FICLONE, ")).collect::<Vec<_>>();
            let is_near = place.path() == directory.path();
            let ending = match (is_near || name == "tmpfs", clones) {
                (true, true) => " = 0 (reflink)",
                (true, false) => " = -1 EOPNOTSUPP (Operation not supported) (kernel)",
                (false, _) => " = -1 EXDEV (Invalid cross-device link) (kernel)",
            };
            if reflink == "never" {
                assert_eq!(calls, [""; 0], "{name}");
            } else {
                let [ask] = asks[..] else { panic!("{name} {reflink}: {calls:?}") };
                let paths = [&to, &from].map(|path| format!("<{}>", path.display()));
                assert!(paths.iter().all(|path| ask.contains(path)), "{ask}");
                assert!(ask.ends_with(ending), "{name} {reflink}: {ask}");
            }
            let succeeds = reflink != "always" || ending.contains("= 0");
            assert_eq!(output.status, Some(i32::from(!succeeds)), "{name} {reflink} {output:?}");
            if succeeds {
                assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
            }
            let _ = fs::remove_file(log);
            let _ = fs::remove_file(to);
        }
    }
}

#[test]
fn the_sendfile_calls_of_pythons_shutil_are_logged() {
    let Some(python) = find_program("python3").filter(|_| !is_foreign()) else {
        return skip(
            "preload::hooks::the_sendfile_calls_of_pythons_shutil_are_logged",
            "python3 of the library's machine is not installed",
        );
    };
    let files = Scratch::new();
    let (from, to) = (files.random("from", 300_000), files.file("to"));
    // Newer versions would copy in another way; the script removes it.
    let script = "import os, shutil, sys\n\
                  for name in ('copy_file_range', '_USE_CP_COPY_FILE_RANGE'):\n    \
                      vars(os).pop(name, None)\n\
                  shutil.copyfile(sys.argv[1], sys.argv[2])";
    let output = Run::preloaded(python).args([Path::new("-c"), Path::new(script), &from, &to]).ok();
    assert!(fs::read(&from).unwrap() == fs::read(&to).unwrap());
    let sends: Vec<_> =
        output.calls().into_iter().filter(|call| call.starts_with("sendfile")).collect();
    assert!(sends[0].ends_with(" = 300000 (kernel)"), "{sends:?}");
    assert!(sends[0].contains("[0] => [300000]") && sends.len() == 2, "{sends:?}");
}

/// A disk image may be written like this.
#[test]
fn sendfile_to_a_block_device_is_logged_and_counted() {
    let test = "preload::hooks::sendfile_to_a_block_device_is_logged_and_counted";
    if is_foreign() {
        return skip(test, "the launcher is one of this machine");
    }
    let scratch = Scratch::new();
    let source = scratch.random("source", 20_000);
    let image = scratch.write("image", &[0; 1 << 20]);
    let device = match LoopDevice::new(&image) {
        Ok(device) => device,
        Err(reason) => return skip(test, &reason),
    };
    let program = compile("drivers/sends_file.c", "sends_file", &[]);
    let output = Run::bare(launcher())
        .args(["run", "--log", "info", "--reach", "preload"])
        .args(["--expect", "sendfile=1", "--expect", "bytes=20000", "--expect", "hook=sendfile"])
        .args([&program, &source, device.path()])
        .ok();
    let calls = output.calls();
    assert_eq!(calls.len(), 1, "{output:#?}");
    let shown = format!("<{}>, ", device.path().display());
    assert!(calls[0].starts_with("sendfile(") && calls[0].contains(&shown), "{calls:?}");
    assert!(calls[0].ends_with(", NULL, 20000) = 20000 (kernel)"), "{calls:?}");
    assert!(fs::read(device.path()).unwrap()[..20_000] == fs::read(&source).unwrap());
}

/// They pass several targets in one call.
#[test]
fn each_target_of_a_deduplicator_has_a_line() {
    let filesystems =
        Filesystems::mount("preload::hooks::each_target_of_a_deduplicator_has_a_line");
    let Some(mounted) = filesystems.get("btrfs") else { return };
    for (name, words) in [("duperemove", &["-dr", "-q"][..]), ("jdupes", &["-B", "-q"])] {
        let Some(program) = find_program(name) else {
            skip(
                "preload::hooks::each_target_of_a_deduplicator_has_a_line",
                &format!("{name} is not installed"),
            );
            continue;
        };
        let directory = Scratch::below(mounted);
        for copy in ["one", "two", "three"] {
            directory.random(copy, 1 << 20);
        }
        // Data that is not yet on the disk cannot be shared.
        Run::bare("sync").ok();
        let log = Scratch::new();
        Run::preloaded(program)
            .args(words)
            .args([directory.path()])
            .env("CFR_LOG_FILE", log.file("log"))
            .ok();
        let log = fs::read_to_string(log.file("log")).unwrap_or_default();
        let calls: Vec<_> = log.lines().filter_map(parse_call).collect();
        let same = |call: &&String| call.contains("FIDEDUPERANGE") && call.contains("status=0}]}");
        assert!(calls.iter().filter(same).count() >= 2, "{name}: {log}");
        assert!(calls.iter().any(|call| call.contains("(dedupe")), "{name}: {log}");
    }
}
