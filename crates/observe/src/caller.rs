//! Who made a call: the calling thread of this process, or a thread of another process whose calls
//! the supervisor carries out.

use cfr_engine::call::Call;
use cfr_shared::record::Ending;
use cfr_sys as sys;
use cfr_sys::errno::Errno;
use core::ffi::CStr;

/// The thread that made a call.
pub trait Caller {
    /// Returns its process id.
    fn pid(&self) -> i32;

    /// Returns its thread id.
    fn tid(&self) -> i32;

    /// Returns its name, at most 15 bytes.
    fn comm<'a>(&'a self, buffer: &'a mut [u8; 16]) -> &'a [u8];

    /// Calls `check` with the name by which its program was executed, without directories.
    fn with_program(&self, check: &mut dyn FnMut(&[u8]));

    /// Sends it a signal of a fault, before its call is carried out.
    fn raise(&self, signal: i32);

    /// Reports whether one of these signals of a fault, given as bits, ends it before its call is
    /// carried out, and [`Caller::ending`] cannot say so afterwards.
    fn ends_by(&self, signals: u64) -> bool;

    /// Waits for a fault, for this many nanoseconds.
    fn wait(&self, ns: u64);

    /// Returns the call with the caller's own descriptors and addresses, made in `room` if they are
    /// not those of this process.
    fn as_made<'a>(&self, call: &'a Call, room: &'a mut Option<Call>) -> &'a Call;

    /// Writes the path behind `fd`, a descriptor of this process, into `buffer` and returns its length;
    /// a longer path is truncated.
    fn path_behind(&self, fd: i32, buffer: &mut [u8]) -> Result<usize, Errno>;

    /// Returns how the call ended, once it was carried out.
    fn ending(&self) -> Ending;
}

/// Returns the name by which this program was executed, without its directories.
pub(crate) fn program() -> &'static [u8] {
    let path = sys::execfn().map_or(&b"unknown"[..], CStr::to_bytes);
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// The calling thread of this process.
#[derive(Clone, Copy, Debug)]
pub struct ThisThread;

impl Caller for ThisThread {
    #[inline(always)]
    fn pid(&self) -> i32 {
        sys::getpid()
    }

    #[inline(always)]
    fn tid(&self) -> i32 {
        sys::gettid()
    }

    #[inline(always)]
    fn comm<'a>(&'a self, buffer: &'a mut [u8; 16]) -> &'a [u8] {
        sys::comm(buffer)
    }

    fn with_program(&self, check: &mut dyn FnMut(&[u8])) {
        check(program());
    }

    fn raise(&self, signal: i32) {
        sys::raise(signal);
    }

    fn ends_by(&self, signals: u64) -> bool {
        sys::ends_process(signals)
    }

    fn wait(&self, ns: u64) {
        sys::sleep_until(sys::monotonic_ns().saturating_add(ns));
    }

    #[inline(always)]
    fn as_made<'a>(&self, call: &'a Call, _room: &'a mut Option<Call>) -> &'a Call {
        call
    }

    #[inline(always)]
    fn path_behind(&self, fd: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
        sys::readlink_fd(fd, buffer)
    }

    #[inline(always)]
    fn ending(&self) -> Ending {
        Ending::Returned
    }
}
