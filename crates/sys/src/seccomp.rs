//! seccomp(2) user notification: the filter that stops the calls which copy, and the descriptor by
//! which another process receives and answers them (seccomp_unotify(2)).
//!
//! A call whose sixth argument has the cookie in its upper half is not stopped: the library has seen
//! it. copy_file_range(2) has its flags in the lower half of that argument; ioctl(2) and sendfile(2)
//! do not use it.
//!
//! A filter that the program installs itself can answer a call before this one: the kernel takes the
//! action with the highest precedence, and that of ERRNO, TRAP and KILL is higher. So the filter stops
//! the installation of another one, too, and its receiver knows of it.

use crate::errno::Errno;
use crate::ioctl::{FICLONE, FICLONERANGE, FIDEDUPERANGE};
use crate::raw::{decode, reg, syscall};
use core::mem::MaybeUninit;
use libc::{c_long, seccomp_notif, seccomp_notif_resp, sock_filter};

/// `AUDIT_ARCH_*` of linux/audit.h for programs of this architecture, and for its 32-bit programs.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [u32; 2] = [0xc000_003e, 0x4000_0003];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [u32; 2] = [0xc000_00b7, 0x4000_0028];

/// copy_file_range, sendfile, sendfile64, ioctl, prctl and seccomp of 32-bit programs (i386 and arm).
#[cfg(target_arch = "x86_64")]
const NUMBERS_32: [u32; 6] = [377, 187, 239, 54, 172, 354];
#[cfg(target_arch = "aarch64")]
const NUMBERS_32: [u32; 6] = [391, 187, 239, 54, 172, 383];

/// copy_file_range, sendfile, ioctl, prctl and seccomp of 64-bit programs.
#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
const NUMBERS: [u32; 5] = [
    libc::SYS_copy_file_range.cast_unsigned() as u32,
    libc::SYS_sendfile.cast_unsigned() as u32,
    libc::SYS_ioctl.cast_unsigned() as u32,
    libc::SYS_prctl.cast_unsigned() as u32,
    libc::SYS_seccomp.cast_unsigned() as u32,
];

// The filter splits the numbers at that of prctl.
const _: () = {
    let [copy, send, ioctl, prctl, seccomp] = NUMBERS;
    assert!(send < prctl && ioctl < prctl && copy >= prctl && seccomp >= prctl);
    let [copy, send, send64, ioctl, prctl, seccomp] = NUMBERS_32;
    assert!(ioctl < prctl && copy >= prctl && send >= prctl && send64 >= prctl && seccomp >= prctl);
};

/// Bytes from the start of `struct seccomp_data`; the architectures are little-endian.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
const REQUEST: u32 = ARGUMENTS + 8;
const COOKIE: u32 = ARGUMENTS + 5 * 8 + 4;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP` of linux/seccomp.h (Linux 6.6).
const SYNC_WAKE_UP: usize = 1;

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Notification {
    /// What [`answer`] names the call by.
    pub id: u64,
    /// The calling thread, in the receiver's process id namespace; 0 if it is in none that the
    /// receiver sees.
    pub tid: i32,
    pub call: StoppedCall,
    /// Whether a 32-bit program makes it.
    pub is_32_bit: bool,
    pub args: [u64; 6],
}

/// A system call that the filter stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoppedCall {
    CopyFileRange,
    Sendfile,
    /// ioctl(2) with FICLONE, FICLONERANGE or FIDEDUPERANGE.
    Ioctl,
    /// seccomp(2) or prctl(2) to install a filter; it cannot succeed unless `is_possible`.
    Filter {
        is_possible: bool,
    },
}

impl StoppedCall {
    fn of(number: c_long, is_32_bit: bool, [first, second, program, ..]: [u64; 6]) -> StoppedCall {
        let [copy, _, _, ioctl, prctl, seccomp] = if is_32_bit {
            NUMBERS_32.map(c_long::from)
        } else {
            let [copy, send, ioctl, prctl, seccomp] = NUMBERS.map(c_long::from);
            [copy, send, send, ioctl, prctl, seccomp]
        };
        let mode = u64::from(libc::SECCOMP_MODE_FILTER);
        // There is a listener already (EBUSY).
        let is_refused = second & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0;
        let set_mode = u64::from(libc::SECCOMP_SET_MODE_FILTER);
        match number {
            _ if number == copy => StoppedCall::CopyFileRange,
            _ if number == ioctl => StoppedCall::Ioctl,
            _ if number == prctl => {
                StoppedCall::Filter { is_possible: second == mode && program != 0 }
            }
            _ if number == seccomp => StoppedCall::Filter {
                is_possible: first & 0xffff_ffff == set_mode && !is_refused && program != 0,
            },
            _ => StoppedCall::Sendfile,
        }
    }
}

/// The parts of the filter, by their first instruction.
const HIGH_NUMBERS: u8 = 6;
const CALLS_32: u8 = 9;
const HIGH_NUMBERS_32: u8 = 13;
const OPTION: u8 = 18;
const OPERATION: u8 = 20;
const REQUESTS: u8 = 22;
const COOKIE_CHECK: u8 = 26;
const NOTIFY: u8 = 28;
const ALLOW: u8 = 29;
const LEN: u8 = 30;

/// Returns the filter: bpf(4) instructions, which the kernel checks when they are installed. The calls
/// of x32 programs pass: no kernel of a distribution runs them by default.
fn filter(cookie: u32) -> [sock_filter; LEN as usize] {
    let [ours, ours_32] = ARCHITECTURES;
    let [copy, send, ioctl, prctl, seccomp] = NUMBERS;
    let [copy_32, send_32, send64_32, ioctl_32, prctl_32, seccomp_32] = NUMBERS_32;
    let load = |from| sock_filter { code: LOAD, jt: 0, jf: 0, k: from };
    // A jump counts from the instruction after its own.
    let branch = |code, own: u8, value, taken: u8, other: u8| {
        let (jt, jf) = (taken - own - 1, other - own - 1);
        sock_filter { code, jt, jf, k: value }
    };
    let jump = |own, value, equal, other| branch(JUMP_IF_EQUAL, own, value, equal, other);
    let split = |own, value, high, low| branch(JUMP_IF_AT_LEAST, own, value, high, low);
    let end = |action| sock_filter { code: RETURN, jt: 0, jf: 0, k: action };
    [
        load(ARCHITECTURE),
        jump(1, ours, 2, CALLS_32),
        load(NUMBER),
        split(3, prctl, HIGH_NUMBERS, 4),
        jump(4, send, COOKIE_CHECK, 5),
        jump(5, ioctl, REQUESTS, ALLOW),
        // HIGH_NUMBERS
        jump(6, copy, COOKIE_CHECK, 7),
        jump(7, prctl, OPTION, 8),
        jump(8, seccomp, OPERATION, ALLOW),
        // CALLS_32
        jump(9, ours_32, 10, ALLOW),
        load(NUMBER),
        split(11, prctl_32, HIGH_NUMBERS_32, 12),
        jump(12, ioctl_32, REQUESTS, ALLOW),
        // HIGH_NUMBERS_32
        jump(13, copy_32, NOTIFY, 14),
        jump(14, send_32, NOTIFY, 15),
        jump(15, send64_32, NOTIFY, 16),
        jump(16, prctl_32, OPTION, 17),
        jump(17, seccomp_32, OPERATION, ALLOW),
        // OPTION
        load(ARGUMENTS),
        jump(19, libc::PR_SET_SECCOMP.cast_unsigned(), NOTIFY, ALLOW),
        // OPERATION
        load(ARGUMENTS),
        jump(21, libc::SECCOMP_SET_MODE_FILTER, NOTIFY, ALLOW),
        // REQUESTS
        load(REQUEST),
        jump(23, FICLONE, COOKIE_CHECK, 24),
        jump(24, FICLONERANGE, COOKIE_CHECK, 25),
        jump(25, FIDEDUPERANGE, COOKIE_CHECK, ALLOW),
        // COOKIE_CHECK
        load(COOKIE),
        jump(27, cookie, ALLOW, NOTIFY),
        // NOTIFY
        end(libc::SECCOMP_RET_USER_NOTIF),
        // ALLOW
        end(libc::SECCOMP_RET_ALLOW),
    ]
}

/// Stops the copies of the calling thread, and of all that it will start, until the owner of the
/// returned descriptor answers them. The descriptor is closed by execve(2). May be called between
/// fork(2) and execve(2).
///
/// EACCES without CAP_SYS_ADMIN and no_new_privs; EBUSY if another process answers for this thread
/// already; EINVAL before Linux 5.19, where a signal would end a call that is being answered.
pub fn stop_copies(cookie: u32) -> Result<i32, Errno> {
    let mut filter = filter(cookie);
    let program = libc::sock_fprog { len: LEN.into(), filter: filter.as_mut_ptr() };
    let flags =
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let words = [u64::from(libc::SECCOMP_SET_MODE_FILTER), flags];
    let [mode, flags] = words.map(|word| usize::try_from(word).unwrap_or(0));
    let registers = [mode, flags, &raw const program as usize, 0, 0, 0];
    // SAFETY: the kernel copies the program and its instructions.
    let listener = decode(unsafe { syscall(libc::SYS_seccomp, registers) })?;
    Ok(i32::try_from(listener).unwrap_or(-1))
}

/// Sends a descriptor over a socket of unix(7) (`SCM_RIGHTS`), with one byte of data.
pub fn send_descriptor(socket: i32, descriptor: i32) -> Result<(), Errno> {
    // struct cmsghdr with one descriptor, aligned as the kernel expects it.
    #[repr(C, align(8))]
    struct Control {
        len: usize,
        level: i32,
        kind: i32,
        descriptor: i32,
    }
    const LEN: usize = size_of::<usize>() + 3 * size_of::<i32>();
    let (level, kind) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
    let mut control = Control { len: LEN, level, kind, descriptor };
    let data = libc::iovec { iov_base: c"f".as_ptr().cast_mut().cast(), iov_len: 1 };
    let mut message = MaybeUninit::<libc::msghdr>::zeroed();
    // SAFETY: zero is a valid value of every field.
    let message = unsafe { message.assume_init_mut() };
    message.msg_iov = (&raw const data).cast_mut();
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    // u32 in musl's struct.
    message.msg_controllen = size_of::<Control>() as _;
    let registers = [reg(socket), &raw const *message as usize, reg(libc::MSG_NOSIGNAL), 0, 0, 0];
    // SAFETY: the kernel reads the header and what it points to.
    decode(unsafe { syscall(libc::SYS_sendmsg, registers) }).map(|_| ())
}

/// Waits for one byte on a socket of unix(7). `None` if its other end is closed.
pub fn receive_byte(socket: i32) -> Option<u8> {
    let mut byte = 0u8;
    let registers = [reg(socket), &raw mut byte as usize, 1, 0, 0, 0];
    loop {
        // SAFETY: the kernel writes at most one byte.
        match decode(unsafe { syscall(libc::SYS_read, registers) }) {
            Ok(1) => return Some(byte),
            Err(Errno::EINTR) => {}
            _ => return None,
        }
    }
}

/// Gives up new privileges for the calling thread and all that it will start (prctl(2),
/// `PR_SET_NO_NEW_PRIVS`).
pub fn set_no_new_privs() -> Result<(), Errno> {
    let registers = [reg(libc::PR_SET_NO_NEW_PRIVS), 1, 0, 0, 0, 0];
    // SAFETY: no pointers.
    decode(unsafe { syscall(libc::SYS_prctl, registers) }).map(|_| ())
}

/// Tells the kernel that a caller may run on the CPU of the thread that answers it (Linux 6.6): two
/// switches in place of two wake-ups. EINVAL before.
pub fn wake_up_synchronously(listener: i32) -> Result<(), Errno> {
    let request = to_register(libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS);
    // SAFETY: the argument is a number.
    decode(unsafe { syscall(libc::SYS_ioctl, [reg(listener), request, SYNC_WAKE_UP, 0, 0, 0]) })
        .map(|_| ())
}

/// Waits until a call can be received, for at most `seconds`. Reports whether one can.
#[must_use]
pub fn await_call(listener: i32, seconds: i64) -> bool {
    let mut polled = libc::pollfd { fd: listener, events: libc::POLLIN, revents: 0 };
    let limit = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    let registers = [&raw mut polled as usize, 1, &raw const limit as usize, 0, 0, 0];
    // SAFETY: the kernel reads one timespec, and reads and writes one struct pollfd.
    let count = decode(unsafe { syscall(libc::SYS_ppoll, registers) });
    count == Ok(1) && polled.revents & libc::POLLIN != 0
}

/// Waits for a call. ENOENT once for each whose thread has stopped waiting meanwhile, to handle a signal
/// or because it was killed (kernel/seccomp.c, `seccomp_notify_recv()`), or if no thread is left that
/// could make one; EINTR after a signal.
pub fn receive(listener: i32) -> Result<Notification, Errno> {
    let mut notification = MaybeUninit::<seccomp_notif>::zeroed();
    let request = to_register(libc::SECCOMP_IOCTL_NOTIF_RECV);
    let registers = [reg(listener), request, notification.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel writes one struct seccomp_notif, which must be zeroed before.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) })?;
    // SAFETY: zeroed, and then filled by the kernel.
    let seccomp_notif { id, pid, data, .. } = unsafe { notification.assume_init() };
    let [ours, _] = ARCHITECTURES;
    let is_32_bit = data.arch != ours;
    Ok(Notification {
        id,
        tid: i32::try_from(pid).unwrap_or(0),
        call: StoppedCall::of(data.nr.into(), is_32_bit, data.args),
        is_32_bit,
        args: data.args,
    })
}

/// Answers a call. ENOENT if its thread was killed.
pub fn answer(listener: i32, id: u64, answer: Result<usize, Errno>) -> Result<(), Errno> {
    let (val, error) = match answer {
        Ok(count) => (i64::try_from(count).unwrap_or(i64::MAX), 0),
        Err(Errno(errno)) => (0, -errno),
    };
    respond(listener, seccomp_notif_resp { id, val, error, flags: 0 })
}

/// Duplicates `descriptor` in the process of a call, closed by execve(2) (Linux 5.9). Returns the number
/// there. Waits until the thread of the call has run: EINTR after a signal, and nothing was added.
///
/// Not with `SECCOMP_ADDFD_FLAG_SEND`: the call counts as answered then before the descriptor is there,
/// and returns 0 if that is interrupted.
pub fn add_descriptor(listener: i32, id: u64, descriptor: i32) -> Result<usize, Errno> {
    let mut added = libc::seccomp_notif_addfd {
        id,
        flags: 0,
        srcfd: descriptor.cast_unsigned(),
        newfd: 0,
        newfd_flags: libc::O_CLOEXEC.cast_unsigned(),
    };
    let request = to_register(libc::SECCOMP_IOCTL_NOTIF_ADDFD);
    let registers = [reg(listener), request, &raw mut added as usize, 0, 0, 0];
    // SAFETY: the kernel reads one struct seccomp_notif_addfd.
    decode(unsafe { syscall(libc::SYS_ioctl, registers) })
}

/// Lets the thread make the call itself. ENOENT if it was killed.
pub fn let_through(listener: i32, id: u64) -> Result<(), Errno> {
    let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(0);
    respond(listener, seccomp_notif_resp { id, val: 0, error: 0, flags })
}

fn respond(listener: i32, mut response: seccomp_notif_resp) -> Result<(), Errno> {
    let request = to_register(libc::SECCOMP_IOCTL_NOTIF_SEND);
    let registers = [reg(listener), request, &raw mut response as usize, 0, 0, 0];
    // SAFETY: the kernel reads one struct seccomp_notif_resp.
    until_done(|| decode(unsafe { syscall(libc::SYS_ioctl, registers) })).map(|_| ())
}

/// Makes a request again that a signal has interrupted: one that waits for the lock of the listener fails
/// with EINTR, and nothing was done (kernel/seccomp.c, `mutex_lock_interruptible()`).
fn until_done(mut request: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        match request() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// Reports whether the thread still waits for the answer.
#[must_use]
pub fn is_waiting(listener: i32, id: u64) -> bool {
    let request = to_register(libc::SECCOMP_IOCTL_NOTIF_ID_VALID);
    let registers = [reg(listener), request, &raw const id as usize, 0, 0, 0];
    // SAFETY: the kernel reads one 64-bit number.
    until_done(|| decode(unsafe { syscall(libc::SYS_ioctl, registers) })).is_ok()
}

/// The request of an ioctl(2), which the kernel takes as 32 bits. Its type is signed in musl.
fn to_register(request: libc::Ioctl) -> usize {
    let [first, second, third, fourth, ..] = request.to_le_bytes();
    u32::from_le_bytes([first, second, third, fourth]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter for one call. Returns the action.
    fn run(cookie: u32, arch: u32, number: u32, args: [u64; 6]) -> u32 {
        let program = filter(cookie);
        let (mut at, mut value) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            match (instruction.code, instruction.k) {
                (LOAD, NUMBER) => value = number,
                (LOAD, ARCHITECTURE) => value = arch,
                (LOAD, from) => {
                    let argument = args[(from as usize - ARGUMENTS as usize) / 8];
                    let half = u32::from(from % 8 != 0);
                    value = (argument >> (32 * half) & 0xffff_ffff).try_into().unwrap();
                }
                (code @ (JUMP_IF_EQUAL | JUMP_IF_AT_LEAST), wanted) => {
                    let is_equal = code == JUMP_IF_EQUAL;
                    let is_taken = if is_equal { value == wanted } else { value >= wanted };
                    at += usize::from(if is_taken { instruction.jt } else { instruction.jf });
                }
                (_, action) => return action,
            }
        }
    }

    const STOP: u32 = libc::SECCOMP_RET_USER_NOTIF;
    const PASS: u32 = libc::SECCOMP_RET_ALLOW;

    #[test]
    fn stops_copies_without_the_cookie() {
        let [ours, ours_32] = ARCHITECTURES;
        let [copy, send, ioctl, ..] = NUMBERS;
        let marked = |lower: u64| [0, 0, 0, 0, 0, 0xc00c_1e00_0000_0000 | lower];
        for number in [copy, send] {
            assert_eq!(run(0xc00c_1e00, ours, number, [0; 6]), STOP);
            assert_eq!(run(0xc00c_1e00, ours, number, marked(7)), PASS);
            assert_eq!(run(0xc00c_1e01, ours, number, marked(7)), STOP);
        }
        for request in [FICLONE, FICLONERANGE, FIDEDUPERANGE].map(u64::from) {
            // musl extends the sign of the request.
            for request in [request, request | 0xffff_ffff_0000_0000] {
                let mut args = [3, request, 0, 0, 0, 0];
                assert_eq!(run(1, ours, ioctl, args), STOP);
                assert_eq!(run(1, ours_32, NUMBERS_32[3], args), STOP);
                args[5] = 1 << 32;
                assert_eq!(run(1, ours, ioctl, args), PASS);
            }
        }
        for number in &NUMBERS_32[..3] {
            assert_eq!(run(1, ours_32, *number, [0; 6]), STOP);
        }
    }

    #[test]
    fn stops_filters() {
        const FILTERS: [(usize, [u64; 6], bool); 8] = [
            (3, [22, 2, 0x1000, 0, 0, 0], true),
            (3, [22, 2, 0, 0, 0, 0], false),
            (3, [22, 1, 0, 0, 0, 0], false),
            (4, [1, 0, 0x1000, 0, 0, 0], true),
            (4, [1, 1, 0x1000, 0, 0, 0], true),
            (4, [1, 0, 0, 0, 0, 0], false),
            // EBUSY: SECCOMP_FILTER_FLAG_NEW_LISTENER.
            (4, [1, 8, 0x1000, 0, 0, 0], false),
            (4, [1, 0x28, 0x1000, 0, 0, 0], false),
        ];
        let [ours, ours_32] = ARCHITECTURES;
        let all = [(ours, &NUMBERS[..]), (ours_32, &NUMBERS_32[1..])];
        for ((arch, numbers), (which, args, is_possible)) in
            all.into_iter().flat_map(|one| FILTERS.map(|filter| (one, filter)))
        {
            assert_eq!(run(1, arch, numbers[which], args), STOP, "{args:?}");
            let call = StoppedCall::of(numbers[which].into(), arch == ours_32, args);
            assert_eq!(call, StoppedCall::Filter { is_possible }, "{args:?}");
        }
        for (arch, numbers) in all {
            // PR_SET_NAME, SECCOMP_GET_ACTION_AVAIL.
            assert_eq!(run(1, arch, numbers[3], [15, 0, 0, 0, 0, 0]), PASS);
            assert_eq!(run(1, arch, numbers[4], [2, 0, 0, 0, 0, 0]), PASS);
        }
    }

    #[test]
    fn passes_everything_else() {
        const READ: u32 = 0;
        let [copy, _, ioctl, ..] = NUMBERS;
        let [ours, ours_32] = ARCHITECTURES;
        for (arch, number) in
            [(ours, READ), (ours, ioctl), (ours_32, NUMBERS_32[3]), (ours_32, 3), (0x1234, copy)]
        {
            assert_eq!(run(1, arch, number, [0, 0x5401, 0, 0, 0, 0]), PASS, "{arch:x} {number}");
        }
    }
}
