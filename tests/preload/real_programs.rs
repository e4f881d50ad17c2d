//! Real programs: the log has every copy_file_range call that strace sees in the same run, with
//! the same arguments and results, and the copies are correct.

use cfr_testkit::{Run, Scratch, compile, compile_rust, find_program, library, parse_call, skip};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A source and the target of its copy.
struct Copy {
    scratch: Scratch,
    source: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn new() -> Copy {
        let scratch = Scratch::new();
        let source = scratch.random("a source", 300_000);
        let target = scratch.file("a target");
        Copy { scratch, source, target }
    }

    /// Runs the program with the library under strace, compares the two records, and returns the
    /// calls.
    #[track_caller]
    fn traced(&self, program: &Path, words: &[OsString]) -> Vec<String> {
        let content = fs::read(&self.source).unwrap();
        let (trace, log) = (self.scratch.file("strace"), self.scratch.file("log"));
        let preload = format!("LD_PRELOAD={}", library().display());
        let mut run = Run::bare("strace")
            .args(["-f", "-y", "-e", "trace=copy_file_range", "-e", "signal=none", "-o"])
            .args([&trace])
            .args(["-E", &preload, "-E"])
            .args([format!("CFR_LOG_FILE={}", log.display())])
            .args([program])
            .args(words);
        if program.ends_with("cat") {
            run = run.stdout(&self.target);
        }
        run.ok();
        assert_eq!(fs::read(&self.target).unwrap(), content, "{}", program.display());
        let strace = fs::read_to_string(&trace).unwrap();
        let strace: Vec<_> = strace.lines().filter_map(straces_call).collect();
        let logged = fs::read_to_string(&log).unwrap_or_default();
        // strace prints the ioctls in another form.
        let copies =
            logged.lines().filter_map(parse_call).filter(|call| !call.starts_with("ioctl("));
        let logged: Vec<_> = copies.map(as_strace).collect();
        assert_eq!(logged, strace, "{}", program.display());
        logged
    }
}

/// Returns `PID copy_file_range(...) = ...` without the process.
fn straces_call(line: &str) -> Option<String> {
    let at = line.find("copy_file_range(")?;
    // strace pads the space between the arguments and the result.
    let (arguments, result) = line[at..].rsplit_once(" = ")?;
    Some(format!("{} = {result}", arguments.trim_end()))
}

/// Converts a line of the log to what strace prints, which sees only calls that reach the kernel.
fn as_strace(call: String) -> String {
    let call = call.rsplit_once(" (kernel").map_or(&*call, |(call, _)| call);
    call.replacen("syscall(SYS_copy_file_range, ", "copy_file_range(", 1)
}

fn words<const COUNT: usize>(words: [&dyn AsRef<std::ffi::OsStr>; COUNT]) -> Vec<OsString> {
    words.into_iter().map(|word| word.as_ref().to_owned()).collect()
}

/// Returns the program on the PATH, or skips the test.
fn program(test: &str, name: &str) -> Option<PathBuf> {
    for needed in ["strace", name] {
        if find_program(needed).is_none() {
            skip(test, &format!("{needed} is not installed"));
            return None;
        }
    }
    find_program(name)
}

#[test]
fn cp_is_traced_with_its_result() {
    let Some(cp) = program("preload::real_programs::cp_is_traced_with_its_result", "cp") else {
        return;
    };
    let copy = Copy::new();
    let calls = copy.traced(&cp, &words([&copy.source, &copy.target]));
    assert!(calls[0].ends_with(" = 300000"), "{calls:?}");
}

#[test]
fn cat_is_traced_with_its_result() {
    let Some(cat) = program("preload::real_programs::cat_is_traced_with_its_result", "cat") else {
        return;
    };
    let copy = Copy::new();
    let calls = copy.traced(&cat, &words([&copy.source]));
    assert!(calls[0].ends_with(" = 300000"), "{calls:?}");
}

/// mv(1) copies if it cannot rename.
#[test]
fn mv_is_traced_across_filesystems() {
    let Some(mv) = program("preload::real_programs::mv_is_traced_across_filesystems", "mv") else {
        return;
    };
    let filesystems =
        cfr_testkit::Filesystems::mount("preload::real_programs::mv_is_traced_across_filesystems");
    let Some(tmpfs) = filesystems.get("tmpfs") else {
        return skip(
            "preload::real_programs::mv_is_traced_across_filesystems",
            "no tmpfs to move to",
        );
    };
    let mut copy = Copy::new();
    copy.target = tmpfs.join("moved");
    copy.traced(&mv, &words([&copy.source, &copy.target]));
    assert!(!copy.source.exists());
}

#[test]
fn install_is_traced_with_its_result() {
    let Some(install) =
        program("preload::real_programs::install_is_traced_with_its_result", "install")
    else {
        return;
    };
    let copy = Copy::new();
    let calls = copy.traced(&install, &words([&copy.source, &copy.target]));
    assert!(calls[0].ends_with(" = 300000"), "{calls:?}");
}

#[test]
fn python_is_traced_with_its_result() {
    let Some(python) =
        program("preload::real_programs::python_is_traced_with_its_result", "python3")
    else {
        return;
    };
    let copy = Copy::new();
    let script = "import os, sys\n\
                  a = os.open(sys.argv[1], os.O_RDONLY)\n\
                  b = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)\n\
                  assert os.copy_file_range(a, b, 1000) == 1000\n\
                  assert os.copy_file_range(a, b, 2000, 1000, 1000) == 2000\n\
                  os.lseek(a, 3000, 0), os.lseek(b, 3000, 0)\n\
                  while os.copy_file_range(a, b, 1 << 20): pass\n\
                  try: os.copy_file_range(a, 99, 1)\n\
                  except OSError as error: assert error.errno == 9\n";
    let calls = copy.traced(&python, &words([&"-c", &script, &copy.source, &copy.target]));
    assert_eq!(calls.len(), 5, "{calls:?}");
    assert!(calls[1].contains(", [1000], ") && calls[1].ends_with(" = 2000"), "{calls:?}");
    assert!(calls[4].ends_with(" = -1 EBADF (Bad file descriptor)"), "{calls:?}");
}

/// It imports the symbol weakly.
#[test]
fn rusts_fs_copy_is_traced_with_its_result() {
    if program("preload::real_programs::rusts_fs_copy_is_traced_with_its_result", "strace")
        .is_none()
    {
        return;
    }
    let copy = Copy::new();
    let calls = copy.traced(&compile_rust("fs_copy"), &words([&copy.source, &copy.target]));
    assert!(calls[0].ends_with(" = 300000"), "{calls:?}");
}

#[test]
fn a_c_program_that_uses_syscall_is_traced() {
    if program("preload::real_programs::a_c_program_that_uses_syscall_is_traced", "strace")
        .is_none()
    {
        return;
    }
    let copy = Copy::new();
    let program = compile("drivers/syscall_copy.c", "syscall_copy", &[]);
    let calls = copy.traced(&program, &words([&copy.source, &copy.target]));
    assert!(calls[0].contains(", [0], "), "{calls:?}");
}

/// libuv calls syscall().
#[test]
fn node_is_traced_through_syscall() {
    let Some(node) = program("preload::real_programs::node_is_traced_through_syscall", "node")
    else {
        return;
    };
    let copy = Copy::new();
    let script = "require('fs').copyFileSync(process.argv[1], process.argv[2])";
    let calls = copy.traced(&node, &words([&"-e", &script, &copy.source, &copy.target]));
    assert!(calls[0].ends_with(" = 300000"), "{calls:?}");
}

#[test]
fn the_launcher_traces_cp_on_standard_error() {
    let copy = Copy::new();
    let output = Run::bare(cfr_testkit::launcher())
        .args(["trace", "cp"])
        .args([&copy.source, &copy.target])
        .ok();
    assert_eq!(fs::read(&copy.source).unwrap(), fs::read(&copy.target).unwrap());
    let calls = output.calls();
    assert!(calls.iter().any(|call| call.ends_with(" = 300000 (kernel)")), "{calls:?}");
    // The filesystem may refuse the reflink that cp tries first; a line says by which rule.
    let lines = output.stderr.lines().filter(|line| !line.ends_with(" ---"));
    assert_eq!(calls.len(), lines.count());
}
