//! `--expect` and `--results`: checks what a program copied, and writes the results file.
//!
//! A file uses only files above it in this list.

mod quantity;

mod expectation;

mod parse;

mod check;

mod results;

mod message;

use crate::run::blind_spot::BlindSpot;
use crate::run::child::ChildExit;
use crate::run::environment::CheckedSettings;
use crate::run::summary::RunInfo;
use crate::term::failure::Failure;
use cfr_shared::stats::Stats;
use expectation::Expectation;
use results::ResultsFile;
use std::ffi::OsString;
use std::path::Path;

/// The exit status if an expectation does not hold. timeout(1), env(1) and nohup(1) use 124 to 127,
/// a shell the numbers above, programs low numbers; xargs(1) uses 123 if one of its commands
/// failed.
pub(crate) const EXPECTATION_FAILED: u8 = 123;

/// The expectations of the user, and the results file.
pub(crate) struct Expectations {
    all: Vec<Expectation>,
    /// `None` if it was not asked for, or was written.
    file: Option<ResultsFile>,
}

/// What was seen of a program that has ended.
pub(crate) struct RunResult<'a> {
    pub(crate) stats: &'a Stats,
    /// The path of the program.
    pub(crate) program: &'a Path,
    pub(crate) info: &'a RunInfo<'a>,
    pub(crate) blind_spot: Option<BlindSpot>,
    /// What is known if no call was seen, if it was not reported yet.
    pub(crate) none_seen: Option<&'a str>,
    pub(crate) checked: &'a CheckedSettings,
    /// The error of the launcher.
    pub(crate) error: Option<&'a Failure>,
}

impl Expectations {
    /// Parses the expectations, and checks that the results file can be written.
    pub(crate) fn new(
        expressions: &[OsString],
        file: Option<&Path>,
        command: &[OsString],
    ) -> Result<Expectations, Failure> {
        // First, so that no earlier results are left if an expectation cannot be parsed.
        let file = file.map(|path| ResultsFile::open(path, command)).transpose()?;
        let all = expressions
            .iter()
            .map(|expression| parse::expectation(expression))
            .collect::<Result<_, _>>()?;
        Ok(Expectations { all, file })
    }

    /// Reports whether there are expectations. Their failure shows the calls.
    pub(crate) fn is_any(&self) -> bool {
        !self.all.is_empty()
    }

    /// Reports whether one of them holds only if nothing was missed.
    pub(crate) fn want_proof(&self) -> bool {
        self.all.iter().any(|expectation| !expectation.is_lower_bound())
    }

    /// Reports whether calls must be counted.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_any() || self.has_results_file()
    }

    /// Reports whether there is a results file, which lists the busiest files.
    pub(crate) fn has_results_file(&self) -> bool {
        self.file.is_some()
    }

    /// Refuses an expectation on a number that is not counted with these settings.
    pub(crate) fn check(&self, checked: &CheckedSettings) -> Result<(), Failure> {
        let needs_it =
            |expectation: &&Expectation| expectation.is_about_sharing() && !checked.shared;
        self.all.iter().find(needs_it).map_or(Ok(()), |expectation| {
            let shown = expectation.printable();
            Err(Failure::new(format!("--expect '{shown}': needs --shared yes")))
        })
    }

    /// Checks the expectations, reports those that do not hold, and writes the results file.
    /// Returns whether all hold.
    pub(crate) fn verify(
        &mut self,
        ended: &ChildExit,
        result: &RunResult,
    ) -> Result<bool, Failure> {
        let check = |expectation: &Expectation| {
            check::verdict(expectation, result.stats, result.blind_spot.as_ref())
        };
        let verdicts: Vec<_> = self.all.iter().map(check).collect();
        let all_hold = verdicts.iter().all(|verdict| verdict.held);
        message::outcome(&verdicts, ended, result);
        if let Some(file) = self.file.take() {
            file.write(all_hold, verdicts, ended, result)?;
        }
        Ok(all_hold)
    }

    /// Writes the results file if the program was not run.
    pub(crate) fn give_up(&mut self, failure: &Failure) -> Result<(), Failure> {
        let Some(file) = self.file.take() else { return Ok(()) };
        file.write_not_run(failure, self.all.iter().map(check::not_run).collect())
    }
}
