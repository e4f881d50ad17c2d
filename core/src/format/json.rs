//! JSON: one object a line, every key always present.

use super::Said;
use super::escape;
use super::piece::{Piece, digits_of, lanes};
use crate::call::{Method, Offset, Request, Target};
use crate::dialect::Rule;
use crate::door::Door;
use crate::errno::Errno;
use crate::flags::Flags;
use crate::line::{Line, ROOM_FOR_PATH};
use crate::record::Record;
use crate::sys::Sharing;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

/// The keys of an object, in order.
pub const KEYS: [&str; 32] = [
    "time", "pid", "tid", "comm", "call", "door", "request", "fd_in", "path_in", "off_in",
    "off_in_after", "fd_out", "path_out", "off_out", "off_out_after", "len", "flags", "flag_names",
    "ret", "errno", "error", "bytes", "status", "target", "targets", "method", "shared", "dialect",
    "rule", "why", "injected", "duration_ns",
];

pub(super) fn record(out: &mut Piece, record: &Record) {
    let call = record.call;
    let (off_in_after, off_out_after) = record.offsets_after;
    out.literal("{\"time\":");
    rfc3339(out, record.time_ns);
    out.literal(",\"pid\":");
    out.signed(i64::from(record.pid));
    out.literal(",\"tid\":");
    number(out, record.tid.map(i64::from));
    out.literal(",\"comm\":");
    string_or_null(out, record.comm);
    match record.door {
        Door::CopyFileRange => out.literal(
            ",\"call\":\"copy_file_range\",\"door\":\"copy_file_range\",\"request\":null,\"fd_in\":",
        ),
        door => other_door(out, door, call.request.name()),
    }
    out.signed(i64::from(call.fd_in));
    out.literal(",\"path_in\":");
    string_or_null(out, record.path_in);
    out.literal(",\"off_in\":");
    offset(out, call.off_in);
    out.literal(",\"off_in_after\":");
    number(out, off_in_after);
    out.literal(",\"fd_out\":");
    out.signed(i64::from(call.fd_out));
    out.literal(",\"path_out\":");
    string_or_null(out, record.path_out);
    out.literal(",\"off_out\":");
    offset(out, call.off_out);
    out.literal(",\"off_out_after\":");
    number(out, off_out_after);
    out.literal(",\"len\":");
    match call.request {
        Request::Clone => out.literal("null"),
        _ => out.unsigned(call.len as u64),
    }
    match call.flags.0 {
        0 => out.literal(",\"flags\":0,\"flag_names\":["),
        _ => flags(out, call.flags),
    }
    out.literal("],\"ret\":");
    match record.answer {
        Ok(count) => out.unsigned(count as u64),
        Err(_) => out.literal("-1"),
    }
    match record.errno() {
        None => out.literal(",\"errno\":0,\"error\":null,\"bytes\":"),
        Some(errno) => error(out, errno),
    }
    out.unsigned(record.bytes);
    match (call.request, record.method, record.sharing) {
        (Request::Copy, Method::Kernel, None) => out.literal(
            ",\"status\":null,\"target\":null,\"targets\":null,\"method\":\"kernel\",\"shared\":null,\"dialect\":\"",
        ),
        (request, method, sharing) => how(out, request, method, sharing),
    }
    out.text(record.dialect.name);
    match record.rule {
        None => out.literal("\",\"rule\":null,\"why\":null"),
        Some(rule) => broken(out, rule),
    }
    out.literal(",\"injected\":false,\"duration_ns\":");
    out.unsigned(record.duration_ns);
    out.literal("}");
}

#[cold]
fn other_door(out: &mut Piece, door: Door, request: Option<&str>) {
    out.literal(",\"call\":\"");
    out.text(door.call());
    out.literal("\",\"door\":\"");
    out.text(door.name());
    out.literal("\",\"request\":");
    string_or_null(out, request.map(str::as_bytes));
    out.literal(",\"fd_in\":");
}

#[cold]
fn error(out: &mut Piece, errno: Errno) {
    out.literal(",\"errno\":");
    out.signed(i64::from(errno.0));
    out.literal(",\"error\":");
    string_or_null(out, errno.name().map(str::as_bytes));
    out.literal(",\"bytes\":");
}

/// How the bytes moved, and what is so now. In part shared is not shared.
#[cold]
fn how(out: &mut Piece, request: Request, method: Method, sharing: Option<Sharing>) {
    match request {
        Request::Dedupe(Target { number: place, count, status }) => {
            out.literal(",\"status\":");
            number(out, status.map(i64::from));
            out.literal(",\"target\":");
            number(out, (place > 0).then_some(place.into()));
            out.literal(",\"targets\":");
            out.unsigned(count.into());
        }
        _ => out.literal(",\"status\":null,\"target\":null,\"targets\":null"),
    }
    out.literal(",\"method\":\"");
    out.text(method.name());
    out.literal("\",\"shared\":");
    out.text(match sharing {
        None => "null",
        Some(Sharing::All) => "true",
        Some(Sharing::Part | Sharing::Nothing) => "false",
    });
    out.literal(",\"dialect\":\"");
}

#[cold]
fn broken(out: &mut Piece, rule: &Rule) {
    out.literal("\",\"rule\":\"");
    out.text(rule.id);
    out.literal("\",\"why\":");
    string(out, rule.why.as_bytes());
}

#[inline(always)]
fn number(out: &mut Piece, number: Option<i64>) {
    match number {
        Some(number) => out.signed(number),
        None => out.literal("null"),
    }
}

/// The address of a bad pointer is a string: it is no offset.
#[inline(always)]
fn offset(out: &mut Piece, offset: Offset) {
    match offset {
        Offset::File => out.literal("null"),
        Offset::At(bytes) => out.signed(bytes),
        Offset::Bad(address) => {
            out.literal("\"");
            out.hex(address);
            out.literal("\"");
        }
    }
}

fn string_or_null(out: &mut Piece, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.literal("null"),
    }
}

fn string(out: &mut Piece, bytes: &[u8]) {
    out.literal("\"");
    escape::json(out, bytes, ROOM_FOR_PATH);
    out.literal("\"");
}

/// Up to the list's last name.
#[cold]
fn flags(out: &mut Piece, flags: Flags) {
    out.literal(",\"flags\":");
    out.unsigned(u64::from(flags.0));
    out.literal(",\"flag_names\":[");
    let mut first = true;
    let mut separate = |out: &mut Piece| {
        if !core::mem::take(&mut first) {
            out.literal(",");
        }
        out.literal("\"");
    };
    for name in flags.names() {
        separate(out);
        out.text(name);
        out.literal("\"");
    }
    if flags.unnamed() != 0 {
        separate(out);
        out.hex(u64::from(flags.unnamed()));
        out.literal("\"");
    }
}

/// A message has every key of a call, without values, and two of its own behind them.
pub(super) fn message(line: &mut Line, said: &Said, message: &dyn fmt::Debug) {
    let out = &mut Piece::new(line);
    out.literal("{\"time\":");
    rfc3339(out, said.time_ns);
    out.literal(",\"pid\":");
    out.signed(i64::from(said.pid));
    out.literal(",\"tid\":");
    out.signed(i64::from(said.tid));
    for key in KEYS.into_iter().skip_while(|&key| key != "comm") {
        out.literal(",\"");
        out.text(key);
        out.literal("\":");
        out.text(if key == "injected" { "false" } else { "null" });
    }
    out.literal(",\"level\":");
    string(out, said.level.as_bytes());
    out.literal(",\"message\":\"");
    let _ = write!(escape::JsonString(out), "{message:?}");
    out.literal("\"}");
}

/// RFC 3339 in UTC with microseconds, quoted.
fn rfc3339(out: &mut Piece, ns: u64) {
    const DAY: u64 = 86_400;
    let seconds = ns / 1_000_000_000;
    let (year, month, day) = today(seconds / DAY);
    let in_day = seconds % DAY;
    let date = digits_of(lanes([year / 100, year % 100, month, day]));
    let time = digits_of(lanes([in_day / 3_600, in_day / 60 % 60, in_day % 60, 0]));
    let [dash, letter, colon] = [b'-', b'T', b':'].map(u64::from);
    let two = |digits: u64, place: u32| digits >> (16 * place) & 0xffff;
    out.literal("\"");
    let to_month = date & 0xffff_ffff | dash << 32 | two(date, 2) << 40 | dash << 56;
    out.word(to_month, 8);
    let to_minute = two(date, 3) | letter << 16 | two(time, 0) << 24 | colon << 40;
    out.word(to_minute | two(time, 1) << 48, 8);
    out.word(colon | two(time, 2) << 8, 3);
    out.fraction(ns % 1_000_000_000 / 1_000);
    out.literal("Z\"");
}

/// The date of a day counted from 1970-01-01: nearly always that of the call before.
fn today(day: u64) -> (u64, u64, u64) {
    /// The day, and its year, month and day of the month, in one word.
    static LATEST: AtomicU64 = AtomicU64::new(0);
    let latest = LATEST.load(Ordering::Relaxed);
    if latest != 0 && latest >> 32 == day {
        return (latest >> 16 & 0xffff, latest >> 8 & 0xff, latest & 0xff);
    }
    let (year, month, date) = civil(day);
    LATEST.store(day << 32 | year << 16 | month << 8 | date, Ordering::Relaxed);
    (year, month, date)
}

/// The Gregorian date of a day counted from 1970-01-01. Years are taken to begin in March, so
/// that the leap day is the last of a year; 146,097 days are 400 years.
fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468; // since 0000-03-01
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_c_library() {
        for day in (0..60_000u64).step_by(13).chain([0, 58, 59, 60, 11_016, 11_017, 47_540]) {
            let time = i64::try_from(day * 86_400).unwrap();
            // SAFETY: a struct tm may be all zero.
            #[expect(unsafe_code, reason = "the C library is the oracle of the calendar")]
            let mut tm: libc::tm = unsafe { core::mem::zeroed() };
            // SAFETY: gmtime_r reads one time_t and fills one struct tm.
            #[expect(unsafe_code, reason = "the C library is the oracle of the calendar")]
            unsafe {
                libc::gmtime_r(&raw const time, &raw mut tm)
            };
            let expected = (tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
            let (year, month, day) = civil(day);
            let got = [year, month, day].map(|part| i32::try_from(part).unwrap());
            assert_eq!((got[0], got[1], got[2]), expected);
        }
    }
}
