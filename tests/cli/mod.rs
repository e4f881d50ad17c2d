//! The command `cfr`, as users run it.

pub mod browser;
pub mod completions;
pub mod dialects;
pub mod expect;
pub mod hints;
pub mod html;
pub mod inspect;
pub mod launcher;
pub mod little_room;
pub mod log_rotation;
pub mod musl;
pub mod narrow;
pub mod probe;
pub mod profiles;
pub mod progress;
pub mod report;
pub mod report_lines;
pub mod report_summaries;
pub mod report_text_log;
pub mod sanitizers;
pub mod shared_lines;
pub mod stderr_lines;
pub mod summary;
pub mod summary_now;
pub mod sweep;
pub mod sweep_bugs;
pub mod sweep_leftovers;
pub mod unfinished;
pub mod unmet_faults;
pub mod word_sizes;

use cfr_testkit::{Run, find_program, launcher, skip};
use std::path::Path;

/// Prepares a run of a shell command on a terminal of script(1), in this directory. The command can see
/// what it has sent to it in the file `shown`. `None` if script(1) is missing: `test` is skipped.
fn on_terminal(test: &str, place: &Path, command: &str) -> Option<Run> {
    let Some(script) = find_program("script") else {
        skip(test, "script is not installed");
        return None;
    };
    let run = Run::bare(script).args(["-qefc", command, "shown"]).within(place);
    Some(run.env("CFR", launcher()).env("SHELL", "/bin/sh"))
}
