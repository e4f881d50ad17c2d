//! The environment of the process, also before the C library knows it.
//!
//! glibc sets `environ` in its own constructor. Functions of a program's .preinit_array run before
//! it, and so may constructors of libraries that are not linked with glibc. Until then the
//! environment is where the kernel has put it: behind the arguments, at the stack's end, to which
//! glibc's dynamic linker keeps a pointer. That needs no system call and no /proc. musl sets
//! `environ` before any other code runs.

use crate::auxv::auxiliary_value;
use crate::weak::weak_address;
use core::ffi::{CStr, c_char, c_void};

/// The `NAME=value` strings of an environment.
pub struct Environment {
    /// The next entry of an array that ends in NULL; or NULL.
    next: *const *const c_char,
}

impl Iterator for Environment {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        if self.next.is_null() {
            return None;
        }
        // SAFETY: environ(7) is an array of pointers that ends in NULL, where the iteration stops.
        let string = unsafe { *self.next };
        if string.is_null() {
            return None;
        }
        // SAFETY: this entry is not NULL, so the array has another one.
        self.next = unsafe { self.next.add(1) };
        // SAFETY: each entry is a C string; the values are copied before the host can move them.
        Some(unsafe { CStr::from_ptr(string) })
    }
}

/// Returns the environment, or `None` if it cannot be known yet. Call it while no other thread
/// changes the environment: in the constructor, or in the first call if that is earlier.
#[must_use]
pub fn environment() -> Option<Environment> {
    // A program may define a variable `environ` of its own; this one is the C library's.
    let variable = weak_address!("__environ");
    // SAFETY: it points to such an array.
    let environ: *const *const c_char = unsafe { value_of(variable) };
    if !environ.is_null() {
        return Some(Environment { next: environ });
    }
    // A program may have removed all: clearenv(3).
    if is_c_library_initialized() {
        return Some(Environment { next: core::ptr::null() });
    }
    initial_environment()
}

/// Returns the value of a variable of the C library; NULL if it has no such variable.
///
/// # Safety
///
/// The variable must be a pointer of this type.
unsafe fn value_of<T>(variable: *mut c_void) -> *const T {
    let variable: *const *const T = variable.cast();
    // SAFETY: the caller vouches for it.
    if variable.is_null() { core::ptr::null() } else { unsafe { variable.read() } }
}

/// Reports whether glibc's constructor has run: together with `environ` it sets the program's name,
/// which is empty before.
fn is_c_library_initialized() -> bool {
    let variable = weak_address!("program_invocation_name");
    // SAFETY: it points to a C string.
    let name: *const c_char = unsafe { value_of(variable) };
    // SAFETY: not NULL, so there is at least a zero byte.
    !name.is_null() && unsafe { name.read() } != 0
}

/// Finds the environment that the kernel has given to the program. The kernel puts onto the stack,
/// from lower to higher addresses: argc, the arguments, NULL, the environment, NULL, the auxiliary
/// vector, and then the strings, of which the program's path (`AT_EXECFN`) is the last. `None` if it
/// does not look so: under `ld.so PROGRAM`, glibc before 2.36 uses the place of argc for itself.
fn initial_environment() -> Option<Environment> {
    let variable = weak_address!("__libc_stack_end");
    // SAFETY: it points to words of the stack.
    let stack_end: *const usize = unsafe { value_of(variable) };
    let execfn = usize::try_from(auxiliary_value(libc::AT_EXECFN)?).ok()?;
    let words = execfn.checked_sub(stack_end.addr())? / size_of::<usize>();
    if stack_end.is_null() || !stack_end.is_aligned() {
        return None;
    }
    // SAFETY: the stack is readable from here to its end, where the program's path is.
    let words = unsafe { core::slice::from_raw_parts(stack_end, words) };
    let (argc, rest) = words.split_first()?;
    let (arguments, rest) = rest.split_at_checked(*argc)?;
    let (end, environment) = rest.split_first()?;
    let count = environment.iter().position(|&word| word == 0)?;
    let auxiliary = environment.get(count + 1..)?.chunks_exact(2);
    // The vector ends in AT_NULL.
    const AT_EXECFN: usize = 31;
    let is_execfn = |entry: &[usize]| entry == [AT_EXECFN, execfn];
    let has_execfn = auxiliary.take_while(|entry| entry != &[0, 0]).any(is_execfn);
    let is_whole = *end == 0 && !arguments.contains(&0) && has_execfn;
    is_whole.then_some(Environment { next: environment.as_ptr().cast() })
}
