//! A line of a JSON log: a call, a message or a summary.

use super::summary_entry::LoggedSummary;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::UNIX_EPOCH;

/// The highest process ID of any kernel: PID_MAX_LIMIT of include/linux/threads.h.
pub(crate) const LAST_PID: u32 = 1 << 22;

/// The longest name in a log, in bytes: a line is not longer than PIPE_BUF.
const MAX_NAME: usize = 4096;

/// Whether the result of a call is known. If not, the name stands in place of the method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallEnding {
    Returned,
    /// The program made the call itself, in place of the supervisor.
    LetThrough,
    /// Its thread ended in it.
    Unfinished,
}

impl CallEnding {
    fn of(ret: Option<i64>, why: Option<&str>) -> CallEnding {
        match (ret, why) {
            (None, Some(why)) if why.starts_with("let through") => CallEnding::LetThrough,
            (None, Some(_)) => CallEnding::Unfinished,
            _ => CallEnding::Returned,
        }
    }

    fn name(self) -> &'static str {
        match self {
            CallEnding::Returned => "unknown",
            CallEnding::LetThrough => "let through",
            CallEnding::Unfinished => "unfinished",
        }
    }
}

/// A line of a log.
pub(crate) enum LogEntry<'a> {
    Call(LoggedCall<'a>),
    Message(LoggedMessage<'a>),
    Summary(LoggedSummary),
}

/// A call with its outcome. The fields are the log's keys, with their escapes decoded but one: a
/// byte that is not UTF-8 is U+0000 and its two hexadecimal digits.
pub(crate) struct LoggedCall<'a> {
    pub(crate) moment: Moment,
    pub(crate) comm: Option<Cow<'a, str>>,
    /// The system call.
    pub(crate) call: Cow<'a, str>,
    pub(crate) hook: Cow<'a, str>,
    pub(crate) request: Option<Cow<'a, str>>,
    pub(crate) source: Option<Cow<'a, str>>,
    pub(crate) target: Option<Cow<'a, str>>,
    pub(crate) off_in: Option<Offset<'a>>,
    pub(crate) off_out: Option<Offset<'a>>,
    pub(crate) len: Option<u64>,
    pub(crate) flags: Option<u32>,
    /// −1 for an error, and if the result is unknown.
    pub(crate) ret: i64,
    /// The error's name, `errno N` if it has none; `None` if the call succeeded.
    pub(crate) error: Option<Cow<'a, str>>,
    /// The bytes copied or shared.
    pub(crate) bytes: u64,
    /// For FIDEDUPERANGE: 0 if the range is shared, 1 if it differs, or a negative errno.
    pub(crate) status: Option<i32>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) shared: Option<bool>,
    pub(crate) rule: Option<Cow<'a, str>>,
    pub(crate) why: Option<Cow<'a, str>>,
    pub(crate) injected: bool,
    pub(crate) delayed: bool,
    /// 0 if the result is not known.
    pub(crate) duration_ns: u64,
    pub(crate) ending: CallEnding,
    /// Whether this is the first line of the call. A call with several targets has a line for each
    /// target, and every line holds the duration of the whole call.
    pub(crate) first: bool,
}

/// A message of the library.
pub(crate) struct LoggedMessage<'a> {
    pub(crate) moment: Moment,
    pub(crate) level: Cow<'a, str>,
    pub(crate) text: Cow<'a, str>,
}

impl LoggedMessage<'_> {
    /// Returns how many lines the message reports as lost.
    pub(crate) fn lost(&self) -> Option<u64> {
        self.text.strip_suffix(" lines lost")?.parse().ok()
    }
}

/// The time and the thread of a line.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    /// Microseconds since 1970.
    pub(crate) time_us: u64,
    pub(crate) pid: u32,
    pub(crate) tid: u32,
}

/// An offset in bytes, or the address of an invalid pointer.
#[derive(Deserialize, Serialize, Clone, Copy)]
#[serde(untagged)]
pub(crate) enum Offset<'a> {
    At(i64),
    Bad(&'a str),
}

/// A string that is copied only if it holds escapes.
#[derive(Deserialize)]
struct JsonText<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys that are read. Logs of earlier versions lack some; later ones may have more.
#[derive(Deserialize)]
struct Keys<'a> {
    time: &'a str,
    pid: u32,
    tid: Option<u32>,
    #[serde(borrow)]
    comm: Option<JsonText<'a>>,
    #[serde(borrow)]
    call: Option<JsonText<'a>>,
    #[serde(borrow)]
    hook: Option<JsonText<'a>>,
    #[serde(borrow)]
    request: Option<JsonText<'a>>,
    #[serde(borrow)]
    path_in: Option<JsonText<'a>>,
    #[serde(borrow)]
    off_in: Option<Offset<'a>>,
    #[serde(borrow)]
    path_out: Option<JsonText<'a>>,
    #[serde(borrow)]
    off_out: Option<Offset<'a>>,
    len: Option<u64>,
    flags: Option<u32>,
    ret: Option<i64>,
    errno: Option<i32>,
    #[serde(borrow)]
    error: Option<JsonText<'a>>,
    bytes: Option<u64>,
    status: Option<i32>,
    target: Option<u32>,
    #[serde(borrow)]
    method: Option<JsonText<'a>>,
    shared: Option<bool>,
    #[serde(borrow)]
    rule: Option<JsonText<'a>>,
    #[serde(borrow)]
    why: Option<JsonText<'a>>,
    injected: Option<bool>,
    delayed: Option<bool>,
    duration_ns: Option<u64>,
    #[serde(borrow)]
    level: Option<JsonText<'a>>,
    #[serde(borrow)]
    message: Option<JsonText<'a>>,
}

impl<'a> LogEntry<'a> {
    /// Parses a line; `None` if it is not a line of a JSON log.
    pub(crate) fn read(line: &'a [u8]) -> Option<LogEntry<'a>> {
        // Keys that are skipped must be UTF-8 too.
        let line = std::str::from_utf8(line).ok()?;
        let Ok(keys) = serde_json::from_str::<Keys<'a>>(line) else {
            return LoggedSummary::read(line).map(LogEntry::Summary);
        };
        let moment = moment(&keys)?;
        if keys.call.is_none() {
            let (level, text) = (keys.level?.0, keys.message?.0);
            return Some(LogEntry::Message(LoggedMessage { moment, level, text }));
        }
        call(keys, moment).map(LogEntry::Call)
    }
}

fn moment(keys: &Keys) -> Option<Moment> {
    let time = humantime::parse_rfc3339(keys.time).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let time_us = u64::try_from(time.as_micros()).ok()?;
    let (pid, tid) = (keys.pid, keys.tid.unwrap_or(keys.pid));
    [pid, tid].iter().all(|id| (1..=LAST_PID).contains(id)).then_some(Moment { time_us, pid, tid })
}

fn call<'a>(keys: Keys<'a>, moment: Moment) -> Option<LoggedCall<'a>> {
    // A call that was let through or is unfinished has a reason in place of a result.
    if keys.why.is_none() && (keys.ret.is_none() || keys.method.is_none()) {
        return None;
    }
    let ending = CallEnding::of(keys.ret, keys.why.as_ref().map(|text| &*text.0));
    let ret = keys.ret.unwrap_or(-1);
    let number = keys.status.map_or(keys.errno.unwrap_or(0), |status| status.saturating_neg());
    let error = match keys.error {
        Some(name) => Some(name.0),
        None if keys.ret.is_some_and(|ret| ret < 0)
            || keys.status.is_some_and(|status| status < 0) =>
        {
            Some(format!("errno {number}").into())
        }
        None => None,
    };
    let copied = || if error.is_none() { u64::try_from(ret).unwrap_or(0) } else { 0 };
    let call = LoggedCall {
        moment,
        comm: keys.comm.map(|text| text.0),
        call: keys.call?.0,
        hook: keys.hook?.0,
        request: keys.request.map(|text| text.0),
        source: keys.path_in.map(|text| text.0),
        target: keys.path_out.map(|text| text.0),
        off_in: keys.off_in,
        off_out: keys.off_out,
        len: keys.len,
        flags: keys.flags,
        ret,
        bytes: keys.bytes.unwrap_or_else(copied),
        error,
        status: keys.status,
        method: keys.method.map_or(ending.name().into(), |text| text.0),
        shared: keys.shared,
        rule: keys.rule.map(|text| text.0),
        why: keys.why.map(|text| text.0),
        injected: keys.injected.unwrap_or(false),
        delayed: keys.delayed.unwrap_or(false),
        duration_ns: match ending {
            CallEnding::Returned => keys.duration_ns?,
            CallEnding::LetThrough | CallEnding::Unfinished => 0,
        },
        ending,
        first: keys.target.is_none_or(|index| index == 1),
    };
    let are_names = call.names().all(|name| name.len() <= MAX_NAME);
    are_names.then_some(call)
}

impl LoggedCall<'_> {
    fn names(&self) -> impl Iterator<Item = &Cow<'_, str>> {
        let always = [&self.call, &self.hook, &self.method];
        let sometimes = [
            &self.comm, &self.request, &self.source, &self.target, &self.error, &self.rule,
            &self.why,
        ];
        always.into_iter().chain(sometimes.into_iter().flatten())
    }
}
