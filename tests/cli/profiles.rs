//! Profiles: what `cfr profiles` prints, how they combine with the user's settings, and what real
//! programs meet under each.

use cfr_sys::errno::Errno;
use cfr_testkit::{
    Output, Run, Scratch, compile_rust, compile_text, find_program, launcher, library, read_json,
    skip,
};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Large enough for three pieces under each profile that limits the size of a call.
const LEN: usize = 10_000_000;

/// What a profile does to programs.
struct Row {
    name: &'static str,
    /// The error of FICLONE.
    reflink: &'static str,
    /// The first copy_file_range of GNU cp, on a file of [`LEN`] bytes.
    first: First,
    /// The result of a call without descriptors.
    probe: &'static str,
    cp: Ends,
    rust: Ends,
    node: Ends,
}

#[derive(Clone, Copy, PartialEq)]
enum First {
    Fails(&'static str),
    Copies(i64),
    Dies,
}

#[derive(Clone, Copy, PartialEq)]
enum Ends {
    /// With the right bytes.
    Well,
    /// With a status, and an error by its name.
    Fails(&'static str),
    /// By SIGSYS.
    Dies,
    /// Never: it repeats the call for ever.
    Never,
}

use Ends::{Dies, Fails, Never, Well};
use First::Copies;

const fn row(
    name: &'static str,
    (reflink, first, probe): (&'static str, First, &'static str),
    [cp, rust, node]: [Ends; 3],
) -> Row {
    Row { name, reflink, first, probe, cp, rust, node }
}

/// The programs of the table's last three columns. The tests hold these versions to them; of other
/// versions they only require that a wrong copy is not reported as a success.
const PROGRAMS: [&str; 3] = ["GNU cp 9.1", "Rust's fs::copy", "Node.js 20 copyFileSync"];

#[rustfmt::skip]
static ROWS: [Row; 24] = [
    row("linux-4.4", ("ENOTTY", First::Fails("ENOSYS"), "ENOSYS"), [Well, Well, Well]),
    row("wsl1", ("EOPNOTSUPP", First::Fails("ENOSYS"), "ENOSYS"), [Well, Well, Well]),
    row("gvisor", ("EOPNOTSUPP", First::Fails("ENOSYS"), "ENOSYS"), [Well, Well, Well]),
    row("qemu-user", ("EOPNOTSUPP", First::Fails("ENOSYS"), "ENOSYS"), [Well, Well, Well]),
    row("seccomp-eperm", ("EOPNOTSUPP", First::Fails("EPERM"), "EPERM"), [Well, Well, Fails("EPERM")]),
    row("seccomp-enosys", ("EOPNOTSUPP", First::Fails("ENOSYS"), "ENOSYS"), [Well, Well, Well]),
    row("android", ("EOPNOTSUPP", First::Dies, ""), [Dies, Dies, Dies]),
    row("cross-before-5.3", ("EXDEV", First::Fails("EXDEV"), "EBADF"), [Well, Well, Well]),
    row("cross-since-5.19", ("EXDEV", First::Fails("EXDEV"), "EBADF"), [Well, Well, Well]),
    row("nfs", ("EOPNOTSUPP", Copies(4 << 20), "EBADF"), [Well, Well, Well]),
    row("rhel7-nfs", ("EOPNOTSUPP", First::Fails("EOPNOTSUPP"), "EBADF"), [Well, Well, Well]),
    row("cifs", ("EOPNOTSUPP", First::Fails("EPERM"), "EBADF"), [Well, Well, Fails("EPERM")]),
    row("rhel7-cifs", ("EOPNOTSUPP", First::Fails("EIO"), "EBADF"), [Fails("EIO"), Fails("EIO"), Well]),
    row("virtiofs", ("EOPNOTSUPP", First::Fails("EPERM"), "EBADF"), [Well, Well, Fails("EPERM")]),
    row("zfs-eagain", ("EAGAIN", First::Fails("EAGAIN"), "EBADF"), [Fails("EAGAIN"), Fails("EAGAIN"), Fails("EAGAIN")]),
    row("zfs-einval", ("EOPNOTSUPP", First::Fails("EINVAL"), "EBADF"), [Well, Well, Well]),
    row("ecryptfs", ("EOPNOTSUPP", First::Fails("EINVAL"), "EBADF"), [Well, Well, Well]),
    row("cephfs", ("EOPNOTSUPP", First::Fails("EACCES"), "EBADF"), [Fails("EACCES"), Fails("EACCES"), Fails("EACCES")]),
    row("fuse", ("EOPNOTSUPP", Copies(128 << 10), "EBADF"), [Well, Well, Well]),
    row("procfs", ("EXDEV", Copies(0), "EBADF"), [Well, Well, Never]),
    row("append", ("EBADF", First::Fails("EBADF"), "EBADF"), [Well, Well, Fails("EBADF")]),
    row("full-disk", ("EOPNOTSUPP", Copies(5_000_000), "EBADF"), [Fails("ENOSPC"), Fails("ENOSPC"), Fails("ENOSPC")]),
    row("signal-storm", ("EOPNOTSUPP", Copies(64 << 10), "EBADF"), [Well, Fails("EINTR"), Well]),
    row("slow-disk", ("EOPNOTSUPP", Copies(1 << 20), "EBADF"), [Well, Well, Well]),
];

fn cfr<const COUNT: usize>(words: [&str; COUNT]) -> Output {
    Run::bare(launcher()).args(words).output()
}

/// The profiles that the launcher has.
fn listed() -> Vec<Value> {
    let listed = read_json(&cfr(["profiles", "--format", "json"]).stdout);
    listed.as_array().unwrap().clone()
}

fn setting(name: &str, variable: &str) -> String {
    let listed = listed();
    let profile = listed.iter().find(|profile| profile["name"] == name).unwrap();
    profile["settings"][variable].as_str().unwrap().to_owned()
}

/// Returns the settings of a program under the launcher.
fn told(variable: &str, words: &[&str], environment: &[(&str, &str)]) -> String {
    let mut run = Run::bare(launcher()).args(["run"]).args(words).args(["printenv", variable]);
    for (name, value) in environment {
        run = run.env(name, value);
    }
    run.ok().stdout.trim_end().to_owned()
}

/// Returns the names.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

/// Makes the page of the documentation from what `cfr profiles` prints and the table above.
pub fn page() -> String {
    let mut page = String::from(
        "# Profiles\n\n\
         A profile gives a program the results of copies that it would get in another environment:\n\
         `cfr run --profile NAME PROGRAM`. It is a list of faults and, for some profiles, a dialect. If\n\
         the user sets a setting too, the user's value is used.\n\n\
         * A profile changes only calls that the library sees. If `cfr inspect` says that the library\n  \
           cannot see the program's copies, no profile has an effect.\n\
         * Other calls, such as statfs(2) and uname(2), describe the real machine.\n\n\
         `cfr profiles` prints the same. `UPDATE=1 cargo test docs` writes this page.\n\n\
         ## How programs react\n\n\
         Each program copies a file of 10 MB. `copies` means that it reports success and the copy is\n\
         right; an error means that it reports this error. The tests check it with these versions.\n\n",
    );
    let _ = writeln!(page, "| profile | {} |\n|---|---|---|---|", PROGRAMS.join(" | "));
    let ending = |ends| match ends {
        Well => "copies",
        Fails(name) => name,
        Dies => "killed by SIGSYS",
        Never => "never ends",
    };
    for Row { name, cp, rust, node, .. } in &ROWS {
        let [cp, rust, node] = [*cp, *rust, *node].map(ending);
        let _ =
            writeln!(page, "| [`{name}`](#{}) | {cp} | {rust} | {node} |", name.replace('.', ""));
    }
    for profile in listed() {
        let text = |key: &str| profile[key].as_str().unwrap().to_owned();
        let about = text("about");
        let mut letters = about.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        let _ = write!(page, "\n## {}\n\n{first}{}.\n\n", text("name"), letters.as_str());
        for (variable, value) in profile["settings"].as_object().unwrap() {
            let _ = writeln!(page, "    {variable}={}", value.as_str().unwrap());
        }
        page.push_str("\n| finding | source |\n|---|---|\n");
        for source in profile["sources"].as_array().unwrap() {
            let [says, at] = ["says", "at"].map(|key| source[key].as_str().unwrap());
            let _ = writeln!(page, "| {says} | {at} |");
        }
    }
    page
}

#[test]
fn the_table_has_every_profile() {
    let listed: Vec<_> =
        listed().iter().map(|profile| profile["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, names().collect::<Vec<_>>());
}

#[test]
fn every_profile_is_printed_with_its_settings_and_sources() {
    let text = cfr(["profiles"]).stdout;
    let mut rest = text.as_str();
    let mut find = |word: &str| {
        let at = rest.find(word);
        rest = &rest[at.unwrap_or_else(|| panic!("{word}\n{text}"))..];
    };
    for profile in listed() {
        find(&format!(
            "{}: {}\n",
            profile["name"].as_str().unwrap(),
            profile["about"].as_str().unwrap()
        ));
        for (variable, value) in profile["settings"].as_object().unwrap() {
            find(&format!("  {variable}={}\n", value.as_str().unwrap()));
        }
        for source in profile["sources"].as_array().unwrap() {
            find(source["says"].as_str().unwrap());
            find(source["at"].as_str().unwrap());
        }
    }
    let one = cfr(["profiles", "nfs"]).stdout;
    assert!(one.starts_with("nfs: ") && text.contains(&one) && !one.contains("\n\n"), "{one}");
}

#[test]
fn an_unknown_profile_is_an_error_that_lists_the_known_ones() {
    for words in [&["profiles", "nsf"][..], &["run", "--profile", "nsf", "echo", "ran"]] {
        let output = Run::bare(launcher()).args(words).output();
        assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{words:?}");
        for name in ["'nsf'", "nfs", "linux-4.4", "slow-disk"] {
            assert!(output.stderr.contains(name), "{}", output.stderr);
        }
    }
}

/// The settings work without the launcher.
#[test]
fn a_profile_is_printed_as_variables_for_a_shell() {
    let scratch = Scratch::new();
    scratch.random("a", LEN);
    let script = r#"eval "$("$CFR" profiles --format env nfs cross-before-5.3)"
        printenv CFR_INJECT CFR_DIALECT; unset CFR_DIALECT
        eval "$("$CFR" profiles --format env nfs)"
        LD_PRELOAD=$LIBCFR cp a b"#;
    let output = Run::bare("sh")
        .args(["-euc", script])
        .within(scratch.path())
        .env("CFR", launcher())
        .env("LIBCFR", library())
        .ok();
    let (nfs, cross) = (setting("nfs", "CFR_INJECT"), setting("cross-before-5.3", "CFR_INJECT"));
    assert_eq!(output.stdout, format!("{nfs};{cross}\nlinux-4.15\n"));
    assert!(
        output.calls().iter().any(|call| call.ends_with(" = 4194304 (kernel, INJECTED)")),
        "{output:?}"
    );

    let nameless = cfr(["profiles", "--format", "env"]);
    assert_eq!((nameless.status, nameless.stdout.as_str()), (Some(125), ""));
    assert!(nameless.stderr.contains("needs the name of a profile"), "{}", nameless.stderr);
}

#[test]
fn a_setting_of_the_user_outranks_the_profiles() {
    let profile = ["--profile", "cross-before-5.3"];
    let with = |more: &[&'static str]| [&profile[..], more].concat();
    assert_eq!(told("CFR_DIALECT", &profile, &[]), "linux-4.15");
    assert_eq!(told("CFR_DIALECT", &profile, &[("CFR_DIALECT", "")]), "linux-4.15");
    assert_eq!(told("CFR_DIALECT", &profile, &[("CFR_DIALECT", "freebsd")]), "freebsd");
    assert_eq!(told("CFR_DIALECT", &with(&["--dialect", "linux-5.3"]), &[]), "linux-5.3");
}

#[test]
fn faults_of_the_user_come_before_those_of_the_profiles() {
    let [nfs, fuse] = ["nfs", "fuse"].map(|name| setting(name, "CFR_INJECT"));
    let words = ["--profile", "nfs", "--profile", "fuse"];
    assert_eq!(told("CFR_INJECT", &words, &[]), format!("{nfs};{fuse}"));
    assert_eq!(
        told("CFR_INJECT", &words[..2], &[("CFR_INJECT", "zero:when=9")]),
        format!("zero:when=9;{nfs}")
    );
    let words = ["--profile", "nfs", "--inject", "zero:when=9", "--inject", "error=EIO:when=5"];
    assert_eq!(
        told("CFR_INJECT", &words, &[("CFR_INJECT", "zero:when=7")]),
        format!("zero:when=9;error=EIO:when=5;{nfs}")
    );
}

#[test]
fn contradictory_profiles_are_refused_unless_the_user_decides() {
    let words = ["--profile", "cross-before-5.3", "--profile", "procfs"];
    let output = Run::bare(launcher()).args(["run"]).args(words).args(["echo", "ran"]).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""));
    for word in ["cross-before-5.3", "procfs", "CFR_DIALECT=linux-4.15", "CFR_DIALECT=linux-5.3"] {
        assert!(output.stderr.contains(word), "{}", output.stderr);
    }
    let decided = [&words[..], &["--dialect", "extended"]].concat();
    assert_eq!(told("CFR_DIALECT", &decided, &[]), "extended");
    let same = ["--profile", "procfs", "--profile", "nfs", "--profile", "procfs"];
    assert_eq!(told("CFR_DIALECT", &same, &[]), "linux-5.3");
}

#[test]
fn more_faults_than_the_maximum_are_refused() {
    let words = ["--profile", "signal-storm"].repeat(5);
    let output = Run::bare(launcher()).args(["run"]).args(words).args(["echo", "ran"]).output();
    assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""));
    assert!(
        output.stderr.contains(" for --inject and --profile together (fault ")
            && output.stderr.contains("too many faults (at most 16)"),
        "{output:?}"
    );
}

/// The launcher would refuse a fault for another hook.
#[test]
fn a_profile_has_faults_only_for_watched_hooks() {
    let words = ["--profile", "nfs", "--hooks", "copy_file_range"];
    let told = told("CFR_INJECT", &words, &[]);
    assert_eq!(told, "short=4M:path=*:hook=copy_file_range,syscall");
    let output = cfr(["run", "--profile", "nfs", "--hooks", "sendfile", "echo", "ran"]);
    assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""));
    assert!(output.stderr.contains("nfs has no fault for the hooks"), "{}", output.stderr);
}

/// Programs tell a missing call by it from files that cannot be copied.
#[test]
fn a_call_without_descriptors_gets_the_error_of_the_profiles_system() {
    let program = compile_text(
        "#define _GNU_SOURCE\n#include <unistd.h>\n#include <errno.h>\n#include <stdio.h>\n\
         int main(void) { copy_file_range(-1, NULL, -1, NULL, 1, 0); printf(\"%d\\n\", errno); return 0; }\n",
        "profile_probe",
        &[],
    );
    for row in ROWS.iter().filter(|row| row.first != First::Dies) {
        let output =
            Run::bare(launcher()).args(["run", "--profile", row.name]).args([&program]).ok();
        let errno = Errno::by_name(row.probe.as_bytes()).unwrap();
        assert_eq!(output.stdout, format!("{}\n", errno.0), "{}", row.name);
    }
}

/// A program's copy under a profile, and its calls in the log.
struct Copied {
    output: Output,
    is_right: bool,
    calls: Vec<Value>,
}

fn copy(options: &[&str], program: &[&str]) -> Copied {
    let scratch = Scratch::new();
    let source = scratch.random("source", LEN);
    let (target, log) = (scratch.file("target"), scratch.file("log"));
    let output = Run::bare(launcher())
        .args(["trace", "--format", "json", "-o"])
        .args([log.as_path()])
        .args(options)
        .args(["--"])
        .args(program)
        .args([&source, &target])
        .output();
    let log = fs::read_to_string(log).unwrap_or_default();
    Copied {
        is_right: fs::read(source).ok() == fs::read(target).ok(),
        output,
        calls: log.lines().map(read_json).collect(),
    }
}

#[track_caller]
fn must_end(copied: &Copied, ends: Ends, name: &str, is_pinned: bool) {
    let Copied { output, is_right, .. } = copied;
    assert!(output.status != Some(0) || *is_right, "{name}: a wrong copy is no success");
    if !is_pinned {
        return;
    }
    match ends {
        Well => assert_eq!(output.status, Some(0), "{name}: {output:?}"),
        Fails(error) => {
            // As the C library names it, as Rust does too, or by its errno name.
            let errno = Errno::by_name(error.as_bytes()).unwrap();
            let message = errno.to_string();
            let words = message.split(" (").next().unwrap();
            assert!(output.status != Some(0), "{name}: {output:?}");
            let said = &output.stderr;
            assert!(said.contains(error) || said.contains(words), "{name} {words}: {said}");
        }
        Dies => assert_eq!(output.status, Some(128 + libc::SIGSYS), "{name}: {output:?}"),
        Never => panic!("{name}: nobody waits for that"),
    }
}

/// And cp reacts as the page says.
#[test]
fn cp_meets_the_errors_of_each_profile() {
    let version = Run::bare("cp").args(["--version"]).output().stdout;
    let is_pinned = version.starts_with("cp (GNU coreutils) 9.1\n");
    if !is_pinned {
        skip(
            "cli::profiles::cp_meets_the_errors_of_each_profile",
            "cp is another one than the page's",
        );
    }
    for row in &ROWS {
        let copied = copy(&["--profile", row.name], &["cp"]);
        must_end(&copied, row.cp, row.name, is_pinned);
        let calls =
            |call: &'static str| copied.calls.iter().filter(move |line| line["call"] == call);
        let first = |call| calls(call).next();
        if is_pinned {
            let reflink = first("ioctl").unwrap_or_else(|| panic!("{}: no reflink", row.name));
            assert_eq!(reflink["error"], row.reflink, "{}", row.name);
            assert_eq!(reflink["injected"], true, "{}", row.name);
        }
        match (row.first, first("copy_file_range")) {
            (First::Dies, first) => {
                let first = first.unwrap_or_else(|| panic!("{}: no line", row.name));
                assert_eq!((&first["ret"], &first["injected"]), (&Value::Null, &true.into()));
            }
            (_, None) => assert!(!is_pinned, "{}: no copy", row.name),
            (First::Fails(error), Some(first)) => {
                assert_eq!(
                    (&first["error"], &first["injected"]),
                    (&error.into(), &true.into()),
                    "{}",
                    row.name
                );
            }
            (Copies(bytes), Some(first)) => {
                assert_eq!(
                    (&first["ret"], &first["injected"]),
                    (&bytes.into(), &true.into()),
                    "{}",
                    row.name
                );
            }
        }
    }
}

/// In every profile that limits the size of a call, to the end of the file.
#[test]
fn every_piece_has_the_profiles_size() {
    for (name, piece) in [("nfs", 4 << 20), ("fuse", 128 << 10), ("slow-disk", 1 << 20)] {
        let copied = copy(&["--profile", name], &["cp"]);
        let calls = copied.calls.iter().filter(|line| line["call"] == "copy_file_range");
        let counts: Vec<_> = calls.clone().map(|line| line["ret"].as_u64().unwrap()).collect();
        if counts.is_empty() {
            return skip(
                "cli::profiles::every_piece_has_the_profiles_size",
                "this cp has another way to copy",
            );
        }
        let len = LEN as u64;
        let pieces = counts.iter().filter(|&&count| count == piece).count() as u64;
        assert_eq!((pieces, counts.iter().sum()), (len / piece, len), "{name}: {counts:?}");
        let is_slow = name == "slow-disk";
        assert!(calls.clone().all(|line| line["delayed"] == is_slow), "{name}");
    }
}

#[test]
fn rust_does_what_the_page_says() {
    let program = compile_rust("fs_copy");
    for row in &ROWS {
        let copied = copy(&["--profile", row.name], &[program.to_str().unwrap()]);
        must_end(&copied, row.rust, row.name, true);
        assert!(
            row.first == First::Dies || copied.calls.iter().any(|line| line["injected"] == true)
        );
    }
}

const NODE: &str = "require('fs').copyFileSync(process.argv[1], process.argv[2])";

#[test]
fn node_does_what_the_page_says() {
    const TEST: &str = "cli::profiles::node_does_what_the_page_says";
    if find_program("node").is_none() {
        return skip(TEST, "node is not installed");
    }
    let is_pinned = Run::bare("node").args(["--version"]).output().stdout.starts_with("v20.");
    if !is_pinned {
        skip(TEST, "node is another one than the page's");
    }
    for row in ROWS.iter().filter(|row| row.node != Never) {
        let copied = copy(&["--profile", row.name], &["node", "-e", NODE]);
        must_end(&copied, row.node, row.name, is_pinned);
    }
}

/// Its loop ends with an error or with all bytes, not with 0. A fault of the user shows it; it
/// comes before the profile's.
#[test]
fn node_loops_if_a_call_returns_0_too_early() {
    const TEST: &str = "cli::profiles::node_loops_if_a_call_returns_0_too_early";
    let version =
        find_program("node").map(|node| Run::bare(node).args(["--version"]).output().stdout);
    if !version.is_some_and(|version| version.starts_with("v20.")) {
        return skip(TEST, "there is no Node.js 20");
    }
    let end = "error=ENOSPC:hook=syscall:when=1001";
    let copied = copy(&["--profile", "procfs", "--inject", end], &["node", "-e", NODE]);
    let zeros =
        copied.calls.iter().filter(|line| line["hook"] == "syscall" && line["ret"] == 0).count();
    assert_eq!((zeros, copied.output.status), (1000, Some(1)), "{:?}", copied.output);
}

fn python(test: &str, profile: &str, script: &str, scratch: &Scratch) -> Option<Output> {
    if find_program("python3").is_none() {
        skip(test, "python3 is not installed");
        return None;
    }
    let run = Run::bare(launcher()).args(["run", "--profile", profile, "python3", "-c", script]);
    Some(run.within(scratch.path()).output())
}

fn same(scratch: &Scratch, one: &str, other: &str) -> bool {
    let read = |name| fs::read(Path::new(&scratch.file(name))).unwrap();
    read(one) == read(other)
}

/// The blocks would be on the disk by then.
#[test]
fn the_zfs_profile_lets_a_later_attempt_succeed() {
    let scratch = Scratch::new();
    scratch.random("a", LEN);
    let script = "\
import os
a, b, failed = os.open('a', os.O_RDONLY), os.open('b', os.O_WRONLY | os.O_CREAT), 0
while True:
    try:
        if not os.copy_file_range(a, b, 1 << 30): break
    except BlockingIOError:
        failed += 1
print(failed)";
    let Some(output) = python(
        "cli::profiles::the_zfs_profile_lets_a_later_attempt_succeed",
        "zfs-eagain",
        script,
        &scratch,
    ) else {
        return;
    };
    assert_eq!((output.status, output.stdout.as_str()), (Some(0), "3\n"), "{output:?}");
    assert!(same(&scratch, "a", "b"));
}

/// The bytes counted before it are where they belong. The program is in C, because Python repeats a
/// call after EINTR.
#[test]
fn every_call_under_the_signal_profile_gets_a_signal() {
    let program = compile_text(
        r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static volatile sig_atomic_t seen;
static void see(int number) { (void) number; seen++; }
int main(void) {
    struct sigaction action = { .sa_handler = see };
    sigaction(SIGURG, &action, NULL);
    int a = open("a", O_RDONLY), b = open("b", O_WRONLY | O_CREAT, 0600), calls = 0, failed = 0;
    for (ssize_t count = 1; count != 0;) {
        calls++;
        count = copy_file_range(a, NULL, b, NULL, 1 << 30, 0);
        if (count < 0 && errno != EINTR) return 1;
        failed += count < 0;
    }
    printf("%d calls, %d failed, %d signals\n", calls, failed, (int) seen);
    return 0;
}
"#,
        "profile_storm",
        &[],
    );
    let scratch = Scratch::new();
    scratch.random("a", 1_000_000);
    let run = Run::bare(launcher()).args(["run", "--profile", "signal-storm"]).args([&program]);
    assert_eq!(run.within(scratch.path()).ok().stdout, "33 calls, 16 failed, 33 signals\n");
    assert!(same(&scratch, "a", "b"));
}

/// It makes one call and does not check the count.
#[test]
fn a_program_that_ignores_the_count_copies_only_the_beginning() {
    let scratch = Scratch::new();
    scratch.random("a", LEN);
    let script = "\
import os
a, b = os.open('a', os.O_RDONLY), os.open('b', os.O_WRONLY | os.O_CREAT)
os.copy_file_range(a, b, os.fstat(a).st_size)";
    let Some(output) = python(
        "cli::profiles::a_program_that_ignores_the_count_copies_only_the_beginning",
        "nfs",
        script,
        &scratch,
    ) else {
        return;
    };
    assert_eq!(output.status, Some(0), "{output:?}");
    assert_eq!(fs::metadata(scratch.file("b")).unwrap().len(), 4 << 20);
}

/// Also if the machine's own sendfile(2) would succeed.
#[test]
fn sendfile_gets_the_errors_of_the_profiles_system() {
    let script = "\
import os, sys
a, b = os.open('a', os.O_RDONLY), os.open('b', os.O_WRONLY | os.O_CREAT)
try:
    print(os.sendfile(b, a, 0, 1 << 30))
except OSError as error:
    print(error.errno)";
    for (profile, answer) in [
        ("ecryptfs", libc::EINVAL.to_string()),
        ("append", libc::EINVAL.to_string()),
        ("full-disk", (LEN / 2).to_string()),
        ("signal-storm", (64 << 10).to_string()),
        ("slow-disk", (1 << 20).to_string()),
        ("nfs", LEN.to_string()),
    ] {
        let scratch = Scratch::new();
        scratch.random("a", LEN);
        let Some(output) = python(
            "cli::profiles::sendfile_gets_the_errors_of_the_profiles_system",
            profile,
            script,
            &scratch,
        ) else {
            return;
        };
        assert_eq!(output.stdout, format!("{answer}\n"), "{profile}: {output:?}");
    }
}
