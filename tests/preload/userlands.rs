//! The library with other C libraries and on other machines. These tests run with the C library of this
//! machine, with musl, and with those of tests/scripts/userlands.sh.

use cfr_testkit::{
    Host, Run, Scratch, compile, find_program, library, parse_call, project, read_json, skip,
    userland,
};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// Runs c-tests/drivers/every_hook.c in a new directory.
fn every_hook(variables: &[(&str, &str)]) -> (Scratch, cfr_testkit::Output) {
    let program = compile("drivers/every_hook.c", "every_hook", &[]);
    let scratch = Scratch::new();
    let run =
        variables.iter().fold(Run::preloaded(program), |run, (name, value)| run.env(name, value));
    let output = run.within(scratch.path()).output();
    (scratch, output)
}

/// Returns what that program prints without the library.
fn bare() -> String {
    let program = compile("drivers/every_hook.c", "every_hook", &[]);
    let scratch = Scratch::new();
    Run::bare(program).within(scratch.path()).ok().stdout
}

/// Returns the calls that the log must hold; `method` says how the first three bytes moved.
fn expected_calls(directory: &Path) -> Vec<String> {
    let directory = directory.display();
    let (source, target) = (format!("3<{directory}/source>"), format!("4<{directory}/target>"));
    let copy = |rest: &str| format!("copy_file_range({source}, {rest}");
    vec![
        copy(&format!("[0], {target}, [0], 1000, 0) = 1000 (kernel)")),
        format!(
            "syscall(SYS_copy_file_range, {source}, [0], {target}, [1000], 1000, 0) = 1000 (kernel)"
        ),
        format!("sendfile({target}, {source}, [0] => [1000], 1000) = 1000 (kernel)"),
        format!(
            "ioctl({target}, FICLONE, -1) = -1 EBADF (Bad file descriptor) (kernel, rule fd-in-closed)"
        ),
        copy(&format!(
            "[0], {target}, [0], 1000, 0x40000000) = -1 EINVAL (Invalid argument) (kernel, rule flags)"
        )),
        format!(
            "copy_file_range(-1, [0], {target}, [0], 1000, 0) = -1 EBADF (Bad file descriptor) \
             (kernel, rule fd-in-closed)"
        ),
        format!(
            "syscall(SYS_copy_file_range, {source}, 0x8, {target}, [0], 1000, 0) = -1 EFAULT \
             (Bad address) (kernel, rule off-in-unreadable)"
        ),
        copy(&format!("[0], {target}, [4096], 4194304, 0) = 1049576 (kernel)")),
        copy(&format!("[1049576], {target}, [1053672], 4194304, 0) = 0 (kernel)")),
    ]
}

#[test]
fn each_hook_is_logged_as_text_and_as_json() {
    let (scratch, text) = every_hook(&[]);
    assert_eq!(text.stdout, bare());
    assert_eq!(text.calls(), expected_calls(scratch.path()));
    let (scratch, json) = every_hook(&[("CFR_LOG_FORMAT", "json")]);
    assert_eq!(json.stdout, bare());
    let lines: Vec<Value> = json
        .stderr
        .lines()
        .map(|line| line.strip_prefix("cfr: ").unwrap_or(line))
        .map(read_json)
        .filter(|line: &Value| line["hook"].is_string())
        .collect();
    let hooks: Vec<_> = lines.iter().map(|line| line["hook"].as_str().unwrap()).collect();
    let copies = ["copy_file_range"; 2];
    assert_eq!(
        hooks,
        [&["copy_file_range", "syscall", "sendfile", "ioctl"][..], &copies, &["syscall"], &copies,]
            .concat()
    );
    assert_eq!(lines[0]["path_in"], scratch.file("source").to_str().unwrap());
    assert_eq!((&lines[0]["ret"], &lines[0]["off_in_after"]), (&1000.into(), &1000.into()));
    assert_eq!((&lines[4]["error"], &lines[4]["rule"]), (&"EINVAL".into(), &"flags".into()));
}

#[test]
fn the_emulation_copies_the_same_and_keeps_holes() {
    let (scratch, output) = every_hook(&[("CFR_BACKEND", "emulate"), ("CFR_LOG", "off")]);
    assert_eq!((output.stdout, &*output.stderr), (bare(), ""));
    let [source, target] = ["source", "target"].map(|name| fs::read(scratch.file(name)).unwrap());
    assert!(target.get(4096..) == Some(&source[..]));
    let blocks = fs::metadata(scratch.file("target")).unwrap().blocks();
    assert!(blocks * 512 < 100_000, "{blocks} blocks of 512 bytes");
}

#[test]
fn faults_of_each_kind_are_injected() {
    let first = |fault: &str| {
        let (_scratch, output) = every_hook(&[("CFR_INJECT", fault)]);
        let calls = output.calls();
        let said = output.stdout.lines().next().unwrap_or_default().to_owned();
        (said, calls.into_iter().next().unwrap_or_default(), output.signal)
    };
    let says = |fault: &str, expected: &str, note: &str| {
        let (said, call, signal) = first(fault);
        assert_eq!((&*said, signal), (expected, None), "{fault}");
        assert!(call.ends_with(note), "{call}");
    };
    says("error=EXDEV:when=1", "copy_file_range: errno 18", "(none, INJECTED)");
    says("short=10:when=1", "copy_file_range: 10", "= 10 (kernel, INJECTED)");
    says("zero:when=1", "copy_file_range: 0", "= 0 (none, INJECTED)");
    says("delay_enter=1ms:when=1", "copy_file_range: 1000", "(kernel, DELAYED)");
    let (_, call, signal) = first("signal=SIGTERM:when=1");
    assert_eq!(signal, Some(15), "{call}");
}

#[test]
fn a_summary_counts_each_hook() {
    let (_scratch, output) = every_hook(&[("CFR_SUMMARY", "yes"), ("CFR_LOG", "off")]);
    assert_eq!(output.stdout, bare());
    assert!(output.stderr.contains(": 9 calls"), "{}", output.stderr);
}

#[test]
fn calls_reach_the_next_library_and_its_errors_come_back() {
    let next = compile("shims/counting_copy.c", "userlands-next.so", &["-shared", "-fPIC"]);
    let program = compile("drivers/every_hook.c", "every_hook", &[]);
    let scratch = Scratch::new();
    let run = Run::bare(program).env("CFR_FORWARD", "next").env("CFR_LOG", "off");
    let both = format!("{}:{}", library().display(), next.display());
    let output = run.env("LD_PRELOAD", both).within(scratch.path()).ok();
    assert_eq!((output.stdout, &*output.stderr), (bare(), ""));
}

/// copy_file_range is a cancellation point in glibc and not in musl.
#[test]
fn a_pending_cancellation_is_acted_on_where_the_c_library_does() {
    let host = Host::new("userlands-cancel_pending", "cancel_pending", &[]);
    let bare = host.run(|run, _| run);
    assert_eq!(bare.output.status, Some(0), "{}", bare.output.stdout);
    for (level, backend) in [("off", "auto"), ("info", "auto"), ("info", "emulate")] {
        let with = host.run(|run, log| {
            let run = run.env("LD_PRELOAD", library()).env("CFR_LOG_FILE", log);
            run.env("CFR_LOG", level).env("CFR_BACKEND", backend)
        });
        with.must_equal(&bare, (level, backend));
    }
}

#[test]
fn destructors_run_in_cancelled_threads() {
    if userland().is_some_and(|userland| !userland.join("c++").exists()) {
        skip("preload::userlands::destructors_run_in_cancelled_threads", "no C++ compiler");
        return;
    }
    let program = compile("drivers/destructors.cc", "destructors", &[]);
    for backend in ["auto", "emulate"] {
        for level in ["off", "info"] {
            let scratch = Scratch::new();
            let log = Scratch::new();
            let run = Run::preloaded(&program)
                .env("CFR_BACKEND", backend)
                .env("CFR_LOG", level)
                .env("CFR_LOG_FILE", log.file("log"));
            let output = run.within(scratch.path()).ok();
            let both = (&*output.stdout, &*output.stderr);
            assert_eq!(both, ("destroyed 200 cleaned 200\n", ""), "{backend} {level}");
        }
    }
}

/// cp(1) of coreutils 8 copies with read(2); what the library sees of it is the attempt to share blocks.
#[test]
fn cp_is_traced() {
    let scratch = Scratch::new();
    let (source, target) = (scratch.write("source", b"bytes"), scratch.file("target"));
    let command = match userland().map(|userland| userland.join("cp")) {
        None => vec!["cp".to_owned()],
        Some(words) if words.exists() => {
            fs::read_to_string(words).unwrap().split_whitespace().map(str::to_owned).collect()
        }
        Some(_) => {
            skip("preload::userlands::cp_is_traced", "this userland has no cp");
            return;
        }
    };
    let log = scratch.file("log");
    let run = Run::preloaded(&command[0]).args(&command[1..]).args(["--reflink=auto"]);
    run.args([&source, &target]).env("CFR_LOG_FILE", &log).ok();
    assert_eq!(fs::read(&target).unwrap(), b"bytes");
    let log = fs::read_to_string(log).unwrap();
    let calls: Vec<_> = log.lines().filter_map(parse_call).collect();
    assert!(calls.iter().any(|call| call.contains(source.to_str().unwrap())), "{log}");
}

/// Runs these tests, and some more, with programs that musl-gcc links.
#[test]
fn the_library_works_with_musl() {
    const TEST: &str = "preload::userlands::the_library_works_with_musl";
    if userland().is_some() {
        return;
    }
    if find_program("musl-gcc").is_none() {
        skip(TEST, "musl-gcc is not installed");
        return;
    }
    let userland = Scratch::new();
    let script = project().join("tests/scripts/userlands.sh");
    let compiler = userland.file("cc");
    let text = format!("#!/bin/sh\nexec sh {} --musl-cc \"$@\"\n", script.display());
    fs::write(&compiler, text).unwrap();
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(library(), userland.file("libcfr.so")).unwrap();
    // What is skipped there does not exist for musl, and is not missing on this machine.
    let tests = Run::bare(std::env::current_exe().unwrap());
    let names = ["preload::userlands", "preload::kernel_contract", "preload::hooks"];
    let output = tests.args(names).env("CFR_TEST_USERLAND", userland.path()).output();
    assert_eq!(output.status, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(!output.stdout.contains("running 0 tests"), "{}", output.stdout);
}
