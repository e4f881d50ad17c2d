//! The version, names and texts. These functions make no system call and set no errno.

use crate::runtime;
use cfr_engine::call::Method;
use cfr_engine::dialect::{self, Dialect};
use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write};
use core::mem::MaybeUninit;

/// No byte moved, and the kernel was not asked to move one.
pub const CFR_METHOD_NONE: c_int = 0;
/// By the kernel's copy_file_range, or the kernel refused the call.
pub const CFR_METHOD_KERNEL: c_int = 1;
/// Shared by FICLONERANGE.
pub const CFR_METHOD_REFLINK: c_int = 2;
/// Shared by FIDEDUPERANGE, after the kernel compared both ranges.
pub const CFR_METHOD_DEDUPE: c_int = 3;
/// At least partly by the library, through a pipe or a buffer.
pub const CFR_METHOD_EMULATED: c_int = 4;
/// By the next library's function (CFR_FORWARD=next), in a way that it does not report.
pub const CFR_METHOD_NEXT: c_int = 5;

/// Returns the number of a method in C.
pub(super) const fn method_number(method: Method) -> c_int {
    match method {
        Method::None => CFR_METHOD_NONE,
        Method::Kernel => CFR_METHOD_KERNEL,
        Method::Reflink => CFR_METHOD_REFLINK,
        Method::Dedupe => CFR_METHOD_DEDUPE,
        Method::Emulated => CFR_METHOD_EMULATED,
        Method::Next => CFR_METHOD_NEXT,
    }
}

/// Their names, with the zero byte that C needs.
#[expect(clippy::indexing_slicing, clippy::cast_sign_loss, reason = "evaluated by the compiler")]
static METHOD_NAMES: [[u8; 16]; Method::ALL.len()] = {
    let mut names = [[0; 16]; Method::ALL.len()];
    let mut index = 0;
    while index < Method::ALL.len() {
        let method = Method::ALL[index];
        let name = method.name().as_bytes();
        let mut at = 0;
        while at < name.len() {
            names[method_number(method) as usize][at] = name[at];
            at += 1;
        }
        index += 1;
    }
    names
};

/// Returns the version of the loaded library, for example "0.1.0". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn cfr_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the name of a method, as in the log: "kernel" for CFR_METHOD_KERNEL. The string is static.
/// NULL if there is no such method.
#[unsafe(no_mangle)]
pub extern "C" fn cfr_method_name(method: c_int) -> *const c_char {
    let name = usize::try_from(method).ok().and_then(|method| METHOD_NAMES.get(method));
    name.map_or(core::ptr::null(), |name| name.as_ptr().cast())
}

/// Writes the text of a rule and the document that states it into `buffer`, and returns `buffer`. What
/// does not fit in its `size` bytes is cut off. `dialect` and `rule` are names, for example of a
/// struct cfr_outcome; a dialect of NULL is that of the process.
///
/// Returns NULL, and leaves the buffer as it is, if there is no such rule, or if `size` is 0.
#[unsafe(no_mangle)]
pub extern "C" fn cfr_rule_text(
    dialect: *const c_char,
    rule: *const c_char,
    buffer: *mut c_char,
    size: usize,
) -> *const c_char {
    // SAFETY: the program passes strings.
    let dialect = unsafe { bytes(dialect) };
    // SAFETY: as above.
    let rule = unsafe { bytes(rule) };
    let dialect = match dialect {
        Some(name) => Dialect::by_name(name),
        None => Some(runtime::get().map_or(dialect::DEFAULT, |it| it.settings.policy.dialect)),
    };
    let named =
        |dialect: &Dialect| dialect.rules.iter().find(|found| Some(found.id.as_bytes()) == rule);
    let Some(rule) = dialect.and_then(named).filter(|_| size > 0 && !buffer.is_null()) else {
        return core::ptr::null();
    };
    // SAFETY: the program passes a buffer of this size.
    let room = unsafe { core::slice::from_raw_parts_mut(buffer.cast(), size) };
    let mut text = CText { room, end: 0 };
    // The writer never fails: it drops what does not fit.
    let _ = write!(text, "{} ({})", rule.why, rule.source.text());
    text.finish();
    buffer
}

/// Returns the bytes of a string; `None` for NULL.
///
/// # Safety
///
/// The pointer is NULL or points to a string.
pub(super) unsafe fn bytes<'a>(string: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: the caller vouches for it.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_bytes())
}

/// A string in a buffer of the program's.
struct CText<'a> {
    room: &'a mut [MaybeUninit<u8>],
    end: usize,
}

impl CText<'_> {
    fn finish(self) {
        if let Some(end) = self.room.get_mut(self.end) {
            end.write(0);
        }
    }
}

impl Write for CText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let last = self.room.len().saturating_sub(1);
        for byte in text.bytes() {
            if let Some(place) = self.room.get_mut(self.end).filter(|_| self.end < last) {
                place.write(byte);
                self.end += 1;
            }
        }
        Ok(())
    }
}
