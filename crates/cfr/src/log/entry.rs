//! A line of the JSON log: a call, a message, or neither.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::UNIX_EPOCH;

/// The highest process number of any kernel: PID_MAX_LIMIT of include/linux/threads.h.
pub(crate) const LAST_PID: u32 = 1 << 22;

/// No name of a log is longer, in bytes: its lines are not (PIPE_BUF).
const LONGEST_NAME: usize = 4096;

/// A line that was read.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and most are calls")]
pub(crate) enum Entry<'a> {
    /// A call and its outcome.
    Call(Call<'a>),
    /// What the library had to say.
    Message(Message<'a>),
}

/// A call. The names are the log's keys, without escapes but one: a byte that is not UTF-8 is
/// U+0000 and its two hexadecimal digits.
pub(crate) struct Call<'a> {
    pub(crate) moment: Moment,
    pub(crate) comm: Option<Cow<'a, str>>,
    pub(crate) hook: Cow<'a, str>,
    pub(crate) request: Option<Cow<'a, str>>,
    pub(crate) source: Option<Cow<'a, str>>,
    pub(crate) target: Option<Cow<'a, str>>,
    pub(crate) off_in: Option<Offset<'a>>,
    pub(crate) off_out: Option<Offset<'a>>,
    pub(crate) len: Option<u64>,
    pub(crate) flags: Option<u32>,
    pub(crate) ret: i64,
    /// The error's name, `errno N` where it has none; `None` where the call did not fail.
    pub(crate) error: Option<Cow<'a, str>>,
    /// Copied or shared.
    pub(crate) bytes: u64,
    /// Of FIDEDUPERANGE: 0 where the target is the same now, 1 where it differs, or `-errno`.
    pub(crate) status: Option<i32>,
    pub(crate) method: Cow<'a, str>,
    pub(crate) shared: Option<bool>,
    pub(crate) rule: Option<Cow<'a, str>>,
    pub(crate) why: Option<Cow<'a, str>>,
    pub(crate) injected: bool,
    pub(crate) delayed: bool,
    pub(crate) duration_ns: u64,
    /// Whether this is the first of the call's lines: a call with several targets has one for each,
    /// and all of them tell the time of the whole.
    pub(crate) first: bool,
}

/// A message.
pub(crate) struct Message<'a> {
    pub(crate) moment: Moment,
    pub(crate) level: Cow<'a, str>,
    pub(crate) text: Cow<'a, str>,
}

impl Message<'_> {
    /// How many lines it says were lost.
    pub(crate) fn lost(&self) -> Option<u64> {
        self.text.strip_suffix(" lines lost")?.parse().ok()
    }
}

/// When, and by whom.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    /// Microseconds since 1970.
    pub(crate) time_us: u64,
    pub(crate) pid: u32,
    pub(crate) tid: u32,
}

/// An offset in bytes, or the address of a pointer that was bad.
#[derive(Deserialize, Serialize, Clone, Copy)]
#[serde(untagged)]
pub(crate) enum Offset<'a> {
    At(i64),
    Bad(&'a str),
}

/// A string that is copied only where it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The keys that are read. Logs of earlier versions lack some; later ones may have more.
#[derive(Deserialize)]
struct Keys<'a> {
    time: &'a str,
    pid: u32,
    tid: Option<u32>,
    #[serde(borrow)]
    comm: Option<Text<'a>>,
    #[serde(borrow)]
    call: Option<Text<'a>>,
    #[serde(borrow)]
    hook: Option<Text<'a>>,
    #[serde(borrow)]
    request: Option<Text<'a>>,
    #[serde(borrow)]
    path_in: Option<Text<'a>>,
    #[serde(borrow)]
    off_in: Option<Offset<'a>>,
    #[serde(borrow)]
    path_out: Option<Text<'a>>,
    #[serde(borrow)]
    off_out: Option<Offset<'a>>,
    len: Option<u64>,
    flags: Option<u32>,
    ret: Option<i64>,
    errno: Option<i32>,
    #[serde(borrow)]
    error: Option<Text<'a>>,
    bytes: Option<u64>,
    status: Option<i32>,
    target: Option<u32>,
    #[serde(borrow)]
    method: Option<Text<'a>>,
    shared: Option<bool>,
    #[serde(borrow)]
    rule: Option<Text<'a>>,
    #[serde(borrow)]
    why: Option<Text<'a>>,
    injected: Option<bool>,
    delayed: Option<bool>,
    duration_ns: Option<u64>,
    #[serde(borrow)]
    level: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

impl<'a> Entry<'a> {
    /// What the line says; `None` where it is no line of a log.
    pub(crate) fn read(line: &'a [u8]) -> Option<Entry<'a>> {
        // Also within what is skipped.
        let line = std::str::from_utf8(line).ok()?;
        let keys: Keys<'a> = serde_json::from_str(line).ok()?;
        let moment = moment(&keys)?;
        if keys.call.is_none() {
            let (level, text) = (keys.level?.0, keys.message?.0);
            return Some(Entry::Message(Message { moment, level, text }));
        }
        call(keys, moment).map(Entry::Call)
    }
}

/// Whether it is a line of the text log: a process, seconds with six digits behind the point, and
/// what follows.
pub(crate) fn is_text(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"cfr: ").unwrap_or(line);
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let is_time = |word: &[u8]| {
        let mut parts = word.splitn(2, |&byte| byte == b'.');
        parts.next().is_some_and(is_number)
            && parts.next().is_some_and(|micros| micros.len() == 6 && is_number(micros))
    };
    words.next().is_some_and(is_number) && words.next().is_some_and(is_time)
}

fn moment(keys: &Keys) -> Option<Moment> {
    let time = humantime::parse_rfc3339(keys.time).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let time_us = u64::try_from(time.as_micros()).ok()?;
    let (pid, tid) = (keys.pid, keys.tid.unwrap_or(keys.pid));
    [pid, tid].iter().all(|id| (1..=LAST_PID).contains(id)).then_some(Moment { time_us, pid, tid })
}

fn call<'a>(keys: Keys<'a>, moment: Moment) -> Option<Call<'a>> {
    let ret = keys.ret?;
    let number = keys.status.map_or(keys.errno.unwrap_or(0), |status| status.saturating_neg());
    let error = match keys.error {
        Some(name) => Some(name.0),
        None if ret < 0 || keys.status.is_some_and(|status| status < 0) => {
            Some(format!("errno {number}").into())
        }
        None => None,
    };
    let copied = || if error.is_none() { u64::try_from(ret).unwrap_or(0) } else { 0 };
    let call = Call {
        moment,
        comm: keys.comm.map(|text| text.0),
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
        method: keys.method?.0,
        shared: keys.shared,
        rule: keys.rule.map(|text| text.0),
        why: keys.why.map(|text| text.0),
        injected: keys.injected.unwrap_or(false),
        delayed: keys.delayed.unwrap_or(false),
        duration_ns: keys.duration_ns?,
        first: keys.target.is_none_or(|place| place == 1),
    };
    let are_names = call.names().all(|name| name.len() <= LONGEST_NAME);
    are_names.then_some(call)
}

impl Call<'_> {
    fn names(&self) -> impl Iterator<Item = &Cow<'_, str>> {
        let always = [&self.hook, &self.method];
        let sometimes = [
            &self.comm, &self.request, &self.source, &self.target, &self.error, &self.rule,
            &self.why,
        ];
        always.into_iter().chain(sometimes.into_iter().flatten())
    }
}
