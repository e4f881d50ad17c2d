//! cfr_copy: one copy_file_range under options of its own, whose outcome the program is told.

use super::sized::{self, SizedStruct};
use super::text::{bytes, method_number};
use crate::hooks::entry::{Frame, enter, test_cancel};
use crate::runtime;
use cfr_engine::call::Answer;
use cfr_engine::dialect::Dialect;
use cfr_engine::flags::{Flags, Mode};
use cfr_engine::hook::Hook;
use cfr_engine::policy::{Backend, Checks, Policy};
use cfr_observe::{CopyWithOptions, Observer, ThisThread, Told, intercept};
use cfr_sys::errno::Errno;
use cfr_sys::{Args, SavedErrno, Sharing, ssize_t};
use core::arch::naked_asm;
use core::ffi::{c_char, c_int, c_uint};

/// As the process's setting says. Every option's default.
pub const CFR_DEFAULT: c_int = 0;
pub const CFR_YES: c_int = 1;
pub const CFR_NO: c_int = 2;

/// The kernel copies; the library after an error of CFR_FALLBACK.
pub const CFR_BACKEND_AUTO: c_int = 1;
/// Only the kernel copies.
pub const CFR_BACKEND_KERNEL: c_int = 2;
/// Only the library copies.
pub const CFR_BACKEND_EMULATE: c_int = 3;

/// A broken rule is the answer.
pub const CFR_CHECKS_ENFORCE: c_int = 1;
/// A broken rule is logged, and the call is made.
pub const CFR_CHECKS_WARN: c_int = 2;
/// No rule is looked at.
pub const CFR_CHECKS_OFF: c_int = 3;

/// It was not asked, or the filesystem does not say.
pub const CFR_SHARED_UNKNOWN: c_int = 0;
/// The target's range shares all its blocks.
pub const CFR_SHARED_ALL: c_int = 1;
/// It shares some of its blocks.
pub const CFR_SHARED_PART: c_int = 2;
/// It shares no block.
pub const CFR_SHARED_NONE: c_int = 3;

/// The options of one call. A member that is 0 or NULL leaves it to the process's setting. All other
/// values that this header does not name are EINVAL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cfr_options {
    /// sizeof(struct cfr_options).
    pub size: usize,
    /// The name of a dialect, as for CFR_DIALECT: "linux-5.19".
    pub dialect: *const c_char,
    /// CFR_BACKEND_AUTO, CFR_BACKEND_KERNEL or CFR_BACKEND_EMULATE.
    pub backend: c_int,
    /// CFR_CHECKS_ENFORCE, CFR_CHECKS_WARN or CFR_CHECKS_OFF.
    pub checks: c_int,
    /// CFR_YES: read both ranges back and compare them.
    pub verify: c_int,
    /// CFR_YES: find out whether the target's range shares its blocks.
    pub shared: c_int,
    /// CFR_YES, with COPY_FR_REFLINK or COPY_FILE_RANGE_CLONE only: copy if the blocks cannot be shared.
    pub else_copy: c_int,
    /// 0.
    pub reserved: c_int,
}

/// The outcome of one call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cfr_outcome {
    /// sizeof(struct cfr_outcome), set by the program.
    pub size: usize,
    /// The bytes that were copied or shared.
    pub bytes: u64,
    /// The error number of a call that failed, else 0.
    pub error: c_int,
    /// How the bytes moved: CFR_METHOD_KERNEL, ...
    pub method: c_int,
    /// CFR_SHARED_UNKNOWN, CFR_SHARED_ALL, CFR_SHARED_PART or CFR_SHARED_NONE.
    pub shared: c_int,
    /// The flags that the call was made with: 0 if `else_copy` has copied, and those of
    /// CFR_DEFAULT_FLAGS if the program passed none.
    pub flags: c_uint,
    /// The rule that decided, or that explains the error; else an empty string.
    pub rule: [c_char; 32],
    /// The dialect that the call was made in.
    pub dialect: [c_char; 24],
}

// SAFETY: `repr(C)`, begins with its size, and has a member in each byte; all are integers or a pointer.
unsafe impl SizedStruct for cfr_options {
    const ZEROS: cfr_options = cfr_options {
        size: 0,
        dialect: core::ptr::null(),
        backend: 0,
        checks: 0,
        verify: 0,
        shared: 0,
        else_copy: 0,
        reserved: 0,
    };
}

// SAFETY: likewise.
unsafe impl SizedStruct for cfr_outcome {
    const ZEROS: cfr_outcome = cfr_outcome {
        size: 0,
        bytes: 0,
        error: 0,
        method: 0,
        shared: 0,
        flags: 0,
        rule: [0; 32],
        dialect: [0; 24],
    };
}

/// Copies as copy_file_range does, under options of its own, and fills `outcome` with how it was done.
/// Either may be NULL. Each struct begins with its size, which the program sets.
///
/// Returns what copy_file_range returns. EINVAL if an option has an unknown value or a struct has no
/// size; E2BIG if the options are larger than this library knows them and the rest is not zero, or if
/// a struct is larger than 4096 bytes; then nothing is copied and `outcome` stays as it is. EAGAIN
/// while the library is being loaded. May be called by any thread, in a signal handler, and after
/// fork(2). It is a cancellation point.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn cfr_copy(
    fd_in: c_int,
    off_in: *mut i64,
    fd_out: c_int,
    off_out: *mut i64,
    len: usize,
    flags: c_uint,
    options: *const cfr_options,
    outcome: *mut cfr_outcome,
) -> ssize_t {
    instructions!()
}

/// The seventh and the eighth argument are on the stack, after the return address.
#[cfg(target_arch = "x86_64")]
macro_rules! instructions {
    () => {
        naked_asm!(
            ".cfi_startproc",
            "call {test_cancel}",
            "lea rax, [rsp + 8]",
            "lea r11, [rip + {answer}]",
            "jmp {enter}",
            ".cfi_endproc",
            test_cancel = sym test_cancel,
            answer = sym answer,
            enter = sym enter,
        )
    };
}

/// They are in x6 and x7, and are put where x86-64 has them.
#[cfg(target_arch = "aarch64")]
macro_rules! instructions {
    () => {
        naked_asm!(
            ".cfi_startproc",
            "stp x29, x30, [sp, #-32]!",
            ".cfi_def_cfa_offset 32",
            ".cfi_offset 29, -32",
            ".cfi_offset 30, -24",
            "mov x29, sp",
            "stp x6, x7, [sp, #16]",
            "bl {test_cancel}",
            "add x6, sp, #16",
            "adrp x16, {answer}",
            "add x16, x16, :lo12:{answer}",
            "bl {enter}",
            "ldp x29, x30, [sp], #32",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore 29",
            ".cfi_restore 30",
            "ret",
            ".cfi_endproc",
            test_cancel = sym test_cancel,
            answer = sym answer,
            enter = sym enter,
        )
    };
}

use instructions;

extern "C" fn answer(frame: &mut Frame) {
    let errno = SavedErrno::save();
    let args = frame.copy_arguments();
    // SAFETY: `cfr_copy` has put both there; they stay until it returns.
    let [options, outcome] = unsafe { frame.more_arguments().cast::<[usize; 2]>().read() };
    let options = core::ptr::with_exposed_provenance(options);
    let outcome = core::ptr::with_exposed_provenance_mut(outcome);
    // SAFETY: the program passes structs that are as large as they say, or NULL.
    match unsafe { Request::read(options, outcome) }.and_then(|request| request.copy(&args)) {
        Ok((answer, signal)) => frame.answer(answer, errno, signal),
        Err(error) => frame.answer(Err(error), errno, None),
    }
}

/// The options of a call, and where its outcome goes.
struct Request {
    options: cfr_options,
    dialect: Option<&'static Dialect>,
    outcome: *mut cfr_outcome,
    outcome_size: usize,
}

impl Request {
    /// # Safety
    ///
    /// Each pointer is NULL, or points to a struct that is as large as it says.
    unsafe fn read(
        options: *const cfr_options,
        outcome: *mut cfr_outcome,
    ) -> Result<Request, Errno> {
        let options = match options.is_null() {
            true => cfr_options::ZEROS,
            // SAFETY: the caller vouches for it.
            false => unsafe { sized::read(options) }?,
        };
        let outcome_size = match outcome.is_null() {
            true => 0,
            // SAFETY: likewise.
            false => unsafe { sized::size_of_program(outcome) }?,
        };
        // SAFETY: the program passes a string, or NULL.
        let name = unsafe { bytes(options.dialect) };
        let dialect = name.map(|name| Dialect::by_name(name).ok_or(Errno::EINVAL)).transpose()?;
        Ok(Request { options, dialect, outcome, outcome_size })
    }

    /// Makes the call. An error is one of the options.
    fn copy(&self, args: &Args) -> Result<(Answer, Option<c_int>), Errno> {
        let options = &self.options;
        runtime::initialize();
        let observer = runtime::get().ok_or(Errno::EAGAIN)?;
        let of_process = &observer.settings.policy;
        let policy = self.dialect.map_or(*of_process, |dialect| of_process.with_dialect(dialect));
        let policy = Policy {
            backend: choose(options.backend, policy.backend, &BACKENDS)?,
            checks: choose(options.checks, policy.checks, &CHECKS)?,
            verify: switch(options.verify, policy.verify)?,
            ..policy
        };
        let shared = switch(options.shared, observer.settings.shared)?;
        let shares = matches!(Flags(args.flags).mode(), Some(Mode::Reflink | Mode::Clone));
        let else_copy = switch(options.else_copy, false)?;
        if else_copy && !shares || options.reserved != 0 {
            return Err(Errno::EINVAL);
        }
        let quiet;
        let observer = if observer.settings.hooks.contains(Hook::CopyFileRange) {
            observer
        } else {
            quiet = observer.without_records();
            &quiet
        };
        let (answer, signal) = self.make(args, &policy, shared, observer);
        if else_copy && answer.is_err_and(cannot_share) {
            let policy = Policy { default_flags: Flags(0), ..policy };
            return Ok(self.make(&Args { flags: 0, ..*args }, &policy, shared, observer));
        }
        Ok((answer, signal))
    }

    #[inline(never)]
    fn make(
        &self,
        args: &Args,
        policy: &Policy,
        shared: bool,
        observer: &Observer,
    ) -> (Answer, Option<c_int>) {
        let call = CopyWithOptions::new(args, policy, shared, !self.outcome.is_null());
        let done = intercept(&call, &ThisThread, observer);
        if let Some(told) = call.told() {
            let outcome = outcome(&told, policy.flags(args), policy.dialect);
            // SAFETY: not NULL, or the program would not be told; it has as many bytes.
            unsafe { sized::write(self.outcome, self.outcome_size, &outcome) };
        }
        done
    }
}

fn outcome(told: &Told, flags: Flags, dialect: &Dialect) -> cfr_outcome {
    let Told { outcome, sharing } = told;
    cfr_outcome {
        size: size_of::<cfr_outcome>(),
        bytes: outcome.bytes,
        error: outcome.answer.err().map_or(0, |errno| errno.0),
        method: method_number(outcome.method),
        shared: match sharing {
            None => CFR_SHARED_UNKNOWN,
            Some((Sharing::Shared, _)) => CFR_SHARED_ALL,
            Some((Sharing::PartlyShared, _)) => CFR_SHARED_PART,
            Some((Sharing::NotShared, _)) => CFR_SHARED_NONE,
        },
        flags: flags.0,
        rule: c_string(outcome.rule.map_or("", |rule| rule.id)),
        dialect: c_string(dialect.name),
    }
}

/// Returns the text with a zero byte after it.
fn c_string<const SIZE: usize>(text: &str) -> [c_char; SIZE] {
    let mut string = [0; SIZE];
    let room = string.split_last_mut().map_or(&mut [][..], |(_, room)| room);
    for (to, from) in room.iter_mut().zip(text.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    string
}

const BACKENDS: [(c_int, Backend); Backend::ALL.len()] = [
    (CFR_BACKEND_AUTO, Backend::Auto),
    (CFR_BACKEND_KERNEL, Backend::Kernel),
    (CFR_BACKEND_EMULATE, Backend::Emulate),
];
const CHECKS: [(c_int, Checks); Checks::ALL.len()] = [
    (CFR_CHECKS_ENFORCE, Checks::Enforce),
    (CFR_CHECKS_WARN, Checks::Warn),
    (CFR_CHECKS_OFF, Checks::Off),
];

/// Returns the value that an option chooses; EINVAL if it has none.
fn choose<T: Copy>(option: c_int, of_process: T, values: &[(c_int, T)]) -> Result<T, Errno> {
    if option == CFR_DEFAULT {
        return Ok(of_process);
    }
    let value = values.iter().find(|(number, _)| *number == option);
    value.map(|(_, value)| *value).ok_or(Errno::EINVAL)
}

fn switch(option: c_int, of_process: bool) -> Result<bool, Errno> {
    choose(option, of_process, &[(CFR_YES, true), (CFR_NO, false)])
}

/// Reports whether a copy may succeed where sharing blocks failed with this error: those after which
/// GNU cp copies (coreutils 9.1, src/copy.c, `is_CLONENOTSUP()`). After EFAULT, bytes may have moved.
fn cannot_share(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOSYS
            | Errno::ENOTTY
            | Errno::EOPNOTSUPP
            | Errno::EINVAL
            | Errno::EBADF
            | Errno::EXDEV
            | Errno::ETXTBSY
            | Errno::EPERM
            | Errno::EACCES
    )
}
