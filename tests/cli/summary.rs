//! Summaries: they agree with a log of the same run, whichever processes count and however they
//! end.

use super::shared_lines::calls_of_2000_copies;
use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, copy_product, find_program, is_root, launcher,
    read_json, skip, until,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// c-tests/drivers/counted_calls.c.
fn program() -> PathBuf {
    compile("drivers/counted_calls.c", "counted_calls", &[])
}

/// Prepares `cfr run -c` with this command.
fn counted<S: AsRef<OsStr>>(options: &[&str], command: impl IntoIterator<Item = S>) -> Run {
    Run::bare(launcher()).args(["run", "-c"]).args(options).args(["--"]).args(command)
}

/// Prepares a run with the library alone, which writes a summary and no log.
fn preloaded(program: impl AsRef<OsStr>) -> Run {
    Run::preloaded(program).env("CFR_LOG", "off").env("CFR_SUMMARY", "yes")
}

/// Parses the one JSON object in the output.
#[track_caller]
fn object(text: &str) -> Value {
    let mut objects = text.lines().filter(|line| line.starts_with('{')).map(read_json);
    let object = objects.next().unwrap_or_else(|| panic!("no summary: {text:?}"));
    assert_eq!(objects.next(), None, "one summary");
    object["summary"].clone()
}

/// Returns the headings of the tables on standard error, without the program's name and process.
fn headings(output: &Output) -> Vec<&str> {
    let lines = output.stderr.lines().filter_map(|line| line.strip_prefix("cfr: summary of "));
    lines.map(|line| line.split_once(": ").unwrap().1).collect()
}

/// Checks that every line is the library's or launcher's and has no control character.
#[track_caller]
fn assert_harmless(text: &str) {
    for line in text.lines() {
        assert!(line.starts_with("cfr: "), "{text}");
        assert!(!line.chars().any(|character| character.is_control()), "{text:?}");
        assert_eq!(line, line.trim_end(), "{text}");
    }
}

// What is counted.

/// Returns the calls of a JSON log.
fn calls(log: &Path) -> Vec<Value> {
    let log = fs::read_to_string(log).unwrap();
    let lines = log.lines().map(read_json);
    lines.filter(|line| line.get("message").is_none()).collect()
}

fn number(call: &Value, key: &str) -> u64 {
    call[key].as_u64().unwrap_or(0)
}

/// Counts the calls by the value of this key.
fn tally(calls: &[&Value], key: &str) -> BTreeMap<String, u64> {
    let mut tally = BTreeMap::new();
    for value in calls.iter().filter_map(|call| call[key].as_str()) {
        *tally.entry(value.to_owned()).or_default() += 1;
    }
    tally
}

/// Checks that the summary has the sums of the log.
#[track_caller]
fn assert_agrees(summary: &Value, log: &[Value]) {
    let all: Vec<_> = log.iter().collect();
    let sum = |calls: &[&Value], key: &str| calls.iter().map(|call| number(call, key)).sum::<u64>();
    // The first line of a call with several targets has the call's own values.
    let first: Vec<_> = log.iter().filter(|call| number(call, "target") < 2).collect();
    assert_eq!(summary["calls"], first.len(), "{summary:#}");
    assert_eq!(summary["bytes"], sum(&all, "bytes"));
    assert_eq!(summary["duration_ns"], sum(&first, "duration_ns"));
    for (method, counted) in summary["methods"].as_object().unwrap() {
        let of_it: Vec<_> = log.iter().filter(|call| call["method"] == *method).collect();
        let copies: Vec<_> = of_it.iter().filter(|call| number(call, "bytes") > 0).collect();
        let copies: Vec<&Value> = copies.into_iter().copied().collect();
        let firsts: Vec<_> = copies
            .iter()
            .copied()
            .filter(|call| call["target"].as_u64().is_none_or(|at| at == 1))
            .collect();
        let (bytes, duration_ns) = (sum(&of_it, "bytes"), sum(&firsts, "duration_ns"));
        let moves = !["reflink", "dedupe"].contains(&method.as_str());
        let speed = (moves && bytes > 0)
            .then(|| u128::from(bytes) * 1_000_000_000 / u128::from(duration_ns));
        let expected = json!({
            "calls": of_it.len(),
            "copies": copies.len(),
            "bytes": bytes,
            "duration_ns": duration_ns,
            "bytes_per_second": speed.map(|speed| u64::try_from(speed).unwrap()),
        });
        assert_eq!(*counted, expected, "{method}");
    }
    let hooks = summary["hooks"].as_object().unwrap().clone();
    let used: BTreeMap<_, _> = hooks
        .into_iter()
        .map(|(hook, count)| (hook, count.as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(used, tally(&first, "hook"));
    assert_eq!(summary["errors"], json!(tally(&all, "error")));
    let count = |is_it: &dyn Fn(&Value) -> bool| log.iter().filter(|call| is_it(call)).count();
    let at_end =
        count(&|call| call["error"].is_null() && call["bytes"] == 0 && call["request"].is_null());
    assert_eq!(summary["end_of_file"], at_end);
    assert_eq!(summary["differing"], count(&|call| call["status"] == 1));
    assert_eq!(summary["not_shared"], count(&|call| call["shared"] == false));
    let shared = number(summary, "shared") + number(summary, "partly_shared");
    assert_eq!(shared as usize, count(&|call| call["shared"] == true));
    assert_eq!((&summary["lines_lost"], &summary["unfinished"]), (&json!(0), &json!(0)));
    assert_latency(summary, &first);
    assert_pairs(summary, &all);
}

fn assert_latency(summary: &Value, calls: &[&Value]) {
    let mut slow: Vec<_> = calls.to_vec();
    slow.sort_by_key(|call| number(call, "duration_ns"));
    let mut last = 0;
    for (key, share) in [("p50", 500), ("p90", 900), ("p99", 990), ("max", 1000)] {
        let rank = (slow.len() * share).div_ceil(1000).max(1) - 1;
        let exact = slow.get(rank).map_or(0, |call| number(call, "duration_ns"));
        let said = number(&summary["latency_ns"], key);
        assert!(said >= exact && said <= exact + exact / 8, "{key}: {said}, by the log {exact}");
        assert!(said >= last);
        last = said;
        assert!(key != "max" || said == exact, "the longest is exact");
    }
    slow.reverse();
    let kept = summary["slowest"].as_array().unwrap();
    assert_eq!(kept.len(), slow.len().min(5));
    for (kept, call) in kept.iter().zip(&slow) {
        assert_eq!(kept["duration_ns"], call["duration_ns"]);
        // The order of two calls that took equally long is undefined.
        let same = |call: &&&Value| kept["duration_ns"] == call["duration_ns"];
        let keys = ["pid", "hook", "bytes", "error", "method", "path_in", "path_out"];
        let is_it = |call: &&Value| keys.iter().all(|key| kept[key] == call[key]);
        assert!(slow.iter().filter(same).any(is_it), "{kept:#}");
    }
}

fn assert_pairs(summary: &Value, calls: &[&Value]) {
    let mut pairs: BTreeMap<_, [u64; 4]> = BTreeMap::new();
    for call in
        calls.iter().filter(|call| call["path_in"].is_string() && call["path_out"].is_string())
    {
        let names = [&call["path_in"], &call["path_out"]].map(|path| path.as_str().unwrap());
        let sums = pairs.entry(names).or_default();
        let failed = u64::from(!call["error"].is_null());
        let these = [1, number(call, "bytes"), failed, number(call, "duration_ns")];
        sums.iter_mut().zip(these).for_each(|(sum, this)| *sum += this);
    }
    const KEYS: [&str; 4] = ["calls", "bytes", "errors", "duration_ns"];
    let shown = summary["pairs"].as_array().unwrap();
    assert_eq!(shown.len(), pairs.len().min(5));
    let mut largest: Vec<_> = pairs.values().map(|sums| (sums[1], sums[0])).collect();
    largest.sort_by(|one, other| other.cmp(one));
    for (pair, largest) in shown.iter().zip(largest) {
        let names = [&pair["path_in"], &pair["path_out"]].map(|path| path.as_str().unwrap());
        let sums = pairs.remove(&names).unwrap_or_else(|| panic!("{pair:#}"));
        assert_eq!(KEYS.map(|key| number(pair, key)), sums, "{names:?}");
        assert_eq!((sums[1], sums[0]), largest, "the busiest first");
    }
    let mut rest = [0; 4];
    for sums in pairs.values() {
        rest.iter_mut().zip(sums).for_each(|(rest, sum)| *rest += sum);
    }
    assert_eq!(KEYS.map(|key| number(&summary["further_pairs"], key)), rest);
}

/// Runs this shell command with a log and a summary of the same calls, on files in this directory.
#[track_caller]
fn agrees(place: &Path, options: &[&str], script: &str) -> Value {
    let scratch = Scratch::new();
    let (log, summary) = (scratch.file("log"), scratch.file("summary"));
    let run = Run::bare(launcher()).args(["trace", "--format", "json", "-o"]).args([&log]);
    let run = run.args([format!("--summary={}", summary.display())]).args(options);
    run.args(["--", "sh", "-euc", script]).within(place).env("PROGRAM", program()).ok();
    let summary = object(&fs::read_to_string(summary).unwrap());
    assert_agrees(&summary, &calls(&log));
    summary
}

#[test]
fn the_summary_agrees_with_a_log_of_the_same_run() {
    let scratch = Scratch::new();
    scratch.random("a", 3_000_000);
    let summary =
        agrees(scratch.path(), &[], "cp a b; cp a c; cat a > d; cp b e; cp c f; cp c g; cp c h");
    assert_eq!(summary["bytes"], 21_000_000);
    assert_eq!(summary["program"], "sh");
    assert_eq!(summary["pid"], Value::Null);
    agrees(scratch.path(), &["--backend", "emulate", "--shared", "yes"], "cp a b; cp a c");
    agrees(scratch.path(), &[], "\"$PROGRAM\" many 4 4 7 20");
    if find_program("python3").is_none() {
        return skip(
            "cli::summary::the_summary_agrees_with_a_log_of_the_same_run",
            "python3 is not installed",
        );
    }
    let script = "python3 - << 'END'\n\
        import fcntl, os\n\
        a, b = os.open('a', os.O_RDONLY), os.open('b', os.O_RDWR)\n\
        for arguments in [(a, b, 5), (a, b, 0), (b, a, 5), (a, 99, 5), (a, b, 5, 1 << 40)] * 3:\n\
        \x20   try: os.copy_file_range(*arguments)\n\
        \x20   except OSError: pass\n\
        os.sendfile(b, a, 0, 1000)\n\
        for request in (0x40049409, 0x4020940d):\n\
        \x20   try: fcntl.ioctl(b, request, a)\n\
        \x20   except OSError: pass\nEND";
    let summary = agrees(scratch.path(), &[], script);
    assert!(number(&summary["errors"], "EBADF") >= 6, "{summary:#}");
    assert!(number(&summary["hooks"], "ioctl") == 2, "{summary:#}");
}

/// Reflinks, dedupes of several targets, and proof of sharing.
#[test]
fn reflinks_dedupes_and_shared_blocks_are_counted() {
    let filesystems =
        Filesystems::mount("cli::summary::reflinks_dedupes_and_shared_blocks_are_counted");
    for (name, place) in filesystems.iter().filter(|(name, _)| matches!(*name, "xfs" | "btrfs")) {
        let scratch = Scratch::below(place);
        let source = scratch.random("a", 1 << 20);
        scratch.write("same", &fs::read(&source).unwrap());
        scratch.write("other", &vec![7; 1 << 20]);
        let script = "cp --reflink=always a b; cp --reflink=never a c; python3 - << 'END'\n\
            import fcntl, os, struct\n\
            names = ['same', 'other']\n\
            request = struct.pack('=QQHHI', 0, 65536, 2, 0, 0)\n\
            for name in names:\n\
            \x20   request += struct.pack('=qQQiI', os.open(name, os.O_RDWR), 0, 0, 0, 0)\n\
            fcntl.ioctl(os.open('a', os.O_RDONLY), 0xc0189436, bytearray(request))\nEND";
        let summary = agrees(scratch.path(), &["--shared", "yes"], script);
        assert_eq!(summary["methods"]["reflink"]["calls"], 1, "{name} {summary:#}");
        let dedupe = &summary["methods"]["dedupe"];
        assert_eq!((number(dedupe, "calls"), number(dedupe, "bytes")), (1, 65536), "{name}");
        // Shared blocks take no time for a byte.
        for method in ["dedupe", "reflink"] {
            let shares = &summary["methods"][method];
            assert_eq!(shares["bytes_per_second"], Value::Null, "{name} {summary:#}");
            assert!(number(shares, "duration_ns") > 0, "{name} {summary:#}");
        }
        assert_eq!(number(&summary, "shared_bytes"), (1 << 20) + 65536, "{name} {summary:#}");
        assert_eq!(summary["differing"], 1, "{name} {summary:#}");
        assert!(number(&summary, "shared") >= 2, "{name} {summary:#}");
    }
}

/// A backup copies many files, and the large one late.
#[test]
fn the_busiest_files_are_right_behind_any_number_of_others() {
    let scratch = Scratch::new();
    scratch.random("a", 3_000_000);
    let script = "import os\n\
        def copy(name, count, times=1):\n\
        \x20   source, target = os.open('a', os.O_RDONLY), os.open(name, os.O_RDWR | os.O_CREAT)\n\
        \x20   for _ in range(times): os.copy_file_range(source, target, count)\n\
        for number in range(600): copy(f'o{number}', 1000)\n\
        copy('big', 500_000, 3)\n\
        copy('second', 400_000, 2)\n\
        for number in range(600): copy(f'p{number}', 1000)\n";
    let run = |options: &[&str]| {
        counted(options, ["python3", "-c", script]).within(scratch.path()).ok().stderr
    };
    let summary = object(&run(&["--format", "json"]));
    let pairs = summary["pairs"].as_array().unwrap();
    let first = |place: usize| {
        let (pair, name) = (&pairs[place], pairs[place]["path_out"].as_str().unwrap());
        (name.rsplit('/').next().unwrap().to_owned(), number(pair, "bytes"), number(pair, "calls"))
    };
    assert_eq!(first(0), ("big".to_owned(), 1_500_000, 3), "{summary:#}");
    assert_eq!(first(1), ("second".to_owned(), 800_000, 2), "{summary:#}");
    assert_eq!(pairs[0]["exact"], false);
    let bound = number(&summary, "pairs_off_by_at_most");
    assert!((1000..=3_500_000 / 256).contains(&bound), "{summary:#}");
    // Nothing is counted twice or lost.
    let sum = |key: &str| {
        let shown: u64 = pairs.iter().map(|pair| number(pair, key)).sum();
        shown + number(&summary["further_pairs"], key)
    };
    assert_eq!((sum("bytes"), sum("calls")), (3_500_000, 1205), "{summary:#}");
    let table = run(&[]);
    assert!(
        table.contains("1.43 MiB+") && table.contains("a row with + may miss up to "),
        "{table}"
    );
}

#[test]
fn each_program_has_its_sums() {
    let scratch = Scratch::new();
    scratch.random("a", 1_000_000);
    let script = "cp a b; cp a c; python3 -c \"import os\n\
        os.copy_file_range(os.open('a', 0), os.open('d', os.O_RDWR | os.O_CREAT), 300000)\"";
    for reach in ["preload", "all"] {
        let options = ["--reach", reach, "--format", "json"];
        let output = counted(&options, ["sh", "-c", script]).within(scratch.path()).ok();
        let summary = object(output.stderr.lines().last().unwrap());
        let programs = summary["by_program"].as_array().unwrap();
        let shown = programs.iter().map(|program| {
            assert_eq!(program["exact"], true, "{summary:#}");
            (program["comm"].as_str().unwrap(), number(program, "bytes"))
        });
        let expected = [("cp", 2_000_000), ("python3", 300_000)];
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{reach}: {summary:#}");
        assert_eq!(number(&summary["further_programs"], "calls"), 0, "{summary:#}");
    }
    let table = counted(&[], ["sh", "-c", script]).within(scratch.path()).ok().stderr;
    let rows: Vec<_> = table.lines().skip_while(|line| !line.contains("by program")).collect();
    assert!(rows[1].ends_with("  cp") && rows[2].ends_with("  python3"), "{table}");
}

/// The speed of a copy does not depend on refusals, ends of file and waiting for them.
#[test]
fn time_and_speed_are_those_of_copies() {
    let scratch = Scratch::new();
    scratch.random("a", 1_000_000);
    let options = ["--inject", "error=EIO:delay_exit=30ms:when=2", "--format", "json"];
    let script = "import os\n\
        source, target = os.open('a', os.O_RDONLY), os.open('b', os.O_RDWR | os.O_CREAT)\n\
        os.copy_file_range(source, target, 1000000)\n\
        try: os.copy_file_range(source, target, 1)\n\
        except OSError: os.copy_file_range(source, target, 1)\n";
    let output = counted(&options, ["python3", "-c", script]).within(scratch.path()).ok();
    let summary = object(output.stderr.lines().last().unwrap());
    let kernel = &summary["methods"]["kernel"];
    assert_eq!((number(kernel, "calls"), number(kernel, "copies")), (2, 1), "{summary:#}");
    let [all, copies] = [number(&summary, "duration_ns"), number(kernel, "duration_ns")];
    let [refused, ends] = ["refused_ns", "end_of_file_ns"].map(|key| number(&summary, key));
    assert_eq!(all, copies + refused + ends, "{summary:#}");
    assert!(refused >= 30_000_000, "{summary:#}");
    assert_eq!((number(&summary, "refused"), number(&summary, "end_of_file")), (1, 1));
    let speed = 1_000_000 * 1_000_000_000 / copies;
    assert_eq!(number(kernel, "bytes_per_second"), speed, "{summary:#}");
    assert_eq!(number(&summary["copied"], "bytes_per_second"), speed, "{summary:#}");
}

/// The kernel's count of what the tree wrote, less the copies and the log: exactly 0 for a program that
/// only copies.
#[test]
fn what_was_written_otherwise_is_told_and_can_be_forbidden() {
    let scratch = Scratch::new();
    scratch.random("a", 3_000_000);
    scratch.write("b", b"");
    let sender = compile("drivers/sends_file.c", "sends_file-otherwise", &[]);
    let script = format!("cp a b; {} a b; cp b c", sender.display());
    let ends = |options: &[&str], words: &[&str]| {
        let run = Run::bare(launcher()).args(["run", "--expect", "written_otherwise=0"]);
        let output = run.args(options).args(words).within(scratch.path()).output();
        (output.status, output.stderr)
    };
    let log = scratch.file("log");
    let copies = ["sh", "-c", &script];
    for options in [
        &[][..],
        &["--backend", "emulate"],
        &["--log", "info"],
        &["--log", "trace", "--format", "json", "-o", log.to_str().unwrap()],
        &["--reach", "preload"],
        &["--inject", "short=50%:hook=copy_file_range"],
    ] {
        assert_eq!(ends(options, &copies).0, Some(0), "{options:?}: {:?}", ends(options, &copies));
    }
    // In the tree, by a child of a child; a pipe counts too.
    for (script, bytes) in [
        ("dd if=a of=c bs=100000 status=none", "3000000 bytes (2.86 MiB)"),
        ("(cp a d; sh -c 'head -c 1000 a > e; true'; true)", "1000 bytes"),
        ("head -c 500 a | tail -c 400 > f", "900 bytes"),
    ] {
        let (status, said) = ends(&[], &["sh", "-c", script]);
        assert_eq!(status, Some(123), "{script}: {said}");
        let found = format!("but {bytes} were written otherwise");
        assert!(said.contains(&found), "{script}: {said}");
    }
}

/// The kernel gives the counters of a process that has ended to root only.
#[test]
fn what_an_ordinary_users_program_wrote_is_counted() {
    let test = "cli::summary::what_an_ordinary_users_program_wrote_is_counted";
    let (Some(setpriv), true) = (find_program("setpriv"), is_root()) else {
        return skip(test, "needs setpriv and root");
    };
    let scratch = Scratch::new();
    scratch.open_to_all();
    copy_product(&scratch.file("product"));
    scratch.random("a", 3_000_000);
    let ends = |words: &[&str]| {
        let output = Run::bare(&setpriv)
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "product/cfr", "run"])
            .args(["--expect", "written_otherwise=0"])
            .args(words)
            .within(scratch.path())
            .output();
        (output.status, output.stderr)
    };
    let copied = ends(&["cp", "a", "b"]);
    assert_eq!(copied.0, Some(0), "{copied:?}");
    let (status, said) = ends(&["dd", "if=a", "of=c", "status=none"]);
    assert_eq!(status, Some(123), "{said}");
    assert!(said.contains("but 3000000 bytes (2.86 MiB) were written otherwise"), "{said}");
}

/// What they write is not known yet.
#[test]
fn nothing_was_written_otherwise_only_if_no_process_still_runs() {
    let scratch = Scratch::new();
    Run::bare("mkfifo").args([scratch.file("go")]).ok();
    let daemon = "setsid sh -c 'read word < go' > /dev/null 2>&1 < /dev/null & exit 0";
    let ends = |expectation: &str| {
        let run = Run::bare(launcher()).args(["run", "--reach", "all", "--expect", expectation]);
        let output = run.args(["sh", "-c", daemon]).within(scratch.path()).output();
        // Its reader has opened it, or will.
        fs::write(scratch.file("go"), "word\n").unwrap();
        (output.status, output.stderr)
    };
    let (status, said) = ends("written_otherwise=0");
    assert_eq!(status, Some(123), "{said}");
    assert!(said.contains("processes that it started still run"), "{said}");
    assert_eq!(ends("written_otherwise>=0").0, Some(0));
}

/// A program that falls back to write(2).
#[test]
fn a_fallback_is_told_with_its_refusals_and_its_files() {
    let scratch = Scratch::new();
    scratch.random("a", 3_000_000);
    let options = ["--inject", "error=EXDEV:hook=copy_file_range;error=EXDEV:hook=ioctl"];
    let copy = |format: &[&str]| {
        let options = [&options[..], format].concat();
        counted(&options, ["cp", "a", "b"]).within(scratch.path()).ok().stderr
    };
    let table = copy(&[]);
    assert!(table.contains("2.86 MiB  written by write(2) and its like, after "), "{table}");
    let paths = ["a", "b"].map(|name| scratch.file(name).display().to_string());
    let row = table.lines().find(|line| line.contains("never copied, ")).unwrap_or_default();
    assert!(row.ends_with(&format!(": {} -> {}", paths[0], paths[1])), "{table}");
    let summary = object(copy(&["--format", "json"]).lines().last().unwrap());
    assert_eq!(number(&summary, "written_otherwise"), 3_000_000, "{summary:#}");
    assert_eq!(summary["never_copied"][0]["path_out"], *paths[1], "{summary:#}");
    assert_eq!(number(&summary, "refused"), number(&summary["never_copied"][0], "errors"));
}

/// 64 processes of 16 threads, and one process of a thousand threads.
#[test]
fn no_call_of_many_processes_and_threads_is_lost() {
    for (processes, threads, files, each) in [(64, 16, 300, 10), (1, 1000, 7, 5), (8, 8, 1, 50)] {
        let scratch = Scratch::new();
        let words = ["many".to_owned(), processes.to_string(), threads.to_string()];
        let words = words.into_iter().chain([files, each].map(|number: u64| number.to_string()));
        let command = [program().into_os_string()].into_iter().chain(words.map(Into::into));
        let output = counted(&["--format", "json"], command).within(scratch.path()).ok();
        let summary = object(&output.stderr);
        let calls = processes * threads * each;
        assert_eq!(number(&summary, "calls"), calls, "{summary:#}");
        assert_eq!(number(&summary, "bytes"), calls * 10);
        assert_eq!(number(&summary, "unfinished"), 0);
        // Threads that see new files at the same time do not make two pairs of them.
        let shown = summary["pairs"].as_array().unwrap();
        assert_eq!(shown.len() as u64, files.min(5));
        let of_shown: u64 = shown.iter().map(|pair| number(pair, "calls")).sum();
        assert_eq!(of_shown + number(&summary["further_pairs"], "calls"), calls);
        if files == 1 {
            assert_eq!(of_shown, calls);
        }
    }
}

#[test]
fn every_end_of_a_process_keeps_its_counts() {
    const WRITTEN: [&str; 5] = ["return", "exit", "_exit", "_Exit", "thread"];
    const CUT_OFF: [&str; 6] = ["quick_exit", "abort", "SIGTERM", "SIGKILL", "crash", "exec"];
    for way in WRITTEN.into_iter().chain(CUT_OFF) {
        let run = |run: Run| {
            let scratch = Scratch::new();
            run.args(["ends", way]).within(scratch.path()).output()
        };
        let bare = run(Run::bare(program()));
        let under = run(counted(&[], [program()]));
        let ended = bare.status.unwrap_or_else(|| 128 + bare.signal.unwrap());
        assert_eq!(under.status, Some(ended), "{way}");
        let [heading] = headings(&under)[..] else { panic!("{way}: {under:#?}") };
        assert!(heading.starts_with("3 calls, 30 B in "), "{way}: {heading}");
        let alone = run(preloaded(program()));
        assert_eq!((alone.status, alone.signal), (bare.status, bare.signal), "{way}");
        let is_written = WRITTEN.contains(&way);
        assert_eq!(headings(&alone).len(), usize::from(is_written), "{way}: {alone:#?}");
        assert!(headings(&alone).iter().all(|heading| heading.starts_with("3 calls, 30 B in ")));
    }
}

#[test]
fn each_child_has_a_summary_of_its_own() {
    let scratch = Scratch::new();
    let forks = preloaded(program()).args(["forks"]).within(scratch.path()).ok();
    // One of the two children copies nothing.
    let counts: Vec<_> = headings(&forks).iter().map(|line| &line[..7]).collect();
    assert_eq!(counts, ["2 calls", "3 calls"], "{forks:#?}");
    let whole = counted(&[], [program().as_os_str(), OsStr::new("forks")]);
    let whole = whole.within(scratch.path()).ok();
    assert!(headings(&whole)[0].starts_with("5 calls, 50 B in "), "{whole:#?}");
    // A child of vfork runs in its parent's memory; here it copies first.
    let vforks = preloaded(program()).args(["vforks"]).within(scratch.path()).ok();
    let [heading] = headings(&vforks)[..] else { panic!("{vforks:#?}") };
    assert!(heading.starts_with("3 calls, 30 B in "), "{vforks:#?}");
    // multiprocessing ends its children by os._exit.
    if find_program("python3").is_none() {
        return skip(
            "cli::summary::each_child_has_a_summary_of_its_own",
            "python3 is not installed",
        );
    }
    let script = "import multiprocessing, os\n\
        def copy(number):\n\
        \x20   a, b = os.open('source', os.O_RDONLY), os.open(f'b{number}', os.O_WRONLY | os.O_CREAT)\n\
        \x20   for _ in range(number): os.copy_file_range(a, b, 10, 0)\n\
        context = multiprocessing.get_context('fork')\n\
        children = [context.Process(target=copy, args=(number,)) for number in (1, 2, 3)]\n\
        for child in children: child.start()\n\
        for child in children: child.join()\n";
    let python = preloaded("python3").args(["-c", script]).within(scratch.path()).ok();
    let mut counts: Vec<_> = headings(&python).iter().map(|line| &line[..6]).collect();
    counts.sort_unstable();
    assert_eq!(counts, ["1 call", "2 call", "3 call"], "{python:#?}");
    assert!(headings(&python).iter().any(|heading| heading.starts_with("1 call, 10 B in ")));
}

/// In every mode of the inner one.
#[test]
fn the_outer_of_two_launchers_counts_all_calls() {
    let scratch = Scratch::new();
    let source = scratch.random("a", 1000);
    for inner in [&["run", "-c"][..], &["trace", "-c"], &["trace"], &["run"]] {
        let script = "\"$CFR\" \"$@\" cp a b; cp a c; cp a d";
        let run = counted(&["--format", "json"], ["sh", "-euc", script, "sh"]).args(inner);
        let run = run.env("CFR", launcher()).within(scratch.path()).env("CFR_LOG_FILE", "log");
        let summaries = run.ok().stderr;
        let outer = summaries.lines().last().unwrap();
        let outer = read_json(outer);
        let outer = &outer["summary"];
        assert_eq!(outer["program"], "sh", "{inner:?}");
        assert_eq!(outer["bytes"], 3000, "{inner:?} {outer:#}");
        assert_eq!(outer["pairs"].as_array().unwrap().len(), 3, "{inner:?}");
        let from = source.to_str().unwrap();
        assert!(outer["slowest"].as_array().unwrap().iter().all(|slow| slow["path_in"] == from));
        assert_eq!(number(outer, "unfinished"), 0);
    }
    // A trace around a counting run does not report an empty trace.
    let run = Run::bare(launcher()).args(["trace", "--log", "warn"]).args([launcher()]);
    let output = run.args(["run", "-c"]).args(["cp", "a", "b"]).within(scratch.path()).ok();
    assert!(!output.stderr.contains("no copy was seen"), "{output:#?}");
}

/// Even if its children are still running.
#[test]
fn the_summary_is_written_when_the_program_ends() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let script = "{ read line < go; cp a b; echo done > done; } > /dev/null 2>&1 & exit 3";
    assert!(Run::bare("mkfifo").args(["go", "done"]).within(scratch.path()).ok().stderr.is_empty());
    let output = counted(&[], ["sh", "-c", script]).within(scratch.path()).output();
    assert_eq!(output.status, Some(3));
    assert!(output.stderr.contains("summary of sh, "), "{output:#?}");
    assert_eq!(headings(&output), ["0 calls"]);
    let end = Run::bare("sh").args(["-c", "echo > go; cat done"]).within(scratch.path()).ok();
    assert_eq!(end.stdout, "done\n");
    assert_eq!(fs::read(scratch.file("b")).unwrap(), fs::read(scratch.file("a")).unwrap());
}

// Where it is written.

#[test]
fn the_table_has_methods_errors_files_and_latencies() {
    let scratch = Scratch::new();
    let source = scratch.random("a", 1_000_000);
    let copy = |options: &[&str]| {
        let run = counted(options, ["cp", "--reflink=auto", "a", "b"]);
        run.within(scratch.path()).ok().stderr
    };
    let table = copy(&[]);
    assert_harmless(&table);
    let paths = format!("{} -> {}", source.display(), scratch.file("b").display());
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("cfr: summary of cp, 1 program: "), "{table}");
    for start in [
        "cfr:   method            copies       bytes  share         time          speed",
        "cfr:     kernel               1  976.56 KiB   100% ",
        "cfr:   without a copy     calls                            time",
        "cfr:   hook                 calls",
        "cfr:     copy_file_range         2",
        "cfr:     end of file          1 ",
        "cfr:   time of a call           p50         p90         p99         max",
        "cfr:   slowest calls              result  hook             method    process  files",
        "cfr:   busiest files     share     calls  errors         time  files",
        "cfr:         976.56 KiB   100%         ",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start:?}\n{table}");
    }
    assert!(lines.iter().filter(|line| line.ends_with(&paths)).count() >= 3, "{table}");
    assert!(!table.contains("shared") && !table.contains("unfinished"), "{table}");
    for line in lines.iter().map(|line| line.replace(&paths, "")) {
        assert!(line.len() <= 110, "{line}");
    }
    // Without a copy there is no head of an empty table.
    let refused = copy(&["--inject", "error=EIO:hook=ioctl", "--hooks", "ioctl"]);
    assert!(!refused.contains("cfr:   method  ") && refused.contains("    refused  "), "{refused}");
    // Without a call there is only the reason.
    let empty = counted(&[], ["true"]).ok().stderr;
    let lines: Vec<_> = empty.lines().collect();
    assert_eq!(lines[0], "cfr: summary of true, 1 program: 0 calls");
    assert!(lines[1].ends_with(": true") && lines[2].starts_with("cfr: no copy was "), "{empty}");
    assert_eq!(lines.len(), 3);
}

/// A summary that is found later tells when, where and what was run.
#[test]
fn the_summary_tells_of_its_run() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let words = ["sh", "-c", "sleep 0.2; cp a 'b c'"];
    let before = std::time::SystemTime::now();
    let run = Run::bare(launcher()).args(["run", "-c", "--format", "json", "--results", "results"]);
    let output = run.args(words).within(scratch.path()).ok();
    let passed = before.elapsed().unwrap().as_nanos();
    let host = Run::bare("uname").args(["-n"]).ok().stdout.trim_end().to_owned();
    let results = read_json(&fs::read_to_string(scratch.file("results")).unwrap());
    for summary in [object(output.stderr.lines().last().unwrap()), results["summary"].clone()] {
        assert_eq!(summary["command"], serde_json::json!(words), "{summary:#}");
        assert_eq!(
            (&summary["host"], &summary["version"]),
            (&host.clone().into(), &"0.1.0".into())
        );
        let wall = u128::from(number(&summary, "wall_ns"));
        assert!((200_000_000..=passed).contains(&wall), "{wall} of {passed} ns");
        let start = summary["start"].as_str().unwrap();
        assert!(start.len() == 27 && start.ends_with('Z'), "{start}");
    }
    let table = counted(&[], words).within(scratch.path()).ok().stderr;
    let line = table.lines().nth(1).unwrap();
    let end = format!(" on {host}, cfr 0.1.0: sh -c sleep 0.2; cp a 'b c'");
    assert!(line.starts_with("cfr:   20") && line.ends_with(&end), "{line}");
    // A process without the launcher knows its version only.
    let own = preloaded("cp").args(["a", "d"]).env("CFR_LOG_FORMAT", "json").within(scratch.path());
    let summary = object(own.ok().stderr.lines().last().unwrap());
    assert_eq!((&summary["version"], &summary["start"]), (&"0.1.0".into(), &Value::Null));
}

/// The program may have arguments with the same names.
#[test]
fn the_option_the_variable_and_the_programs_own_arguments_are_told_apart() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let asked = |words: &[&str], variable: &str| {
        let run = Run::bare(launcher()).args(words).args(["cp", "a", "b"]).within(scratch.path());
        let output = run.env("CFR_SUMMARY", variable).ok();
        headings(&output).len()
    };
    for (words, variable, count) in [
        (&["run"][..], "", 0),
        (&["run"], "yes", 1),
        (&["run"], "no", 0),
        (&["run", "-c"], "", 1),
        (&["run", "--summary"], "no", 1),
        (&["run", "--summary=yes"], "", 1),
        (&["run", "--summary=no"], "yes", 0),
        (&["trace", "-c"], "", 1),
        (&["trace", "-c", "--"], "", 1),
    ] {
        assert_eq!(asked(words, variable), count, "{words:?} {variable:?}");
    }
}

#[test]
fn another_spelling_of_yes_is_not_the_name_of_a_file() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let run = |value: &str| {
        let option = format!("--summary={value}");
        Run::bare(launcher()).args(["run", &option, "cp", "a", "b"]).within(scratch.path())
    };
    for value in ["YES", "No"] {
        let output = run(value).output();
        assert_eq!(output.status, Some(125));
        let why = format!("cfr: invalid value '{value}' for --summary: expected yes, no or a path");
        assert!(output.stderr.starts_with(&why), "{output:#?}");
        assert!(!scratch.file(value).exists() && !scratch.file("b").exists());
    }
    run("./YES").ok();
    assert!(fs::read_to_string(scratch.file("YES")).unwrap().starts_with("summary of cp"));
}

#[test]
fn a_summary_file_is_named_by_its_placeholders() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    fs::create_dir(scratch.file("100%")).unwrap();
    let (place, within) = (scratch.path(), scratch.file("100%"));
    // The launcher writes one, of the program that it started.
    for _ in 0..2 {
        let script = "cp ../a b; cp ../a c";
        let run = Run::bare(launcher()).args(["run", "--summary=sum.%e.%%", "sh", "-euc", script]);
        assert_eq!(run.within(&within).ok().stderr, "");
    }
    let text = fs::read_to_string(within.join("sum.sh.%")).unwrap();
    assert_eq!(text.matches("summary of sh, ").count(), 2, "{text}");
    assert!(text.lines().all(|line| line.starts_with("summary of ") || line.starts_with("  ")));
    // The library writes one for each process that has copied, relative to where it started.
    let run = Run::preloaded("sh").args(["-euc", "cp ../a b; cp ../a c; true"]);
    let run = run.env("CFR_LOG", "off").env("CFR_SUMMARY", "alone.%e.%p").within(&within);
    assert_eq!(run.env("CFR_LOG_FORMAT", "json").ok().stderr, "");
    let mut found = 0;
    for entry in fs::read_dir(&within).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(pid) = name.strip_prefix("alone.cp.") else {
            assert!(!name.starts_with("alone."), "{name}");
            continue;
        };
        let summary = object(&fs::read_to_string(&path).unwrap());
        assert_eq!(number(&summary, "pid"), pid.parse::<u64>().unwrap());
        assert_eq!((&summary["program"], &summary["programs"]), (&json!("cp"), &json!(1)));
        assert_eq!(summary["bytes"], 1000);
        found += 1;
    }
    assert_eq!(found, 2);
    // A process that never copied leaves no file.
    let run = Run::preloaded("true").env("CFR_SUMMARY", place.join("never")).ok();
    assert_eq!((run.stderr.as_str(), place.join("never").exists()), ("", false));
    assert_eq!(preloaded("true").ok().stderr, "");
}

#[test]
fn a_summary_file_that_cannot_be_written_is_125() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    for (file, why) in [
        ("missing/sum", "No such file or directory (ENOENT)"),
        ("missing/sum.%p", "No such file or directory (ENOENT)"),
        (".", "Is a directory (EISDIR)"),
    ] {
        let run = Run::bare(launcher()).args(["run", &format!("--summary={file}"), "cp", "a", "b"]);
        let output = run.within(scratch.path()).output();
        assert_eq!(output.status, Some(125), "{file}");
        let is_said = output.stderr.starts_with("cfr: cannot write the summary to ")
            && output.stderr.ends_with(&format!(": {why}\n"));
        assert!(is_said && output.stderr.lines().count() == 1, "{file}: {output:#?}");
        assert!(!scratch.file("b").exists(), "nothing has run");
    }
    for value in ["--summary=%x", "--summary="] {
        let output = Run::bare(launcher()).args(["run", value, "true"]).output();
        assert_eq!(output.status, Some(125), "{value}");
        assert!(
            output.stderr.contains(" for --summary: expected yes, no or a path"),
            "{value}: {output:#?}"
        );
    }
    // The directory exists when the program starts, and not when it ends.
    let output = Run::bare(launcher())
        .args(["run", "--summary=/dev/full", "cp", "a", "b"])
        .within(scratch.path())
        .output();
    let said = "cfr: cannot write the summary to /dev/full: No space left on device (ENOSPC)\n";
    assert_eq!((output.status, output.stderr.as_str()), (Some(125), said));
    assert!(scratch.file("b").exists());
    // The library alone reports it once, and the program's result is unchanged.
    let run = preloaded(program()).args(["ends", "return"]).within(scratch.path());
    let output = run.env("CFR_SUMMARY", "/missing/sum").ok();
    let said =
        "cfr: cannot write the summary to /missing/sum: No such file or directory (ENOENT)\n";
    assert_eq!(output.stderr, said);
}

/// GNU programs close their standard error before they end; others close every descriptor.
#[test]
fn the_summary_is_printed_although_standard_error_is_closed() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let output = preloaded("cp").args(["a", "b"]).within(scratch.path()).ok();
    assert_eq!(headings(&output).len(), 1, "{output:#?}");
    assert_harmless(&output.stderr);
    // If no other descriptor is free, the program's own standard error is used.
    let script = "ulimit -n 6; exec \"$0\" ends return";
    let run = preloaded("sh").args(["-c".as_ref(), script.as_ref(), program().as_os_str()]);
    let output = run.within(scratch.path()).ok();
    assert_eq!(headings(&output).len(), 1, "{output:#?}");
    // If the program was started without standard error, there is no reader.
    let script = "exec 2>&-; exec cp a b";
    let output = preloaded("sh").args(["-c", script]).within(scratch.path()).ok();
    assert_eq!(output.stderr, "");
}

#[test]
fn names_with_control_characters_are_escaped() {
    let evil = b"cfr: summary of\n\x1b[2J\xff\"\\<\xe2\x80\xaex\r";
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let program_name = scratch.file("cp").with_file_name(OsStr::from_bytes(evil));
    symlink(find_program("cp").unwrap(), &program_name).unwrap();
    let target = [b"x".as_slice(), evil].concat();
    let target = OsStr::from_bytes(&target);
    for options in [&[][..], &["--format", "json"]] {
        let run = counted(options, [program_name.as_os_str(), OsStr::new("a"), target]);
        let output = run.within(scratch.path()).ok();
        if options.is_empty() {
            assert_harmless(&output.stderr);
            assert_eq!(headings(&output).len(), 1);
            continue;
        }
        let summary = object(&output.stderr);
        assert!(!output.stderr.trim_end().chars().any(char::is_control), "{output:?}");
        // A byte that is not UTF-8 is shown as a zero byte and two digits.
        let expected = "cfr: summary of\n\u{1b}[2J\u{0}ff\"\\<\u{202e}x\r";
        assert_eq!(summary["program"], expected);
        assert!(summary["pairs"][0]["path_out"].as_str().unwrap().ends_with(expected));
    }
    // Of a long name the end is kept.
    let long = "l".repeat(200);
    let summary = counted(&["--format", "json"], ["cp", "a", &long]).within(scratch.path()).ok();
    let kept = object(&summary.stderr)["pairs"][0]["path_out"].clone();
    assert_eq!(kept, format!("...{}", "l".repeat(93)));
}

// Errors.

/// Every process of the program can write to them.
#[test]
fn garbage_in_the_counters_does_not_break_the_launcher() {
    let scratch = Scratch::new();
    for seed in 1..=40u64 {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string();
        for options in [&[][..], &["--format", "json"]] {
            let command = [program().into_os_string(), "garbage".into(), (&seed).into()];
            let output = counted(options, command).within(scratch.path()).ok();
            if options.is_empty() {
                // A path may end in a space.
                let ends = output.stderr.lines().map(str::trim_end).collect::<Vec<_>>();
                assert_harmless(&ends.join("\n"));
                assert_eq!(headings(&output).len(), 1, "{seed}");
            } else {
                object(&output.stderr);
            }
        }
    }
}

#[test]
fn the_program_outlives_a_killed_launcher() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let script = "until test -e killed; do cp a b || exit; done; cmp a b && echo ok";
    let running = counted(&[], ["sh", "-c", script]).within(scratch.path()).start();
    until(|| scratch.file("b").exists(), "the first copy");
    running.send(libc::SIGKILL);
    running.await_end();
    scratch.write("killed", b"");
    let output = running.output();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("ok\n", ""), "{output:?}");
}

/// Reports whether a process has CAP_SYS_RESOURCE.
fn may_raise_hard_limit() -> bool {
    Run::bare("sh").args(["-c", "ulimit -f 0 && ulimit -f 1"]).output().status == Some(0)
}

/// The launcher raises the limit on file sizes for its memory file, up to the hard limit, and root
/// that too. The program has the limit as it was.
#[test]
fn a_limit_on_file_sizes_leaves_the_summary() {
    let scratch = Scratch::new();
    let limits = |hard: &str| {
        let script = format!("ulimit -{hard}f 1; exec \"$@\"");
        let run = Run::bare("sh").args(["-c", &script, "sh"]).args([launcher()]);
        let run = run.args(["run", "-c", "sh", "-c", "ulimit -Sf; ulimit -Hf"]);
        run.within(scratch.path()).output()
    };
    let output = limits("S");
    assert_eq!(output.stdout.lines().next(), Some("1"), "{output:#?}");
    assert!(output.stderr.starts_with("cfr: summary of sh"), "{output:#?}");
    if may_raise_hard_limit() {
        let output = limits("");
        assert_eq!(output.stdout, "1\n1\n", "{output:#?}");
        assert!(output.stderr.starts_with("cfr: summary of sh"), "{output:#?}");
    }
}

/// A trace then has no last line. A summary that was asked for is refused before the program
/// starts.
#[test]
fn without_a_memory_file_a_trace_runs_and_a_summary_is_refused() {
    const WHY: &str = "cfr: cannot create a memory file: File too large (EFBIG), the limit on file \
                       sizes (RLIMIT_FSIZE, ulimit -f)\n";
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let limited = |words: &[&str]| {
        let script = "ulimit -f 0; exec \"$0\" \"$@\"";
        let run = match may_raise_hard_limit() {
            true => Run::bare("setpriv").args(["--bounding-set=-sys_resource", "sh"]),
            false => Run::bare("sh"),
        };
        let run = run.args(["-c", script]).args([launcher()]).args(words);
        run.within(scratch.path()).output()
    };
    let trace = limited(&["trace", "true"]);
    assert_eq!((trace.status, trace.stderr.as_str()), (Some(0), WHY));
    let run = limited(&["run", "-c", "touch", "b"]);
    assert_eq!((run.status, run.stderr.as_str()), (Some(125), WHY));
    assert!(!scratch.file("b").exists());
    assert_eq!(limited(&["run", "true"]).stderr, "");
    let filtered = |words: &[&str]| {
        let filter = compile("drivers/failing_system_call.c", "failing_system_call", &[]);
        let filtered = Run::bare(&filter);
        // Nor is there a file of the other kind.
        let filtered = filtered.args(["memfd_create", "EPERM"]).args([&filter]);
        let run = filtered.args(["fallocate", "ENOSYS"]).args([launcher()]).args(words);
        run.within(scratch.path()).output()
    };
    let why = "cfr: cannot create a memory file: Operation not permitted (EPERM)\n";
    let trace = filtered(&["trace", "cp", "a", "c"]);
    assert!(trace.stderr.starts_with(why) && !trace.calls().is_empty(), "{trace:#?}");
    let run = filtered(&["run", "-c", "true"]);
    assert_eq!((run.status, run.stderr.as_str()), (Some(125), why));
    // The program's own limit still ends it by its signal.
    let bare = Run::bare("sh").args(["-c", "ulimit -f 0; exec cp a b"]).within(scratch.path());
    let bare = bare.output().signal.unwrap();
    assert_eq!(limited(&["trace", "cp", "a", "b"]).status, Some(128 + bare));
    // The program's own limits do not limit the counters.
    let script = "ulimit -f 0; exec cp a b";
    let output = counted(&[], ["sh", "-c", script]).within(scratch.path()).output();
    assert_eq!(output.status, Some(128 + bare));
    assert!(output.stderr.contains("cfr:     unfinished"), "{output:#?}");
}

/// Then the counters are in a file without a name in /dev/shm.
#[test]
fn calls_are_counted_where_memory_files_are_denied() {
    let test = "cli::summary::calls_are_counted_where_memory_files_are_denied";
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    let filter = compile("drivers/failing_system_call.c", "failing_system_call", &[]);
    let of_musl = compile("drivers/keeps_copying.c", "keeps_copying", &["-static"]);
    let tmpfs = Run::bare("stat").args(["-f", "-c", "%T", "/dev/shm"]).output();
    if tmpfs.stdout != "tmpfs\n" {
        return skip(test, "/dev/shm is no tmpfs");
    }
    for error in ["EPERM", "ENOSYS", "EACCES"] {
        let filtered = |words: &[&str]| {
            let run = Run::bare("sh").args(["-c", "umask 0777; exec \"$@\"", "sh"]).args([&filter]);
            let run = run.args(["memfd_create", error]).args([launcher()]).args(words);
            run.within(scratch.path()).output()
        };
        let run = filtered(&["run", "-c", "--reach", "all", "dd", "if=a", "of=/dev/null"]);
        assert_eq!(run.status, Some(0), "{run:#?}");
        assert!(run.stderr.contains("\ncfr: summary of dd, 1 program: 0 calls\n"), "{run:#?}");
        // One program that the library counts, and one that the supervisor does.
        let script = "umask 022; cp a b; rm -f b c; \"$0\" a c 100000 0 done; rm -f done c";
        let expected = ["--reach", "all", "--expect", "bytes=1000", "--expect", "programs=5"];
        let program = of_musl.to_str().unwrap();
        let words = [&["run", "-c"][..], &expected, &["sh", "-c", script, program]].concat();
        let run = filtered(&words);
        assert!(run.stderr.contains("expected bytes=1000, but 2000"), "{run:#?}");
        assert_eq!((run.status, run.stderr.contains("programs=5")), (Some(123), false), "{run:#?}");
        let log = scratch.file("log");
        let words = ["trace", "-o", log.to_str().unwrap(), "sh", "-c", "umask 022; exec cp a b"];
        let run = filtered(&words);
        assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:#?}");
        assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 3);
        fs::remove_file(&log).unwrap();
        let sweep = "umask 022; rm -f b; exec cp a b";
        let words = ["sweep", "--faults", "EIO", "--hooks", "copy_file_range", "sh", "-c", sweep];
        let run = filtered(&words);
        assert!(run.stdout.contains("none is bad"), "{run:#?}");
        fs::remove_file(scratch.file("b")).unwrap();
    }
}

/// Its calls cannot be seen.
#[test]
fn a_static_program_is_not_counted_and_the_summary_says_so() {
    let program = compile("drivers/counted_calls.c", "counted-static", &["-static"]);
    let scratch = Scratch::new();
    let words = [program.as_os_str(), OsStr::new("ends"), OsStr::new("return")];
    let output = counted(&["--reach=preload"], words).within(scratch.path()).ok();
    let lines: Vec<_> = output.stderr.lines().collect();
    // The copies that were not seen are in the kernel's count.
    assert!(output.stderr.contains("  written by write(2) and its like"), "{output:#?}");
    assert_eq!(lines.len(), 5, "{output:#?}");
    assert!(lines[0].contains("statically linked") && lines[4].contains("statically linked"));
    assert_eq!(lines[1], "cfr: summary of counted-static, 0 programs: 0 calls");
}

/// A sandbox may kill a process for one. It also keeps no descriptor for which a reader of standard
/// error would wait.
#[test]
fn a_process_that_does_not_copy_makes_no_system_call_at_its_end() {
    let Some(strace) = find_program("strace") else {
        return skip(
            "cli::summary::a_process_that_does_not_copy_makes_no_system_call_at_its_end",
            "strace is not installed",
        );
    };
    let scratch = Scratch::new();
    let traced = |preloads: bool| {
        let trace = scratch.file("trace");
        let mut run = Run::bare(&strace)
            .args(["-e", "trace=getpid,fcntl,dup,dup2,dup3,write,pwrite64,pwritev2,lseek", "-o"])
            .args([&trace]);
        if preloads {
            let preload = format!("LD_PRELOAD={}", cfr_testkit::library().display());
            run = run.args(["-E", &preload, "-E", "CFR_LOG=off", "-E", "CFR_SUMMARY=yes"]);
        }
        run.args(["true"]).ok();
        let trace = fs::read_to_string(trace).unwrap();
        trace.lines().map(|line| line.split('(').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // At load the library looks for the counters.
    let with = traced(true);
    let others = with.strip_prefix(&["getpid".to_owned()]);
    assert_eq!(others, Some(&*traced(false)), "{with:?}");
}

/// Programs write a new file and rename it, or delete the old one first.
#[test]
fn files_that_replace_each_other_under_a_name_are_one() {
    let scratch = Scratch::new();
    scratch.random("a", 10);
    let script = "import os\n\
        for number in range(1000):\n\
        \x20   name = f'f{number % 50}'\n\
        \x20   source, target = os.open('a', os.O_RDONLY), os.open(name, os.O_RDWR | os.O_CREAT)\n\
        \x20   os.copy_file_range(source, target, 10)\n\
        \x20   os.close(source), os.close(target)\n\
        \x20   os.unlink(name)\n";
    for reach in ["preload", "all"] {
        let options = ["--reach", reach, "--format", "json"];
        let run = counted(&options, ["python3", "-c", script]).within(scratch.path()).ok();
        let summary = object(run.stderr.lines().last().unwrap());
        for pair in summary["pairs"].as_array().unwrap() {
            assert_eq!((number(pair, "calls"), number(pair, "bytes")), (20, 200), "{summary:#}");
            assert_eq!(pair["exact"], true, "{summary:#}");
        }
        assert_eq!(number(&summary["further_pairs"], "bytes"), 45 * 200, "{summary:#}");
        assert_eq!(number(&summary, "pairs_off_by_at_most"), 0, "{summary:#}");
    }
}

/// Two for the paths. Which process and thread it is, is known unless the program has paused.
#[test]
fn a_counted_call_reads_its_paths_once_and_no_path_that_nothing_shows() {
    const NAME: &str =
        "cli::summary::a_counted_call_reads_its_paths_once_and_no_path_that_nothing_shows";
    for (options, paths) in [
        (&["-c"][..], 4_000),
        (&["-c", "--paths", "no"], 4_000),
        (&["--results", "results"], 4_000),
        (&["--expect", "calls>=1", "--paths", "no"], 0),
    ] {
        let run = |scratch: &Scratch, words: &[&str]| {
            let run = Run::bare(launcher()).args(["run", "--reach", "preload"]).args(options);
            let output = run.args(["--"]).args(words).within(scratch.path()).ok();
            Output { stderr: String::new(), ..output }
        };
        let asks_once = || -> Option<bool> {
            let mut more = calls_of_2000_copies(NAME, run)?;
            // Between calls that follow each other at once the descriptors are looked at instead.
            let [read, checked] =
                ["readlinkat", "statx"].map(|name| more.remove(name).unwrap_or(0));
            // The start and the end of the run may need one more or less.
            assert!(
                (read + checked).abs_diff(paths) <= 10,
                "{options:?}: {read} {checked} {more:?}"
            );
            let asked = ["getpid", "gettid", "prctl"].map(|name| more.remove(name).unwrap_or(0));
            assert!(more.values().sum::<u64>() < 1_000, "{options:?}: {more:?}");
            Some(asked.iter().all(|&count| count <= 2_010))
        };
        // A thread that was made to wait in its call asks again: not in all runs.
        let Some(is_met) = asks_once() else { return };
        assert!(is_met || (1..5).any(|_| asks_once() == Some(true)), "{options:?}");
    }
}

/// The first target differs: the time is that of the sharing, and the call shared what all targets did.
#[test]
fn a_dedupe_of_several_targets_is_one_call() {
    let filesystems = Filesystems::mount("cli::summary::a_dedupe_of_several_targets_is_one_call");
    for (name, place) in filesystems.iter().filter(|(name, _)| matches!(*name, "xfs" | "btrfs")) {
        let scratch = Scratch::below(place);
        for file in ["a", "same", "also"] {
            scratch.write(file, &[b'z'; 4096]);
        }
        scratch.write("other", &[b'y'; 4096]);
        let script = "import fcntl, os, struct\n\
            request = struct.pack('=QQHHI', 0, 4096, 3, 0, 0)\n\
            for name in ['other', 'same', 'also']:\n\
            \x20   request += struct.pack('=qQQiI', os.open(name, os.O_RDWR), 0, 0, 0, 0)\n\
            fcntl.ioctl(os.open('a', os.O_RDONLY), 0xc0189436, bytearray(request))\n";
        let run = counted(&["--format", "json"], ["python3", "-c", script]);
        let summary = object(&run.within(scratch.path()).ok().stderr);
        let duration_ns = number(&summary, "duration_ns");
        let dedupe = &summary["methods"]["dedupe"];
        assert_eq!((number(dedupe, "copies"), number(dedupe, "bytes")), (2, 8192), "{name}");
        assert_eq!(number(dedupe, "duration_ns"), duration_ns, "{name} {summary:#}");
        assert_eq!(summary["differing"], 1, "{name} {summary:#}");
        let slow = summary["slowest"].as_array().unwrap();
        assert_eq!(slow.len(), 1, "{name} {summary:#}");
        assert_eq!(
            (&slow[0]["bytes"], &slow[0]["method"], &slow[0]["error"]),
            (&json!(8192), &json!("dedupe"), &Value::Null),
            "{name} {summary:#}"
        );
    }
}

/// It gets the number of a deleted file.
#[test]
fn a_reused_inode_number_is_another_file() {
    let filesystems = Filesystems::mount("cli::summary::a_reused_inode_number_is_another_file");
    let Some(ext4) = filesystems.get("ext4") else {
        return skip("cli::summary::a_reused_inode_number_is_another_file", "no ext4");
    };
    let scratch = Scratch::below(ext4);
    scratch.random("a", 1000);
    // Creation times differ by a tick of the kernel's clock, at most 10 ms.
    let script = "import os, time\n\
        for number in range(3):\n\
        \x20   time.sleep(0.02)\n\
        \x20   source, target = os.open('a', os.O_RDONLY), os.open('b', os.O_RDWR | os.O_CREAT)\n\
        \x20   os.unlink('b')\n\
        \x20   os.copy_file_range(source, target, 1000)\n\
        \x20   os.close(target)\n";
    let command = ["python3", "-c", script];
    let output = counted(&["--format", "json"], command).within(scratch.path()).ok();
    let summary = object(&output.stderr);
    let pairs = summary["pairs"].as_array().unwrap();
    let targets = pairs.iter().map(|pair| pair["path_out"].as_str().unwrap().rsplit('/').next());
    assert_eq!(targets.collect::<Vec<_>>(), [Some("b (deleted)"); 3], "{summary:#}");
}

/// Without waiting for a reader.
#[test]
fn a_fifo_without_a_reader_is_an_error_at_once() {
    let scratch = Scratch::new();
    let fifo = scratch.file("fifo");
    assert!(Run::bare("mkfifo").args([&fifo]).output().status == Some(0));
    let option = format!("--summary={}", fifo.display());
    let output = Run::bare(launcher()).args(["run", &option, "true"]).output();
    assert_eq!(output.status, Some(125));
    assert!(output.stderr.starts_with("cfr: cannot write the summary to "), "{}", output.stderr);
}

/// The launcher reports it.
#[test]
fn without_a_thread_nothing_is_started() {
    let Some(setpriv) = find_program("setpriv") else {
        return skip(
            "cli::summary::without_a_thread_nothing_is_started",
            "setpriv is not installed",
        );
    };
    let scratch = Scratch::new();
    let ran = scratch.file("ran");
    if !is_root() {
        return skip(
            "cli::summary::without_a_thread_nothing_is_started",
            "needs root, to be a user without processes",
        );
    }
    scratch.open_to_all();
    copy_product(&scratch.file("product"));
    let script = "ulimit -u 1; exec product/cfr run -c -- sh -c 'echo ran > ran'";
    let output = Run::bare(setpriv)
        .args(["--reuid=64999", "--regid=64999", "--clear-groups", "bash", "-c", script])
        .within(scratch.path())
        .output();
    assert_eq!(output.status, Some(125), "{output:?}");
    assert!(output.stderr.starts_with("cfr: cannot start a process: "), "{output:?}");
    assert!(!ran.exists());
}
