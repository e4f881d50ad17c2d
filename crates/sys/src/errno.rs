//! Errors of system calls as values: number, name and message.
//!
//! `Errno` is not an enum: a kernel may return a number that this table does not have, and the host
//! must get that number unchanged.

use core::fmt;
use core::str;

/// An error number as the kernel returns it, 1 to 4095 (errno(3)).
///
/// ```
/// use cfr_sys::errno::Errno;
///
/// assert_eq!(Errno::by_name(b"EXDEV"), Some(Errno::EXDEV));
/// assert_eq!(Errno::EXDEV.name(), Some("EXDEV"));
/// assert_eq!(Errno::EXDEV.message(), "Invalid cross-device link");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// Exec format error: the file is neither a program nor a script with an interpreter.
    pub const ENOEXEC: Errno = Errno(libc::ENOEXEC);
    /// Bad file descriptor.
    pub const EBADF: Errno = Errno(libc::EBADF);
    /// Resource temporarily unavailable, e.g. a full pipe.
    pub const EAGAIN: Errno = Errno(libc::EAGAIN);
    /// No such process or thread: it has ended.
    pub const ESRCH: Errno = Errno(libc::ESRCH);
    /// Device or resource busy.
    pub const EBUSY: Errno = Errno(libc::EBUSY);
    /// Interrupted by a signal before anything was transferred.
    pub const EINTR: Errno = Errno(libc::EINTR);
    /// Bad address: the process may not read or write memory at a pointer.
    pub const EFAULT: Errno = Errno(libc::EFAULT);
    /// Invalid cross-device link: the files are on different filesystems.
    pub const EXDEV: Errno = Errno(libc::EXDEV);
    pub const EISDIR: Errno = Errno(libc::EISDIR);
    pub const EINVAL: Errno = Errno(libc::EINVAL);
    /// No such file, or no such name.
    pub const ENOENT: Errno = Errno(libc::ENOENT);
    /// Argument list too long, or a struct is larger than is known.
    pub const E2BIG: Errno = Errno(libc::E2BIG);
    /// Permission denied; a filter may return it too.
    pub const EACCES: Errno = Errno(libc::EACCES);
    /// There are no data of this kind.
    pub const ENODATA: Errno = Errno(libc::ENODATA);
    /// Inappropriate ioctl for the file; kernels before 4.5 return it for FICLONERANGE.
    pub const ENOTTY: Errno = Errno(libc::ENOTTY);
    /// Text file busy: the file is a running program or active swap space.
    pub const ETXTBSY: Errno = Errno(libc::ETXTBSY);
    /// File too large: an offset is beyond RLIMIT_FSIZE or the filesystem's largest file.
    pub const EFBIG: Errno = Errno(libc::EFBIG);
    /// Cannot allocate memory, or an argument that needs too much of it.
    pub const ENOMEM: Errno = Errno(libc::ENOMEM);
    /// Illegal seek: a pipe or a socket has no positions.
    pub const ESPIPE: Errno = Errno(libc::ESPIPE);
    /// Read-only filesystem.
    pub const EROFS: Errno = Errno(libc::EROFS);
    /// No space left on the filesystem.
    pub const ENOSPC: Errno = Errno(libc::ENOSPC);
    pub const EDQUOT: Errno = Errno(libc::EDQUOT);
    pub const EIO: Errno = Errno(libc::EIO);
    /// Broken pipe: a pipe or a socket has no reader.
    pub const EPIPE: Errno = Errno(libc::EPIPE);
    /// Operation not permitted; seccomp filters often return it too.
    pub const EPERM: Errno = Errno(libc::EPERM);
    /// Too many open descriptors in the process.
    pub const EMFILE: Errno = Errno(libc::EMFILE);
    /// File name too long: a path is longer than PATH_MAX.
    pub const ENAMETOOLONG: Errno = Errno(libc::ENAMETOOLONG);
    /// Operation not supported, e.g. `RWF_NOWAIT` on a terminal.
    pub const EOPNOTSUPP: Errno = Errno(libc::EOPNOTSUPP);
    /// No locks available, or a lock is in the way.
    pub const ENOLCK: Errno = Errno(libc::ENOLCK);
    /// Value too large for its type.
    pub const EOVERFLOW: Errno = Errno(libc::EOVERFLOW);
    /// Invalid byte sequence; the dialects return it if two ranges differ.
    pub const EILSEQ: Errno = Errno(libc::EILSEQ);
    /// Bad message: data or metadata are damaged, e.g. a checksum does not match.
    pub const EBADMSG: Errno = Errno(libc::EBADMSG);
    /// Structure needs cleaning: the filesystem must be repaired.
    pub const EUCLEAN: Errno = Errno(libc::EUCLEAN);
    /// Function not implemented: the kernel does not have this system call.
    pub const ENOSYS: Errno = Errno(libc::ENOSYS);

    /// Returns the number of a name as errno(3) spells it, including the aliases ENOTSUP and
    /// EWOULDBLOCK.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Errno> {
        let name: &[u8] = match name {
            b"ENOTSUP" => b"EOPNOTSUPP",
            b"EWOULDBLOCK" => b"EAGAIN",
            name => name,
        };
        let row = ROWS.iter().find(|row| row.name().as_bytes() == name)?;
        Some(Errno(i32::from(row.number)))
    }

    fn row(self) -> Option<&'static Row> {
        let number = u8::try_from(self.0).ok()?;
        let at = ROWS.binary_search_by_key(&number, |row| row.number).ok()?;
        ROWS.get(at)
    }

    /// Returns the name, e.g. `"EXDEV"`; `None` if the C library has no name for this number.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.row().map(Row::name)
    }

    /// Returns the message of strerror(3) in the C locale.
    #[must_use]
    pub fn message(self) -> &'static str {
        self.row().map_or("Unknown error", Row::message)
    }
}

/// A set of the error numbers below 192.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrnoSet([u64; 3]);

impl ErrnoSet {
    /// The empty set.
    pub const NONE: ErrnoSet = ErrnoSet([0; 3]);

    /// Returns this set with `errno` added.
    #[must_use]
    pub const fn with(self, errno: Errno) -> ErrnoSet {
        let ErrnoSet([low, middle, high]) = self;
        let bit = 1u64 << (errno.0 & 63);
        match errno.0 >> 6 {
            0 => ErrnoSet([low | bit, middle, high]),
            1 => ErrnoSet([low, middle | bit, high]),
            2 => ErrnoSet([low, middle, high | bit]),
            _ => self,
        }
    }

    /// Returns the errors that are in this set or in `other`.
    #[must_use]
    pub const fn or(self, other: ErrnoSet) -> ErrnoSet {
        let (ErrnoSet([low, middle, high]), ErrnoSet([l, m, h])) = (self, other);
        ErrnoSet([low | l, middle | m, high | h])
    }

    /// Returns a bit for each errno from 0 to 191, beginning with the lowest.
    #[must_use]
    pub const fn bits(self) -> [u64; 3] {
        self.0
    }

    /// Reports whether `errno` is in this set.
    #[must_use]
    pub fn contains(self, errno: Errno) -> bool {
        self.with(errno) == self && (0..192).contains(&errno.0)
    }
}

/// Prints the message, then the name or the number in parentheses.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.message()),
            None => write!(f, "{} ({})", self.message(), self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A row of [`TABLE`], with its texts as places in [`TEXTS`]: a `&str` in a table would be a relocation
/// in every process that loads the library.
struct Row {
    number: u8,
    name_start: u16,
    message_start: u16,
    end: u16,
}

impl Row {
    fn name(&self) -> &'static str {
        TEXTS.get(self.name_start.into()..self.message_start.into()).unwrap_or_default()
    }

    fn message(&self) -> &'static str {
        TEXTS.get(self.message_start.into()..self.end.into()).unwrap_or_default()
    }
}

#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler, and asserted"
)]
static ROWS: [Row; TABLE.len()] = {
    let mut rows =
        [const { Row { number: 0, name_start: 0, message_start: 0, end: 0 } }; TABLE.len()];
    let (mut at, mut end) = (0, 0);
    while at < TABLE.len() {
        let (number, name, message) = TABLE[at];
        let name_start = end;
        let message_start = name_start + name.len();
        end = message_start + message.len();
        rows[at] = Row {
            number,
            name_start: name_start as u16,
            message_start: message_start as u16,
            end: end as u16,
        };
        at += 1;
    }
    assert!(end == TEXTS_LEN && end <= u16::MAX as usize);
    rows
};

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const TEXTS_LEN: usize = {
    let (mut at, mut len) = (0, 0);
    while at < TABLE.len() {
        len += TABLE[at].1.len() + TABLE[at].2.len();
        at += 1;
    }
    len
};

/// All names and messages.
static TEXTS: &str = {
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    const BYTES: [u8; TEXTS_LEN] = {
        let mut bytes = [0; TEXTS_LEN];
        let (mut at, mut end) = (0, 0);
        while at < TABLE.len() * 2 {
            let (_, name, message) = TABLE[at / 2];
            let text = if at % 2 == 0 { name } else { message }.as_bytes();
            let mut from = 0;
            while from < text.len() {
                bytes[end] = text[from];
                (from, end) = (from + 1, end + 1);
            }
            at += 1;
        }
        bytes
    };
    match str::from_utf8(&BYTES) {
        Ok(texts) => texts,
        Err(_) => "",
    }
};

/// Numbers, names and messages, sorted by number. Numbers and names: asm-generic/errno-base.h and
/// asm-generic/errno.h, which x86-64 and aarch64 share. Messages: strerror(3).
const TABLE: &[(u8, &str, &str)] = &[
    (1, "EPERM", "Operation not permitted"),
    (2, "ENOENT", "No such file or directory"),
    (3, "ESRCH", "No such process"),
    (4, "EINTR", "Interrupted system call"),
    (5, "EIO", "Input/output error"),
    (6, "ENXIO", "No such device or address"),
    (7, "E2BIG", "Argument list too long"),
    (8, "ENOEXEC", "Exec format error"),
    (9, "EBADF", "Bad file descriptor"),
    (10, "ECHILD", "No child processes"),
    (11, "EAGAIN", "Resource temporarily unavailable"),
    (12, "ENOMEM", "Cannot allocate memory"),
    (13, "EACCES", "Permission denied"),
    (14, "EFAULT", "Bad address"),
    (15, "ENOTBLK", "Block device required"),
    (16, "EBUSY", "Device or resource busy"),
    (17, "EEXIST", "File exists"),
    (18, "EXDEV", "Invalid cross-device link"),
    (19, "ENODEV", "No such device"),
    (20, "ENOTDIR", "Not a directory"),
    (21, "EISDIR", "Is a directory"),
    (22, "EINVAL", "Invalid argument"),
    (23, "ENFILE", "Too many open files in system"),
    (24, "EMFILE", "Too many open files"),
    (25, "ENOTTY", "Inappropriate ioctl for device"),
    (26, "ETXTBSY", "Text file busy"),
    (27, "EFBIG", "File too large"),
    (28, "ENOSPC", "No space left on device"),
    (29, "ESPIPE", "Illegal seek"),
    (30, "EROFS", "Read-only file system"),
    (31, "EMLINK", "Too many links"),
    (32, "EPIPE", "Broken pipe"),
    (33, "EDOM", "Numerical argument out of domain"),
    (34, "ERANGE", "Numerical result out of range"),
    (35, "EDEADLK", "Resource deadlock avoided"),
    (36, "ENAMETOOLONG", "File name too long"),
    (37, "ENOLCK", "No locks available"),
    (38, "ENOSYS", "Function not implemented"),
    (39, "ENOTEMPTY", "Directory not empty"),
    (40, "ELOOP", "Too many levels of symbolic links"),
    (42, "ENOMSG", "No message of desired type"),
    (43, "EIDRM", "Identifier removed"),
    (44, "ECHRNG", "Channel number out of range"),
    (45, "EL2NSYNC", "Level 2 not synchronized"),
    (46, "EL3HLT", "Level 3 halted"),
    (47, "EL3RST", "Level 3 reset"),
    (48, "ELNRNG", "Link number out of range"),
    (49, "EUNATCH", "Protocol driver not attached"),
    (50, "ENOCSI", "No CSI structure available"),
    (51, "EL2HLT", "Level 2 halted"),
    (52, "EBADE", "Invalid exchange"),
    (53, "EBADR", "Invalid request descriptor"),
    (54, "EXFULL", "Exchange full"),
    (55, "ENOANO", "No anode"),
    (56, "EBADRQC", "Invalid request code"),
    (57, "EBADSLT", "Invalid slot"),
    (59, "EBFONT", "Bad font file format"),
    (60, "ENOSTR", "Device not a stream"),
    (61, "ENODATA", "No data available"),
    (62, "ETIME", "Timer expired"),
    (63, "ENOSR", "Out of streams resources"),
    (64, "ENONET", "Machine is not on the network"),
    (65, "ENOPKG", "Package not installed"),
    (66, "EREMOTE", "Object is remote"),
    (67, "ENOLINK", "Link has been severed"),
    (68, "EADV", "Advertise error"),
    (69, "ESRMNT", "Srmount error"),
    (70, "ECOMM", "Communication error on send"),
    (71, "EPROTO", "Protocol error"),
    (72, "EMULTIHOP", "Multihop attempted"),
    (73, "EDOTDOT", "RFS specific error"),
    (74, "EBADMSG", "Bad message"),
    (75, "EOVERFLOW", "Value too large for defined data type"),
    (76, "ENOTUNIQ", "Name not unique on network"),
    (77, "EBADFD", "File descriptor in bad state"),
    (78, "EREMCHG", "Remote address changed"),
    (79, "ELIBACC", "Can not access a needed shared library"),
    (80, "ELIBBAD", "Accessing a corrupted shared library"),
    (81, "ELIBSCN", ".lib section in a.out corrupted"),
    (82, "ELIBMAX", "Attempting to link in too many shared libraries"),
    (83, "ELIBEXEC", "Cannot exec a shared library directly"),
    (84, "EILSEQ", "Invalid or incomplete multibyte or wide character"),
    (85, "ERESTART", "Interrupted system call should be restarted"),
    (86, "ESTRPIPE", "Streams pipe error"),
    (87, "EUSERS", "Too many users"),
    (88, "ENOTSOCK", "Socket operation on non-socket"),
    (89, "EDESTADDRREQ", "Destination address required"),
    (90, "EMSGSIZE", "Message too long"),
    (91, "EPROTOTYPE", "Protocol wrong type for socket"),
    (92, "ENOPROTOOPT", "Protocol not available"),
    (93, "EPROTONOSUPPORT", "Protocol not supported"),
    (94, "ESOCKTNOSUPPORT", "Socket type not supported"),
    (95, "EOPNOTSUPP", "Operation not supported"),
    (96, "EPFNOSUPPORT", "Protocol family not supported"),
    (97, "EAFNOSUPPORT", "Address family not supported by protocol"),
    (98, "EADDRINUSE", "Address already in use"),
    (99, "EADDRNOTAVAIL", "Cannot assign requested address"),
    (100, "ENETDOWN", "Network is down"),
    (101, "ENETUNREACH", "Network is unreachable"),
    (102, "ENETRESET", "Network dropped connection on reset"),
    (103, "ECONNABORTED", "Software caused connection abort"),
    (104, "ECONNRESET", "Connection reset by peer"),
    (105, "ENOBUFS", "No buffer space available"),
    (106, "EISCONN", "Transport endpoint is already connected"),
    (107, "ENOTCONN", "Transport endpoint is not connected"),
    (108, "ESHUTDOWN", "Cannot send after transport endpoint shutdown"),
    (109, "ETOOMANYREFS", "Too many references: cannot splice"),
    (110, "ETIMEDOUT", "Connection timed out"),
    (111, "ECONNREFUSED", "Connection refused"),
    (112, "EHOSTDOWN", "Host is down"),
    (113, "EHOSTUNREACH", "No route to host"),
    (114, "EALREADY", "Operation already in progress"),
    (115, "EINPROGRESS", "Operation now in progress"),
    (116, "ESTALE", "Stale file handle"),
    (117, "EUCLEAN", "Structure needs cleaning"),
    (118, "ENOTNAM", "Not a XENIX named type file"),
    (119, "ENAVAIL", "No XENIX semaphores available"),
    (120, "EISNAM", "Is a named type file"),
    (121, "EREMOTEIO", "Remote I/O error"),
    (122, "EDQUOT", "Disk quota exceeded"),
    (123, "ENOMEDIUM", "No medium found"),
    (124, "EMEDIUMTYPE", "Wrong medium type"),
    (125, "ECANCELED", "Operation canceled"),
    (126, "ENOKEY", "Required key not available"),
    (127, "EKEYEXPIRED", "Key has expired"),
    (128, "EKEYREVOKED", "Key has been revoked"),
    (129, "EKEYREJECTED", "Key was rejected by service"),
    (130, "EOWNERDEAD", "Owner died"),
    (131, "ENOTRECOVERABLE", "State not recoverable"),
    (132, "ERFKILL", "Operation not possible due to RF-kill"),
    (133, "EHWPOISON", "Memory page has hardware error"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;
    use std::string::String;

    #[test]
    fn every_message_is_that_of_strerror() {
        let mut named = 0;
        for number in 1..=133 {
            let errno = Errno(number);
            if errno.name().is_none() {
                continue;
            }
            named += 1;
            // SAFETY: strerror takes any number.
            #[expect(unsafe_code, reason = "the C library is the oracle of this table")]
            let message = unsafe { libc::strerror(number) };
            // SAFETY: strerror returns a string that is valid until its next call.
            #[expect(unsafe_code, reason = "the C library is the oracle of this table")]
            let message = unsafe { CStr::from_ptr(message) };
            assert_eq!(String::from_utf8_lossy(message.to_bytes()), errno.message());
        }
        assert_eq!(named, TABLE.len(), "a number stands twice or out of order");
    }

    #[test]
    fn every_name_finds_its_number() {
        for &(number, name, _) in TABLE {
            assert_eq!(Errno::by_name(name.as_bytes()), Some(Errno(i32::from(number))));
        }
        assert_eq!(Errno::by_name(b"ENOTSUP"), Some(Errno::EOPNOTSUPP));
        assert_eq!(Errno::by_name(b"EWOULDBLOCK"), Some(Errno::EAGAIN));
        assert_eq!(Errno::by_name(b"enosys"), None);
        assert_eq!(Errno::by_name(b""), None);
    }

    #[test]
    fn a_set_contains_what_was_added() {
        let set = ErrnoSet::NONE.with(Errno::EXDEV).with(Errno(64)).with(Errno(133));
        for number in [-1, 0, 1, 17, 18, 19, 63, 64, 65, 132, 133, 134, 191, 192, 210, i32::MAX] {
            assert_eq!(set.contains(Errno(number)), [18, 64, 133].contains(&number), "{number}");
        }
        assert_eq!(ErrnoSet::NONE.with(Errno(300)), ErrnoSet::NONE);
    }

    #[test]
    fn unknown_numbers_have_no_name() {
        for number in [0, -1, 41, 134, 524, 4095, i32::MIN, i32::MAX] {
            assert_eq!(Errno(number).name(), None);
        }
    }
}
