//! strace(1) beside a supervised run: the same command, bare, makes the same calls with the same results.

use cfr_testkit::{Run, Scratch, find_program};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// Runs a command under strace. Returns its calls that a log has, in the form of [`logged_calls`]; `None`
/// without strace.
pub(super) fn calls_of<S: AsRef<OsStr>>(command: &[S], within: &Path) -> Option<Vec<String>> {
    find_program("strace")?;
    let scratch = Scratch::new();
    let trace = scratch.file("trace");
    let words = ["-f", "-y", "-e", "signal=none", "-e", "trace=copy_file_range,sendfile,ioctl"];
    let run = Run::bare("strace").args(words).args(["-o"]).args([&trace]).args(command);
    run.within(within).ok();
    let trace = fs::read_to_string(trace).unwrap();
    Some(whole_calls(&trace).iter().filter_map(|call| comparable(call)).collect())
}

/// Returns the calls of a log in the same form. A result that is not known, of a call that was let
/// through, is "?".
pub(super) fn logged_calls(calls: &[String]) -> Vec<String> {
    calls.iter().filter_map(|call| comparable(call)).collect()
}

/// Compares the two. What the log does not know is not compared.
#[track_caller]
pub(super) fn assert_same(logged: &[String], strace: &[String], about: &str) {
    let is_same = |(one, other): (&String, &String)| match one.strip_suffix('?') {
        Some(call) => other.starts_with(call),
        None => one == other,
    };
    let are_same = logged.len() == strace.len() && logged.iter().zip(strace).all(is_same);
    assert!(are_same, "{about}\nlogged: {logged:#?}\nstrace: {strace:#?}");
}

/// Returns the calls of a trace without their processes. A call during which another thread made one is on
/// two lines.
fn whole_calls(trace: &str) -> Vec<String> {
    let mut begun: Vec<(&str, &str)> = Vec::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            begun.push((pid, begin));
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            let at = begun.iter().position(|(of, _)| *of == pid).unwrap();
            calls.push(format!("{}{end}", begun.swap_remove(at).1));
        } else {
            calls.push(rest.to_owned());
        }
    }
    calls
}

/// Returns a call without what differs between two runs and between strace and the log: the numbers of
/// descriptors, the padding, how a reflink request is shown, and the log's notes. `None` if a log has no
/// such call.
fn comparable(call: &str) -> Option<String> {
    let (call, result) = call.rsplit_once(" = ")?;
    let call = call.trim_end().replacen("syscall(SYS_copy_file_range, ", "copy_file_range(", 1);
    let result = match result.split_once(" (") {
        Some((number, rest)) if number.starts_with('-') => {
            format!("{number} ({}", rest.split_inclusive(')').next()?)
        }
        Some((number, _)) => number.to_owned(),
        None => result.to_owned(),
    };
    let (name, arguments) = call.split_once('(')?;
    let paths: Vec<_> =
        arguments.split('<').skip(1).filter_map(|part| part.split('>').next()).collect();
    match name {
        "copy_file_range" => Some(format!("{name}({}) = {result}", without_numbers(arguments))),
        // The log has those to files.
        "sendfile" if paths.first()?.starts_with('/') => {
            Some(format!("{name}({}) = {result}", without_numbers(arguments)))
        }
        "ioctl" if arguments.contains("FICLONE") || arguments.contains("FIDEDUPERANGE") => {
            // strace does not show the source's path.
            Some(format!("{name}({}) = {result}", paths.first()?))
        }
        _ => None,
    }
}

/// Removes the numbers before paths, and the parenthesis at the end.
fn without_numbers(arguments: &str) -> String {
    let arguments = arguments.trim_end_matches(')');
    let (before, last) = arguments.rsplit_once('<').unwrap_or(("", arguments));
    let parts = before.split('<').map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()));
    parts.chain([last]).collect::<Vec<_>>().join("<")
}
