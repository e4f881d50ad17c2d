//! The summary: a table for eyes, or one JSON object.

use super::escape;
use super::piece::Piece;
use crate::account::{Accounts, Name, Slow, Total};
use crate::call::Method;
use crate::door::Door;
use crate::errno::Errno;
use core::fmt::{self, Write};

/// The accounts of one process or of many, and who they are of.
pub struct Summary<'a> {
    /// What was counted.
    pub accounts: &'a Accounts,
    /// The program, for the heading.
    pub program: &'a [u8],
    /// The process; `None` where it is about all that the program started.
    pub pid: Option<i32>,
    /// What each line of the table begins with.
    pub prefix: &'a str,
}

/// How many of the busiest pairs are shown.
const BUSIEST: usize = 5;
/// The most that one name may take, in bytes.
const ROOM_FOR_NAME: usize = 200;
/// Shares of the calls, in thousandths, and their names.
const PERCENTILES: [(u64, &str); 3] = [(500, "p50"), (900, "p90"), (990, "p99")];

impl Summary<'_> {
    /// The table, without a newline at its end.
    ///
    /// # Errors
    ///
    /// `out`'s own.
    pub fn table(&self, out: &mut impl Write) -> fmt::Result {
        let (accounts, prefix) = (self.accounts, self.prefix);
        self.heading(out)?;
        write!(out, "\n{prefix}  {:<16}{:>10}{:>14}", "method", "calls", "bytes")?;
        for method in Method::ALL {
            let (calls, bytes) = accounts.by(method);
            if calls > 0 {
                let bytes = Bytes(bytes);
                write!(out, "\n{prefix}  {:<16}{calls:>10}{bytes:>14}", method.name())?;
            }
        }
        write!(out, "\n{prefix}  {:<16}{:>10}", "door", "calls")?;
        for door in Door::ALL {
            let calls = accounts.through(door);
            if calls > 0 {
                write!(out, "\n{prefix}  {:<16}{calls:>10}", door.name())?;
            }
        }
        self.results(out)?;
        write!(out, "\n{prefix}  time")?;
        for (share, name) in PERCENTILES {
            write!(out, "  {name} {}", Time(accounts.latency_ns(share)))?;
        }
        write!(out, "  max {}", Time(accounts.longest_ns()))?;
        write!(out, "\n{prefix}  slowest calls")?;
        in_order(
            accounts.slowest(),
            |slow| slow.duration_ns(),
            SLOWEST,
            |slow| {
                write!(out, "\n{prefix}  {:>10}  ", Time(slow.duration_ns()))?;
                slow_call(out, slow)?;
                between(out, &slow.names())
            },
        )?;
        write!(out, "\n{prefix}  busiest files")?;
        in_order(
            accounts.pairs(),
            |pair| pair.bytes(),
            BUSIEST,
            |pair| {
                write!(out, "\n{prefix}  {:>10}  {} calls", Bytes(pair.bytes()), pair.calls())?;
                if pair.errors() > 0 {
                    write!(out, ", {} errors", pair.errors())?;
                }
                between(out, &pair.names())
            },
        )?;
        let unlisted = accounts.total(Total::UnlistedCalls);
        if unlisted > 0 {
            let bytes = Bytes(accounts.total(Total::UnlistedBytes));
            write!(out, "\n{prefix}  {bytes:>10}  {unlisted} calls between further files")?;
        }
        Ok(())
    }

    fn heading(&self, out: &mut impl Write) -> fmt::Result {
        let accounts = self.accounts;
        write!(out, "{}summary of ", self.prefix)?;
        escape::text(&mut Piece::new(out), self.program, ROOM_FOR_NAME);
        match self.pid {
            Some(pid) => write!(out, " ({pid})")?,
            None => {
                let processes = accounts.total(Total::Processes);
                write!(out, ", {processes} process{}", if processes == 1 { "" } else { "es" })?;
            }
        }
        let calls: u64 = Door::ALL.into_iter().map(|door| accounts.through(door)).sum();
        let (bytes, time) = (Bytes(total_bytes(accounts)), Time(accounts.total(Total::Time)));
        write!(out, ": {calls} calls, {bytes}, {time} in them")
    }

    /// Errors, and what else came of calls.
    fn results(&self, out: &mut impl Write) -> fmt::Result {
        let (accounts, prefix) = (self.accounts, self.prefix);
        let mut row = |name: &str, count: u64| match count {
            0 => Ok(()),
            _ => write!(out, "\n{prefix}  {name:<16}{count:>10}"),
        };
        for (errno, count) in accounts.errors() {
            row(error_name(errno), count)?;
        }
        for (name, total) in [
            ("end of file", Total::Empty),
            ("differing", Total::Differing),
            ("shared", Total::Shared),
            ("partly shared", Total::PartlyShared),
            ("not shared", Total::NotShared),
            ("lines lost", Total::Lost),
        ] {
            row(name, accounts.total(total))?;
        }
        Ok(())
    }

    /// One JSON object with the one key `summary`; bytes, and nanoseconds.
    ///
    /// # Errors
    ///
    /// `out`'s own.
    pub fn json(&self, out: &mut impl Write) -> fmt::Result {
        let accounts = self.accounts;
        out.write_str("{\"summary\":{\"program\":")?;
        string(out, self.program)?;
        match self.pid {
            Some(pid) => write!(out, ",\"pid\":{pid}")?,
            None => out.write_str(",\"pid\":null")?,
        }
        let calls: u64 = Door::ALL.into_iter().map(|door| accounts.through(door)).sum();
        write!(
            out,
            ",\"processes\":{},\"calls\":{calls},\"bytes\":{},\"duration_ns\":{},\"methods\":{{",
            accounts.total(Total::Processes).max(1),
            total_bytes(accounts),
            accounts.total(Total::Time)
        )?;
        let mut between = Separator::new();
        for method in Method::ALL {
            let (calls, bytes) = accounts.by(method);
            let name = method.name();
            write!(out, "{between}\"{name}\":{{\"calls\":{calls},\"bytes\":{bytes}}}")?;
        }
        out.write_str("},\"doors\":{")?;
        between = Separator::new();
        for door in Door::ALL {
            write!(out, "{between}\"{}\":{}", door.name(), accounts.through(door))?;
        }
        out.write_str("},\"errors\":{")?;
        between = Separator::new();
        for (errno, count) in accounts.errors() {
            write!(out, "{between}\"{}\":{count}", error_name(errno))?;
        }
        out.write_char('}')?;
        for (name, total) in [
            ("end_of_file", Total::Empty),
            ("differing", Total::Differing),
            ("shared", Total::Shared),
            ("partly_shared", Total::PartlyShared),
            ("not_shared", Total::NotShared),
            ("lines_lost", Total::Lost),
        ] {
            write!(out, ",\"{name}\":{}", accounts.total(total))?;
        }
        out.write_str(",\"latency_ns\":{")?;
        for (share, name) in PERCENTILES {
            write!(out, "\"{name}\":{},", accounts.latency_ns(share))?;
        }
        write!(out, "\"max\":{}}},\"slowest\":[", accounts.longest_ns())?;
        between = Separator::new();
        in_order(
            accounts.slowest(),
            |slow| slow.duration_ns(),
            SLOWEST,
            |slow| {
                let (errno, door) = (slow.errno(), slow.door().map_or("", Door::name));
                write!(
                    out,
                    "{between}{{\"duration_ns\":{},\"pid\":{}",
                    slow.duration_ns(),
                    slow.pid()
                )?;
                write!(out, ",\"door\":\"{door}\",\"bytes\":{},\"error\":", slow.bytes())?;
                match errno {
                    None => out.write_str("null")?,
                    Some(errno) => write!(out, "\"{}\"", error_name(Some(errno)))?,
                }
                write!(out, ",\"method\":\"{}\"", slow.method().map_or("", Method::name))?;
                paths(out, &slow.names())
            },
        )?;
        out.write_str("],\"pairs\":[")?;
        between = Separator::new();
        in_order(
            accounts.pairs(),
            |pair| pair.bytes(),
            BUSIEST,
            |pair| {
                let (calls, errors) = (pair.calls(), pair.errors());
                write!(out, "{between}{{\"calls\":{calls},\"bytes\":{}", pair.bytes())?;
                write!(out, ",\"errors\":{errors},\"duration_ns\":{}", pair.time_ns())?;
                paths(out, &pair.names())
            },
        )?;
        write!(
            out,
            "],\"further_pairs\":{{\"calls\":{},\"bytes\":{}}}}}}}",
            accounts.total(Total::UnlistedCalls),
            accounts.total(Total::UnlistedBytes)
        )
    }
}

/// As many of the slowest calls as are kept.
const SLOWEST: usize = usize::MAX;

fn total_bytes(accounts: &Accounts) -> u64 {
    Method::ALL.into_iter().map(|method| accounts.by(method).1).sum()
}

fn error_name(errno: Option<Errno>) -> &'static str {
    errno.and_then(Errno::name).unwrap_or("other errors")
}

/// Has `show` show those of the largest `key` first, at most `most` of them. Nothing is sorted, and no
/// memory is needed for that.
fn in_order<T: Copy>(
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> u64,
    most: usize,
    mut show: impl FnMut(&T) -> fmt::Result,
) -> fmt::Result {
    /// More than are ever shown.
    const ROOM: usize = 8;
    let mut largest: [Option<T>; ROOM] = [None; ROOM];
    for one in all {
        let mut one = Some(one);
        for place in &mut largest {
            if one.as_ref().map(&key) > place.as_ref().map(&key) {
                core::mem::swap(place, &mut one);
            }
        }
    }
    largest.iter().flatten().take(most).try_for_each(&mut show)
}

fn slow_call(out: &mut impl Write, slow: &Slow) -> fmt::Result {
    let door = slow.door().map_or("", Door::name);
    match slow.errno() {
        Some(errno) => write!(out, "{door} {}", error_name(Some(errno)))?,
        None => write!(out, "{door} {}", Bytes(slow.bytes()))?,
    }
    write!(out, " ({})", slow.method().map_or("", Method::name))
}

/// The two files.
fn between(out: &mut impl Write, (source, target): &(Name, Name)) -> fmt::Result {
    for (before, name) in [("  ", source), (" -> ", target)] {
        out.write_str(before)?;
        match name.bytes() {
            b"" => out.write_char('?')?,
            bytes => escape::text(&mut Piece::new(out), bytes, ROOM_FOR_NAME),
        }
    }
    Ok(())
}

/// The two files, and the object's end.
fn paths(out: &mut impl Write, (source, target): &(Name, Name)) -> fmt::Result {
    for (key, name) in [("path_in", source), ("path_out", target)] {
        write!(out, ",\"{key}\":")?;
        match name.bytes() {
            b"" => out.write_str("null")?,
            bytes => string(out, bytes)?,
        }
    }
    out.write_char('}')
}

fn string(out: &mut impl Write, bytes: &[u8]) -> fmt::Result {
    out.write_char('"')?;
    escape::json(&mut Piece::new(out), bytes, ROOM_FOR_NAME);
    out.write_char('"')
}

/// Nothing the first time, then a comma.
struct Separator(core::cell::Cell<bool>);

impl Separator {
    fn new() -> Separator {
        Separator(core::cell::Cell::new(false))
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.replace(true) { f.write_char(',') } else { Ok(()) }
    }
}

/// Bytes, in units of 1024.
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        in_units(f, self.0, 1024, "B", &UNITS)
    }
}

/// A time in nanoseconds.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_units(f, self.0, 1000, "ns", &["us", "ms", "s", "ks"])
    }
}

/// With two digits behind the point, cut off, and to the right of its column.
fn in_units(
    f: &mut fmt::Formatter<'_>,
    value: u64,
    step: u64,
    smallest: &str,
    larger: &[&str],
) -> fmt::Result {
    let mut buffer = [0; 32];
    let mut text = crate::line::Line::new(&mut buffer);
    let (mut unit, mut size) = (smallest, 1);
    for next in larger {
        if value / size < step {
            break;
        }
        (unit, size) = (next, size * step);
    }
    match size {
        1 => write!(text, "{value} {unit}")?,
        _ => write!(text, "{}.{:02} {unit}", value / size, value % size * 100 / size)?,
    }
    f.pad(core::str::from_utf8(text.as_bytes()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn numbers_have_units() {
        assert_eq!(format!("{}", Bytes(0)), "0 B");
        assert_eq!(format!("{}", Bytes(1023)), "1023 B");
        assert_eq!(format!("{}", Bytes(1536)), "1.50 KiB");
        assert_eq!(format!("{}", Bytes(u64::MAX)), "16383.99 PiB");
        assert_eq!(format!("{:>10}|", Time(999)), "    999 ns|");
        assert_eq!(format!("{}", Time(1_234_567)), "1.23 ms");
        assert_eq!(format!("{}", Time(61_000_000_000)), "61.00 s");
    }

    #[test]
    fn the_largest_come_first() {
        let mut seen = std::vec::Vec::new();
        in_order(
            [3u64, 9, 1, 9, 4].into_iter(),
            |&one| one,
            4,
            |&one| {
                seen.push(one);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, [9, 9, 4, 3]);
    }
}
