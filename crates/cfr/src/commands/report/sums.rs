//! What a log comes to: sums that take the same memory however long it is.

use super::table::Table;
use super::tally::Tally;
use crate::cli::Order;
use crate::log::entry::{Call, Entry, LAST_PID, Message};
use crate::term::failure::Failure;
use hdrhistogram::Histogram;
use serde::Serialize;

/// Pairs of paths that are kept apart.
const PAIRS: usize = 10_000;

/// Methods, hooks, programs and causes that are kept apart.
const NAMES: usize = 1_000;

/// A day, in nanoseconds: percentiles do not tell longer calls apart.
const LONGEST_CALL: u64 = 86_400_000_000_000;

/// Of percentiles; so they are off by 0.1 % at most.
const DIGITS: u8 = 3;

/// All that is added up.
pub(super) struct Sums {
    pub(super) all: Tally,
    /// Calls that copied nothing and did not fail: end of the file, or nothing asked.
    pub(super) zero: u64,
    /// FIDEDUPERANGE: targets that were not the same.
    pub(super) differ: u64,
    pub(super) injected: u64,
    /// Calls that a fault has delayed.
    pub(super) delayed: u64,
    pub(super) shared: u64,
    pub(super) not_shared: u64,
    /// When the first call began and the last ended, in microseconds since 1970.
    pub(super) span: Option<(u64, u64)>,
    pub(super) messages: u64,
    pub(super) lost: u64,
    pub(super) foreign: Foreign,
    pub(super) pids: Pids,
    pub(super) programs: Table<Program>,
    pub(super) methods: Table<Method>,
    pub(super) hooks: Table<Hook>,
    pub(super) causes: Table<Cause>,
    pub(super) pairs: Table<Pair>,
    /// Durations in nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) slowest: Slowest,
}

/// A thread's name.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct Program {
    pub(super) comm: Option<Box<str>>,
}

/// How bytes moved.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct Method {
    pub(super) method: Box<str>,
}

/// Through which function, and with which request.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct Hook {
    pub(super) hook: Box<str>,
    pub(super) request: Option<Box<str>>,
}

/// An error, and the rule that it comes from.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct Cause {
    pub(super) error: Box<str>,
    pub(super) rule: Option<Box<str>>,
    pub(super) why: Option<Box<str>>,
}

/// From where to where.
#[derive(PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct Pair {
    pub(super) source: Option<Box<str>>,
    pub(super) target: Option<Box<str>>,
}

/// Lines that are none of a log.
#[derive(Default, Serialize)]
pub(super) struct Foreign {
    pub(super) count: u64,
    pub(super) first: Option<Place>,
}

/// A line of a log.
#[derive(Serialize)]
pub(super) struct Place {
    pub(super) log: String,
    /// From 1.
    pub(super) line: u64,
}

impl Sums {
    /// Nothing yet. `top` calls are kept, and pairs in this order.
    pub(super) fn new(top: usize, order: Order) -> Result<Sums, Failure> {
        let latency = Histogram::new_with_bounds(1, LONGEST_CALL, DIGITS)
            .map_err(|error| Failure::new(format!("cannot count durations: {error}")))?;
        Ok(Sums {
            all: Tally::default(),
            zero: 0,
            differ: 0,
            injected: 0,
            delayed: 0,
            shared: 0,
            not_shared: 0,
            span: None,
            messages: 0,
            lost: 0,
            foreign: Foreign::default(),
            pids: Pids::new(),
            programs: Table::new(NAMES, order),
            methods: Table::new(NAMES, Order::Calls),
            hooks: Table::new(NAMES, Order::Calls),
            causes: Table::new(NAMES, Order::Calls),
            pairs: Table::new(PAIRS, order),
            latency,
            slowest: Slowest { room: top, calls: Vec::new() },
        })
    }

    /// Adds what a line says.
    pub(super) fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Call(call) => self.add_call(call),
            Entry::Message(message) => self.add_message(message),
        }
    }

    /// Adds a line that is none of a log.
    pub(super) fn add_foreign(&mut self, log: &str, line: u64) {
        self.foreign.count += 1;
        self.foreign.first.get_or_insert_with(|| Place { log: log.to_owned(), line });
    }

    fn add_message(&mut self, message: &Message) {
        self.messages += 1;
        self.lost = self.lost.saturating_add(message.lost().unwrap_or(0));
    }

    fn add_call(&mut self, call: &Call) {
        let tally = Tally::of(call);
        self.all.add(tally);
        let is_copy = call.request.is_none();
        self.zero += u64::from(is_copy && call.ret == 0 && call.error.is_none());
        self.differ += u64::from(call.status == Some(1));
        self.injected += u64::from(call.injected);
        self.delayed += u64::from(call.delayed);
        self.shared += u64::from(call.shared == Some(true));
        self.not_shared += u64::from(call.shared == Some(false));
        let begin = call.moment.time_us;
        let end = begin.saturating_add(call.duration_ns / 1_000);
        let (first, last) = self.span.unwrap_or((begin, end));
        self.span = Some((first.min(begin), last.max(end)));
        self.pids.add(call.moment.pid);
        self.methods.add(Method { method: own(&call.method) }, tally);
        let hook = Hook { hook: own(&call.hook), request: owned(call.request.as_deref()) };
        self.hooks.add(hook, tally);
        self.programs.add(Program { comm: owned(call.comm.as_deref()) }, tally);
        let pair =
            Pair { source: owned(call.source.as_deref()), target: owned(call.target.as_deref()) };
        self.pairs.add(pair, tally);
        if let Some(error) = &call.error {
            let (error, rule) = (own(error), owned(call.rule.as_deref()));
            self.causes.add(Cause { error, rule, why: owned(call.why.as_deref()) }, tally);
        }
        if call.first {
            self.latency.saturating_record(call.duration_ns);
            self.slowest.add(call);
        }
    }
}

fn own(name: &str) -> Box<str> {
    Box::from(name)
}

fn owned(name: Option<&str>) -> Option<Box<str>> {
    name.map(own)
}

/// Which process numbers were seen: a bit for each that there can be.
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

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }
}

/// The calls that took longest.
pub(super) struct Slowest {
    room: usize,
    /// The slowest first.
    calls: Vec<SlowCall>,
}

/// A call that took long. The names are the log's keys.
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
    fn add(&mut self, call: &Call) {
        let place = self.calls.partition_point(|slow| slow.duration_ns >= call.duration_ns);
        if place == self.room {
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
        self.calls.insert(place, slow);
        self.calls.truncate(self.room);
    }

    /// The slowest first.
    pub(super) fn calls(self) -> Vec<SlowCall> {
        self.calls
    }
}
