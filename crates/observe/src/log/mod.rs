//! The log: writes one event as one line with one write(2), or passes it on to the launcher through
//! memory.
//!
//! tracing-subscriber is not safe inside a host: its lock, its allocations and its thread-locals with
//! destructors deadlock in signal handlers and forked children, and abort at thread exit. This log has
//! none of them.
//!
//! A file uses only files above it in this list.

mod config_errors;

mod line_pool;

mod path_cache;

mod owned_fd;

mod delivery;

mod sink;

pub use config_errors::ConfigErrors;
pub(crate) use path_cache::{PATHS, Paths};

use crate::caller::program;
use crate::collectors::Collectors;
use crate::known_threads::KnownThreads;
use cfr_engine::diag::{self, CallLine, EventKind, EventLog, MESSAGE_TARGET};
use cfr_shared::format::{self, EventWriter, Format, MessageMeta, printable};
use cfr_shared::line::{Line, is_printable};
use cfr_shared::record;
use cfr_shared::settings::{self, Level, Settings};
use cfr_shared::stats::{LineRings, Stats};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, TryLock};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use delivery::Delivery;
use line_pool::LINES;
use sink::{STANDARD_ERROR, Sink};
use tracing::field::{Value, debug};
use tracing::level_filters::LevelFilter;

/// What text begins with on standard error.
const PREFIX: &[u8] = b"cfr: ";
const GIVEN_UP: &str = "the program put its own files under its number too often";
const DROPPED: &str = "its lines are dropped and counted";

/// Makes `log` the destination of all events in this process, up to `level`.
pub fn install(log: &'static dyn EventLog, level: Level) {
    diag::install(log, filter(level));
}

/// The log of a process.
pub struct Log {
    /// Returns the process and the thread that messages are about.
    caller: fn() -> (i32, i32),
    format: Format,
    /// The template of the log file (`CFR_LOG_FILE`).
    file_template: Option<&'static [u8]>,
    /// Standard error as it was when the library was loaded.
    console: Sink,
    /// The log file, if one is set.
    file: Option<Sink>,
    /// Where the launcher takes the lines.
    delivery: Delivery,
    /// What is known of the threads whose lines are passed on, or whose calls are counted.
    threads: Option<KnownThreads>,
    /// Lines that no sink took and that no line has reported yet.
    lost: AtomicU64,
    /// Whether a line on standard error has reported why the log file cannot be written.
    has_reported_error: AtomicBool,
    config_errors: &'static ConfigErrors,
    summary_to: settings::SummaryTarget<'static>,
    /// Where the summary goes, if one is wanted.
    summary: Option<Sink>,
    /// Where lost lines are counted too.
    collectors: Collectors,
    /// Whether the launcher's line of progress may stand where the next line will be written.
    clears_line: bool,
}

impl Log {
    /// Creates the log that the settings ask for; no file is opened. `caller` returns the process and
    /// the thread that messages are about.
    #[must_use]
    pub fn new(
        settings: &Settings<'static>,
        config_errors: &'static ConfigErrors,
        collectors: Collectors,
        caller: fn() -> (i32, i32),
    ) -> Log {
        let console = Sink::standard_error();
        let delivery = Delivery::new(settings, collectors.tree, console.fingerprint());
        Log {
            caller,
            format: settings.log_format,
            file_template: settings.log_file,
            console: if settings.log_file.is_some() { console.never_wait() } else { console },
            file: settings.log_file.map(Sink::file),
            threads: (collectors.is_program
                && (delivery.first().is_some() || collectors.count_for_tree()))
            .then(KnownThreads::new)
            .flatten(),
            delivery,
            lost: AtomicU64::new(0),
            has_reported_error: AtomicBool::new(false),
            config_errors,
            summary_to: settings.summary,
            summary: match settings.summary {
                settings::SummaryTarget::No => None,
                settings::SummaryTarget::Yes => Some(Sink::standard_error()),
                settings::SummaryTarget::File(template) => Some(Sink::file(template)),
            },
            clears_line: settings.log_file.is_none()
                && collectors.want_progress()
                && sys::is_terminal(STANDARD_ERROR),
            collectors,
        }
    }

    /// Reports whether this process of the program passes its lines on to the launcher, which can find
    /// them in the log.
    pub(crate) fn passes_on(&self) -> bool {
        matches!(self.delivery, Delivery::Launcher(_)) && self.collectors.is_program
    }

    /// Returns what is known of the calling threads, if lines are passed on or calls are counted.
    #[inline(always)]
    pub(crate) fn threads(&self) -> Option<KnownThreads> {
        self.threads
    }

    /// Warns of settings that could not be used, once in a process, and not before it copies: a
    /// preload library is loaded into many processes that never do.
    #[inline]
    pub(crate) fn report_config_errors(&self) {
        self.config_errors.report_once();
    }

    /// Reports whether this is the log that the settings ask for, at whatever level.
    #[must_use]
    pub fn is_for(&self, settings: &Settings<'_>) -> bool {
        self.format == settings.log_format
            && self.file_template == settings.log_file
            && self.summary_to == settings.summary
    }

    /// Reports whether the log has opened a file, or keeps a duplicate of standard error.
    #[must_use]
    pub fn has_descriptor(&self) -> bool {
        [&self.file, &self.summary].into_iter().flatten().any(Sink::has_descriptor)
    }

    /// Writes lines to this descriptor of the log file, which is open for appending.
    #[must_use]
    pub fn with_descriptor(mut self, fd: i32) -> Log {
        self.file = Some(Sink::descriptor(fd));
        self.without_rings()
    }

    /// Writes all lines by this process.
    #[must_use]
    pub fn without_rings(mut self) -> Log {
        self.delivery = Delivery::Own;
        self
    }

    /// Opens the log file before its first line. If that fails, the first line tries again.
    pub fn open(&self) {
        if let Some(file) = &self.file {
            file.prepare();
        }
    }

    /// Reports whether a line need not wait for a reader.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.file.as_ref().unwrap_or(&self.console).is_ready()
    }

    /// Closes the log file. The next line, if one follows, opens it again.
    pub fn close(&self) {
        if let Some(file) = &self.file {
            file.close();
        }
    }

    /// Writes the line that `format` makes. Reports whether the sink took it.
    #[inline(never)]
    fn write_line(&self, format: &dyn Fn(&mut Line<'_>)) -> bool {
        let taken = LINES.with_page(|page| {
            let mut line = Line::new(page);
            let rings = self.delivery.first();
            if self.file.is_none() && rings.is_none() {
                self.begin_on_console(&mut line);
            }
            let start = line.as_bytes().len();
            format(&mut line);
            match rings {
                Some(rings) if !self.delivery.can_write() => {
                    self.wait_to_pass_on(rings, line.as_bytes())
                }
                Some(rings) if self.pass_on(rings, line.as_bytes()) => true,
                _ => self.write_own(&mut line, start),
            }
        });
        taken.unwrap_or(false)
    }

    /// Writes a line, which begins at `start` behind what standard error gets before it. Reports whether it
    /// was written, or passed on.
    fn write_own(&self, line: &mut Line<'_>, start: usize) -> bool {
        let sink = self.file.as_ref().unwrap_or(&self.console);
        match (sink.put(line), self.delivery.last()) {
            (Ok(()), _) => {
                // And its newline.
                self.collectors.count_line(line.as_bytes().len() + 1);
                true
            }
            (Err(Errno::EBADF), Some(rings)) => {
                self.pass_on(rings, line.as_bytes().get(start..).unwrap_or_default())
            }
            (Err(errno), _) => {
                self.report_error(errno);
                false
            }
        }
    }

    /// Passes a line on to the launcher, and waits for room as a line waits for a reader of the log.
    fn wait_to_pass_on(&self, rings: &LineRings, line: &[u8]) -> bool {
        let mut tries = if self.console.is_blocked() { 0 } else { sink::MAX_WAIT_MS };
        let mut taken = self.pass_on(rings, line);
        while !taken && tries > 0 && !rings.are_ended() {
            sys::wait(1);
            tries -= 1;
            taken = self.pass_on(rings, line);
        }
        self.console.note_blocked(!taken);
        taken
    }

    /// Passes a line on to the launcher. Reports whether it takes it.
    #[inline(never)]
    fn pass_on(&self, rings: &LineRings, line: &[u8]) -> bool {
        let thread = self.threads.and_then(|threads| threads.find(sys::thread_key()));
        let ended_ns = thread.and_then(|thread| thread.ended());
        let now_ns = ended_ns.unwrap_or_else(sys::monotonic_ns);
        let taken = rings.put(line, now_ns);
        if let (Some(thread), Format::Json) = (thread, self.format) {
            // Names change faster than ids.
            thread.leave();
        }
        if !taken && rings.are_deserted(now_ns) {
            self.write_left_lines();
        }
        taken
    }

    /// Reports whether there are lines that the launcher should have taken long ago. Makes no system
    /// call if there are none, or if the clock needs none.
    #[must_use]
    pub fn leaves_lines(&self) -> bool {
        self.delivery
            .left()
            .is_some_and(|rings| !rings.are_empty() && rings.are_deserted(sys::monotonic_ns()))
    }

    /// Writes those lines if the launcher has ended.
    pub fn write_left_lines(&self) {
        if let Some(rings) = self.delivery.left() {
            self.take_over(rings);
        }
    }

    /// Writes the lines that a launcher which was killed has not written, or that the supervisor has not
    /// taken when it has ended.
    #[cold]
    #[inline(never)]
    fn take_over(&self, rings: &LineRings) {
        // Another process may still have the launcher's standard error.
        if self.file.is_none() && !self.console.is_open() {
            return;
        }
        let reader = rings.reader(sys::pid_namespace());
        if reader.map_or_else(|| rings.are_handed_on(), sys::has_ended) {
            self.close_rings(rings);
        }
    }

    /// Closes the rings, and writes the lines that are left in them.
    pub fn close_rings(&self, rings: &LineRings) {
        // If no page is free, the next line tries again.
        let _ = LINES.with_page(|page| rings.close(page, |line| self.write_left(line)));
    }

    /// Writes a line that was left in the rings, if it is whole, and counts it as lost otherwise.
    #[cold]
    #[inline(never)]
    fn write_left(&self, line: Option<&mut Line<'_>>) {
        let line = line.filter(|line| is_printable(line.as_bytes()));
        if line.is_none_or(|line| self.is_lost(self.write_whole(line.as_bytes()))) {
            self.count_lost();
        }
    }

    /// Reports whether a line was not written, and reports the first error.
    fn is_lost(&self, written: Result<(), Errno>) -> bool {
        written.map_err(|errno| self.report_error(errno)).is_err()
    }

    /// Writes a line that another process has made.
    fn write_whole(&self, line: &[u8]) -> Result<(), Errno> {
        let written = LINES.with_page(|page| {
            let mut whole = Line::new(page);
            // A message about lines has the prefix everywhere.
            if self.file.is_none() && !line.starts_with(PREFIX) {
                self.begin_on_console(&mut whole);
            }
            whole.append(line);
            self.file.as_ref().unwrap_or(&self.console).put(&mut whole)
        });
        written.unwrap_or(Err(Errno::EAGAIN))
    }

    /// Writes lines that other processes have made, each with its newline.
    pub fn write_lines(&self, mut lines: &[u8]) {
        while !lines.is_empty() {
            let written = self.file.as_ref().map_or(0, |file| file.put_many(lines));
            lines = lines.get(written..).unwrap_or_default();
            let mut rest = lines.splitn(2, |&byte| byte == b'\n');
            let (first, others) = (rest.next().unwrap_or_default(), rest.next());
            if first.is_empty() && others.is_none() {
                return;
            }
            if self.is_lost(self.write_whole(first)) {
                self.count_lost();
            } else {
                self.report_lost();
            }
            lines = others.unwrap_or_default();
        }
    }

    /// Counts a line that was not written. Reports earlier ones after a line that was.
    #[inline(always)]
    fn note_written(&self, written: bool) {
        if !written {
            self.count_lost();
        } else if self.lost.load(Ordering::Relaxed) > 0 {
            self.report_lost();
        }
    }

    /// Counts a line that was lost.
    pub fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.collectors.count_lost();
    }

    #[cold]
    fn begin_on_console(&self, line: &mut Line<'_>) {
        if self.clears_line {
            line.append(b"\x1b[K");
        }
        if self.format == Format::Text {
            line.append(PREFIX);
        }
    }

    #[inline]
    fn format(&self, kind: &'static EventKind, message: &dyn Value, line: &mut Line<'_>) {
        let format = self.format;
        let metadata = kind.metadata();
        if metadata.target() == record::TARGET {
            kind.visit(message, &mut EventWriter::for_call(line, format));
        } else {
            let level = metadata.level().as_str();
            let level = LEVELS.iter().find(|name| name.eq_ignore_ascii_case(level));
            let level = level.copied().unwrap_or_default();
            // The library's own warnings are about itself, not about a call.
            let of_itself = metadata.target() == MESSAGE_TARGET && level == "warn";
            let meta = MessageMeta { is_about_call: !of_itself, ..self.message_meta(level) };
            kind.visit(message, &mut EventWriter::for_message(line, format, meta));
        }
    }

    /// Keeps a duplicate of standard error for the summary that process `owner` will write.
    pub(crate) fn keep_stderr(&self, owner: u64) {
        if let (Some(sink), settings::SummaryTarget::Yes) = (&self.summary, self.summary_to) {
            sink.keep_duplicate(owner);
        }
    }

    /// Writes the summary of this process: one write, as for a line.
    pub fn summarize(&self, stats: &Stats, pid: i32) {
        static ROOM: TryLock<[u8; format::Summary::MAX_LEN]> =
            TryLock::new([0; format::Summary::MAX_LEN]);
        // Another thread, or the code that this signal handler interrupted, is about to write it.
        let Some(mut room) = ROOM.try_lock() else { return };
        let mut text = Line::new(&mut *room);
        let Some(sink) = &self.summary else { return };
        let is_file = matches!(self.summary_to, settings::SummaryTarget::File(_));
        let prefix = if is_file { "" } else { "cfr: " };
        let summary =
            format::Summary { stats, program: program(), pid: Some(pid), prefix, run: None };
        // The writer never fails: it drops what does not fit.
        let _ = match self.format {
            Format::Text => summary.table::<false>(&mut text),
            Format::Json => summary.json(&mut text),
        };
        if let Err(errno) = sink.put(&mut text)
            && let settings::SummaryTarget::File(path) = self.summary_to
        {
            self.report_unwritable("summary", path, format_args!("{errno}"));
        }
    }

    /// Reports once, on standard error, that the log file cannot be written and why.
    fn report_error(&self, errno: Errno) {
        let Some(path) = self.file_template else { return };
        if self.has_reported_error.load(Ordering::Relaxed)
            || self.has_reported_error.swap(true, Ordering::Relaxed)
        {
            return;
        }
        if self.file.as_ref().is_some_and(Sink::has_given_up) {
            self.report_unwritable("log", path, format_args!("{GIVEN_UP}; {DROPPED}"));
        } else {
            self.report_unwritable("log", path, format_args!("{errno}; {DROPPED}"));
        }
    }

    /// Reports on standard error that `what` cannot be written to `path`.
    fn report_unwritable(&self, what: &str, path: &[u8], why: fmt::Arguments<'_>) {
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        let _ = write!(line, "cfr: cannot write the {what} to {}: {why}", printable(path));
        let _ = self.console.put(&mut line);
    }

    fn message_meta(&self, level: &'static str) -> MessageMeta {
        let (pid, tid) = (self.caller)();
        MessageMeta { time_ns: sys::realtime_ns(), pid, tid, level, is_about_call: false }
    }

    /// Writes how many lines were lost, if any were. This is no event: an event that is lost would report
    /// itself.
    #[cold]
    pub fn report_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let written = lost == 0
            || self.write_line(&|line| {
                let message = format_args!("{lost} lines lost");
                format::write_message(line, self.format, &self.message_meta("error"), &message);
            });
        if !written {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

impl EventLog for Log {
    /// Writes one event, and then how many lines were lost before it.
    fn write(&self, kind: &'static EventKind, message: &dyn Value) {
        let written = self.write_line(&|line| self.format(kind, message, line));
        self.note_written(written);
    }

    /// Passes a short line on without a page.
    fn write_call(&self, kind: &'static EventKind, call: &dyn CallLine) {
        let as_json = self.format == Format::Json;
        let is_passed_on = self
            .delivery
            .first()
            .is_some_and(|rings| call.pass(as_json, &mut |text| self.pass_on(rings, text)));
        let format = |line: &mut Line<'_>| {
            let is_short = call.pass(as_json, &mut |text| {
                line.append(text);
                true
            });
            if !is_short {
                self.format(kind, &debug(call), line);
            }
        };
        self.note_written(is_passed_on || self.write_line(&format));
    }
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
