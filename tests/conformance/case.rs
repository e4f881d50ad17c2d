//! One case: a row in one dialect on one filesystem, run and compared.

use crate::table::{Row, Words, number};
use cfr_testkit::{Run, Scratch, library};
use serde_json::Value;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Which library carries the call out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Under {
    /// Ours, in this dialect.
    Library(&'static str),
    /// The same, and the kernel's copy_file_range moves no byte (`CFR_BACKEND=emulate`).
    Emulation(&'static str),
    /// None: the kernel alone.
    Kernel,
}

/// How a case ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// As the row says.
    Passed,
    /// Otherwise; how.
    Failed(String),
    /// It cannot be tried there; why.
    NotApplicable(String),
}

/// A place to run in.
pub struct Place<'a> {
    /// The filesystem's name.
    pub name: &'static str,
    /// Its mount point.
    pub point: &'a Path,
    /// The mount point of another filesystem.
    pub other: &'a Path,
    /// That of another instance of the same kind of filesystem, where there is one.
    pub instance: Option<&'a Path>,
}

/// Words that are the library's settings, not the driver's.
const SETTINGS: [(&str, &str); 5] = [
    ("checks", "CFR_CHECKS"),
    ("default_flags", "CFR_DEFAULT_FLAGS"),
    ("backend", "CFR_BACKEND"),
    ("fallback", "CFR_FALLBACK"),
    ("verify", "CFR_VERIFY"),
];
/// Words that say where a row can be tried.
const PLACES: [&str; 2] = ["only", "small"];

/// Whether the place has the size that the row asks for.
pub fn has_size(row: &Row, place: &Place<'_>) -> bool {
    row.words.contains_key("small") == place.name.starts_with("small-")
}

/// Whether the target is on another filesystem of the same kind.
fn wants_instance(row: &Row) -> bool {
    row.words.get("on").is_some_and(|on| on == "instance")
}

/// Runs `row` there with `driver`.
pub fn run(driver: &Path, row: &Row, under: Under, place: &Place<'_>) -> Ending {
    if let Some(reason) = not_here(row, under, place) {
        return Ending::NotApplicable(reason);
    }
    let other = match (wants_instance(row), place.instance) {
        (false, _) => place.other,
        (true, Some(instance)) => instance,
        (true, None) => return Ending::NotApplicable("no second one is mounted".to_owned()),
    };
    let (here, other) = (Scratch::below(place.point), Scratch::below(other));
    let run = Run::bare(driver);
    let preloaded = |run: Run, dialect| {
        // The cases' own preparations go through other hooks.
        run.env("LD_PRELOAD", library())
            .env("CFR_DIALECT", dialect)
            .env("CFR_LOG_FORMAT", "json")
            .env("CFR_HOOKS", "copy_file_range,syscall")
    };
    let mut run = match under {
        Under::Kernel => run,
        Under::Library(dialect) => preloaded(run, dialect),
        Under::Emulation(dialect) => preloaded(run, dialect).env("CFR_BACKEND", "emulate"),
    };
    for (word, variable) in SETTINGS {
        if let Some(value) = row.words.get(word) {
            run = run.env(variable, value);
        }
    }
    // Both hooks come to their turn.
    let hook = if matches!(place.name, "xfs" | "tmpfs") { "syscall" } else { "copy_file_range" };
    let words = row
        .words
        .iter()
        .filter(|(key, _)| SETTINGS.iter().all(|(word, _)| word != key))
        .filter(|(key, _)| !PLACES.contains(&key.as_str()))
        .chain(row.after.iter().filter(|(key, _)| matches!(key.as_str(), "moved" | "bytes")))
        .map(|(key, value)| match (key.as_str(), value.as_str()) {
            ("on", "instance") => "on=cross".to_owned(),
            _ => format!("{key}={value}"),
        });
    let output =
        run.args([here.path(), other.path()]).args(words).args([format!("hook={hook}")]).output();
    if row.words.contains_key("swap") {
        // The driver has done so, unless it died: a filesystem that is swapped to never goes away.
        swap_off(&[here.file("in"), here.file("out"), other.file("out")]);
    }
    match output.status {
        Some(77) => return Ending::NotApplicable(output.stdout.trim().to_owned()),
        Some(0) => {}
        _ => return Ending::Failed(format!("the driver failed: {output:?}")),
    }
    let seen = words_of(&output.stdout);
    let mut differences = compare(row, under, &seen);
    // Where a filter takes from the log what it needs, its line is lost, and not the copy.
    let is_lost = row.after.get("log").is_some_and(|log| log == "lost");
    if under != Under::Kernel && !is_lost {
        differences.extend(compare_log(row, under, &output.stderr));
    }
    match differences.is_empty() {
        true => Ending::Passed,
        false => {
            Ending::Failed(format!("{}\n    saw {}", differences.join("; "), output.stdout.trim()))
        }
    }
}

fn swap_off(files: &[PathBuf]) {
    for file in files {
        let path = CString::new(file.as_os_str().as_bytes()).expect("no zero byte in a path");
        // SAFETY: a C string.
        unsafe { libc::swapoff(path.as_ptr()) };
    }
}

fn not_here(row: &Row, under: Under, place: &Place<'_>) -> Option<String> {
    if let Some(only) = row.words.get("only")
        && !only.split(',').any(|name| name == place.name)
    {
        return Some(format!("only on {only}"));
    }
    if let Under::Emulation(dialect) = under
        && let Some(reason) = not_emulated(row, dialect)
    {
        return Some(reason.to_owned());
    }
    let has_settings = SETTINGS.iter().any(|(word, _)| row.words.contains_key(*word));
    (under == Under::Kernel && has_settings).then(|| "no settings without the library".to_owned())
}

/// Why the library cannot be expected to end this row as the kernel does.
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
            Some("the row says who copies")
        }
        () if asks_kernel => Some("the kernel's copy_file_range is not asked to copy"),
        () => None,
    }
}

fn words_of(line: &str) -> Words {
    let pair =
        |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    line.split_whitespace().filter_map(pair).collect()
}

/// What the driver saw that the row does not say.
fn compare(row: &Row, under: Under, seen: &Words) -> Vec<String> {
    let is_emulated = matches!(under, Under::Emulation(_));
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
        differences.push(format!("result: {result} expected, {ret} {errno}"));
    }
    // Each offset has moved by the result, and the other of pointer and position has not.
    for (pointer, position) in [("off_in", "pos_in"), ("off_out", "pos_out")] {
        let given = get(&row.words, pointer);
        let start = number(&get(&row.words, position)).unwrap_or(0);
        let moved = ret.max(0);
        let position_then = if given == "NULL" { start + moved } else { start };
        let kept = get(seen, position);
        // A pipe has none.
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
        // The kernel may touch a file before it refuses to write to it.
        if !(is_emulated && get(seen, "touched") == expected) {
            differences.extend(differs(row, seen, "touched", &expected));
        }
    }
    differences.extend(differs(row, seen, "signal", "0"));
    for key in ["shared", "holes", "size", "slow"] {
        // The library keeps holes where the kernel fills them.
        let keeps = is_emulated && under != Under::Emulation("glibc-2.27");
        let fills = key == "holes" && keeps && row.after.get(key).is_some_and(|v| v == "other");
        if fills {
            if get(seen, key) != "same" {
                differences.push(format!("holes: same expected, {}", get(seen, key)));
            }
        } else if row.after.contains_key(key) {
            differences.extend(differs(row, seen, key, ""));
        }
    }
    differences
}

/// `key` as the row names it, else as `expected`, must be what was seen.
fn differs(row: &Row, seen: &Words, key: &str, expected: &str) -> Option<String> {
    let expected = row.after.get(key).map_or(expected, String::as_str);
    let seen = seen.get(key).map_or("", String::as_str);
    // Where a filesystem does not tell of sharing, nothing is shared.
    let fits = seen == expected
        || expected == "any"
        || key == "shared" && expected == "none" && seen == "-";
    (!fits).then(|| format!("{key}: {expected} expected, {seen}"))
}

/// One line for the call, with its dialect, rule, reason and method.
fn compare_log(row: &Row, under: Under, log: &str) -> Vec<String> {
    let calls: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line.get("message").is_none())
        .collect();
    let [call] = &calls[..] else { return vec![format!("log: {log:?}")] };
    let mut differences = Vec::new();
    let mut must_be = |key: &str, expected: Value| {
        if call[key] != expected {
            differences.push(format!("log: {key}: {expected} expected, {}", call[key]));
        }
    };
    let (Under::Library(dialect) | Under::Emulation(dialect)) = under else { return Vec::new() };
    must_be("dialect", dialect.into());
    must_be("rule", row.rule.clone().map_or(Value::Null, Value::from));
    // Who is not asked to copy may be asked what he thinks of it, and the other way round.
    let by_library = matches!(under, Under::Emulation(_));
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
