//! The calls of a log as a trace in Chrome's Trace Event Format, for ui.perfetto.dev and
//! chrome://tracing: one JSON object, written while the log is read.

use super::moment::rfc3339;
use crate::log::entry::{LogEntry, LoggedCall, LoggedMessage, Moment, Offset};
use crate::term::json;
use cfr_engine::flags::Flags;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

/// The most names of threads that are remembered; after that, all names are written again.
const THREADS: usize = 10_000;

/// Timestamps start a day before the first line, because later lines may have begun before it. They
/// do not count from 1970: viewers use 64-bit floats, which would round such microseconds to
/// quarters.
const MARGIN_US: u64 = 86_400_000_000;

/// A trace that is being written.
pub(super) struct Events<W> {
    out: W,
    /// Timestamp 0, in microseconds since 1970.
    zero_us: Option<u64>,
    /// Whether no event was written yet.
    empty: bool,
    threads: HashMap<(u32, u32), Thread>,
}

#[derive(Default)]
struct Thread {
    comm: Option<Box<str>>,
    /// The end of its latest call, in nanoseconds from timestamp 0.
    end_ns: i128,
}

/// An event. The fields are the format's keys.
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
    /// The scope of an instant event: its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    args: A,
}

/// What a viewer shows if the user selects a call.
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
    /// Begins a trace.
    pub(super) fn new(mut out: W) -> io::Result<Events<W>> {
        out.write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
        Ok(Events { out, zero_us: None, empty: true, threads: HashMap::new() })
    }

    pub(super) fn add(&mut self, entry: &LogEntry) -> io::Result<()> {
        match entry {
            LogEntry::Call(call) => self.add_call(call),
            LogEntry::Message(message) => self.add_message(message),
            // It has no time.
            LogEntry::Summary(_) => Ok(()),
        }
    }

    /// Ends the trace and flushes it.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"\n],\"otherData\":")?;
        json::write(&mut self.out, &OtherData { zero: self.zero_us.map(rfc3339) })?;
        self.out.write_all(b"}\n")?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn add_call(&mut self, call: &LoggedCall) -> io::Result<()> {
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
        // The log truncates times to microseconds: a call may seem to begin before the previous one
        // has ended, and viewers drop events that overlap.
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

    fn add_message(&mut self, message: &LoggedMessage) -> io::Result<()> {
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

    /// Writes the names of a thread and its process, if they were not written yet or have changed.
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
        // A process is named after its first thread. If that has made no copy, another thread's
        // name is used.
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

/// The format's key for other data.
#[derive(Serialize)]
struct OtherData {
    /// The time of timestamp 0.
    zero: Option<String>,
}

fn microseconds(ns: i128) -> f64 {
    ns as f64 / 1_000.0
}

/// Returns the flags as the text log writes them.
fn flags(flags: u32) -> String {
    let flags = Flags(flags);
    let unnamed = Some(flags.unnamed()).filter(|&bits| bits != 0 || flags.0 == 0);
    let names = flags.names().map(str::to_owned);
    let unnamed = unnamed.map(|bits| if bits == 0 { "0".to_owned() } else { format!("{bits:#x}") });
    names.chain(unnamed).collect::<Vec<_>>().join("|")
}
