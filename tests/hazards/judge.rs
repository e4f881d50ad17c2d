//! One hazard in every mode, against the bare program.

use crate::mode::{Mode, Saying, modes};
use crate::setup::Staged;
use crate::table::{Hazard, Log, Unlike};
use cfr_testkit::{Filesystems, Outcome, find_program, parse, parse_text, skip};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// As the bare run, and with a log as it must be.
    Same,
    /// Otherwise, as the table says; why.
    AsSaid(&'static str),
    /// Otherwise; how.
    Failed(String),
    /// It cannot be tried here; why.
    Skipped(String),
}

/// A hazard that was tried.
pub struct Tried<'a> {
    /// Which.
    pub hazard: &'a Hazard,
    /// By mode, in their order; the bare run is the first.
    pub endings: Vec<(Mode, Ending)>,
}

impl Tried<'_> {
    /// What is wrong.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        self.endings.iter().filter_map(|(mode, ending)| match ending {
            Ending::Failed(how) => Some(format!("{} {mode}: {how}", self.hazard.name)),
            _ => None,
        })
    }

    /// Whether nothing was skipped.
    pub fn is_whole(&self) -> bool {
        self.endings.iter().all(|(_, ending)| !matches!(ending, Ending::Skipped(_)))
    }
}

/// Runs it. `lasts`: as long as it can.
pub fn in_each_mode<'a>(hazard: &'a Hazard, filesystems: &Filesystems, lasts: bool) -> Tried<'a> {
    let skipped = |reason: String| {
        skip(&format!("torture: {}", hazard.name), &reason);
        let endings = std::iter::once(Mode::Bare).chain(modes());
        let endings = endings.map(|mode| (mode, Ending::Skipped(reason.clone()))).collect();
        Tried { hazard, endings }
    };
    let staged = match Staged::new(hazard, filesystems) {
        Ok(staged) => staged,
        Err(reason) => return skipped(reason),
    };
    let run_it = |mode| {
        staged.host(mode).run_in(&staged.place, staged.starter(mode), |run, log| {
            let run = if lasts { run.env("LASTS", "10") } else { run };
            staged.prepare(mode, run, log)
        })
    };
    // The harness panics where a program does not end, or leaves what cannot be read; the other modes
    // go on.
    let run = |mode| {
        catch_unwind(AssertUnwindSafe(|| run_it(mode)))
            .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
    };
    let failed = |how| Tried { hazard, endings: vec![(Mode::Bare, Ending::Failed(how))] };
    let bare = match run(Mode::Bare) {
        Ok(bare) => bare,
        Err(how) => return failed(how),
    };
    if let Some(reason) = bare.cannot() {
        return skipped(reason.to_owned());
    }
    if bare.output.status != Some(0) {
        return failed(format!("{:?}", bare.output));
    }
    let mut endings = vec![(Mode::Bare, Ending::Same)];
    for mode in modes() {
        let ending = if mode == Mode::Strace && find_program("strace").is_none() {
            skip(&format!("torture: {}", hazard.name), "strace is not installed");
            Ending::Skipped("strace is not installed".to_owned())
        } else {
            match run(mode) {
                Ok(with) => judge(hazard, mode, &bare, &with),
                Err(how) => Ending::Failed(how),
            }
        };
        endings.push((mode, ending));
    }
    Tried { hazard, endings }
}

fn judge(hazard: &Hazard, mode: Mode, bare: &Outcome, with: &Outcome) -> Ending {
    if let Some(Unlike { ending, why, .. }) = hazard.unlike(mode) {
        let ended = (with.output.status, with.output.signal);
        return match ended == ending.pair() {
            true => Ending::AsSaid(why),
            false => Ending::Failed(format!("{ending:?} was expected: {:?}", with.output)),
        };
    }
    if let Some(difference) = with.difference(bare) {
        return Ending::Failed(difference);
    }
    let said = match log_trouble(hazard, mode, with) {
        Some(trouble) => Ending::Failed(trouble),
        None => Ending::Same,
    };
    match mode {
        Mode::Library(Saying::Nothing, _) if with.output.stderr != bare.output.stderr => {
            Ending::Failed(format!("it says {:?}", with.output.stderr))
        }
        _ => said,
    }
}

/// What is wrong with the log.
fn log_trouble(hazard: &Hazard, mode: Mode, with: &Outcome) -> Option<String> {
    let stderr = || parse_text(with.output.stderr.as_bytes(), "cfr: ");
    let (demand, lines) = match mode {
        Mode::Library(Saying::TextOnStderr, _) => (hazard.on_stderr, stderr()),
        Mode::Library(Saying::TextInFile | Saying::Faults, _) => {
            (hazard.in_file, parse("text", &with.log))
        }
        Mode::Library(Saying::JsonInFile, _) => (hazard.in_file, parse("json", &with.log)),
        Mode::Library(Saying::Summary, _) => return summary_trouble(hazard, with),
        _ => return (!with.log.is_empty()).then(|| "there is a log".to_owned()),
    };
    if demand == Log::Any {
        return None;
    }
    let lines = match lines {
        Ok(lines) => lines,
        Err(line) => return Some(format!("not a line: {line:?}")),
    };
    if mode.is_faulted() && lines.delayed != lines.calls {
        return Some(format!("not every call met the faults: {lines:?}"));
    }
    let calls = with.calls;
    let fits = match demand {
        Log::Exact => lines.calls == calls && lines.messages.is_empty() && calls > 0,
        Log::AtLeast => lines.calls >= calls && lines.calls > 0,
        Log::AtMost => lines.calls <= calls,
        Log::Silent => lines.calls == 0 && lines.messages.is_empty(),
        Log::Whole | Log::Any => true,
    };
    (!fits).then(|| format!("{demand:?}, {calls} calls: {lines:?}"))
}

/// What is wrong with the summaries. Who ends otherwise than by exit(3) or _exit(2) leaves none.
fn summary_trouble(hazard: &Hazard, with: &Outcome) -> Option<String> {
    if hazard.on_stderr == Log::Any {
        return None;
    }
    match summarized(&with.output.stderr) {
        Ok(calls) => {
            let too_many = calls > with.calls && hazard.on_stderr == Log::Exact;
            too_many.then(|| format!("{calls} calls are summed up, {} made", with.calls))
        }
        Err(line) => Some(format!("not a line of a summary: {line:?}")),
    }
}

/// How many calls the summaries on standard error tell of, or a line of ours that is no summary's.
fn summarized(stderr: &str) -> Result<usize, String> {
    let mut calls = 0;
    for line in stderr.lines().filter_map(|line| line.strip_prefix("cfr: ")) {
        let heading = line.strip_prefix("summary of ").and_then(|heading| {
            let (_, counted) = heading.rsplit_once(": ")?;
            counted.split(' ').next()?.parse::<usize>().ok()
        });
        match heading {
            Some(more) => calls += more,
            None if line.starts_with("  ") => {}
            None => return Err(line.to_owned()),
        }
    }
    Ok(calls)
}
