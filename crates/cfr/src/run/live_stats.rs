//! The stats of a launcher that runs a program now, found by the number of a process. They are read, not
//! mapped: the program is not disturbed, and all numbers are of one moment.

use super::proc_stat::ProcStat;
use super::shared_stats::VARIABLE;
use crate::term::failure::{Failure, describe};
use cfr_shared::settings::STATS_NAME;
use cfr_shared::stats::{Collect, Counter, InFlight, Stats};
use cfr_sys as sys;
use cfr_sys::Mark;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

/// The most processes between the one that is asked about and its launcher.
const MAX_DEPTH: usize = 1000;

/// What the number of a process must be.
const EXPECTED: &str =
    "expected the number of a process of cfr trace or cfr run, or of one below it";

/// The stats of a launcher at a moment.
pub(crate) struct LiveStats {
    /// The launcher's process.
    pub(crate) launcher: u32,
    /// The launcher's command line.
    pub(crate) words: Vec<OsString>,
    /// A copy, without the calls in flight.
    pub(crate) stats: Stats,
    /// The calls that have not returned and whose threads are not known to have ended, the oldest first.
    pub(crate) in_flight: Vec<InFlight>,
    /// The moment, by the monotonic clock.
    pub(crate) now_ns: u64,
}

impl LiveStats {
    /// Finds the stats that the process counts in: its own if it is a launcher, or those of the nearest
    /// launcher above it.
    pub(crate) fn find(pid: u32) -> Result<LiveStats, Failure> {
        match fs::symlink_metadata(format!("/proc/{pid}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::new(format!("there is no process {pid}: {EXPECTED}")));
            }
            _ => {}
        }
        // The files of the process itself must be readable.
        let mut files = Some(own_files(pid).map_err(|error| cannot_read(pid, &error))?);
        let mut ended = None;
        let mut process = pid;
        for _ in 0..MAX_DEPTH {
            let own = files.take().or_else(|| own_files(process).ok()).unwrap_or_default();
            let named = named_in_environment(process);
            match &own[..] {
                [] => {}
                // The supervisor has the launcher's open.
                [only] => match named.filter(|(_, path)| is_same(path, only)) {
                    Some((launcher, path)) => return LiveStats::read(launcher, &path),
                    None => return LiveStats::read(process, only),
                },
                several => {
                    return Err(Failure::new(format!(
                        "process {process} is a sweep with {} runs now: expected the number of a \
                         process in one of them",
                        several.len()
                    )));
                }
            }
            match named {
                Some((launcher, path)) if is_stats(&path) => {
                    return LiveStats::read(launcher, &path);
                }
                Some((launcher, _)) => ended = Some(launcher),
                None if is_launcher(process) => return Err(keeps_none(process)),
                None => {}
            }
            match parent(process) {
                Some(above @ 1..) => process = above,
                _ => break,
            }
        }
        Err(Failure::new(match ended {
            Some(launcher) => {
                format!("the launcher of process {pid}, process {launcher}, has ended: {EXPECTED}")
            }
            None => format!("process {pid} is not below a launcher: {EXPECTED}"),
        }))
    }

    fn read(launcher: u32, path: &Path) -> Result<LiveStats, Failure> {
        let words = read_words(path).map_err(|error| cannot_read(launcher, &error))?;
        let now_ns = sys::monotonic_ns();
        let words = words.map(|words| -> &'static [AtomicU64] { Vec::leak(words) });
        let stats = words.and_then(Stats::over);
        let stats = stats.filter(|stats| stats.get(Counter::Layout) == Stats::LAYOUT);
        let stats = stats.ok_or_else(|| {
            Failure::new(format!(
                "process {launcher} is another build of cfr: expected version {}; use \
                 /proc/{launcher}/exe summary {launcher}",
                env!("CARGO_PKG_VERSION")
            ))
        })?;
        if !stats.collects(Collect::SUMMARY) {
            return Err(keeps_none(launcher));
        }
        let mut in_flight: Vec<_> = stats.in_flight().filter(InFlight::end).collect();
        // The slots keep what they hold.
        in_flight.iter().for_each(InFlight::forget);
        in_flight.sort_by_key(InFlight::begun_ns);
        let line = fs::read(format!("/proc/{launcher}/cmdline")).unwrap_or_default();
        let line = line.strip_suffix(&[0]).unwrap_or(&line);
        let words = line.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec()));
        Ok(LiveStats { launcher, words: words.collect(), stats, in_flight, now_ns })
    }
}

fn cannot_read(pid: u32, error: &io::Error) -> Failure {
    let expected = match error.kind() {
        io::ErrorKind::PermissionDenied => ": expected the user of the process, or root",
        _ => "",
    };
    Failure::new(format!("cannot read /proc/{pid}/fd: {}{expected}", describe(error)))
}

fn keeps_none(launcher: u32) -> Failure {
    Failure::new(format!(
        "the launcher, process {launcher}, keeps no summary: expected one that was started with \
         --summary (-c), --expect or --results"
    ))
}

/// Returns the paths of the memory files with stats that a process has open.
fn own_files(pid: u32) -> io::Result<Vec<PathBuf>> {
    let open = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let paths = open.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| is_stats(path)).collect())
}

/// Reports whether it is the path of a memory file with stats. Of another version it has no mark, but the
/// name; where memory files are denied it has no name.
fn is_stats(path: &Path) -> bool {
    let Ok(target) = fs::read_link(path) else { return false };
    let target = target.as_os_str().as_bytes();
    target == STATS_NAME || target.ends_with(b" (deleted)") && is_marked(path).unwrap_or(false)
}

fn is_marked(path: &Path) -> io::Result<bool> {
    let Mark { at, word } = Stats::MARK;
    // A FIFO, for example, would wait for a writer.
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut bytes = [0; size_of::<u64>()];
    File::open(path)?.read_exact_at(&mut bytes, (at * size_of::<u64>()) as u64)?;
    Ok(u64::from_ne_bytes(bytes) == word)
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    id(one).is_some_and(|one| id(other) == Some(one))
}

/// Returns the launcher that a process was started under, and the path of its stats.
fn named_in_environment(pid: u32) -> Option<(u32, PathBuf)> {
    let variables = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = variables
        .split(|&byte| byte == 0)
        .find_map(|variable| variable.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="))?;
    let launcher = str::from_utf8(value).ok()?.strip_prefix("/proc/")?.split('/').next()?;
    Some((launcher.parse().ok()?, PathBuf::from(OsStr::from_bytes(value))))
}

fn is_launcher(pid: u32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    // A program that was replaced since is marked.
    program.file_name().is_some_and(|name| name == "cfr" || name == "cfr (deleted)")
}

/// Returns the number of the parent.
fn parent(pid: u32) -> Option<u32> {
    ProcStat::read(format!("/proc/{pid}/stat"))?.field(4)?.parse().ok()
}

/// Reads the words of a memory file; `None` if it has not the size of stats.
fn read_words(path: &Path) -> io::Result<Option<Vec<AtomicU64>>> {
    let mut file = File::open(path)?;
    let words = usize::try_from(file.metadata()?.len()).unwrap_or(0) / size_of::<u64>();
    if ![Stats::WORDS, Stats::WORDS_WITH_RING].contains(&words) {
        return Ok(None);
    }
    let mut bytes = vec![0; Stats::WORDS * size_of::<u64>()];
    file.read_exact(&mut bytes)?;
    let (words, _) = bytes.as_chunks();
    Ok(Some(words.iter().map(|word| AtomicU64::new(u64::from_ne_bytes(*word))).collect()))
}
