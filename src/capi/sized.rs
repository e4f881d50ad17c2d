//! Structs that begin with their size, as those of openat2(2) and clone3(2) have it beside them: a
//! program may have been compiled with an older or a newer header.

use cfr_sys::errno::Errno;

/// A struct of the C API.
///
/// # Safety
///
/// It is `repr(C)`, begins with a `usize`, its size, has no padding, and every value of its bytes is
/// valid.
pub(super) unsafe trait SizedStruct: Copy {
    /// The struct with zeros in all members.
    const ZEROS: Self;
}

/// Larger structs are refused, so that a size that was never set does not lead far: as openat2(2) does
/// with those that are larger than a page.
const MAX_SIZE: usize = 4096;

/// Returns the size that the program has set. EINVAL if it is too small for the size itself, as 0 is;
/// E2BIG if it is larger than any struct will be.
///
/// # Safety
///
/// The pointer is not NULL, and the struct is readable.
pub(super) unsafe fn size_of_program<T: SizedStruct>(pointer: *const T) -> Result<usize, Errno> {
    // SAFETY: the struct begins with its size.
    let size = unsafe { pointer.cast::<usize>().read_unaligned() };
    match size {
        0..8 => Err(Errno::EINVAL),
        8..=MAX_SIZE => Ok(size),
        _ => Err(Errno::E2BIG),
    }
}

/// Reads a struct. Members that a smaller one lacks are zero. E2BIG if a larger one has a member that
/// this library does not know and that is not zero; EINVAL and E2BIG as [`size_of_program`].
///
/// # Safety
///
/// The pointer is not NULL, and as many bytes are readable as the struct says.
pub(super) unsafe fn read<T: SizedStruct>(pointer: *const T) -> Result<T, Errno> {
    // SAFETY: the caller vouches for it.
    let size = unsafe { size_of_program(pointer) }?;
    let known = size.min(size_of::<T>());
    for at in known..size {
        // SAFETY: the struct is as large as it says.
        let byte = unsafe { pointer.cast::<u8>().add(at) };
        // SAFETY: likewise.
        if unsafe { byte.read() } != 0 {
            return Err(Errno::E2BIG);
        }
    }
    let mut value = T::ZEROS;
    // SAFETY: both have that many bytes, and any bytes are a valid struct.
    unsafe { pointer.cast::<u8>().copy_to_nonoverlapping((&raw mut value).cast(), known) };
    Ok(value)
}

/// Fills a struct of this size: the members that it has, but for the size, and zeros beyond those that
/// this library knows.
///
/// # Safety
///
/// The pointer is not NULL, and `size` bytes are writable.
pub(super) unsafe fn write<T: SizedStruct>(pointer: *mut T, size: usize, value: &T) {
    const FIRST: usize = size_of::<usize>();
    let known = size.min(size_of::<T>());
    let members = known.saturating_sub(FIRST);
    // SAFETY: the struct begins with its size.
    let from = unsafe { (&raw const *value).cast::<u8>().add(FIRST) };
    // SAFETY: likewise.
    let to = unsafe { pointer.cast::<u8>().add(FIRST) };
    // SAFETY: both have that many bytes after their sizes.
    unsafe { from.copy_to_nonoverlapping(to, members) };
    // SAFETY: `size` bytes are writable.
    let rest = unsafe { pointer.cast::<u8>().add(known) };
    // SAFETY: likewise.
    unsafe { rest.write_bytes(0, size - known) };
}
