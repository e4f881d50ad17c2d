//! The program without faults: that it works, how long it takes, and which calls it makes.

use super::positions::{Calls, Used};
use super::runner::{Bench, must_succeed};
use crate::log::entry::Entry;
use crate::log::reader::Log;
use crate::program::locate::Visibility;
use crate::run::blind_spot::no_call_reason;
use crate::term::failure::{Failure, say, told};
use cfr_engine::hook::{Hook, Hooks};
use cfr_shared::settings::Level;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long it may take where no time is given.
const LONGEST: Duration = Duration::from_secs(300);
/// The least limit of a run with a fault, and how many times longer than without.
const LEAST_LIMIT: Duration = Duration::from_secs(10);
const TIMES: u32 = 20;

/// What is known of the program.
pub(super) struct Baseline {
    /// From its start to its end.
    pub(super) took: Duration,
    /// How long a run with a fault may take.
    pub(super) limit: Duration,
    /// The hooks that it uses.
    pub(super) used: Vec<Used>,
}

/// Runs it once.
pub(super) fn run(
    bench: &mut Bench,
    timeout: Option<Duration>,
    hooks: Hooks,
) -> Result<Baseline, Failure> {
    let limit = timeout.unwrap_or(LONGEST);
    let cannot =
        |error: std::io::Error| Failure::new(format!("cannot make a log: {}", told(&error)));
    let log = tempfile::tempfile().map_err(cannot)?;
    let path = path(&log);
    let place = bench.prepared(limit)?;
    let (visibility, program) = bench.look(&place)?;
    if let Visibility::Unseen(why) | Visibility::Bypassed(why) | Visibility::Fatal(why) = visibility
    {
        return Err(Failure::new(format!("{why}; nothing can be injected into it")));
    }
    let settings = [
        ("CFR_LOG", "info".into()),
        ("CFR_LOG_FILE", path.clone().into()),
        ("CFR_LOG_FORMAT", "json".into()),
        ("CFR_PATHS", "no".into()),
    ];
    let run = bench.run(place, &settings, limit)?;
    must_succeed(&run.ended, "the program without a fault", limit)?;
    if let Some(check) = &run.check {
        must_succeed(check, "--check after a run without a fault", limit)?;
    }
    let used = used(&path)?;
    if used.is_empty() {
        let silent = no_call_reason(run.seen, bench.visibility(), Level::Info, hooks, &program);
        let why = silent.unwrap_or_else(|| "its log could not be written".to_owned());
        return Err(Failure::new(format!("there is no call that a fault could hit: {why}")));
    }
    let took = run.ended.took;
    let limit = timeout.unwrap_or_else(|| LEAST_LIMIT.max(took.saturating_mul(TIMES)));
    Ok(Baseline { took, limit, used })
}

/// A name for a file that has none, for whoever may look into this process.
fn path(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

/// Which calls were made: of each hook, by the process that made most.
fn used(log: &Path) -> Result<Vec<Used>, Failure> {
    let mut by_process: BTreeMap<(u32, usize), Calls> = BTreeMap::new();
    let mut log = Log::open(log)?;
    while let Some(line) = log.next()? {
        match Entry::read(line) {
            Some(Entry::Call(call)) if call.first => {
                let hook = Hook::ALL.iter().position(|hook| hook.name() == call.hook);
                let Some(hook) = hook else { continue };
                let is_clone = matches!(call.request.as_deref(), Some("FICLONE" | "FICLONERANGE"));
                let calls = by_process.entry((call.moment.pid, hook)).or_default();
                calls.add(!is_clone, call.bytes);
            }
            Some(Entry::Message(message)) if message.lost().is_some() => {
                say("the log of the run without a fault has gaps; some calls may not be tried");
            }
            _ => {}
        }
    }
    let most = |(place, hook)| {
        let calls = by_process.iter().filter(|((_, other), _)| *other == place);
        let calls = calls.map(|(_, &calls)| calls).reduce(Calls::most)?;
        Some(Used { hook, calls })
    };
    Ok((0..).zip(Hook::ALL).filter_map(most).collect())
}
