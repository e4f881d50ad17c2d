//! The JSON format: one object per line, with every key always present.

use super::MessageMeta;
use super::escape;
use super::piece::{Piece, digits_of, lanes};
use crate::line::{Line, MAX_ESCAPED_PATH};
use crate::record::{Ending, Record};
use cfr_engine::call::{DedupeTarget, Offset, Request};
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;
use cfr_sys::Sharing;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// The keys of an object, in order.
pub const KEYS: [&str; 33] = [
    "time", "pid", "tid", "comm", "call", "hook", "request", "fd_in", "path_in", "off_in",
    "off_in_after", "fd_out", "path_out", "off_out", "off_out_after", "len", "flags", "flag_names",
    "ret", "errno", "error", "bytes", "status", "target", "targets", "method", "shared", "dialect",
    "rule", "why", "injected", "delayed", "duration_ns",
];

pub(super) fn record(out: &mut Piece, record: &Record) {
    let call = record.call;
    let (off_in_after, off_out_after) = &record.context.offsets_after;
    origin(out, record.context.time_ns, record.context.pid);
    out.literal(",\"tid\":");
    number(out, record.context.tid.map(i64::from));
    out.literal(",\"comm\":");
    string_or_null(out, record.context.comm);
    match record.context.hook {
        Hook::CopyFileRange => out.literal(
            ",\"call\":\"copy_file_range\",\"hook\":\"copy_file_range\",\"request\":null,\"fd_in\":",
        ),
        hook => other_hook(out, hook, call.request),
    }
    out.signed(i64::from(call.fd_in));
    match record.context.path_in {
        None => out.literal(",\"path_in\":null"),
        Some(path) => {
            out.literal(",\"path_in\":");
            string(out, path);
        }
    }
    match (call.off_in, off_in_after) {
        (Offset::File, None) => {
            out.literal(",\"off_in\":null,\"off_in_after\":null,\"fd_out\":");
        }
        (before, after) => {
            out.literal(",\"off_in\":");
            offset(out, before);
            out.literal(",\"off_in_after\":");
            number(out, *after);
            out.literal(",\"fd_out\":");
        }
    }
    out.signed(i64::from(call.fd_out));
    match record.context.path_out {
        None => out.literal(",\"path_out\":null"),
        Some(path) => {
            out.literal(",\"path_out\":");
            string(out, path);
        }
    }
    match (call.off_out, off_out_after) {
        (Offset::File, None) => {
            out.literal(",\"off_out\":null,\"off_out_after\":null,\"len\":");
        }
        (before, after) => {
            out.literal(",\"off_out\":");
            offset(out, before);
            out.literal(",\"off_out_after\":");
            number(out, *after);
            out.literal(",\"len\":");
        }
    }
    match call.request {
        Request::Clone => out.literal("null"),
        _ => out.unsigned(call.len as u64),
    }
    match call.flags.0 {
        0 => out.literal(",\"flags\":0,\"flag_names\":[],\"ret\":"),
        _ => flags(out, call.flags),
    }
    match (record.context.ending, record.outcome.answer, call.request) {
        (Ending::Returned, Ok(count), Request::Copy) => {
            out.unsigned(count as u64);
            out.literal(",\"errno\":0,\"error\":null,\"bytes\":");
        }
        _ => result(out, record),
    }
    out.unsigned(record.outcome.bytes);
    if record.is_plain() {
        out.literal(
            ",\"status\":null,\"target\":null,\"targets\":null,\"method\":\"kernel\",\"shared\":null,\"dialect\":\"extended\",\"rule\":null,\"why\":null,\"injected\":false,\"delayed\":false,\"duration_ns\":",
        );
        out.unsigned(record.context.duration_ns);
    } else {
        how(out, record);
    }
    out.literal("}");
}

#[cold]
fn other_hook(out: &mut Piece, hook: Hook, request: Request) {
    out.literal(",\"call\":\"");
    out.text(request.call());
    out.literal("\",\"hook\":\"");
    out.text(hook.name());
    out.literal("\",\"request\":");
    string_or_null(out, request.name().map(str::as_bytes));
    out.literal(",\"fd_in\":");
}

/// Appends the result and the error, up to the next value.
#[cold]
#[inline(never)]
fn result(out: &mut Piece, record: &Record) {
    match (record.context.ending, record.outcome.answer) {
        (Ending::Returned, Ok(count)) => out.unsigned(count as u64),
        (Ending::Returned, Err(_)) => out.literal("-1"),
        (Ending::LetThrough(_) | Ending::Unfinished, _) => out.literal("null"),
    }
    let errno = record.errno();
    out.literal(",\"errno\":");
    out.signed(errno.map_or(0, |errno| i64::from(errno.0)));
    out.literal(",\"error\":");
    string_or_null(out, errno.and_then(|errno| errno.name()).map(str::as_bytes));
    out.literal(",\"bytes\":");
}

/// Appends the method, the sharing, the rule, the faults and the duration. Partly shared is `false`.
#[cold]
#[inline(never)]
fn how(out: &mut Piece, record: &Record) {
    match record.call.request {
        Request::Dedupe(DedupeTarget { number: place, count, status, .. }) => {
            out.literal(",\"status\":");
            number(out, status.map(i64::from));
            out.literal(",\"target\":");
            number(out, (place > 0).then_some(place.into()));
            out.literal(",\"targets\":");
            out.unsigned(count.into());
        }
        _ => out.literal(",\"status\":null,\"target\":null,\"targets\":null"),
    }
    out.literal(",\"method\":");
    match record.context.ending {
        Ending::Returned => string(out, record.outcome.method.name().as_bytes()),
        Ending::LetThrough(_) | Ending::Unfinished => out.literal("null"),
    }
    out.literal(",\"shared\":");
    out.text(match record.context.sharing {
        None => "null",
        Some((Sharing::Shared, _)) => "true",
        Some((Sharing::PartlyShared | Sharing::NotShared, _)) => "false",
    });
    out.literal(",\"dialect\":\"");
    out.text(record.context.dialect.name);
    match (record.outcome.rule, record.context.ending) {
        (None, Ending::Returned) => out.literal("\",\"rule\":null,\"why\":null"),
        (None, Ending::LetThrough(why)) => {
            out.literal("\",\"rule\":null,\"why\":\"let through: ");
            out.text(why);
            out.literal("\"");
        }
        (None, Ending::Unfinished) => {
            out.literal("\",\"rule\":null,\"why\":\"unfinished\"");
        }
        (Some(rule), _) => {
            out.literal("\",\"rule\":\"");
            out.text(rule.id);
            out.literal("\",\"why\":");
            string(out, rule.why.as_bytes());
        }
    }
    out.literal(",\"injected\":");
    switch(out, record.context.injected);
    out.literal(",\"delayed\":");
    switch(out, record.context.delayed);
    out.literal(",\"duration_ns\":");
    match record.context.ending {
        Ending::Returned => out.unsigned(record.context.duration_ns),
        Ending::LetThrough(_) | Ending::Unfinished => out.literal("null"),
    }
}

fn switch(out: &mut Piece, is_on: bool) {
    out.text(if is_on { "true" } else { "false" });
}

#[inline(always)]
fn number(out: &mut Piece, number: Option<i64>) {
    match number {
        Some(number) => out.signed(number),
        None => out.literal("null"),
    }
}

/// Appends an offset. The address of a bad pointer is a string, because it is not an offset.
#[inline(always)]
fn offset(out: &mut Piece, offset: Offset) {
    match offset {
        Offset::File => out.literal("null"),
        Offset::At(bytes) => out.signed(bytes),
        Offset::BadAddress(address) => {
            out.literal("\"");
            out.hex(address);
            out.literal("\"");
        }
    }
}

#[inline(always)]
fn string_or_null(out: &mut Piece, text: Option<&[u8]>) {
    match text {
        Some(text) => string(out, text),
        None => out.literal("null"),
    }
}

fn string(out: &mut Piece, bytes: &[u8]) {
    out.literal("\"");
    escape::json(out, bytes, MAX_ESCAPED_PATH);
    out.literal("\"");
}

/// Appends the flags and their names, up to the next value.
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
    out.literal("],\"ret\":");
}

/// Appends a message: an object with every key of a call, mostly null, then `level` and `message`.
pub(super) fn message(line: &mut Line, meta: &MessageMeta, message: &dyn fmt::Debug) {
    let out = &mut Piece::new(line);
    origin(out, meta.time_ns, meta.pid);
    out.literal(",\"tid\":");
    out.signed(i64::from(meta.tid));
    for key in KEYS.into_iter().skip_while(|&key| key != "comm") {
        out.literal(",\"");
        out.text(key);
        out.literal("\":");
        out.text(if matches!(key, "injected" | "delayed") { "false" } else { "null" });
    }
    out.literal(",\"level\":");
    string(out, meta.level.as_bytes());
    out.literal(",\"message\":\"");
    let _ = write!(escape::JsonString(out), "{message:?}");
    out.literal("\"}");
}

/// Appends the beginning of an object: the time (RFC 3339, UTC, microseconds) and the process.
#[inline(always)]
fn origin(out: &mut Piece, time_ns: u64, pid: i32) {
    let seconds = time_ns / 1_000_000_000;
    let [to_month, to_minute] = CURRENT_MINUTE.of(seconds / 60);
    let colon = u64::from(b':');
    out.literal("{\"time\":\"");
    out.word(to_month, 8);
    out.word(to_minute, 8);
    out.word(colon | digits_of(seconds % 60) << 8, 3);
    out.fraction(time_ns % 1_000_000_000 / 1_000);
    out.literal("Z\",\"pid\":");
    out.signed(i64::from(pid));
}

/// The text of the current minute. Nearly all calls are in the same minute as the call before.
struct Minute {
    /// The minutes since 1970.
    number: AtomicU64,
    words: [AtomicU64; 2],
}

static CURRENT_MINUTE: Minute =
    Minute { number: AtomicU64::new(Minute::UNKNOWN), words: [const { AtomicU64::new(0) }; 2] };

impl Minute {
    /// The number before the first call.
    const UNKNOWN: u64 = u64::MAX;
    /// The number while a thread writes the words.
    const CHANGING: u64 = u64::MAX - 1;

    /// Returns `2026-11-` and `25T02:01`. The words are valid if the number is the same before and
    /// after they are read.
    fn of(&self, number: u64) -> [u64; 2] {
        let [first, second] = &self.words;
        let known = self.number.load(Ordering::Acquire);
        if known == number {
            let words = [first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)];
            fence(Ordering::Acquire);
            if self.number.load(Ordering::Relaxed) == number {
                return words;
            }
        }
        let words @ [to_month, to_minute] = written(number);
        let change = |from, to| {
            self.number.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
        };
        // If another thread, or the code that this signal handler interrupts, writes them, leave it.
        if known != Self::CHANGING && change(known, Self::CHANGING) {
            first.store(to_month, Ordering::Relaxed);
            second.store(to_minute, Ordering::Relaxed);
            self.number.store(number, Ordering::Release);
        }
        words
    }
}

/// Formats a minute since 1970 as two words of eight characters.
#[cold]
fn written(minute: u64) -> [u64; 2] {
    const DAY: u64 = 24 * 60;
    let (year, month, day) = civil(minute / DAY);
    let in_day = minute % DAY;
    let date = digits_of(lanes([year / 100, year % 100, month, day]));
    let time = digits_of(lanes([in_day / 60, in_day % 60, 0, 0]));
    let [dash, letter, colon] = [b'-', b'T', b':'].map(u64::from);
    let two = |digits: u64, place: u32| digits >> (16 * place) & 0xffff;
    let to_month = date & 0xffff_ffff | dash << 32 | two(date, 2) << 40 | dash << 56;
    let to_minute = two(date, 3) | letter << 16 | two(time, 0) << 24 | colon << 40;
    [to_month, to_minute | two(time, 1) << 48]
}

/// Returns the Gregorian date of a day since 1970-01-01. Years are counted from March, so that the
/// leap day is the last day of a year; 400 years have 146,097 days.
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
    fn dates_agree_with_another_calendar() {
        for day in (0..60_000u64).step_by(13).chain([0, 58, 59, 60, 11_016, 11_017, 47_540]) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * 86_400);
            let expected = std::format!("{}", humantime::format_rfc3339_seconds(time));
            let (year, month, day) = civil(day);
            assert_eq!(std::format!("{year:04}-{month:02}-{day:02}T00:00:00Z"), expected);
        }
    }
}
