//! Coming into a process: by the constructor, or by the first call where another library's
//! constructor copies before ours has run.
//!
//! No log is opened here and, unless a setting asks for a log or the launcher for its counts, no
//! system call is made. The host may be anything: the environment is read once, what is needed of
//! it is copied, and it is never looked at again.

use crate::inject::{ARMED, Armed};
use crate::intercept::{NEXT, POLICY};
use crate::log::{self, Complaints};
use crate::pass_on::{NEXT_IOCTL, NEXT_SENDFILE, NEXT_SENDFILE64};
use crate::recording::{self, SUMMARY, WITNESS};
use crate::route::{self, Gate, NEXT_SYSCALL};
use cfr_engine::hook::Hook;
use cfr_shared::line::Line;
use cfr_shared::settings::{
    Forward, Level, PATH_MAX, Reason, STATS_NAME, Setting, Settings, SummaryTarget, TABLE, Values,
};
use cfr_shared::stats::{Counter, Stats};
use cfr_sys::{self as sys, Arena, NextExit, OnceBytes};
use core::fmt::Write;
use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};

/// env(1)'s and timeout(1)'s status for trouble of their own; the launcher's too.
const STATUS_OWN_FAILURE: i32 = 125;

/// The next library's `_exit`.
pub(crate) static NEXT_EXIT: NextExit = NextExit::new();

static BEGUN: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ARENA: Arena = Arena::new();

#[ctor::ctor(unsafe)]
fn constructor() {
    run();
}

/// Reads the settings and opens the hooks, once. Who comes while that is under way finds the
/// hooks unready and goes straight to the kernel.
pub(crate) fn run() {
    if BEGUN.swap(true, Ordering::Relaxed) {
        return;
    }
    let errno = sys::errno();
    begin();
    sys::set_errno(errno);
}

fn begin() {
    NEXT_SYSCALL.resolve();
    NEXT_IOCTL.symbol().resolve();
    NEXT_SENDFILE.symbol().resolve();
    NEXT_SENDFILE64.symbol().resolve();
    NEXT_EXIT.symbol().resolve();
    if sys::is_secure() {
        open_hooks(|_| Gate::Forward);
        return;
    }
    let (mut settings, complaints) = read_environment();
    // Not where the library came by dlopen(3): then the program is long running.
    if settings.strict
        && is_preloaded()
        && let Some(error) = complaints.first()
    {
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        let _ = write!(line, "cfr: {error}");
        let _ = sys::write(2, line.finish(false));
        sys::exit(STATUS_OWN_FAILURE);
    }
    if settings.forward == Forward::Next
        && let Some(next) = sys::next_copy_file_range()
    {
        NEXT.set(next);
    }
    if let Some(path) = settings.stats
        && let Ok(words) = sys::map_shared(path, STATS_NAME, Stats::WORDS)
        && let Some(witness) = Stats::over(words)
    {
        witness.add(Counter::Programs, 1);
        WITNESS.set(witness);
    }
    if settings.summary != SummaryTarget::No
        && let Ok(words) = sys::map_zeroed_on_fork(Stats::WORDS)
        && let Some(accounts) = Stats::over(words)
    {
        // A child of vfork(2) that calls first is not taken for the owner.
        accounts.set(Counter::Owner, sys::getpid().unsigned_abs().into());
        SUMMARY.set(accounts);
    }
    if let Some(faults) = settings.inject.take()
        && let Some(armed) = Armed::new(faults)
    {
        ARMED.set(armed);
    }
    let is_wanted = settings.log > Level::Off || recording::is_counted();
    // A panic of ours is reported by the flow that it happened in; the standard hook would write
    // to whatever descriptor 2 is by then.
    std::panic::set_hook(Box::new(|_| {}));
    if is_wanted {
        log::install(
            settings,
            complaints,
            [WITNESS.get(), SUMMARY.get()].map(Option::<&_>::copied),
        );
    }
    let policy = settings.policy;
    POLICY.set(policy);
    let has_next = NEXT.get().is_some();
    let unwatched = if has_next { Gate::Next } else { Gate::Forward };
    let watched = match policy.first_flags_of_ours() {
        _ if is_wanted => Gate::Watch,
        1 if has_next => Gate::NextPlain,
        1 => Gate::ForwardPlain,
        _ => Gate::Watch,
    };
    open_hooks(|hook| match ARMED.get() {
        _ if !settings.hooks.contains(hook) => unwatched,
        Some(armed) if armed.apply_to(hook) => Gate::Watch,
        _ => watched,
    });
}

fn open_hooks(behind: impl Fn(Hook) -> Gate) {
    for hook in Hook::ALL {
        route::set(hook, behind(hook));
    }
}

fn read_environment() -> (Settings<'static>, Complaints) {
    let mut settings = Settings::new(is_preloaded());
    let mut complaints = Complaints::none();
    let mut seen = [false; TABLE.len()];
    for entry in sys::environment() {
        let entry = entry.to_bytes();
        if !entry.starts_with(b"CFR_") {
            continue;
        }
        let equals = entry.iter().position(|&byte| byte == b'=').unwrap_or(entry.len());
        let (variable, value) = entry.split_at(equals);
        let value = value.strip_prefix(b"=").unwrap_or_default();
        let mut rows = TABLE.iter().zip(&mut seen);
        let Some((setting, seen)) =
            rows.find(|(setting, _)| setting.variable.as_bytes() == variable)
        else {
            continue;
        };
        // Of two variables of one name the first counts: getenv(3).
        if mem::replace(seen, true) {
            continue;
        }
        // The faults borrow from their text. A text that does not fit is refused by the parser.
        let value = match setting.values {
            Values::Faults => keep_faults(value).unwrap_or(value),
            _ => value,
        };
        if let Err(error) = setting.set(&mut settings, value) {
            complaints.add(&error);
        }
    }
    if settings.log > Level::Off
        && let Some(template) = settings.log_file
    {
        static KEPT: Template = Template::new();
        settings.log_file = kept(template, &KEPT);
        if settings.log_file.is_none() {
            complain(b"CFR_LOG_FILE", template, &mut complaints);
        }
    }
    if let SummaryTarget::File(template) = settings.summary {
        static KEPT: Template = Template::new();
        settings.summary = kept(template, &KEPT).map_or(SummaryTarget::Yes, SummaryTarget::File);
        if settings.summary == SummaryTarget::Yes {
            complain(b"CFR_SUMMARY", template, &mut complaints);
        }
    }
    while let Err(error) = settings.settle() {
        complaints.add(&error);
    }
    (settings, complaints)
}

/// Copies the text of the faults, because hosts overwrite their environment.
fn keep_faults(text: &[u8]) -> Option<&'static [u8]> {
    static KEPT: Template = Template::new();
    KEPT.init(|room| {
        room.get_mut(..text.len())?.copy_from_slice(text);
        Some(text.len())
    })
}

fn complain(variable: &[u8], value: &[u8], complaints: &mut Complaints) {
    if let Some(setting) = Setting::by_variable(variable) {
        complaints.add(&setting.error(value, Reason::Unexpected));
    }
}

/// Whether `LD_PRELOAD` names us: its entries are separated by spaces or colons (ld.so(8)).
fn is_preloaded() -> bool {
    sys::environment()
        .filter_map(|entry| entry.to_bytes().strip_prefix(b"LD_PRELOAD="))
        .flat_map(|list| list.split(|&byte| byte == b' ' || byte == b':'))
        .filter_map(|entry| entry.rsplit(|&byte| byte == b'/').next())
        .any(|name| name.starts_with(b"libcfr.so"))
}

/// Room for the template of a file's path.
type Template = OnceBytes<PATH_MAX>;

/// A copy of a file's template, because hosts overwrite their environment; from the root,
/// because they change their directory before they copy. Percent signs in the working directory
/// are not placeholders. `None` where it does not fit: no file of such a path can be opened.
fn kept(template: &[u8], place: &'static Template) -> Option<&'static [u8]> {
    place.init(|room| {
        let mut end = 0;
        if !template.starts_with(b"/") {
            // Without a slash where it is out of reach: getcwd(2), "(unreachable)".
            let len = sys::getcwd(room).ok().filter(|_| room.starts_with(b"/"))?;
            end = double_percent_signs(room, len)?;
            *room.get_mut(end)? = b'/';
            end += 1;
        }
        room.get_mut(end..end + template.len())?.copy_from_slice(template);
        Some(end + template.len())
    })
}

/// Doubles each percent sign among the first `len` bytes, from the last: their number then.
fn double_percent_signs(bytes: &mut [u8], len: usize) -> Option<usize> {
    let signs = bytes.get(..len)?.iter().filter(|&&byte| byte == b'%').count();
    let mut to = len + signs;
    for from in (0..len).rev() {
        let byte = *bytes.get(from)?;
        for _ in 0..if byte == b'%' { 2 } else { 1 } {
            to -= 1;
            *bytes.get_mut(to)? = byte;
        }
    }
    Some(len + signs)
}
