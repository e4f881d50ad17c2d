//! The paths behind a call's descriptors.
//!
//! readlink(2) in /proc costs more than the line. Between two calls that follow each other closer than
//! any system call takes, the thread that makes them cannot have renamed anything: then it is enough
//! that the descriptors are still those of the same files. What others rename shows after a moment.

use super::line_pool::{Page, Pool};
use cfr_engine::diag::{BytesOrError, log_trace};
use cfr_shared::line::MAX_LINE;
use cfr_sys::{self as sys, Stat};
use tracing::level_filters::LevelFilter;

/// The longest time between two calls of a loop that does nothing else, in nanoseconds: 50 where this was
/// written. A chroot(2) took 1,060 there, an unlink(2) 1,400, a rename(2) 3,200.
const NOTHING_BETWEEN_NS: u64 = 125;
/// After this time a path is read anew, in nanoseconds: other threads and processes rename too, and
/// signal handlers during a call.
const FRESH_NS: u64 = 200_000;

/// Where the calls' paths are.
pub(crate) static PATHS: Pool<Paths> = Pool::new();

/// Two paths, and what is known of them.
pub(crate) struct Paths {
    /// Two halves.
    bytes: [u8; MAX_LINE],
    /// Of source and target; `None` where the path must be read.
    known: [Option<Known>; 2],
    /// Whose calls they were.
    thread: usize,
    /// When the older of the two was read.
    read_ns: u64,
    /// When the last call that showed them was over.
    ended_ns: u64,
}

/// One path that was read.
#[derive(Clone, Copy)]
struct Known {
    fd: i32,
    /// Of the file that it led to.
    identity: [u64; 2],
    len: usize,
}

impl Page for Paths {
    const EMPTY: Paths =
        Paths { bytes: [0; MAX_LINE], known: [None; 2], thread: 0, read_ns: 0, ended_ns: 0 };
}

impl Paths {
    /// Memory for something else; no path is known after that.
    pub(super) fn bytes(&mut self) -> &mut [u8; MAX_LINE] {
        self.known = [None; 2];
        &mut self.bytes
    }

    /// The paths behind two descriptors, for a call that came in at `entered_ns` of the monotonic clock.
    /// `None` where there is none.
    #[inline]
    pub(crate) fn of(&mut self, fds: [i32; 2], entered_ns: u64) -> [Option<&[u8]>; 2] {
        let thread = sys::thread_key();
        let is_close =
            self.thread == thread && entered_ns.wrapping_sub(self.ended_ns) <= NOTHING_BETWEEN_NS;
        if !is_close || entered_ns.wrapping_sub(self.read_ns) > FRESH_NS {
            self.known = [None; 2];
            self.read_ns = entered_ns;
            self.thread = thread;
        }
        let (half_in, half_out) = self.bytes.split_at_mut(MAX_LINE / 2);
        let halves = [half_in, half_out];
        let mut known = self.known.iter_mut().zip(fds).zip(halves);
        core::array::from_fn(|_| {
            let ((known, fd), half) = known.next()?;
            path(known, fd, half, is_close)
        })
    }

    /// The call that shows them is over.
    pub(crate) fn end(&mut self) {
        self.ended_ns = sys::monotonic_ns();
    }
}

/// The path behind `fd`, in `half` already or read into it now. Calls that come close one after the other
/// may need it again.
#[inline(always)]
fn path<'a>(
    known: &mut Option<Known>,
    fd: i32,
    half: &'a mut [u8],
    is_close: bool,
) -> Option<&'a [u8]> {
    let identity = if is_close { sys::stat(fd).ok().as_ref().map(Stat::identity) } else { None };
    if let Some(kept) = *known
        && kept.fd == fd
        && Some(kept.identity) == identity
    {
        return half.get(..kept.len);
    }
    let found = sys::readlink_fd(fd, half);
    if LevelFilter::current() >= LevelFilter::TRACE {
        log_trace(format_args!("readlinkat /proc/thread-self/fd/{fd}: {}", BytesOrError(found)));
    }
    let len = found.ok()?;
    *known = identity.map(|identity| Known { fd, identity, len });
    half.get(..len)
}
