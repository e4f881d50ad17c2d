//! The command `cfr`, as users run it.

pub mod browser;
pub mod completions;
pub mod dialects;
pub mod expect;
pub mod hints;
pub mod html;
pub mod inspect;
pub mod launcher;
pub mod musl;
pub mod probe;
pub mod profiles;
pub mod progress;
pub mod report;
pub mod report_lines;
pub mod report_summaries;
pub mod report_text_log;
pub mod sanitizers;
pub mod shared_lines;
pub mod summary;
pub mod summary_now;
pub mod sweep;
pub mod sweep_bugs;
pub mod sweep_leftovers;
pub mod unfinished;
pub mod unmet_faults;
pub mod word_sizes;
