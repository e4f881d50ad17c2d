//! The auxiliary vector: what the kernel tells a program at its start (getauxval(3)).

use crate::thread::SavedErrno;
use crate::weak::weak_address;
use core::ffi::{c_ulong, c_void};

/// Returns the value of an entry (`AT_SECURE`, for example), 0 if the kernel has given none; `None`
/// if the C library has no getauxval(3).
pub(crate) fn auxiliary_value(entry: c_ulong) -> Option<u64> {
    type GetauxvalFn = unsafe extern "C" fn(c_ulong) -> c_ulong;
    let address = weak_address!("getauxval");
    if address.is_null() {
        return None;
    }
    // SAFETY: a symbol with this name is a function of this type.
    let getauxval = unsafe { core::mem::transmute::<*mut c_void, GetauxvalFn>(address) };
    // If there is no such entry it sets errno.
    let errno = SavedErrno::save();
    // SAFETY: getauxval accepts any number.
    let value = unsafe { getauxval(entry) };
    errno.restore();
    Some(value)
}
