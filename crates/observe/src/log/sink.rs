//! Where lines go: standard error or a file, never anything else.
//!
//! Before every write the descriptor is proven to be the library's own. A descriptor that is not is
//! given up: it is neither written nor closed.

use crate::caller::program;
use crate::log::PATHS;
use crate::log::owned_fd::{OwnedFd, Proof};
use cfr_shared::line::{Line, MAX_LINE};
use cfr_shared::settings::template::{Part, Placeholder, parts};
use cfr_sys::errno::Errno;
use cfr_sys::{self as sys, Readiness, WriteSignalGuard};
use core::ffi::CStr;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The longest time that a line waits for a slow reader, in milliseconds.
pub(super) const MAX_WAIT_MS: u32 = 1000;

pub(super) const STANDARD_ERROR: i32 = 2;

/// A file that is opened for the first line, and again if its descriptor is gone.
struct File {
    template: &'static [u8],
    /// Whether its name contains `%p`: a child made by fork(2) then has a file of its own.
    per_process: bool,
    /// The file offset that proves that a descriptor is the log's: a random number. It is the same
    /// for every opening, so that threads with descriptor tables of their own agree on it.
    nonce: u64,
}

/// Nonces lie between 2^40 and 2^41, file offsets at which no host's file is by chance.
const NONCE_RANGE: u64 = 1 << 40;

impl File {
    fn new(template: &'static [u8]) -> File {
        let per_process =
            parts(template).any(|part| part == Ok(Part::Placeholder(Placeholder::Pid)));
        let somewhere = &raw const SOMEWHERE as u64;
        let nonce = NONCE_RANGE | (sys::monotonic_ns() ^ somewhere << 20) & (NONCE_RANGE - 1);
        File { template, per_process, nonce }
    }

    /// Returns what makes the proofs of this process differ from its parent's; 0 if both write one
    /// file.
    #[inline]
    fn process_salt(&self) -> u64 {
        if !self.per_process {
            return 0;
        }
        u64::from(sys::getpid().unsigned_abs()).wrapping_mul(0x9e37_79b9) & (NONCE_RANGE - 1)
    }
}

/// Its address, which the dynamic linker randomizes, seeds the nonce.
static SOMEWHERE: u8 = 0;

/// A descriptor that was opened by this thread, or by another one at the same time.
struct Replaced {
    owned: OwnedFd,
    replaced_ours: bool,
}

/// How often a process may find another file under its log's number and open the log anew. The
/// descriptor is not closed then, so this bounds how many the host can be made to leak.
const MAX_REOPENS: u32 = 256;

/// A destination of lines.
pub(super) struct Sink {
    /// `None` for the host's descriptor 2 as it was when the library was loaded. That one is never
    /// reopened.
    file: Option<File>,
    owned: AtomicU64,
    /// The descriptor before that: a child of vfork(2) shares this memory but not the descriptors, and
    /// leaves its own to the parent.
    previous: AtomicU64,
    reopens: AtomicU32,
    /// Whether the last line was not taken in time. The next one does not wait.
    blocked: AtomicBool,
    /// Whether the last line was written in part. The next one begins with a newline.
    has_partial_line: AtomicBool,
}

impl Sink {
    fn new(file: Option<File>, owned: u64) -> Self {
        Sink {
            file,
            owned: AtomicU64::new(owned),
            previous: AtomicU64::new(0),
            reopens: AtomicU32::new(0),
            blocked: AtomicBool::new(false),
            has_partial_line: AtomicBool::new(false),
        }
    }

    /// Creates a sink for descriptor 2 as it is now. It is not duplicated: if a daemon closes its
    /// standard error, a reader at the other end must see the end of file.
    pub(super) fn standard_error() -> Self {
        Sink::descriptor(STANDARD_ERROR)
    }

    /// Creates a sink for a descriptor that belongs to this process. It is never opened again.
    pub(super) fn descriptor(fd: i32) -> Self {
        let owned =
            sys::identify(fd).map_or(0, |identity| OwnedFd::identified(fd, identity, 0).pack());
        Sink::new(None, owned)
    }

    /// Returns the fingerprint of the file ([`sys::Identity`]), if the sink is not opened by a name.
    pub(super) fn fingerprint(&self) -> Option<u64> {
        match OwnedFd::unpack(self.owned.load(Ordering::Relaxed))?.proof {
            Proof::Regular(fingerprint) | Proof::Stream(fingerprint) => Some(fingerprint),
            Proof::Position(_) => None,
        }
    }

    /// Duplicates descriptor 2, for what is written after the program has closed it, as GNU programs do
    /// when they end. A reader at the other end then waits for the end of the process. This is done
    /// only in process `owner`: a child of vfork(2) shares this memory but not the descriptors.
    #[inline]
    pub(super) fn keep_duplicate(&self, owner: u64) {
        let word = self.owned.load(Ordering::Relaxed);
        if let Some(owned) = OwnedFd::unpack(word)
            && owned.fd == STANDARD_ERROR
            && u64::from(sys::getpid().unsigned_abs()) == owner
            && owned.is_owned(0, 0)
        {
            self.duplicate(word);
        }
    }

    #[cold]
    fn duplicate(&self, word: u64) {
        // If no number is free the summary needs the program's own, as long as that is open.
        let Ok(fd) = sys::duplicate_high(STANDARD_ERROR) else { return };
        // The last free number is left to the host.
        match sys::duplicate_high(STANDARD_ERROR) {
            Ok(another) => sys::close(another),
            Err(_) => return sys::close(fd),
        }
        let identity = sys::identify(fd);
        let owned = identity.map_or(0, |found| OwnedFd::identified(fd, found, 0).pack());
        let replaced =
            self.owned.compare_exchange(word, owned, Ordering::Relaxed, Ordering::Relaxed);
        if replaced.is_err() {
            sys::close(fd);
        }
    }

    /// Reports whether it holds a descriptor that is not the host's.
    pub(super) fn has_descriptor(&self) -> bool {
        OwnedFd::unpack(self.owned.load(Ordering::Relaxed))
            .is_some_and(|owned| owned.fd != STANDARD_ERROR)
    }

    /// Creates a sink for a file. It is opened for the first line: most processes never copy.
    pub(super) fn file(template: &'static [u8]) -> Self {
        Sink::new(Some(File::new(template)), 0)
    }

    /// Makes the sink never wait for a reader: it gets error messages only.
    pub(super) fn never_wait(self) -> Self {
        self.blocked.store(true, Ordering::Relaxed);
        self
    }

    /// Reports whether the last line was not taken.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Opens the file, if it is not open.
    pub(super) fn prepare(&self) {
        let _ = self.is_open();
    }

    /// Reports whether its descriptor is still its own. A file is opened if it is not.
    pub(super) fn is_open(&self) -> bool {
        self.owned_fd().is_ok()
    }

    /// Reports whether a line need not wait for a reader.
    pub(super) fn is_ready(&self) -> bool {
        match self.owned_fd() {
            Ok(OwnedFd { fd, proof: Proof::Stream(_) }) => {
                sys::wait_writable(fd, 0) == Readiness::Ready
            }
            _ => true,
        }
    }

    /// Writes the line.
    ///
    /// # Errors
    ///
    /// Returns the error because of which the line is lost.
    pub(super) fn put(&self, line: &mut Line<'_>) -> Result<(), Errno> {
        let done = self.owned_fd().and_then(|owned| self.write(owned, line));
        self.note_blocked(done.is_err());
        done
    }

    /// Notes whether the last line was not taken.
    #[inline]
    pub(super) fn note_blocked(&self, is_blocked: bool) {
        // Stored only if it changes: all threads of the host share this cache line.
        if self.is_blocked() != is_blocked {
            self.blocked.store(is_blocked, Ordering::Relaxed);
        }
    }

    /// Writes whole lines by one write, to a regular file without a limit. Returns the bytes of the
    /// lines that were written; the next line must be written by [`Sink::put`] if they are not all.
    pub(super) fn put_many(&self, lines: &[u8]) -> usize {
        let is_whole = !self.has_partial_line.load(Ordering::Relaxed);
        let nonce_and_fd = self.owned_fd().map(|owned| (owned.proof, owned.fd));
        let (Ok((Proof::Position(nonce), fd)), true, Ok(sys::NO_LIMIT)) =
            (nonce_and_fd, is_whole, sys::file_size_limit())
        else {
            return 0;
        };
        let (written, error) = all(lines, None, |rest| sys::write_at_end(fd, rest, nonce));
        if error.is_none() {
            return written;
        }
        let newline = lines.iter().take(written).rposition(|&byte| byte == b'\n');
        let whole = newline.map_or(0, |at| at + 1);
        if let Some(piece) = lines.get(whole..written).filter(|piece| !piece.is_empty()) {
            let mut room = [0; MAX_LINE];
            let mut line = Line::new(&mut room);
            line.append(piece);
            let is_blank = blank(fd, &mut line, false, piece.len());
            self.has_partial_line.store(!is_blank, Ordering::Relaxed);
        }
        whole
    }

    #[inline]
    fn owned_fd(&self) -> Result<OwnedFd, Errno> {
        let word = self.owned.load(Ordering::Relaxed);
        let owned = OwnedFd::unpack(word);
        let Some(file) = &self.file else {
            return owned.filter(|owned| owned.is_owned(0, 0)).ok_or(Errno::EBADF);
        };
        let process_salt = file.process_salt();
        let nonce = file.nonce ^ process_salt;
        match owned {
            Some(owned) if owned.is_owned(nonce, process_salt) => Ok(owned),
            Some(owned) if owned.is_owned_by_parent(nonce) => {
                let opened = self.open(file, nonce, process_salt, word)?;
                // If another thread has replaced it, that thread has closed it too, and the number
                // may be the host's by now.
                if opened.replaced_ours {
                    sys::close(owned.fd);
                }
                Ok(opened.owned)
            }
            lost => {
                if let Some(owned) = self.restore_previous(word, nonce, process_salt) {
                    return Ok(owned);
                }
                if lost.is_some_and(|lost| sys::identify(lost.fd).is_ok()) {
                    self.reopens.fetch_add(1, Ordering::Relaxed);
                }
                if self.has_given_up() {
                    return Err(Errno::EBADF);
                }
                self.open(file, nonce, process_salt, word).map(|opened| opened.owned)
            }
        }
    }

    /// Puts the previous descriptor back if it is still the log's.
    #[cold]
    fn restore_previous(&self, word: u64, nonce: u64, process_salt: u64) -> Option<OwnedFd> {
        let previous = self.previous.load(Ordering::Relaxed);
        let owned =
            OwnedFd::unpack(previous).filter(|owned| owned.is_owned(nonce, process_salt))?;
        // If another thread was first, the result is the same.
        let _ = self.owned.compare_exchange(word, previous, Ordering::Relaxed, Ordering::Relaxed);
        Some(owned)
    }

    /// Closes the file, if its descriptor is still the log's.
    pub(super) fn close(&self) {
        if self.file.is_some()
            && let Ok(owned) = self.owned_fd()
        {
            self.owned.store(0, Ordering::Relaxed);
            sys::close(owned.fd);
        }
    }

    /// Reports whether other files were found under the log's number too often.
    pub(super) fn has_given_up(&self) -> bool {
        self.reopens.load(Ordering::Relaxed) > MAX_REOPENS
    }

    /// Opens the file, in place of the descriptor `before`.
    #[cold]
    fn open(
        &self,
        file: &File,
        nonce: u64,
        process_salt: u64,
        before: u64,
    ) -> Result<Replaced, Errno> {
        let opened =
            PATHS.with_page(|page| expand(file.template, page.bytes()).and_then(sys::open_append));
        // If no page is free, the next line tries again.
        let opened = opened.ok_or(Errno::EAGAIN)??;
        if opened.fd >= OwnedFd::FD_LIMIT {
            sys::close(opened.fd);
            return Err(Errno::EMFILE);
        }
        let owned = OwnedFd::opened(opened, nonce, process_salt);
        match self.owned.compare_exchange(
            before,
            owned.pack(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Ok(_) => {
                self.previous.store(before, Ordering::Relaxed);
                Ok(Replaced { owned, replaced_ours: true })
            }
            Err(theirs) => {
                sys::close(owned.fd);
                let theirs =
                    OwnedFd::unpack(theirs).filter(|theirs| theirs.is_owned(nonce, process_salt));
                theirs.map(|owned| Replaced { owned, replaced_ours: false }).ok_or(Errno::EBADF)
            }
        }
    }

    fn write(&self, owned: OwnedFd, line: &mut Line<'_>) -> Result<(), Errno> {
        let has_partial_line = self.has_partial_line.load(Ordering::Relaxed);
        let bytes = line.finish(has_partial_line);
        let (written, error) = match owned.proof {
            Proof::Position(nonce) => {
                self.write_file(owned.fd, bytes, |rest| sys::write_at_end(owned.fd, rest, nonce))
            }
            Proof::Regular(_) => {
                self.write_file(owned.fd, bytes, |rest| sys::write(owned.fd, rest))
            }
            Proof::Stream(_) => {
                let guard = WriteSignalGuard::new();
                let mut time_left = TimeLeft::new(if self.is_blocked() { 0 } else { MAX_WAIT_MS });
                all(bytes, Some(&guard), |rest| write_stream(owned.fd, rest, &mut time_left))
            }
        };
        let Some(errno) = error else {
            if has_partial_line {
                self.has_partial_line.store(false, Ordering::Relaxed);
            }
            return Ok(());
        };
        if written > 0 {
            let is_own_file = self.file.is_some() && !matches!(owned.proof, Proof::Stream(_));
            let is_partial = !is_own_file || !blank(owned.fd, line, has_partial_line, written);
            self.has_partial_line.store(is_partial, Ordering::Relaxed);
        }
        Err(errno)
    }

    /// Writes to a regular file by `write`. Returns the bytes written, and the error.
    #[inline]
    fn write_file(
        &self,
        fd: i32,
        bytes: &[u8],
        mut write: impl FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> (usize, Option<Errno>) {
        match sys::file_size_limit() {
            Ok(sys::NO_LIMIT) => all(bytes, None, write),
            limit => self.write_below_limit(limit.ok(), fd, bytes, &mut write),
        }
    }

    /// Writes to a regular file while `RLIMIT_FSIZE` is set, or unknown. A line that does not fit
    /// below the limit is not begun.
    #[cold]
    #[inline(never)]
    fn write_below_limit(
        &self,
        limit: Option<u64>,
        fd: i32,
        bytes: &[u8],
        write: &mut dyn FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> (usize, Option<Errno>) {
        let appends = self.file.is_some() || sys::open_flags(fd).is_ok_and(|flags| flags.append);
        let start = if appends { sys::file_size(fd) } else { sys::file_offset(fd) };
        if let (Some(limit), Ok(start)) = (limit, start)
            && limit.saturating_sub(start) < bytes.len() as u64
        {
            return (0, Some(Errno::EFBIG));
        }
        let guard = WriteSignalGuard::new();
        all(bytes, Some(&guard), write)
    }
}

/// Makes a blank line of the `written` bytes of a line that was not written whole: its place was
/// taken by another writer, or the disk is full. Reports whether that was done. The file is not
/// truncated, because another process may have appended a line.
#[cold]
#[inline(never)]
fn blank(fd: i32, line: &mut Line<'_>, after_partial: bool, written: usize) -> bool {
    let Ok(reopened) = sys::reopen(fd) else { return false };
    let piece = line.finish(after_partial).get(..written).unwrap_or_default();
    // A line that a limit cut off ends at the limit, even if others that have a higher one go on;
    // another ends where the file ends.
    let ends = [sys::file_size_limit(), sys::file_size(reopened)].into_iter().flatten();
    let mut starts = ends.filter_map(|end| end.checked_sub(written as u64));
    let start = starts.find(|&start| holds(reopened, piece, start));
    let done = start.map(|start| {
        let guard = WriteSignalGuard::new();
        let done = sys::write_at(reopened, line.blank(after_partial, written), start);
        guard.record(done, written);
        done
    });
    sys::close(reopened);
    done == Some(Ok(written))
}

/// Reports whether the file has these bytes at `offset`.
fn holds(fd: i32, bytes: &[u8], offset: u64) -> bool {
    const CHUNK: usize = 256;
    let mut found = [0; CHUNK];
    bytes.chunks(CHUNK).enumerate().all(|(index, chunk)| {
        let offset = offset.saturating_add((index * CHUNK) as u64);
        let found = found.get_mut(..chunk.len()).unwrap_or_default();
        sys::read_at(fd, found, offset) == Ok(chunk.len()) && found == chunk
    })
}

/// The rest of the time that a line may wait.
struct TimeLeft {
    ms: u32,
}

impl TimeLeft {
    fn new(ms: u32) -> Self {
        TimeLeft { ms }
    }

    fn wait(&mut self, fd: i32) -> Readiness {
        let begun_ns = sys::monotonic_ns();
        let readiness = sys::wait_writable(fd, self.ms);
        let waited_ms = (sys::monotonic_ns().saturating_sub(begun_ns)).div_ceil(1_000_000);
        self.ms = self.ms.saturating_sub(u32::try_from(waited_ms).unwrap_or(u32::MAX));
        readiness
    }
}

/// Writes once, waiting for at most the time left. EINTR if the write may be tried again.
fn write_stream(fd: i32, bytes: &[u8], time_left: &mut TimeLeft) -> Result<usize, Errno> {
    match sys::write_no_wait(fd, bytes) {
        Err(Errno::EAGAIN) if time_left.ms > 0 && time_left.wait(fd) == Readiness::Ready => {
            Err(Errno::EINTR)
        }
        // This file has no RWF_NOWAIT, or a seccomp filter refuses pwritev2(2): poll(2) must report
        // that the file takes bytes.
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EPERM) => match time_left.wait(fd) {
            Readiness::Ready => sys::write(fd, bytes),
            Readiness::TimedOut => Err(Errno::EAGAIN),
        },
        done => done,
    }
}

/// Writes all bytes, or up to an error. Returns the bytes written, and the error. Nearly always this
/// is one write; after a short one the rest is written to learn the error.
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
            // Neither progress nor an error: another try might never end.
            Ok(0) => return (written, Some(Errno::EIO)),
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            Err(errno) => return (written, Some(errno)),
        }
    }
    (written, None)
}

/// Expands the template to the path for this process.
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
