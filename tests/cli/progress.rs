//! `cfr trace|run --progress`: a line on a terminal during copies, and nothing anywhere else.

use super::on_terminal;
use cfr_testkit::{Scratch, compile, read_json, skip};
use std::fs;
use std::path::{Path, PathBuf};

/// Moves to the start of the line and clears it.
const CLEAR: &str = "\r\u{1b}[K";

/// Creates a directory on a filesystem in memory.
fn memory() -> Scratch {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Scratch::below(memory) } else { Scratch::new() }
}

/// Returns what a shell command in this directory sends to a terminal, or `None` if `test` is skipped. The
/// command can see it in the file `shown`.
fn shown_by(test: &str, place: &Path, command: &str) -> Option<String> {
    let run = on_terminal(test, place, command)?.env("SLOW", slow()).env("GARBAGE", garbage());
    let output = run.output();
    if output.status == Some(77) {
        skip(test, output.stdout.trim());
        return None;
    }
    Some(output.stdout)
}

/// A filesystem with a delay for each piece of a copy: c-tests/drivers/failing_filesystem.c.
fn slow() -> PathBuf {
    compile("drivers/failing_filesystem.c", "slow_filesystem", &[])
}

fn garbage() -> PathBuf {
    compile("drivers/counted_calls.c", "counted_calls", &[])
}

/// Copies 4 MiB on it, 32 pieces, each read and written in 30 ms: two seconds.
fn slow_copy(command: &str) -> String {
    with_slow_filesystem(30, command)
}

/// Each piece is read in this time and written in this time.
fn with_slow_filesystem(milliseconds: u32, command: &str) -> String {
    format!("mkdir -p m; \"$SLOW\" m direct 4194304 99999999 99999999 {milliseconds} -- {command}")
}

/// Returns the lines shown, one after the other.
fn shown(all: &str) -> Vec<&str> {
    let lines = all.split(CLEAR).skip(1).filter_map(|line| line.split('\r').next());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Parses the bytes of `1.50 MiB`.
fn bytes(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap();
    let units = ["B", "KiB", "MiB", "GiB"];
    let power = units.iter().take_while(|name| **name != unit);
    power.fold(number.parse::<f64>().unwrap(), |bytes, _| bytes * 1024.0)
}

#[test]
fn a_long_copy_shows_its_bytes_and_percentage() {
    const TEST: &str = "cli::progress::a_long_copy_shows_its_bytes_and_percentage";
    for options in ["", "--backend emulate"] {
        let scratch = Scratch::new();
        let command = slow_copy(&format!(
            "/bin/sh -c 'stty cols 300; : > m/out; \"$CFR\" run --progress {options} cp m/in m/out; stat -c %s m/out; echo ended $?'"
        ));
        let Some(all) = shown_by(TEST, scratch.path(), &command) else { return };
        let lines = shown(&all);
        let far: Vec<_> = lines.iter().filter(|line| line.contains(" of 4.00 MiB (")).collect();
        assert!(far.len() >= 3, "{options}: {all:?}");
        let mut last = 0.0;
        for line in &far {
            let (at, rest) = line.split_once(" of 4.00 MiB (").unwrap();
            let percent: f64 = rest.split_once(" %)").unwrap().0.parse().unwrap();
            let at = bytes(at);
            assert!(at >= last && at > 0.0, "{far:?}");
            assert!((percent - at * 100.0 / 4_194_304.0).abs() <= 1.5, "{line}");
            let names = format!(": {0}/m/in -> {0}/m/out", scratch.path().display());
            assert!(line.ends_with(&names), "{line}");
            last = at;
        }
        assert!(far.iter().any(|line| line.contains("iB/s, 0:0")), "{far:?}");
        // The line is erased when the program has ended, and the program's result is unchanged.
        assert!(all.ends_with(&format!("{CLEAR}4194304\r\nended 0\r\n")), "{all:?}");
    }
}

/// The supervisor makes the calls of a static program, in pieces or, with the emulation, by reads and
/// writes.
#[test]
fn a_supervised_copy_shows_its_bytes_and_percentage() {
    const TEST: &str = "cli::progress::a_supervised_copy_shows_its_bytes_and_percentage";
    let program = compile("drivers/keeps_copying.c", "keeps_copying", &["-static"]);
    for options in ["", "--backend emulate"] {
        let scratch = Scratch::new();
        let command = slow_copy(&format!(
            "/bin/sh -c 'stty cols 300; : > m/out; \
             \"$CFR\" run --reach all {options} --progress {} m/in m/out 4194304 0 done; cat done'",
            program.display()
        ));
        let Some(all) = shown_by(TEST, scratch.path(), &command) else { return };
        let lines = shown(&all);
        let names = format!(": {0}/m/in -> {0}/m/out", scratch.path().display());
        let far: Vec<_> = lines.iter().filter(|line| line.contains(" of 4.00 MiB (")).collect();
        assert!(far.iter().all(|line| line.ends_with(&names)), "{options}: {all:?}");
        let mut at: Vec<_> =
            far.iter().map(|line| bytes(line.split_once(" of ").unwrap().0)).collect();
        assert!(at.is_sorted() && at[0] > 0.0, "{options}: {all:?}");
        at.dedup();
        assert!(at.len() >= 2, "{options}: {all:?}");
        let end = format!("{CLEAR}4194304 bytes, 0 errors, equal\r\n");
        assert!(all.ends_with(&end), "{options}: {all:?}");
    }
}

/// The size of the target says nothing about the progress.
#[test]
fn a_copy_over_existing_data_shows_no_percentage() {
    let scratch = Scratch::new();
    let command = slow_copy(
        "/bin/sh -c 'stty cols 300; cat m/in > m/out; \"$CFR\" run --progress python3 -c \"import os; \
         os.copy_file_range(os.open(\\\"m/in\\\", 0), os.open(\\\"m/out\\\", os.O_WRONLY), 4194304)\"'",
    );
    let Some(all) = shown_by(
        "cli::progress::a_copy_over_existing_data_shows_no_percentage",
        scratch.path(),
        &command,
    ) else {
        return;
    };
    let lines = shown(&all);
    assert!(lines.iter().any(|line| line.starts_with("4.00 MiB asked for, ")), "{all:?}");
    assert!(!all.contains('%'), "{all:?}");
    assert!(all.ends_with(CLEAR), "{all:?}");
}

/// The program makes many short calls for one copy.
#[test]
fn a_copy_in_many_calls_is_one_line() {
    let scratch = Scratch::new();
    let command = slow_copy(
        "/bin/sh -c 'stty cols 300; : > m/out; \"$CFR\" run --progress python3 -c \"import os; \
         a, b = os.open(\\\"m/in\\\", 0), os.open(\\\"m/out\\\", os.O_WRONLY)\n\
         while os.copy_file_range(a, b, 131072) > 0: pass\"'",
    );
    let Some(all) =
        shown_by("cli::progress::a_copy_in_many_calls_is_one_line", scratch.path(), &command)
    else {
        return;
    };
    assert!(shown(&all).iter().any(|line| line.contains(" of 4.00 MiB (")), "{all:?}");
    assert!(all.ends_with(CLEAR), "{all:?}");
}

#[test]
fn two_copies_at_once_are_one_line_and_a_count() {
    let scratch = Scratch::new();
    // All files are open before the first call: opening waits behind the other copy's reads.
    let program = "import os, threading\n\
        pairs = [(os.open('m/in', os.O_RDONLY), os.open(to, os.O_WRONLY | os.O_CREAT))\n\
        \x20        for to in ('m/out', 'copy')]\n\
        for a, b in pairs:\n\
        \x20   threading.Thread(target=os.copy_file_range, args=(a, b, 4 << 20)).start()\n";
    scratch.write("copies.py", program.as_bytes());
    let command = slow_copy(
        "/bin/sh -c 'stty cols 300; : > m/out; \
         \"$CFR\" run --backend emulate --progress python3 copies.py'",
    );
    let Some(all) = shown_by(
        "cli::progress::two_copies_at_once_are_one_line_and_a_count",
        scratch.path(),
        &command,
    ) else {
        return;
    };
    assert!(shown(&all).iter().any(|line| line.contains(", and 1 more: ")), "{all:?}");
    assert!(all.ends_with(CLEAR), "{all:?}");
    assert_eq!(fs::metadata(scratch.file("copy")).unwrap().len(), 4 << 20);
}

#[test]
fn nothing_is_shown_without_a_terminal() {
    let scratch = Scratch::new();
    let command =
        slow_copy("/bin/sh -c ': > m/out; \"$CFR\" run --progress cp m/in m/out 2> said'");
    let Some(all) =
        shown_by("cli::progress::nothing_is_shown_without_a_terminal", scratch.path(), &command)
    else {
        return;
    };
    assert_eq!(
        (all.as_str(), fs::read_to_string(scratch.file("said")).unwrap().as_str()),
        ("", "")
    );
    // On a terminal, nothing is shown for a copy that ends at once.
    let script = "echo x > a; \"$CFR\" run --progress cp a b";
    let all =
        shown_by("cli::progress::nothing_is_shown_without_a_terminal", scratch.path(), script)
            .unwrap();
    assert_eq!(all, "");
}

/// Also after Ctrl-C and if the program dies.
#[test]
fn the_line_is_erased_at_the_end() {
    const TEST: &str = "cli::progress::the_line_is_erased_at_the_end";
    for (signal, status) in [("INT", "130\r\n"), ("TERM", "143\r\n"), ("KILL", "137\r\n")] {
        let scratch = Scratch::new();
        // Ctrl-C goes to the whole process group, the others to the program.
        let receivers = if signal == "INT" { "launcher program" } else { "program" };
        let script = format!(
            "stty cols 300; : > m/out\n\
             {{ until grep -q MiB shown; do sleep .05; done; kill -{signal} $(cat {receivers}); }} &\n\
             sh -c 'echo $$ > launcher; exec \"$CFR\" run --progress sh program.sh'\n\
             echo $?\n"
        );
        scratch.write("launcher.sh", script.as_bytes());
        scratch.write("program.sh", b"echo $$ > program; exec cp m/in m/out\n");
        // The copy takes 13 s: the signal comes in time on a busy machine too.
        let command = with_slow_filesystem(200, "/bin/sh launcher.sh");
        let Some(all) = shown_by(TEST, scratch.path(), &command) else { return };
        assert!(shown(&all).iter().any(|line| line.contains("4.00 MiB")), "{signal}: {all:?}");
        let (_, after) = all.rsplit_once(CLEAR).unwrap();
        assert!(!after.contains("MiB") && after.ends_with(status), "{signal}: {all:?}");
    }
}

/// A line that wraps could not be erased.
#[test]
fn the_line_fits_narrow_terminals_and_escapes_names() {
    const TEST: &str = "cli::progress::the_line_fits_narrow_terminals_and_escapes_names";
    const EVIL: &str = "\u{1b}[2J\n\u{202e}x";
    // Each character is two columns wide, so that the cut is among them.
    let wide = "漢".repeat(60);
    for columns in [20, 0, 120] {
        let scratch = memory();
        let command = format!(
            "mkdir {wide}; \"$SLOW\" {wide} direct 4194304 99999999 99999999 30 -- /bin/sh -c \
             'stty cols {columns}; \"$CFR\" run --backend emulate --progress cp {wide}/in \"$0\"' '{EVIL}'"
        );
        let Some(all) = shown_by(TEST, scratch.path(), &command) else { return };
        let lines = shown(&all);
        assert!(!lines.is_empty(), "{columns}: {all:?}");
        assert!(columns < 120 || lines.iter().any(|line| line.contains('漢')), "{lines:?}");
        let most = if columns == 0 { 80 } else { columns };
        for line in lines {
            let width = |character: char| if character.is_ascii() { 1 } else { 2 };
            assert!(line.chars().map(width).sum::<usize>() < most, "{columns}: {line:?}");
        }
        // On a wide terminal they are escaped too.
        let command = command.replace(&wide, "m");
        let command = command.replace(&format!("cols {columns}"), "cols 400");
        let all = shown_by(TEST, scratch.path(), &command).unwrap();
        let lines = shown(&all);
        assert!(lines.iter().any(|line| line.ends_with("\\u{1b}[2J\\n\\u{202e}x")), "{all:?}");
        assert!(!lines.iter().any(|line| line.chars().any(char::is_control)), "{all:?}");
    }
}

/// The speed is left out before a name is.
#[test]
fn names_keep_their_ends_on_a_narrow_terminal() {
    const TEST: &str = "cli::progress::names_keep_their_ends_on_a_narrow_terminal";
    // At 60 columns, both names fit at 100 % too.
    const FILE: &str = "/a-copy-of-a-name";
    for columns in [45, 60, 80] {
        let scratch = Scratch::new();
        let command = slow_copy(&format!(
            "/bin/sh -c 'stty cols {columns}; \"$CFR\" run --backend emulate --progress cp m/in a-copy-of-a-name'"
        ));
        let Some(all) = shown_by(TEST, scratch.path(), &command) else { return };
        let lines = shown(&all);
        assert!(!lines.is_empty(), "{all:?}");
        for line in lines {
            assert!(line.chars().count() < columns, "{columns}: {line}");
            let end = if columns < 60 { "a-name" } else { FILE };
            assert!(line.ends_with(end), "{columns}: {line}");
            assert!(columns < 60 || line.contains("/in -> "), "{columns}: {line}");
        }
    }
}

/// Each line of the log first clears the progress line.
#[test]
fn lines_of_the_log_erase_the_progress_line() {
    let scratch = Scratch::new();
    let command = slow_copy(
        "/bin/sh -c 'stty cols 300; : > m/out; \"$CFR\" trace --paths no --progress cp m/in m/out'",
    );
    let Some(all) = shown_by(
        "cli::progress::lines_of_the_log_erase_the_progress_line",
        scratch.path(),
        &command,
    ) else {
        return;
    };
    let call = all.split("\u{1b}[K").find(|piece| piece.contains("copy_file_range(")).unwrap();
    assert!(call.starts_with("cfr: ") && call.contains(" = 4194304 ("), "{all:?}");
    // Without --progress, or if standard error is a file, no line does.
    let command = "echo x > a; \"$CFR\" trace cp a b; \"$CFR\" trace --progress cp a b 2> said";
    let all = shown_by(
        "cli::progress::lines_of_the_log_erase_the_progress_line",
        scratch.path(),
        command,
    )
    .unwrap();
    assert!(!all.contains('\u{1b}'), "{all:?}");
    assert!(!fs::read_to_string(scratch.file("said")).unwrap().contains('\u{1b}'));
}

/// Random words, of no call and no process.
#[test]
fn garbage_in_the_counters_does_not_break_the_line() {
    let scratch = Scratch::new();
    for seed in 1..=8u64 {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000_007;
        let command = format!(
            "\"$CFR\" run --progress sh -c '\"$GARBAGE\" garbage {seed}; sleep .5'; echo ended $?"
        );
        let Some(all) = shown_by(
            "cli::progress::garbage_in_the_counters_does_not_break_the_line",
            scratch.path(),
            &command,
        ) else {
            return;
        };
        assert!(all.ends_with("ended 0\r\n"), "{seed}: {all:?}");
        let rest = all.replace(CLEAR, "").replace(['\r', '\n'], "");
        assert!(!rest.chars().any(char::is_control), "{seed}: {all:?}");
    }
}

/// A hundred threads in a call.
#[test]
fn calls_beyond_those_shown_are_counted() {
    const TEST: &str = "cli::progress::calls_beyond_those_shown_are_counted";
    let scratch = memory();
    let words = "run --progress --format json -c \"$GARBAGE\" many 1 100 5 10 1048576";
    let Some(all) = shown_by(TEST, scratch.path(), &format!("\"$CFR\" {words}")) else { return };
    let object = all.rsplit(CLEAR).next().unwrap();
    let summary = read_json(object);
    assert_eq!(summary["summary"]["calls"], 1000, "{summary:#}");
    assert_eq!(summary["summary"]["bytes"], 1000u64 << 20);
    assert_eq!(summary["summary"]["pairs"].as_array().unwrap().len(), 5);
}

/// A device has no size.
#[test]
fn a_copy_from_a_device_shows_what_is_known() {
    const TEST: &str = "cli::progress::a_copy_from_a_device_shows_what_is_known";
    let scratch = Scratch::new();
    let program = compile("drivers/ends_in_call.c", "ends_in_call", &[]);
    let command = format!(
        "/bin/sh -c 'stty cols 300; \"$CFR\" run --progress --inject delay_enter=2s {} sendfile /dev/zero b'",
        program.display()
    );
    let Some(all) = shown_by(TEST, scratch.path(), &command) else { return };
    let lines = shown(&all);
    let end = format!(": /dev/zero -> {}/b", scratch.path().display());
    assert!(!lines.is_empty(), "{all:?}");
    assert!(
        lines.iter().all(|line| line.contains("0 B copied, ") && line.ends_with(&end)),
        "{all:?}"
    );
}
