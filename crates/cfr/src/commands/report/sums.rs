//! Sums over a log, in the same memory whatever its length.

use super::path_pair::PathPair;
use super::sizes::Sizes;
use super::summaries::SummariesSums;
use super::table::Table;
use super::tally::Tally;
use super::targets::TargetSums;
use super::timeline::Timeline;
use crate::cli::Order;
use crate::log::entry::{CallEnding, LAST_PID, LogEntry, LoggedCall, LoggedMessage};
use crate::term::failure::Failure;
use cfr_engine::call::Method;
use hdrhistogram::Histogram;
use serde::Serialize;

/// The most pairs of paths that have a row of their own.
const MAX_PAIRS: usize = 10_000;

/// The most methods, hooks, programs and causes that have a row of their own.
const MAX_NAMES: usize = 1_000;

/// The longest duration that percentiles distinguish, in nanoseconds: a day.
const MAX_DURATION_NS: u64 = 86_400_000_000_000;

/// Significant digits of percentiles: the error is at most 0.1 %.
const DIGITS: u8 = 3;

/// Everything that a report shows of a log.
pub(super) struct Sums {
    pub(super) all: Tally,
    pub(super) counts: Counts,
    /// The begin of the first call and the end of the last, in microseconds since 1970.
    pub(super) span: Option<(u64, u64)>,
    pub(super) messages: u64,
    pub(super) lost: u64,
    pub(super) foreign: ForeignLines,
    pub(super) empty: EmptyLogs,
    /// Lines that the report is not about.
    pub(super) left_out: u64,
    pub(super) pids: Pids,
    pub(super) programs: Table<ProgramKey>,
    pub(super) methods: Table<MethodKey>,
    pub(super) hooks: Table<HookKey>,
    pub(super) causes: Table<ErrorCause>,
    pub(super) pairs: Table<PathPair>,
    pub(super) targets: TargetSums,
    pub(super) summaries: SummariesSums,
    /// The durations in nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) sizes: Sizes,
    pub(super) timeline: Timeline,
    pub(super) slowest: Slowest,
}

/// Counts of calls, which are added up and shown as they are. The names are keys of the JSON report.
#[derive(Default, Serialize)]
pub(super) struct Counts {
    /// Calls that copied nothing and succeeded: at the end of the file, or with a length of 0.
    pub(super) zero: u64,
    /// Nanoseconds in those, and in the calls that failed.
    pub(super) zero_ns: u64,
    pub(super) errors_ns: u64,
    /// What was copied by moving bytes.
    pub(super) copied: Tally,
    /// Targets of FIDEDUPERANGE that differed.
    pub(super) differ: u64,
    pub(super) injected: u64,
    /// Calls that a fault delayed.
    pub(super) delayed: u64,
    /// Calls that their programs made in place of the supervisor, with unknown results.
    pub(super) let_through: u64,
    /// Calls in which their threads ended.
    pub(super) unfinished: u64,
    pub(super) shared: u64,
    pub(super) not_shared: u64,
    /// The bytes of these calls.
    pub(super) shared_bytes: u64,
    pub(super) not_shared_bytes: u64,
}

/// The name of a thread.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct ProgramKey {
    pub(super) comm: Option<Box<str>>,
}

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct MethodKey {
    pub(super) method: Box<str>,
}

/// The hook and the request of a call.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct HookKey {
    pub(super) hook: Box<str>,
    pub(super) request: Option<Box<str>>,
}

/// An error, and the rule that caused it.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct ErrorCause {
    pub(super) error: Box<str>,
    pub(super) rule: Option<Box<str>>,
    pub(super) why: Option<Box<str>>,
}

/// Lines that are not log lines.
#[derive(Default, Serialize)]
pub(super) struct ForeignLines {
    pub(super) count: u64,
    pub(super) first: Option<LinePosition>,
}

/// Logs without a line.
#[derive(Default, Serialize)]
pub(super) struct EmptyLogs {
    pub(super) count: u64,
    pub(super) first: Option<String>,
}

/// The position of a line.
#[derive(Serialize)]
pub(super) struct LinePosition {
    pub(super) log: String,
    /// The number of the line, from 1.
    pub(super) line: u64,
}

impl Sums {
    /// Begins with zeros. Keeps the `top` slowest calls, and rows in this order.
    pub(super) fn new(top: usize, order: Order) -> Result<Sums, Failure> {
        let latency = Histogram::new_with_bounds(1, MAX_DURATION_NS, DIGITS)
            .map_err(|error| Failure::new(format!("cannot count durations: {error}")))?;
        Ok(Sums {
            all: Tally::default(),
            counts: Counts::default(),
            span: None,
            messages: 0,
            lost: 0,
            foreign: ForeignLines::default(),
            empty: EmptyLogs::default(),
            left_out: 0,
            pids: Pids::new(),
            programs: Table::new(MAX_NAMES, order),
            methods: Table::new(MAX_NAMES, Order::Calls),
            hooks: Table::new(MAX_NAMES, Order::Calls),
            causes: Table::new(MAX_NAMES, Order::Calls),
            pairs: Table::new(MAX_PAIRS, order),
            targets: TargetSums::new(order),
            summaries: SummariesSums::new(),
            latency,
            sizes: Sizes::new(),
            timeline: Timeline::default(),
            slowest: Slowest { room: top, calls: Vec::new() },
        })
    }

    pub(super) fn add(&mut self, entry: &LogEntry) {
        match entry {
            LogEntry::Call(call) => self.add_call(call),
            LogEntry::Message(message) => self.add_message(message),
            LogEntry::Summary(summary) => self.summaries.add(summary),
        }
    }

    /// Counts a line that is not a log line.
    pub(super) fn add_foreign(&mut self, log: &str, line: u64) {
        self.foreign.count += 1;
        self.foreign.first.get_or_insert_with(|| LinePosition { log: log.to_owned(), line });
    }

    /// Counts a log without a line.
    pub(super) fn add_empty(&mut self, log: &str) {
        self.empty.count += 1;
        self.empty.first.get_or_insert_with(|| log.to_owned());
    }

    /// Counts lines that the log says were lost.
    pub(super) fn add_lost(&mut self, lines: u64) {
        self.messages += 1;
        self.lost = self.lost.saturating_add(lines);
    }

    fn add_message(&mut self, message: &LoggedMessage) {
        self.messages += 1;
        self.lost = self.lost.saturating_add(message.lost().unwrap_or(0));
    }

    fn add_call(&mut self, call: &LoggedCall) {
        match call.ending {
            CallEnding::Returned => {}
            CallEnding::LetThrough => return self.counts.let_through += 1,
            CallEnding::Unfinished => return self.counts.unfinished += 1,
        }
        let tally = Tally::of(call);
        self.all.add(tally);
        self.sizes.add(tally);
        self.timeline.add(call);
        let is_copy = call.request.is_none();
        if is_copy && call.ret == 0 && call.error.is_none() {
            self.counts.zero += 1;
            self.counts.zero_ns = self.counts.zero_ns.saturating_add(tally.time_ns);
        }
        if call.error.is_some() {
            self.counts.errors_ns = self.counts.errors_ns.saturating_add(tally.time_ns);
        }
        if call.bytes > 0 && moves_bytes(&call.method) {
            self.counts.copied.add(tally);
        }
        self.counts.differ += u64::from(call.status == Some(1));
        self.counts.injected += u64::from(call.injected);
        self.counts.delayed += u64::from(call.delayed);
        if let Some(shared) = call.shared {
            let (calls, bytes) = match shared {
                true => (&mut self.counts.shared, &mut self.counts.shared_bytes),
                false => (&mut self.counts.not_shared, &mut self.counts.not_shared_bytes),
            };
            *calls += 1;
            *bytes = bytes.saturating_add(call.bytes);
        }
        let begin = call.moment.time_us;
        let end = begin.saturating_add(call.duration_ns / 1_000);
        let (first, last) = self.span.unwrap_or((begin, end));
        self.span = Some((first.min(begin), last.max(end)));
        self.pids.add(call.moment.pid);
        self.methods.add(MethodKey { method: own(&call.method) }, tally);
        let hook = HookKey { hook: own(&call.hook), request: owned(call.request.as_deref()) };
        self.hooks.add(hook, tally);
        self.programs.add(ProgramKey { comm: owned(call.comm.as_deref()) }, tally);
        let pair = PathPair::new(owned(call.source.as_deref()), owned(call.target.as_deref()));
        self.pairs.add(pair, tally);
        self.targets.add(call.target.as_deref(), &call.method, tally);
        if let Some(error) = &call.error {
            let (error, rule) = (own(error), owned(call.rule.as_deref()));
            self.causes.add(ErrorCause { error, rule, why: owned(call.why.as_deref()) }, tally);
        }
        if call.first {
            self.latency.saturating_record(call.duration_ns);
            self.slowest.add(call);
        }
    }
}

/// Reports whether the method of a log line moves bytes; the others share blocks.
pub(super) fn moves_bytes(method: &str) -> bool {
    !Method::ALL.into_iter().any(|known| known.name() == method && !known.moves_bytes())
}

fn own(name: &str) -> Box<str> {
    Box::from(name)
}

fn owned(name: Option<&str>) -> Option<Box<str>> {
    name.map(own)
}

/// The process IDs that were seen: a bit for each possible one.
pub(super) struct Pids(Vec<u64>);

impl Pids {
    fn new() -> Pids {
        Pids(vec![0; LAST_PID as usize / 64 + 1])
    }

    fn add(&mut self, pid: u32) {
        if let Some(bits) = self.0.get_mut(pid as usize / 64) {
            *bits |= 1 << (pid % 64);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }
}

/// As many of the slowest calls as the report shows.
pub(super) struct Slowest {
    room: usize,
    /// Sorted, the slowest first.
    calls: Vec<SlowCall>,
}

/// A slow call. The fields are the log's keys.
#[derive(Serialize)]
pub(super) struct SlowCall {
    /// Microseconds since 1970.
    #[serde(serialize_with = "super::moment::as_rfc3339")]
    pub(super) time: u64,
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) comm: Option<Box<str>>,
    pub(super) hook: Box<str>,
    pub(super) request: Option<Box<str>>,
    pub(super) source: Option<Box<str>>,
    pub(super) target: Option<Box<str>>,
    pub(super) len: Option<u64>,
    pub(super) ret: i64,
    pub(super) error: Option<Box<str>>,
    pub(super) bytes: u64,
    pub(super) method: Box<str>,
    pub(super) duration_ns: u64,
}

impl Slowest {
    fn add(&mut self, call: &LoggedCall) {
        let index = self.calls.partition_point(|slow| slow.duration_ns >= call.duration_ns);
        if index == self.room {
            return;
        }
        let slow = SlowCall {
            time: call.moment.time_us,
            pid: call.moment.pid,
            tid: call.moment.tid,
            comm: owned(call.comm.as_deref()),
            hook: own(&call.hook),
            request: owned(call.request.as_deref()),
            source: owned(call.source.as_deref()),
            target: owned(call.target.as_deref()),
            len: call.len,
            ret: call.ret,
            error: owned(call.error.as_deref()),
            bytes: call.bytes,
            method: own(&call.method),
            duration_ns: call.duration_ns,
        };
        self.calls.insert(index, slow);
        self.calls.truncate(self.room);
    }

    /// Returns the calls, the slowest first.
    pub(super) fn calls(self) -> Vec<SlowCall> {
        self.calls
    }
}
