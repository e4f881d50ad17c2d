//! The log: a `tracing` subscriber that writes one event as one line with one write(2).
//!
//! The usual subscriber stack is not safe in a stranger's process: its lock, its allocations and
//! its thread-locals with destructors deadlock in signal handlers and forked children, and abort
//! at thread exit. This one has none of them.

mod config_errors;
mod line_pool;
mod owned_fd;
mod path_cache;
mod sink;

pub(crate) use config_errors::Complaints;
pub(crate) use path_cache::PATHS;

use cfr_engine::diag::MESSAGE_TARGET;
use cfr_shared::format::{self, EventWriter, Format, MessageMeta, printable};
use cfr_shared::line::Line;
use cfr_shared::record;
use cfr_shared::settings::{self, Level, Settings};
use cfr_shared::stats::{Collect, Counter, Stats};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, SetOnce};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use line_pool::LINES;
use sink::{STANDARD_ERROR, Sink, program};
use std::sync::Mutex;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber, span};

const GIVEN_UP: &str = "the program put its own files under its number too often";
const DROPPED: &str = "its lines are dropped and counted";

static LOG: SetOnce<Log> = SetOnce::new();

/// The log, once it is installed.
pub(crate) fn get() -> Option<&'static Log> {
    LOG.get()
}

/// Installs the log.
///
/// Lines that are lost are counted in `accounts` too.
pub(crate) fn install(
    settings: Settings<'static>,
    complaints: Complaints,
    accounts: [Option<Stats>; 2],
) {
    LOG.set(Log::new(settings, complaints, accounts));
    // Fails only where there is one already, and the `tracing` in this library is its own.
    let _ = tracing::subscriber::set_global_default(ToLog);
}

/// The log of a process.
pub(crate) struct Log {
    settings: Settings<'static>,
    /// Standard error as it was when the library came in.
    console: Sink,
    /// The log file, where one is set.
    file: Option<Sink>,
    /// Lines that no sink took and nobody was told of yet.
    lost: AtomicU64,
    /// Whether the user was told that lines are being lost.
    told: AtomicBool,
    complaints: Complaints,
    /// Where the summary goes, if there is to be one.
    summary: Option<Sink>,
    accounts: [Option<Stats>; 2],
    /// Whether the launcher's line of progress may stand where the next line comes to stand.
    clears: bool,
}

impl Log {
    fn new(
        settings: Settings<'static>,
        complaints: Complaints,
        accounts: [Option<Stats>; 2],
    ) -> Self {
        let console = Sink::standard_error();
        let shows = |accounts: &Stats| accounts.collects(Collect::PROGRESS);
        Log {
            console: if settings.log_file.is_some() { console.impatient() } else { console },
            file: settings.log_file.map(Sink::file),
            settings,
            lost: AtomicU64::new(0),
            told: AtomicBool::new(false),
            complaints,
            summary: match settings.summary {
                settings::SummaryTarget::No => None,
                settings::SummaryTarget::Yes => Some(Sink::standard_error()),
                settings::SummaryTarget::File(template) => Some(Sink::file(template)),
            },
            clears: settings.log_file.is_none()
                && accounts.iter().flatten().any(shows)
                && sys::is_terminal(STANDARD_ERROR),
            accounts,
        }
    }

    /// What was set.
    pub(crate) fn settings(&self) -> &Settings<'static> {
        &self.settings
    }

    /// Warns of the settings that could not be used, once in a process, and not before it copies:
    /// a preload library is loaded into many processes that have nothing to do with it.
    #[inline]
    pub(crate) fn complain_once(&self) {
        self.complaints.say_once();
    }

    /// Writes one event, and what was lost before it.
    fn write(&self, event: &Event<'_>) {
        let written = self.write_line(|line| self.format(event, line));
        if !written {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.accounts.iter().flatten().for_each(|accounts| accounts.add(Counter::LinesLost, 1));
        } else if self.lost.load(Ordering::Relaxed) > 0 {
            self.report_lost();
        }
    }

    /// Writes the line that `format` makes; whether it was taken.
    #[inline]
    fn write_line(&self, format: impl FnOnce(&mut Line<'_>)) -> bool {
        let sink = self.file.as_ref().unwrap_or(&self.console);
        let taken = LINES.with_page(|page| {
            let mut line = Line::new(page);
            if self.clears {
                line.append(b"\x1b[K");
            }
            if self.file.is_none() && self.settings.log_format == Format::Text {
                line.append(b"cfr: ");
            }
            format(&mut line);
            sink.put(&mut line).map_err(|errno| self.tell_of_trouble(errno)).is_ok()
        });
        taken.unwrap_or(false)
    }

    #[inline]
    fn format(&self, event: &Event<'_>, line: &mut Line<'_>) {
        let format = self.settings.log_format;
        if event.metadata().target() == record::TARGET {
            event.record(&mut EventWriter::for_call(line, format));
        } else {
            let level = event.metadata().level().as_str();
            let level = LEVELS.iter().find(|name| name.eq_ignore_ascii_case(level));
            let level = level.copied().unwrap_or_default();
            // Warnings and errors of the library's own are about itself.
            let of_itself =
                event.metadata().target() == MESSAGE_TARGET && matches!(level, "warn" | "error");
            let said = MessageMeta { is_about_call: !of_itself, ..said(level) };
            event.record(&mut EventWriter::for_message(line, format, said));
        }
    }

    /// Keeps the place of the summary that process `owner` will write: from its first call on.
    pub(crate) fn keep_place(&self, owner: u64) {
        if let (Some(sink), settings::SummaryTarget::Yes) = (&self.summary, self.settings.summary) {
            sink.keep(owner);
        }
    }

    /// Writes the summary of these accounts, of this process, where it belongs: one write, as a line is.
    pub(crate) fn summarize(&self, accounts: &Stats, pid: i32) {
        static ROOM: Mutex<[u8; format::Summary::MAX_LEN]> =
            Mutex::new([0; format::Summary::MAX_LEN]);
        // Another thread, or the one that this signal handler interrupted, is about to write it.
        let Ok(mut room) = ROOM.try_lock() else { return };
        let mut text = Line::new(&mut *room);
        let Some(sink) = &self.summary else { return };
        let is_file = matches!(self.settings.summary, settings::SummaryTarget::File(_));
        let prefix = if is_file { "" } else { "cfr: " };
        let summary =
            format::Summary { stats: accounts, program: program(), pid: Some(pid), prefix };
        // The writer never fails: it drops what does not fit.
        let _ = match self.settings.log_format {
            Format::Text => summary.table(&mut text),
            Format::Json => summary.json(&mut text),
        };
        if let Err(errno) = sink.put(&mut text)
            && let settings::SummaryTarget::File(path) = self.settings.summary
        {
            self.tell(path, "summary", format_args!("{errno}"));
        }
    }

    /// Says once, on standard error, that the log file cannot be written and why.
    fn tell_of_trouble(&self, errno: Errno) {
        let Some(path) = self.settings.log_file else { return };
        if self.told.load(Ordering::Relaxed) || self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        match self.file.as_ref().is_some_and(Sink::has_given_up) {
            true => self.tell(path, "log", format_args!("{GIVEN_UP}; {DROPPED}")),
            false => self.tell(path, "log", format_args!("{errno}; {DROPPED}")),
        }
    }

    /// Says on standard error that this cannot be written to that file.
    fn tell(&self, path: &[u8], what: &str, why: fmt::Arguments<'_>) {
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        let _ = write!(line, "cfr: cannot write the {what} to {}: {why}", printable(path));
        let _ = self.console.put(&mut line);
    }

    /// As soon as a line goes through again: how many did not. Not an event: one that is lost
    /// would report itself.
    #[cold]
    fn report_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let written = lost == 0
            || self.write_line(|line| {
                let message = format_args!("{lost} lines lost");
                format::write_message(line, self.settings.log_format, &said("error"), &message);
            });
        if !written {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

fn said(level: &'static str) -> MessageMeta {
    let (pid, tid) = (sys::getpid(), sys::gettid());
    MessageMeta { time_ns: sys::realtime_ns(), pid, tid, level, is_about_call: false }
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The subscriber: hands every event to the log.
struct ToLog;

impl Subscriber for ToLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.max_level_hint().is_some_and(|most| *metadata.level() <= most)
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        LOG.get().map(|log| filter(log.settings.log))
    }

    fn event(&self, event: &Event<'_>) {
        if let Some(log) = LOG.get() {
            log.write(event);
        }
    }

    // This library opens no spans.
    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

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
