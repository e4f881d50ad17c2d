//! Functions of the next library after ours, in the dynamic linker's order.

use crate::copy_file_range::{Args, OffsetPointer};
use crate::ioctl::IoctlArg;
use crate::process::exit;
use crate::thread::without_cancellation;
use core::ffi::{CStr, c_int, c_uint, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

/// One such function, by its name. Its address stands first, for hooks that are written in instructions.
#[repr(C)]
pub struct NextSymbol {
    address: AtomicPtr<c_void>,
    name: &'static CStr,
}

impl NextSymbol {
    /// Not looked for yet.
    #[must_use]
    pub const fn new(name: &'static CStr) -> NextSymbol {
        NextSymbol { address: AtomicPtr::new(core::ptr::null_mut()), name }
    }

    /// Looks for it (dlsym(3), `RTLD_NEXT`). NULL, as before, where no other library has one.
    pub fn resolve(&self) {
        self.address.store(find_next(self.name), Ordering::Relaxed);
    }

    fn address(&self) -> Option<*mut c_void> {
        let address = self.address.load(Ordering::Relaxed);
        (!address.is_null()).then_some(address)
    }
}

/// The address of the next library's function of that name; NULL where no other has one.
pub(crate) fn find_next(name: &CStr) -> *mut c_void {
    // SAFETY: a C string; RTLD_NEXT looks behind the library that this code is linked into.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// Another library's `copy_file_range`: the next one after us in the dynamic linker's order.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct NextCopy(
    unsafe extern "C-unwind" fn(c_int, *mut i64, c_int, *mut i64, usize, c_uint) -> isize,
);

impl NextCopy {
    /// From what dlsym(3) found under the name `copy_file_range`; `None` for NULL.
    pub(crate) fn from_symbol(symbol: *mut core::ffi::c_void) -> Option<Self> {
        if symbol.is_null() {
            return None;
        }
        // SAFETY: a symbol of this name in a C library is a function of this type (copy_file_range(2)).
        Some(unsafe { core::mem::transmute::<*mut core::ffi::c_void, NextCopy>(symbol) })
    }

    /// Calls it where cancellation is held off: as [`NextCopy::call`], and no cancellation point.
    pub fn call_with_cancel_disabled(self, args: &Args) -> isize {
        without_cancellation(|| self.call(args))
    }

    /// Calls it as the host would have: −1 and errno, or the bytes copied. It may be a
    /// cancellation point: no frame with a destructor may stand around this call unless
    /// cancellation is off.
    #[inline(always)]
    pub fn call(self, args: &Args) -> isize {
        // SAFETY: the same arguments that the host gave to a function of the same contract.
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

/// The next library's `copy_file_range` after ours; `None` where no other has one.
#[must_use]
pub fn next_copy_file_range() -> Option<NextCopy> {
    NextCopy::from_symbol(find_next(c"copy_file_range"))
}

/// ioctl(2) of the next library.
pub struct NextIoctl(NextSymbol);

impl NextIoctl {
    /// Not looked for yet.
    #[must_use]
    pub const fn new() -> NextIoctl {
        NextIoctl(NextSymbol::new(c"ioctl"))
    }

    /// What to look for.
    pub fn symbol(&self) -> &NextSymbol {
        &self.0
    }

    /// Calls it as the host would have: −1 and errno, or its result. `None` where there is none.
    pub fn call(&self, fd: i32, request: usize, argument: IoctlArg) -> Option<c_int> {
        type Function = unsafe extern "C-unwind" fn(c_int, usize, usize) -> c_int;
        let address = self.0.address()?;
        // SAFETY: what dlsym(3) found under this name is a function of this type: ioctl(2), whose one
        // variadic argument is passed as any other on both architectures.
        let ioctl = unsafe { core::mem::transmute::<*mut c_void, Function>(address) };
        // SAFETY: the arguments that the host gave to a function of the same contract.
        Some(unsafe { ioctl(fd, request, argument.0) })
    }
}

impl Default for NextIoctl {
    fn default() -> Self {
        Self::new()
    }
}

/// sendfile(2) of the next library.
pub struct NextSendfile(NextSymbol);

impl NextSendfile {
    /// By one of its two names, which on 64-bit machines are the same; not looked for yet.
    #[must_use]
    pub const fn new(is_64: bool) -> NextSendfile {
        NextSendfile(NextSymbol::new(if is_64 { c"sendfile64" } else { c"sendfile" }))
    }

    /// What to look for.
    pub fn symbol(&self) -> &NextSymbol {
        &self.0
    }

    /// Calls it as the host would have: −1 and errno, or the bytes sent. `None` where there is none.
    pub fn call(
        &self,
        out_fd: i32,
        in_fd: i32,
        offset: OffsetPointer,
        count: usize,
    ) -> Option<isize> {
        type Function = unsafe extern "C-unwind" fn(c_int, c_int, *mut i64, usize) -> isize;
        let address = self.0.address()?;
        // SAFETY: what dlsym(3) found under these names are functions of this type (sendfile(2)).
        let sendfile = unsafe { core::mem::transmute::<*mut c_void, Function>(address) };
        // SAFETY: the arguments that the host gave to a function of the same contract.
        Some(unsafe { sendfile(out_fd, in_fd, offset.as_ptr(), count) })
    }
}

/// _exit(2) of the next library.
pub struct NextExit(NextSymbol);

impl NextExit {
    /// Not looked for yet.
    #[must_use]
    pub const fn new() -> NextExit {
        NextExit(NextSymbol::new(c"_exit"))
    }

    /// What to look for.
    pub fn symbol(&self) -> &NextSymbol {
        &self.0
    }

    /// Ends the process with `status`, without running anything but the next library's function.
    pub fn call(&self, status: i32) -> ! {
        type Function = unsafe extern "C" fn(c_int) -> !;
        let Some(address) = self.0.address() else { exit(status) };
        // SAFETY: what dlsym(3) found under this name is a function of this type (_exit(2)).
        let exit = unsafe { core::mem::transmute::<*mut c_void, Function>(address) };
        // SAFETY: any status will do.
        unsafe { exit(status) }
    }
}

impl Default for NextExit {
    fn default() -> Self {
        Self::new()
    }
}
