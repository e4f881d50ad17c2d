//! The table of profiles: one row for each.
//!
//! If the kernel lacks a system call or a filter hides it, the result does not depend on the
//! descriptors, and programs that test for the call get it too. If a filesystem returns the result,
//! the call needs files: such a fault has `path=*`, and a test without files gets the kernel's EBADF.
//! Each profile has a fault for reflinks too, because most programs try them first.

use super::{Citation, Profile};

/// Makes reflinks fail as on a filesystem without them.
const NO_REFLINK: &str = "error=EOPNOTSUPP:path=*:hook=ioctl";

const NO_REFLINK_SOURCE: Citation = Citation {
    says: "reflinks fail with EOPNOTSUPP on a filesystem that does not support them",
    at: "ioctl_ficlone(2), ERRORS, EOPNOTSUPP",
};

/// Makes the call fail as on a kernel or an emulator without it.
const NO_CALL: &str = "error=ENOSYS:hook=copy_file_range,syscall";

/// All profiles, in the order of the documentation.
pub(super) static TABLE: [Profile; 24] = [
    Profile {
        name: "linux-4.4",
        about: "Linux before 4.5: no copy_file_range (ENOSYS), and reflinks only on btrfs (ENOTTY)",
        settings: &[],
        faults: &[NO_CALL, "error=ENOTTY:path=*:hook=ioctl"],
        sources: &[
            Citation { says: "Linux has the call since 4.5", at: "copy_file_range(2), VERSIONS" },
            Citation {
                says: "before Linux 4.5 only btrfs had the ioctls",
                at: "ioctl_ficlone(2), VERSIONS",
            },
            Citation {
                says: "an ioctl that does not apply to the file fails with ENOTTY",
                at: "ioctl(2), ERRORS, ENOTTY",
            },
        ],
    },
    Profile {
        name: "wsl1",
        about: "WSL 1: copy_file_range fails with ENOSYS",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Citation {
                says: "an editor could not write its backup files on WSL 1: ENOSYS",
                at: "gphalkes/tilde#121",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "gvisor",
        about: "the sandbox gVisor: copy_file_range fails with ENOSYS, reflinks with EOPNOTSUPP",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Citation {
                says: "the table of system calls has ENOSYS for this one (August 2026)",
                at: "google/gvisor, pkg/sentry/syscalls/linux/linux64.go",
            },
            Citation {
                says: "reflinks fail with EOPNOTSUPP since April 2026, and failed with ENOTTY before",
                at: "google/gvisor#12862",
            },
        ],
    },
    Profile {
        name: "qemu-user",
        about: "an emulated processor (qemu-user before 6.0): copy_file_range fails with ENOSYS",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Citation {
                says: "the go command failed with ENOSYS under qemu-aarch64 of Debian 11",
                at: "golang/go#58592",
            },
            Citation {
                says: "the call was added in December 2020, for version 6.0",
                at: "QEMU commit 8494645797ac",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "seccomp-eperm",
        about: "a container with an old seccomp filter: copy_file_range fails with EPERM",
        settings: &[],
        faults: &["error=EPERM:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "Docker's filter allows the call since March 2016, and returns EPERM for calls that it does not list",
                at: "moby commit 96896f2d0bc1",
            },
            Citation {
                says: "rustc could not copy in a container: EPERM",
                at: "rust-lang/rust#51266",
            },
            Citation {
                says: "if a filter returns an errno, the system call is not executed",
                at: "seccomp(2), SECCOMP_RET_ERRNO",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "seccomp-enosys",
        about: "a container with a newer seccomp filter: copy_file_range fails with ENOSYS",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Citation {
                says: "runc's filters return ENOSYS for calls that are newer than their list",
                at: "opencontainers/runc#2750",
            },
            Citation {
                says: "Podman's filter returns ENOSYS for calls that it does not list, since May 2021",
                at: "containers/common commit 81cd342b5c3c",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "android",
        about: "an app on Android before 14: copy_file_range kills it with SIGSYS",
        settings: &[],
        faults: &["signal=SIGSYS:error=ENOSYS:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "toybox avoids the call: before the release of 2023 it raises SIGSYS",
                at: "landley/toybox#382",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "cross-before-5.3",
        about: "two filesystems on Linux 4.5 to 5.2: every copy fails with EXDEV",
        settings: &[("CFR_DIALECT", "linux-4.15")],
        faults: &[
            "error=EXDEV:path=*:hook=copy_file_range,syscall",
            "error=EXDEV:path=*:hook=ioctl",
        ],
        sources: &[
            Citation {
                says: "the files must be on one filesystem",
                at: "copy_file_range(2), ERRORS, EXDEV (before Linux 5.3)",
            },
            Citation {
                says: "the files of a reflink must be on one filesystem",
                at: "ioctl_ficlone(2), ERRORS, EXDEV",
            },
        ],
    },
    Profile {
        name: "cross-since-5.19",
        about: "two filesystems of different types on Linux 5.19 and later: every copy fails with EXDEV",
        settings: &[("CFR_DIALECT", "linux-5.19")],
        faults: &[
            "error=EXDEV:path=*:hook=copy_file_range,syscall",
            "error=EXDEV:path=*:hook=ioctl",
        ],
        sources: &[
            Citation {
                says: "the filesystems must be of one type, and it must support such copies",
                at: "copy_file_range(2), ERRORS, EXDEV (since Linux 5.19)",
            },
            Citation {
                says: "toybox could not copy from btrfs or ext4 to a tmpfs",
                at: "landley/toybox#382",
            },
            Citation {
                says: "the files of a reflink must be on one filesystem",
                at: "ioctl_ficlone(2), ERRORS, EXDEV",
            },
        ],
    },
    Profile {
        name: "nfs",
        about: "NFS 4.2 from a Linux server: a call copies at most 4 MiB",
        settings: &[],
        faults: &["short=4M:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "the server limits a copy to 4 MB and returns a short count",
                at: "Linux commit 8d915bbf3926 (deepin-community/kernel#948); fs/nfsd/vfs.c, nfsd_copy_file_range()",
            },
            Citation {
                says: "Java's transferFrom copied only 4194304 bytes of an archive on NFS",
                at: "pegasus-isi/pegasus#2254",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "rhel7-nfs",
        about: "NFS on RHEL 7 and CentOS 7: copy_file_range fails with EOPNOTSUPP",
        settings: &[],
        faults: &["error=EOPNOTSUPP:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation { says: "Rust's fs::copy failed", at: "rust-lang/rust#75387" },
            Citation { says: "Go's io.Copy failed", at: "golang/go#40731" },
            Citation { says: "Node.js's copyFile failed", at: "libuv/libuv#3069" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "cifs",
        about: "CIFS, if the source is read-only or belongs to another user: copy_file_range fails with EPERM",
        settings: &[],
        faults: &["error=EPERM:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "Node.js could not copy a read-only file to CIFS",
                at: "libuv/libuv#3322",
            },
            Citation {
                says: "the workaround asks statfs(2) for CIFS, so it has no effect under this profile",
                at: "libuv/libuv#3354",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "rhel7-cifs",
        about: "CIFS on RHEL 7 and CentOS 7: copy_file_range fails with EIO",
        settings: &[],
        faults: &["error=EIO:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation { says: "Go's io.Copy failed", at: "golang/go#42334" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "virtiofs",
        about: "a virtual machine's directory on virtiofs: copy_file_range fails with EPERM",
        settings: &[],
        faults: &["error=EPERM:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "a shim for builds on virtiofs replaces EPERM by ENOSYS, for Rust's fs::copy",
                at: "ohos-meta-shim.c, in public ports of developers' tools to OpenHarmony",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "zfs-eagain",
        about: "OpenZFS of August 2023, data not yet on disk: the first three calls on a target fail with EAGAIN",
        settings: &[],
        faults: &[
            "error=EAGAIN:path=*:per=path:when=1..3:hook=copy_file_range,syscall",
            "error=EAGAIN:path=*:per=path:when=1..3:hook=ioctl",
        ],
        sources: &[
            Citation {
                says: "cp and makepkg failed: a file that was just written could not be copied",
                at: "openzfs/zfs#15170",
            },
            Citation {
                says: "the fallback to a plain copy was missing for EAGAIN",
                at: "openzfs/zfs#15172",
            },
            Citation { says: "FICLONE still fails with EAGAIN", at: "openzfs/zfs#15994" },
            Citation { says: "the number of calls that fail is chosen", at: "this project" },
        ],
    },
    Profile {
        name: "zfs-einval",
        about: "OpenZFS 2.0 with Linux 5.10: copy_file_range fails with EINVAL",
        settings: &[],
        faults: &["error=EINVAL:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "a file test failed with EINVAL on Linux 5.10, and passed on 5.9",
                at: "openzfs/zfs#11150",
            },
            Citation { says: "container builds failed", at: "moby/moby#41866" },
            Citation { says: "Gentoo's emerge failed", at: "gentoo/portage#647" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "ecryptfs",
        about: "an encrypted home directory (eCryptfs): copy_file_range and sendfile fail with EINVAL",
        settings: &[],
        faults: &[
            "error=EINVAL:path=*:hook=copy_file_range,syscall,sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Citation {
                says: "Boost's copy_file left an empty file",
                at: "boostorg/filesystem#184",
            },
            Citation { says: "Bun could not write", at: "oven-sh/bun#13968" },
            Citation { says: "sendfile(2) fails with EINVAL too", at: "microsoft/vcpkg#24794" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "cephfs",
        about: "CephFS before Linux 4.20: copy_file_range fails with EACCES",
        settings: &[],
        faults: &["error=EACCES:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "Node.js could not copy a read-only file to CephFS",
                at: "libuv/libuv#3117",
            },
            Citation {
                says: "the workaround asks statfs(2) and uname(2), so it has no effect under this profile",
                at: "libuv/src/unix/fs.c, uv__is_buggy_cephfs()",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "fuse",
        about: "a FUSE server that copies in pieces: a call copies at most 128 KiB",
        settings: &[],
        faults: &["short=128K:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Citation {
                says: "a call that copies fewer bytes than requested is not an error",
                at: "copy_file_range(2), RETURN VALUE",
            },
            Citation {
                says: "the server's reply has 32 bits, so the longest copies are short",
                at: "libfuse/libfuse#1331; Linux commit 1e08938c3694",
            },
            Citation { says: "the size of a piece is chosen", at: "this project" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "procfs",
        about: "a source as in /proc on Linux 5.3 to 5.18: copies return 0, although there is data to read",
        settings: &[("CFR_DIALECT", "linux-5.3")],
        faults: &["zero:path=*:hook=copy_file_range,syscall", "error=EXDEV:path=*:hook=ioctl"],
        sources: &[
            Citation {
                says: "on some virtual filesystems the call copied nothing and reported success",
                at: "copy_file_range(2), BUGS",
            },
            Citation { says: "a copy of /proc/self/cmdline was empty", at: "golang/go#44272" },
            Citation { says: "Gentoo's emerge looped without end", at: "gentoo/portage#778" },
            Citation {
                says: "the files of a reflink must be on one filesystem",
                at: "ioctl_ficlone(2), ERRORS, EXDEV",
            },
        ],
    },
    Profile {
        name: "append",
        about: "targets as if open with O_APPEND: copies fail with EBADF, and sendfile with EINVAL",
        settings: &[],
        faults: &[
            "error=EBADF:path=*:hook=copy_file_range,syscall,ioctl",
            "error=EINVAL:path=*:hook=sendfile,sendfile64",
        ],
        sources: &[
            Citation {
                says: "copy_file_range fails with EBADF",
                at: "copy_file_range(2), ERRORS, EBADF",
            },
            Citation { says: "reflinks fail with EBADF", at: "ioctl_ficlone(2), ERRORS, EBADF" },
            Citation { says: "sendfile(2) fails with EINVAL", at: "sendfile(2), ERRORS, EINVAL" },
            Citation { says: "Rust's io::copy failed", at: "rust-lang/rust#82410" },
            Citation { says: "Go's io.Copy failed", at: "golang/go#60181" },
            Citation { says: "PHP's stream_copy_to_stream failed", at: "php/php-src#9779" },
        ],
    },
    Profile {
        name: "full-disk",
        about: "a disk that becomes full: the first call on a target copies half, later calls fail with ENOSPC",
        settings: &[],
        faults: &[
            "short=50%:path=*:per=path:when=1:hook=copy_file_range,syscall,sendfile,sendfile64",
            "error=ENOSPC:path=*:per=path:when=2+:hook=copy_file_range,syscall,sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Citation {
                says: "there is not enough space to complete the copy",
                at: "copy_file_range(2), ERRORS, ENOSPC",
            },
            Citation {
                says: "the bytes that were copied before are returned as a short count",
                at: "copy_file_range(2), RETURN VALUE",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "signal-storm",
        about: "SIGURG at each call: calls copy at most 64 KiB, and every second one fails with EINTR",
        settings: &[],
        faults: &[
            "signal=SIGURG:short=64K:path=*:when=1+2:hook=copy_file_range,syscall",
            "signal=SIGURG:error=EINTR:path=*:when=2+2:hook=copy_file_range,syscall",
            "signal=SIGURG:short=64K:path=*:hook=sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Citation {
                says: "a call that is interrupted by a signal handler may fail with EINTR",
                at: "signal(7), Interruption of system calls and library functions by signal handlers",
            },
            Citation { says: "SIGURG is ignored by default", at: "signal(7), Standard signals" },
            Citation {
                says: "Bun's asynchronous copy retries after EINTR, its synchronous copy does not",
                at: "oven-sh/bun#43398",
            },
            Citation {
                says: "the frequency and the size of a piece are chosen",
                at: "this project",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "slow-disk",
        about: "a slow disk: a call copies at most 1 MiB and takes at least 20 ms",
        settings: &[],
        faults: &[
            "short=1M:delay_exit=20ms:path=*:hook=copy_file_range,syscall,sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Citation {
                says: "the speed and the size of a piece are chosen; read and write are not delayed",
                at: "this project",
            },
            NO_REFLINK_SOURCE,
        ],
    },
];
