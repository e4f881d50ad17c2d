//! Who copies (`CFR_BACKEND`, `CFR_FALLBACK`), and whether the copy is verified (`CFR_VERIFY`).

use cfr_testkit::{
    Filesystems, LoopDevice, Output, Run, Scratch, compile, find_program, library, skip,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Runs a program that copies once and checks the result, while the kernel's call fails with
/// `call_is`.
fn copies_where(call_is: &str, program: &str, settings: &[&str]) -> Output {
    let data = Scratch::new();
    fs::write(data.file("a"), [7; 1000]).expect("the scratch directory can be written");
    let filtered = compile("drivers/failing_system_call.c", "failing_system_call", &[]);
    let folder = if program == "copies_once" { "hazards" } else { "drivers" };
    let copies = compile(&format!("{folder}/{program}.c"), program, &[]);
    let mut words = vec!["copy_file_range".to_owned(), call_is.to_owned(), "env".to_owned()];
    words.push(format!("LD_PRELOAD={}", library().display()));
    words.extend(settings.iter().map(|setting| (*setting).to_owned()));
    words.push(copies.display().to_string());
    if program == "syscall_copy" {
        words.extend(["a", "b"].map(str::to_owned));
    }
    Run::bare(filtered).args(words).within(data.path()).output()
}

#[test]
fn the_library_copies_if_the_kernel_has_no_call_with_and_without_a_log() {
    for call_is in ["ENOSYS", "EPERM"] {
        for program in ["copies_once", "syscall_copy"] {
            let output = copies_where(call_is, program, &["CFR_LOG=off"]);
            assert_eq!(output.status, Some(0), "{call_is} {program}: {output:?}");
            assert_eq!(output.stderr, "");
            let output = copies_where(call_is, program, &["CFR_LOG=info"]);
            assert!(output.stderr.contains(" (emulated) <"), "{output:?}");
        }
    }
}

#[test]
fn only_configured_fallbacks_are_taken() {
    for (call_is, setting) in [
        ("ENOSYS", "CFR_FALLBACK=none"),
        ("EPERM", "CFR_FALLBACK=none"),
        ("ENOSYS", "CFR_FALLBACK=EXDEV,EIO"),
        ("EPERM", "CFR_FALLBACK=EXDEV"),
        ("EOPNOTSUPP", "CFR_FALLBACK=ENOSYS"),
        ("ENOSYS", "CFR_BACKEND=kernel"),
    ] {
        for log in ["CFR_LOG=off", "CFR_LOG=info"] {
            let output = copies_where(call_is, "copies_once", &[setting, log]);
            assert_ne!(output.status, Some(0), "{call_is} {setting}: {output:?}");
            let line = format!(" = -1 {call_is} (");
            assert!(log == "CFR_LOG=off" || output.stderr.contains(&line), "{output:?}");
        }
    }
    let output = copies_where("EOPNOTSUPP", "copies_once", &["CFR_FALLBACK=EOPNOTSUPP"]);
    assert_eq!(output.status, Some(0), "{output:?}");
    let output = copies_where("EOPNOTSUPP", "copies_once", &["CFR_FALLBACK=ENOTSUP"]);
    assert_eq!(output.status, Some(0), "{output:?}");
}

/// A fallback is a warning; `debug` adds which backends refused.
#[test]
fn the_log_says_that_the_library_copied_and_why() {
    let lines = |log: &str| copies_where("ENOSYS", "copies_once", &[log]).stderr;
    assert_eq!(lines("CFR_LOG=error"), "");
    let warned = lines("CFR_LOG=warn");
    assert!(warned.lines().count() == 1 && warned.contains(" = 1000 (emulated) <"), "{warned}");
    let debugged = lines("CFR_LOG=debug");
    let declines = "debug: kernel declines: Function not implemented (ENOSYS); the library copies";
    assert!(debugged.contains(declines), "{debugged}");
    let hidden = copies_where("EPERM", "copies_once", &["CFR_LOG=trace"]).stderr;
    assert!(hidden.contains("trace: copy_file_range of invalid descriptors for"), "{hidden}");
    assert!(hidden.contains("kernel declines: Function not implemented (ENOSYS)"), "{hidden}");
}

/// It is only called with a length of 0.
#[test]
fn with_emulate_the_kernel_copies_nothing() {
    let test = "emulation::backend::with_emulate_the_kernel_copies_nothing";
    if find_program("strace").is_none() {
        return skip(test, "strace is not installed");
    }
    let data = Scratch::new();
    let program = compile("hazards/copies_once.c", "copies_once", &[]);
    let preload = format!("LD_PRELOAD={}", library().display());
    let output = Run::bare("strace")
        .args(["-e", "trace=copy_file_range", "-E", &preload, "-E", "CFR_LOG=off"])
        .args(["-E", "CFR_BACKEND=emulate"])
        .args([program])
        .within(data.path())
        .output();
    assert_eq!(output.status, Some(0), "{output:?}");
    let calls: Vec<_> =
        output.stderr.lines().filter(|line| line.contains("copy_file_range(")).collect();
    assert!(!calls.is_empty(), "{output:?}");
    assert!(calls.iter().all(|call| call.contains(", 0, 0)")), "{calls:?}");
}

/// fallocate(2) would: only writing and punching holes respect the seal.
#[test]
fn a_hole_does_not_extend_a_file_that_is_sealed_against_writing() {
    const COPY: &str = "import errno, fcntl, os\n\
        a, b = (os.memfd_create(name, os.MFD_ALLOW_SEALING) for name in 'ab')\n\
        os.ftruncate(a, 65536)\n\
        fcntl.fcntl(b, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)\n\
        for len in (4096, 65536):\n    \
            try: print(os.copy_file_range(a, b, len, 0, 0))\n    \
            except OSError as error: print(errno.errorcode[error.errno], os.fstat(b).st_size)\n";
    let test = "emulation::backend::a_hole_does_not_extend_a_file_that_is_sealed_against_writing";
    if find_program("python3").is_none() {
        return skip(test, "python3 is not installed");
    }
    for backend in ["kernel", "emulate"] {
        let run = Run::preloaded("python3").args(["-c", COPY]);
        let output = run.env("CFR_BACKEND", backend).env("CFR_LOG", "off").output();
        assert_eq!(output.stdout, "EPERM 0\nEPERM 0\n", "{backend}: {output:?}");
    }
}

// Verification.

fn verified(how: &str, preload_more: Option<&str>, settings: &[(&str, &str)]) -> Output {
    let data = Scratch::new();
    let program = compile("drivers/verified_copies.c", "verified_copies", &[]);
    let mut preload = library().display().to_string();
    if let Some(more) = preload_more {
        preload = format!("{preload}:{more}");
    }
    let mut run = Run::bare(program).args([how]).within(data.path());
    run = run.env("LD_PRELOAD", preload).env("CFR_VERIFY", "yes").env("CFR_PATHS", "no");
    for (name, value) in settings {
        run = run.env(name, value);
    }
    let output = run.output();
    assert_eq!(output.status, Some(0), "{how} {settings:?}: {output:?}");
    output
}

#[test]
fn a_correct_copy_passes_verification() {
    for (backend, method) in [("auto", "kernel"), ("kernel", "kernel"), ("emulate", "emulated")] {
        let output = verified("right", None, &[("CFR_BACKEND", backend)]);
        assert!(output.stderr.contains(&format!("= 200000 ({method}) <")), "{output:?}");
        assert!(!output.stderr.contains("verify:"), "{output:?}");
        verified("right", None, &[("CFR_BACKEND", backend), ("CFR_LOG", "off")]);
    }
}

#[test]
fn the_library_copies_if_the_next_library_refuses_and_errno_is_kept() {
    let shim = compile("shims/refusing_copy.c", "librefusing.so", &["-shared", "-fPIC"]);
    let shim = shim.to_str().expect("a path in UTF-8");
    for log in ["off", "info"] {
        let settings = [("CFR_FORWARD", "next"), ("CFR_VERIFY", "no"), ("CFR_LOG", log)];
        verified("right", Some(shim), &settings);
    }
}

#[test]
fn an_error_of_the_next_library_is_not_taken_for_the_kernels() {
    let shim = compile("shims/refusing_copy.c", "librefusing.so", &["-shared", "-fPIC"]);
    let program = compile("hazards/copies_once.c", "copies_once", &[]);
    let scratch = Scratch::new();
    let output = Run::bare(program)
        .args(["log"])
        .within(scratch.path())
        .env("LD_PRELOAD", format!("{} {}", library().display(), shim.display()))
        .env("CFR_FORWARD", "next")
        .env("REFUSAL", libc::ETXTBSY.to_string())
        .output();
    let line = output.stderr.lines().find(|line| line.contains("ETXTBSY")).unwrap_or_default();
    assert!(line.contains("(next) <"), "a rule explains what the kernel did not say: {output:?}");
}

#[test]
fn a_wrong_copy_fails_verification_with_an_error_and_a_log_line() {
    let shim = compile("shims/corrupting_copy.c", "liblying.so", &["-shared", "-fPIC"]);
    let shim = shim.to_str().expect("a path in UTF-8");
    for (spoiled, place) in [("0", "byte 0 differs"), ("199999", "byte 199999 differs")] {
        let settings = [("CFR_FORWARD", "next"), ("SPOILED", spoiled), ("CFR_LOG", "error")];
        let output = verified("wrong", Some(shim), &settings);
        assert!(output.stderr.contains(place), "{output:?}");
        assert!(output.stderr.contains("from 1000 of"), "{output:?}");
    }
    let settings = [("CFR_FORWARD", "next"), ("SPOILED", "5"), ("CFR_LOG", "off")];
    assert_eq!(verified("wrong", Some(shim), &settings).stderr, "");
}

/// Closing a second descriptor of the file would release it.
#[test]
fn a_copy_is_not_verified_if_that_would_release_a_lock_of_the_host() {
    for backend in ["auto", "emulate"] {
        let output = verified("locked", None, &[("CFR_BACKEND", backend), ("CFR_LOG", "error")]);
        assert!(output.stderr.contains("were not compared"), "{output:?}");
    }
}

/// A loop that has copied to a file before asks about it again.
#[test]
fn a_target_that_becomes_immutable_between_copies_gets_no_byte() {
    let test = "emulation::backend::a_target_that_becomes_immutable_between_copies_gets_no_byte";
    let filesystems = Filesystems::mount(test);
    let program = compile("drivers/immutable_between.c", "immutable_between", &[]);
    for (from, to) in [("ext4", "tmpfs"), ("tmpfs", "ext4"), ("tmpfs", "xfs"), ("tmpfs", "btrfs")] {
        let (Some(source), Some(target)) = (filesystems.get(from), filesystems.get(to)) else {
            continue;
        };
        let (source, target) = (Scratch::below(source), Scratch::below(target));
        fs::write(source.file("a"), [7; 4096]).expect("the filesystem can be written");
        for setting in [("CFR_BACKEND", "emulate"), ("CFR_FALLBACK", "EXDEV")] {
            let run = Run::bare(&program).args([source.file("a"), target.file("b")]).args(["2000"]);
            let run = run.env("LD_PRELOAD", library()).env("CFR_LOG", "off");
            let output = run.env(setting.0, setting.1).output();
            if output.status == Some(3) {
                skip(test, &format!("no immutable files on {to}"));
                continue;
            }
            assert_eq!(output.stdout, "0 0\n", "{from} to {to}, {setting:?}: {output:?}");
        }
    }
}

/// The answers to copies within one filesystem if a filter makes EXDEV of them all, as the driver
/// prints them.
const TARGETS: &str = "plain 4096 copied\nappend EBADF kept\nread-only EBADF kept\n\
    path EBADF kept\nfifo EINVAL\ncharacter-device EINVAL\nimmutable EPERM kept\n\
    swap ETXTBSY kept\n";

/// Copies to unusual targets under a filter that makes EXDEV of each copy_file_range(2), and under
/// filters that refuse these other calls.
fn unusual_targets(test: &str, refused: &[&str], settings: (&str, &str)) -> Option<String> {
    let filesystems = Filesystems::mount(test);
    let directory = Scratch::below(filesystems.get("ext4")?);
    fs::write(directory.file("source"), [7; 4096]).expect("the filesystem can be written");
    let swap = directory.write("swap", &[0; 1 << 20]);
    fs::set_permissions(&swap, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    Run::bare(find_program("mkswap")?).args([&swap]).ok();
    let device = LoopDevice::new(&directory.write("image", &[b'b'; 1 << 14]));
    let device = device.map_err(|reason| skip(test, &reason)).ok()?;
    let filter = compile("drivers/failing_system_call.c", "failing_system_call", &[]);
    let program = compile("drivers/unusual_targets.c", "unusual_targets", &[]);
    let mut words = vec!["copy_file_range".to_owned(), "EXDEV".to_owned()];
    for call in refused {
        words.extend([&filter.display().to_string(), *call, "EPERM"].map(str::to_owned));
    }
    words.push("env".to_owned());
    words.push(format!("LD_PRELOAD={}", library().display()));
    words.push(program.display().to_string());
    let output = Run::bare(&filter)
        .args(words)
        .args([directory.file("source"), swap, device.path().to_owned()])
        .within(directory.path())
        .env("CFR_LOG", "off")
        .env(settings.0, settings.1)
        .output();
    assert_eq!(output.status, Some(0), "{refused:?} {settings:?}: {output:?}");
    Some(output.stdout)
}

/// The library does not ask what kind of file the target is: the block device gets the bytes where the
/// program wants them, and no others.
#[test]
fn a_made_up_refusal_spoils_no_unusual_target() {
    let test = "emulation::backend::a_made_up_refusal_spoils_no_unusual_target";
    for setting in [("CFR_BACKEND", "emulate"), ("CFR_FALLBACK", "EXDEV")] {
        let Some(output) = unusual_targets(test, &[], setting) else { return };
        let expected = format!("{TARGETS}block-device 4096 copied\n");
        assert_eq!(output, expected, "{setting:?}");
    }
}

/// What the cheap question does not tell is told by the rules.
#[test]
fn the_rules_decide_if_a_filter_refuses_the_question_about_the_target() {
    let test =
        "emulation::backend::the_rules_decide_if_a_filter_refuses_the_question_about_the_target";
    for setting in [("CFR_BACKEND", "emulate"), ("CFR_FALLBACK", "EXDEV")] {
        let Some(output) = unusual_targets(test, &["fallocate"], setting) else { return };
        assert_eq!(output, format!("{TARGETS}block-device EINVAL kept\n"), "{setting:?}");
    }
}
