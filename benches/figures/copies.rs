//! The cost of copies in the library, as ratios of CPU times measured in turns in one process
//! (c-tests/bench/copies.c): against the loops of GNU cp and glibc 2.27, the kernel's own
//! copy_file_range, GNU cp itself; and for files with holes.

use crate::exact::{Goal, at_most};
use crate::timed::cpu_of;
use cfr_testkit::{Filesystems, Run, Scratch, compile, library};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const ROUNDS: &str = "31";
/// What the figures begin with that are the limits of the figures before them.
const LIMIT: &str = "  its limit: ";
const BARE_PIPE: &str = "a bare pipe (c-tests/bench/bare_pipe.h)";

/// What the library's cost is compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Reading and writing 128 KiB at a time, as GNU cp 9.1 does.
    Cp,
    /// Reading and writing 8 KiB at a time, as glibc 2.27 did.
    Glibc,
    /// Reading and writing 4 KiB at a time.
    Page,
    /// The kernel's copy_file_range.
    Kernel,
}

impl Peer {
    /// Returns a description and the driver's name for it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Peer::Cp => ("cp's loop", "cp"),
            Peer::Glibc => ("glibc 2.27's loop", "glibc"),
            Peer::Page => ("a loop of 4 KiB", "page"),
            Peer::Kernel => ("the kernel's", "kernel"),
        }
    }
}

/// One kind of work: what is copied, and the goals of its figures.
pub struct Work {
    from: &'static str,
    to: &'static str,
    total: u64,
    len: u64,
    off_in: u64,
    off_out: u64,
    fresh: bool,
    /// The peers, and by what factor the library must be faster, or at most slower if `cost`.
    goals: &'static [(Peer, f64)],
    /// Whether the figures are costs.
    cost: bool,
}

impl Work {
    const fn large(from: &'static str, to: &'static str, len: u64) -> Work {
        let goals: &[_] = &[];
        Work {
            from,
            to,
            total: 64 * MIB,
            len,
            off_in: 0,
            off_out: 0,
            fresh: true,
            goals,
            cost: false,
        }
    }

    /// Between two filesystems, in small calls.
    const fn across(from: &'static str, to: &'static str, len: u64) -> Work {
        Work { total: 16 * MIB, ..Work::large(from, to, len) }
    }

    const fn small(on: &'static str, fresh: bool, off_out: u64) -> Work {
        let goals: &[_] = &[];
        Work {
            from: on,
            to: on,
            total: 4 * MIB,
            len: 4 * KIB,
            off_in: 0,
            off_out,
            fresh,
            goals,
            cost: true,
        }
    }

    const fn with(self, goals: &'static [(Peer, f64)]) -> Work {
        Work { goals, ..self }
    }

    /// Returns the driver's name of the way that no way of the library's can be faster than, and a
    /// description.
    fn limit(&self) -> (&'static str, &'static str) {
        if self.len >= 256 * KIB {
            ("pipe", BARE_PIPE)
        } else if self.from == self.to {
            ("page", "a read and a write")
        } else {
            ("refused", "the call that the kernel refuses, a read and a write")
        }
    }

    fn name(&self) -> String {
        let Work { from, to, .. } = self;
        let size = match self.len {
            len if len >= MIB => format!("{} MiB", len / MIB),
            len => format!("{} KiB", len / KIB),
        };
        let fresh = if self.fresh { "" } else { " over data" };
        let place = if self.off_in == self.off_out { "" } else { " apart" };
        format!("{size} calls {from} to {to}{fresh}{place}")
    }
}

const TO_EXT4: &[(Peer, f64)] = &[(Peer::Cp, 1.4), (Peer::Glibc, 2.8)];
const ON_EXT4: &[(Peer, f64)] = &[(Peer::Cp, 1.4), (Peer::Glibc, 2.8), (Peer::Kernel, 1.3)];
const TO_XFS: &[(Peer, f64)] = &[(Peer::Cp, 1.3)];
const TO_OTHERS: &[(Peer, f64)] = &[(Peer::Cp, 1.0)];
const PAGES: &[(Peer, f64)] = &[(Peer::Page, 0.8)];
const PIECES: &[(Peer, f64)] = &[(Peer::Cp, 0.95)];
const ON_TMPFS: &[(Peer, f64)] = &[(Peer::Cp, 1.0), (Peer::Kernel, 0.97)];

/// Everything that is measured except alignment and holes.
const WORKS: [Work; 19] = [
    Work::large("ext4", "ext4", MIB).with(ON_EXT4),
    Work::large("ext4", "ext4", 64 * MIB).with(ON_EXT4),
    Work::large("tmpfs", "ext4", MIB).with(TO_EXT4),
    Work::large("tmpfs", "ext4", 64 * MIB).with(TO_EXT4),
    Work::large("ext4", "xfs", MIB).with(TO_XFS),
    Work::large("tmpfs", "xfs", 64 * MIB).with(TO_XFS),
    Work::large("ext4", "btrfs", MIB).with(TO_OTHERS),
    Work::large("tmpfs", "btrfs", 64 * MIB).with(TO_OTHERS),
    Work::large("ext4", "tmpfs", 64 * MIB).with(TO_OTHERS),
    Work::across("tmpfs", "ext4", 4 * KIB).with(PAGES),
    Work::across("ext4", "tmpfs", 4 * KIB).with(PAGES),
    Work::across("tmpfs", "ext4", 64 * KIB).with(PIECES),
    Work::across("ext4", "tmpfs", 64 * KIB).with(PIECES),
    Work::large("tmpfs", "tmpfs", MIB).with(ON_TMPFS),
    Work::large("tmpfs", "tmpfs", 64 * MIB).with(ON_TMPFS),
    Work::small("ext4", true, 0).with(&[(Peer::Kernel, 1.2)]),
    Work::small("tmpfs", true, 0).with(&[(Peer::Kernel, 1.2)]),
    Work::small("ext4", false, 8 * MIB).with(&[(Peer::Kernel, 1.2)]),
    Work::small("tmpfs", false, 8 * MIB).with(&[(Peer::Kernel, 1.2)]),
];

/// A figure: its name, the number, a remark, and the goal.
pub type CopyFigure = (String, Result<f64, String>, String, Option<Goal>);

/// The filesystems and the driver.
pub struct Places {
    filesystems: Filesystems,
    driver: PathBuf,
}

impl Places {
    /// Mounts the filesystems.
    pub fn new() -> Places {
        Places {
            filesystems: Filesystems::mount_also("figures", &["ext4-4k"]),
            driver: compile("bench/copies.c", "bench_copies", &[]),
        }
    }

    /// Measures every figure and passes each on as soon as it is known.
    pub fn measure(&self, mut figure: impl FnMut(CopyFigure)) {
        for work in &WORKS {
            let times = self.times(work, "no");
            for &(peer, least) in work.goals {
                let (in_words, peer) = peer.names();
                let ratio = |way| {
                    let times = times.as_ref().map_err(Clone::clone)?;
                    let of = |way| times.get(way).copied().ok_or(format!("no figure of {way}"));
                    let ratio = of(peer)? / of(way)?;
                    Ok(if work.cost { 1.0 / ratio } else { ratio })
                };
                let (what, goal) = if work.cost {
                    ("cost against", at_most(least))
                } else {
                    ("times faster than", least..=f64::INFINITY)
                };
                let name = format!("{}: {what} {in_words}", work.name());
                figure((name, ratio("library"), String::new(), Some(goal)));
                let (way, in_words) = work.limit();
                figure((format!("{LIMIT}{in_words}"), ratio(way), String::new(), None));
            }
        }
        for len in [256 * KIB, MIB] {
            self.unaligned(len, &mut figure);
        }
        self.small_extents(&mut figure);
        figure(self.verified());
        self.cp(&mut figure);
        for (from, to) in [("ext4", "ext4"), ("tmpfs", "ext4"), ("ext4", "tmpfs"), ("xfs", "xfs")] {
            self.sparse(from, to, &mut figure);
        }
        for on in ["ext4", "btrfs", "tmpfs", "xfs"] {
            figure(self.terabyte(on));
        }
        figure(self.terabyte_by_hand());
    }

    fn place(&self, name: &str) -> Result<Scratch, String> {
        let mounted = if name == "ext4" { "ext4-4k" } else { name };
        let point = self.filesystems.get(mounted).ok_or(format!("there is no {name}"))?;
        Ok(Scratch::below(point))
    }

    /// Returns the median CPU time of each way, by the driver's names, in nanoseconds.
    fn times(&self, work: &Work, verify: &str) -> Result<BTreeMap<String, f64>, String> {
        let (from, to) = (self.place(work.from)?, self.place(work.to)?);
        let (source, target) = (from.file("source"), to.file("target"));
        let bytes: Vec<u8> = (0..work.off_in + work.total).map(noise).collect();
        fs::write(&source, bytes).map_err(|error| error.to_string())?;
        let target_is = if work.fresh { "fresh" } else { "over" };
        self.times_of(work, target_is, verify, &source, &target)
    }

    fn times_of(
        &self,
        work: &Work,
        target_is: &str,
        verify: &str,
        source: &Path,
        target: &Path,
    ) -> Result<BTreeMap<String, f64>, String> {
        let numbers = [work.total, work.len, work.off_in, work.off_out];
        let output = Run::bare(&self.driver)
            .env("LD_PRELOAD", library())
            .env("CFR_LOG", "off")
            .env("CFR_BACKEND", "emulate")
            .env("CFR_VERIFY", verify)
            .args([source, target])
            .args(numbers.map(|number| number.to_string()))
            .args([target_is, ROUNDS])
            .output();
        if output.status != Some(0) {
            return Err(output.stderr);
        }
        let lines = output.stdout.lines().filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        });
        Ok(lines.collect())
    }

    /// From byte 1 to byte 1, compared with from byte 0 to byte 0.
    fn unaligned(&self, len: u64, figure: &mut impl FnMut(CopyFigure)) {
        let work = |offset| {
            let work = Work::large("ext4", "ext4", len);
            Work { total: 60 * MIB, off_in: offset, off_out: offset, ..work }
        };
        let times = [0, 1].map(|offset| self.times(&work(offset), "no"));
        let ratio = |way| match &times {
            [Ok(aligned), Ok(unaligned)] => Ok(aligned[way] / unaligned[way]),
            [Err(reason), _] | [_, Err(reason)] => Err(reason.clone()),
        };
        let name = format!("{} KiB calls from and to byte 1: speed against aligned", len / KIB);
        figure((name, ratio("library"), String::new(), Some(0.9..=f64::INFINITY)));
        figure((format!("{LIMIT}{BARE_PIPE}"), ratio("pipe"), String::new(), None));
    }

    /// 8,000 extents of 4 KiB with holes of 4 KiB between them, against the kernel's own copy, which
    /// shares them; and the same for a loop that knows where they are, which is the limit.
    fn small_extents(&self, figure: &mut impl FnMut(CopyFigure)) {
        const EXTENTS: u64 = 8000;
        let work = Work { total: EXTENTS * 8 * KIB, ..Work::large("btrfs", "btrfs", 64 * MIB) };
        let times = self.place("btrfs").and_then(|place| {
            let (source, target) = (place.file("source"), place.file("target"));
            let extents = (0..EXTENTS).map(|number| number * 8 * KIB);
            scatter(&source, extents, 4 * KIB, work.total)?;
            self.times_of(&work, "scattered", "no", &source, &target)
        });
        let name = "8,000 extents of 4 KiB on btrfs: times faster than the kernel's";
        for (way, name, goal) in [
            ("library", name.to_owned(), Some(0.8..=f64::INFINITY)),
            ("hand", format!("{LIMIT}a read and a write of each extent"), None),
        ] {
            let ratio = times.as_ref().map_err(Clone::clone).and_then(|times| {
                Ok(times.get("kernel").ok_or("the kernel does not copy there")? / times[way])
            });
            figure((name, ratio, String::new(), goal));
        }
    }

    /// The cost of reading both ranges back.
    fn verified(&self) -> CopyFigure {
        let work = Work::large("ext4", "ext4", MIB);
        let cost = |verify| Ok::<_, String>(self.times(&work, verify)?["library"]);
        let ratio = cost("no").and_then(|plain| Ok(cost("yes")? / plain));
        ("1 MiB calls, CFR_VERIFY=yes: cost against without".to_owned(), ratio, String::new(), None)
    }

    /// GNU cp with its own loop, copying through the library, and through a pipe without the library;
    /// whole processes.
    fn cp(&self, figure: &mut impl FnMut(CopyFigure)) {
        for (on, goal) in [("ext4", Some(1.8..=f64::INFINITY)), ("tmpfs", None)] {
            let ratios = self.cp_ratios(on);
            let of = |number: usize| ratios.as_ref().map(|it| it[number]).map_err(Clone::clone);
            let name = format!("cp of 64 MiB {on} to {on}: times faster than cp --reflink=never");
            figure((name, of(0), String::new(), goal));
            figure((format!("{LIMIT}{BARE_PIPE}"), of(1), String::new(), None));
        }
    }

    fn cp_ratios(&self, on: &str) -> Result<[f64; 2], String> {
        let place = self.place(on)?;
        let (source, target) = (place.file("source"), place.file("target"));
        fs::write(&source, (0..64 * MIB).map(noise).collect::<Vec<u8>>())
            .map_err(|error| error.to_string())?;
        let shim = compile("shims/bare_pipe.c", "bare_pipe.so", &["-shared", "-fPIC"]);
        let ways = [
            ("--reflink=never", library(), "auto"),
            ("--reflink=auto", library(), "emulate"),
            ("--reflink=auto", shim, "auto"),
        ];
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..15 {
            for ((reflink, preloaded, backend), times) in ways.iter().zip(&mut times) {
                let _ = fs::remove_file(&target);
                let run = Run::bare("cp").args([reflink]).args([&source, &target]);
                let run = run.env("LD_PRELOAD", preloaded).env("CFR_LOG", "off");
                times.push(cpu_of(run.env("CFR_BACKEND", backend)));
            }
        }
        let [plain, through, bare] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        Ok([plain / through, plain / bare])
    }

    /// 10 GiB with 1,000 extents of 16 KiB.
    fn sparse(&self, from: &str, to: &str, figure: &mut impl FnMut(CopyFigure)) {
        let name = format!("10 GiB with 1,000 extents {from} to {to}");
        let measured = self.sparse_copy(from, to);
        let time = measured.as_ref().map(|measured| measured.0).map_err(Clone::clone);
        let blocks = measured.map(|measured| measured.1);
        let most_ms = if (from, to) == ("tmpfs", "ext4") { 40.0 } else { 60.0 };
        figure((format!("{name}: ms"), time, String::new(), Some(at_most(most_ms))));
        figure((
            format!("{name}: blocks against the source's"),
            blocks,
            String::new(),
            Some(at_most(1.02)),
        ));
    }

    fn sparse_copy(&self, from: &str, to: &str) -> Result<(f64, f64), String> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let (source, target) = (from.file("source"), to.file("target"));
        let message = |error: std::io::Error| error.to_string();
        scatter(&source, (0..1000).map(|number| number * 10 * MIB), 16 * KIB, 10 << 30)?;
        let mut times = Vec::new();
        for _ in 0..5 {
            let _ = fs::remove_file(&target);
            times.push(self.whole(&source, &target)?);
        }
        times.sort_by(f64::total_cmp);
        File::open(&target).and_then(|file| file.sync_all()).map_err(message)?;
        let blocks = |path| fs::metadata(path).map(|file| file.blocks() as f64).map_err(message);
        Ok((times[times.len() / 2], blocks(&target)? / blocks(&source)?))
    }

    fn terabyte(&self, on: &str) -> CopyFigure {
        let time = self.place(on).and_then(|place| {
            let (source, target) = (place.file("source"), place.file("target"));
            let made = File::create(&source).and_then(|file| file.set_len(1 << 40));
            made.map_err(|error| error.to_string())?;
            self.whole(&source, &target)
        });
        let name = format!("a terabyte of nothing on {on}: ms");
        (name, time, String::new(), Some(at_most(if on == "xfs" { 40.0 } else { 60.0 })))
    }

    /// The least that 512 calls of 2 GiB can do there: extend the file, and free the block of the
    /// last byte again.
    fn terabyte_by_hand(&self) -> CopyFigure {
        const EXTEND: &str = "import ctypes, os, sys, time\n\
            b = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT, 0o600)\n\
            punch, int64 = ctypes.CDLL(None).fallocate64, ctypes.c_int64\n\
            begun = time.perf_counter()\n\
            for end in range(1 << 31, (1 << 40) + 1, 1 << 31):\n    \
                os.posix_fallocate(b, end - 1, 1)\n    \
                punch(b, 3, int64(end - 4096), int64(4096))\n\
            print((time.perf_counter() - begun) * 1000)\n";
        let time =
            self.place("xfs").and_then(|place| timed_python(EXTEND, &[&place.file("target")]));
        let name = format!("{LIMIT}two fallocate(2) for each of the 512 calls, on xfs: ms");
        (name, time, String::new(), None)
    }

    /// Copies a file with Python's os.copy_file_range and returns the milliseconds of the copy.
    fn whole(&self, source: &Path, target: &Path) -> Result<f64, String> {
        const COPY: &str = "import os, sys, time\n\
            a = os.open(sys.argv[1], os.O_RDONLY)\n\
            b = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT, 0o600)\n\
            begun = time.perf_counter()\n\
            while os.copy_file_range(a, b, 1 << 40): pass\n\
            print((time.perf_counter() - begun) * 1000)\n";
        timed_python(COPY, &[source, target])
    }
}

/// Runs a program in Python under the library and returns the milliseconds that it prints.
fn timed_python(program: &str, files: &[&Path]) -> Result<f64, String> {
    let output = Run::bare("python3")
        .args(["-c", program])
        .args(files)
        .env("LD_PRELOAD", library())
        .env("CFR_LOG", "off")
        .env("CFR_BACKEND", "emulate")
        .output();
    output.stdout.trim().parse().map_err(|_| output.stderr)
}

/// Makes a file of `size` bytes with an extent of `len` bytes at each of these offsets.
fn scatter(
    path: &Path,
    offsets: impl Iterator<Item = u64>,
    len: u64,
    size: u64,
) -> Result<(), String> {
    let extent: Vec<u8> = (0..len).map(noise).collect();
    let written = File::create(path).and_then(|file| {
        for offset in offsets {
            file.write_all_at(&extent, offset)?;
        }
        file.set_len(size)?;
        file.sync_all()
    });
    written.map_err(|error| error.to_string())
}

/// Returns bytes that do not compress and have no long runs of zeros.
fn noise(place: u64) -> u8 {
    let mixed = (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 31).to_le_bytes()[3]
}
