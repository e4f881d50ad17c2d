//! The hazards: what hosts do to a library that is loaded into them. Each hazard is a C program that
//! is run bare, under strace, and with the library in every mode; the host must not notice the library.
//!
//! `cargo test --test hazards [-- --matrix] [WORD]...`: with `--matrix` every hazard gets its line,
//! and programs that repeat for a time do so for 10 seconds instead of 1. With words only hazards run
//! whose name or program contains one of them.
#![allow(
    unreachable_pub,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test program exports nothing, prints its results and fails by panicking"
)]

mod failure;

mod mode;

mod table;

mod setup;

mod check;

mod page;

use cfr_testkit::{Filesystems, userland};
use check::{HazardResult, Verdict};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use table::Hazard;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let prints_matrix = words.iter().any(|word| word == "--matrix");
    let filter: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let mut hazards = table::hazards();
    hazards.retain(|hazard| filter.is_empty() || filter.iter().any(|word| hazard.matches(word)));
    if hazards.is_empty() {
        println!("hazards: no hazard's name or program contains any of {filter:?}");
        return ExitCode::SUCCESS;
    }
    let filesystems = Filesystems::mount("hazards");
    let mut results = run_all(&hazards, &filesystems, prints_matrix);
    let order = table::hazards();
    results.sort_by_key(|result| order.iter().position(|hazard| hazard == result.hazard));
    let mut failures: Vec<String> = results.iter().flat_map(HazardResult::failures).collect();
    let is_complete =
        filter.is_empty() && userland().is_none() && results.iter().all(HazardResult::is_complete);
    if is_complete && failures.is_empty() {
        failures.extend(page::compare(&results));
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    let count = |wanted: fn(&Verdict) -> bool| {
        results.iter().flat_map(|result| &result.verdicts).filter(|(_, it)| wanted(it)).count()
    };
    println!(
        "{} hazards: {} runs same as bare, {} documented exceptions, {} failed, {} skipped",
        results.len(),
        count(|verdict| *verdict == Verdict::Same),
        count(|verdict| matches!(verdict, Verdict::Documented(_))),
        failures.len(),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the hazards in every mode, several hazards at once.
fn run_all<'a>(
    hazards: &'a [Hazard],
    filesystems: &Filesystems,
    prints_matrix: bool,
) -> Vec<HazardResult<'a>> {
    let shows_progress = std::io::stderr().is_terminal();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    // Most programs sleep most of the time.
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    if prints_matrix {
        println!("{}", page::heading());
    }
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(hazard) = hazards.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = check::run_in_every_mode(hazard, filesystems, prints_matrix);
                    let mut results = results.lock().unwrap();
                    if shows_progress {
                        eprint!("\r\x1b[K");
                    }
                    if prints_matrix {
                        println!("{}", page::line(&result));
                    }
                    results.push(result);
                    if shows_progress {
                        eprint!("{} of {} hazards", results.len(), hazards.len());
                        let _ = std::io::stderr().flush();
                    }
                }
            });
        }
    });
    if shows_progress {
        eprint!("\r\x1b[K");
    }
    results.into_inner().unwrap()
}
