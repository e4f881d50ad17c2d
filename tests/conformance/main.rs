//! The conformance matrix: what the documents and kernels say of copy_file_range, case by case, in
//! every dialect, on every filesystem; the Linux rows against the bare kernel too.
//!
//! `cargo test --test conformance [-- --matrix] [WORD]`: with `--matrix` all of it is printed,
//! dialect by clause; with a WORD only the rows run whose place or words hold it.
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

use case::{Ending, Place, Under};
use cfr_testkit::{Filesystems, compile, skip};
use matrix::Matrix;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use table::Row;

/// Each filesystem, and the one beside it for calls across two.
const PLACES: [(&str, &str); 6] = [
    ("ext4", "tmpfs"),
    ("xfs", "ext4"),
    ("btrfs", "xfs"),
    ("tmpfs", "ext4"),
    ("small-ext4", "tmpfs"),
    ("small-tmpfs", "ext4"),
];

/// A case that ran.
pub struct Tried<'a> {
    /// Whose.
    pub row: &'a Row,
    /// By whom.
    pub under: Under,
    /// On what.
    pub filesystem: &'static str,
    /// What came of it.
    pub ending: Ending,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let prints_matrix = words.iter().any(|word| word == "--matrix");
    let filter = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    let mut rows = table::rows();
    rows.retain(|row| filter.is_empty() || format!("{row:?}").contains(filter));
    if rows.is_empty() {
        println!("conformance: no row holds '{filter}'");
        return ExitCode::SUCCESS;
    }
    let filesystems = Filesystems::mount_also("conformance", &["small-ext4", "small-tmpfs"]);
    let places: Vec<_> = PLACES
        .iter()
        .filter_map(|&(name, other)| {
            let (point, other) = (filesystems.get(name)?, filesystems.get(other)?);
            let instance = filesystems.get(&format!("small-{name}"));
            Some(Place { name, point, other, instance })
        })
        .collect();
    if places.is_empty() {
        skip("conformance", "no filesystem can be mounted here");
        return ExitCode::SUCCESS;
    }
    let tried = try_all(&rows, &places);
    let matrix = Matrix::new(&tried);
    if prints_matrix {
        print!("{}", matrix.in_full());
    }
    let mut trouble = Vec::new();
    for case in &tried {
        if let Ending::Failed(how) = &case.ending {
            let Tried { row, under, filesystem, .. } = case;
            trouble.push(format!(
                "{} {under:?} {filesystem}: {how}\n    {}",
                row.place,
                shown(row)
            ));
        }
    }
    if filter.is_empty() {
        trouble.extend(matrix.gaps());
        // Where a filesystem is missing, the totals are others.
        if places.len() == PLACES.len() {
            trouble.extend(matrix.compare_page());
        }
    }
    for trouble in &trouble {
        println!("FAILED {trouble}");
    }
    let passed = tried.iter().filter(|case| case.ending == Ending::Passed).count();
    print!("{}", matrix.totals());
    println!("\n{passed} passed, {} failed", trouble.len());
    if trouble.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn shown(row: &Row) -> String {
    let words = row.words.iter().map(|(key, value)| format!("{key}={value}"));
    words.collect::<Vec<_>>().join(" ")
}

/// Runs every row everywhere.
fn try_all<'a>(rows: &'a [Row], places: &[Place<'_>]) -> Vec<Tried<'a>> {
    let driver = compile("drivers/conformance.c", "conformance", &[]);
    let mut jobs = Vec::new();
    for row in rows {
        for place in places.iter().filter(|place| case::has_size(row, place)) {
            for dialect in &row.dialects {
                jobs.push((row, Under::Library(dialect), place));
                jobs.push((row, Under::Emulation(dialect), place));
            }
            // Its rows are the kernel's own.
            if row.dialects.contains(&"linux-5.19") {
                jobs.push((row, Under::Kernel, place));
            }
        }
    }
    let shows_progress = std::io::stderr().is_terminal();
    let next = AtomicUsize::new(0);
    let tried = Mutex::new(Vec::new());
    // Who fills a filesystem, turns swapping on or needs much room is alone in that.
    let alone = Mutex::new(());
    let workers = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(&(row, under, place)) =
                    jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let greedy = ["small", "swap", "signal"];
                    let needs = greedy.iter().any(|word| row.words.contains_key(*word));
                    let guard = needs.then(|| alone.lock().unwrap());
                    let ending = case::run(&driver, row, under, place);
                    drop(guard);
                    let filesystem = place.name;
                    let mut tried = tried.lock().unwrap();
                    tried.push(Tried { row, under, filesystem, ending });
                    if shows_progress && tried.len().is_multiple_of(50) {
                        eprint!("\r{} of {} cases", tried.len(), jobs.len());
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
