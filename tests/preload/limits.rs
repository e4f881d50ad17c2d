//! RLIMIT_FSIZE applies to a log file too. A line that does not fit below it is absent: no line is
//! torn, and no line of a process without the limit is lost.

use cfr_testkit::{LogLines, Output, Run, Scratch, compile, launcher, parse};
use std::fs;

/// A run of c-tests/drivers/limited_log.c.
struct Limited {
    output: Output,
    /// What the log held after each round.
    log: Vec<u8>,
    lines: LogLines,
}

#[track_caller]
fn run(format: &str, args: &[&str]) -> Limited {
    let program = compile("drivers/limited_log.c", "limited_log", &[]);
    let (data, logs) = (Scratch::new(), Scratch::new());
    // The processes of one file do not write it themselves.
    let (template, log) = (logs.file("log-%e"), logs.file("log-limited_log"));
    let output = Run::bare(launcher())
        .args(["trace", "--summary", "--paths", "no", "--format", format, "--output"])
        .args([&template, &program, &log])
        .args(args)
        .within(data.path())
        .ok();
    let log = fs::read(data.file("collected")).unwrap();
    let lines = parse(format, &log).unwrap_or_else(|line| panic!("{args:?}: torn: {line:?}"));
    Limited { output, log, lines }
}

impl Limited {
    /// Returns a number of the summary.
    #[track_caller]
    fn summary(&self, heading: &str) -> usize {
        // "  lines lost  12" or "lines_lost":12
        let text = self.output.stderr.replace(['_', '"', ':'], " ");
        let (_, number) = text.split_once(heading).unwrap_or_else(|| panic!("{heading}: {text}"));
        let number = number.split([' ', ',', '\n']).find(|word| !word.is_empty()).unwrap();
        number.parse().unwrap_or_else(|_| panic!("{heading}: {text}"))
    }

    /// Fails the test unless each of `calls` calls has a line, or is counted as lost and reported.
    #[track_caller]
    fn assert_counted(&self, calls: usize) {
        let lost = self.summary("lines lost ");
        assert!(lost > 0 && self.lines.calls > 0);
        assert_eq!(self.lines.calls + lost, calls, "{}", self.output.stderr);
        assert!(self.lines.lost() <= lost, "{:?}", self.lines);
        let said = self.output.stderr.contains("File too large (EFBIG); its lines are dropped");
        assert!(said, "{}", self.output.stderr);
    }
}

#[test]
fn a_line_below_a_limit_is_whole_or_absent() {
    for (format, most) in [("text", 250), ("json", 1600)] {
        let limited = run(format, &["one", &most.to_string()]);
        limited.assert_counted(1 + 3 * most);
        assert!(limited.lines.lost() > 0, "{:?}", limited.lines);
        let longest = limited.log.split(|&byte| byte == b'\n').map(|line| line.len() + 1).max();
        let longest = longest.unwrap();
        assert!(2 * longest < most && most < 3 * longest, "{longest}");
        // A line is absent only if it does not fit.
        for round in limited.output.stdout.lines() {
            let (limit, size) = round.split_once(' ').unwrap();
            let (limit, size) = (limit.parse::<usize>().unwrap(), size.parse::<usize>().unwrap());
            assert!(size <= limit && limit - size < longest, "{limit}: {size}");
        }
        // One process never writes a line in part.
        assert!(!limited.log.windows(2).any(|bytes| bytes == b"\n\n" || bytes == b" \n"));
    }
}

/// The launcher writes the lines of one file, and the limits of the program do not hold for it.
#[test]
fn a_limit_of_the_program_costs_no_line_that_the_launcher_writes() {
    let program = compile("drivers/limited_log.c", "limited_log", &[]);
    let (data, logs) = (Scratch::new(), Scratch::new());
    let (log, unused) = (logs.file("log"), logs.file("unused"));
    fs::write(&unused, b"").unwrap();
    let run = Run::bare(launcher()).args(["trace", "--summary", "--paths", "no", "--output"]);
    let run = run.args([&log, &program, &unused]).args(["one", "250"]).within(data.path());
    let stderr = run.ok().stderr;
    assert!(!stderr.contains("lost") && !stderr.contains("cannot"), "{stderr}");
    let lines = parse("text", &fs::read(log).unwrap()).unwrap();
    assert_eq!((lines.calls, lines.messages.len()), (1 + 3 * 250, 0));
}

/// Processes that find room for a line at the same time may find it taken when they write.
#[test]
fn no_line_is_torn_if_processes_share_a_log_and_its_limit() {
    const ROUNDS: usize = 40;
    for format in ["text", "json"] {
        let limits = ["2000"; 4];
        let limited = run(format, &[&[ROUNDS.to_string().as_str()], &limits[..]].concat());
        limited.assert_counted(1 + ROUNDS * limits.len() * 40);
    }
}

/// A process that has no limit loses no line, and no other process tears or removes its lines.
#[test]
fn processes_with_other_limits_lose_no_line() {
    const ROUNDS: usize = 40;
    for format in ["text", "json"] {
        let limits = ["2000", "0", "3000", "0", "2000"];
        let limited = run(format, &[&[ROUNDS.to_string().as_str()], &limits[..]].concat());
        limited.assert_counted(1 + ROUNDS * limits.len() * 40);
        let text = String::from_utf8(limited.log).unwrap();
        let of_unlimited = 2 * ROUNDS * 40;
        assert!(limited.lines.calls >= of_unlimited, "{} lines", text.lines().count());
    }
}
