//! The paths behind a call's descriptors.
//!
//! readlink(2) in /proc costs more than the line. If two calls of a thread follow each other faster
//! than any system call, that thread cannot have renamed anything in between. Then the paths are
//! kept as long as the descriptors refer to the same files. Renames by other threads and processes
//! show after at most [`MAX_AGE_NS`].

use super::line_pool::{Page, Pool};
use crate::caller::Caller;
use cfr_engine::diag::{BytesOrError, is_traced, log_trace};
use cfr_shared::line::MAX_LINE;
use cfr_sys::{self as sys, Stat};

/// The longest time between two calls of a loop that does nothing else, in nanoseconds. Measured: 50
/// for the loop; 1,060 for chroot(2), 1,400 for unlink(2), 3,200 for rename(2).
const MAX_LOOP_GAP_NS: u64 = 125;
/// A path is read anew after this time, in nanoseconds: other threads and processes rename too, and
/// so do signal handlers during a call.
const MAX_AGE_NS: u64 = 200_000;

/// The paths of recent calls.
pub(crate) static PATHS: Pool<Paths> = Pool::new();

/// The paths of source and target, and what is known of them.
pub(crate) struct Paths {
    /// One half for each path.
    bytes: [u8; MAX_LINE],
    /// For source and target; `None` if the path must be read.
    known: [Option<Known>; 2],
    /// The thread whose calls showed them.
    thread: usize,
    /// When the older of the two was read (CLOCK_MONOTONIC).
    read_ns: u64,
    /// When the last call that showed them ended (CLOCK_MONOTONIC).
    ended_ns: u64,
    /// When the call came in that they were read for before it was carried out (CLOCK_MONOTONIC); 0 if
    /// they were read for none.
    begun_ns: u64,
    /// Its descriptors, and the lengths of their paths.
    begun_fds: [i32; 2],
    begun: [Option<usize>; 2],
}

/// One path that was read.
#[derive(Clone, Copy)]
struct Known {
    fd: i32,
    /// The file that the descriptor referred to.
    identity: [u64; 2],
    len: usize,
}

impl Page for Paths {
    const EMPTY: Paths = Paths {
        bytes: [0; MAX_LINE],
        known: [None; 2],
        thread: 0,
        read_ns: 0,
        ended_ns: 0,
        begun_ns: 0,
        begun_fds: [0; 2],
        begun: [None; 2],
    };
}

impl Paths {
    /// Returns the memory for another use. No path is known after that.
    pub(super) fn bytes(&mut self) -> &mut [u8; MAX_LINE] {
        self.known = [None; 2];
        self.begun_ns = 0;
        &mut self.bytes
    }

    /// Returns the paths behind two descriptors, for a call that came in at `entered_ns`
    /// (CLOCK_MONOTONIC). `None` for a descriptor that has none.
    #[inline]
    pub(crate) fn of(
        &mut self,
        fds: [i32; 2],
        entered_ns: u64,
        caller: &impl Caller,
    ) -> [Option<&[u8]>; 2] {
        self.begun_ns = 0;
        let thread = sys::thread_key();
        let is_close =
            self.thread == thread && entered_ns.wrapping_sub(self.ended_ns) <= MAX_LOOP_GAP_NS;
        if !is_close || entered_ns.wrapping_sub(self.read_ns) > MAX_AGE_NS {
            self.known = [None; 2];
            self.read_ns = entered_ns;
            self.thread = thread;
        }
        let (half_in, half_out) = self.bytes.split_at_mut(MAX_LINE / 2);
        let halves = [half_in, half_out];
        let mut known = self.known.iter_mut().zip(fds).zip(halves);
        core::array::from_fn(|_| {
            let ((known, fd), half) = known.next()?;
            path(known, fd, half, is_close, caller)
        })
    }

    /// Returns the paths, as [`Paths::of`] does, for a call that is about to be carried out.
    pub(crate) fn of_beginning(
        &mut self,
        fds: [i32; 2],
        entered_ns: u64,
        caller: &impl Caller,
    ) -> [Option<&[u8]>; 2] {
        self.begun = self.of(fds, entered_ns, caller).map(|path| path.map(<[u8]>::len));
        self.begun_fds = fds;
        self.begun_ns = entered_ns;
        self.read_at_begin()
    }

    /// Reports whether [`Paths::read_at_begin`] are the paths behind `fds` for the call that came in at
    /// `entered_ns`: no other call has used this page since, and at an age of `age_ns` they are not too
    /// old.
    pub(crate) fn are_of(&self, fds: [i32; 2], entered_ns: u64, age_ns: u64) -> bool {
        entered_ns != 0
            && self.begun_ns == entered_ns
            && self.begun_fds == fds
            && self.thread == sys::thread_key()
            && age_ns <= MAX_AGE_NS
    }

    /// Returns the paths that were read before the call was carried out.
    pub(crate) fn read_at_begin(&self) -> [Option<&[u8]>; 2] {
        let (half_in, half_out) = self.bytes.split_at(MAX_LINE / 2);
        let mut halves = [half_in, half_out].into_iter().zip(self.begun);
        core::array::from_fn(|_| {
            let (half, len) = halves.next()?;
            half.get(..len?)
        })
    }

    /// Notes the end of the call that shows the paths.
    pub(crate) fn end(&mut self) {
        self.ended_ns = sys::monotonic_ns();
    }
}

/// Returns the path behind `fd`: what `half` holds, or read into it now.
#[inline(always)]
fn path<'a>(
    known: &mut Option<Known>,
    fd: i32,
    half: &'a mut [u8],
    is_close: bool,
    caller: &impl Caller,
) -> Option<&'a [u8]> {
    let identity = if is_close { sys::stat(fd).ok().as_ref().map(Stat::identity) } else { None };
    if let Some(kept) = *known
        && kept.fd == fd
        && Some(kept.identity) == identity
    {
        return half.get(..kept.len);
    }
    let found = caller.path_behind(fd, half);
    if is_traced() {
        log_trace(format_args!("readlinkat /proc/thread-self/fd/{fd}: {}", BytesOrError(found)));
    }
    let len = found.ok()?;
    *known = identity.map(|identity| Known { fd, identity, len });
    half.get(..len)
}
