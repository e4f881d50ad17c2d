//! The summary as a table.

use super::escape;
use super::piece::Piece;
use super::summary::{
    Copied, MAX_NAME, PERCENTILES, RESULTS, Run, Summary, VERSION, busiest, error_name,
    never_copied, other_pairs, other_programs, programs, slowest, unfinished,
};
use super::units::{Bytes, Count, Share, Time};
use crate::stats::{Counter, PathEnd, Sums};
use cfr_engine::call::{Call, Method, Request};
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use core::fmt::{self, Write};

impl Summary<'_> {
    /// Writes the table, without a newline at its end. Empty sections are left out. Only a run that is
    /// `SUPERVISED` has calls with unknown results.
    ///
    /// # Errors
    ///
    /// Only if `out` fails.
    pub fn table<const SUPERVISED: bool>(&self, out: &mut impl Write) -> fmt::Result {
        let unknown = if SUPERVISED { self.stats.get(Counter::LetThrough) } else { 0 };
        self.heading::<SUPERVISED>(out, unknown)?;
        self.run(out)?;
        if self.stats.finished() > 0 {
            self.methods(out)?;
            self.hooks(out)?;
        }
        self.otherwise(out)?;
        self.errors(out)?;
        self.results(out)?;
        self.unfinished(out)?;
        if self.stats.finished() > unknown {
            self.times(out)?;
            self.slowest(out)?;
        }
        self.programs(out)?;
        self.busiest(out)
    }

    /// Writes the first line. `unknown` calls have unknown results.
    fn heading<const SUPERVISED: bool>(&self, out: &mut impl Write, unknown: u64) -> fmt::Result {
        let stats = self.stats;
        write!(out, "{}summary of ", self.prefix)?;
        escape::text(&mut Piece::new(out), self.program, MAX_NAME);
        match self.pid {
            Some(pid) => write!(out, " ({pid})")?,
            // All calls are supervised, of processes whose programs are not known.
            None if stats.get(Counter::Programs) == 0 && stats.finished() > 0 => {}
            None => write!(out, ", {}", Count(stats.get(Counter::Programs), "program"))?,
        }
        write!(out, ": {}", Count(stats.finished(), "call"))?;
        let errors = stats.failed();
        if errors > 0 {
            write!(out, ", {}", Count(errors, "error"))?;
        }
        if SUPERVISED && unknown > 0 {
            write!(out, ", {} unknown", Count(unknown, "result"))?;
        }
        let copied = Copied::all(stats);
        let shared = stats.bytes().saturating_sub(copied.bytes);
        if copied.bytes > 0 || stats.finished() > unknown && shared == 0 {
            write!(out, ", {} in {}", Bytes(copied.bytes), Time(copied.duration_ns))?;
        }
        if let Some(speed) = copied.speed() {
            write!(out, ", {}/s", Bytes(speed))?;
        }
        if shared > 0 {
            write!(out, ", {} shared", Bytes(shared))?;
        }
        Ok(())
    }

    /// Writes when, where and what was run.
    fn run(&self, out: &mut impl Write) -> fmt::Result {
        let Some(Run { start, wall_ns, host, command }) = self.run else { return Ok(()) };
        write!(out, "\n{}  {start}, {} on ", self.prefix, Time(wall_ns))?;
        escape::text(&mut Piece::new(out), host, MAX_NAME);
        write!(out, ", cfr {VERSION}:")?;
        let mut room = MAX_NAME;
        for word in command {
            if room == 0 {
                return out.write_str(" ...");
            }
            out.write_char(' ')?;
            escape::text(&mut Piece::new(out), word, room);
            room = room.saturating_sub(word.len() + 1);
        }
        Ok(())
    }

    /// Writes the copies by method, and the calls that copied nothing.
    fn methods(&self, out: &mut impl Write) -> fmt::Result {
        let (stats, prefix) = (self.stats, self.prefix);
        let whole = stats.bytes();
        let share = if whole > 0 { "share" } else { "" };
        let mut heading = "method";
        for method in Method::ALL {
            let (copies, duration_ns) = stats.method_copies(method);
            if copies == 0 {
                continue;
            }
            if !core::mem::take(&mut heading).is_empty() {
                write!(
                    out,
                    "\n{prefix}  {:<16}{:>8}{:>12}{share:>7}",
                    "method", "copies", "bytes"
                )?;
                write!(out, "{:>13}{:>15}", "time", "speed")?;
            }
            let copied = Copied::by(stats, method);
            let (name, bytes) = (method.name(), Bytes(copied.bytes));
            write!(out, "\n{prefix}    {name:<14}{copies:>8}{bytes:>12}")?;
            match whole {
                0 => write!(out, "{:>7}", "")?,
                _ => write!(out, "{:>7}", Share { part: copied.bytes, whole })?,
            }
            write!(out, "{:>13}", Time(duration_ns))?;
            if let Some(speed) = copied.speed().filter(|_| method.moves_bytes()) {
                write!(out, "{:>13}/s", Bytes(speed))?;
            }
        }
        let nothing = [
            ("refused", stats.failed(), Some(Counter::ErrorTime)),
            ("end of file", stats.get(Counter::EndOfFile), Some(Counter::EndOfFileTime)),
            ("differing", stats.get(Counter::Differing), None),
            ("not compared", stats.get(Counter::NotCompared), None),
        ];
        let mut heading = "without a copy";
        for (name, calls, time) in nothing.into_iter().filter(|(_, calls, _)| *calls > 0) {
            match core::mem::take(&mut heading) {
                "" => {}
                heading => write!(out, "\n{prefix}  {heading:<16}{:>8}{:>32}", "calls", "time")?,
            }
            write!(out, "\n{prefix}    {name:<14}{calls:>8}")?;
            if let Some(time) = time {
                write!(out, "{:>32}", Time(stats.get(time)))?;
            }
        }
        Ok(())
    }

    /// Writes what went by read(2) and write(2), and the files for which nothing else was left.
    fn otherwise(&self, out: &mut impl Write) -> fmt::Result {
        let (stats, prefix) = (self.stats, self.prefix);
        let Some(bytes @ 1..) = stats.written_otherwise() else { return Ok(()) };
        write!(out, "\n{prefix}  {:<16}{:>20}", "otherwise", Bytes(bytes))?;
        out.write_str("  written by write(2) and its like")?;
        if stats.failed() > 0 {
            write!(out, ", after {}", Count(stats.failed(), "refusal"))?;
        }
        for pair in never_copied(stats) {
            let refusals = Count(pair.sums.errors, "refusal");
            write!(out, "\n{prefix}    never copied, {refusals}: ")?;
            between(out, &pair.paths())?;
        }
        Ok(())
    }

    fn hooks(&self, out: &mut impl Write) -> fmt::Result {
        let mut heading = "hook";
        for hook in Hook::ALL.into_iter().filter(|hook| self.stats.hook_calls(*hook) > 0) {
            self.head(out, &mut heading)?;
            self.row(out, hook.name(), self.stats.hook_calls(hook))?;
        }
        Ok(())
    }

    fn errors(&self, out: &mut impl Write) -> fmt::Result {
        let mut heading = "error";
        for (errno, count) in self.stats.errors() {
            self.head(out, &mut heading)?;
            self.row(out, error_name(errno), count)?;
            let message = errno.filter(|errno| errno.name().is_some()).map_or("", Errno::message);
            if !message.is_empty() {
                write!(out, "  {message}")?;
            }
        }
        Ok(())
    }

    fn results(&self, out: &mut impl Write) -> fmt::Result {
        let stats = self.stats;
        let mut heading = "blocks";
        let shared = [
            ("shared", Counter::Shared, stats.get(Counter::SharedBytes)),
            ("partly shared", Counter::PartlyShared, 0),
            ("not shared", Counter::NotShared, stats.get(Counter::NotSharedBytes)),
        ];
        for (name, counter, bytes) in shared {
            let calls = stats.get(counter);
            if calls == 0 && bytes == 0 {
                continue;
            }
            match core::mem::take(&mut heading) {
                "" => {}
                heading => {
                    write!(out, "\n{}  {heading:<16}{:>10}{:>12}", self.prefix, "calls", "bytes")?;
                }
            }
            write!(out, "\n{}    {name:<14}{calls:>10}", self.prefix)?;
            if bytes > 0 {
                write!(out, "{:>12}", Bytes(bytes))?;
            }
        }
        let mut heading = "result";
        let others = RESULTS.iter().filter(|(_, _, counter)| OTHER_RESULTS.contains(counter));
        let others = others.map(|(name, _, counter)| (*name, stats.get(*counter)));
        for (name, count) in others.chain([("unfinished", stats.unfinished())]) {
            if count > 0 {
                self.head(out, &mut heading)?;
                self.row(out, name, count)?;
            }
        }
        Ok(())
    }

    fn unfinished(&self, out: &mut impl Write) -> fmt::Result {
        let prefix = self.prefix;
        let mut heading = "unfinished calls";
        for call in unfinished(self.stats) {
            if !core::mem::take(&mut heading).is_empty() {
                write!(out, "\n{prefix}  {:<16}{:>17}", "unfinished calls", "asked for")?;
                write!(out, "  {:<15}{:>19}  files", "hook", "process")?;
            }
            let Call { request, len, .. } = call.call();
            let (name, hook) = (request.name().unwrap_or(request.call()), call.hook());
            let hook = hook.map_or("", Hook::name);
            match request {
                Request::Clone => write!(out, "\n{prefix}    {name:<15}{:>16}", "all")?,
                _ => write!(out, "\n{prefix}    {name:<15}{:>16}", Bytes(len as u64))?,
            }
            write!(out, "  {hook:<15}{:>19}  ", call.pid())?;
            between(out, &call.paths())?;
        }
        Ok(())
    }

    /// Writes the heading of a section, before its first row.
    fn head(&self, out: &mut impl Write, heading: &mut &str) -> fmt::Result {
        match core::mem::take(heading) {
            "" => Ok(()),
            heading => write!(out, "\n{}  {heading:<16}{:>10}", self.prefix, "calls"),
        }
    }

    fn row(&self, out: &mut impl Write, name: &str, count: u64) -> fmt::Result {
        match count {
            0 => Ok(()),
            _ => write!(out, "\n{}    {name:<14}{count:>10}", self.prefix),
        }
    }

    fn times(&self, out: &mut impl Write) -> fmt::Result {
        write!(out, "\n{}  {:<16}", self.prefix, "time of a call")?;
        for (_, name) in PERCENTILES {
            write!(out, "{name:>12}")?;
        }
        write!(out, "{:>12}\n{}  {:<16}", "max", self.prefix, "")?;
        for (share, _) in PERCENTILES {
            write!(out, "{:>12}", Time(self.stats.latency_ns(share)))?;
        }
        write!(out, "{:>12}", Time(self.stats.max_duration_ns()))
    }

    fn slowest(&self, out: &mut impl Write) -> fmt::Result {
        let prefix = self.prefix;
        write!(out, "\n{prefix}  {:<16}{:>17}", "slowest calls", "result")?;
        write!(out, "  {:<15}  {:<8}{:>9}  files", "hook", "method", "process")?;
        for slow in slowest(self.stats) {
            write!(out, "\n{prefix}  {:>16}", Time(slow.duration_ns()))?;
            match slow.errno() {
                Some(errno) => write!(out, "{:>17}", error_name(Some(errno)))?,
                None => write!(out, "{:>17}", Bytes(slow.bytes()))?,
            }
            let hook = slow.hook().map_or("", Hook::name);
            let method = slow.method().map_or("", Method::name);
            write!(out, "  {hook:<15}  {method:<8}{:>9}  ", slow.pid())?;
            between(out, &slow.paths())?;
        }
        Ok(())
    }

    fn programs(&self, out: &mut impl Write) -> fmt::Result {
        let others = other_programs(self.stats);
        // One program says nothing that the heading does not say.
        if programs(self.stats).count() < 2 && others.calls == 0 {
            return Ok(());
        }
        self.sums_head(out, "by program", "")?;
        for program in programs(self.stats) {
            self.sums(out, program.sums, program.missed == 0)?;
            escape::text(&mut Piece::new(out), program.name(), MAX_NAME);
        }
        if others.calls > 0 {
            self.sums(out, others, true)?;
            out.write_str("all others")?;
        }
        Ok(())
    }

    fn busiest(&self, out: &mut impl Write) -> fmt::Result {
        let others = other_pairs(self.stats);
        if busiest(self.stats).next().is_none() && others.calls == 0 {
            return Ok(());
        }
        self.sums_head(out, "busiest files", "files")?;
        let mut all_exact = true;
        for pair in busiest(self.stats) {
            all_exact &= pair.missed == 0;
            self.sums(out, pair.sums, pair.missed == 0)?;
            between(out, &pair.paths())?;
        }
        if others.calls > 0 {
            self.sums(out, others, true)?;
            out.write_str("all others")?;
        }
        if !all_exact {
            let most = Bytes(self.stats.most_of_unlisted_pair());
            write!(out, "\n{}    a row with + may miss up to {most}", self.prefix)?;
        }
        Ok(())
    }

    fn sums_head(&self, out: &mut impl Write, heading: &str, last: &str) -> fmt::Result {
        write!(out, "\n{}  {heading:<16}{:>7}{:>10}", self.prefix, "share", "calls")?;
        write!(out, "{:>8}{:>13}", "errors", "time")?;
        if last.is_empty() { Ok(()) } else { write!(out, "  {last}") }
    }

    fn sums(&self, out: &mut impl Write, sums: Sums, exact: bool) -> fmt::Result {
        let Sums { calls, bytes, errors, duration_ns } = sums;
        let share = Share { part: bytes, whole: self.stats.bytes() };
        let mark = if exact { ' ' } else { '+' };
        write!(out, "\n{}  {:>16}{mark}{share:>6}", self.prefix, Bytes(bytes))?;
        write!(out, "{calls:>10}{errors:>8}{:>13}  ", Time(duration_ns))
    }
}

/// The results that are no copies, refusals or blocks.
const OTHER_RESULTS: [Counter; 4] =
    [Counter::Injected, Counter::Delayed, Counter::LetThrough, Counter::LinesLost];

/// Writes the paths of source and target.
fn between(out: &mut impl Write, (source, target): &(PathEnd, PathEnd)) -> fmt::Result {
    for (before, path) in [("", source), (" -> ", target)] {
        out.write_str(before)?;
        match path.bytes() {
            b"" => out.write_char('?')?,
            bytes => escape::text(&mut Piece::new(out), bytes, MAX_NAME),
        }
    }
    Ok(())
}
