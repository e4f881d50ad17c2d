//! Coming into a process: by the constructor, or by the first call where another library's
//! constructor copies before ours has run.
//!
//! Nothing is opened here and, unless a setting asks for a log, no system call is made. The host
//! may be anything: the environment is read once, copied, and never looked at again.

use crate::gate::{self, Gate, NEXT_SYSCALL};
use crate::intercept::{NEXT, WITNESS};
use crate::log::{self, Complaints};
use cfr_core::door::Door;
use cfr_core::line::Line;
use cfr_core::settings::{Forward, Level, Path, Setting, Settings};
use cfr_core::sys;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

/// env(1)'s and timeout(1)'s status for trouble of their own; the launcher's too.
const STATUS_OWN_FAILURE: i32 = 125;

static BEGUN: AtomicBool = AtomicBool::new(false);

#[ctor::ctor(unsafe)]
fn constructor() {
    run();
}

/// Reads the settings and opens the doors, once. Who comes while that is under way finds the
/// doors unready and goes straight to the kernel.
pub(crate) fn run() {
    if BEGUN.swap(true, Ordering::Relaxed) {
        return;
    }
    let errno = sys::errno();
    begin();
    sys::set_errno(errno);
}

fn begin() {
    NEXT_SYSCALL.store(sys::next_syscall(), Ordering::Relaxed);
    if sys::is_secure() {
        open_doors(|_| Gate::Forward);
        return;
    }
    let (settings, complaints) = read_environment();
    if settings.strict
        && let Some(unusable) = complaints.first()
    {
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        let _ = write!(line, "cfr: {}: {unusable}", unusable.setting.variable);
        let _ = sys::write(2, line.finish(false));
        sys::exit(STATUS_OWN_FAILURE);
    }
    if settings.forward == Forward::Next
        && let Some(next) = sys::next_copy_file_range()
    {
        let _ = NEXT.set(next);
    }
    if let Some(path) = &settings.witness
        && let Ok(witness) = sys::map_shared(path.as_c_str())
    {
        let [processes, _] = WITNESS.get_or_init(|| witness);
        processes.fetch_add(1, Ordering::Relaxed);
    }
    // A panic of ours is reported by the flow that it happened in; the standard hook would write
    // to whatever descriptor 2 is by then.
    std::panic::set_hook(Box::new(|_| {}));
    log::install(settings, complaints);
    let unwatched = if NEXT.get().is_some() { Gate::Next } else { Gate::Forward };
    open_doors(|door| {
        if settings.log > Level::Off && settings.doors.contains(door) {
            Gate::Watch
        } else {
            unwatched
        }
    });
}

fn open_doors(behind: impl Fn(Door) -> Gate) {
    for door in Door::ALL {
        gate::set(door, behind(door));
    }
}

fn read_environment() -> (Settings, Complaints) {
    let mut settings = Settings::new(is_preloaded());
    let mut complaints = Complaints::none();
    for entry in sys::environment() {
        let entry = entry.to_bytes();
        if !entry.starts_with(b"CFR_") {
            continue;
        }
        let equals = entry.iter().position(|&byte| byte == b'=').unwrap_or(entry.len());
        let (variable, value) = entry.split_at(equals);
        let value = value.strip_prefix(b"=").unwrap_or_default();
        if let Some(setting) = Setting::by_variable(variable)
            && let Err(unusable) = settings.set(setting, value)
        {
            complaints.add(&unusable);
        }
    }
    settings.log_file = settings.log_file.map(absolute);
    (settings, complaints)
}

/// Whether `LD_PRELOAD` names us: its entries are separated by spaces or colons (ld.so(8)).
fn is_preloaded() -> bool {
    sys::environment()
        .filter_map(|entry| entry.to_bytes().strip_prefix(b"LD_PRELOAD="))
        .flat_map(|list| list.split(|&byte| byte == b' ' || byte == b':'))
        .filter_map(|entry| entry.rsplit(|&byte| byte == b'/').next())
        .any(|name| name.starts_with(b"libcfr.so"))
}

/// A log file is found from where the process started, whatever chdir(2) it makes before it
/// copies. Percent signs in the working directory are not placeholders.
fn absolute(file: Path) -> Path {
    if file.as_bytes().starts_with(b"/") {
        return file;
    }
    let mut directory = [0; Path::LONGEST];
    let Ok(len) = sys::getcwd(&mut directory) else {
        return file;
    };
    let mut path = Path::empty();
    let fits =
        directory.get(..len).unwrap_or_default().iter().all(|&byte| {
            path.push(if byte == b'%' { b"%%" } else { core::slice::from_ref(&byte) })
        }) && path.push(b"/")
            && path.push(file.as_bytes());
    if fits { path } else { file }
}
