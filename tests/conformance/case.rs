//! Runs one case, a row in one dialect on one filesystem, and compares the result with the row.

use crate::table::{Row, Words, number};
use cfr_testkit::{Run, Scratch, launcher, library, read_json};
use serde_json::Value;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What executes the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Implementation {
    /// The library in this dialect.
    Library(&'static str),
    /// The same with `CFR_BACKEND=emulate`: the kernel's copy_file_range moves no byte.
    Emulation(&'static str),
    /// The supervisor in this dialect: the driver is a static program.
    Supervisor(&'static str),
    /// The kernel without the library.
    Kernel,
}

/// The result of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The result is the row's.
    Passed,
    /// It differs; the differences.
    Failed(String),
    /// The case cannot run at this location; the reason.
    NotApplicable(String),
}

/// A filesystem to run in.
pub struct Location<'a> {
    /// The filesystem's name.
    pub name: &'static str,
    pub mount_point: &'a Path,
    /// The mount point of another filesystem.
    pub other: &'a Path,
    /// The mount point of a second filesystem of the same kind, if there is one.
    pub second_instance: Option<&'a Path>,
}

/// Words that are settings of the library. The driver does not get them.
const SETTINGS: [(&str, &str); 5] = [
    ("checks", "CFR_CHECKS"),
    ("default_flags", "CFR_DEFAULT_FLAGS"),
    ("backend", "CFR_BACKEND"),
    ("fallback", "CFR_FALLBACK"),
    ("verify", "CFR_VERIFY"),
];
/// Dialects without flags. With default flags in one of them the launcher does not start; a library that
/// was merely preloaded ignores the flags.
const WITHOUT_FLAGS: [&str; 2] = ["linux-5.19", "freebsd-14"];
/// Words that restrict the locations of a row.
const RESTRICTIONS: [&str; 2] = ["only", "small"];

/// Reports whether the row chooses a setting of the library.
pub fn has_settings(row: &Row) -> bool {
    SETTINGS.iter().any(|(word, _)| row.words.contains_key(*word))
}

/// Reports whether the filesystem has the size that the row asks for.
pub fn has_size(row: &Row, location: &Location<'_>) -> bool {
    row.words.contains_key("small") == location.name.starts_with("small-")
}

/// Reports whether the target is on a second filesystem of the same kind.
fn needs_second_instance(row: &Row) -> bool {
    row.words.get("on").is_some_and(|on| on == "instance")
}

/// Runs `row` with `driver` at `location`.
pub fn run(
    driver: &Path,
    row: &Row,
    implementation: Implementation,
    location: &Location<'_>,
) -> Verdict {
    if let Some(reason) = not_applicable(row, implementation, location) {
        return Verdict::NotApplicable(reason);
    }
    let other = match (needs_second_instance(row), location.second_instance) {
        (false, _) => location.other,
        (true, Some(instance)) => instance,
        (true, None) => {
            return Verdict::NotApplicable("no second filesystem of this kind".to_owned());
        }
    };
    let (here, other) = (Scratch::below(location.mount_point), Scratch::below(other));
    let logs = Scratch::new();
    let log = logs.file("log");
    let run = Run::bare(driver);
    let preloaded = |run: Run, dialect| {
        // The driver prepares the files through other hooks.
        run.env("LD_PRELOAD", library())
            .env("CFR_DIALECT", dialect)
            .env("CFR_LOG_FORMAT", "json")
            .env("CFR_HOOKS", "copy_file_range,syscall")
    };
    let mut run = match implementation {
        Implementation::Kernel => run,
        Implementation::Library(dialect) => preloaded(run, dialect),
        Implementation::Emulation(dialect) => preloaded(run, dialect).env("CFR_BACKEND", "emulate"),
        Implementation::Supervisor(dialect) => Run::bare(launcher())
            .args(["trace", "--reach", "all", "--dialect", dialect, "--format", "json", "-o"])
            .args([&log, driver]),
    };
    for (word, variable) in SETTINGS {
        if let Some(value) = row.words.get(word) {
            run = run.env(variable, value);
        }
    }
    // Each hook is used on some filesystems.
    let hook = if matches!(location.name, "xfs" | "tmpfs") { "syscall" } else { "copy_file_range" };
    let words = row
        .words
        .iter()
        .filter(|(key, _)| SETTINGS.iter().all(|(word, _)| word != key))
        .filter(|(key, _)| !RESTRICTIONS.contains(&key.as_str()))
        .chain(row.after.iter().filter(|(key, _)| matches!(key.as_str(), "moved" | "bytes")))
        .map(|(key, value)| match (key.as_str(), value.as_str()) {
            ("on", "instance") => "on=cross".to_owned(),
            _ => format!("{key}={value}"),
        });
    let output =
        run.args([here.path(), other.path()]).args(words).args([format!("hook={hook}")]).output();
    if row.words.contains_key("swap") {
        // The driver does this unless it was killed. A filesystem with an active swap file cannot be
        // unmounted.
        swap_off(&[here.file("in"), here.file("out"), other.file("out")]);
    }
    match output.status {
        Some(77) => return Verdict::NotApplicable(output.stdout.trim().to_owned()),
        Some(0) => {}
        _ => return Verdict::Failed(format!("the driver failed: {output:?}")),
    }
    let seen = parse_words(&output.stdout);
    let mut differences = compare(row, implementation, &seen);
    // If a filter denies a system call that the log needs, the line is lost, but not the copy.
    let is_lost = row.after.get("log").is_some_and(|log| log == "lost");
    if implementation != Implementation::Kernel && !is_lost {
        let log = match implementation {
            Implementation::Supervisor(_) => fs::read_to_string(log).unwrap_or_default(),
            _ => output.stderr,
        };
        differences.extend(compare_log(row, implementation, &log));
    }
    if differences.is_empty() {
        Verdict::Passed
    } else {
        Verdict::Failed(format!("{}\n    saw {}", differences.join("; "), output.stdout.trim()))
    }
}

fn swap_off(files: &[PathBuf]) {
    for file in files {
        let path = CString::new(file.as_os_str().as_bytes()).expect("no zero byte in a path");
        // SAFETY: `path` is a C string.
        unsafe { libc::swapoff(path.as_ptr()) };
    }
}

/// Returns the reason if the row cannot run with this implementation or at this location.
fn not_applicable(
    row: &Row,
    implementation: Implementation,
    location: &Location<'_>,
) -> Option<String> {
    if let Some(only) = row.words.get("only")
        && !only.split(',').any(|name| name == location.name)
    {
        return Some(format!("only on {only}"));
    }
    if let Implementation::Emulation(dialect) = implementation
        && let Some(reason) = not_emulated(row, dialect)
    {
        return Some(reason.to_owned());
    }
    if matches!(implementation, Implementation::Supervisor(_))
        && let Some(reason) = not_supervised(row)
    {
        return Some(reason.to_owned());
    }
    (implementation == Implementation::Kernel && has_settings(row))
        .then(|| "no settings without the library".to_owned())
}

/// Returns the reason if a copy in the library cannot have the result of this row.
fn not_emulated(row: &Row, dialect: &str) -> Option<&'static str> {
    let is = |words: &Words, key: &str, value: &str| words.get(key).is_some_and(|v| v == value);
    let asks_kernel =
        row.words.get("fails").is_some_and(|call| call.starts_with("copy_file_range"));
    let crosses = row.rule.as_deref() == Some("cross-filesystem");
    match () {
        () if is(&row.after, "shared", "all") && is(&row.after, "method", "kernel") => {
            Some("a copy of the library's own shares no blocks")
        }
        () if dialect == "extended"
            && (crosses || row.words.contains_key("on") && row.result == "EXDEV") =>
        {
            Some("a copy of the library's own crosses filesystems")
        }
        () if ["backend", "fallback"].iter().any(|word| row.words.contains_key(*word)) => {
            Some("the row chooses the backend")
        }
        () if asks_kernel => Some("the kernel's copy_file_range is not called to copy"),
        () => None,
    }
}

/// Returns the reason if the supervisor cannot give a call the result of this row.
fn not_supervised(row: &Row) -> Option<&'static str> {
    let fails = row.words.get("fails").is_some_and(|call| call.starts_with("copy_file_range"));
    let lacks_flag = |dialect: &&str| WITHOUT_FLAGS.contains(dialect);
    match () {
        () if row.words.contains_key("limit") => Some("a call below a limit is let through"),
        () if fails => Some("the driver's own filter answers before the supervisor"),
        () if row.words.contains_key("default_flags") && row.dialects.iter().all(lacks_flag) => {
            Some("the launcher refuses flags that the dialect does not have")
        }
        () => None,
    }
}

/// Parses the `key=value` words that the driver prints.
fn parse_words(line: &str) -> Words {
    let pair =
        |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    line.split_whitespace().filter_map(pair).collect()
}

/// Returns the differences between what the driver saw and the row.
fn compare(row: &Row, implementation: Implementation, seen: &Words) -> Vec<String> {
    let is_emulated = matches!(implementation, Implementation::Emulation(_));
    let mut differences = Vec::new();
    let get = |words: &Words, key: &str| words.get(key).cloned().unwrap_or_default();
    let ret: i64 = get(seen, "ret").parse().unwrap_or(-2);
    let (result, errno) = (&row.result, get(seen, "errno"));
    let fits = match result.parse::<i64>() {
        Ok(number) => ret == number && errno == "kept",
        Err(_) if result == "short" => {
            let most = row.after.get("below").or(row.words.get("len")).expect("every row has len");
            ret > 0 && ret < number(most).unwrap_or(i64::MAX) && errno == "kept"
        }
        Err(_) => ret == -1 && errno == *result,
    };
    if !fits {
        differences.push(format!("result: expected {result}, got {ret} {errno}"));
    }
    // If a pointer is given, the offset behind it moves by the result; else the file position does.
    for (pointer, position) in [("off_in", "pos_in"), ("off_out", "pos_out")] {
        let given = get(&row.words, pointer);
        let start = number(&get(&row.words, position)).unwrap_or(0);
        let moved = ret.max(0);
        let position_then = if given == "NULL" { start + moved } else { start };
        let kept = get(seen, position);
        // A pipe has no position.
        if kept != "-1" {
            differences.extend(differs(row, seen, position, &position_then.to_string()));
        }
        if let Some(offset) = number(&given) {
            differences.extend(differs(row, seen, pointer, &(offset + moved).to_string()));
        } else if row.after.contains_key(pointer) {
            differences.extend(differs(row, seen, pointer, ""));
        }
    }
    for key in ["bytes", "source"] {
        if get(seen, key) != "ok" {
            differences.push(format!("{key}: {}", get(seen, key)));
        }
    }
    let untouched = if ret > 0 { None } else { Some("no".to_owned()) };
    if let Some(expected) = untouched
        && !row.after.contains_key("moved")
    {
        // The kernel may set a new time before it refuses to write; the library does not.
        if !(is_emulated && get(seen, "touched") == expected) {
            differences.extend(differs(row, seen, "touched", &expected));
        }
    }
    differences.extend(differs(row, seen, "signal", "0"));
    for key in ["shared", "holes", "size", "slow"] {
        // The library keeps holes that the kernel fills.
        let keeps = is_emulated && implementation != Implementation::Emulation("glibc-2.27");
        let fills = key == "holes" && keeps && row.after.get(key).is_some_and(|v| v == "other");
        if fills {
            if get(seen, key) != "same" {
                differences.push(format!("holes: expected same, got {}", get(seen, key)));
            }
        } else if row.after.contains_key(key) {
            differences.extend(differs(row, seen, key, ""));
        }
    }
    differences
}

/// Returns the difference if the value of `key` is not the row's or, without one, `expected`.
fn differs(row: &Row, seen: &Words, key: &str, expected: &str) -> Option<String> {
    let expected = row.after.get(key).map_or(expected, String::as_str);
    let seen = seen.get(key).map_or("", String::as_str);
    // A filesystem that cannot tell whether blocks are shared shares none.
    let fits = seen == expected
        || expected == "any"
        || key == "shared" && expected == "none" && seen == "-";
    (!fits).then(|| format!("{key}: expected {expected}, got {seen}"))
}

/// Returns the differences between the log and the row: one line with the call's dialect, rule, reason
/// and method.
fn compare_log(row: &Row, implementation: Implementation, log: &str) -> Vec<String> {
    let calls: Vec<Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(read_json)
        .filter(|line| line.get("message").is_none())
        // The supervisor sees the ioctls of the preparations too.
        .filter(|line| line["call"] == "copy_file_range")
        .collect();
    let [call] = &calls[..] else { return vec![format!("log: {log:?}")] };
    let mut differences = Vec::new();
    let mut must_be = |key: &str, expected: Value| {
        if call[key] != expected {
            differences.push(format!("log: {key}: expected {expected}, got {}", call[key]));
        }
    };
    let dialect = match implementation {
        Implementation::Library(dialect)
        | Implementation::Emulation(dialect)
        | Implementation::Supervisor(dialect) => dialect,
        Implementation::Kernel => return Vec::new(),
    };
    if matches!(implementation, Implementation::Supervisor(_)) {
        must_be("hook", "seccomp".into());
    }
    must_be("dialect", dialect.into());
    must_be("rule", row.rule.clone().map_or(Value::Null, Value::from));
    // With `emulate` the kernel may be called with a length of 0 to check a call that fails, so the
    // method of such a call is kernel or none.
    let by_library = matches!(implementation, Implementation::Emulation(_));
    match row.after.get("method").map(String::as_str) {
        Some("kernel") if by_library && row.result.parse::<i64>().is_ok_and(|bytes| bytes > 0) => {
            must_be("method", "emulated".into());
        }
        Some("kernel" | "none") if by_library => {}
        Some(method) => must_be("method", method.into()),
        None => {}
    }
    if row.rule.is_some() && call["why"].as_str().is_none_or(|why| why.len() < 10) {
        differences.push(format!("log: no reason: {call}"));
    }
    differences
}
