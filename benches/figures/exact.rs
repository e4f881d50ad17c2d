//! Figures that are the same in every run: instructions, system calls, bytes and names. The bench
//! prints them, and tests/repository/exact_costs.rs checks their limits.

use cfr_testkit::{Filesystems, Run, Scratch, compile, find_program, library};
use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The range in which a figure must be.
pub type Goal = RangeInclusive<f64>;

/// Instructions of an unlogged call above those of the C library's wrapper.
pub const FORWARD_INSTRUCTIONS: Goal = at_most(25.0);
/// Instructions of an unlogged call that the kernel refuses above those of the C library's wrapper,
/// whatever the error, except after ENOSYS and EPERM.
pub const REFUSED_INSTRUCTIONS: Goal =
    at_most(if cfg!(target_arch = "x86_64") { 40.0 } else { 250.0 });
/// System calls of an unlogged call that fails with EPERM: itself, and one that tells whether a
/// filter refuses them all.
pub const DENIED_SYSTEM_CALLS: Goal = exactly(2.0);
/// System calls of an unlogged call above those of a bare one.
pub const FORWARD_SYSTEM_CALLS: Goal = exactly(0.0);
/// System calls of an unlogged call without flags in the default dialect.
pub const DEFAULT_SYSTEM_CALLS: Goal = exactly(1.0);
/// System calls of a byte that the library copies: a check, a read, a write, and one for each
/// pointer outside the caller's stack frame.
pub const EMULATED_SYSTEM_CALLS: Goal = at_most(5.0);
/// System calls of such a byte between two file offsets that are equal: those of a byte, what the
/// target is, two that read and two that set the offsets, and two that keep signals out meanwhile.
pub const IN_STEP_SYSTEM_CALLS: Goal = at_most(10.0);
/// System calls of 4 KiB that the library copies between filesystems: the call that the kernel
/// refuses, whether the target may be written and how it is open, a read, a write, and one for each
/// pointer outside the caller's stack frame.
pub const ACROSS_SYSTEM_CALLS: Goal = at_most(5.0);
/// System calls of a call that is counted for a summary without the launcher: the copy, two that read
/// the paths, and two that ask for the process and the name.
pub const COUNTED_SYSTEM_CALLS: Goal = at_most(5.0);
/// Instructions that a text line adds to its call.
pub const TEXT_INSTRUCTIONS: Goal = at_most(1500.0);
/// Instructions that a JSON line adds to its call.
pub const JSON_INSTRUCTIONS: Goal = at_most(2000.0);
/// System calls of a logged call that write.
pub const TEXT_WRITES: Goal = exactly(1.0);
/// Instructions that a hook of several system calls or requests adds to one that the library does
/// not handle.
pub const PASSING_INSTRUCTIONS: Goal = at_most(10.0);
/// System calls of the library while an unlogged process starts.
pub const LOAD_SYSTEM_CALLS: Goal = exactly(0.0);
/// Instructions by which loading the library makes the start of /bin/true longer.
pub const LOAD_INSTRUCTIONS: Goal = at_most(40_000.0);
/// The size of the stripped library in bytes: 300 KiB. The C API, the rules of ioctl(2) and
/// sendfile(2), the conditions of faults and the tables of busiest files take 75 of them.
pub const SIZE: Goal = at_most(307_200.0);
/// The exported symbols.
pub const EXPORTS: [&str; 14] = [
    "_Exit",
    "_exit",
    "cfr_configure",
    "cfr_copy",
    "cfr_copy_file_range_needs_lcfr",
    "cfr_method_name",
    "cfr_rule_text",
    "cfr_stats",
    "cfr_version",
    "copy_file_range",
    "ioctl",
    "sendfile",
    "sendfile64",
    "syscall",
];
/// What it must find in the process. On aarch64 Rust's atomics ask whether the processor has
/// instructions for them, by a function of glibc 2.16 and later and of musl.
pub const REQUIRED: &[&str] = if cfg!(target_arch = "aarch64") { &["getauxval"] } else { &[] };
/// What it uses if the process has it. Before glibc 2.34 some of these are in libraries of their own,
/// and none is there before the library is relocated.
pub const OPTIONAL: [&str; 9] = [
    "__environ",
    "__errno_location",
    "__libc_stack_end",
    "dlsym",
    "getauxval",
    "program_invocation_name",
    "pthread_setcancelstate",
    "pthread_setcanceltype",
    "pthread_testcancel",
];

/// A goal with an upper limit.
pub const fn at_most(most: f64) -> Goal {
    f64::NEG_INFINITY..=most
}

/// A goal that only one number meets.
const fn exactly(goal: f64) -> Goal {
    goal..=goal
}

/// The settings of the library.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way(pub Option<&'static [&'static str]>);

impl Way {
    /// Without the library.
    pub const BARE: Way = Way(None);
    /// Preloaded, and not logged.
    pub const OFF: Way = Way(Some(&["CFR_LOG=off"]));
    /// Not logged, and counted for a summary of the process.
    pub const COUNTED: Way = Way(Some(&["CFR_LOG=off", "CFR_SUMMARY=yes"]));
    /// Not logged, and copied by the library.
    pub const EMULATED: Way = Way(Some(&["CFR_LOG=off", "CFR_BACKEND=emulate"]));
    /// Not logged, and copied by the library if the kernel does not cross filesystems.
    pub const ACROSS: Way = Way(Some(&["CFR_LOG=off", "CFR_FALLBACK=EXDEV"]));
    /// Text lines in a file, without paths.
    pub const TEXT: Way = Way(Some(&["CFR_PATHS=no"]));
    /// JSON lines in a file, without paths.
    pub const JSON: Way = Way(Some(&["CFR_PATHS=no", "CFR_LOG_FORMAT=json"]));
}

/// Returns every dialect, unlogged.
pub const DIALECTS: [(&str, Way); 8] = [
    ("extended", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=extended"]))),
    ("proposal-2015", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=proposal-2015"]))),
    ("linux-4.15", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=linux-4.15"]))),
    ("linux-5.3", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=linux-5.3"]))),
    ("linux-5.19", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=linux-5.19"]))),
    ("freebsd-14", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=freebsd-14"]))),
    ("freebsd-15", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=freebsd-15"]))),
    ("glibc-2.27", Way(Some(&["CFR_LOG=off", "CFR_DIALECT=glibc-2.27"]))),
];

/// The driver's calls, by the driver's name.
#[derive(Clone, Copy)]
pub struct Calls(pub &'static str);

impl Calls {
    /// Each copies a byte, from position to position.
    pub const COPY: Calls = Calls("copy");
    /// Each copies a byte with offset pointers, to another offset.
    pub const APART: Calls = Calls("apart");
    /// Each copies 4 KiB to another filesystem.
    pub const ACROSS: Calls = Calls("across");
    /// Each fails with EBADF.
    pub const FAIL: Calls = Calls("EBADF");
    /// Each is refused by the kernel, with the error of its name.
    pub const REFUSED: [Calls; 5] =
        [Calls::FAIL, Calls("EXDEV"), Calls("EINVAL"), Calls("EOVERFLOW"), Calls("EFBIG")];
    /// Each fails with EPERM, behind which a seccomp filter may hide the call: the kernel is asked a
    /// second time whether it does.
    pub const DENIED: Calls = Calls("EPERM");
    /// Each is a call by syscall(2) that the library does not handle.
    pub const ANOTHER_NUMBER: Calls = Calls("another-number");
    /// Each is an ioctl(2) that the library does not handle.
    pub const ANOTHER_REQUEST: Calls = Calls("another-request");
}

/// The driver: a C program that makes many calls on a tmpfs and logs them there.
pub struct Driver {
    program: PathBuf,
    directory: Scratch,
    /// Unmounted after the directory is deleted.
    _mounted: Option<Filesystems>,
}

impl Driver {
    /// Builds the driver. The error is the reason why it cannot run on this machine.
    pub fn new() -> Result<Driver, String> {
        let shared_memory = Path::new("/dev/shm");
        let mounted = (!is_tmpfs(shared_memory)).then(|| Filesystems::mount("figures"));
        let place = match &mounted {
            None => shared_memory,
            Some(mounted) => mounted.get("tmpfs").ok_or("there is no tmpfs")?,
        };
        Ok(Driver {
            program: compile("bench/calls.c", "bench_calls", &[]),
            directory: Scratch::below(place),
            _mounted: mounted,
        })
    }

    /// Returns the path of a file beside those that the driver copies.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.file(name)
    }

    /// Returns the driver's command line for `count` calls.
    pub fn words(&self, calls: Calls, count: u32) -> [String; 4] {
        [
            self.program.display().to_string(),
            calls.0.to_owned(),
            count.to_string(),
            self.directory.path().display().to_string(),
        ]
    }

    /// Returns the environment for these settings as `NAME=value`, and empties the log.
    pub fn environment(&self, way: Way) -> Vec<String> {
        let log = self.file("log");
        let _ = fs::remove_file(&log);
        let log = format!("CFR_LOG_FILE={}", log.display());
        let mut environment = preload(&library(), way);
        environment.extend(way.0.map(|_| log));
        environment
    }

    /// Returns the instructions of one call in this environment, counted by callgrind.
    fn instructions(&self, environment: &[String], calls: Calls) -> Result<f64, String> {
        let valgrind = installed("valgrind")?;
        let counts = self.file("callgrind");
        let measure = |count| {
            let run = Run::bare(&valgrind)
                // Only the calls: the numbers that the driver prints at its end differ in length.
                .args(["--tool=callgrind", "--quiet", "--toggle-collect=make_calls"])
                .args([format!("--callgrind-out-file={}", counts.display())])
                .args(self.words(calls, count));
            with_environment(run, environment).ok();
            total(&counts)
        };
        Ok(per_call(measure))
    }

    /// Returns the instructions that the library adds to one call.
    pub fn more_instructions(&self, way: Way, calls: Calls) -> Result<f64, String> {
        self.more_instructions_in(&self.environment(way), calls)
    }

    /// Returns the instructions that the libraries preloaded in this environment add to one call.
    pub fn more_instructions_in(
        &self,
        environment: &[String],
        calls: Calls,
    ) -> Result<f64, String> {
        Ok(self.instructions(environment, calls)? - self.instructions(&[], calls)?)
    }

    /// Returns the system calls of one call, by name.
    pub fn system_calls(&self, way: Way, calls: Calls) -> Result<Counts, String> {
        let count = |count| self.count_system_calls(way, calls, count);
        let [short, long] = [CALLS, 3 * CALLS].map(count);
        let short = short?;
        let names = long?.into_iter().map(|(name, many)| {
            let few = short.get(&name).copied().unwrap_or(0.0);
            (name, per_call(|count| if count == CALLS { few } else { many }))
        });
        Ok(names.filter(|(_, count)| *count != 0.0).collect())
    }

    /// Returns by how many system calls one call differs from a bare one.
    pub fn more_system_calls(&self, way: Way, calls: Calls) -> Result<f64, String> {
        let [way, bare] = [way, Way::BARE].map(|way| self.system_calls(way, calls));
        Ok(differing(&way?, &bare?))
    }

    fn count_system_calls(&self, way: Way, calls: Calls, count: u32) -> Result<Counts, String> {
        let summary = self.file("strace");
        let words = ["-f", "-c", "-U", "calls,name"];
        strace(&self.environment(way), &words, &summary)?.args(self.words(calls, count)).ok();
        let summary = fs::read_to_string(summary).expect("strace has written it");
        let rows = summary.lines().filter_map(|row| {
            let (calls, name) = row.trim().split_once(' ')?;
            Some((name.trim().to_owned(), calls.parse().ok()?))
        });
        Ok(rows.filter(|(name, _)| name != "total").collect())
    }
}

/// System calls by name, and how often each is made.
pub type Counts = BTreeMap<String, f64>;

/// The number of calls in the shorter run.
const CALLS: u32 = 1000;

/// Returns by how much a measure grows with each call. What the program does at its start and its
/// end is the same in the short and the long run.
fn per_call(measure: impl Fn(u32) -> f64) -> f64 {
    (measure(3 * CALLS) - measure(CALLS)) / f64::from(2 * CALLS)
}

/// Returns the system calls in `counts` that write to a descriptor.
pub fn writes(counts: &Counts) -> f64 {
    let writing =
        counts.iter().filter(|(name, _)| name.contains("write") || name.starts_with("send"));
    writing.map(|(_, count)| count).sum()
}

/// Returns the system calls in `counts` that are not in `bare`, and the other way round.
fn differing(counts: &Counts, bare: &Counts) -> f64 {
    let all: BTreeMap<_, _> = counts.iter().chain(bare).collect();
    let count = |counts: &Counts, name| counts.get(name).copied().unwrap_or(0.0);
    all.into_keys().map(|name| (count(counts, name) - count(bare, name)).abs()).sum()
}

/// Returns the system calls that the library makes while /bin/true starts, without those with
/// which the dynamic linker maps it.
pub fn system_calls_at_load(library: &Path, way: Way) -> Result<f64, String> {
    let scratch = Scratch::new();
    let [bare, loaded] = [Way::BARE, way].map(|way| {
        let output = scratch.file("strace");
        strace(&preload(library, way), &[], &output)?.args(["/bin/true"]).ok();
        let trace = fs::read_to_string(output).expect("strace has written it");
        Ok::<_, String>(without_mapping(&trace, library))
    });
    Ok(differing(&loaded?, &bare?))
}

/// Returns the instructions by which the library makes the start of /bin/true longer, counted by
/// callgrind: nearly all are the dynamic linker's.
pub fn instructions_at_load(library: &Path, way: Way) -> Result<f64, String> {
    let scratch = Scratch::new();
    let valgrind = installed("valgrind")?;
    let counts = scratch.file("callgrind");
    let [bare, loaded] = [Way::BARE, way].map(|way| {
        let run = Run::bare(&valgrind)
            .args(["--tool=callgrind", "--quiet"])
            .args([format!("--callgrind-out-file={}", counts.display())])
            .args(["/bin/true"]);
        with_environment(run, &preload(library, way)).ok();
        total(&counts)
    });
    Ok(loaded - bare)
}

/// Returns the instructions that callgrind has counted.
fn total(counts: &Path) -> f64 {
    let counts = fs::read_to_string(counts).expect("callgrind has written it");
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.parse().ok()).expect("a total")
}

fn with_environment(run: Run, environment: &[String]) -> Run {
    environment.iter().fold(run, |run, assignment| {
        let (name, value) = assignment.split_once('=').expect("an assignment");
        run.env(name, value)
    })
}

/// Returns the calls of a trace by name, without those by which the dynamic linker maps `library`:
/// from openat to close, and the mprotect calls.
fn without_mapping(trace: &str, library: &Path) -> Counts {
    let library = library.display().to_string();
    let mut mapping = false;
    let mut mapped = 0..0;
    let mut counts = BTreeMap::new();
    for line in trace.lines() {
        let Some((name, rest)) = line.split_once('(') else {
            continue;
        };
        if name == "openat" && rest.contains(&library) {
            mapping = true;
        }
        let seals = name == "mprotect" && mapped.contains(&number(rest));
        if !mapping && !seals {
            *counts.entry(name.to_owned()).or_default() += 1.0;
        }
        if mapping && let Some(length) = rest.strip_prefix("NULL, ") {
            let start = rest.rsplit("= ").next().map_or(0, number);
            mapped = start..start + number(length);
        }
        mapping &= name != "close";
    }
    counts
}

/// Parses the number at the start of the text.
fn number(text: &str) -> u64 {
    let word = text.split([',', ' ']).next().unwrap_or_default();
    word.strip_prefix("0x")
        .map_or_else(|| word.parse(), |hex| u64::from_str_radix(hex, 16))
        .unwrap_or(0)
}

/// Runs strace with these arguments on a program in this environment; strace itself runs without
/// it.
fn strace(environment: &[String], words: &[&str], output: &Path) -> Result<Run, String> {
    let mut run = Run::bare(installed("strace")?).args(words);
    for assignment in environment {
        run = run.args(["-E", assignment]);
    }
    Ok(run.args([Path::new("-o"), output]))
}

/// Returns the assignments that preload `library` with these settings.
pub fn preload(library: &Path, way: Way) -> Vec<String> {
    let Some(settings) = way.0 else {
        return Vec::new();
    };
    let mut environment = vec![format!("LD_PRELOAD={}", library.display())];
    environment.extend(settings.iter().map(|&setting| setting.to_owned()));
    environment
}

/// The library as it is installed, without debugging information.
pub struct Shipped {
    _scratch: Scratch,
    pub path: PathBuf,
    /// The size in bytes.
    pub bytes: f64,
    /// The exported symbols, sorted.
    pub exports: Vec<String>,
    /// The needed libraries and symbol versions: the lines of the dynamic section that name them.
    pub needs: Vec<String>,
    /// The symbols that another library must have.
    pub required: Vec<String>,
    /// The symbols that another library may have.
    pub optional: Vec<String>,
}

impl Shipped {
    /// The error is the reason why this is unknown on this machine.
    pub fn new() -> Result<Shipped, String> {
        let scratch = Scratch::new();
        let path = scratch.file("libcfr.so");
        let strip = Run::bare(installed("strip")?).args([Path::new("-o"), &path, &library()]);
        strip.ok();
        let symbols = |words: [&str; 2], kind: &str| {
            let symbols =
                Run::bare(installed("nm")?).args(words).args(["--format=posix"]).args([&path]).ok();
            let lines = symbols.stdout.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            let lines = lines.filter(|words| kind.contains(words[1]));
            Ok::<_, String>(sorted(lines.map(|words| words[0].to_owned())))
        };
        let dynamic = Run::bare(installed("readelf")?).args(["-d", "-W"]).args([&path]).ok();
        let needs = |line: &&str| line.contains("(NEEDED)") || line.contains("(VERNEED)");
        Ok(Shipped {
            bytes: fs::metadata(&path).expect("is there").len() as f64,
            exports: symbols(["-D", "--defined-only"], "TtVvWw")?,
            needs: dynamic.stdout.lines().filter(needs).map(str::to_owned).collect(),
            required: symbols(["-D", "--undefined-only"], "U")?,
            optional: symbols(["-D", "--undefined-only"], "wv")?,
            path,
            _scratch: scratch,
        })
    }

    /// Reports whether it needs nothing but what every C library has.
    pub fn needs_nothing(&self) -> bool {
        self.needs.is_empty()
            && self.required == REQUIRED
            && self.optional.iter().all(|name| OPTIONAL.contains(&&**name))
    }
}

fn sorted(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut words: Vec<_> = words.collect();
    words.sort();
    words
}

fn installed(program: &str) -> Result<PathBuf, String> {
    find_program(program).ok_or(format!("{program} is not installed"))
}

fn is_tmpfs(path: &Path) -> bool {
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let mut answer = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: `path` is a C string, and the kernel writes one struct statfs.
    let failed = unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) };
    // SAFETY: it was zeroed, so it is initialized whatever the kernel did.
    let answer = unsafe { answer.assume_init() };
    failed == 0 && answer.f_type == libc::TMPFS_MAGIC
}
