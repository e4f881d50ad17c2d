//! The summary as a table.

use super::escape;
use super::piece::Piece;
use super::summary::{
    MAX_NAME, PERCENTILES, RESULTS, Summary, busiest, error_name, others, slowest,
};
use super::units::{Bytes, Count, Share, Time};
use crate::stats::{Counter, PathEnd};
use cfr_engine::call::Method;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use core::fmt::{self, Write};

impl Summary<'_> {
    /// Writes the table, without a newline at its end. Empty sections are left out.
    ///
    /// # Errors
    ///
    /// Only if `out` fails.
    pub fn table(&self, out: &mut impl Write) -> fmt::Result {
        self.heading(out)?;
        if self.stats.finished() > 0 {
            self.methods(out)?;
            self.hooks(out)?;
        }
        self.errors(out)?;
        self.results(out)?;
        if self.stats.finished() > 0 {
            self.times(out)?;
            self.slowest(out)?;
        }
        self.busiest(out)
    }

    fn heading(&self, out: &mut impl Write) -> fmt::Result {
        let stats = self.stats;
        write!(out, "{}summary of ", self.prefix)?;
        escape::text(&mut Piece::new(out), self.program, MAX_NAME);
        match self.pid {
            Some(pid) => write!(out, " ({pid})")?,
            // The library was loaded into none: all calls are supervised.
            None if stats.get(Counter::Programs) == 0 && stats.finished() > 0 => {}
            None => write!(out, ", {}", Count(stats.get(Counter::Programs), "program"))?,
        }
        write!(out, ": {}", Count(stats.finished(), "call"))?;
        let errors = stats.errors().fold(0u64, |sum, (_, count)| sum.saturating_add(count));
        if errors > 0 {
            write!(out, ", {}", Count(errors, "error"))?;
        }
        let (bytes, duration_ns) = (stats.bytes(), stats.get(Counter::Duration));
        if stats.finished() > 0 {
            write!(out, ", {} in {}", Bytes(bytes), Time(duration_ns))?;
        }
        if bytes > 0 && duration_ns > 0 {
            write!(out, ", {}/s", Bytes(rate(bytes, duration_ns)))?;
        }
        Ok(())
    }

    fn methods(&self, out: &mut impl Write) -> fmt::Result {
        let whole = self.stats.bytes();
        let share = if whole > 0 { "share" } else { "" };
        let prefix = self.prefix;
        write!(out, "\n{prefix}  {:<16}{:>10}{:>14}{share:>7}", "method", "calls", "bytes")?;
        for method in Method::ALL {
            let (calls, part) = self.stats.method_totals(method);
            if calls > 0 {
                let (name, bytes) = (method.name(), Bytes(part));
                write!(out, "\n{prefix}    {name:<14}{calls:>10}{bytes:>14}")?;
                if whole > 0 {
                    write!(out, "{:>7}", Share { part, whole })?;
                }
            }
        }
        Ok(())
    }

    fn hooks(&self, out: &mut impl Write) -> fmt::Result {
        write!(out, "\n{}  {:<16}{:>10}", self.prefix, "hook", "calls")?;
        for hook in Hook::ALL {
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
        let mut heading = "result";
        let results = RESULTS.map(|(name, _, counter)| (name, self.stats.get(counter)));
        let unfinished = ("unfinished", self.stats.unfinished());
        for (name, count) in results.into_iter().chain([unfinished]) {
            if count > 0 {
                self.head(out, &mut heading)?;
                self.row(out, name, count)?;
            }
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

    fn busiest(&self, out: &mut impl Write) -> fmt::Result {
        let (prefix, whole) = (self.prefix, self.stats.bytes());
        let row = |out: &mut dyn Write, bytes, calls, errors, duration_ns| {
            let (bytes, share, time) =
                (Bytes(bytes), Share { part: bytes, whole }, Time(duration_ns));
            write!(out, "\n{prefix}  {bytes:>16}{share:>7}{calls:>10}{errors:>8}{time:>13}  ")
        };
        let mut pairs = busiest(self.stats).peekable();
        let others = others(self.stats);
        if pairs.peek().is_none() && others.calls == 0 {
            return Ok(());
        }
        write!(out, "\n{prefix}  {:<16}{:>7}{:>10}", "busiest files", "share", "calls")?;
        write!(out, "{:>8}{:>13}  files", "errors", "time")?;
        for pair in pairs {
            row(out, pair.bytes, pair.calls, pair.errors, pair.duration_ns)?;
            between(out, &pair.paths())?;
        }
        if others.calls > 0 {
            row(out, others.bytes, others.calls, others.errors, others.duration_ns)?;
            out.write_str("all others")?;
        }
        Ok(())
    }
}

/// Returns the bytes per second.
fn rate(bytes: u64, duration_ns: u64) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    bytes
        .checked_mul(SECOND)
        .map_or_else(|| bytes / (duration_ns / SECOND).max(1), |all| all / duration_ns)
}

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
