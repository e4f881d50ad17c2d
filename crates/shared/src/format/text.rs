//! The text format: strace's grammar, so that tools that read strace's output can read it.

use super::MessageMeta;
use super::escape;
use super::piece::Piece;
use crate::line::{Line, MAX_ESCAPED_PATH};
use crate::record::{Ending, Record};
use cfr_engine::call::{Call, DedupeTarget, Offset, Request};
use cfr_engine::flags::Flags;
use cfr_engine::hook::Hook;
use cfr_sys::Sharing;
use cfr_sys::errno::Errno;
use core::fmt::{self, Write};

const SECOND_NS: u64 = 1_000_000_000;
const MICROSECOND_NS: u64 = 1_000;

#[inline(always)]
pub(super) fn record(out: &mut Piece, record: &Record) {
    let call = record.call;
    origin(out, record.context.pid, record.context.time_ns);
    match record.context.hook {
        Hook::CopyFileRange => out.literal(" copy_file_range("),
        Hook::Syscall => out.literal(" syscall(SYS_copy_file_range, "),
        Hook::Seccomp if call.request == Request::Copy => out.literal(" copy_file_range("),
        Hook::Ioctl | Hook::Sendfile | Hook::Sendfile64 | Hook::Seccomp => {
            return other_hook(out, record);
        }
    }
    file(out, call.fd_in, record.context.path_in, call.off_in);
    file(out, call.fd_out, record.context.path_out, call.off_out);
    out.unsigned(call.len as u64);
    out.literal(", ");
    match call.flags.0 {
        0 => out.literal("0"),
        _ => flags(out, call.flags),
    }
    end(out, record);
}

/// Appends the result, the notes and the duration.
#[inline(always)]
fn end(out: &mut Piece, record: &Record) {
    match (record.context.ending, record.outcome.answer) {
        (Ending::Returned, Ok(count)) => {
            out.literal(") = ");
            out.unsigned(count as u64);
        }
        (Ending::Returned, Err(errno)) => error(out, errno),
        (ending, _) => return no_result(out, record, ending),
    }
    if record.is_plain() {
        out.literal(" (kernel) <");
    } else {
        notes(out, record);
    }
    seconds(out, record.context.duration_ns);
    out.literal(">");
}

/// Appends `) = ? (unfinished)`, or why the call was let through, and what faults did to it.
#[cold]
#[inline(never)]
fn no_result(out: &mut Piece, record: &Record, ending: Ending) {
    out.literal(") = ? (");
    match ending {
        Ending::Returned | Ending::Unfinished => out.literal("unfinished"),
        Ending::LetThrough(why) => {
            out.literal("let through: ");
            out.text(why);
        }
    }
    faults(out, record);
    out.literal(")");
}

fn faults(out: &mut Piece, record: &Record) {
    if record.context.injected {
        out.literal(", INJECTED");
    }
    if record.context.delayed {
        out.literal(", DELAYED");
    }
}

#[cold]
#[inline(never)]
fn notes(out: &mut Piece, record: &Record) {
    out.literal(" (");
    out.text(record.outcome.method.name());
    if let Request::Dedupe(DedupeTarget { number: number @ 1.., count: count @ 2.., .. }) =
        record.call.request
    {
        out.literal(", target ");
        out.unsigned(number.into());
        out.literal(" of ");
        out.unsigned(count.into());
    }
    if let Some(rule) = record.outcome.rule {
        out.literal(", rule ");
        out.text(rule.id);
    }
    faults(out, record);
    if record.context.hook == Hook::Seccomp {
        out.literal(", supervised");
    }
    match record.context.sharing {
        None => {}
        Some((Sharing::Shared, _)) => out.literal(", shared"),
        Some((Sharing::PartlyShared, _)) => out.literal(", partly shared"),
        Some((Sharing::NotShared, _)) => out.literal(", not shared"),
    }
    out.literal(") <");
}

/// Appends a call of ioctl(2) or sendfile(2) as strace prints it.
#[cold]
#[inline(never)]
fn other_hook(out: &mut Piece, record: &Record) {
    let call = record.call;
    out.literal(" ");
    out.text(match record.context.hook {
        Hook::Seccomp => call.request.call(),
        hook => hook.name(),
    });
    out.literal("(");
    match call.request {
        Request::Copy => {}
        Request::Send => send(out, record),
        Request::Clone => {
            request(out, call, call.fd_out, record.context.path_out);
            descriptor(out, call.fd_in, record.context.path_in);
        }
        Request::CloneRange => {
            request(out, call, call.fd_out, record.context.path_out);
            match call.off_in {
                Offset::BadAddress(address) => out.hex(address),
                _ => clone_range(out, record),
            }
        }
        Request::Dedupe(target) => {
            request(out, call, call.fd_in, record.context.path_in);
            match call.off_in {
                Offset::BadAddress(address) => out.hex(address),
                _ => dedupe(out, record, target),
            }
        }
    }
    end(out, record);
}

/// Appends `4</path>, FICLONE, `.
fn request(out: &mut Piece, call: &Call, fd: i32, path: Option<&[u8]>) {
    descriptor(out, fd, path);
    out.literal(", ");
    out.text(call.request.name().unwrap_or_default());
    out.literal(", ");
}

fn clone_range(out: &mut Piece, record: &Record) {
    let call = record.call;
    out.literal("{src_fd=");
    descriptor(out, call.fd_in, record.context.path_in);
    out.literal(", src_offset=");
    bytes(out, call.off_in);
    out.literal(", src_length=");
    out.unsigned(call.len as u64);
    out.literal(", dest_offset=");
    bytes(out, call.off_out);
    out.literal("}");
}

fn dedupe(out: &mut Piece, record: &Record, target: DedupeTarget) {
    let call = record.call;
    out.literal("{src_offset=");
    bytes(out, call.off_in);
    out.literal(", src_length=");
    out.unsigned(call.len as u64);
    out.literal(", dest_count=");
    out.unsigned(target.count.into());
    out.literal(", info=[");
    if target.number > 0 {
        out.literal("{dest_fd=");
        descriptor(out, call.fd_out, record.context.path_out);
        out.literal(", dest_offset=");
        bytes(out, call.off_out);
        out.literal("}");
    }
    out.literal("]}");
    if let Some(status) = target.status {
        out.literal(" => {info=[{bytes_deduped=");
        out.unsigned(target.reported);
        out.literal(", status=");
        out.signed(status.into());
        out.literal("}]}");
    }
}

/// Appends `4</target>, 3</source>, [0] => [4096], 8192`.
fn send(out: &mut Piece, record: &Record) {
    let call = record.call;
    descriptor(out, call.fd_out, record.context.path_out);
    out.literal(", ");
    descriptor(out, call.fd_in, record.context.path_in);
    out.literal(", ");
    match (call.off_in, record.context.offsets_after.0) {
        (Offset::File, _) => out.literal("NULL"),
        (Offset::BadAddress(address), _) => out.hex(address),
        (Offset::At(before), after) => {
            position(out, before);
            if let Some(after) = after {
                out.literal(" => ");
                position(out, after);
            }
        }
    }
    out.literal(", ");
    out.unsigned(call.len as u64);
}

fn position(out: &mut Piece, bytes: i64) {
    out.literal("[");
    out.signed(bytes);
    out.literal("]");
}

/// Appends an offset in a struct; the kernel's structs have unsigned ones.
fn bytes(out: &mut Piece, offset: Offset) {
    if let Offset::At(bytes) = offset {
        out.unsigned(bytes.cast_unsigned());
    }
}

/// Appends `3</path>`.
#[inline(always)]
fn descriptor(out: &mut Piece, fd: i32, path: Option<&[u8]>) {
    out.signed(i64::from(fd));
    if let Some(path) = path {
        out.literal("<");
        escape::text(out, path, MAX_ESCAPED_PATH);
        out.literal(">");
    }
}

/// Appends a descriptor, its path and the offset: `3</path>, [0], `.
#[inline(always)]
fn file(out: &mut Piece, fd: i32, path: Option<&[u8]>, offset: Offset) {
    descriptor(out, fd, path);
    match offset {
        Offset::File => out.literal(", NULL, "),
        Offset::At(bytes) => {
            out.literal(", [");
            out.signed(bytes);
            out.literal("], ");
        }
        Offset::BadAddress(address) => {
            out.literal(", ");
            out.hex(address);
            out.literal(", ");
        }
    }
}

/// Appends a message. A message about the library is a plain sentence. A message about a call has a
/// process and a time, and the dashes that strace puts around lines that are not calls.
pub(super) fn message(line: &mut Line, meta: &MessageMeta, message: &dyn fmt::Debug) {
    if !meta.is_about_call {
        if line.is_empty() {
            line.append(b"cfr: ");
        }
        let _ = write!(line, "{message:?}");
    } else {
        origin(&mut Piece::new(line), meta.pid, meta.time_ns);
        let _ = write!(line, " --- {}: {message:?} ---", meta.level);
    }
}

#[inline(always)]
fn origin(out: &mut Piece, pid: i32, time_ns: u64) {
    out.signed(i64::from(pid));
    out.literal(" ");
    match time_ns / SECOND_NS {
        // Until the year 2286.
        now @ 1_000_000_000..=9_999_999_999 => out.ten_digits(now),
        another => out.unsigned(another),
    }
    out.fraction(time_ns % SECOND_NS / MICROSECOND_NS);
}

/// Appends seconds with six decimals.
#[inline(always)]
fn seconds(out: &mut Piece, ns: u64) {
    out.unsigned(ns / SECOND_NS);
    out.fraction(ns % SECOND_NS / MICROSECOND_NS);
}

#[cold]
#[inline(never)]
fn flags(out: &mut Piece, flags: Flags) {
    let mut first = true;
    let mut separate = |out: &mut Piece| {
        if !core::mem::take(&mut first) {
            out.literal("|");
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

/// Appends `) = -1 ENAME (message)`.
#[cold]
fn error(out: &mut Piece, errno: Errno) {
    out.literal(") = -1 ");
    match errno.name() {
        Some(name) => out.text(name),
        None => out.signed(i64::from(errno.0)),
    }
    out.literal(" (");
    out.text(errno.message());
    out.literal(")");
}
