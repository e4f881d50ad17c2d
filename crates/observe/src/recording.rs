//! The recording of one call: its times, its context, and the record that is counted and written
//! as a line.

use crate::caller::{Caller, program};
use crate::known_threads::KnownThread;
use crate::log::{Log, PATHS, Paths};
use crate::observer::Observer;
use cfr_engine::call::{Call, Offset, Request};
use cfr_engine::dialect::Dialect;
use cfr_engine::execution::Outcome;
use cfr_engine::hook::Hook;
use cfr_shared::format::Format;
use cfr_shared::inject::Injection;
use cfr_shared::record::{Context, Ending, Record, Whole};
use cfr_shared::settings::Level;
use cfr_shared::settings::template::{Part, Placeholder, parts};
use cfr_shared::stats::{Beginning, Collect, Extent, FileId, FileIds, InFlightGuard, Stats};
use cfr_sys::{self as sys, OffsetPointer, Sharing};

/// What a record says of a call besides its arguments and its outcome.
#[derive(Clone, Copy)]
pub(crate) struct Notes {
    /// The dialect that it was carried out by.
    pub(crate) dialect: &'static Dialect,
    pub(crate) ending: Ending,
    /// Whether a fault changed it.
    pub(crate) injected: bool,
    /// Whether a fault delayed it.
    pub(crate) delayed: bool,
}

/// A caller that is known without a system call.
struct KnownCaller {
    /// 0 if it is not known.
    pid: i32,
    tid: i32,
    name: [u8; 16],
}

/// A call that is being recorded.
pub(crate) struct Recording<'a> {
    observer: &'a Observer,
    hook: Hook,
    /// When the call came in (CLOCK_MONOTONIC); 0 if no paths are logged.
    entered_ns: u64,
    /// When it began (CLOCK_REALTIME).
    time_ns: u64,
    /// When it began (CLOCK_MONOTONIC).
    begun_ns: u64,
    duration_ns: u64,
    /// What is known of the calling thread, if its line is passed on or its call is counted.
    thread: Option<KnownThread>,
    /// The caller, likewise, once the call has returned.
    known: KnownCaller,
    /// What the launcher knows of the call before it returns, if it wants to.
    in_flight: Option<InFlightGuard>,
    /// What the call did on all its targets, if it has several.
    whole: Option<Whole>,
}

impl<'a> Recording<'a> {
    /// Starts the recording of a call that has just come in, if the log or a counter wants it.
    #[inline(always)]
    pub(crate) fn wanted(observer: &'a Observer, hook: Hook) -> Option<Recording<'a>> {
        observer.log?.report_config_errors();
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
            thread: None,
            known: KnownCaller { pid: 0, tid: 0, name: [0; 16] },
            in_flight: None,
            whole: None,
        })
    }

    /// Starts the clock of the call, which faults may change by `injection`. `first_part` returns its
    /// part for the first target, if it has several.
    #[inline(always)]
    pub(crate) fn begin(
        &mut self,
        caller: &impl Caller,
        injection: Option<&Injection>,
        dialect: &'static Dialect,
        call: &Call,
        first_part: impl FnOnce() -> Option<Call>,
    ) {
        [self.time_ns, self.begun_ns] = sys::both_ns();
        if let Some(tree) = self.observer.collectors.of_calls_in_flight(self.hook == Hook::Seccomp)
        {
            let first = first_part();
            let by = Circumstances { injection, dialect };
            self.store_in_flight(tree, first.as_ref().unwrap_or(call), by, caller);
        }
    }

    /// Returns when the call came in (CLOCK_MONOTONIC). Where only counters want its paths, that is not
    /// measured: the clock was started shortly after.
    fn entered_ns(&self) -> u64 {
        if self.entered_ns == 0 { self.begun_ns } else { self.entered_ns }
    }

    /// Notes what the call did on all its targets.
    pub(crate) fn note_whole(&mut self, whole: Whole) {
        self.whole = Some(whole);
    }

    /// Reports whether the launcher knows the call, and has it counted.
    #[inline(always)]
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Stops the clock of the call.
    #[inline(always)]
    pub(crate) fn end(&mut self) {
        self.duration_ns = sys::monotonic_ns().saturating_sub(self.begun_ns);
        if self.in_flight.is_some() {
            self.recognize();
        }
    }

    /// Ends the recording: all is counted and written, and the launcher knows nothing more of the call.
    #[inline(always)]
    pub(crate) fn finish(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.end();
        }
    }

    /// Notes who the caller is, when the call has returned. A signal handler may have called fork(2).
    #[cold]
    #[inline(never)]
    fn recognize(&mut self) {
        let log = self.observer.log;
        let wants_name = wants_name(self.observer);
        let ended_ns = self.begun_ns.saturating_add(self.duration_ns);
        let known = log.and_then(Log::threads).zip(self.thread);
        if let Some(thread) = known.and_then(|(it, begun)| it.end(begun, ended_ns, wants_name)) {
            (self.known.pid, self.known.tid) = (thread.pid(), thread.tid());
            if wants_name {
                let _ = thread.name(&mut self.known.name);
            }
        }
        // The launcher can see only of lines that it writes itself whether they were written.
        if !log.is_some_and(Log::passes_on) {
            self.finish();
        }
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
    pub(crate) fn note(
        &self,
        call: &Call,
        outcome: &Outcome,
        caller: &impl Caller,
        [off_in, off_out]: [OffsetPointer; 2],
        Notes { dialect, ending, injected, delayed }: Notes,
        sharing: impl FnOnce() -> Option<(Sharing, u64)>,
    ) {
        let settings = &self.observer.settings;
        let is_unusual = || {
            outcome.judged || outcome.fell_back || injected || delayed || ending != Ending::Returned
        };
        let writes = settings.log >= Level::Info || settings.log == Level::Warn && is_unusual();
        let counts = self.observer.collectors.count_records();
        if !writes && !counts {
            return;
        }
        let for_json = settings.log_format == Format::Json;
        let wants_offsets =
            (for_json || call.request == Request::Send) && ending == Ending::Returned;
        let (mut comm, mut room) = ([0; 16], None);
        let known = Some(&self.known).filter(|known| known.pid != 0);
        // Made in place: a copy of the context would take a fiftieth of a line's instructions.
        let record = Record {
            call: caller.as_made(call, &mut room),
            outcome,
            context: Context {
                time_ns: self.time_ns,
                duration_ns: self.duration_ns,
                pid: known.map_or_else(|| caller.pid(), |known| known.pid),
                tid: for_json.then(|| known.map_or_else(|| caller.tid(), |known| known.tid)),
                comm: (for_json || counts).then(|| match known {
                    None => caller.comm(&mut comm),
                    Some(known) => sys::name_in(&known.name),
                }),
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
            },
        };
        let fds = [call.fd_in, call.fd_out];
        let writes_paths = writes && settings.paths;
        if counts {
            self.count_and_emit(&record, fds, caller, writes);
        } else if !writes_paths
            || self.with_paths(&record, fds, caller, true, &|record| record.emit()).is_none()
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
        let Outcome { bytes, method, .. } = *record.outcome;
        let whole = self.whole.unwrap_or(Whole { bytes, method });
        let wants_files = collectors.want_files(self.observer.settings.summary);
        let work = |record: &Record<'_>| {
            let files = wants_files.then(|| files(&record.context, fds)).flatten();
            collectors.count(record, whole, files.as_ref(), self.in_flight.as_ref());
            if writes {
                record.emit();
            }
        };
        // A record whose line is shown has its paths if they are shown; a record that is only
        // counted has them if a counter keeps its files.
        let is_line = writes || collectors.want_lines();
        let has_paths = if is_line { self.observer.settings.paths } else { wants_files };
        if !has_paths || self.with_paths(record, fds, caller, is_line, &work).is_none() {
            work(record);
        }
        if let Some(thread) = self.thread
            && !self.observer.log.is_some_and(Log::passes_on)
        {
            thread.leave();
        }
    }

    /// Calls `work` with the record and the paths behind these descriptors of this process: those that
    /// were read before the call was carried out, if they still hold or no line shows them. `None` if no
    /// memory for them is free.
    #[inline(always)]
    fn with_paths(
        &self,
        record: &Record<'_>,
        fds: [i32; 2],
        caller: &impl Caller,
        is_line: bool,
        work: &dyn Fn(&Record<'_>),
    ) -> Option<()> {
        PATHS.with_page(|page| {
            let entered_ns = self.entered_ns();
            let age_ns = if is_line { self.duration_ns } else { 0 };
            let paths = if page.are_of(fds, entered_ns, age_ns) {
                page.read_at_begin()
            } else {
                page.of(fds, entered_ns, caller)
            };
            work(&with_paths_of(record, paths));
            page.end();
        })
    }
}

#[inline(always)]
fn with_paths_of<'a>(
    record: &Record<'a>,
    [path_in, path_out]: [Option<&'a [u8]>; 2],
) -> Record<'a> {
    Record { context: Context { path_in, path_out, ..record.context }, ..*record }
}

/// What a call is carried out by, besides the settings.
#[derive(Clone, Copy)]
struct Circumstances<'a> {
    injection: Option<&'a Injection>,
    dialect: &'static Dialect,
}

impl Recording<'_> {
    /// Stores the call where the launcher finds it if it does not return.
    #[cold]
    #[inline(never)]
    fn store_in_flight(
        &mut self,
        tree: Stats,
        call: &Call,
        Circumstances { injection, dialect }: Circumstances<'_>,
        caller: &impl Caller,
    ) {
        let Observer { settings, collectors, .. } = self.observer;
        let is_supervised = self.hook == Hook::Seccomp;
        let for_json = settings.log_format == Format::Json;
        let shows_progress = tree.collects(Collect::PROGRESS);
        let fds = [call.fd_in, call.fd_out];
        let is_logged = !is_supervised && settings.log >= Level::Warn;
        let shows_paths = if is_logged || !is_supervised && collectors.want_lines() {
            settings.paths
        } else {
            tree.collects(Collect::FILES)
        };
        let (mut room, mut comm) = (None, [0; 16]);
        let key = sys::thread_key();
        let threads = self.observer.log.and_then(Log::threads);
        let known = threads.and_then(|it| it.begin(key, self.begun_ns, wants_name(self.observer)));
        self.thread = known;
        let context = Context {
            time_ns: self.time_ns,
            duration_ns: 0,
            pid: known.map_or_else(|| caller.pid(), KnownThread::pid),
            tid: (for_json || shows_progress)
                .then(|| known.map_or_else(|| caller.tid(), KnownThread::tid)),
            comm: for_json.then(|| match known {
                Some(known) => known.name(&mut comm),
                None => caller.comm(&mut comm),
            }),
            ending: Ending::Unfinished,
            hook: self.hook,
            path_in: None,
            path_out: None,
            offsets_after: (None, None),
            sharing: None,
            dialect,
            injected: injection.is_some_and(Injection::changes_call),
            delayed: injection.is_some_and(Injection::is_delayed),
        };
        let beginning = Beginning {
            begun_ns: self.begun_ns,
            is_logged,
            // A log whose lines are passed on has no name of a program in its path.
            program: if is_logged && !self.observer.log.is_some_and(Log::passes_on) {
                named_program(settings.log_file)
            } else {
                &[]
            },
            extent: shows_progress.then(|| extent(call)),
        };
        let stored = tree.begin(key, caller.as_made(call, &mut room), &context, &beginning);
        let Some(stored) = stored else { return };
        if shows_paths {
            let entered_ns = self.entered_ns();
            let store = |page: &mut Paths| {
                stored.store_paths(page.of_beginning(fds, entered_ns, caller));
            };
            // Without memory for them, the line has none.
            let _ = PATHS.with_page(store);
        }
        self.in_flight = Some(stored.finish(&tree));
    }
}

/// Reports whether records have the name of the calling thread.
fn wants_name(observer: &Observer) -> bool {
    observer.settings.log_format == Format::Json || observer.collectors.count_records()
}

/// Returns the identities of the files behind these descriptors of this process.
fn files(context: &Context<'_>, [fd_in, fd_out]: [i32; 2]) -> Option<FileIds> {
    let file = |path: Option<&[u8]>, fd| {
        path.and_then(FileId::named).or_else(|| sys::stat(fd).ok().as_ref().map(FileId::of))
    };
    Some(FileIds::new(file(context.path_in, fd_in)?, file(context.path_out, fd_out)?))
}

/// Returns the name of this program if the log file's path has it.
fn named_program(template: Option<&[u8]>) -> &'static [u8] {
    let is_name = |part| matches!(part, Ok(Part::Placeholder(Placeholder::Program)));
    let has_name = template.is_some_and(|template| parts(template).any(is_name));
    if has_name { program() } else { &[] }
}

/// Returns where the call copies, for the launcher's line of progress.
fn extent(call: &Call) -> Extent {
    let start = |offset, fd| match offset {
        Offset::At(bytes) => bytes.cast_unsigned(),
        Offset::File => sys::file_offset(fd).unwrap_or(0),
        Offset::BadAddress(_) => 0,
    };
    Extent {
        off_in: start(call.off_in, call.fd_in),
        off_out: start(call.off_out, call.fd_out),
        size_out: sys::stat(call.fd_out).map_or(0, |stat| stat.size),
    }
}
