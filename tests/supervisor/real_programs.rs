//! Programs that the library does not see, or not alone: in other namespaces, of other users, under a
//! debugger. They copy as they do bare, and each call has its line.

use super::{compile_musl, strace, trace};
use cfr_testkit::{
    LoopDevice, Run, Scratch, compile, copy_product, find_program, is_root, parse_call, project,
    skip,
};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

const BYTES: usize = 20_000;

/// A source and the place of its copy, where every user may write.
struct Copy {
    scratch: Scratch,
    source: PathBuf,
    target: PathBuf,
    log: PathBuf,
}

impl Copy {
    fn new() -> Copy {
        let scratch = Scratch::new();
        scratch.open_to_all();
        let source = scratch.random("from", BYTES);
        let [target, log] = ["to", "log"].map(|name| scratch.file(name));
        Copy { scratch, source, target, log }
    }

    /// Returns a static program that copies by two calls: all, and the one that finds the end. It is in
    /// this directory.
    fn program(&self) -> PathBuf {
        let program = compile("drivers/keeps_copying.c", "keeps_copying", &["-static"]);
        let here = self.scratch.file("keeps_copying");
        Run::bare("install").args(["-m", "755"]).args([&program, &here]).ok();
        here
    }

    /// The words after it.
    const WORDS: [&str; 5] = ["from", "to", "1000000", "0", "done"];

    /// Runs `command` under strace, and supervised: both see the same calls. Returns those of the log.
    #[track_caller]
    fn supervised<S: AsRef<OsStr>>(&self, command: &[S]) -> Vec<String> {
        let bare = self.under_strace(command);
        let calls = self.seen(command);
        self.assert_same(&calls, bare, command);
        calls
    }

    /// Returns the calls that strace sees, and removes the copy; `None` without strace.
    #[track_caller]
    fn under_strace<S: AsRef<OsStr>>(&self, command: &[S]) -> Option<Vec<String>> {
        let bare = strace::calls_of(command, self.scratch.path());
        for file in [&self.target, &self.scratch.file("done")] {
            let _ = fs::remove_file(file);
        }
        bare
    }

    #[track_caller]
    fn assert_same<S: AsRef<OsStr>>(
        &self,
        calls: &[String],
        bare: Option<Vec<String>>,
        command: &[S],
    ) {
        let words: Vec<_> = command.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        if let Some(bare) = bare {
            strace::assert_same(&strace::logged_calls(calls), &bare, &words.join(" "));
        }
    }

    /// Runs `command` supervised. Returns the calls of the log.
    #[track_caller]
    fn seen<S: AsRef<OsStr>>(&self, command: &[S]) -> Vec<String> {
        let _ = fs::remove_file(&self.log);
        let run = trace(&self.log, &[]).args(command).within(self.scratch.path());
        let output = run.ok();
        assert_eq!(output.stderr, "", "{output:#?}");
        self.calls()
    }

    fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter_map(parse_call).collect()
    }

    /// Checks the copy and removes it.
    #[track_caller]
    fn assert_copied(&self) {
        let copied = fs::read(&self.target).unwrap();
        assert!(copied == fs::read(&self.source).unwrap());
        fs::remove_file(&self.target).unwrap();
    }

    /// Runs the program after the words `before`: it copies by two calls, and both are seen.
    #[track_caller]
    fn two_calls_after(&self, before: &[&str]) {
        let program = self.program();
        let words = [before, &[program.to_str().unwrap()], &Copy::WORDS].concat();
        self.assert_two_calls(&self.supervised(&words), before);
    }

    #[track_caller]
    fn assert_two_calls(&self, calls: &[String], before: &[&str]) {
        assert_eq!(calls.len(), 2, "{before:?} {calls:#?}");
        assert!(calls[0].ends_with(" = 20000 (kernel, supervised)"), "{before:?} {calls:#?}");
        assert!(calls[1].ends_with(" = 0 (kernel, supervised)"), "{before:?} {calls:#?}");
        self.assert_copied();
    }
}

/// Reports whether the program is there, or the skip of the test.
fn has(test: &str, name: &str) -> bool {
    let is_there = find_program(name).is_some();
    if !is_there {
        skip(test, &format!("{name} is not installed"));
    }
    is_there
}

/// Reports whether a bare command works on this machine, or the skip of the test.
fn works(test: &str, command: &[&str]) -> bool {
    let Some((program, args)) = command.split_first() else { return false };
    let output = Run::bare(program).args(args).output();
    if output.status != Some(0) {
        let reason = format!("{program} does not work here: {}", output.stderr.trim_end());
        skip(test, &reason);
    }
    output.status == Some(0)
}

#[test]
fn a_program_in_other_namespaces_is_seen() {
    let test = "supervisor::real_programs::a_program_in_other_namespaces_is_seen";
    let copy = Copy::new();
    if has(test, "unshare") && works(test, &["unshare", "-Urpf", "true"]) {
        copy.two_calls_after(&["unshare", "-Urpf"]);
        copy.two_calls_after(&["unshare", "-Urpf", "--mount-proc"]);
        copy.two_calls_after(&["unshare", "-Ur", "unshare", "-Ur"]);
        for words in [&["unshare", "-Ur"][..], &["unshare", "-Urpf", "--mount-proc"]] {
            let calls = copy.supervised(&[words, &["cp", "from", "to"]].concat());
            assert!(calls.iter().any(|call| call.contains(" = 20000 (kernel")), "{calls:#?}");
            copy.assert_copied();
        }
    }
    let bwrap = ["bwrap", "--dev-bind", "/", "/", "--unshare-all"];
    if has(test, "bwrap") && works(test, &[&bwrap[..], &["true"]].concat()) {
        copy.two_calls_after(&bwrap);
    }
}

/// The library is not there.
#[test]
fn cp_in_another_root_is_seen() {
    let test = "supervisor::real_programs::cp_in_another_root_is_seen";
    let copy = Copy::new();
    let place = copy.scratch.path().to_str().unwrap();
    let bwrap = ["bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"];
    let links = ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"];
    let bwrap = [&bwrap[..], &links, &["--bind", place, "/w", "--unshare-all"]].concat();
    if !has(test, "bwrap") || !works(test, &[&bwrap[..], &["true"]].concat()) {
        return;
    }
    let command = [&bwrap[..], &["cp", "/w/from", "/w/to"]].concat();
    let bare = copy.under_strace(&command);
    trace(&copy.log, &[]).args(&command).ok();
    let calls = copy.calls();
    copy.assert_same(&calls, bare, &command);
    let copies = calls.iter().filter(|call| call.starts_with("copy_file_range("));
    let copies: Vec<_> = copies.collect();
    assert_eq!(copies.len(), 2, "{calls:#?}");
    assert!(
        copies[0].contains("</w/from>") && copies[0].ends_with(" = 20000 (kernel, supervised)")
    );
    copy.assert_copied();
}

#[test]
fn a_program_in_a_chroot_is_seen() {
    let test = "supervisor::real_programs::a_program_in_a_chroot_is_seen";
    if !is_root() || !has(test, "chroot") {
        return skip(test, "needs root");
    }
    let copy = Copy::new();
    copy.program();
    let place = copy.scratch.path().to_str().unwrap();
    let calls = copy.supervised(&[&["chroot", place, "/keeps_copying"][..], &Copy::WORDS].concat());
    assert_eq!(calls.len(), 2, "{calls:#?}");
    // The path as the launcher sees it, like strace(1).
    assert!(calls[0].contains(copy.source.to_str().unwrap()), "{calls:#?}");
    copy.assert_copied();
    let (from, to) = (copy.source.to_str().unwrap(), copy.target.to_str().unwrap());
    let mut commands = vec![vec!["chroot", "/", "cp", from, to]];
    if let Some(busybox) = find_program("busybox") {
        Run::bare("install").args([&busybox, &copy.scratch.file("busybox")]).ok();
        commands.push(vec!["chroot", place, "/busybox", "cp", "from", "to"]);
    }
    for command in commands {
        let calls = copy.supervised(&command);
        assert!(calls.iter().any(|call| call.contains(" = 20000 (kernel")), "{calls:#?}");
        copy.assert_copied();
    }
}

#[test]
fn a_cleaned_environment_hides_nothing() {
    Copy::new().two_calls_after(&["env", "-i"]);
}

/// Another user's calls have its limits and permissions, so the supervisor does not make them.
#[test]
fn another_users_program_makes_its_calls_itself() {
    let test = "supervisor::real_programs::another_users_program_makes_its_calls_itself";
    if !is_root() || !has(test, "setpriv") {
        return skip(test, "needs root and setpriv(1)");
    }
    let copy = Copy::new();
    let program = copy.program();
    let program = program.to_str().unwrap();
    let line = format!("{program} {}", Copy::WORDS.join(" "));
    let setpriv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program];
    for command in [
        [&setpriv[..], &Copy::WORDS].concat(),
        ["su", "-s", "/bin/sh", "nobody", "-c", &line].to_vec(),
    ] {
        if find_program(command[0]).is_none() {
            skip(test, "su is not installed");
            continue;
        }
        let bare = copy.under_strace(&command);
        // The shell of that user loads the library, too.
        let cfr = copy_product(&copy.scratch.file("product"));
        let run = Run::bare(&cfr).args(["trace", "--reach", "all", "-o"]).args([&copy.log]);
        let output = run.args(["--"]).args(&command).within(copy.scratch.path()).ok();
        assert_eq!(output.stderr, "", "{command:?}");
        let log = fs::read_to_string(&copy.log).unwrap();
        let passed =
            log.lines().filter(|line| line.ends_with("= ? (let through: another user makes it)"));
        assert_eq!((passed.count(), log.lines().count()), (2, 2), "{log}");
        copy.assert_same(&copy.calls(), bare, &command);
        copy.assert_copied();
        let _ = fs::remove_file(copy.scratch.file("done"));
        fs::remove_file(&copy.log).unwrap();
    }
    // The library sees the calls of cp.
    let cfr = copy.scratch.file("product/cfr");
    for command in [
        &["su", "-s", "/bin/sh", "nobody", "-c", "cp from to"][..],
        &["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "cp", "from", "to"],
    ] {
        if find_program(command[0]).is_none() {
            continue;
        }
        let bare = copy.under_strace(command);
        let run = Run::bare(&cfr).args(["trace", "--reach", "all", "-o"]).args([&copy.log]);
        run.args(["--"]).args(command).within(copy.scratch.path()).ok();
        let calls = copy.calls();
        assert!(calls.iter().any(|call| call.contains(" = 20000 (kernel")), "{calls:#?}");
        copy.assert_same(&calls, bare, command);
        copy.assert_copied();
        fs::remove_file(&copy.log).unwrap();
    }
}

#[test]
fn an_ordinary_users_program_is_seen() {
    let test = "supervisor::real_programs::an_ordinary_users_program_is_seen";
    if !is_root() || !has(test, "setpriv") {
        return skip(test, "needs root and setpriv(1)");
    }
    let copy = Copy::new();
    let (cfr, program) = (copy_product(&copy.scratch.file("product")), copy.program());
    let said =
        "cfr: set-user-ID programs get no privileges in this run (no_new_privs; see --reach)\n";
    for options in [&["--reach", "all"][..], &[]] {
        let output = Run::bare("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args([&cfr])
            .args(["trace", "-o"])
            .args([&copy.log])
            .args(options)
            .args([&program])
            .args(Copy::WORDS)
            .within(copy.scratch.path())
            .ok();
        assert_eq!(output.stderr, said, "{options:?}");
        let calls = copy.calls();
        assert_eq!(calls.len(), 2, "{calls:#?}");
        assert!(calls[0].ends_with(" = 20000 (kernel, supervised)"), "{calls:#?}");
        copy.assert_copied();
        fs::remove_file(&copy.log).unwrap();
        fs::remove_file(copy.scratch.file("done")).unwrap();
    }
}

#[test]
fn functions_found_through_a_libc_handle_are_seen() {
    let test = "supervisor::real_programs::functions_found_through_a_libc_handle_are_seen";
    if !has(test, "python3") {
        return;
    }
    let copy = Copy::new();
    let script = "import ctypes, os\n\
                  libc = ctypes.CDLL('libc.so.6')\n\
                  size = ctypes.c_size_t\n\
                  a, b = os.open('from', os.O_RDONLY), os.open('to', os.O_RDWR | os.O_CREAT)\n\
                  assert libc.copy_file_range(a, None, b, None, size(5000), 0) == 5000\n\
                  assert libc.sendfile(b, a, None, size(15000)) == 15000\n";
    let calls = copy.supervised(&["python3", "-c", script]);
    assert_eq!(calls.len(), 2, "{calls:#?}");
    assert!(calls[0].ends_with(" = 5000 (kernel, supervised)"), "{calls:#?}");
    assert!(calls[1].ends_with(" = 15000 (kernel, supervised)"), "{calls:#?}");
    copy.assert_copied();
}

#[test]
fn a_musl_program_is_seen() {
    let test = "supervisor::real_programs::a_musl_program_is_seen";
    if !has(test, "musl-gcc") {
        return;
    }
    let copy = Copy::new();
    let program = copy.scratch.file("each_hook");
    compile_musl("drivers/each_hook.c", &program, &["-static"]);
    let words = [&program, Path::new("none"), &copy.source, &copy.target];
    let calls = copy.supervised(&words.map(Path::as_os_str));
    let names: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(names, ["copy_file_range", "copy_file_range", "sendfile", "ioctl"], "{calls:#?}");
    assert!(calls.iter().all(|call| call.ends_with("supervised)")), "{calls:#?}");
    // A program that the library sees is not seen twice.
    compile_musl("drivers/each_hook.c", &program, &[]);
    let calls = copy.supervised(&words.map(Path::as_os_str));
    assert_eq!(calls.len(), 4, "{calls:#?}");
    assert!(!calls.iter().any(|call| call.contains("supervised")), "{calls:#?}");
}

#[test]
fn a_call_that_the_library_sees_is_not_seen_twice() {
    let copy = Copy::new();
    let (from, to) = (copy.source.to_str().unwrap(), copy.target.to_str().unwrap());
    let calls = copy.supervised(&["cp", from, to]);
    assert!(
        !calls.is_empty() && !calls.iter().any(|call| call.contains("supervised")),
        "{calls:#?}"
    );
    copy.assert_copied();
    let program = compile("drivers/each_hook.c", "each_hook-supervised", &["-O0"]);
    let calls = copy.supervised(&[program.to_str().unwrap(), "none", from, to]);
    assert_eq!(calls.len(), 4, "{calls:#?}");
    assert!(!calls.iter().any(|call| call.contains("supervised")), "{calls:#?}");
}

#[test]
fn sendfile_to_a_block_device_is_seen() {
    let test = "supervisor::real_programs::sendfile_to_a_block_device_is_seen";
    let copy = Copy::new();
    let image = copy.scratch.write("image", &[0; 1 << 20]);
    let device = match LoopDevice::new(&image) {
        Ok(device) => device,
        Err(reason) => return skip(test, &reason),
    };
    let program = compile("drivers/sends_file.c", "sends_file-static", &["-static"]);
    let calls =
        copy.supervised(&[program.as_os_str(), copy.source.as_os_str(), device.path().as_os_str()]);
    let is_device = |call: &&String| call.contains(&format!("<{}>, ", device.path().display()));
    let sent = calls.iter().filter(is_device).filter(|call| call.starts_with("sendfile("));
    let sent: Vec<_> = sent.collect();
    assert!(
        matches!(&sent[..], [sent] if sent.ends_with(" = 20000 (kernel, supervised)")),
        "{calls:#?}"
    );
}

#[test]
fn busybox_is_seen() {
    let test = "supervisor::real_programs::busybox_is_seen";
    if !has(test, "busybox") {
        return;
    }
    let copy = Copy::new();
    let (from, to) = (copy.source.to_str().unwrap(), copy.target.to_str().unwrap());
    let calls = copy.supervised(&["busybox", "cp", from, to]);
    assert!(calls.iter().any(|call| call.contains(" = 20000 (kernel")), "{calls:#?}");
    copy.assert_copied();
}

#[test]
fn go_programs_are_seen() {
    let test = "supervisor::real_programs::go_programs_are_seen";
    if !has(test, "go") {
        return;
    }
    let caches = Scratch::new();
    // Without cgo the program is static; with it, the C library is loaded, and bypassed.
    for (cgo, link_mode) in [("0", "internal"), ("1", "external")] {
        let copy = Copy::new();
        let program = copy.scratch.file("go_copy");
        Run::bare("go")
            .args(["build", &format!("-ldflags=-linkmode={link_mode}"), "-o"])
            .args([&program, &project().join("tests/programs/io_copy.go")])
            .env("GOCACHE", caches.file("cache"))
            .env("CGO_ENABLED", cgo)
            .ok();
        let words = [program.as_os_str(), copy.source.as_os_str(), copy.target.as_os_str()];
        let calls = copy.supervised(&words);
        let copied = |call: &String| call.contains(" = 20000 (kernel, supervised)");
        assert!(calls.iter().any(copied), "cgo {cgo}: {calls:#?}");
        copy.assert_copied();
    }
}

/// As uv and pnpm have it.
#[test]
fn a_rustix_program_is_seen() {
    let copy = Copy::new();
    let manifest = project().join("tests/programs/rustix_copy/Cargo.toml");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rustix_copy");
    Run::bare(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .args([&manifest])
        .args(["--target-dir"])
        .args([&built])
        .ok();
    let program = built.join("debug/rustix_copy");
    let words = [program.as_os_str(), copy.source.as_os_str(), copy.target.as_os_str()];
    let calls = copy.supervised(&words);
    assert!(calls[0].starts_with("ioctl(") && calls[0].contains(", FICLONE, "), "{calls:#?}");
    assert!(calls.iter().all(|call| call.contains("supervised)")), "{calls:#?}");
    if !calls[0].contains(" = 0 (") {
        assert_eq!(calls.len(), 4, "{calls:#?}");
        assert!(calls[1].contains(", 5000, 0) = 5000 (kernel, supervised)"), "{calls:#?}");
        assert!(calls[2].starts_with("sendfile(") && calls[2].contains(" = 15000 ("), "{calls:#?}");
        assert!(calls[3].contains(" = 0 (kernel, supervised)"), "{calls:#?}");
    }
    copy.assert_copied();
}

#[test]
fn strace_inside_sees_the_same_calls() {
    let test = "supervisor::real_programs::strace_inside_sees_the_same_calls";
    if !has(test, "strace") {
        return;
    }
    let copy = Copy::new();
    let trace = copy.scratch.file("strace");
    let strace = ["strace", "-f", "-e", "trace=copy_file_range", "-o", trace.to_str().unwrap()];
    let program = copy.program();
    let after = |strace: &[&str]| {
        let words = [strace, &[program.to_str().unwrap()], &Copy::WORDS].concat();
        copy.assert_two_calls(&copy.seen(&words), strace);
    };
    after(&strace);
    let trace = fs::read_to_string(&trace).unwrap();
    let results = trace.lines().filter_map(|line| line.rsplit_once(") = "));
    let results: Vec<_> = results.map(|(_, result)| result).collect();
    assert_eq!(results, ["20000", "0"], "{trace}");
    // The supervisor answers before strace's own filter: strace sees no copies then.
    after(&[&strace[..2], &["--seccomp-bpf"], &strace[2..]].concat());
}

#[test]
fn gdb_inside_runs_the_program() {
    let test = "supervisor::real_programs::gdb_inside_runs_the_program";
    if !has(test, "gdb") {
        return;
    }
    let copy = Copy::new();
    let program = copy.program();
    let words = ["gdb", "-q", "-nx", "-batch", "-ex", "run", "--args", program.to_str().unwrap()];
    let run = trace(&copy.log, &[]).args(words).args(Copy::WORDS).within(copy.scratch.path());
    let output = run.ok();
    assert!(output.stdout.contains("exited normally"), "{output:#?}");
    assert_eq!(copy.calls().len(), 2, "{output:#?}");
    copy.assert_copied();
}

/// It traces its own process, which is refused under a tracer.
#[test]
fn leak_sanitizer_inside_finds_the_leak() {
    let test = "supervisor::real_programs::leak_sanitizer_inside_finds_the_leak";
    let text = "#include <stdlib.h>\nint main(void) { void *volatile p = malloc(77); p = 0; }";
    let program = cfr_testkit::compile_text(text, "leaks_77", &["-fsanitize=address"]);
    let bare = Run::bare(&program).output();
    if !bare.stderr.contains("Direct leak of 77 byte(s)") {
        return skip(test, &format!("LeakSanitizer does not work here: {bare:?}"));
    }
    let copy = Copy::new();
    let output = trace(&copy.log, &[]).args([&program]).output();
    assert_eq!(output.status, bare.status, "{output:#?}");
    assert!(output.stderr.contains("Direct leak of 77 byte(s)"), "{output:#?}");
}
