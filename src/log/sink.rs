//! Where lines go: standard error or a file, never anything else.
//!
//! A descriptor is proven ours before every write; one that is no longer ours is given up, never
//! written and never closed.

use crate::log::PATHS;
use crate::log::owned_fd::{Handle, Proof};
use cfr_shared::line::Line;
use cfr_shared::settings::template::{Part, Placeholder, parts};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Readiness, WriteSignalGuard};
use core::ffi::CStr;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How long a line may wait for a slow reader, in milliseconds.
const PATIENCE_MS: u32 = 1000;

pub(super) const STANDARD_ERROR: i32 = 2;

/// A file that is opened when the first line comes, and again when its descriptor is gone.
struct File {
    template: &'static [u8],
    /// `%p` stands in its name: a child made by fork has another.
    per_process: bool,
    /// The file offset that proves a descriptor ours. One for all openings: threads that have
    /// descriptor tables of their own agree on it.
    lot: u64,
}

/// File offsets at which no host's file stands by chance: between 2^40 and 2^41.
const LOTS: u64 = 1 << 40;

impl File {
    fn new(template: &'static [u8]) -> File {
        let per_process =
            parts(template).any(|part| part == Ok(Part::Placeholder(Placeholder::Pid)));
        let somewhere = &raw const SOMEWHERE as u64;
        let lot = LOTS | (sys::monotonic_ns() ^ somewhere << 20) & (LOTS - 1);
        File { template, per_process, lot }
    }

    /// What makes the proofs of this process others than its parent's.
    #[inline]
    fn salt(&self) -> u64 {
        if !self.per_process {
            return 0;
        }
        u64::from(sys::getpid().unsigned_abs()).wrapping_mul(0x9e37_79b9) & (LOTS - 1)
    }
}

/// Where the dynamic linker has put this is known to nobody else.
static SOMEWHERE: u8 = 0;

/// A handle that was opened, or that another thread opened at the same time.
struct Replaced {
    handle: Handle,
    by_us: bool,
}

/// How often a process may find something else under its log's number and open the log anew. A
/// descriptor that is not proven ours is not closed, so this bounds what a host could be made to
/// leak.
const MOST_LOSSES: u32 = 256;

/// One place for lines.
pub(super) struct Sink {
    /// `None` for the host's own descriptor 2 as it was at the start; that is never reopened.
    file: Option<File>,
    handle: AtomicU64,
    /// The handle before that: a child of vfork shares this memory, but not the descriptors, and
    /// leaves its own handle to the parent.
    previous: AtomicU64,
    losses: AtomicU32,
    /// The last line found no taker in time: the next one does not wait.
    stuck: AtomicBool,
    /// The last line was written in part: the next one begins with a newline.
    torn: AtomicBool,
}

impl Sink {
    fn new(file: Option<File>, handle: u64) -> Self {
        Sink {
            file,
            handle: AtomicU64::new(handle),
            previous: AtomicU64::new(0),
            losses: AtomicU32::new(0),
            stuck: AtomicBool::new(false),
            torn: AtomicBool::new(false),
        }
    }

    /// Descriptor 2 as it is now. It is not duplicated: a daemon that closes its standard error
    /// lets go of it, and whoever reads there must see the end.
    pub(super) fn standard_error() -> Self {
        let handle = sys::identify(STANDARD_ERROR)
            .map_or(0, |identity| Handle::identified(STANDARD_ERROR, identity, 0).pack());
        Sink::new(None, handle)
    }

    /// Puts descriptor 2 under a number of its own, for what is written when the program has closed it, as
    /// GNU's programs do when they end. Whoever reads there waits for the end of the process. Only in
    /// process `owner`: a child made by vfork(2) shares this memory, but not the descriptors.
    #[inline]
    pub(super) fn keep(&self, owner: u64) {
        let word = self.handle.load(Ordering::Relaxed);
        if let Some(handle) = Handle::unpack(word)
            && handle.fd == STANDARD_ERROR
            && u64::from(sys::getpid().unsigned_abs()) == owner
            && handle.is_ours(0, 0)
        {
            self.duplicate(word);
        }
    }

    #[cold]
    fn duplicate(&self, word: u64) {
        // Where no number is free it stays the program's own, for as long as that is open.
        let Ok(fd) = sys::duplicate_high(STANDARD_ERROR) else { return };
        // The last free number is the host's.
        match sys::duplicate_high(STANDARD_ERROR) {
            Ok(another) => sys::close(another),
            Err(_) => return sys::close(fd),
        }
        let identity = sys::identify(fd);
        let handle = identity.map_or(0, |found| Handle::identified(fd, found, 0).pack());
        let replaced =
            self.handle.compare_exchange(word, handle, Ordering::Relaxed, Ordering::Relaxed);
        if replaced.is_err() {
            sys::close(fd);
        }
    }

    /// A file, opened when the first line comes: most processes never copy.
    pub(super) fn file(template: &'static [u8]) -> Self {
        Sink::new(Some(File::new(template)), 0)
    }

    /// For a place that is only told of trouble: it is never waited for.
    pub(super) fn impatient(self) -> Self {
        self.stuck.store(true, Ordering::Relaxed);
        self
    }

    /// Whether the last line was not taken.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Writes the line.
    ///
    /// # Errors
    ///
    /// The line is lost, for this reason.
    pub(super) fn put(&self, line: &mut Line<'_>) -> Result<(), Errno> {
        let done = self.proven_handle().and_then(|handle| self.write(handle, line));
        // Stored only when it changes: the threads of a host share this cache line.
        if self.is_stuck() != done.is_err() {
            self.stuck.store(done.is_err(), Ordering::Relaxed);
        }
        done
    }

    #[inline]
    fn proven_handle(&self) -> Result<Handle, Errno> {
        let word = self.handle.load(Ordering::Relaxed);
        let handle = Handle::unpack(word);
        let Some(file) = &self.file else {
            return handle.filter(|handle| handle.is_ours(0, 0)).ok_or(Errno::EBADF);
        };
        let salt = file.salt();
        let lot = file.lot ^ salt;
        match handle {
            Some(handle) if handle.is_ours(lot, salt) => Ok(handle),
            Some(handle) if handle.is_parents(lot) => {
                let opened = self.open(file, lot, salt, word)?;
                // Who did not put the new one in its place leaves the old one alone: another
                // thread has closed it, and the number may be the host's by now.
                if opened.by_us {
                    sys::close(handle.fd);
                }
                Ok(opened.handle)
            }
            lost => {
                if let Some(handle) = self.come_back(word, lot, salt) {
                    return Ok(handle);
                }
                if lost.is_some_and(|lost| sys::identify(lost.fd).is_ok()) {
                    self.losses.fetch_add(1, Ordering::Relaxed);
                }
                if self.has_given_up() {
                    return Err(Errno::EBADF);
                }
                self.open(file, lot, salt, word).map(|opened| opened.handle)
            }
        }
    }

    /// The handle before `word`, back in its place, if that is ours.
    #[cold]
    fn come_back(&self, word: u64, lot: u64, salt: u64) -> Option<Handle> {
        let previous = self.previous.load(Ordering::Relaxed);
        let handle = Handle::unpack(previous).filter(|handle| handle.is_ours(lot, salt))?;
        // Where another thread was first, that is as good.
        let _ = self.handle.compare_exchange(word, previous, Ordering::Relaxed, Ordering::Relaxed);
        Some(handle)
    }

    /// Whether the log's descriptor was taken away too often.
    pub(super) fn has_given_up(&self) -> bool {
        self.losses.load(Ordering::Relaxed) > MOST_LOSSES
    }

    /// Opens the file anew, in place of the handle `before`.
    #[cold]
    fn open(&self, file: &File, lot: u64, salt: u64, before: u64) -> Result<Replaced, Errno> {
        let opened =
            PATHS.with_page(|page| expand(file.template, page.bytes()).and_then(sys::open_append));
        // No page is free: the next line tries again.
        let opened = opened.ok_or(Errno::EAGAIN)??;
        if opened.fd >= Handle::FD_LIMIT {
            sys::close(opened.fd);
            return Err(Errno::EMFILE);
        }
        let handle = Handle::opened(opened, lot, salt);
        match self.handle.compare_exchange(
            before,
            handle.pack(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Ok(_) => {
                self.previous.store(before, Ordering::Relaxed);
                Ok(Replaced { handle, by_us: true })
            }
            Err(theirs) => {
                sys::close(handle.fd);
                let theirs = Handle::unpack(theirs).filter(|theirs| theirs.is_ours(lot, salt));
                theirs.map(|handle| Replaced { handle, by_us: false }).ok_or(Errno::EBADF)
            }
        }
    }

    fn write(&self, handle: Handle, line: &mut Line<'_>) -> Result<(), Errno> {
        let torn = self.torn.load(Ordering::Relaxed);
        let bytes = line.finish(torn);
        let (written, trouble) = match handle.proof {
            Proof::Position(lot) => {
                let guard = sys::has_file_size_limit().then(WriteSignalGuard::new);
                all(bytes, guard.as_ref(), |rest| sys::write_at_end(handle.fd, rest, lot))
            }
            Proof::Regular(_) => {
                let guard = sys::has_file_size_limit().then(WriteSignalGuard::new);
                all(bytes, guard.as_ref(), |rest| sys::write(handle.fd, rest))
            }
            Proof::Stream(_) => {
                let guard = WriteSignalGuard::new();
                let mut patience = Patience::new(if self.is_stuck() { 0 } else { PATIENCE_MS });
                all(bytes, Some(&guard), |rest| write_stream(handle.fd, rest, &mut patience))
            }
        };
        let Some(errno) = trouble else {
            if torn {
                self.torn.store(false, Ordering::Relaxed);
            }
            return Ok(());
        };
        if written > 0 {
            self.torn.store(true, Ordering::Relaxed);
        }
        Err(errno)
    }
}

/// What is left of the time that a line may wait.
struct Patience {
    ms: u32,
}

impl Patience {
    fn new(ms: u32) -> Self {
        Patience { ms }
    }

    fn wait(&mut self, fd: i32) -> Readiness {
        let begun_ns = sys::monotonic_ns();
        let readiness = sys::wait_writable(fd, self.ms);
        let waited_ms = (sys::monotonic_ns().saturating_sub(begun_ns)).div_ceil(1_000_000);
        self.ms = self.ms.saturating_sub(u32::try_from(waited_ms).unwrap_or(u32::MAX));
        readiness
    }
}

/// One write that waits no longer than there is patience. EINTR where it may be tried again.
fn write_stream(fd: i32, bytes: &[u8], patience: &mut Patience) -> Result<usize, Errno> {
    match sys::write_no_wait(fd, bytes) {
        Err(Errno::EAGAIN) if patience.ms > 0 && patience.wait(fd) == Readiness::Ready => {
            Err(Errno::EINTR)
        }
        // No RWF_NOWAIT on this file, or no pwritev2 behind a seccomp filter: the file must say that
        // it has room.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EPERM) => match patience.wait(fd) {
            Readiness::Ready => sys::write(fd, bytes),
            Readiness::TimedOut => Err(Errno::EAGAIN),
        },
        done => done,
    }
}

/// Writes until all is written or an error comes: how much was written, and the error. Nearly
/// always this is one write; what remains after a short one is written for the error's sake.
#[inline]
fn all(
    bytes: &[u8],
    guard: Option<&WriteSignalGuard>,
    mut write: impl FnMut(&[u8]) -> Result<usize, Errno>,
) -> (usize, Option<Errno>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        let done = write(rest);
        if let Some(guard) = guard {
            guard.record(done, rest.len());
        }
        match done {
            // Neither progress nor a reason: trying again might never end.
            Ok(0) => return (written, Some(Errno::EIO)),
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return (written, Some(errno)),
        }
    }
    (written, None)
}

/// The path that the template means in this process.
fn expand<'a>(pattern: &[u8], page: &'a mut [u8]) -> Result<&'a CStr, Errno> {
    let mut end = 0;
    for part in parts(pattern).flatten() {
        let mut number = [0; 16];
        let mut number = Line::new(&mut number);
        let bytes = match part {
            Part::Literal(bytes) => bytes,
            Part::Placeholder(Placeholder::Percent) => b"%",
            Part::Placeholder(Placeholder::Program) => program(),
            Part::Placeholder(Placeholder::Pid) => {
                let _ = write!(number, "{}", sys::getpid());
                number.as_bytes()
            }
        };
        page.get_mut(end..end + bytes.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(bytes);
        end += bytes.len();
    }
    *page.get_mut(end).ok_or(Errno::ENAMETOOLONG)? = 0;
    CStr::from_bytes_until_nul(page).map_err(|_| Errno::ENAMETOOLONG)
}

/// The name by which the program was run, without its directories.
pub(super) fn program() -> &'static [u8] {
    let path = sys::execfn().map_or(&b"unknown"[..], CStr::to_bytes);
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}
