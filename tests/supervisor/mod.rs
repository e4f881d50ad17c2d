//! The supervisor: programs whose calls the library does not see.

use cfr_testkit::{Run, Running, compile, launcher, project, until};
use std::path::Path;

pub mod blind_spots;
pub mod descriptors;
pub mod ends;
pub mod kernel_questions;
pub mod own_filters;
pub mod real_programs;
pub mod settings;
pub mod sharing;
pub mod signals;
pub mod start;
mod strace;
pub mod surroundings;
pub mod uv;

/// Prepares a run of `cfr trace --reach all` with these options and the log at `log`.
fn trace(log: &Path, options: &[&str]) -> Run {
    let words = ["trace", "--reach", "all", "-o"];
    Run::bare(launcher()).args(words).args([log]).args(options).args(["--"])
}

/// Compiles `c-tests/SOURCE` as the program `program` of musl. musl-gcc finds the kernel's headers
/// only if it is told.
fn compile_musl(source: &str, program: &Path, flags: &[&str]) {
    let headers = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let sources = project().join("c-tests");
    Run::bare("musl-gcc")
        .args(["-O0", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(["-idirafter", "/usr/include", "-idirafter", &headers, "-o"])
        .args([program, Path::new("-I"), &sources, &sources.join(source)])
        .args(flags)
        .ok();
}

/// Returns the command line of a static program that copies `from` to `to` by calls of so many bytes, with a
/// pause of so many microseconds between them, and writes what it has seen to `done`.
fn keeps_copying([bytes, pause]: [&str; 2]) -> Vec<String> {
    let program = compile("drivers/keeps_copying.c", "keeps_copying", &["-static"]);
    let program = program.to_str().unwrap();
    [program, "from", "to", bytes, pause, "done"].map(str::to_owned).to_vec()
}

/// Returns the supervisor of a launcher, which may not have started yet.
pub fn supervisor_of(launcher: &Running) -> i32 {
    let mut found = None;
    until(
        || {
            let below = descendants(launcher.id());
            found = below.into_iter().find(|(_, name)| name == "cfr-supervisor");
            found.is_some()
        },
        "a supervisor",
    );
    found.unwrap().0
}

fn send(pid: i32, signal: i32) {
    // SAFETY: no pointers; the process is this test's.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

/// Returns the processes below process `above`, with their names (proc_pid_stat(5)).
fn descendants(above: i32) -> Vec<(i32, String)> {
    let mut all: Vec<(i32, i32, String)> = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let (Some(from), Some(to)) = (stat.find('('), stat.rfind(')')) else { continue };
        let parent = stat[to + 2..].split(' ').nth(1).and_then(|field| field.parse().ok());
        all.push((pid, parent.unwrap_or(0), stat[from + 1..to].to_owned()));
    }
    let mut below = vec![above];
    let mut found = Vec::new();
    while let Some(parent) = below.pop() {
        for (pid, _, name) in all.iter().filter(|(_, of, _)| *of == parent) {
            below.push(*pid);
            found.push((*pid, name.clone()));
        }
    }
    found
}
