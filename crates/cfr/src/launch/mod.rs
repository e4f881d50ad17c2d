//! Launches a program with the library in it, for `cfr trace` and `cfr run`: from the settings to
//! the exit status.
//!
//! A file uses only files above it in this list, and [`Mode`].

mod outputs;

mod prepare;

mod execute;

mod tell;

use crate::cli::LaunchArgs;
use crate::expect::Expectations;
use crate::term::failure::Failure;

/// How the commands differ.
pub(crate) struct Mode {
    /// The log level if the user sets none.
    pub(crate) level: &'static str,
    /// Whether to print the reason if no call was seen.
    pub(crate) says_if_none: bool,
}

/// Runs the program to its end. Returns its exit status, or 123 if an expectation does not hold.
pub(crate) fn run(args: LaunchArgs, mode: &Mode) -> Result<u8, Failure> {
    // Before the results file is opened, which removes an old one.
    outputs::must_not_be_replaced(&args)?;
    let mut expected =
        Expectations::new(&args.expectations, args.results.as_deref(), &args.program)?;
    let status = run_expecting(args, mode, &mut expected);
    if let Err(failure) = &status
        && let Err(also) = expected.give_up(failure)
    {
        also.print();
    }
    status
}

fn run_expecting(
    args: LaunchArgs,
    mode: &Mode,
    expected: &mut Expectations,
) -> Result<u8, Failure> {
    let (prepared, plan) = prepare::prepare(args, mode, expected)?;
    let stats = prepared.share_stats(mode, plan.is_ok())?;
    let finished = execute::execute(&prepared, stats.as_ref(), plan)?;
    match stats {
        Some(stats) => tell::tell(&prepared, finished, stats, mode, expected),
        None => Ok(finished.ended.status()),
    }
}
