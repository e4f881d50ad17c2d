//! The documents and the code that state the rules.

/// Where a rule is stated; the variants are in the order of [`TEXTS`].
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
    Linux612CloneIoctl,
    Linux612DedupeIoctl,
    Linux612Clone,
    Linux612Dedupe,
    Linux612DedupeOne,
    Linux612RemapArea,
    Linux612RemapPrep,
    Linux612RemapChecks,
    Linux612BtrfsRemap,
    Linux612SendEntry,
    Linux612Send,
    Linux612Splice,
    Linux612WriteChecks,
    SplicesByWriting,
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

/// One text a line: with a reference to each, every process would have one relocation a text.
const TEXTS: &str = "\
copy_file_range(2) of the proposal, v4 (2015-09-29), DESCRIPTION
copy_file_range(2) of the proposal, v4 (2015-09-29), ERRORS
copy_file_range(2) of man-pages 4.15, ERRORS
FreeBSD copy_file_range(2) of 2023-12-28, ERRORS
FreeBSD copy_file_range(2) of 2025, ERRORS
Linux 4.18 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)
Linux 4.18 fs/read_write.c, rw_verify_area()
Linux 4.18 fs/read_write.c, vfs_copy_file_range()
Linux 5.3 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)
Linux 5.3 fs/read_write.c, vfs_copy_file_range()
Linux 5.3 mm/filemap.c, generic_file_rw_checks()
Linux 5.3 mm/filemap.c, generic_copy_file_checks()
Linux 5.3 mm/filemap.c, generic_write_check_limits()
Linux 5.3 fs/read_write.c, rw_verify_area()
Linux 6.12 fs/read_write.c, SYSCALL_DEFINE6(copy_file_range)
Linux 6.12 fs/read_write.c, generic_file_rw_checks()
Linux 6.12 fs/read_write.c, generic_copy_file_checks()
Linux 6.12 fs/read_write.c, generic_write_check_limits()
Linux 6.12 fs/read_write.c, rw_verify_area()
Linux 6.12 fs/ioctl.c, ioctl_file_clone()
Linux 6.12 fs/ioctl.c, ioctl_file_dedupe_range()
Linux 6.12 fs/remap_range.c, vfs_clone_file_range()
Linux 6.12 fs/remap_range.c, vfs_dedupe_file_range()
Linux 6.12 fs/remap_range.c, vfs_dedupe_file_range_one()
Linux 6.12 fs/remap_range.c, remap_verify_area()
Linux 6.12 fs/remap_range.c, __generic_remap_file_range_prep()
Linux 6.12 fs/remap_range.c, generic_remap_checks()
Linux 6.12 fs/btrfs/reflink.c, btrfs_remap_file_range_prep()
Linux 6.12 fs/read_write.c, SYSCALL_DEFINE4(sendfile64)
Linux 6.12 fs/read_write.c, do_sendfile()
Linux 6.12 fs/splice.c, splice_direct_to_actor()
Linux 6.12 fs/read_write.c, generic_write_checks()
write(2), which sendfile(2) makes in the kernel
FreeBSD sys/kern/vfs_syscalls.c, sys_copy_file_range()
FreeBSD 14 sys/kern/vfs_syscalls.c, kern_copy_file_range()
FreeBSD 15 sys/kern/vfs_syscalls.c, kern_copy_file_range()
FreeBSD sys/kern/vfs_vnops.c, vn_copy_file_range()
glibc 2.27 io/copy_file_range-compat.c
open(2), O_DIRECT
memfd_create(2), File sealing
ioctl_ficlonerange(2), ioctl_fideduperange(2), ERRORS
pread(2) and pwrite(2), which this copy uses
this project: the page does not say; Linux 4.5, which merged the call, refuses it
this project: the page does not say; Linux 4.11 and later refuse it
this project: the page does not say; Linux 5.3 and later refuse it
this project: Linux, which makes the copy, refuses it
this project: the original crashes";

impl Source {
    /// Returns the document and its section, or the code and its function.
    #[must_use]
    pub fn text(self) -> &'static str {
        let mut rest = TEXTS;
        for _ in 0..self as usize {
            rest = rest.split_once('\n').unwrap_or_default().1;
        }
        rest.split_once('\n').map_or(rest, |(text, _)| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_has_a_text() {
        assert_eq!(TEXTS.split('\n').count(), Source::OriginalCrashes as usize + 1);
        assert_eq!(Source::OriginalCrashes.text(), "this project: the original crashes");
    }
}
