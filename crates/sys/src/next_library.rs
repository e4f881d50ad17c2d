//! Functions of the next library after ours in the dynamic linker's order (dlsym(3), `RTLD_NEXT`).

use crate::copy_file_range::{Args, OffsetPointer};
use crate::ioctl::IoctlArg;
use crate::process::exit;
use crate::thread::without_cancellation;
use core::ffi::{CStr, c_int, c_uint, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

/// The address of one such function. It is the first field: the hooks that are written in assembly
/// load it.
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

    /// Looks the function up. The address stays NULL if no other library has it.
    pub fn resolve(&self) {
        self.address.store(find_next(self.name), Ordering::Relaxed);
    }

    fn address(&self) -> Option<*mut c_void> {
        let address = self.address.load(Ordering::Relaxed);
        (!address.is_null()).then_some(address)
    }
}

/// Returns the address of the next library's function; NULL if there is none.
pub(crate) fn find_next(name: &CStr) -> *mut c_void {
    // SAFETY: the name is a C string; RTLD_NEXT searches after the library that this code is linked
    // into.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// `copy_file_range` of the next library.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct NextCopy(
    unsafe extern "C-unwind" fn(c_int, *mut i64, c_int, *mut i64, usize, c_uint) -> isize,
);

impl NextCopy {
    /// Wraps what dlsym(3) returned for `copy_file_range`; `None` for NULL.
    pub(crate) fn from_symbol(symbol: *mut core::ffi::c_void) -> Option<Self> {
        if symbol.is_null() {
            return None;
        }
        // SAFETY: a symbol with this name in a C library is a function of this type
        // (copy_file_range(2)).
        Some(unsafe { core::mem::transmute::<*mut core::ffi::c_void, NextCopy>(symbol) })
    }

    /// Calls it with cancellation disabled, so that it is no cancellation point. Call it while
    /// cancellation is deferred.
    pub fn call_with_cancel_disabled(self, args: &Args) -> isize {
        without_cancellation(|| self.call(args))
    }

    /// Calls it as the host would: returns the bytes copied, or −1 with errno set. It may be a
    /// cancellation point: unless cancellation is disabled, no caller's frame may have a
    /// destructor.
    #[inline(always)]
    pub fn call(self, args: &Args) -> isize {
        // SAFETY: the host passed these arguments to a function with the same contract.
        unsafe {
            (self.0)(
                args.fd_in,
                args.off_in.as_ptr(),
                args.fd_out,
                args.off_out.as_ptr(),
                args.len,
                args.flags,
            )
        }
    }
}

/// Looks up `copy_file_range` of the next library; `None` if there is none.
#[must_use]
pub fn next_copy_file_range() -> Option<NextCopy> {
    NextCopy::from_symbol(find_next(c"copy_file_range"))
}

/// `ioctl` of the next library.
pub struct NextIoctl(NextSymbol);

impl NextIoctl {
    /// Creates an entry without an address.
    #[must_use]
    pub const fn new() -> NextIoctl {
        NextIoctl(NextSymbol::new(c"ioctl"))
    }

    /// Returns the symbol to resolve.
    pub fn symbol(&self) -> &NextSymbol {
        &self.0
    }

    /// Calls it as the host would: its result, or −1 with errno set. `None` if there is none.
    pub fn call(&self, fd: i32, request: usize, argument: IoctlArg) -> Option<c_int> {
        type IoctlFn = unsafe extern "C-unwind" fn(c_int, usize, usize) -> c_int;
        let address = self.0.address()?;
        // SAFETY: a symbol with this name is a function of this type (ioctl(2)); its one variadic
        // argument is passed like any other on both architectures.
        let ioctl = unsafe { core::mem::transmute::<*mut c_void, IoctlFn>(address) };
        // SAFETY: the host passed these arguments to a function with the same contract.
        Some(unsafe { ioctl(fd, request, argument.0) })
    }
}

impl Default for NextIoctl {
    fn default() -> Self {
        Self::new()
    }
}

/// `sendfile` or `sendfile64` of the next library; on 64-bit machines both take the same arguments.
pub struct NextSendfile(NextSymbol);

impl NextSendfile {
    /// Creates an entry without an address, for `sendfile64` if `is_64`.
    #[must_use]
    pub const fn new(is_64: bool) -> NextSendfile {
        NextSendfile(NextSymbol::new(if is_64 { c"sendfile64" } else { c"sendfile" }))
    }

    /// Returns the symbol to resolve.
    pub fn symbol(&self) -> &NextSymbol {
        &self.0
    }

    /// Calls it as the host would: returns the bytes sent, or −1 with errno set. `None` if there is
    /// none.
    pub fn call(
        &self,
        out_fd: i32,
        in_fd: i32,
        offset: OffsetPointer,
        count: usize,
    ) -> Option<isize> {
        type SendfileFn = unsafe extern "C-unwind" fn(c_int, c_int, *mut i64, usize) -> isize;
        let address = self.0.address()?;
        // SAFETY: symbols with these names are functions of this type (sendfile(2)).
        let sendfile = unsafe { core::mem::transmute::<*mut c_void, SendfileFn>(address) };
        // SAFETY: the host passed these arguments to a function with the same contract.
        Some(unsafe { sendfile(out_fd, in_fd, offset.as_ptr(), count) })
    }
}

/// `_exit` of the next library.
pub struct NextExit(NextSymbol);

impl NextExit {
    /// Creates an entry without an address.
    #[must_use]
    pub const fn new() -> NextExit {
        NextExit(NextSymbol::new(c"_exit"))
    }

    /// Returns the symbol to resolve.
    pub fn symbol(&self) -> &NextSymbol {
        &self.0
    }

    /// Ends the process with `status` by this function, or by exit_group(2) if there is none.
    pub fn call(&self, status: i32) -> ! {
        type ExitFn = unsafe extern "C" fn(c_int) -> !;
        let Some(address) = self.0.address() else { exit(status) };
        // SAFETY: a symbol with this name is a function of this type (_exit(2)).
        let exit = unsafe { core::mem::transmute::<*mut c_void, ExitFn>(address) };
        // SAFETY: any status is valid.
        unsafe { exit(status) }
    }
}

impl Default for NextExit {
    fn default() -> Self {
        Self::new()
    }
}
