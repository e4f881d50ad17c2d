//! The summary as one JSON object.

use super::escape;
use super::piece::Piece;
use super::summary::{
    Copied, MAX_NAME, PERCENTILES, RESULTS, Run, Summary, VERSION, busiest, error_name,
    never_copied, other_pairs, other_programs, programs, separated, slowest, unfinished,
};
use crate::stats::{Counter, InFlight, Pair, PathEnd, ProgramSums, SlowCall, Sums};
use cfr_engine::call::{Call, Method, Request};
use cfr_engine::hook::Hook;
use core::fmt::{self, Write};

impl Summary<'_> {
    /// Writes one JSON object with the single key `summary`.
    ///
    /// # Errors
    ///
    /// Only if `out` fails.
    pub fn json(&self, out: &mut dyn Write) -> fmt::Result {
        let stats = self.stats;
        out.write_str("{\"summary\":{\"program\":")?;
        string(out, self.program)?;
        match self.pid {
            Some(pid) => write!(out, ",\"pid\":{pid},\"programs\":1")?,
            None => write!(out, ",\"pid\":null,\"programs\":{}", stats.get(Counter::Programs))?,
        }
        write!(out, ",\"version\":\"{VERSION}\"")?;
        run(out, self.run)?;
        number(out, ",\"calls\":", stats.finished())?;
        number(out, ",\"bytes\":", stats.bytes())?;
        number(out, ",\"duration_ns\":", stats.get(Counter::Duration))?;
        let copied = Copied::all(stats);
        number(out, ",\"copied\":{\"bytes\":", copied.bytes)?;
        speed(out, (copied, true))?;
        out.write_str("},\"methods\":{")?;
        separated(out, Method::ALL.into_iter(), |out, method| {
            let ((calls, bytes), name) = (stats.method_totals(method), method.name());
            let (copies, _) = stats.method_copies(method);
            write!(out, "\"{name}\":{{\"calls\":{calls},\"copies\":{copies},\"bytes\":{bytes}")?;
            speed(out, (Copied::by(stats, method), method.moves_bytes()))?;
            out.write_char('}')
        })?;
        out.write_str("},\"hooks\":{")?;
        separated(out, Hook::ALL.into_iter(), |out, hook| {
            write!(out, "\"{}\":{}", hook.name(), stats.hook_calls(hook))
        })?;
        out.write_str("},\"errors\":{")?;
        separated(out, stats.errors(), |out, (errno, count)| {
            write!(out, "\"{}\":{count}", error_name(errno))
        })?;
        number(out, "},\"refused\":", stats.failed())?;
        for (_, name, counter) in RESULTS {
            write!(out, ",\"{name}\":{}", stats.get(counter))?;
        }
        for (name, counter) in AMOUNTS {
            write!(out, ",\"{name}\":{}", stats.get(counter))?;
        }
        match stats.written_otherwise() {
            Some(bytes) => number(out, ",\"written_otherwise\":", bytes)?,
            None => out.write_str(",\"written_otherwise\":null")?,
        }
        out.write_str(",\"never_copied\":[")?;
        separated(out, never_copied(stats), |out, pair| {
            number(out, "{\"errors\":", pair.sums.errors)?;
            paths(out, &pair.paths())
        })?;
        number(out, "],\"unfinished\":", stats.unfinished())?;
        out.write_str(",\"unfinished_calls\":[")?;
        separated(out, unfinished(stats), |out, call| unfinished_call(out, &call))?;
        out.write_str("],\"latency_ns\":{")?;
        for (share, name) in PERCENTILES {
            write!(out, "\"{name}\":{},", stats.latency_ns(share))?;
        }
        number(out, "\"max\":", stats.max_duration_ns())?;
        out.write_str("},\"slowest\":[")?;
        separated(out, slowest(stats), |out, slow| slow_call(out, &slow))?;
        out.write_str("],\"pairs\":[")?;
        separated(out, busiest(stats), |out, pair| pair_of_files(out, &pair))?;
        out.write_str("],\"further_pairs\":{")?;
        sums(out, other_pairs(stats))?;
        number(out, "},\"pairs_off_by_at_most\":", stats.most_of_unlisted_pair())?;
        out.write_str(",\"by_program\":[")?;
        separated(out, programs(stats), |out, program| sums_of_program(out, &program))?;
        out.write_str("],\"further_programs\":{")?;
        sums(out, other_programs(stats))?;
        out.write_str("}}}")
    }
}

/// Amounts of bytes and of nanoseconds, by key.
const AMOUNTS: [(&str, Counter); 4] = [
    ("refused_ns", Counter::ErrorTime),
    ("end_of_file_ns", Counter::EndOfFileTime),
    ("shared_bytes", Counter::SharedBytes),
    ("not_shared_bytes", Counter::NotSharedBytes),
];

/// Writes the duration of copies, and the bytes a second or null.
fn speed(out: &mut dyn Write, (copied, has_speed): (Copied, bool)) -> fmt::Result {
    number(out, ",\"duration_ns\":", copied.duration_ns)?;
    out.write_str(",\"bytes_per_second\":")?;
    match copied.speed().filter(|_| has_speed) {
        Some(speed) => write!(out, "{speed}"),
        None => out.write_str("null"),
    }
}

/// Writes when, where and what was run, or nulls.
fn run(out: &mut dyn Write, run: Option<Run<'_>>) -> fmt::Result {
    let Some(Run { start, wall_ns, host, command }) = run else {
        return out.write_str(",\"start\":null,\"wall_ns\":null,\"host\":null,\"command\":null");
    };
    write!(out, ",\"start\":\"{start}\",\"wall_ns\":{wall_ns},\"host\":")?;
    string(out, host)?;
    out.write_str(",\"command\":[")?;
    separated(out, command.iter(), |out, word| string(out, word))?;
    out.write_char(']')
}

/// Writes a number after `key`.
#[inline(never)]
fn number(out: &mut dyn Write, key: &str, value: u64) -> fmt::Result {
    out.write_str(key)?;
    write!(out, "{value}")
}

fn sums(out: &mut dyn Write, sums: Sums) -> fmt::Result {
    let Sums { calls, bytes, errors, duration_ns } = sums;
    number(out, "\"calls\":", calls)?;
    number(out, ",\"bytes\":", bytes)?;
    number(out, ",\"errors\":", errors)?;
    number(out, ",\"duration_ns\":", duration_ns)
}

fn sums_of_program(out: &mut dyn Write, program: &ProgramSums) -> fmt::Result {
    out.write_str("{\"comm\":")?;
    string(out, program.name())?;
    out.write_char(',')?;
    sums(out, program.sums)?;
    write!(out, ",\"exact\":{}}}", program.missed == 0)
}

fn unfinished_call(out: &mut dyn Write, call: &InFlight) -> fmt::Result {
    let hook = call.hook().map_or("", Hook::name);
    let Call { request, len, .. } = call.call();
    write!(out, "{{\"pid\":{},\"hook\":\"{hook}\"", call.pid())?;
    write!(out, ",\"call\":\"{}\",\"len\":", request.name().unwrap_or(request.call()))?;
    match request {
        Request::Clone => out.write_str("null")?,
        _ => write!(out, "{len}")?,
    }
    paths(out, &call.paths())
}

fn slow_call(out: &mut dyn Write, slow: &SlowCall) -> fmt::Result {
    let (hook, method) =
        (slow.hook().map_or("", Hook::name), slow.method().map_or("", Method::name));
    write!(out, "{{\"duration_ns\":{},\"pid\":{}", slow.duration_ns(), slow.pid())?;
    write!(out, ",\"hook\":\"{hook}\",\"bytes\":{},\"error\":", slow.bytes())?;
    match slow.errno() {
        None => out.write_str("null")?,
        Some(errno) => write!(out, "\"{}\"", error_name(Some(errno)))?,
    }
    write!(out, ",\"method\":\"{method}\"")?;
    paths(out, &slow.paths())
}

fn pair_of_files(out: &mut dyn Write, pair: &Pair) -> fmt::Result {
    out.write_char('{')?;
    sums(out, pair.sums)?;
    write!(out, ",\"exact\":{}", pair.missed == 0)?;
    paths(out, &pair.paths())
}

/// Writes the two paths and the end of the object.
fn paths(out: &mut dyn Write, (source, target): &(PathEnd, PathEnd)) -> fmt::Result {
    for (key, path) in [("path_in", source), ("path_out", target)] {
        write!(out, ",\"{key}\":")?;
        match path.bytes() {
            b"" => out.write_str("null")?,
            bytes => string(out, bytes)?,
        }
    }
    out.write_char('}')
}

#[inline(never)]
fn string(out: &mut dyn Write, bytes: &[u8]) -> fmt::Result {
    out.write_char('"')?;
    escape::json(&mut Piece::new(out), bytes, MAX_NAME);
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Stats;
    use core::sync::atomic::AtomicU64;
    use std::boxed::Box;
    use std::string::String;
    use std::vec::Vec;

    /// Any process of the tree can write anything into the memory that it shares with the launcher.
    #[test]
    fn a_summary_of_garbage_is_a_summary() {
        for round in 0..40 {
            let words: Vec<_> = (0..Stats::WORDS).map(|_| AtomicU64::new(0)).collect();
            let stats = Stats::over(Box::leak(words.into_boxed_slice())).unwrap();
            stats.fill_with_garbage(round);
            let (program, prefix) = (b"p", "cfr: ");
            let summary = Summary { stats: &stats, program, pid: None, prefix, run: None };
            let (mut json, mut table) = (String::new(), String::new());
            summary.json(&mut json).unwrap();
            summary.table::<true>(&mut table).unwrap();
            assert!(json.len() < Summary::MAX_LEN - 2, "{}", json.len());
            assert!(json.starts_with('{') && json.ends_with('}'), "{json}");
            assert!(json.bytes().all(|byte| !byte.is_ascii_control()), "{json:?}");
            assert!(table.lines().all(|line| line.starts_with("cfr: ")), "{table}");
        }
    }

    /// A summary that is cut off would not be valid JSON.
    #[test]
    fn the_longest_summary_fits() {
        for byte in [u8::MAX, 1, b'"', b'a'] {
            let filled = u64::from_ne_bytes([byte; 8]);
            let words: Vec<_> = (0..Stats::WORDS).map(|_| AtomicU64::new(filled)).collect();
            let stats = Stats::over(Box::leak(words.into_boxed_slice())).unwrap();
            stats.fill_all_slots();
            let summary = Summary {
                stats: &stats,
                program: &[byte; 300],
                pid: None,
                prefix: "cfr: ",
                run: None,
            };
            let (mut json, mut table) = (String::new(), String::new());
            summary.json(&mut json).unwrap();
            summary.table::<true>(&mut table).unwrap();
            assert_eq!(json.matches("path_in").count(), 15);
            assert!(json.len() < Summary::MAX_LEN - 2, "{}", json.len());
            assert!(table.len() < Summary::MAX_LEN - 2, "{}", table.len());
            assert!(table.lines().all(|line| line.starts_with("cfr: ")), "{table}");
        }
    }
}
