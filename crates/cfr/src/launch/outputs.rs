//! The files that a run writes: none may replace another, or a file of the program.

use crate::cli::LaunchArgs;
use crate::run::environment;
use crate::term::failure::{Failure, print_message, printable};
use crate::term::whole_file::{are_one, must_differ};
use std::path::Path;

/// Fails if the results file is another output or an argument of the program, and warns if another output
/// is one: the lines and the summary are appended.
pub(super) fn must_not_be_replaced(args: &LaunchArgs) -> Result<(), Failure> {
    let outputs = environment::files(&args.settings);
    let arguments: Vec<_> = args.program.iter().skip(1).map(Path::new).collect();
    if let Some(results) = &args.results {
        for (name, path) in &outputs {
            must_differ((name, path), ("--results", results))?;
        }
        for argument in &arguments {
            must_differ(("an argument of the program", argument), ("--results", results))?;
        }
    }
    for (name, path) in &outputs {
        if let Some(argument) = arguments.iter().find(|argument| are_one(argument, path)) {
            let argument = printable(argument);
            print_message(format!(
                "{argument} is an argument of the program and the file of {name}, which adds to it"
            ));
        }
    }
    Ok(())
}
