//! The profiles: what programs met elsewhere, told as settings. One row a profile.
//!
//! What a system call is answered that a kernel has not or that a filter hides, it is answered whatever
//! its descriptors are, and so are the probes by which programs look for it. What a filesystem answers
//! needs files: `path=*`, and a probe without them gets the kernel's EBADF. Each profile says what reflinks
//! are answered too, for most programs try them first.

use super::{Profile, Source};

/// A filesystem without reflinks.
const NO_REFLINK: &str = "error=EOPNOTSUPP:path=*:hook=ioctl";

const NO_REFLINK_SOURCE: Source = Source {
    says: "reflinks are EOPNOTSUPP on a filesystem that has none",
    at: "ioctl_ficlone(2), ERRORS, EOPNOTSUPP",
};

/// A kernel or an emulator without the call.
const NO_CALL: &str = "error=ENOSYS:hook=copy_file_range,syscall";

/// Every profile, in the order of the documentation.
pub(super) static TABLE: [Profile; 24] = [
    Profile {
        name: "linux-4.4",
        about: "Linux before 4.5: there is no copy_file_range, and reflinks are btrfs's own",
        settings: &[],
        faults: &[NO_CALL, "error=ENOTTY:path=*:hook=ioctl"],
        sources: &[
            Source {
                says: "the call is there since Linux 4.5",
                at: "copy_file_range(2), VERSIONS",
            },
            Source {
                says: "before Linux 4.5 only btrfs knew the requests for reflinks",
                at: "ioctl_ficlone(2), VERSIONS",
            },
            Source {
                says: "a request that a file does not know is ENOTTY",
                at: "ioctl(2), ERRORS, ENOTTY",
            },
        ],
    },
    Profile {
        name: "wsl1",
        about: "WSL 1: copy_file_range is ENOSYS",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Source {
                says: "an editor could not make its backups on WSL 1, where the call is ENOSYS",
                at: "gphalkes/tilde#121",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "gvisor",
        about: "gVisor: copy_file_range is ENOSYS, reflinks are EOPNOTSUPP",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Source {
                says: "the table of system calls answers this one ENOSYS (August 2026)",
                at: "google/gvisor, pkg/sentry/syscalls/linux/linux64.go",
            },
            Source {
                says: "reflinks are EOPNOTSUPP since April 2026, and were ENOTTY before",
                at: "google/gvisor#12862",
            },
        ],
    },
    Profile {
        name: "qemu-user",
        about: "qemu-user before 6.0, which runs programs of another architecture: copy_file_range is ENOSYS",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Source {
                says: "Go's own tool failed so under qemu-aarch64 of Debian 11",
                at: "golang/go#58592",
            },
            Source {
                says: "the call was added in December 2020, for version 6.0",
                at: "QEMU commit 8494645797ac",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "seccomp-eperm",
        about: "a container whose seccomp filter does not know copy_file_range and says EPERM, as old Dockers' did",
        settings: &[],
        faults: &["error=EPERM:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "Docker's filter knows the call since March 2016, and answers EPERM to what it does not know",
                at: "moby commit 96896f2d0bc1",
            },
            Source {
                says: "rustc could not copy in a container: EPERM",
                at: "rust-lang/rust#51266",
            },
            Source {
                says: "a filter answers in place of the system call, which is not carried out",
                at: "seccomp(2), SECCOMP_RET_ERRNO",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "seccomp-enosys",
        about: "a container whose seccomp filter does not know copy_file_range and says ENOSYS, as newer ones do",
        settings: &[],
        faults: &[NO_CALL, NO_REFLINK],
        sources: &[
            Source {
                says: "runc's filters answer ENOSYS to calls that are newer than the list",
                at: "opencontainers/runc#2750",
            },
            Source {
                says: "Podman's filter answers ENOSYS to what it does not know, since May 2021",
                at: "containers/common commit 81cd342b5c3c",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "android",
        about: "an app on Android before 14: copy_file_range ends it by SIGSYS",
        settings: &[],
        faults: &["signal=SIGSYS:error=ENOSYS:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "toybox does not use the call there: before the release of 2023 it is SIGSYS",
                at: "landley/toybox#382",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "cross-before-5.3",
        about: "two filesystems on Linux 4.5 to 5.2: every copy is EXDEV, and the rules are those of the time",
        settings: &[("CFR_DIALECT", "linux-4.15")],
        faults: &[
            "error=EXDEV:path=*:hook=copy_file_range,syscall",
            "error=EXDEV:path=*:hook=ioctl",
        ],
        sources: &[
            Source {
                says: "the files must be on one filesystem",
                at: "copy_file_range(2), ERRORS, EXDEV (before Linux 5.3)",
            },
            Source {
                says: "and so must those of a reflink",
                at: "ioctl_ficlone(2), ERRORS, EXDEV",
            },
        ],
    },
    Profile {
        name: "cross-since-5.19",
        about: "two filesystems of different types on Linux 5.19 and later: every copy is EXDEV",
        settings: &[("CFR_DIALECT", "linux-5.19")],
        faults: &[
            "error=EXDEV:path=*:hook=copy_file_range,syscall",
            "error=EXDEV:path=*:hook=ioctl",
        ],
        sources: &[
            Source {
                says: "the filesystems must be of one type, which can do it",
                at: "copy_file_range(2), ERRORS, EXDEV (since Linux 5.19)",
            },
            Source {
                says: "toybox could not copy from btrfs or ext4 to a tmpfs",
                at: "landley/toybox#382",
            },
            Source {
                says: "a reflink stays within its filesystem",
                at: "ioctl_ficlone(2), ERRORS, EXDEV",
            },
        ],
    },
    Profile {
        name: "nfs",
        about: "NFS 4.2 from a Linux server, which copies at most 4 MiB a call",
        settings: &[],
        faults: &["short=4M:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "the server limits a copy to 4 MB and answers a short count",
                at: "Linux commit 8d915bbf3926 (deepin-community/kernel#948); fs/nfsd/vfs.c, nfsd_copy_file_range()",
            },
            Source {
                says: "Java's transferFrom left 4194304 bytes of an archive on NFS",
                at: "pegasus-isi/pegasus#2254",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "rhel7-nfs",
        about: "NFS on RHEL 7 and CentOS 7, whose kernel has the call but not for this filesystem: EOPNOTSUPP",
        settings: &[],
        faults: &["error=EOPNOTSUPP:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source { says: "Rust's fs::copy failed there", at: "rust-lang/rust#75387" },
            Source { says: "so did Go's io.Copy", at: "golang/go#40731" },
            Source { says: "and Node.js's copyFile", at: "libuv/libuv#3069" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "cifs",
        about: "a CIFS mount that says EPERM where the source is another user's or read-only",
        settings: &[],
        faults: &["error=EPERM:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "Node.js could not copy a read-only file to CIFS",
                at: "libuv/libuv#3322",
            },
            Source {
                says: "the workaround asks statfs(2) whether it is CIFS, so it does not see this profile",
                at: "libuv/libuv#3354",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "rhel7-cifs",
        about: "CIFS on RHEL 7 and CentOS 7: EIO",
        settings: &[],
        faults: &["error=EIO:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source { says: "Go's io.Copy failed there", at: "golang/go#42334" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "virtiofs",
        about: "a directory that a virtual machine shares by virtiofs, and that says EPERM",
        settings: &[],
        faults: &["error=EPERM:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "a shim for builds on virtiofs makes ENOSYS of its EPERM, for Rust's fs::copy",
                at: "ohos-meta-shim.c, in public ports of developers' tools to OpenHarmony",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "zfs-eagain",
        about: "OpenZFS of August 2023, whose blocks cannot be shared before they are on the disk: EAGAIN for three calls on each target",
        settings: &[],
        faults: &[
            "error=EAGAIN:path=*:per=path:when=1..3:hook=copy_file_range,syscall",
            "error=EAGAIN:path=*:per=path:when=1..3:hook=ioctl",
        ],
        sources: &[
            Source {
                says: "cp failed, makepkg could not be used: a file that was just written cannot be copied",
                at: "openzfs/zfs#15170",
            },
            Source {
                says: "the fallback to a plain copy had been forgotten for EAGAIN",
                at: "openzfs/zfs#15172",
            },
            Source { says: "FICLONE still says EAGAIN there", at: "openzfs/zfs#15994" },
            Source { says: "how many calls it takes until a sync is a choice", at: "this project" },
        ],
    },
    Profile {
        name: "zfs-einval",
        about: "OpenZFS 2.0 with Linux 5.10: EINVAL",
        settings: &[],
        faults: &["error=EINVAL:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "a test of files got EINVAL with Linux 5.10, and not with 5.9",
                at: "openzfs/zfs#11150",
            },
            Source { says: "so did container builds", at: "moby/moby#41866" },
            Source { says: "and Gentoo's emerge", at: "gentoo/portage#647" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "ecryptfs",
        about: "eCryptfs, an encrypted home: EINVAL from copy_file_range and from sendfile",
        settings: &[],
        faults: &[
            "error=EINVAL:path=*:hook=copy_file_range,syscall,sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Source { says: "Boost's copy_file left an empty file", at: "boostorg/filesystem#184" },
            Source { says: "Bun could not write", at: "oven-sh/bun#13968" },
            Source { says: "sendfile(2) is EINVAL there too", at: "microsoft/vcpkg#24794" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "cephfs",
        about: "CephFS before Linux 4.20: EACCES",
        settings: &[],
        faults: &["error=EACCES:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "Node.js could not copy a read-only file to CephFS",
                at: "libuv/libuv#3117",
            },
            Source {
                says: "the workaround is for EACCES, and asks statfs(2) and uname(2), so it does not see this profile",
                at: "libuv/src/unix/fs.c, uv__is_buggy_cephfs()",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "fuse",
        about: "a FUSE server that copies by pieces: 128 KiB a call",
        settings: &[],
        faults: &["short=128K:path=*:hook=copy_file_range,syscall", NO_REFLINK],
        sources: &[
            Source {
                says: "fewer bytes than asked for are no error",
                at: "copy_file_range(2), RETURN VALUE",
            },
            Source {
                says: "a server's answer has 32 bits, so the longest copies are cut short",
                at: "libfuse/libfuse#1331; Linux commit 1e08938c3694",
            },
            Source { says: "the size of a piece is a choice", at: "this project" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "procfs",
        about: "a source as in /proc on Linux 5.3 to 5.18: 0 bytes and success, although there is something to read",
        settings: &[("CFR_DIALECT", "linux-5.3")],
        faults: &["zero:path=*:hook=copy_file_range,syscall", "error=EXDEV:path=*:hook=ioctl"],
        sources: &[
            Source {
                says: "on some virtual filesystems the call copied nothing and reported success",
                at: "copy_file_range(2), BUGS",
            },
            Source { says: "/proc/self/cmdline was copied as nothing", at: "golang/go#44272" },
            Source { says: "Gentoo's emerge went round in a loop", at: "gentoo/portage#778" },
            Source {
                says: "a reflink stays within its filesystem",
                at: "ioctl_ficlone(2), ERRORS, EXDEV",
            },
        ],
    },
    Profile {
        name: "append",
        about: "every target as if it was open with O_APPEND: EBADF, and EINVAL from sendfile",
        settings: &[],
        faults: &[
            "error=EBADF:path=*:hook=copy_file_range,syscall,ioctl",
            "error=EINVAL:path=*:hook=sendfile,sendfile64",
        ],
        sources: &[
            Source {
                says: "copies to such a target are refused",
                at: "copy_file_range(2), ERRORS, EBADF",
            },
            Source { says: "and reflinks", at: "ioctl_ficlone(2), ERRORS, EBADF" },
            Source { says: "and sendfile(2)", at: "sendfile(2), ERRORS, EINVAL" },
            Source { says: "Rust's io::copy failed", at: "rust-lang/rust#82410" },
            Source { says: "so did Go's", at: "golang/go#60181" },
            Source { says: "and PHP's stream_copy_to_stream", at: "php/php-src#9779" },
        ],
    },
    Profile {
        name: "full-disk",
        about: "a disk that is full half way: the first call on each target copies half, all others are ENOSPC",
        settings: &[],
        faults: &[
            "short=50%:path=*:per=path:when=1:hook=copy_file_range,syscall,sendfile,sendfile64",
            "error=ENOSPC:path=*:per=path:when=2+:hook=copy_file_range,syscall,sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Source {
                says: "there is not enough space to complete the copy",
                at: "copy_file_range(2), ERRORS, ENOSPC",
            },
            Source {
                says: "what was copied before is a short count",
                at: "copy_file_range(2), RETURN VALUE",
            },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "signal-storm",
        about: "signals at every call: each other one is cut short at 64 KiB, the rest fail with EINTR; SIGURG, which most programs ignore",
        settings: &[],
        faults: &[
            "signal=SIGURG:short=64K:path=*:when=1+2:hook=copy_file_range,syscall",
            "signal=SIGURG:error=EINTR:path=*:when=2+2:hook=copy_file_range,syscall",
            "signal=SIGURG:short=64K:path=*:hook=sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Source {
                says: "a call that a signal's handler interrupts may fail with EINTR",
                at: "signal(7), Interruption of system calls and library functions by signal handlers",
            },
            Source { says: "the default is to ignore SIGURG", at: "signal(7), Standard signals" },
            Source {
                says: "Bun's asynchronous copy tries again after EINTR, its synchronous one does not",
                at: "oven-sh/bun#43398",
            },
            Source { says: "how often, and after how much, is a choice", at: "this project" },
            NO_REFLINK_SOURCE,
        ],
    },
    Profile {
        name: "slow-disk",
        about: "a disk that takes 20 ms for each MiB, and is asked for one at a time: 50 MiB a second at most",
        settings: &[],
        faults: &[
            "short=1M:delay_exit=20ms:path=*:hook=copy_file_range,syscall,sendfile,sendfile64",
            NO_REFLINK,
        ],
        sources: &[
            Source {
                says: "the speed and the size of a piece are a choice; read and write are as fast as ever",
                at: "this project",
            },
            NO_REFLINK_SOURCE,
        ],
    },
];
