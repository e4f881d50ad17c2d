//! The launcher's side of the log: a thread that takes the lines which the processes of the program
//! pass on through memory, and writes them to the file.

use super::environment::Variables;
use super::program_settings;
use super::shared_stats::SharedStats;
use cfr_observe::{Collectors, ConfigErrors, Log};
use cfr_shared::line::MAX_LINE;
use cfr_shared::stats::{LineRing, Place};
use cfr_sys as sys;
use std::fs::Metadata;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the thread sleeps after it has found lines, and at most if it finds none. A program that
/// begins to copy without a pause fills a part of the ring meanwhile.
const MIN_SLEEP: Duration = Duration::from_millis(1);
const MAX_SLEEP: Duration = Duration::from_millis(8);

/// How long lines that were begun are waited for when the program has ended.
const MAX_END: Duration = Duration::from_millis(200);

/// How often the name of the log is looked at, and how long it must have been nothing's, or an empty
/// file's, before that is taken for a new log. The program may give the name to a file of its own.
const NAME_INTERVAL: Duration = Duration::from_millis(250);
const ROTATED: Duration = Duration::from_secs(1);

/// The bytes that are written at once.
const BATCH: usize = 64 << 10;

/// The most places that one look passes, so that it ends whatever is in the memory.
const MAX_PLACES: usize = 1 << 16;

/// The thread that writes the lines. Dropping this ends it, with all lines written.
pub(crate) struct LineReader {
    /// `None` once the thread has ended.
    running: Option<(Sender<()>, JoinHandle<Reader>)>,
}

impl LineReader {
    /// Starts to read the ring of these stats, if they have one. `variables` are the program's settings,
    /// and `path` is the log file.
    pub(crate) fn start(
        shared: &SharedStats,
        variables: &Variables,
        path: &Path,
    ) -> Option<LineReader> {
        let stats = *shared.stats();
        let ring = shared.ring()?;
        // They were checked before.
        let settings = program_settings::of_variables(variables).ok()?;
        let no_errors = Box::leak(Box::new(ConfigErrors::none()));
        let collectors = Collectors { tree: Some(stats), own: None, is_program: false };
        let caller = || (sys::getpid(), sys::gettid());
        let log = Log::new(settings, no_errors, collectors, caller).without_ring();
        // Before the program can move it.
        log.open();
        let mut reader = Reader::new(ring, log, path.to_owned());
        let (end, is_over) = mpsc::channel::<()>();
        let thread = thread::Builder::new().spawn(move || {
            let mut sleep = MIN_SLEEP;
            while is_over.recv_timeout(sleep) == Err(RecvTimeoutError::Timeout) {
                let found = reader.look(sys::monotonic_ns());
                sleep = if found { MIN_SLEEP } else { (sleep * 2).min(MAX_SLEEP) };
            }
            reader
        });
        let running = Some((end, thread.ok()?));
        shared.open_ring(settings.log_file?);
        Some(LineReader { running })
    }
}

impl Drop for LineReader {
    fn drop(&mut self) {
        let Some((end, thread)) = self.running.take() else { return };
        drop(end);
        if let Ok(reader) = thread.join() {
            reader.finish();
        }
    }
}

struct Reader {
    ring: LineRing,
    log: Log,
    path: PathBuf,
    /// The file that the log has open: device and inode.
    file: Option<(u64, u64)>,
    /// When its name was looked at last.
    looked: Instant,
    /// Since when the name has been free for a new log.
    moved: Option<Instant>,
    /// The first place that was not passed.
    head: u64,
    /// The place before which all were taken by writers when the ring was looked at last: a writer
    /// that has not come since is slow, or was killed.
    settled: u64,
    /// The places of lines that were not whole when they were passed.
    late: Vec<u64>,
    /// Lines that were taken from the ring, with their places and cells.
    batch: Vec<u8>,
    taken: Vec<(u64, u64)>,
}

impl Reader {
    fn new(ring: LineRing, log: Log, path: PathBuf) -> Reader {
        Reader {
            ring,
            log,
            file: path.metadata().ok().as_ref().map(identity),
            path,
            looked: Instant::now(),
            moved: None,
            head: 0,
            settled: 0,
            late: Vec::new(),
            batch: Vec::with_capacity(BATCH + MAX_LINE),
            taken: Vec::new(),
        }
    }

    /// Writes the lines that are whole; `now_ns` is noted as the time of the look. Reports whether there
    /// were any.
    fn look(&mut self, now_ns: u64) -> bool {
        self.ring.note_look(self.head, now_ns);
        self.close_if_rotated();
        let before = self.head;
        let mut found = false;
        for place in mem::take(&mut self.late) {
            match self.ring.look(place) {
                Place::Whole { cells, len } => {
                    self.take(place, cells, len);
                    found = true;
                }
                Place::Claimed { .. } => self.late.push(place),
                // Another process has closed the ring.
                Place::Free | Place::Other => {}
            }
        }
        let tail = self.ring.tail();
        for _ in 0..MAX_PLACES {
            if self.head >= tail {
                break;
            }
            let place = self.head;
            let is_settled = place < self.settled;
            match self.ring.look(place) {
                Place::Whole { cells, len } => {
                    self.head = place.saturating_add(cells);
                    self.take(place, cells, len);
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
                Place::Claimed { .. } | Place::Free => break,
                Place::Other => self.head = place.saturating_add(1),
            }
            if self.batch.len() >= BATCH {
                self.write();
                self.ring.note_look(self.head, if now_ns == 0 { 0 } else { sys::monotonic_ns() });
            }
        }
        self.write();
        self.settled = tail;
        self.ring.note_look(self.head, now_ns);
        found || self.head != before
    }

    /// Reports whether a line may still come.
    fn is_waiting(&self) -> bool {
        self.head < self.ring.tail() || !self.late.is_empty()
    }

    fn take(&mut self, place: u64, cells: u64, len: usize) {
        if !self.ring.take(place) {
            return;
        }
        self.taken.push((place, cells));
        if len > 0 {
            let start = self.batch.len();
            self.batch.resize(start + len, 0);
            self.ring.read(place, self.batch.get_mut(start..).unwrap_or_default());
            self.batch.push(b'\n');
        }
    }

    /// Writes the lines that were taken, and frees their cells.
    fn write(&mut self) {
        if !self.batch.is_empty() {
            self.log.write_lines(&self.batch);
            if self.file.is_none() {
                self.file = self.path.metadata().ok().as_ref().map(identity);
            }
            self.batch.clear();
        }
        for (place, cells) in self.taken.drain(..) {
            self.ring.free(place, cells, self.head);
        }
    }

    /// Closes the file if logs were rotated: the next line opens the name anew.
    fn close_if_rotated(&mut self) {
        if self.file.is_none() || self.looked.elapsed() < NAME_INTERVAL {
            return;
        }
        self.looked = Instant::now();
        let found = self.path.metadata().ok();
        let is_other = found.as_ref().map(identity) != self.file;
        let is_new = found.is_none_or(|found| found.is_file() && found.len() == 0);
        if !(is_other && is_new) {
            self.moved = None;
        } else if self.moved.get_or_insert(self.looked).elapsed() >= ROTATED {
            self.log.close();
            (self.file, self.moved) = (None, None);
        }
    }

    /// Writes what is left, and closes the ring.
    fn finish(mut self) {
        self.ring.end();
        let begun = Instant::now();
        self.look(0);
        while self.is_waiting() && begun.elapsed() < MAX_END {
            thread::sleep(MIN_SLEEP);
            self.look(0);
        }
        self.log.close_ring(&self.ring);
        self.log.report_lost();
    }
}

/// Returns the device and the inode of a file.
fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
