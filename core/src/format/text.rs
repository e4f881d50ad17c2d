//! Text: strace's grammar, so that strace's readers can read it.

use super::Said;
use super::escape;
use super::piece::Piece;
use crate::call::{Method, Offset};
use crate::dialect::Rule;
use crate::door::Door;
use crate::errno::Errno;
use crate::flags::Flags;
use crate::line::{Line, ROOM_FOR_PATH};
use crate::record::Record;
use core::fmt::{self, Write};

const SECOND_NS: u64 = 1_000_000_000;
const MICROSECOND_NS: u64 = 1_000;

#[inline(always)]
pub(super) fn record(out: &mut Piece, record: &Record) {
    let call = record.call;
    origin(out, record.pid, record.time_ns);
    match record.door {
        Door::CopyFileRange => out.literal(b" copy_file_range("),
        Door::Syscall => out.literal(b" syscall(SYS_copy_file_range, "),
    }
    file(out, call.fd_in, record.path_in, call.off_in);
    file(out, call.fd_out, record.path_out, call.off_out);
    out.unsigned(call.len as u64);
    out.literal(b", ");
    match call.flags.0 {
        0 => out.byte(b'0'),
        _ => flags(out, call.flags),
    }
    match record.answer {
        Ok(count) => {
            out.literal(b") = ");
            out.unsigned(count as u64);
        }
        Err(errno) => error(out, errno),
    }
    match (record.method, record.rule) {
        (Method::Kernel, None) => out.literal(b" (kernel) <"),
        (method, rule) => notes(out, method, rule),
    }
    seconds(out, record.duration_ns);
    out.byte(b'>');
}

#[cold]
#[inline(never)]
fn notes(out: &mut Piece, method: Method, rule: Option<&Rule>) {
    out.literal(b" (");
    out.text(method.name());
    if let Some(rule) = rule {
        out.literal(b", rule ");
        out.text(rule.id);
    }
    out.literal(b") <");
}

/// A descriptor, its path and the offset: `3</path>, [0], `.
#[inline(always)]
fn file(out: &mut Piece, fd: i32, path: Option<&[u8]>, offset: Offset) {
    out.signed(i64::from(fd));
    if let Some(path) = path {
        out.byte(b'<');
        escape::text(out, path, ROOM_FOR_PATH);
        out.byte(b'>');
    }
    match offset {
        Offset::File => out.literal(b", NULL, "),
        Offset::At(bytes) => {
            out.literal(b", [");
            out.signed(bytes);
            out.literal(b"], ");
        }
        Offset::Bad(address) => {
            out.literal(b", ");
            out.hex(address);
            out.literal(b", ");
        }
    }
}

/// What the library says of itself is one plain sentence. What happened within a call carries its
/// process and time, between the marks that strace puts around what is not a call.
pub(super) fn message(line: &mut Line, said: &Said, message: &dyn fmt::Debug) {
    if !said.of_call {
        if line.is_empty() {
            line.bytes(b"cfr: ");
        }
        let _ = write!(line, "{message:?}");
    } else {
        origin(&mut Piece::new(line), said.pid, said.time_ns);
        let _ = write!(line, " --- {}: {message:?} ---", said.level);
    }
}

#[inline(always)]
fn origin(out: &mut Piece, pid: i32, time_ns: u64) {
    out.signed(i64::from(pid));
    out.byte(b' ');
    seconds(out, time_ns);
}

/// Seconds with six digits behind the point.
#[inline(always)]
fn seconds(out: &mut Piece, ns: u64) {
    let seconds = ns / SECOND_NS;
    match seconds {
        1_000_000_000..10_000_000_000 => out.ten_digits(seconds),
        _ => out.unsigned(seconds),
    }
    out.fraction(ns % SECOND_NS / MICROSECOND_NS);
}

#[cold]
#[inline(never)]
fn flags(out: &mut Piece, flags: Flags) {
    let mut first = true;
    let mut separate = |out: &mut Piece| {
        if !core::mem::take(&mut first) {
            out.byte(b'|');
        }
    };
    for name in flags.names() {
        separate(out);
        out.text(name);
    }
    if flags.unnamed() != 0 {
        separate(out);
        out.hex(u64::from(flags.unnamed()));
    }
}

/// `) = -1 ENAME (message)`.
#[cold]
fn error(out: &mut Piece, errno: Errno) {
    out.literal(b") = -1 ");
    match errno.name() {
        Some(name) => out.text(name),
        None => out.signed(i64::from(errno.0)),
    }
    out.literal(b" (");
    out.text(errno.message());
    out.byte(b')');
}
