//! Calls as a trace in Chrome's Trace Event Format, for ui.perfetto.dev and chrome://tracing: one
//! JSON object, written as the log is read.

use super::moment::rfc3339;
use crate::log::entry::{Call, Entry, Message, Moment, Offset};
use crate::term::json;
use cfr_engine::flags::Flags;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

/// Of how many threads is known what they are called; then all is said again.
const THREADS: usize = 10_000;

/// Viewers count in double floats, which would round microseconds since 1970 to quarters. So
/// timestamps begin a day before the first line: other lines may have begun before it did.
const MARGIN_US: u64 = 86_400_000_000;

/// A trace that is being written.
pub(super) struct Events<W> {
    out: W,
    /// Timestamp 0, in microseconds since 1970.
    zero_us: Option<u64>,
    /// Whether no event is written yet.
    empty: bool,
    threads: HashMap<(u32, u32), Thread>,
}

#[derive(Default)]
struct Thread {
    comm: Option<Box<str>>,
    /// When its latest call ended, in nanoseconds from timestamp 0.
    end_ns: i128,
}

/// An event. The keys are the format's.
#[derive(Serialize)]
struct Event<'a, A> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'a str>,
    ph: &'static str,
    /// Microseconds.
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u32,
    tid: u32,
    /// Of an instant event: that it is its thread's.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    args: A,
}

/// What a viewer shows of a call that is selected.
#[derive(Serialize)]
struct CallArgs<'a> {
    source: Option<&'a str>,
    target: Option<&'a str>,
    off_in: Option<Offset<'a>>,
    off_out: Option<Offset<'a>>,
    len: Option<u64>,
    flags: Option<String>,
    ret: i64,
    error: Option<&'a str>,
    rule: Option<&'a str>,
    why: Option<&'a str>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<i32>,
    shared: Option<bool>,
    injected: bool,
    delayed: bool,
}

#[derive(Serialize)]
struct NameArgs<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct NoArgs {}

impl<W: Write> Events<W> {
    /// A trace without an event.
    pub(super) fn new(mut out: W) -> io::Result<Events<W>> {
        out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        Ok(Events { out, zero_us: None, empty: true, threads: HashMap::new() })
    }

    /// Adds what a line of the log says.
    pub(super) fn add(&mut self, entry: &Entry) -> io::Result<()> {
        match entry {
            Entry::Call(call) => self.add_call(call),
            Entry::Message(message) => self.add_message(message),
        }
    }

    /// Ends the trace, all of it written.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"\n],\"otherData\":")?;
        json::write(&mut self.out, &OtherData { zero: self.zero_us.map(rfc3339) })?;
        self.out.write_all(b"}\n")?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn add_call(&mut self, call: &Call) -> io::Result<()> {
        if let Some(comm) = &call.comm {
            self.introduce(call.moment, comm)?;
        }
        let Moment { pid, tid, .. } = call.moment;
        let name = match &call.request {
            Some(request) => Cow::Owned(format!("{} {request}", call.hook)),
            None => Cow::Borrowed(&*call.hook),
        };
        let duration_ns = if call.first { call.duration_ns } else { 0 };
        let mut begin_ns = self.since_zero(call.moment);
        let thread = self.threads.entry((pid, tid)).or_default();
        // The log's times are cut to microseconds: a call may seem to begin before the call before
        // it has ended, and viewers drop what overlaps.
        if (begin_ns + 1..begin_ns + 1_000).contains(&thread.end_ns) {
            begin_ns = thread.end_ns;
        }
        thread.end_ns = begin_ns + i128::from(duration_ns);
        self.write(&Event {
            name: &name,
            cat: Some(&call.method),
            ph: "X",
            ts: microseconds(begin_ns),
            dur: Some(microseconds(duration_ns.into())),
            pid,
            tid,
            s: None,
            args: CallArgs {
                source: call.source.as_deref(),
                target: call.target.as_deref(),
                off_in: call.off_in,
                off_out: call.off_out,
                len: call.len,
                flags: call.flags.map(flags),
                ret: call.ret,
                error: call.error.as_deref(),
                rule: call.rule.as_deref(),
                why: call.why.as_deref(),
                bytes: call.bytes,
                status: call.status,
                shared: call.shared,
                injected: call.injected,
                delayed: call.delayed,
            },
        })
    }

    fn add_message(&mut self, message: &Message) -> io::Result<()> {
        let Moment { pid, tid, .. } = message.moment;
        let ts = microseconds(self.since_zero(message.moment));
        let (name, cat) = (&*message.text, Some(&*message.level));
        self.write(&Event {
            name,
            cat,
            ph: "i",
            ts,
            dur: None,
            pid,
            tid,
            s: Some("t"),
            args: NoArgs {},
        })
    }

    /// Says what thread and process are called, where that is news.
    fn introduce(&mut self, moment: Moment, comm: &str) -> io::Result<()> {
        let Moment { pid, tid, .. } = moment;
        if self.threads.len() >= THREADS {
            self.threads.clear();
        }
        let thread = self.threads.entry((pid, tid)).or_default();
        if thread.comm.as_deref() == Some(comm) {
            return Ok(());
        }
        thread.comm = Some(comm.into());
        // A process has its first thread's name; that thread may never copy.
        let names_process = pid == tid || !self.threads.contains_key(&(pid, pid));
        let ts = microseconds(self.since_zero(moment));
        for (name, wanted) in [("process_name", names_process), ("thread_name", true)] {
            if wanted {
                let args = NameArgs { name: comm };
                self.write(&Event {
                    name,
                    cat: None,
                    ph: "M",
                    ts,
                    dur: None,
                    pid,
                    tid,
                    s: None,
                    args,
                })?;
            }
        }
        Ok(())
    }

    fn since_zero(&mut self, moment: Moment) -> i128 {
        let time_us = moment.time_us;
        let zero_us = *self.zero_us.get_or_insert(time_us.saturating_sub(MARGIN_US));
        (i128::from(time_us) - i128::from(zero_us)) * 1_000
    }

    fn write<A: Serialize>(&mut self, event: &Event<A>) -> io::Result<()> {
        self.out.write_all(if std::mem::take(&mut self.empty) { b"\n" } else { b",\n" })?;
        json::write(&mut self.out, event)
    }
}

/// What else the format has room for.
#[derive(Serialize)]
struct OtherData {
    /// When timestamp 0 was.
    zero: Option<String>,
}

fn microseconds(ns: i128) -> f64 {
    ns as f64 / 1_000.0
}

/// As the text log has them.
fn flags(flags: u32) -> String {
    let flags = Flags(flags);
    let unnamed = Some(flags.unnamed()).filter(|&bits| bits != 0 || flags.0 == 0);
    let names = flags.names().map(str::to_owned);
    let unnamed = unnamed.map(|bits| if bits == 0 { "0".to_owned() } else { format!("{bits:#x}") });
    names.chain(unnamed).collect::<Vec<_>>().join("|")
}
