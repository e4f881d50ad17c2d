//! The torture matrix: what hosts do to a library that is a guest in them. One program a hazard, each
//! run bare, under strace and with the library in every way that it logs; the host must not tell.
//!
//! `cargo test --test torture [-- --matrix] [WORD]...`: with `--matrix` every hazard gets its line,
//! and those that last as long as they are let last ten seconds instead of one; with words only
//! hazards run whose name or program holds one of them.
#![allow(unreachable_pub, reason = "nobody links a test program")]
#![allow(unsafe_code, reason = "parts of the harness")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "prints a matrix")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod mode;

mod failure;

mod table;

mod setup;

mod judge;

mod page;

use cfr_testkit::Filesystems;
use judge::{Ending, Tried};
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
    hazards.retain(|hazard| filter.is_empty() || filter.iter().any(|word| hazard.holds(word)));
    if hazards.is_empty() {
        println!("torture: no hazard's name or program holds any of {filter:?}");
        return ExitCode::SUCCESS;
    }
    let filesystems = Filesystems::mount("torture");
    // How long a call is held up is measured while nothing else runs.
    let (waiting, busy): (Vec<_>, Vec<_>) = hazards.into_iter().partition(Hazard::waits);
    let mut tried = try_all(&waiting, &filesystems, prints_matrix);
    tried.extend(try_all(&busy, &filesystems, prints_matrix));
    let order = table::hazards();
    tried.sort_by_key(|tried| order.iter().position(|hazard| hazard == tried.hazard));
    let mut trouble: Vec<String> = tried.iter().flat_map(Tried::failures).collect();
    let is_whole = filter.is_empty() && tried.iter().all(Tried::is_whole);
    if is_whole && trouble.is_empty() {
        trouble.extend(page::compare(&tried));
    }
    for trouble in &trouble {
        println!("FAILED {trouble}");
    }
    let count = |wanted: fn(&Ending) -> bool| {
        tried.iter().flat_map(|tried| &tried.endings).filter(|(_, ending)| wanted(ending)).count()
    };
    println!(
        "{} hazards: {} as bare, {} otherwise and said so, {} failed, {} skipped",
        tried.len(),
        count(|ending| *ending == Ending::Same),
        count(|ending| matches!(ending, Ending::AsSaid(_))),
        trouble.len(),
        count(|ending| matches!(ending, Ending::Skipped(_))),
    );
    if trouble.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs every hazard in every mode; the hazards side by side.
fn try_all<'a>(
    hazards: &'a [Hazard],
    filesystems: &Filesystems,
    prints_matrix: bool,
) -> Vec<Tried<'a>> {
    let shows_progress = std::io::stderr().is_terminal();
    let next = AtomicUsize::new(0);
    let tried = Mutex::new(Vec::new());
    // Most of them wait most of the time.
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    if prints_matrix {
        println!("{}", page::heading());
    }
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(hazard) = hazards.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let one = judge::in_each_mode(hazard, filesystems, prints_matrix);
                    let mut tried = tried.lock().unwrap();
                    if shows_progress {
                        eprint!("\r\x1b[K");
                    }
                    if prints_matrix {
                        println!("{}", page::line(&one));
                    }
                    tried.push(one);
                    if shows_progress {
                        eprint!("{} of {} hazards", tried.len(), hazards.len());
                        let _ = std::io::stderr().flush();
                    }
                }
            });
        }
    });
    if shows_progress {
        eprint!("\r\x1b[K");
    }
    tried.into_inner().unwrap()
}
