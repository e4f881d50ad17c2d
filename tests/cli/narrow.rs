//! Tables on terminals of any width: no line is longer, and the names of files keep their ends.

use super::on_terminal;
use cfr_testkit::{Run, Scratch, launcher};
use std::fs;
use std::path::Path;

const DIRECTORY: &str = "a_rather_long_directory_name/with_another_long_directory_below";
const NAMES: [&str; 3] =
    ["source-of-this-copy.bin", "target-of-this-copy.bin", "refused-target.bin"];

/// Returns the lines of a shell command on a terminal of this width; `None` if script(1) is missing.
fn lines_on(test: &str, place: &Path, columns: usize, command: &str) -> Option<Vec<String>> {
    let output = on_terminal(test, place, &format!("stty cols {columns}; {command}"))?.ok();
    Some(output.stdout.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect())
}

/// Returns the columns of a line, of which the tests' names need one a character.
fn columns_of(line: &str) -> usize {
    line.chars().count()
}

/// Returns a scratch directory with a log, a summary, a program and a source of long names.
fn prepared() -> Scratch {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.file(DIRECTORY)).unwrap();
    scratch.random(&format!("{DIRECTORY}/{}", NAMES[0]), 300_000);
    let [source, target, refused] = NAMES.map(|name| format!("{DIRECTORY}/{name}"));
    let script =
        format!("cp {source} {target}; cp --reflink=always {source} {refused} 2> said; true");
    scratch.write("script", script.as_bytes());
    let run = |options: &[&str]| {
        let run = Run::bare(launcher()).args(options).args(["--", "sh", "script"]);
        run.within(scratch.path()).output();
    };
    run(&[
        "trace",
        "-o",
        "log.json",
        "--format",
        "json",
        "--inject",
        "error=EOPNOTSUPP:path=*refused*",
    ]);
    run(&["run", "--summary=summary.json", "--format", "json"]);
    let program = format!("{DIRECTORY}/program-of-a-long-name");
    Run::bare("cp").args(["/bin/cp", &program]).within(scratch.path()).ok();
    scratch
}

/// Checks a command on terminals of several widths, and without one. Each of the names is on the
/// terminal with its end, and whole without one.
#[track_caller]
fn fits(test: &str, command: &str, names: &[&str]) {
    let scratch = prepared();
    for columns in [60, 80, 200] {
        let Some(lines) = lines_on(test, scratch.path(), columns, command) else { return };
        let text = lines.join("\n");
        for line in &lines {
            assert!(columns_of(line) <= columns, "{columns}: {line}\nin:\n{text}");
        }
        for name in names {
            assert!(text.contains(name), "{columns}, {name}:\n{text}");
        }
    }
    let piped = format!("{{ {command}; }} 2>&1 | cat");
    let lines = lines_on(test, scratch.path(), 60, &piped).unwrap();
    for name in names {
        let whole = format!("{DIRECTORY}/{name}");
        let is_whole = |line: &&String| line.contains(name) && !line.contains('…');
        assert!(lines.iter().any(|line| is_whole(&line) && line.contains(&whole)), "{lines:#?}");
    }
}

#[test]
fn a_report_fits() {
    const TEST: &str = "cli::narrow::a_report_fits";
    fits(TEST, "\"$CFR\" report log.json 2> said", &NAMES);
    fits(TEST, "\"$CFR\" report log.json summary.json 2> said", &NAMES);
    fits(TEST, "\"$CFR\" report --by time --top 1 log.json 2> said", &[]);
}

#[test]
fn a_summary_fits() {
    const TEST: &str = "cli::narrow::a_summary_fits";
    fits(TEST, "\"$CFR\" run -c sh script", &NAMES);
    // The call in flight is ended by its process.
    let now = "\"$CFR\" run --summary=/dev/null \
               --inject delay_enter=600s:path=*target-of*:hook=copy_file_range sh script & \
               until \"$CFR\" summary $! > seen 2> said && grep -q asked seen; do :; done; \
               \"$CFR\" summary $!; \
               pid=$(\"$CFR\" summary --format json $! | sed 's/.*in_flight\":.{\"pid\"://; s/,.*//'); \
               kill $pid; wait";
    fits(TEST, now, &NAMES[..2]);
}

#[test]
fn a_sweep_fits() {
    const TEST: &str = "cli::narrow::a_sweep_fits";
    let from = format!("--fresh --from {DIRECTORY} -- cp {} b", NAMES[0]);
    fits(TEST, &format!("\"$CFR\" sweep {from} 2> said"), &[]);
    fits(TEST, &format!("\"$CFR\" sweep --list {from} 2> said"), &[]);
}

#[test]
fn a_probe_fits() {
    const TEST: &str = "cli::narrow::a_probe_fits";
    fits(TEST, &format!("\"$CFR\" probe {DIRECTORY} /dev/shm 2> said"), &[]);
}

#[test]
fn an_inspection_fits() {
    const TEST: &str = "cli::narrow::an_inspection_fits";
    let program = "program-of-a-long-name";
    fits(TEST, &format!("\"$CFR\" inspect {DIRECTORY}/{program}"), &[program]);
    fits(TEST, "\"$CFR\" inspect python3", &[]);
}

#[test]
fn profiles_and_dialects_fit() {
    const TEST: &str = "cli::narrow::profiles_and_dialects_fit";
    fits(TEST, "\"$CFR\" profiles", &[]);
    fits(TEST, "\"$CFR\" dialects", &[]);
}
