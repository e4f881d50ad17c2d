//! A call with its outcome and context, sent as one `tracing` event.
//!
//! The event's message is the record itself, unformatted. Its destination, the library's log or the
//! subscriber of a Rust program that links this crate, formats it into its own buffer:
//! `{:?}` is the text log and `{:#?}` the JSON log, see [`crate::format`].

use cfr_engine::call::{Call, Method, Request};
use cfr_engine::diag::{EventKind, EventLog};
use cfr_engine::dialect::{self, Dialect, Rule};
use cfr_engine::execution::Outcome;
use cfr_engine::hook::Hook;
use cfr_sys::Sharing;
use cfr_sys::errno::Errno;
use tracing::Level;

/// The target of the event that each call sends.
pub const TARGET: &str = "cfr::call";

/// The target of the sentence that follows a call which broke a rule, or whose error a rule explains.
pub const RULE: &str = "cfr::rule";

/// A call with its outcome and context, as it is logged and counted.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The call as the program made it.
    pub call: &'a Call,
    pub outcome: &'a Outcome,
    /// When, where and under which settings it was made.
    pub context: Context<'a>,
}

/// What a call did on all its targets. A record of FIDEDUPERANGE is about one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Whole {
    pub bytes: u64,
    /// How they were shared.
    pub method: Method,
}

/// Whether the result of a call is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It returned what the outcome says.
    Returned,
    /// The supervisor let the program make the call itself, for this reason.
    LetThrough(&'static str),
    /// Its thread ended in it.
    Unfinished,
}

/// When, where and under which settings a call was made.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// When the call began, in nanoseconds since 1970 (CLOCK_REALTIME).
    pub time_ns: u64,
    /// From the call to its answer, in nanoseconds (CLOCK_MONOTONIC).
    pub duration_ns: u64,
    pub pid: i32,
    pub ending: Ending,
    /// The calling thread; `None` if the format does not show it.
    pub tid: Option<i32>,
    /// The thread's name; `None` if the format does not show it.
    pub comm: Option<&'a [u8]>,
    /// The function that the program called.
    pub hook: Hook,
    /// The source's path, or what /proc calls it; `None` if unknown or not asked for.
    pub path_in: Option<&'a [u8]>,
    /// The target's path, likewise.
    pub path_out: Option<&'a [u8]>,
    /// `*off_in` and `*off_out` after the call, in bytes.
    pub offsets_after: (Option<i64>, Option<i64>),
    /// Whether the target range shares its blocks (`CFR_SHARED`), and how many of its bytes do; `None`
    /// if unknown.
    pub sharing: Option<(Sharing, u64)>,
    pub dialect: &'static Dialect,
    /// Whether a fault answered or shortened the call, or sent a signal.
    pub injected: bool,
    /// Whether a fault delayed it.
    pub delayed: bool,
}

impl Record<'_> {
    /// Reports whether the kernel answered in the default dialect and no note but `kernel` is due, as
    /// for nearly all calls: the fast path of both formats.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.outcome.method == Method::Kernel
            && self.context.hook != Hook::Seccomp
            && self.outcome.rule.is_none()
            && self.context.sharing.is_none()
            && !self.is_tampered_with()
            && !matches!(self.call.request, Request::Dedupe(_))
            && core::ptr::eq(self.context.dialect, dialect::DEFAULT)
    }

    /// Reports whether a rule, a fallback or a fault had a part in the call, which makes its line a
    /// warning.
    #[inline(always)]
    #[must_use]
    pub fn is_unusual(&self) -> bool {
        self.outcome.judged
            || self.outcome.fell_back
            || self.is_tampered_with()
            || self.context.ending != Ending::Returned
    }

    /// Reports whether a fault changed or delayed the call.
    #[inline(always)]
    fn is_tampered_with(&self) -> bool {
        self.context.injected || self.context.delayed
    }

    /// Returns the error that the line shows: the call's, or the FIDEDUPERANGE target's.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        self.call.error(self.outcome.answer)
    }

    /// Sends the record as one event.
    #[inline]
    pub fn emit(&self) {
        self.kind().send_call(self);
    }

    /// Writes the record to this log.
    pub fn write_to(&self, log: &impl EventLog) {
        log.write_call(self.kind(), self);
    }

    #[inline(always)]
    fn kind(&self) -> &'static EventKind {
        static CALL: EventKind = EventKind::new(&CALL, TARGET, Level::INFO);
        static UNUSUAL_CALL: EventKind = EventKind::new(&UNUSUAL_CALL, TARGET, Level::WARN);
        if self.is_unusual() { &UNUSUAL_CALL } else { &CALL }
    }

    /// Sends the sentence of `rule`: as a warning if the library found that the call broke it; with
    /// level `debug` if it explains the kernel's error, which the call's own line has the rule of.
    #[cold]
    pub fn explain(&self, rule: &Rule) {
        static EXPLAINED: EventKind = EventKind::new(&EXPLAINED, RULE, Level::DEBUG);
        static JUDGED: EventKind = EventKind::new(&JUDGED, RULE, Level::WARN);
        let kind = if self.outcome.judged { &JUDGED } else { &EXPLAINED };
        let (id, why, source) = (rule.id, rule.why, rule.source.text());
        match self.call.request {
            Request::Copy => {
                let dialect = self.context.dialect.name;
                kind.send(&format_args!("rule {id}: {why} ({dialect}; {source})"));
            }
            // The kernel alone decides about the others.
            _ => kind.send(&format_args!("rule {id}: {why} ({source})")),
        }
    }
}
