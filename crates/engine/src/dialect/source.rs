//! The documents and the code that state the rules.

/// Where a rule is stated; the variants are in the order of [`TEXTS`]. It is an index: with a text
/// in each rule, every process would have one relocation a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Source {
    Proposal,
    ProposalErrors,
    Page415,
    PageFreebsd14,
    PageFreebsd15,
    Linux418Entry,
    Linux418Area,
    Linux418Copy,
    Linux53Entry,
    Linux53Copy,
    Linux53Modes,
    Linux53Checks,
    Linux53Limits,
    Linux53Area,
    Linux612Entry,
    Linux612Modes,
    Linux612Checks,
    Linux612Limits,
    Linux612Area,
    FreebsdEntry,
    Freebsd14Copy,
    Freebsd15Copy,
    FreebsdVnode,
    Glibc227,
    OpenDirect,
    MemfdSealing,
    RangeIoctls,
    ReadAndWrite,
    Linux45,
    Linux411,
    Linux53,
    LinuxCopies,
    OriginalCrashes,
}

static TEXTS: [&str; 33] = [
    "copy_file_range(2) of the proposal, v4 (2015-09-29), DESCRIPTION",
    "copy_file_range(2) of the proposal, v4 (2015-09-29), ERRORS",
    "copy_file_range(2) of man-pages 4.15, ERRORS",
    "FreeBSD copy_file_range(2) of 2023-12-28, ERRORS",
    "FreeBSD copy_file_range(2) of 2025, ERRORS",
    "Linux 4.18 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)",
    "Linux 4.18 fs/read_write.c, rw_verify_area()",
    "Linux 4.18 fs/read_write.c, vfs_copy_file_range()",
    "Linux 5.3 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)",
    "Linux 5.3 fs/read_write.c, vfs_copy_file_range()",
    "Linux 5.3 mm/filemap.c, generic_file_rw_checks()",
    "Linux 5.3 mm/filemap.c, generic_copy_file_checks()",
    "Linux 5.3 mm/filemap.c, generic_write_check_limits()",
    "Linux 5.3 fs/read_write.c, rw_verify_area()",
    "Linux 6.12 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)",
    "Linux 6.12 fs/read_write.c, generic_file_rw_checks()",
    "Linux 6.12 fs/read_write.c, generic_copy_file_checks()",
    "Linux 6.12 fs/read_write.c, generic_write_check_limits()",
    "Linux 6.12 fs/read_write.c, rw_verify_area()",
    "FreeBSD sys/kern/vfs_syscalls.c, sys_copy_file_range()",
    "FreeBSD 14 sys/kern/vfs_syscalls.c, kern_copy_file_range()",
    "FreeBSD 15 sys/kern/vfs_syscalls.c, kern_copy_file_range()",
    "FreeBSD sys/kern/vfs_vnops.c, vn_copy_file_range()",
    "glibc 2.27 io/copy_file_range-compat.c",
    "open(2), O_DIRECT",
    "memfd_create(2), File sealing",
    "ioctl_ficlonerange(2), ioctl_fideduperange(2), ERRORS",
    "pread(2) and pwrite(2), which this copy uses",
    "this project: the page does not say; Linux 4.5, which merged the call, refuses it",
    "this project: the page does not say; Linux 4.11 and later refuse it",
    "this project: the page does not say; Linux 5.3 and later refuse it",
    "this project: Linux, which makes the copy, refuses it",
    "this project: the original crashes",
];

impl Source {
    /// Returns the document and its section, or the code and its function.
    #[must_use]
    pub fn text(self) -> &'static str {
        TEXTS.get(self as usize).copied().unwrap_or_default()
    }
}
