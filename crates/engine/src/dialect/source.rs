//! The documents and the code that rules are from.

/// Where a rule is written. An index into texts: each rule that held its text would cost every
/// process a relocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Source {
    /// copy_file_range(2) of the proposal, v4 (2015-09-29), DESCRIPTION
    Proposal,
    /// copy_file_range(2) of the proposal, v4 (2015-09-29), ERRORS
    ProposalErrors,
    /// copy_file_range(2) of man-pages 4.15, ERRORS
    Page415,
    /// FreeBSD copy_file_range(2) of 2023-12-28, ERRORS
    PageFreebsd14,
    /// FreeBSD copy_file_range(2) of 2025, ERRORS
    PageFreebsd15,
    /// Linux 4.18 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)
    Linux418Entry,
    /// Linux 4.18 fs/read_write.c, rw_verify_area()
    Linux418Area,
    /// Linux 4.18 fs/read_write.c, vfs_copy_file_range()
    Linux418Copy,
    /// Linux 5.3 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)
    Linux53Entry,
    /// Linux 5.3 fs/read_write.c, vfs_copy_file_range()
    Linux53Copy,
    /// Linux 5.3 mm/filemap.c, generic_file_rw_checks()
    Linux53Modes,
    /// Linux 5.3 mm/filemap.c, generic_copy_file_checks()
    Linux53Checks,
    /// Linux 5.3 mm/filemap.c, generic_write_check_limits()
    Linux53Limits,
    /// Linux 5.3 fs/read_write.c, rw_verify_area()
    Linux53Area,
    /// Linux 6.12 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)
    Linux612Entry,
    /// Linux 6.12 fs/read_write.c, generic_file_rw_checks()
    Linux612Modes,
    /// Linux 6.12 fs/read_write.c, generic_copy_file_checks()
    Linux612Checks,
    /// Linux 6.12 fs/read_write.c, generic_write_check_limits()
    Linux612Limits,
    /// Linux 6.12 fs/read_write.c, rw_verify_area()
    Linux612Area,
    /// FreeBSD sys/kern/vfs_syscalls.c, sys_copy_file_range()
    FreebsdEntry,
    /// FreeBSD 14 sys/kern/vfs_syscalls.c, kern_copy_file_range()
    Freebsd14Copy,
    /// FreeBSD 15 sys/kern/vfs_syscalls.c, kern_copy_file_range()
    Freebsd15Copy,
    /// FreeBSD sys/kern/vfs_vnops.c, vn_copy_file_range()
    FreebsdVnode,
    /// glibc 2.27 io/copy_file_range-compat.c
    Glibc227,
    /// open(2), O_DIRECT
    Direct,
    /// memfd_create(2), File sealing
    Memfd,
    /// ioctl_ficlonerange(2), ioctl_fideduperange(2), ERRORS
    RangeIoctls,
    /// pread(2) and pwrite(2), of which this copy is made
    ReadAndWrite,
    /// this project: the page is silent, and the kernel that was merged refuses it
    Merged,
    /// this project: the page is silent, and Linux refuses it since 4.11
    Since411,
    /// this project: the page is silent, and Linux refuses it since 5.3
    Since53,
    /// this project: Linux, which carries the call out, refuses it
    Carrier,
    /// this project: the original crashes there
    Crash,
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
    "pread(2) and pwrite(2), of which this copy is made",
    "this project: the page is silent, and the kernel that was merged refuses it",
    "this project: the page is silent, and Linux refuses it since 4.11",
    "this project: the page is silent, and Linux refuses it since 5.3",
    "this project: Linux, which carries the call out, refuses it",
    "this project: the original crashes there",
];

impl Source {
    /// The document and its section, or the code and its function.
    #[must_use]
    pub fn text(self) -> &'static str {
        TEXTS.get(self as usize).copied().unwrap_or_default()
    }
}
