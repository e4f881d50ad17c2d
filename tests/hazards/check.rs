//! Runs one hazard in every mode and compares each run with the bare one.

use crate::mode::{LogOutput, Mode, modes};
use crate::setup::PreparedHost;
use crate::table::{Exception, ExpectedLog, Hazard};
use cfr_testkit::{Filesystems, HostRun, find_program, parse, parse_text, skip, userland};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of a hazard in one mode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The same as the bare run, and the log is as expected.
    Same,
    /// Another end than the bare run's, as the table's exception says; its reason.
    Documented(&'static str),
    /// Neither; the difference.
    Failed(String),
    /// The hazard cannot run on this machine; the reason.
    Skipped(String),
}

/// The results of one hazard.
pub struct HazardResult<'a> {
    pub hazard: &'a Hazard,
    /// One verdict for each mode, in their order; the bare run is the first.
    pub verdicts: Vec<(Mode, Verdict)>,
}

impl HazardResult<'_> {
    /// Returns a message for each mode that failed.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.verdicts.iter().filter_map(|(mode, verdict)| match verdict {
            Verdict::Failed(how) => Some(format!("{} {mode}: {how}", self.hazard.name)),
            _ => None,
        })
    }

    /// Reports whether no mode was skipped.
    pub fn is_complete(&self) -> bool {
        self.verdicts.iter().all(|(_, verdict)| !matches!(verdict, Verdict::Skipped(_)))
    }
}

/// Runs `hazard` in every mode. If `is_long`, programs that repeat for a time do so for 10 seconds.
pub fn run_in_every_mode<'a>(
    hazard: &'a Hazard,
    filesystems: &Filesystems,
    is_long: bool,
) -> HazardResult<'a> {
    let test = format!("hazards: {}", hazard.name);
    let skipped = |reason: String| {
        skip(&test, &reason);
        let verdicts = std::iter::once(Mode::Bare).chain(modes());
        let verdicts = verdicts.map(|mode| (mode, Verdict::Skipped(reason.clone()))).collect();
        HazardResult { hazard, verdicts }
    };
    let host = match PreparedHost::new(hazard, filesystems) {
        Ok(host) => host,
        Err(reason) => return skipped(reason),
    };
    let run_once = |mode| {
        host.program(mode).run_in(&host.directory, host.wrapper(mode), |run, log| {
            let run = if is_long { run.env("LASTS", "10") } else { run };
            host.prepare(mode, run, log)
        })
    };
    // The harness panics if a program does not end or leaves a file that cannot be read; the other
    // modes still run.
    let run = |mode| {
        catch_unwind(AssertUnwindSafe(|| run_once(mode)))
            .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
    };
    let failed = |how| HazardResult { hazard, verdicts: vec![(Mode::Bare, Verdict::Failed(how))] };
    let bare = match run(Mode::Bare) {
        Ok(bare) => bare,
        Err(how) => return failed(how),
    };
    if let Some(reason) = bare.skip_reason() {
        return skipped(reason.to_owned());
    }
    if bare.output.status != Some(0) && userland().is_some() {
        let (status, signal) = (bare.output.status, bare.output.signal);
        return skipped(format!("without the library too: status {status:?}, signal {signal:?}"));
    }
    if bare.output.status != Some(0) {
        return failed(format!("{:?}", bare.output));
    }
    let mut verdicts = vec![(Mode::Bare, Verdict::Same)];
    for mode in modes() {
        let verdict = if mode == Mode::Strace && find_program("strace").is_none() {
            skip(&test, "strace is not installed");
            Verdict::Skipped("strace is not installed".to_owned())
        } else {
            match run(mode) {
                Ok(with) => check(hazard, mode, &bare, &with),
                Err(how) => Verdict::Failed(how),
            }
        };
        verdicts.push((mode, verdict));
    }
    HazardResult { hazard, verdicts }
}

fn check(hazard: &Hazard, mode: Mode, bare: &HostRun, with: &HostRun) -> Verdict {
    if let Some(Exception { end, reason, .. }) = hazard.exception(mode) {
        return if (with.output.status, with.output.signal) == end.status_and_signal() {
            Verdict::Documented(reason)
        } else {
            Verdict::Failed(format!("expected {end}, got {:?}", with.output))
        };
    }
    if let Some(difference) = with.difference(bare) {
        return Verdict::Failed(difference);
    }
    if matches!(mode, Mode::Library(LogOutput::Off, _)) && with.output.stderr != bare.output.stderr
    {
        return Verdict::Failed(format!("unexpected standard error: {:?}", with.output.stderr));
    }
    log_error(hazard, mode, with).map_or(Verdict::Same, Verdict::Failed)
}

/// Returns how the log differs from what the hazard's row expects.
fn log_error(hazard: &Hazard, mode: Mode, with: &HostRun) -> Option<String> {
    let (expected, lines) = match mode {
        Mode::Library(LogOutput::TextOnStderr, _) => {
            (hazard.on_stderr, parse_text(with.output.stderr.as_bytes(), "cfr: "))
        }
        Mode::Supervised if hazard.is_logged_supervised() => {
            // A call that a signal interrupts may be made again, and has two lines then.
            (ExpectedLog::AtLeast, parse("text", &with.log))
        }
        Mode::Library(LogOutput::TextInFile | LogOutput::Faults, _) => {
            (hazard.in_file, parse("text", &with.log))
        }
        Mode::Library(LogOutput::JsonInFile, _) => (hazard.in_file, parse("json", &with.log)),
        Mode::Library(LogOutput::Summary, _) => return summary_error(hazard, with),
        _ => return (!with.log.is_empty()).then(|| "unexpected log".to_owned()),
    };
    if expected == ExpectedLog::Unchecked {
        return None;
    }
    let lines = match lines {
        Ok(lines) => lines,
        Err(line) => return Some(format!("not a log line: {line:?}")),
    };
    if mode.is_faulted() && lines.delayed != lines.calls {
        return Some(format!("some calls were not delayed by the faults: {lines:?}"));
    }
    let calls = with.calls;
    let fits = match expected {
        ExpectedLog::Exact => lines.calls == calls && lines.messages.is_empty() && calls > 0,
        ExpectedLog::AtLeast => lines.calls >= calls && lines.calls > 0,
        ExpectedLog::AtMost => lines.calls <= calls,
        ExpectedLog::Empty => lines.calls == 0 && lines.messages.is_empty(),
        ExpectedLog::WholeLines | ExpectedLog::Unchecked => true,
    };
    (!fits).then(|| format!("expected {expected:?} for {calls} calls, got {lines:?}"))
}

/// Returns what is wrong with the summaries. A process writes one only if it ends by exit(3) or
/// _exit(2), so they may count fewer calls than were made.
fn summary_error(hazard: &Hazard, with: &HostRun) -> Option<String> {
    if hazard.on_stderr == ExpectedLog::Unchecked {
        return None;
    }
    match summarized_calls(&with.output.stderr) {
        Ok(calls) => {
            let is_too_many = calls > with.calls && hazard.on_stderr == ExpectedLog::Exact;
            is_too_many.then(|| format!("the summaries count {calls} calls of {}", with.calls))
        }
        Err(line) => Some(format!("not a line of a summary: {line:?}")),
    }
}

/// Returns the sum of the calls that the summaries on standard error count, or a line of the library
/// that is not a summary's.
fn summarized_calls(stderr: &str) -> Result<usize, String> {
    let mut calls = 0;
    for line in stderr.lines().filter_map(|line| line.strip_prefix("cfr: ")) {
        let heading = line.strip_prefix("summary of ").and_then(|heading| {
            let (_, counts) = heading.rsplit_once(": ")?;
            counts.split(' ').next()?.parse::<usize>().ok()
        });
        match heading {
            Some(more) => calls += more,
            None if line.starts_with("  ") => {}
            None => return Err(line.to_owned()),
        }
    }
    Ok(calls)
}
