//! The calls in which a thread ends: the launcher finds them among the calls in flight, and writes the
//! lines that the thread cannot write any more.

use super::environment::Variables;
use super::proc_stat::ProcStat;
use super::program_settings;
use super::shared_log;
use super::written_lines::WrittenLines;
use crate::term::small_thread::small_thread;
use cfr_engine::hook::Hook;
use cfr_observe::{Collectors, ConfigErrors, Log};
use cfr_shared::format::Format;
use cfr_shared::settings::{Level, Settings};
use cfr_shared::stats::{Collect, Counter, InFlight, Stats};
use cfr_sys as sys;
use std::collections::HashSet;
use std::fs;
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the calls in flight are looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// How many calls are kept for the summary after their threads have ended.
const MAX_KEPT: usize = 16;

const SECOND_NS: u64 = 1_000_000_000;

/// A thread that looks after the calls in flight while the program runs.
pub(crate) struct UnfinishedCalls {
    end: Sender<()>,
    thread: Option<JoinHandle<Looks>>,
}

impl UnfinishedCalls {
    /// Starts to look after the calls in these stats, if they are collected. `variables` are the
    /// program's settings, and `written` the lines that the launcher writes for it.
    pub(crate) fn watch(
        stats: Stats,
        variables: &Variables,
        written: Option<WrittenLines>,
    ) -> Option<UnfinishedCalls> {
        if !stats.collects(Collect::IN_FLIGHT) {
            return None;
        }
        // They were checked before.
        let settings = program_settings::of_variables(variables).ok()?;
        let log = (!shared_log::has_own_log(settings)).then(|| log(settings, stats));
        let mut looks = Looks {
            stats,
            settings,
            log,
            written,
            alive: HashSet::new(),
            beginning: HashSet::new(),
            missing: 0,
        };
        let (end, is_over) = mpsc::channel::<()>();
        let thread = small_thread(move || {
            while is_over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                looks.look(End::NotYet);
            }
            looks
        });
        Some(UnfinishedCalls { end, thread: Some(thread.ok()?) })
    }

    /// Writes what is left when the program has ended; `all_ended` says whether all its processes have.
    /// Returns the number of calls that have ended without their line.
    pub(crate) fn finish(self, all_ended: bool) -> u64 {
        let UnfinishedCalls { end, thread } = self;
        drop(end);
        let Some(Ok(mut looks)) = thread.map(JoinHandle::join) else { return 0 };
        looks.look(if all_ended { End::OfAll } else { End::OfProgram });
        looks.missing
    }
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    /// The program has ended; a process that it started may run.
    OfProgram,
    /// No process is left.
    OfAll,
}

struct Looks {
    stats: Stats,
    settings: &'static Settings<'static>,
    /// The log, if all processes have the same.
    log: Option<Log>,
    /// The lines that the launcher writes for the program.
    written: Option<WrittenLines>,
    /// The calls whose threads were seen in /proc.
    alive: HashSet<(usize, u64)>,
    /// The slots in which a call was being stored.
    beginning: HashSet<(usize, u64)>,
    /// The calls that have ended without their line.
    missing: u64,
}

impl Looks {
    /// Looks for threads that have ended in a call. A process of another process ID namespace has
    /// another number here: before the end, a thread has ended only if it was seen before.
    fn look(&mut self, end: End) {
        let (mut alive, mut ended) = (HashSet::new(), Vec::new());
        for call in self.stats.in_flight() {
            // The supervisor frees the slots of its calls, and writes their lines itself. If it was
            // killed, they were let through.
            if call.hook() == Some(Hook::Seccomp) {
                if end == End::OfAll && call.end() {
                    call.forget();
                }
                continue;
            }
            let thread = if end == End::OfAll { Thread::Ended } else { Thread::of(&call) };
            let has_ended = match thread {
                Thread::Runs => false,
                Thread::Ended => true,
                Thread::Unknown => end != End::NotYet || self.alive.contains(&call.id()),
            };
            if has_ended {
                ended.push(call);
            } else if thread == Thread::Runs {
                alive.insert(call.id());
            }
        }
        self.alive = alive;
        let (new, mut kept): (Vec<_>, Vec<_>) = ended.into_iter().partition(InFlight::end);
        let are_written = self.are_written(&new);
        for (call, is_written) in new.into_iter().zip(are_written) {
            if self.is_kept(&call, is_written) {
                kept.push(call);
            } else {
                call.forget();
            }
        }
        self.count_not_made();
        if let Some(log) = &self.log {
            log.report_lost();
        }
        kept.iter().skip(MAX_KEPT).for_each(InFlight::forget);
        self.forget_beginning();
    }

    /// Counts the lines as lost that no supervisor could make.
    fn count_not_made(&self) {
        let lines = self.stats.take(Counter::NotMade);
        if self.settings.log < Level::Info {
            return;
        }
        match &self.log {
            Some(log) => (0..lines).for_each(|_| log.count_lost()),
            None => self.stats.add(Counter::LinesLost, lines),
        }
    }

    /// Reports of each call whether its line was written before its thread ended.
    fn are_written(&self, calls: &[InFlight]) -> Vec<bool> {
        match &self.written {
            Some(written) if !calls.is_empty() => written
                .have(&calls.iter().map(|call| self.beginning_of_line(call)).collect::<Vec<_>>()),
            _ => vec![false; calls.len()],
        }
    }

    /// Returns how the line of a call begins, whether it returns or not.
    fn beginning_of_line(&self, call: &InFlight) -> Vec<u8> {
        let (mut line, end) = (
            String::new(),
            match self.settings.log_format {
                Format::Text => " = ?",
                Format::Json => ",\"comm\":",
            },
        );
        call.with_record(|record, _| {
            line = match self.settings.log_format {
                Format::Text => format!("{record:?}"),
                Format::Json => format!("{record:#?}"),
            };
        });
        // A file may get another name during the call.
        let ends = [line.find(end), line.find('<')].into_iter().flatten();
        line.truncate(ends.min().unwrap_or(line.len()));
        line.into_bytes()
    }

    /// Writes the line of a call whose thread has ended in it. Reports whether the summary shows it.
    fn is_kept(&mut self, call: &InFlight, is_written: bool) -> bool {
        if is_written {
            return false;
        }
        self.missing += 1;
        if !call.is_counted() {
            self.write(call);
            return true;
        }
        // It had returned, and the result is known to the counters only.
        if let Some(log) = self.log.as_ref().filter(|_| self.settings.log >= Level::Info) {
            log.count_lost();
        }
        false
    }

    /// Frees the slots of threads that have ended while they stored a call, which was not made then.
    fn forget_beginning(&mut self) {
        let mut beginning = HashSet::new();
        for call in self.stats.beginning() {
            if Thread::of(&call) == Thread::Runs || !self.beginning.contains(&call.id()) {
                beginning.insert(call.id());
            } else {
                call.forget_beginning();
            }
        }
        self.beginning = beginning;
    }

    fn write(&self, call: &InFlight) {
        call.with_record(|record, program| {
            if self.stats.collects(Collect::SUMMARY.union(Collect::LINES)) {
                self.stats.keep_line(record);
            }
            if self.settings.log < Level::Warn || !call.is_logged() {
                return;
            }
            if let Some(log) = &self.log {
                return record.write_to(log);
            }
            let settings =
                program_settings::with_own_log(self.settings, call.pid(), || program.to_vec());
            let log = log(settings, self.stats);
            record.write_to(&log);
            log.close();
        });
    }
}

fn log(settings: &'static Settings<'static>, stats: Stats) -> Log {
    static NO_ERRORS: OnceLock<ConfigErrors> = OnceLock::new();
    let collectors = Collectors { tree: Some(stats), own: None, is_program: false };
    let caller = || (sys::getpid(), sys::gettid());
    Log::new(settings, NO_ERRORS.get_or_init(ConfigErrors::none), collectors, caller)
}

/// Whether the thread of a call can be found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    Runs,
    Ended,
    /// It has ended, or it is of another process ID namespace.
    Unknown,
}

impl Thread {
    /// Finds the thread of a call (proc_pid_stat(5)). If only its process is known, that.
    fn of(call: &InFlight) -> Thread {
        let pid = call.pid();
        let path = match call.tid() {
            Some(tid) => format!("/proc/{pid}/task/{tid}/stat"),
            None => format!("/proc/{pid}/stat"),
        };
        let Some(stat) = ProcStat::read(path) else { return Thread::Unknown };
        let (state, threads, start_ticks) = (stat.field(3), stat.number(20), stat.number(22));
        let is_later = start_ticks.is_some_and(|ticks| ticks_to_ns(ticks) > call.begun_ns());
        match state {
            _ if is_later => Thread::Unknown,
            Some("Z" | "X") if call.tid().is_some() || threads.is_none_or(|count| count <= 1) => {
                Thread::Ended
            }
            _ => Thread::Runs,
        }
    }
}

/// Converts a time in clock ticks since boot, of which the kernel shows 100 a second, to the monotonic
/// clock. A second is taken off, because both clocks are read with errors: no number of a process is
/// used again so soon.
fn ticks_to_ns(ticks: u64) -> u64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let now_ns = sys::monotonic_ns();
    let now = uptime.split(' ').next().and_then(|seconds| {
        let (whole, hundredths) = seconds.split_once('.')?;
        whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(hundredths.parse().ok()?)
    });
    let ago = now.map_or(0, |now| now.saturating_sub(ticks));
    now_ns.saturating_sub(ago.saturating_mul(SECOND_NS / 100)).saturating_sub(SECOND_NS)
}
