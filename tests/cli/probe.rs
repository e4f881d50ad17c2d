//! `cfr probe`: its facts are true, and it leaves nothing behind.

use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, find_program, launcher, library, project,
    read_json, skip, until,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

/// Each fact of a path in JSON and in the text.
const FACTS: [(&str, &str); 13] = [
    ("filesystem", "filesystem"),
    ("mount_point", "mounted at"),
    ("block_size", "block size"),
    ("copy_file_range", "copy_file_range"),
    ("copy_shares_blocks", "copy shares blocks"),
    ("copy_keeps_holes", "copy keeps holes"),
    ("largest_copy", "largest single copy"),
    ("reflink", "reflink"),
    ("reflink_alignment", "reflink alignment"),
    ("dedupe", "dedupe"),
    ("largest_dedupe", "largest single dedupe"),
    ("reports_holes", "reports holes"),
    ("punches_holes", "punches holes"),
];

/// Each fact of the kernel in JSON.
const KERNEL_FACTS: [&str; 6] =
    ["release", "copy_file_range", "seccomp_filter", "behaves_as", "supervisor", "keeps_answers"];

/// The most bytes that the kernel copies in one call.
const CEILING: u64 = 0x7fff_f000;

fn probe<S: AsRef<OsStr>>(paths: impl IntoIterator<Item = S>) -> Run {
    Run::bare(launcher()).args(["probe"]).args(paths)
}

fn json<S: AsRef<OsStr>>(paths: impl IntoIterator<Item = S>) -> Run {
    probe(["--format", "json"]).args(paths)
}

fn report(output: &Output) -> Value {
    assert_eq!(output.stdout.lines().count(), 1, "{output:#?}");
    read_json(&output.stdout)
}

/// Runs a program under a seccomp filter: c-tests/drivers/failing_system_call.c.
fn filtered() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> =
        LazyLock::new(|| compile("drivers/failing_system_call.c", "failing_system_call", &[]));
    &PROGRAM
}

fn under_filter<S: AsRef<OsStr>>(
    call: &str,
    errno: &str,
    paths: impl IntoIterator<Item = S>,
) -> Value {
    let run = Run::bare(filtered()).args([call, errno]).args([launcher()]);
    report(&run.args(["probe", "--format", "json"]).args(paths).ok())
}

fn value<'a>(facts: &'a Value, key: &str) -> &'a Value {
    facts[key].get("value").unwrap_or_else(|| panic!("no {key} in {facts:#}"))
}

#[track_caller]
fn assert_fact(facts: &Value, key: &str, expected: impl Into<Value>, errno: Option<&str>) {
    let fact = &facts[key];
    assert_eq!(fact["value"], expected.into(), "{key} of {facts:#}");
    assert_eq!(fact["errno"].as_str(), errno, "{key} of {facts:#}");
}

fn names_in(place: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect()
}

// The facts.

#[test]
fn each_filesystem_has_its_known_abilities() {
    let filesystems = Filesystems::mount("cli::probe::each_filesystem_has_its_known_abilities");
    let points: Vec<_> = filesystems.iter().map(|(_, point)| point).collect();
    if points.is_empty() {
        return;
    }
    let report = report(&json(&points).ok());
    assert_eq!(report["paths"].as_array().unwrap().len(), points.len());
    for ((name, point), facts) in filesystems.iter().zip(report["paths"].as_array().unwrap()) {
        assert_eq!(facts["path"], point.to_str().unwrap());
        assert_fact(facts, "filesystem", name, None);
        assert_fact(facts, "mount_point", point.to_str().unwrap(), None);
        let block = Run::bare("stat").args(["-f", "-c", "%S"]).args([point]).ok().stdout;
        assert_fact(facts, "block_size", block.trim().parse::<u64>().unwrap(), None);
        for key in ["copy_file_range", "reports_holes", "punches_holes"] {
            assert_fact(facts, key, true, None);
        }
        if name == "xfs" || name == "btrfs" {
            for key in ["copy_shares_blocks", "copy_keeps_holes", "reflink", "dedupe"] {
                assert_fact(facts, key, true, None);
            }
            assert_fact(facts, "reflink_alignment", 4096, None);
            assert_fact(facts, "largest_copy", CEILING, None);
            let most = value(facts, "largest_dedupe").as_u64().unwrap();
            if facts["largest_dedupe"]["at_least"].as_bool().unwrap() {
                // A machine that takes too long for more.
                assert!((16 << 20..=256 << 20).contains(&most), "{facts:#}");
            } else {
                assert_eq!(most, 1 << 30, "{facts:#}");
            }
        } else {
            for key in ["copy_shares_blocks", "copy_keeps_holes"] {
                assert_fact(facts, key, false, None);
            }
            // On overlay it depends on the filesystem below.
            let no_dedupe = if name == "overlay" { "EINVAL" } else { "EOPNOTSUPP" };
            for (key, most, errno) in [
                ("reflink", "reflink_alignment", "EOPNOTSUPP"),
                ("dedupe", "largest_dedupe", no_dedupe),
            ] {
                assert_fact(facts, key, false, Some(errno));
                assert_fact(facts, most, Value::Null, Some(errno));
            }
            assert_fact(facts, "largest_copy", Value::Null, None);
            let note = facts["largest_copy"]["note"].as_str().unwrap();
            assert_eq!(note, "not tried: it would write 2 GiB");
        }
        // Checked with another program.
        let scratch = Scratch::below(point);
        let source = scratch.random("a", 100_000);
        let cp = Run::bare("cp").args(["--reflink=always"]).args([&source, &scratch.file("b")]);
        assert_eq!(cp.output().status == Some(0), value(facts, "reflink") == true, "{name}");
    }
    every_pair(&report, &points);
}

fn every_pair(report: &Value, points: &[&Path]) {
    let pairs = report["pairs"].as_array().unwrap();
    let mut expected = Vec::new();
    for from in points {
        let others = points.iter().filter(|to| *to != from);
        expected.extend(others.map(|to| (from.to_str().unwrap(), to.to_str().unwrap())));
    }
    let found: Vec<_> = pairs
        .iter()
        .map(|pair| (pair["from"].as_str().unwrap(), pair["to"].as_str().unwrap()))
        .collect();
    assert_eq!(found, expected);
    let copies = value(&report["kernel"], "behaves_as") == "5.3 to 5.18";
    for pair in pairs {
        assert_fact(pair, "copy_file_range", copies, (!copies).then_some("EXDEV"));
        assert_fact(pair, "reflink", false, Some("EXDEV"));
    }
}

/// Two mounts of it, and a directory in it.
#[test]
fn two_paths_on_one_filesystem_are_not_a_pair() {
    let filesystems = Filesystems::mount("cli::probe::two_paths_on_one_filesystem_are_not_a_pair");
    let Some(point) = filesystems.get("btrfs") else { return };
    let subvolume = point.join("subvolume");
    let made = Run::bare("btrfs").args(["subvolume", "create"]).args([&subvolume]).output();
    assert_eq!(made.status, Some(0), "{made:#?}");
    let bound = point.join("bound");
    fs::create_dir(&bound).unwrap();
    Run::bare("mount").args(["--bind"]).args([point, &bound]).ok();
    assert_ne!(fs::metadata(point).unwrap().dev(), fs::metadata(&subvolume).unwrap().dev());
    let report = report(&json([point, &subvolume, &bound]).ok());
    assert_eq!(report["paths"].as_array().unwrap().len(), 3);
    assert_eq!(report["pairs"].as_array().unwrap().len(), 0, "{report:#}");
    assert_fact(&report["paths"][2], "mount_point", bound.to_str().unwrap(), None);
}

#[test]
fn the_kernel_and_the_c_library_are_reported() {
    let scratch = Scratch::new();
    let report = report(&json([scratch.path()]).ok());
    let release = Run::bare("uname").args(["-r"]).ok().stdout;
    assert_fact(&report["kernel"], "release", release.trim(), None);
    assert_fact(&report["kernel"], "copy_file_range", true, None);
    let (major, minor) = release.split_once('.').unwrap();
    let minor = minor.split(|letter: char| !letter.is_ascii_digit()).next().unwrap();
    let version: (u32, u32) = (major.parse().unwrap(), minor.parse().unwrap());
    if version >= (5, 19) {
        assert_fact(&report["kernel"], "behaves_as", "5.19 and later", None);
    }
    let libc = Run::bare("getconf").args(["GNU_LIBC_VERSION"]).ok().stdout;
    let (name, version) = libc.trim().split_once(' ').unwrap();
    assert_fact(&report["libc"], "name", name, None);
    assert_fact(&report["libc"], "version", version, None);
    assert_fact(&report["libc"], "copy_file_range", true, None);
    assert_fact(&report["libc"], "cuts_results", version == "2.41" || version == "2.42", None);
}

/// A kernel that loses an answer makes the supervisor's call twice.
#[test]
fn the_kernels_part_of_the_supervisor_is_tried() {
    let scratch = Scratch::new();
    let release = Run::bare("uname").args(["-r"]).ok().stdout;
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    let mut number = || numbers.next().unwrap().parse::<u32>().unwrap();
    let keeps = (number(), number()) >= (6, 18);
    let facts = report(&json([scratch.path()]).ok())["kernel"].clone();
    assert_fact(&facts, "supervisor", true, None);
    // On a busy machine it may remain unknown, and a distribution may have the fix in an older kernel.
    assert!(!keeps || value(&facts, "keeps_answers") != false, "{facts:#}");
    if keeps {
        let is_kept = || {
            let report = report(&json([scratch.path()]).ok());
            value(&report["kernel"], "keeps_answers") == true
        };
        until(is_kept, "the kernel keeps answers");
    }
    // Within another supervisor it cannot be tried.
    let run = Run::bare(launcher()).args(["run", "--reach", "all", "--"]).args([launcher()]);
    let run = run.args(["probe", "--format", "json"]).args([scratch.path()]);
    let facts = report(&run.ok())["kernel"].clone();
    assert_fact(&facts, "supervisor", false, Some("EBUSY"));
    assert_fact(&facts, "keeps_answers", Value::Null, Some("EBUSY"));
}

/// Before Linux 5.19, or if a filter hides seccomp(2), there is no supervisor.
#[test]
fn a_kernel_without_supervisors_is_reported() {
    let scratch = Scratch::new();
    for errno in ["EINVAL", "EPERM"] {
        let facts = under_filter("seccomp", errno, [scratch.path()])["kernel"].clone();
        assert_fact(&facts, "supervisor", false, Some(errno));
        assert_fact(&facts, "keeps_answers", Value::Null, Some(errno));
    }
}

/// Containers have such filters.
#[test]
fn a_seccomp_filter_is_reported_with_the_calls_that_it_hides() {
    let scratch = Scratch::new();
    for (errno, said) in [("EPERM", "a seccomp filter hides"), ("ENOSYS", "a seccomp filter hides")]
    {
        let report = under_filter("copy_file_range", errno, [scratch.path()]);
        let kernel = &report["kernel"];
        assert_fact(kernel, "copy_file_range", false, Some(errno));
        assert!(kernel["copy_file_range"]["note"].as_str().unwrap().contains(said), "{kernel:#}");
        assert_fact(kernel, "seccomp_filter", true, None);
        assert_fact(kernel, "behaves_as", Value::Null, None);
        // Calls that the filter does not cover are tried all the same.
        let facts = &report["paths"][0];
        assert_fact(facts, "copy_file_range", false, Some(errno));
        assert_fact(facts, "copy_keeps_holes", Value::Null, Some(errno));
        assert_fact(facts, "largest_copy", Value::Null, Some(errno));
        assert_fact(facts, "punches_holes", true, None);
    }
}

/// Each trial is independent: a refused call says nothing about the others.
#[test]
fn a_refused_call_says_nothing_of_the_others() {
    let filesystems = Filesystems::mount("cli::probe::a_refused_call_says_nothing_of_the_others");
    let (Some(xfs), Some(tmpfs)) = (filesystems.get("xfs"), filesystems.get("tmpfs")) else {
        return;
    };
    let facts = &under_filter("ficlonerange", "EPERM", [xfs])["paths"][0];
    assert_fact(facts, "reflink", false, Some("EPERM"));
    assert_fact(facts, "reflink_alignment", Value::Null, Some("EPERM"));
    assert_fact(facts, "copy_shares_blocks", true, None);
    assert_fact(facts, "dedupe", true, None);
    let facts = &under_filter("fideduperange", "EPERM", [xfs])["paths"][0];
    assert_fact(facts, "dedupe", false, Some("EPERM"));
    assert_fact(facts, "largest_dedupe", Value::Null, Some("EPERM"));
    assert_fact(facts, "reflink", true, None);
    // A copy may share blocks only on a filesystem that can.
    let facts = &under_filter("fiemap", "EOPNOTSUPP", [xfs, tmpfs])["paths"];
    assert_fact(&facts[0], "copy_shares_blocks", Value::Null, Some("EOPNOTSUPP"));
    assert_fact(&facts[1], "copy_shares_blocks", false, None);
}

/// If the files show that a call did not do what it reports, the report says so.
#[test]
fn a_wrong_result_of_a_call_is_found_in_the_files() {
    let scratch = Scratch::new();
    for (call, key, note) in [
        ("fallocate", "punches_holes", "claims to have punched a hole, but did not"),
        ("ficlonerange", "reflink", "claims to have copied 65536 bytes, but did not"),
        ("copy_file_range", "copy_file_range", "returned 0 of 65536"),
    ] {
        let facts = &under_filter(call, "0", [scratch.path()])["paths"][0];
        assert_fact(facts, key, false, None);
        assert_eq!(facts[key]["note"], note);
    }
}

/// If a larger size could not be tried, the result is a lower bound.
#[test]
fn the_largest_size_tried_is_reported_as_a_lower_bound() {
    let filesystems =
        Filesystems::mount("cli::probe::the_largest_size_tried_is_reported_as_a_lower_bound");
    let Some(xfs) = filesystems.get("xfs") else { return };
    let limited = |words: &[&str]| {
        // In units of 512 bytes: 64 MiB fit and 256 MiB do not.
        let script = "ulimit -f 262144; exec \"$@\"";
        let run = Run::bare("sh").args(["-c", script, "sh"]).args([launcher()]);
        run.args(["probe"]).args(words).args([xfs]).ok()
    };
    let report = report(&limited(&["--format", "json"]));
    let facts = &report["paths"][0];
    for key in ["largest_copy", "largest_dedupe"] {
        assert_eq!(facts[key]["at_least"], true, "{facts:#}");
        // A dedupe reads: on a slow machine it would take too long.
        let note = facts[key]["note"].as_str().unwrap();
        if key == "largest_copy" || !note.contains("was not tried: it would take") {
            assert_fact(facts, key, 64 << 20, Some("EFBIG"));
        }
    }
    let text = limited(&[]).stdout;
    let lines = section(&text, xfs.to_str().unwrap());
    let copy = lines.iter().find(|line| line.contains("largest single copy")).unwrap();
    assert!(copy.contains("  >= 67108864 EFBIG  "), "{text}");
}

/// And it raises no signal.
#[test]
fn a_limit_on_file_sizes_is_not_reported_as_missing_support() {
    let scratch = Scratch::new();
    let script = "ulimit -c 0; ulimit -f 16; exec \"$@\"";
    let run = Run::bare("sh").args(["-c", script, "sh"]).args([launcher()]);
    let output = run.args(["probe", "--format", "json"]).args([scratch.path()]).output();
    assert_eq!((output.status, output.signal), (Some(0), None), "{output:#?}");
    let report = report(&output);
    for key in ["copy_file_range", "copy_keeps_holes", "reflink", "punches_holes"] {
        assert_fact(&report["paths"][0], key, Value::Null, Some("EFBIG"));
    }
}

// Both reports.

/// Returns the value as the text shows it.
fn shown(fact: &Value) -> String {
    let answer = match &fact["value"] {
        Value::Null => "?".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(name) => name.clone(),
        number if fact["at_least"] == true => format!(">= {number}"),
        number => number.to_string(),
    };
    let errno = fact["errno"].as_str().map_or(String::new(), |errno| format!(" {errno}"));
    let note = fact["note"].as_str().unwrap_or_default();
    [answer, errno, note.to_owned()].concat()
}

/// Returns the lines below a heading, without the blanks that align them.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| !line.is_empty()).collect()
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn text_and_json_have_the_same_values() {
    let filesystems = Filesystems::mount("cli::probe::text_and_json_have_the_same_values");
    let here = Scratch::new();
    let mut paths: Vec<_> = filesystems.iter().map(|(_, point)| point).collect();
    paths.push(here.path());
    let text = probe(&paths).ok().stdout;
    let report = report(&json(&paths).ok());
    for facts in report["paths"].as_array().unwrap() {
        let lines = section(&text, facts["path"].as_str().unwrap());
        assert_eq!(lines.len(), FACTS.len(), "{text}");
        assert_eq!(facts.as_object().unwrap().len(), FACTS.len() + 1, "{facts:#}");
        for ((key, label), line) in FACTS.iter().zip(lines) {
            let expected = format!("{label}{}", shown(&facts[*key]));
            // How far it gets depends on its speed.
            let expected = if *key == "largest_dedupe" { (*label).to_owned() } else { expected };
            let (line, expected) = (without_blanks(line), without_blanks(&expected));
            assert!(line.starts_with(&expected), "{expected}: {text}");
            assert!(line == expected || *key == "largest_dedupe", "{expected}: {text}");
        }
    }
    for (heading, facts, keys) in [
        ("kernel", &report["kernel"], &KERNEL_FACTS[..]),
        ("C library", &report["libc"], &["name", "version", "copy_file_range", "cuts_results"]),
    ] {
        let lines = section(&text, heading);
        assert_eq!((lines.len(), facts.as_object().unwrap().len()), (keys.len(), keys.len()));
        for (key, line) in keys.iter().zip(lines) {
            let shown = without_blanks(&shown(&facts[*key]));
            assert!(without_blanks(line).ends_with(&shown), "{key}: {line}");
        }
    }
    let pairs = report["pairs"].as_array().unwrap();
    let lines = section(&text, "across filesystems");
    assert_eq!(lines.len(), if pairs.is_empty() { 0 } else { pairs.len() + 1 }, "{text}");
    for (pair, line) in pairs.iter().zip(lines.iter().skip(1)) {
        let (from, to) = (pair["from"].as_str().unwrap(), pair["to"].as_str().unwrap());
        let answers = [shown(&pair["copy_file_range"]), shown(&pair["reflink"])].concat();
        assert_eq!(without_blanks(line), without_blanks(&[from, to, &answers].concat()));
    }
}

/// In every section.
#[test]
fn the_values_of_a_section_are_in_one_column() {
    let scratch = Scratch::new();
    let text = probe([scratch.path()]).ok().stdout;
    let lines = text.lines().filter(|line| line.starts_with("  "));
    let column = |line: &str| {
        let label = line.trim_start();
        let gap = label.find("  ").expect("two blanks behind the label");
        let answer = label[gap..].trim_start();
        line.len() - answer.len()
    };
    let columns: BTreeSet<_> = lines.map(column).collect();
    assert_eq!(columns.len(), 1, "{text}");
    assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
}

#[test]
fn a_path_of_any_bytes_is_valid_json_and_escaped_text() {
    let scratch = Scratch::new();
    let place = scratch.path().join(OsStr::from_bytes(b"caf\xe9 \"\x1b[31m\n"));
    fs::create_dir(&place).unwrap();
    let report = report(&json([&place]).ok());
    let path = report["paths"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("/caf\u{0}e9 \"\u{1b}[31m\n"), "{path:?}");
    let text = probe([&place]).ok().stdout;
    assert!(!text.contains('\u{1b}') && text.contains("[31m\\n\n"), "{text}");
}

#[test]
fn the_manual_page_names_every_key() {
    let page = fs::read_to_string(project().join("man/cfr-probe.1")).unwrap();
    let scratch = Scratch::new();
    let report = report(&json([scratch.path(), Path::new("/no/such")]).output());
    let mut keys = BTreeSet::from(["from".to_owned(), "to".to_owned()]);
    let mut objects = vec![&report];
    while let Some(object) = objects.pop() {
        match object {
            Value::Array(items) => objects.extend(items),
            Value::Object(fields) => {
                keys.extend(fields.keys().cloned());
                objects.extend(fields.values());
            }
            _ => {}
        }
    }
    assert!(keys.len() > 25, "{keys:?}");
    for key in keys {
        let named = |line: &str| line.split([' ', ',']).any(|word| word == key);
        assert!(page.lines().any(|line| line.starts_with('.') && named(line)), "{key}");
    }
}

// What it leaves behind.

/// A file's content and times, and its directory's.
fn untouched(file: &Path) -> impl PartialEq + std::fmt::Debug + use<> {
    let times = |path: &Path| {
        let data = fs::metadata(path).unwrap();
        [(data.atime(), data.atime_nsec()), (data.mtime(), data.mtime_nsec())]
    };
    let before = (times(file), times(file.parent().unwrap()));
    (before, fs::read(file).unwrap(), names_in(file.parent().unwrap()))
}

/// Not even its times: the probe's files have no name.
#[test]
fn the_probed_directory_is_not_modified() {
    let filesystems = Filesystems::mount("cli::probe::the_probed_directory_is_not_modified");
    for (name, point) in filesystems.iter() {
        let scratch = Scratch::below(point);
        let file = scratch.random("theirs", 5000);
        // Read once after the last change, after which relatime keeps the time of access.
        thread::sleep(Duration::from_millis(50));
        let _ = untouched(&file);
        let before = untouched(&file);
        let by_directory = report(&json([scratch.path()]).ok());
        let by_file = report(&json([&file]).ok());
        assert_eq!(untouched(&file), before, "{name}");
        for facts in [&by_directory["paths"][0], &by_file["paths"][0]] {
            assert_fact(facts, "mount_point", point.to_str().unwrap(), None);
        }
    }
}

/// There a file has a name only until it is open.
#[test]
fn a_filesystem_without_unnamed_files_is_probed() {
    let scratch = Scratch::new();
    scratch.random("theirs", 5000);
    let before = names_in(scratch.path());
    let report = under_filter("tmpfile", "EOPNOTSUPP", [scratch.path()]);
    assert_fact(&report["paths"][0], "copy_file_range", true, None);
    assert_eq!(names_in(scratch.path()), before);
    let trace = scratch.file("trace");
    let Some(strace) = find_program("strace") else {
        return skip(
            "cli::probe::a_filesystem_without_unnamed_files_is_probed",
            "strace is not installed",
        );
    };
    let run = Run::bare(strace).args(["-f", "-e", "trace=openat,unlinkat", "-o"]).args([&trace]);
    let run = run.args([filtered()]).args(["tmpfile", "EOPNOTSUPP"]);
    run.args([launcher()]).args(["probe"]).args([scratch.path()]).ok();
    let trace = fs::read_to_string(trace).unwrap();
    let made: Vec<_> = trace.lines().filter(|line| line.contains("\".cfr-probe-")).collect();
    assert!(made.len() > 20, "{trace}");
    for pair in made.chunks(2) {
        assert!(pair[0].contains("|O_CREAT|O_EXCL|") && pair[0].contains(", 0600) = "), "{pair:?}");
        assert!(pair[1].contains("unlinkat(") && pair[1].ends_with("= 0"), "{pair:?}");
    }
}

/// Runs it until `signal` kills it at the moment for which `now` waits, and checks that nothing is
/// left.
#[track_caller]
fn killed<S: AsRef<OsStr>>(
    words: impl IntoIterator<Item = S>,
    place: &Path,
    signal: i32,
    now: impl Fn(),
) {
    let mut words = words.into_iter();
    let running = Run::bare(words.next().expect("a program")).args(words).start();
    now();
    match child_of(running.id()) {
        // SAFETY: no pointers; strace has not yet waited for its child.
        Some(child) => assert_eq!(unsafe { libc::kill(child, signal) }, 0),
        None => running.send(signal),
    }
    let output = running.output();
    assert_eq!(output.signal, Some(signal), "{output:?}");
    assert_eq!(names_in(place), BTreeSet::new(), "signal {signal}");
}

fn child_of(pid: libc::pid_t) -> Option<libc::pid_t> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

const DEADLY: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

#[test]
fn a_signal_leaves_no_file() {
    let scratch = Scratch::new();
    for signal in DEADLY {
        for milliseconds in [5, 20, 80] {
            let place = Scratch::below(scratch.path());
            let mut words = vec![launcher().into_os_string(), "probe".into()];
            // Often enough that it takes longer.
            words.resize(2000, place.path().into());
            killed(words, place.path(), signal, || {
                thread::sleep(Duration::from_millis(milliseconds));
            });
        }
    }
}

/// The test makes that moment last.
#[test]
fn a_signal_leaves_no_file_even_while_one_has_a_name() {
    let Some(strace) = find_program("strace") else {
        let test = "cli::probe::a_signal_leaves_no_file_even_while_one_has_a_name";
        return skip(test, "strace is not installed");
    };
    let launcher = launcher();
    for signal in DEADLY {
        let place = Scratch::new();
        let inject = "inject=unlinkat:delay_enter=300000".as_ref();
        let words = [
            strace.as_os_str(),
            "-f".as_ref(),
            "-e".as_ref(),
            inject,
            filtered().as_os_str(),
            "tmpfile".as_ref(),
            "EOPNOTSUPP".as_ref(),
            launcher.as_os_str(),
            "probe".as_ref(),
            place.path().as_os_str(),
        ];
        killed(words, place.path(), signal, || {
            until(|| !names_in(place.path()).is_empty(), "a file has a name");
        });
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let scratch = Scratch::new();
    let script = "trap '' TERM; \"$@\" & sleep .05; kill -TERM $!; wait $!";
    let run = Run::bare("sh").args(["-c", script, "sh"]).args([launcher()]);
    let output = run.args(["probe"]).args(vec![scratch.path(); 50]).ok();
    assert_eq!(output.stdout.matches("punches holes").count(), 50);
}

// Errors.

#[test]
fn a_missing_path_is_named_and_the_others_are_probed() {
    let scratch = Scratch::new();
    let missing = scratch.file("missing");
    let output = json([&missing, scratch.path()]).output();
    assert_eq!(output.status, Some(1), "{output:#?}");
    let said = format!("cfr: {}: No such file or directory (ENOENT)\n", missing.display());
    assert_eq!(output.stderr, said);
    let report = report(&output);
    assert_eq!(report["paths"].as_array().unwrap().len(), 1);
    assert_fact(&report["paths"][0], "copy_file_range", true, None);
    let failed = &report["failed"];
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(failed[0]["path"], missing.to_str().unwrap());
    assert_eq!(failed[0]["errno"], "ENOENT");
    assert_eq!(failed[0]["message"], "No such file or directory (ENOENT)");
    let output = probe([&missing, scratch.path()]).output();
    assert_eq!((output.status, output.stderr), (Some(1), said));
    assert_eq!(section(&output.stdout, scratch.path().to_str().unwrap()).len(), FACTS.len());
}

#[test]
fn a_read_only_filesystem_is_reported_as_such() {
    let filesystems = Filesystems::mount("cli::probe::a_read_only_filesystem_is_reported_as_such");
    for (_, point) in filesystems.iter() {
        Run::bare("mount").args(["-o", "remount,ro"]).args([point]).ok();
        let output = json([point]).output();
        assert_eq!(output.status, Some(1), "{output:#?}");
        let said = "cannot create a file there: Read-only file system (EROFS)";
        assert_eq!(output.stderr, format!("cfr: {}: {said}\n", point.display()));
        assert_eq!(report(&output)["failed"][0]["errno"], "EROFS");
    }
}

#[test]
fn a_directory_without_write_permission_is_reported_as_such() {
    let output = json(["/proc"]).output();
    assert_eq!(output.status, Some(1), "{output:#?}");
    assert!(output.stderr.starts_with("cfr: /proc: cannot create a file there: "), "{output:#?}");
}

#[test]
fn mistakes_on_the_command_line_are_125() {
    let scratch = Scratch::new();
    for (words, said) in
        [(&["--format", "xml"][..], "expected text or json"), (&["--fromat"], "--format")]
    {
        let output = probe(words).args([scratch.path()]).output();
        assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{output:#?}");
        assert!(output.stderr.starts_with("cfr: ") && output.stderr.contains(said), "{output:#?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_125() {
    let scratch = Scratch::new();
    let output = probe([scratch.path()]).stdout("/dev/full").output();
    let said = "cfr: cannot write the report: No space left on device (ENOSPC)\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(125), said));
}

#[test]
fn help_that_cannot_be_written_is_125() {
    for (words, what) in [
        (&["--help"][..], "help"),
        (&["-h"], "help"),
        (&["help", "trace"], "help"),
        (&["sweep", "--help"], "help"),
        (&["--version"], "version"),
    ] {
        let output = Run::bare(launcher()).args(words).stdout("/dev/full").output();
        let said = format!("cfr: cannot write the {what}: No space left on device (ENOSPC)\n");
        assert_eq!((output.status, output.stderr), (Some(125), said), "{words:?}");
    }
}

#[test]
fn a_closed_pipe_ends_the_report_without_an_error() {
    let scratch = Scratch::new();
    let script = "{ sleep .1; \"$@\"; echo $? >&2; } | true";
    let run = Run::bare("sh").args(["-c", script, "sh"]).args([launcher()]);
    assert_eq!(run.args(["probe"]).args([scratch.path()]).ok().stderr, "0\n");
}

// Where it runs.

#[test]
fn without_a_path_the_working_directory_is_probed() {
    let scratch = Scratch::new();
    let report = report(&json::<&str>([]).within(scratch.path()).ok());
    assert_eq!(report["paths"].as_array().unwrap().len(), 1);
    assert_eq!(report["paths"][0]["path"], ".");
}

/// The probe asks the kernel, and writes no line to a log.
#[test]
fn a_preloaded_library_changes_no_result() {
    let scratch = Scratch::new();
    let shim = compile("shims/returns_7.c", "probe_shim.so", &["-shared", "-fPIC"]);
    let list = format!("{}:{}", shim.display(), library().display());
    let output = json([scratch.path()]).env("LD_PRELOAD", list).ok();
    assert_eq!(output.stderr, "");
    let without = json([scratch.path()]).ok();
    assert_eq!(
        report(&output)["paths"][0]["copy_file_range"],
        report(&without)["paths"][0]["copy_file_range"]
    );
    assert_eq!(report(&output)["libc"], report(&without)["libc"]);
    assert_fact(&report(&output)["paths"][0], "copy_file_range", true, None);
}

/// One line names the trial, and is erased at the end.
#[test]
fn progress_is_shown_on_a_terminal_only() {
    const CLEAR: &str = "\r\u{1b}[K";
    let scratch = Scratch::new();
    assert_eq!(probe([scratch.path()]).ok().stderr, "");
    let Some(script) = find_program("script") else {
        return skip("cli::probe::progress_is_shown_on_a_terminal_only", "script is not installed");
    };
    let report = scratch.file("report");
    let missing = scratch.file("missing");
    let shown = |command: &str| {
        let run = Run::bare(&script).args(["-qefc", command, "shown"]).within(scratch.path());
        let run = run.env("CFR", launcher()).env("PLACE", scratch.path());
        run.env("REPORT", &report).env("MISSING", &missing).output().stdout
    };
    let all = shown("stty cols 200; \"$CFR\" probe \"$PLACE\" > \"$REPORT\"");
    assert!(fs::read_to_string(&report).unwrap().starts_with("kernel\n"));
    for (_, label) in FACTS.iter().skip(3) {
        let line = format!("{CLEAR}{label}: {}", scratch.path().display());
        assert!(all.contains(&line), "no {line:?} in {all:?}");
    }
    assert!(all.ends_with(CLEAR) && !all.contains('\n'), "{all:?}");
    // A line that wraps could not be erased.
    let narrow = shown("stty cols 30; \"$CFR\" probe \"$PLACE\" > \"$REPORT\"");
    assert!(narrow.split(CLEAR).all(|line| line.trim_end_matches('\r').len() < 30), "{narrow:?}");
    // A message is on a line of its own.
    let all = shown("\"$CFR\" probe \"$PLACE\" \"$MISSING\" > \"$REPORT\"");
    assert!(all.contains(&format!("{CLEAR}cfr: {}: ", missing.display())), "{all:?}");
    // Also if it is interrupted.
    // The typescript begins with a header, which has this command: [:] does not match itself.
    let interrupt = "{ until grep -q '[:] /' shown; do sleep .05; done; kill -INT $$; }";
    let all = shown(&format!("{interrupt} & exec \"$CFR\" probe $(yes \"$PLACE\" | head -n 2000)"));
    assert!(all.ends_with(CLEAR), "{all:?}");
    // A standard error that is not a terminal.
    let all = shown("\"$CFR\" probe \"$PLACE\" 2> \"$REPORT\"");
    assert!(!all.contains('\u{1b}') && fs::read(&report).unwrap().is_empty(), "{all:?}");
}
