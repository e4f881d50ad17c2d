//! Functions of the next library after ours in the dynamic linker's order (dlsym(3), `RTLD_NEXT`).
//!
//! Each may be a cancellation point, and so unwind the stack. The calls below disable cancellation;
//! a hook that is a cancellation point calls the address itself, with no Rust frame on the stack.

use crate::copy_file_range::{Args, OffsetPointer};
use crate::errno::Errno;
use crate::ioctl::IoctlArg;
use crate::process::exit;
use crate::thread::{errno, without_cancellation};
use crate::weak::weak_address;
use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::mem::transmute;
use core::sync::atomic::{AtomicPtr, Ordering};

/// The address of one such function. It is the first field: the hooks that are written in
/// instructions load it.
#[repr(C)]
pub struct NextSymbol {
    address: AtomicPtr<c_void>,
    name: &'static CStr,
}

impl NextSymbol {
    /// Creates an entry without an address.
    #[must_use]
    pub const fn new(name: &'static CStr) -> NextSymbol {
        NextSymbol { address: AtomicPtr::new(core::ptr::null_mut()), name }
    }

    /// Looks the function up. There is no address if no other library has it.
    pub fn resolve(&self) {
        self.address.store(find_next(self.name), Ordering::Relaxed);
    }

    /// Returns the function's address; `None` if there is none.
    pub fn address(&self) -> Option<*const c_void> {
        let address = self.address.load(Ordering::Relaxed);
        (!address.is_null()).then_some(address.cast_const())
    }
}

/// Returns the address of the next library's function; NULL if there is none.
fn find_next(name: &CStr) -> *mut c_void {
    type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;
    // Before glibc 2.34 it is in libdl, which not every process has.
    let address = weak_address!("dlsym");
    // SAFETY: a symbol with this name is a function of this type (dlsym(3)); NULL is None.
    let dlsym = unsafe { transmute::<*mut c_void, Option<Dlsym>>(address) };
    let Some(dlsym) = dlsym else { return core::ptr::null_mut() };
    // SAFETY: the name is a C string; RTLD_NEXT searches after the library that this code is linked
    // into.
    unsafe { dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// Decodes what a C function returns: a count, or −1 with errno set.
fn decode(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| errno())
}

/// `copy_file_range` of the next library.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct NextCopy(unsafe extern "C" fn(c_int, *mut i64, c_int, *mut i64, usize, c_uint) -> isize);

impl NextCopy {
    /// Looks the function up; `None` if no other library has it.
    #[must_use]
    pub fn find() -> Option<Self> {
        let symbol = find_next(c"copy_file_range");
        // SAFETY: a symbol with this name in a C library is a function of this type
        // (copy_file_range(2)); NULL is None.
        unsafe { transmute::<*mut c_void, Option<NextCopy>>(symbol) }
    }

    /// Returns the function's address.
    #[must_use]
    pub fn address(self) -> *const c_void {
        self.0 as *const c_void
    }

    /// Copies; returns the bytes copied. Call it while cancellation is deferred.
    pub fn call(self, args: &Args) -> Result<usize, Errno> {
        let (off_in, off_out) = (args.off_in.as_ptr(), args.off_out.as_ptr());
        decode(without_cancellation(|| {
            // SAFETY: the host passed these arguments to a function with the same contract.
            unsafe { (self.0)(args.fd_in, off_in, args.fd_out, off_out, args.len, args.flags) }
        }))
    }
}

/// Calls `ioctl` of the next library; returns what the request returns. `None` if there is none. Call
/// it while cancellation is deferred.
pub fn call_next_ioctl(
    next: &NextSymbol,
    fd: i32,
    request: usize,
    argument: IoctlArg,
) -> Option<Result<usize, Errno>> {
    type Ioctl = unsafe extern "C" fn(c_int, usize, ...) -> c_int;
    let address = next.address()?;
    // SAFETY: a symbol with this name is a function of this type (ioctl(2)).
    let ioctl = unsafe { transmute::<*const c_void, Ioctl>(address) };
    // SAFETY: the host passed these arguments to a function with the same contract.
    let result = without_cancellation(|| unsafe { ioctl(fd, request, argument.0) });
    Some(decode(result as isize))
}

/// Calls `sendfile` or `sendfile64` of the next library, which take the same arguments on 64-bit
/// machines; returns the bytes sent. `None` if there is none. Call it while cancellation is deferred.
pub fn call_next_sendfile(
    next: &NextSymbol,
    out_fd: i32,
    in_fd: i32,
    offset: OffsetPointer,
    count: usize,
) -> Option<Result<usize, Errno>> {
    type Sendfile = unsafe extern "C" fn(c_int, c_int, *mut i64, usize) -> isize;
    let address = next.address()?;
    // SAFETY: symbols with these names are functions of this type (sendfile(2)).
    let sendfile = unsafe { transmute::<*const c_void, Sendfile>(address) };
    // SAFETY: the host passed these arguments to a function with the same contract.
    let result =
        without_cancellation(|| unsafe { sendfile(out_fd, in_fd, offset.as_ptr(), count) });
    Some(decode(result))
}

/// Ends the process with `status` by `_exit` of the next library, or by exit_group(2) if there is none.
pub fn call_next_exit(next: &NextSymbol, status: i32) -> ! {
    type Exit = unsafe extern "C" fn(c_int) -> !;
    let Some(address) = next.address() else { exit(status) };
    // SAFETY: a symbol with this name is a function of this type (_exit(2)).
    let next_exit = unsafe { transmute::<*const c_void, Exit>(address) };
    // SAFETY: any status is valid.
    unsafe { next_exit(status) }
}
