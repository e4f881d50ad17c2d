//! The conformance matrix: what documents and kernels say of copy_file_range, case by case, in every
//! dialect, on every filesystem. The rows of the kernel's own dialect also run without the library.
//!
//! `cargo test --test conformance [-- --matrix] [WORD]`: with `--matrix` the whole matrix is printed,
//! dialect by clause. With a WORD only rows run whose position or words contain it.
#![allow(
    unsafe_code,
    unreachable_pub,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test program exports nothing, prints its results, makes system calls and fails by panicking"
)]

mod table;

mod case;

mod matrix;

use case::{Implementation, Location, Verdict};
use cfr_testkit::{Filesystems, compile, skip};
use matrix::Matrix;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use table::Row;

/// Each filesystem, and the other one for calls across two.
const LOCATIONS: [(&str, &str); 6] = [
    ("ext4", "tmpfs"),
    ("xfs", "ext4"),
    ("btrfs", "xfs"),
    ("tmpfs", "ext4"),
    ("small-ext4", "tmpfs"),
    ("small-tmpfs", "ext4"),
];

/// The result of a row in one dialect on one filesystem.
pub struct CaseResult<'a> {
    pub row: &'a Row,
    pub implementation: Implementation,
    pub filesystem: &'static str,
    pub verdict: Verdict,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let prints_matrix = words.iter().any(|word| word == "--matrix");
    let filter = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    let mut rows = table::rows();
    rows.retain(|row| filter.is_empty() || format!("{row:?}").contains(filter));
    if rows.is_empty() {
        println!("conformance: no row contains '{filter}'");
        return ExitCode::SUCCESS;
    }
    let filesystems = Filesystems::mount_also("conformance", &["small-ext4", "small-tmpfs"]);
    let locations: Vec<_> = LOCATIONS
        .iter()
        .filter_map(|&(name, other)| {
            let (mount_point, other) = (filesystems.get(name)?, filesystems.get(other)?);
            let second_instance = filesystems.get(&format!("small-{name}"));
            Some(Location { name, mount_point, other, second_instance })
        })
        .collect();
    if locations.is_empty() {
        skip("conformance", "no filesystem can be mounted");
        return ExitCode::SUCCESS;
    }
    let results = run_all(&rows, &locations);
    let matrix = Matrix::new(&results);
    if prints_matrix {
        print!("{}", matrix.full_text());
    }
    let mut failures = Vec::new();
    for result in &results {
        if let Verdict::Failed(how) = &result.verdict {
            let CaseResult { row, implementation, filesystem, .. } = result;
            failures.push(format!(
                "{} {implementation:?} {filesystem}: {how}\n    {}",
                row.position,
                shown(row)
            ));
        }
    }
    if filter.is_empty() {
        failures.extend(matrix.gaps());
        // The totals are those of all filesystems.
        if locations.len() == LOCATIONS.len() {
            failures.extend(matrix.compare_page());
        }
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    let passed = results.iter().filter(|result| result.verdict == Verdict::Passed).count();
    print!("{}", matrix.totals());
    println!("\n{passed} passed, {} failed", failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn shown(row: &Row) -> String {
    let words = row.words.iter().map(|(key, value)| format!("{key}={value}"));
    words.collect::<Vec<_>>().join(" ")
}

/// Runs every row in its dialects at every location.
fn run_all<'a>(rows: &'a [Row], locations: &[Location<'_>]) -> Vec<CaseResult<'a>> {
    let driver = compile("drivers/conformance.c", "conformance", &[]);
    let static_driver = compile("drivers/conformance.c", "conformance_static", &["-static"]);
    let mut jobs = Vec::new();
    for row in rows {
        for location in locations.iter().filter(|location| case::has_size(row, location)) {
            for dialect in &row.dialects {
                jobs.push((row, Implementation::Library(dialect), location));
                jobs.push((row, Implementation::Emulation(dialect), location));
                if case::has_settings(row) {
                    jobs.push((row, Implementation::Supervisor(dialect), location));
                }
            }
            // The kernels that run the tests have this dialect.
            if row.dialects.contains(&"linux-5.19") {
                jobs.push((row, Implementation::Kernel, location));
            }
        }
    }
    let shows_progress = std::io::stderr().is_terminal();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    // Rows that fill a filesystem, turn swapping on or need much room do not run at the same time.
    let exclusive = Mutex::new(());
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&(row, implementation, location)) =
                    jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let words = ["small", "swap", "signal"];
                    let is_exclusive = words.iter().any(|word| row.words.contains_key(*word));
                    let guard = is_exclusive.then(|| exclusive.lock().unwrap());
                    let driver = match implementation {
                        Implementation::Supervisor(_) => &static_driver,
                        _ => &driver,
                    };
                    let verdict = case::run(driver, row, implementation, location);
                    drop(guard);
                    let filesystem = location.name;
                    let mut results = results.lock().unwrap();
                    results.push(CaseResult { row, implementation, filesystem, verdict });
                    if shows_progress && results.len().is_multiple_of(50) {
                        eprint!("\r{} of {} cases", results.len(), jobs.len());
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
