//! The summary of a log. Its JSON keys are documented in cfr-report(1) and do not change.

use super::moment::rfc3339;
use super::path_pair::PathPair;
use super::sizes::Sizes;
use super::summaries::Summaries;
use super::sums::{
    Counts, EmptyLogs, ErrorCause, ForeignLines, HookKey, MethodKey, ProgramKey, SlowCall, Sums,
    moves_bytes,
};
use super::table::{Top, TopRow};
use super::tally::{Tally, per_second};
use super::targets::{NeverCopied, Target, Targets};
use super::timeline::Timeline;
use crate::cli::Order;
use hdrhistogram::Histogram;
use serde::Serialize;

/// The content of a report.
#[derive(Serialize)]
pub(super) struct LogSummary {
    #[serde(flatten)]
    pub(super) all: Tally,
    #[serde(flatten)]
    pub(super) counts: Counts,
    pub(super) processes: u64,
    /// The begin of the first call, in RFC 3339.
    pub(super) first: Option<String>,
    /// The end of the last call.
    pub(super) last: Option<String>,
    /// The time between the two.
    pub(super) span_us: u64,
    pub(super) bytes_per_second: Speed,
    pub(super) latency_ns: Option<Latency>,
    /// Lines of the log that are messages.
    pub(super) messages: u64,
    /// Lines that the library could not write.
    pub(super) lost: u64,
    /// Lines that are not log lines.
    pub(super) foreign: ForeignLines,
    pub(super) empty: EmptyLogs,
    /// Lines that the report is not about.
    pub(super) left_out: u64,
    pub(super) methods: Top<MethodSpeed>,
    pub(super) hooks: Top<HookKey>,
    pub(super) programs: Top<ProgramKey>,
    pub(super) failures: Vec<Failures>,
    pub(super) slowest: Vec<SlowCall>,
    /// The order of the pairs.
    pub(super) by: &'static str,
    pub(super) pairs: Top<PathPair>,
    pub(super) targets: Top<Target>,
    /// `None` if there were too many targets to know.
    pub(super) never_copied: Option<NeverCopied>,
    pub(super) summaries: Summaries,
    /// What only a page shows.
    #[serde(skip)]
    pub(super) distributions: Distributions,
}

/// How the calls are distributed.
pub(super) struct Distributions {
    /// The begin of the first call, in microseconds since 1970.
    pub(super) first_us: u64,
    pub(super) timeline: Timeline,
    /// The durations in nanoseconds.
    pub(super) durations: Histogram<u64>,
    pub(super) sizes: Sizes,
}

/// Bytes a second; `None` if no time passed.
#[derive(Serialize)]
pub(super) struct Speed {
    /// Per time spent in the calls that moved bytes.
    pub(super) in_calls: Option<u64>,
    /// Per time from the first call to the last.
    pub(super) overall: Option<u64>,
}

/// A method, and its speed.
#[derive(Serialize)]
pub(super) struct MethodSpeed {
    pub(super) method: Box<str>,
    /// While bytes were moved; `None` for methods that share blocks.
    pub(super) bytes_per_second: Option<u64>,
}

/// Percentiles of the duration of calls, in nanoseconds.
#[derive(Serialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p99_9: u64,
    pub(super) max: u64,
}

/// The calls that failed with one error.
#[derive(Serialize)]
pub(super) struct Failures {
    pub(super) error: Box<str>,
    pub(super) calls: u64,
    /// The rules that caused it. Calls without a rule are not listed here.
    pub(super) rules: Vec<Broken>,
}

/// The calls that broke one rule.
#[derive(Serialize)]
pub(super) struct Broken {
    pub(super) rule: Box<str>,
    pub(super) why: Option<Box<str>>,
    pub(super) calls: u64,
}

impl LogSummary {
    /// Summarizes, with the first `top` programs and pairs.
    pub(super) fn new(sums: Sums, top: usize, order: Order) -> LogSummary {
        let (first, last) = sums.span.unzip();
        let span_us = first.zip(last).map_or(0, |(first, last)| last - first);
        let slowest = sums.slowest.calls();
        let longest = slowest.first().map(|call| call.duration_ns);
        let Targets { by_target, never_copied } = sums.targets.finish(order, top);
        LogSummary {
            processes: sums.pids.count(),
            first: first.map(rfc3339),
            last: last.map(rfc3339),
            span_us,
            bytes_per_second: Speed {
                in_calls: sums.counts.copied.speed(),
                overall: per_second(sums.all.bytes, u128::from(span_us) * 1_000),
            },
            latency_ns: longest.map(|longest| latency(&sums.latency, longest)),
            messages: sums.messages,
            lost: sums.lost,
            foreign: sums.foreign,
            empty: sums.empty,
            left_out: sums.left_out,
            methods: methods(sums.methods.top(usize::MAX)),
            hooks: sums.hooks.top(usize::MAX),
            programs: sums.programs.top(top),
            failures: failures(sums.causes.top(usize::MAX).rows),
            slowest,
            by: order.name(),
            pairs: sums.pairs.top(top),
            targets: by_target,
            never_copied,
            summaries: sums.summaries.finish(top),
            all: sums.all,
            counts: sums.counts,
            distributions: Distributions {
                first_us: first.unwrap_or(0),
                timeline: sums.timeline,
                durations: sums.latency,
                sizes: sums.sizes,
            },
        }
    }

    /// Reports whether there are summaries, and no calls beside them.
    pub(super) fn is_of_summaries(&self) -> bool {
        let calls = [self.all.calls, self.counts.let_through, self.counts.unfinished];
        self.summaries.totals.count > 0 && calls == [0; 3]
    }

    /// Keeps the first `top` calls, programs and pairs.
    pub(super) fn shorten(&mut self, top: usize) {
        self.slowest.truncate(top);
        self.programs.shorten(top);
        self.pairs.shorten(top);
        self.targets.shorten(top);
        self.summaries.never_copied.shorten(top);
        if let Some(never) = &mut self.never_copied {
            never.rows.truncate(top);
        }
    }
}

fn latency(durations: &Histogram<u64>, longest: u64) -> Latency {
    // The histogram rounds its values.
    let at = |quantile| durations.value_at_quantile(quantile).min(longest);
    Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), p99_9: at(0.999), max: longest }
}

fn methods(methods: Top<MethodKey>) -> Top<MethodSpeed> {
    let Top { rows, others, distinct, off_by_at_most } = methods;
    let with_speed = |TopRow { key, tally, exact }: TopRow<MethodKey>| {
        let bytes_per_second = tally.speed().filter(|_| moves_bytes(&key.method));
        TopRow { key: MethodSpeed { method: key.method, bytes_per_second }, tally, exact }
    };
    Top { rows: rows.into_iter().map(with_speed).collect(), others, distinct, off_by_at_most }
}

/// Groups the causes by error, the most frequent first.
fn failures(causes: Vec<TopRow<ErrorCause>>) -> Vec<Failures> {
    let mut failures: Vec<Failures> = Vec::new();
    for TopRow { key: ErrorCause { error, rule, why }, tally: Tally { calls, .. }, .. } in causes {
        let broken = rule.map(|rule| Broken { rule, why, calls });
        match failures.iter_mut().find(|failure| failure.error == error) {
            Some(failure) => {
                failure.calls += calls;
                failure.rules.extend(broken);
            }
            None => failures.push(Failures { error, calls, rules: broken.into_iter().collect() }),
        }
    }
    failures.sort_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.error.cmp(&b.error)));
    failures
}
