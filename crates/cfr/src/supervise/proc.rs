//! Files of proc(5) about threads of the tree. Their numbers are those of this process id namespace:
//! in one without a /proc of its own the files are other processes', and are not read.

use cfr_sys::other_process;
use signal_hook::consts::signal::SIGKILL;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

/// Reads a file of thread or process `id`; empty if it has ended, or /proc is not ours.
pub(super) fn read(id: i32, name: &str) -> Vec<u8> {
    if !is_ours() {
        return Vec::new();
    }
    std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default()
}

/// Returns what a line of proc_pid_maps(5) has if it is about the file with this metadata: device and
/// inode.
pub(super) fn words_in_maps(file: &Metadata) -> String {
    let device = file.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    format!(" {major:02x}:{minor:02x} {} ", file.ino())
}

/// Reports whether process `pid` has not mapped the file with these words, the stats. The library has,
/// and counts its programs itself. False if that is unknown.
pub(super) fn is_without(pid: i32, words: &str) -> bool {
    let maps = read(pid, "maps");
    !maps.is_empty() && memchr::memmem::find(&maps, words.as_bytes()).is_none()
}

/// Reports whether `address` of process or thread `id` is mapped for reading or writing
/// (proc_pid_maps(5)).
pub(super) fn is_mapped(id: i32, address: u64) -> bool {
    let maps = String::from_utf8_lossy(&read(id, "maps")).into_owned();
    maps.lines().any(|line| {
        let mut words = line.split(' ');
        let range = words.next().and_then(|range| range.split_once('-'));
        let number = |text| u64::from_str_radix(text, 16).unwrap_or(0);
        let holds =
            range.is_some_and(|(start, end)| (number(start)..number(end)).contains(&address));
        holds && words.next().is_some_and(|access| !access.starts_with("--"))
    })
}

// The types of entries in the auxiliary vector (linux/auxvec.h).
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;

/// Reads an entry of the auxiliary vector of process `pid` (getauxval(3)).
fn auxiliary_value(pid: i32, wanted: u64) -> Option<u64> {
    let vector = read(pid, "auxv");
    let mut words =
        vector.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
    loop {
        let (kind, value) = (words.next()?, words.next()?);
        if kind == wanted {
            return Some(value);
        }
    }
}

/// Returns random bytes that each execve(2) makes and fork(2) keeps (getauxval(3), `AT_RANDOM`).
/// `None` if the process may not be traced, or is a 32-bit program's.
pub(super) fn random(pid: i32) -> Option<u64> {
    let mut random = [0; 8];
    let address = auxiliary_value(pid, AT_RANDOM)?;
    let read = other_process::read_memory(pid, address, &mut random).ok()?;
    (read == random.len()).then_some(u64::from_ne_bytes(random))
}

/// Returns the name by which the process was executed, without its directories: the same name that
/// the library has for `%e`.
pub(super) fn program(pid: i32) -> Vec<u8> {
    let path = execfn(pid).unwrap_or_else(|| b"unknown".to_vec());
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_vec()
}

/// Returns the path that the program was executed by (getauxval(3), `AT_EXECFN`).
fn execfn(pid: i32) -> Option<Vec<u8>> {
    let address = auxiliary_value(pid, AT_EXECFN)?;
    let mut path = vec![0; 4096];
    let read = other_process::read_memory(pid, address, &mut path).ok()?;
    path.truncate(read);
    let end = path.iter().position(|&byte| byte == 0)?;
    path.truncate(end);
    Some(path)
}

/// The fields of proc_pid_status(5).
pub(super) struct Status(String);

impl Status {
    pub(super) fn of(tid: i32) -> Status {
        Status(String::from_utf8_lossy(&read(tid, "status")).into_owned())
    }

    /// Returns the words of a field.
    pub(super) fn field(&self, name: &str) -> impl Iterator<Item = &str> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().split_whitespace()
    }

    /// Reports whether SIGKILL is pending.
    pub(super) fn is_killed(&self) -> bool {
        (self.mask("SigPnd") | self.mask("ShdPnd")) & 1 << (SIGKILL - 1) != 0
    }

    /// Returns a field that is a mask in hexadecimal; 0 if it is unknown.
    pub(super) fn mask(&self, name: &str) -> u64 {
        let word = self.field(name).next();
        word.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0)
    }
}

fn is_ours() -> bool {
    static IS_OURS: OnceLock<bool> = OnceLock::new();
    *IS_OURS.get_or_init(|| {
        let own = std::process::id().to_string();
        std::fs::read_link("/proc/self").is_ok_and(|link| link == Path::new(&own))
    })
}
