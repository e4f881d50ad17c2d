//! `--expect` and `--results`: whether a program copied as its user expects, and a file that says so.
//!
//! A file uses only what stands above it in this list.

mod quantity;

mod expectation;

mod parse;

mod check;

mod results;

mod message;

use crate::run::blind_spot::BlindSpot;
use crate::run::child::Ended;
use crate::run::environment::Checked;
use crate::term::failure::{Failure, plain, told};
use crate::term::whole_file::WholeFile;
use cfr_shared::stats::Stats;
use expectation::Claim;
use results::Testimony;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

/// Some expectation did not hold. timeout(1), env(1) and nohup(1) have 124 to 127 for themselves, a shell
/// what is above, and programs what is low; xargs(1) says 123 where one of its commands failed, which
/// comes to the same.
pub(crate) const EXPECTATION_FAILED: u8 = 123;

/// What the user expects, and where he wants it in writing.
pub(crate) struct Expected {
    claims: Vec<Claim>,
    /// Gone when it is written.
    file: Option<WholeFile>,
    command: Vec<OsString>,
}

/// How a program ended, and what was seen of it.
pub(crate) struct RunResult<'a> {
    /// What was counted.
    pub(crate) stats: &'a Stats,
    /// The program's file.
    pub(crate) program: &'a Path,
    /// Why not all of it may be true.
    pub(crate) blind_spot: Option<BlindSpot>,
    /// Why no call was seen, where none was.
    pub(crate) no_call: Option<&'a str>,
    /// The settings.
    pub(crate) checked: &'a Checked,
    /// What kept the launcher from saying all that it was to say.
    pub(crate) error: Option<&'a Failure>,
}

impl Expected {
    /// Reads the expectations, and sees that the file can be written. Nothing has run yet.
    pub(crate) fn new(
        expressions: &[OsString],
        file: Option<&Path>,
        command: &[OsString],
    ) -> Result<Expected, Failure> {
        let claims = expressions.iter().map(|expression| parse::claim(expression));
        let claims = claims.collect::<Result<_, _>>()?;
        let open = |path| WholeFile::open(path).map_err(|error| cannot_write(path, &error));
        let file = file.map(open).transpose()?;
        Ok(Expected { claims, file, command: command.to_vec() })
    }

    /// Whether there are expectations: then the lines of the calls may have to be shown.
    pub(crate) fn is_any(&self) -> bool {
        !self.claims.is_empty()
    }

    /// Whether calls have to be counted.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_any() || self.file.is_some()
    }

    /// Refuses an expectation that nothing would be counted for: it would hold or fail whatever happens.
    pub(crate) fn check(&self, checked: &Checked) -> Result<(), Failure> {
        let needs_it = |claim: &&Claim| claim.is_about_sharing() && !checked.shared;
        self.claims.iter().find(needs_it).map_or(Ok(()), |claim| {
            let shown = claim.shown();
            Err(Failure::new(format!("--expect '{shown}': needs --shared yes, which counts that")))
        })
    }

    /// Judges, says what does not hold, and writes the file: whether all is as expected.
    pub(crate) fn judge(&mut self, ended: &Ended, result: &RunResult) -> Result<bool, Failure> {
        let judge = |claim: &Claim| check::verdict(claim, result.stats, result.blind_spot.as_ref());
        let verdicts: Vec<_> = self.claims.iter().map(judge).collect();
        let held = verdicts.iter().all(|verdict| verdict.held);
        message::outcome(&verdicts, ended, result);
        if let Some(file) = self.file.take() {
            let testimony = Testimony {
                held,
                cfr_status: match result.error {
                    Some(error) => error.status,
                    None if held || ended.is_interrupted() => ended.status,
                    None => EXPECTATION_FAILED,
                },
                status: ended.exit.code(),
                signal: ended.exit.signal(),
                failure: result.error.map(Failure::message),
                unseen: result.blind_spot.as_ref().map(|blind_spot| blind_spot.why.as_str()),
                command: self.command(),
                expectations: verdicts,
            };
            let about = Some((result.stats, result.program));
            write(&file, &testimony.written(about)?)?;
        }
        Ok(held)
    }

    /// Writes the file where no program ran.
    pub(crate) fn give_up(&mut self, failure: &Failure) -> Result<(), Failure> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let testimony = Testimony {
            held: false,
            cfr_status: failure.status,
            status: None,
            signal: None,
            failure: Some(failure.message()),
            unseen: None,
            command: self.command(),
            expectations: self.claims.iter().map(check::not_run).collect(),
        };
        write(&file, &testimony.written(None)?)
    }

    fn command(&self) -> Vec<String> {
        self.command.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }
}

fn write(file: &WholeFile, text: &str) -> Result<(), Failure> {
    file.write(text).map_err(|error| cannot_write(file.path(), &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write the witness to {}: {}", plain(path), told(error)))
}
