//! The launcher's side of the log: a thread that takes the lines which the processes of the program
//! pass on through memory, and writes them.

use super::environment::Variables;
use super::program_settings;
use super::rotation::Rotation;
use super::shared_log::SharedLog;
use super::shared_stats::SharedStats;
use super::written_lines::WrittenLines;
use crate::term::small_thread::small_thread;
use cfr_observe::{Collectors, ConfigErrors, Log};
use cfr_shared::line::{MAX_LINE, is_printable};
use cfr_shared::settings::Settings;
use cfr_shared::stats::{LineRing, LineRings, Place, Stats};
use cfr_sys as sys;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the thread sleeps after it has found lines, and at most if it finds none. A program that
/// begins to copy without a pause fills a part of the ring meanwhile.
const MIN_SLEEP: Duration = Duration::from_millis(1);
const MAX_SLEEP: Duration = Duration::from_millis(8);

/// How long lines that were begun are waited for when the program has ended.
const MAX_END: Duration = Duration::from_millis(200);

/// How long a reader of the log is waited for that takes nothing when the program has ended.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The bytes that are written to a file at once.
const BATCH: usize = 64 << 10;

/// The most places that one look passes, so that it ends whatever is in the memory.
const MAX_PLACES: usize = 1 << 16;

/// The thread that writes the lines. Dropping this ends it, with all lines written.
pub(crate) struct LineReader {
    /// `None` once the thread has ended.
    running: Option<(Sender<()>, JoinHandle<Reader>)>,
    /// The lines in a log file.
    written: Option<WrittenLines>,
    /// The lines that will not come, because their writers have ended.
    missing: u64,
    /// Whether another process goes on.
    hands_on: bool,
}

impl LineReader {
    /// Starts to read the rings of these stats, if they have them. `variables` are the program's
    /// settings.
    pub(crate) fn start(
        shared: &SharedStats,
        variables: &Variables,
        log: &SharedLog,
    ) -> Option<LineReader> {
        let rings = shared.rings()?;
        // They were checked before.
        let settings = program_settings::of_variables(variables).ok()?;
        let started = LineReader::of(rings, *shared.stats(), settings, log)?;
        log.open(rings, settings)?;
        Some(started)
    }

    /// Goes on reading the rings of these stats in place of a launcher that has handed them on.
    /// `settings` are those of the program.
    pub(crate) fn go_on(stats: Stats, settings: &'static Settings<'static>) -> Option<LineReader> {
        let rings = stats.line_rings().filter(LineRings::are_handed_on)?;
        let log = SharedLog::handed_on(settings)?;
        let started = LineReader::of(rings, stats, settings, &log)?;
        log.open(rings, settings)?;
        Some(started)
    }

    fn of(
        rings: LineRings,
        stats: Stats,
        settings: &'static Settings<'static>,
        shared: &SharedLog,
    ) -> Option<LineReader> {
        let no_errors = Box::leak(Box::new(ConfigErrors::none()));
        let collectors = Collectors { tree: Some(stats), own: None, is_program: false };
        let caller = || (sys::getpid(), sys::gettid());
        let log = Log::new(settings, no_errors, collectors, caller).without_rings();
        // Before the program can move it.
        log.open();
        let written = shared.path().map(|path| WrittenLines::new(path.to_owned()));
        let rotation = shared.path().map(|path| Rotation::new(path.to_owned()));
        let mut reader = Reader::new(rings, log, rotation);
        let looks = written.as_ref().map(WrittenLines::looks);
        let is_file = shared.path().is_some();
        let (end, is_over) = mpsc::channel::<()>();
        let thread = small_thread(move || {
            if is_file {
                rings.populate();
            }
            let mut sleep = MIN_SLEEP;
            while is_over.recv_timeout(sleep) == Err(RecvTimeoutError::Timeout) {
                let found = reader.look(sys::monotonic_ns());
                if let Some(looks) = &looks {
                    looks.fetch_add(1, Ordering::Release);
                }
                sleep = if found { MIN_SLEEP } else { (sleep * 2).min(MAX_SLEEP) };
            }
            reader
        });
        let running = Some((end, thread.ok()?));
        Some(LineReader { running, written, missing: 0, hands_on: false })
    }

    /// Returns the lines that were written, if the log is a file.
    pub(crate) fn written(&self) -> Option<WrittenLines> {
        self.written.clone()
    }

    /// Ends the thread, with all lines written but those of so many calls that are known to have none.
    pub(crate) fn finish(mut self, missing: u64) {
        self.missing = missing;
    }

    /// Ends the thread, for another process that goes on.
    pub(crate) fn hand_on(mut self) {
        self.hands_on = true;
    }
}

impl Drop for LineReader {
    fn drop(&mut self) {
        let Some((end, thread)) = self.running.take() else { return };
        drop(end);
        match thread.join() {
            Ok(reader) if self.hands_on => reader.hand_on(),
            Ok(reader) => reader.finish(self.missing),
            Err(_) => {}
        }
    }
}

struct Reader {
    rings: LineRings,
    usual: Progress,
    overflow: Progress,
    log: Log,
    /// The log file.
    rotation: Option<Rotation>,
    /// Lines that were taken from a ring.
    batch: Vec<u8>,
}

/// How far a ring was read.
struct Progress {
    ring: LineRing,
    /// The first place that was not passed.
    head: u64,
    /// The place before which all were taken by writers when the ring was looked at last: a writer
    /// that has not come since is slow, or was killed.
    settled: u64,
    /// The places of lines that were not whole when they were passed.
    late: Vec<u64>,
    /// The places and the cells of the lines in the batch.
    taken: Vec<(u64, u64)>,
    /// How many more were taken that are no lines: any process of the program can write to the memory.
    damaged: usize,
}

impl Progress {
    fn new(ring: LineRing) -> Progress {
        let is_begun =
            |place: &u64| matches!(ring.look(*place), Place::Claimed { .. } | Place::Whole { .. });
        let late = ring.passed().filter(is_begun).collect();
        Progress { ring, head: ring.head(), settled: 0, late, taken: Vec::new(), damaged: 0 }
    }

    /// Reports whether a line may still come.
    fn is_waiting(&self) -> bool {
        self.head < self.ring.tail() || !self.late.is_empty()
    }

    /// Takes the lines that are whole by now, of those that were passed before. Reports whether there
    /// were any.
    fn take_late(&mut self, batch: &mut Vec<u8>) -> bool {
        let mut found = false;
        for place in mem::take(&mut self.late) {
            match self.ring.look(place) {
                Place::Whole { cells, len } => {
                    self.take(place, cells, len, batch);
                    found = true;
                }
                Place::Claimed { .. } => self.late.push(place),
                // Another process has closed the ring.
                Place::Free | Place::Other => {}
            }
        }
        found
    }

    /// Takes the line at the head, and passes it. Returns false if its writer is waited for.
    fn pass(&mut self, batch: &mut Vec<u8>) -> bool {
        let place = self.head;
        let is_settled = place < self.settled;
        match self.ring.look(place) {
            Place::Whole { cells, len } => {
                self.head = place.saturating_add(cells);
                self.take(place, cells, len, batch);
            }
            Place::Claimed { cells } if is_settled => {
                self.late.push(place);
                self.head = place.saturating_add(cells);
            }
            Place::Free if is_settled => {
                if self.ring.revoke(place) {
                    self.head = place.saturating_add(1);
                }
            }
            Place::Claimed { .. } | Place::Free => return false,
            Place::Other => self.head = place.saturating_add(1),
        }
        true
    }

    fn take(&mut self, place: u64, cells: u64, len: usize, batch: &mut Vec<u8>) {
        if !self.ring.take(place) {
            return;
        }
        self.taken.push((place, cells));
        if len > 0 {
            let start = batch.len();
            batch.resize(start + len, 0);
            let line = batch.get_mut(start..).unwrap_or_default();
            self.ring.read(place, line);
            if is_printable(line) {
                batch.push(b'\n');
            } else {
                batch.truncate(start);
                self.damaged += 1;
            }
        }
    }

    /// Gives up lines that were begun, at most so many.
    fn give_up(&mut self, most: &mut u64) {
        for place in self.late.drain(..).chain(self.head..self.ring.tail()).take(MAX_PLACES) {
            if *most == 0 {
                return;
            }
            *most -= u64::from(self.ring.give_up(place));
        }
    }

    /// Frees the cells of the lines that were written.
    fn free(&mut self) {
        for (place, cells) in self.taken.drain(..) {
            self.ring.free(place, cells, self.head);
        }
        self.ring.note_passed(self.head);
    }
}

impl Reader {
    fn new(rings: LineRings, log: Log, rotation: Option<Rotation>) -> Reader {
        Reader {
            rings,
            usual: Progress::new(rings.usual()),
            overflow: Progress::new(rings.overflow()),
            log,
            rotation,
            batch: Vec::with_capacity(BATCH + MAX_LINE),
        }
    }

    /// Reports whether the log may be a pipe or a terminal.
    fn is_stream(&self) -> bool {
        self.rotation.is_none()
    }

    /// Writes the lines that are whole; `now_ns` is noted as the time of the look. Reports whether there
    /// were any.
    fn look(&mut self, now_ns: u64) -> bool {
        self.rings.note_look(now_ns);
        if self.rotation.as_mut().is_some_and(Rotation::is_due) {
            self.log.close();
        }
        let before = (self.usual.head, self.overflow.head);
        let found =
            self.usual.take_late(&mut self.batch) | self.overflow.take_late(&mut self.batch);
        // A thread that has a line in the overflow now has its earlier lines before the usual ring's
        // tail.
        let tail_of_overflow = self.overflow.ring.tail();
        let tail = self.usual.ring.tail();
        if self.pass_all(false, tail, now_ns) {
            self.pass_all(true, tail_of_overflow, now_ns);
        }
        self.usual.settled = tail;
        self.overflow.settled = tail_of_overflow;
        self.rings.note_look(now_ns);
        found || before != (self.usual.head, self.overflow.head)
    }

    /// Writes the whole lines of a ring before `tail`. Reports whether all places before it were passed.
    fn pass_all(&mut self, is_overflow: bool, tail: u64, now_ns: u64) -> bool {
        for _ in 0..MAX_PLACES {
            // Until a slow reader of the log takes more, the lines wait in memory.
            if self.is_stream() && !self.log.is_ready() {
                break;
            }
            let progress = if is_overflow { &mut self.overflow } else { &mut self.usual };
            if progress.head >= tail || !progress.pass(&mut self.batch) {
                break;
            }
            if self.batch.len() >= BATCH || self.is_stream() {
                self.write();
                self.rings.note_look(if now_ns == 0 { 0 } else { sys::monotonic_ns() });
            }
        }
        self.write();
        (if is_overflow { &self.overflow } else { &self.usual }).head >= tail
    }

    /// Writes the lines that were taken, and frees their cells.
    fn write(&mut self) {
        if !self.batch.is_empty() {
            self.log.write_lines(&self.batch);
            if let Some(rotation) = &mut self.rotation {
                rotation.note_opened();
            }
            self.batch.clear();
        }
        for ring in [&mut self.usual, &mut self.overflow] {
            (0..mem::take(&mut ring.damaged)).for_each(|_| self.log.count_lost());
            ring.free();
        }
    }

    /// Writes the lines that are whole, for another process that goes on.
    fn hand_on(mut self) {
        self.look(sys::monotonic_ns());
        self.rings.hand_on();
    }

    /// Writes what is left, and closes the rings. Of the lines that were begun so many are not lost: the
    /// launcher has told of their calls.
    fn finish(mut self, mut missing: u64) {
        self.rings.end();
        let longest = if self.is_stream() { MAX_PAUSE } else { MAX_END };
        let mut found = Instant::now();
        self.look(0);
        while (self.usual.is_waiting() || self.overflow.is_waiting()) && found.elapsed() < longest {
            thread::sleep(MIN_SLEEP);
            if self.look(0) {
                found = Instant::now();
            }
        }
        for progress in [&mut self.usual, &mut self.overflow] {
            progress.give_up(&mut missing);
        }
        self.log.close_rings(&self.rings);
        self.log.report_lost();
    }
}
