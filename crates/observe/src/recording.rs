//! The recording of one call: its times, its context, and the record that is counted and written
//! as a line.

use crate::caller::Caller;
use crate::log::PATHS;
use crate::observer::Observer;
use cfr_engine::call::{Call, Offset, Request};
use cfr_engine::dialect::Dialect;
use cfr_engine::execution::Outcome;
use cfr_engine::hook::Hook;
use cfr_shared::format::Format;
use cfr_shared::record::{Context, Ending, Record};
use cfr_shared::settings::Level;
use cfr_shared::stats::{FileIds, InFlight, InFlightGuard};
use cfr_sys::{self as sys, OffsetPointer, Sharing};

/// A call that is being recorded.
pub(crate) struct Recording<'a> {
    observer: &'a Observer,
    hook: Hook,
    /// When the call came in (CLOCK_MONOTONIC); 0 if no paths are shown.
    entered_ns: u64,
    /// When it began (CLOCK_REALTIME).
    time_ns: u64,
    /// When it began (CLOCK_MONOTONIC).
    begun_ns: u64,
    duration_ns: u64,
    /// Whether the process is about to end in the call.
    is_unfinished: bool,
    in_flight: Option<InFlightGuard>,
}

impl<'a> Recording<'a> {
    /// Starts the recording of a call that has just come in, if the log or a counter wants it.
    #[inline(always)]
    pub(crate) fn wanted(observer: &'a Observer, hook: Hook) -> Option<Recording<'a>> {
        observer.log.as_ref()?.report_config_errors();
        if observer.settings.log < Level::Warn && !observer.collectors.want_records() {
            return None;
        }
        let entered_ns = if observer.settings.paths { sys::monotonic_ns() } else { 0 };
        Some(Recording {
            observer,
            hook,
            entered_ns,
            time_ns: 0,
            begun_ns: 0,
            duration_ns: 0,
            is_unfinished: false,
            in_flight: None,
        })
    }

    /// Starts the clock of the call.
    #[inline(always)]
    pub(crate) fn begin(&mut self, call: &Call, caller: &impl Caller) {
        self.time_ns = sys::realtime_ns();
        self.begun_ns = sys::monotonic_ns();
        self.in_flight = self.observer.collectors.begin(|| in_flight(call, caller, self.begun_ns));
    }

    /// Stops the clock of the call.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        self.duration_ns = sys::monotonic_ns().saturating_sub(self.begun_ns);
        self.is_unfinished = false;
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.end();
        }
    }

    /// Stops the clock of a call in which a signal is going to end the process.
    #[cold]
    pub(crate) fn end_unfinished(&mut self) {
        self.end();
        self.is_unfinished = true;
    }

    /// Returns how much is logged.
    #[inline(always)]
    pub(crate) fn level(&self) -> Level {
        self.observer.settings.log
    }

    /// Reports whether the call's line is shown, in the log or after the program's end.
    #[inline(always)]
    pub(crate) fn is_shown(&self) -> bool {
        self.level() >= Level::Info || self.observer.collectors.want_lines()
    }

    /// Counts the call and writes its line. `call` is the whole call, or its part for one target.
    /// `sharing` reports whether the target's range shares its blocks, if that is wanted.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "what a record consists of")]
    pub(crate) fn note(
        &self,
        call: &Call,
        outcome: &Outcome,
        caller: &impl Caller,
        [off_in, off_out]: [OffsetPointer; 2],
        injected: bool,
        delayed: bool,
        dialect: &'static Dialect,
        sharing: impl FnOnce() -> Option<(Sharing, u64)>,
    ) {
        let settings = &self.observer.settings;
        let ending = if self.is_unfinished { Ending::Unfinished } else { caller.ending() };
        let is_unusual = || {
            outcome.judged || outcome.fell_back || injected || delayed || ending != Ending::Returned
        };
        let writes = settings.log >= Level::Info || settings.log == Level::Warn && is_unusual();
        let counts = self.observer.collectors.count_records();
        if !writes && !counts {
            return;
        }
        let for_json = settings.log_format == Format::Json;
        let mut comm = [0; 16];
        let wants_offsets = for_json || call.request == Request::Send;
        let context = Context {
            time_ns: self.time_ns,
            duration_ns: self.duration_ns,
            pid: caller.pid(),
            tid: for_json.then(|| caller.tid()),
            comm: (for_json || counts).then(|| caller.comm(&mut comm)),
            ending,
            hook: self.hook,
            path_in: None,
            path_out: None,
            offsets_after: if wants_offsets {
                call.offsets_after(off_in, off_out)
            } else {
                (None, None)
            },
            sharing: sharing(),
            dialect,
            injected,
            delayed,
        };
        let fds = [call.fd_in, call.fd_out];
        let mut room = None;
        let record = Record { call: caller.as_made(call, &mut room), outcome, context };
        let writes_paths = writes && settings.paths;
        if counts {
            self.count_and_emit(&record, fds, caller, writes);
        } else if !writes_paths
            || with_paths(&record, fds, self.entered_ns, caller, &|record| record.emit()).is_none()
        {
            record.emit();
        }
        // An object of the JSON log holds the sentence itself.
        if let (Some(rule), true, false) = (outcome.rule, writes, for_json) {
            record.explain(rule);
        }
    }

    #[cold]
    #[inline(never)]
    fn count_and_emit(
        &self,
        record: &Record<'_>,
        fds: [i32; 2],
        caller: &impl Caller,
        writes: bool,
    ) {
        let collectors = &self.observer.collectors;
        let stats = fds.map(sys::stat);
        let files = match &stats {
            [Ok(source), Ok(target)] => Some(FileIds::new(source, target)),
            _ => None,
        };
        let work = |record: &Record<'_>| {
            collectors.count(record, files.as_ref());
            if writes {
                record.emit();
            }
        };
        // A record whose line is shown has its paths if they are shown; a record that is only
        // counted has them if a counter keeps them.
        let has_paths = if writes || collectors.want_lines() {
            self.observer.settings.paths
        } else {
            collectors.want_paths(record, files.as_ref())
        };
        if !has_paths || with_paths(record, fds, self.entered_ns, caller, &work).is_none() {
            work(record);
        }
    }
}

/// Describes the call for the launcher's line of progress.
#[cold]
fn in_flight(call: &Call, caller: &impl Caller, begun_ns: u64) -> InFlight {
    let start = |offset, fd| match offset {
        Offset::At(bytes) => bytes.cast_unsigned(),
        Offset::File => sys::file_offset(fd).unwrap_or(0),
        Offset::BadAddress(_) => 0,
    };
    let mut room = None;
    let made = caller.as_made(call, &mut room);
    InFlight {
        tid: caller.tid(),
        pid: caller.pid(),
        start_ns: begun_ns,
        fd_in: made.fd_in,
        fd_out: made.fd_out,
        off_in: start(call.off_in, call.fd_in),
        off_out: start(call.off_out, call.fd_out),
        len: call.len as u64,
        size_out: sys::stat(call.fd_out).map_or(0, |stat| stat.size),
    }
}

/// Calls `work` with the record and the paths behind these descriptors of this process. `None` if no memory for them
/// is free.
#[inline(always)]
fn with_paths(
    record: &Record<'_>,
    fds: [i32; 2],
    entered_ns: u64,
    caller: &impl Caller,
    work: &dyn Fn(&Record<'_>),
) -> Option<()> {
    PATHS.with_page(|page| {
        let [path_in, path_out] = page.of(fds, entered_ns, caller);
        work(&Record { context: Context { path_in, path_out, ..record.context }, ..*record });
        page.end();
    })
}
