//! What becomes of an answered call: it is counted, and written as a line.

use crate::log::{self, Log, PATHS};
use crate::panic_point::panic_point;
use cfr_engine::call::{Answer, Call, Method, Offset, Request};
use cfr_engine::diag::log_trace;
use cfr_engine::dialect::Rule;
use cfr_engine::hook::Hook;
use cfr_shared::format::Format;
use cfr_shared::record::Record;
use cfr_shared::settings::Level;
use cfr_shared::stats::{Collect, Counter, FileIds, InFlight, InFlightGuard, Stats};
use cfr_sys::{self as sys, OffsetPointer, SetOnce, Sharing};
use tracing::level_filters::LevelFilter;

/// The launcher's accounts, of all that its program starts.
pub(crate) static WITNESS: SetOnce<Stats> = SetOnce::new();

/// This process's own accounts, where it is to write a summary.
pub(crate) static SUMMARY: SetOnce<Stats> = SetOnce::new();

/// A call has come through a watched hook.
#[inline(always)]
pub(crate) fn count() {
    if let Some(witness) = WITNESS.get() {
        witness.add(Counter::Calls, 1);
    }
    if let Some(accounts) = SUMMARY.get() {
        // A child made by fork(2) finds zeros.
        if accounts.get(Counter::Owner) == 0 {
            accounts.set(Counter::Owner, sys::getpid().unsigned_abs().into());
        }
        if let Some(log) = log::get() {
            log.keep_place(accounts.get(Counter::Owner));
        }
        accounts.add(Counter::Calls, 1);
    }
}

/// Whether anybody wants to know more of calls than that there are some.
#[inline(always)]
fn is_wanted(log: &Log) -> bool {
    log.settings().log >= Level::Warn || is_counted()
}

/// Whether anybody wants to know of calls besides the log.
#[inline(always)]
pub(crate) fn is_counted() -> bool {
    accounts().next().is_some() || progress().is_some()
}

/// The accounts that want everything.
#[inline(always)]
fn accounts() -> impl Iterator<Item = &'static Stats> {
    let of_tree = WITNESS.get().filter(|witness| witness.collects(Collect::SUMMARY));
    SUMMARY.get().into_iter().chain(of_tree)
}

/// The accounts that keep the lines of the latest calls.
#[cold]
#[inline(never)]
fn keeper() -> Option<&'static Stats> {
    WITNESS.get().filter(|witness| witness.collects(Collect::SUMMARY.union(Collect::LINES)))
}

#[inline(always)]
fn progress() -> Option<&'static Stats> {
    WITNESS.get().filter(|witness| witness.collects(Collect::PROGRESS))
}

/// A call on its way, of which somebody wants to know.
pub(crate) struct Recording {
    log: &'static Log,
    hook: Hook,
    /// When the call came in, by the monotonic clock.
    entered_ns: u64,
    time_ns: u64,
    begun_ns: u64,
    mark: Option<InFlightGuard>,
}

/// What came of it.
pub(crate) struct Answered {
    /// What the host is told.
    pub(crate) answer: Answer,
    /// Bytes copied or shared.
    pub(crate) bytes: u64,
    /// How they moved.
    pub(crate) method: Method,
    /// The rule that decided, or that was broken.
    pub(crate) rule: Option<&'static Rule>,
    /// Whether the call was judged by it.
    pub(crate) judged: bool,
    /// Whether the library copied because the kernel did not.
    pub(crate) fell_back: bool,
    /// Whether a fault has answered or shortened it, or sent a signal.
    pub(crate) injected: bool,
    /// Whether a fault has delayed it.
    pub(crate) delayed: bool,
    /// The caller's offsets.
    pub(crate) offsets: [OffsetPointer; 2],
}

impl Answered {
    /// Whether a rule, a fault or the library had a say in it.
    fn is_unusual(&self) -> bool {
        self.judged || self.fell_back || self.injected || self.delayed
    }
}

impl Recording {
    /// Of a call that has just come in: the log, if anybody wants to know of it.
    #[inline(always)]
    pub(crate) fn wanted() -> Option<&'static Log> {
        let log = log::get()?;
        log.complain_once();
        is_wanted(log).then_some(log)
    }

    /// For that log.
    #[inline(always)]
    pub(crate) fn new(log: &'static Log, hook: Hook) -> Recording {
        let entered_ns = if log.settings().paths { sys::monotonic_ns() } else { 0 };
        Recording { log, hook, entered_ns, time_ns: 0, begun_ns: 0, mark: None }
    }

    /// The call begins: from here on its time counts.
    #[inline(always)]
    pub(crate) fn begin(&mut self, call: &Call) {
        self.time_ns = sys::realtime_ns();
        self.begun_ns = sys::monotonic_ns();
        self.mark = progress().and_then(|witness| mark(witness, call, self.begun_ns));
    }

    /// How much is logged.
    #[inline(always)]
    pub(crate) fn level(&self) -> Level {
        self.log.settings().log
    }

    /// Whether its line is shown, in the log or after the program's end.
    #[inline(always)]
    pub(crate) fn is_shown(&self) -> bool {
        self.level() >= Level::Info || keeper().is_some()
    }

    /// Ends: how long it took, in nanoseconds.
    #[inline(always)]
    pub(crate) fn end(&mut self) -> u64 {
        let duration_ns = sys::monotonic_ns().saturating_sub(self.begun_ns);
        if let Some(mark) = self.mark.take() {
            mark.end();
        }
        duration_ns
    }

    /// Counts the call and writes its line. `call` is the one that began, or the part of it that is
    /// about one target.
    #[inline(always)]
    pub(crate) fn note(&self, call: &Call, answered: &Answered, duration_ns: u64) {
        let settings = self.log.settings();
        let writes =
            settings.log >= Level::Info || settings.log == Level::Warn && answered.is_unusual();
        let counts = accounts().next().is_some();
        if !writes && !counts {
            return;
        }
        panic_point(2);
        let for_json = settings.log_format == Format::Json;
        let mut comm = [0; 16];
        let wants_offsets = for_json || call.request == Request::Send;
        let [off_in, off_out] = answered.offsets;
        let record = Record {
            time_ns: self.time_ns,
            pid: sys::getpid(),
            tid: for_json.then(sys::gettid),
            comm: for_json.then(|| sys::comm(&mut comm)),
            hook: self.hook,
            call,
            path_in: None,
            path_out: None,
            offsets_after: match wants_offsets {
                true => call.offsets_after(off_in, off_out),
                false => (None, None),
            },
            answer: answered.answer,
            bytes: answered.bytes,
            method: answered.method,
            sharing: settings.shared.then(|| sharing(call, answered.bytes)).flatten(),
            dialect: settings.policy.dialect,
            rule: answered.rule,
            judged: answered.judged,
            fell_back: answered.fell_back,
            injected: answered.injected,
            delayed: answered.delayed,
            duration_ns,
        };
        let writes_paths = writes && settings.paths;
        if counts {
            count_and_emit(&record, writes, settings.paths, self.entered_ns);
        } else if !writes_paths
            || with_paths(&record, self.entered_ns, &|record| record.emit()).is_none()
        {
            record.emit();
        }
        // An object of the JSON log has the sentence in it.
        if let (Some(rule), true, false) = (answered.rule, writes, for_json) {
            record.explain(rule);
        }
    }
}

/// Has the call seen while it is under way.
#[cold]
fn mark(witness: &Stats, call: &Call, begun_ns: u64) -> Option<InFlightGuard> {
    let start = |offset, fd| match offset {
        Offset::At(bytes) => bytes.cast_unsigned(),
        Offset::File => sys::file_offset(fd).unwrap_or(0),
        Offset::BadAddress(_) => 0,
    };
    witness.begin(&InFlight {
        tid: sys::gettid(),
        pid: sys::getpid(),
        start_ns: begun_ns,
        fd_in: call.fd_in,
        fd_out: call.fd_out,
        off_in: start(call.off_in, call.fd_in),
        off_out: start(call.off_out, call.fd_out),
        len: call.len as u64,
        size_out: sys::stat(call.fd_out).map_or(0, |stat| stat.size),
    })
}

/// Whether the range that was written shares its blocks; `None` where the filesystem does not tell.
#[cold]
fn sharing(call: &Call, bytes: u64) -> Option<Sharing> {
    if bytes == 0 {
        return None;
    }
    let start = match (call.request, call.off_out) {
        (Request::Clone, _) => 0,
        (_, Offset::At(bytes)) => bytes.cast_unsigned(),
        (_, Offset::File) => sys::file_offset(call.fd_out).ok()?.saturating_sub(bytes),
        (_, Offset::BadAddress(_)) => return None,
    };
    let sharing = sys::shares_blocks(call.fd_out, start, bytes).ok();
    if LevelFilter::current() >= LevelFilter::TRACE {
        log_trace(format_args!("FIEMAP {}: {sharing:?}", call.fd_out));
    }
    sharing
}

/// For those who count.
#[cold]
#[inline(never)]
fn count_and_emit(record: &Record<'_>, writes: bool, has_paths: bool, entered_ns: u64) {
    let call = record.call;
    let stats = [call.fd_in, call.fd_out].map(sys::stat);
    let files = match &stats {
        [Ok(source), Ok(target)] => Some(FileIds::new(source, target)),
        _ => None,
    };
    let wants = |accounts: &Stats| accounts.needs_paths(files.as_ref(), record.duration_ns);
    let work = |record: &Record<'_>| {
        for accounts in accounts() {
            accounts.count(record, files.as_ref());
        }
        if let Some(keeper) = keeper() {
            keeper.keep_line(record);
        }
        if writes {
            record.emit();
        }
    };
    // One that has its paths may show them.
    let shows = writes || keeper().is_some();
    if !(shows && has_paths || !shows && accounts().any(wants))
        || with_paths(record, entered_ns, &work).is_none()
    {
        work(record);
    }
}

/// Does `work` with the record and the paths behind its descriptors; `None` where no memory for them is
/// free.
#[inline(always)]
fn with_paths(record: &Record<'_>, entered_ns: u64, work: &dyn Fn(&Record<'_>)) -> Option<()> {
    PATHS.with_page(|page| {
        panic_point(3);
        let [path_in, path_out] = page.of([record.call.fd_in, record.call.fd_out], entered_ns);
        work(&Record { path_in, path_out, ..*record });
        page.end();
    })
}
