//! A line of a text log: strace's grammar. It tells less than a line of a JSON log: no name of the
//! program, no thread, and not how many bytes a reflink of a whole file has shared.

use super::entry::{CallEnding, LAST_PID, LogEntry, LoggedCall, LoggedMessage, Moment, Offset};
use crate::term::json;
use cfr_engine::hook::Hook;
use cfr_sys::errno::Errno;
use std::borrow::Cow;

const SECOND_US: u64 = 1_000_000;
const MICROSECOND_NS: u64 = 1_000;

/// Parses a line; `None` if it is not a call or a message about one.
pub(crate) fn read(line: &[u8]) -> Option<LogEntry<'_>> {
    let line = without_prefix(line)?;
    let (pid, rest) = line.split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    let pid = number(pid).and_then(|pid| u32::try_from(pid).ok())?;
    let moment = Moment { time_us: microseconds(time)?, pid, tid: pid };
    if !(1..=LAST_PID).contains(&pid) {
        return None;
    }
    if let Some(message) = rest.strip_prefix("--- ") {
        let (level, text) = message.strip_suffix(" ---")?.split_once(": ")?;
        let (level, text) = (level.into(), text.into());
        return Some(LogEntry::Message(LoggedMessage { moment, level, text }));
    }
    call(moment, rest).map(LogEntry::Call)
}

/// Returns how many lines of the log were lost, if the line says that.
pub(crate) fn lost(line: &[u8]) -> Option<u64> {
    number(without_prefix(line)?.strip_suffix(" lines lost")?)
}

fn without_prefix(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    Some(line.strip_prefix("cfr: ").unwrap_or(line))
}

fn call(moment: Moment, text: &str) -> Option<LoggedCall<'_>> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, rest) = rest.split_at_checked(end_of_arguments(rest)?)?;
    let result = Result::read(rest.strip_prefix(") = ")?)?;
    let arguments = Arguments::read(name, arguments)?;
    let hook = Hook::ALL.into_iter().find(|hook| hook.name() == name)?;
    let is_noted = |note: &str| result.notes.contains(&note);
    let hook = if is_noted("supervised") { Hook::Seccomp } else { hook };
    let rule = result.notes.iter().find_map(|note| note.strip_prefix("rule "));
    let target = result.notes.iter().find_map(|note| note.strip_prefix("target "));
    let error = match arguments.status {
        Some(status @ ..0) => Some(error_name(Errno(status.saturating_neg()))),
        _ => result.error.clone(),
    };
    let copied = u64::try_from(result.ret).unwrap_or(0);
    let bytes = match arguments.shared_bytes {
        _ if error.is_some() => 0,
        Some(bytes) => bytes,
        None => copied,
    };
    Some(LoggedCall {
        moment,
        comm: None,
        call: arguments.call.into(),
        hook: hook.name().into(),
        request: arguments.request.map(Cow::Borrowed),
        source: arguments.source,
        target: arguments.target,
        off_in: arguments.off_in,
        off_out: arguments.off_out,
        len: arguments.len,
        flags: None,
        ret: result.ret,
        error,
        bytes,
        status: arguments.status,
        method: result.method.into(),
        shared: match () {
            () if is_noted("shared") => Some(true),
            () if is_noted("partly shared") || is_noted("not shared") => Some(false),
            () => None,
        },
        rule: rule.map(Cow::Borrowed),
        why: None,
        injected: is_noted("INJECTED"),
        delayed: is_noted("DELAYED"),
        duration_ns: result.duration_ns,
        ending: result.ending,
        first: target.is_none_or(|target| target.starts_with("1 of ")),
    })
}

/// The part of a line after `) = `.
struct Result<'a> {
    ret: i64,
    error: Option<Cow<'a, str>>,
    method: &'a str,
    /// What stands after the method.
    notes: Vec<&'a str>,
    duration_ns: u64,
    ending: CallEnding,
}

impl<'a> Result<'a> {
    fn read(text: &'a str) -> Option<Result<'a>> {
        if let Some(notes) = text.strip_prefix("? (") {
            let notes: Vec<_> = notes.strip_suffix(')')?.split(", ").collect();
            let (method, ending) = match *notes.first()? {
                "unfinished" => ("unfinished", CallEnding::Unfinished),
                _ => ("let through", CallEnding::LetThrough),
            };
            return Some(Result { ret: -1, error: None, method, notes, duration_ns: 0, ending });
        }
        let (text, duration) = text.strip_suffix('>')?.rsplit_once(" <")?;
        let (text, notes) = text.strip_suffix(')')?.rsplit_once(" (")?;
        let (ret, rest) = text.split_once(' ').unwrap_or((text, ""));
        let ret: i64 = ret.parse().ok()?;
        let error = (ret < 0).then(|| rest.split(' ').next().unwrap_or_default());
        let mut notes = notes.split(", ");
        Some(Result {
            ret,
            error: error.map(|error| match error.parse() {
                Ok(number) => error_name(Errno(number)),
                Err(_) => error.into(),
            }),
            method: notes.next()?,
            notes: notes.collect(),
            duration_ns: microseconds(duration)?.saturating_mul(MICROSECOND_NS),
            ending: CallEnding::Returned,
        })
    }
}

/// The arguments of a call.
#[derive(Default)]
struct Arguments<'a> {
    /// The system call.
    call: &'static str,
    request: Option<&'a str>,
    source: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    off_in: Option<Offset<'a>>,
    off_out: Option<Offset<'a>>,
    len: Option<u64>,
    /// For FIDEDUPERANGE.
    status: Option<i32>,
    /// What a successful request shares; `None` for calls that return what they copied.
    shared_bytes: Option<u64>,
}

impl<'a> Arguments<'a> {
    /// Reads the arguments of the hook with this name.
    fn read(name: &str, text: &'a str) -> Option<Arguments<'a>> {
        let words = words(text);
        match (name, &words[..]) {
            ("syscall", ["SYS_copy_file_range", words @ ..]) | ("copy_file_range", words) => {
                let [fd_in, off_in, fd_out, off_out, len, _flags] = words else { return None };
                Some(Arguments {
                    call: "copy_file_range",
                    source: path(fd_in),
                    target: path(fd_out),
                    off_in: offset(off_in),
                    off_out: offset(off_out),
                    len: Some(number(len)?),
                    ..Arguments::default()
                })
            }
            ("sendfile" | "sendfile64", [fd_out, fd_in, off_in, len]) => Some(Arguments {
                call: "sendfile",
                source: path(fd_in),
                target: path(fd_out),
                off_in: offset(off_in),
                len: Some(number(len)?),
                ..Arguments::default()
            }),
            ("ioctl", [fd, request, argument]) => {
                let (request, shared) = (*request, Some(0));
                let all = Arguments {
                    call: "ioctl",
                    request: Some(request),
                    shared_bytes: shared,
                    ..Arguments::default()
                };
                let field = |name: &str| value(argument, name);
                let count = |name: &str| field(name).and_then(number);
                let len = count("src_length=");
                match request {
                    "FICLONE" => {
                        Some(Arguments { source: path(argument), target: path(fd), ..all })
                    }
                    "FICLONERANGE" => Some(Arguments {
                        source: field("src_fd=").and_then(path),
                        target: path(fd),
                        len,
                        shared_bytes: len.or(shared),
                        ..all
                    }),
                    "FIDEDUPERANGE" => {
                        let status = field("status=").and_then(|status| status.parse().ok());
                        let deduped = count("bytes_deduped=").filter(|_| status == Some(0));
                        Some(Arguments {
                            source: path(fd),
                            target: field("dest_fd=").and_then(path),
                            len,
                            status,
                            shared_bytes: deduped.or(shared),
                            ..all
                        })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Returns where the arguments end: at a closing parenthesis that is not in a path.
fn end_of_arguments(text: &str) -> Option<usize> {
    let mut is_path = false;
    text.bytes().position(|byte| {
        is_path = (is_path || byte == b'<') && byte != b'>';
        !is_path && byte == b')'
    })
}

/// Splits arguments at the commas that are in no path and in no brackets.
fn words(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut depth, mut is_path) = (Vec::new(), 0, 0_i32, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'<' => is_path = true,
            b'>' => is_path = false,
            _ if is_path => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => {
                words.extend(text.get(start..at));
                start = at + 2;
            }
            _ => {}
        }
    }
    words.extend(text.get(start..));
    words
}

/// Returns what follows a field's name, to the end of the field.
fn value<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = fields.split_once(name)?;
    let mut is_path = false;
    let end = value.bytes().position(|byte| {
        is_path = (is_path || byte == b'<') && byte != b'>';
        !is_path && matches!(byte, b',' | b'}' | b']')
    });
    value.get(..end.unwrap_or(value.len()))
}

/// Returns the path of a descriptor `3</path>`, with the escapes of a JSON log's entry.
fn path(descriptor: &str) -> Option<Cow<'_, str>> {
    let (_, path) = descriptor.strip_suffix('>')?.split_once('<')?;
    if !path.contains('\\') {
        return Some(path.into());
    }
    Some(json::name(&unescaped(path)).into())
}

/// Decodes the escapes of strace: C's, with up to three octal digits.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes().iter().copied().peekable());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let is_octal = |byte: &u8| (b'0'..=b'7').contains(byte);
        let mut code = None;
        for _ in 0..3 {
            let Some(digit) = rest.next_if(is_octal) else { break };
            code = Some(code.unwrap_or(0) << 3 | u32::from(digit - b'0'));
        }
        bytes.extend(match code {
            Some(code) => Some(code.to_le_bytes()[0]),
            None => rest.next().map(|letter| match letter {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'v' => 0x0b,
                b'f' => 0x0c,
                other => other,
            }),
        });
    }
    bytes
}

fn offset(text: &str) -> Option<Offset<'_>> {
    if text == "NULL" {
        return None;
    }
    // A position after the call may follow.
    let before = text.split(" => ").next().unwrap_or(text);
    let position = before.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    Some(match position.and_then(|position| position.parse().ok()) {
        Some(position) => Offset::At(position),
        None => Offset::Bad(text),
    })
}

fn error_name(errno: Errno) -> Cow<'static, str> {
    errno.name().map_or_else(|| format!("errno {}", errno.0).into(), Cow::Borrowed)
}

/// Parses a number of digits only.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Parses seconds with six digits after the point.
fn microseconds(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.')?;
    let (seconds, micros) = (number(seconds)?, number(micros).filter(|_| micros.len() == 6)?);
    seconds.checked_mul(SECOND_US)?.checked_add(micros)
}
