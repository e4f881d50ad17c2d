//! Settings hold for supervised calls as for those that the library sees.

use super::{keeps_copying, trace};
use cfr_testkit::{
    Output, Run, Scratch, compile, find_program, launcher, parse, parse_call, project, read_json,
    skip,
};
use std::fs;

const BYTES: usize = 20_000;
/// How many calls of 4096 bytes copy [`BYTES`], with the one that returns 0.
const CALLS: usize = 6;

/// The calls of a static program and those of another that is preloaded.
#[test]
fn the_supervisor_and_the_library_count_a_tree_together() {
    let copying = Copying::new();
    let preloaded = compile("drivers/keeps_copying.c", "keeps_copying_preloaded", &[]);
    let alone = Copying::words().join(" ");
    let script = format!("{alone}; {} from too 4096 0 done", preloaded.display());
    // The first call of the second program.
    let fault = format!("error=EIO:per=tree:when={}", CALLS + 1);
    let run =
        trace(&copying.scratch.file("log"), &["--inject", &fault]).args(["sh", "-c", &script]);
    run.within(copying.scratch.path()).ok();
    let results = copying.results();
    assert_eq!(results.iter().position(|result| result.contains("INJECTED")), Some(CALLS));
    assert_eq!(results[CALLS], "-1 EIO (Input/output error) (none, INJECTED)");
}

/// A static program that copies a file by calls of 4096 bytes, and its files.
struct Copying {
    scratch: Scratch,
}

impl Copying {
    fn new() -> Copying {
        let scratch = Scratch::new();
        scratch.random("from", BYTES);
        Copying { scratch }
    }

    fn words() -> Vec<String> {
        keeps_copying(["4096", "0"])
    }

    /// Runs the program under `cfr trace --reach all` with these options.
    fn run(&self, options: &[&str]) -> Output {
        let _ = fs::remove_file(self.scratch.file("log"));
        let _ = fs::remove_file(self.scratch.file("done"));
        let run = trace(&self.scratch.file("log"), options).args(Copying::words());
        run.within(self.scratch.path()).output()
    }

    /// Runs `cfr run` with these options.
    fn expect(&self, options: &[&str]) -> Output {
        let run = Run::bare(launcher()).args(["run"]).args(options).args(["--"]);
        run.args(Copying::words()).within(self.scratch.path()).output()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scratch.file("log")).unwrap_or_default()
    }

    /// Returns the logged calls, without their arguments.
    fn results(&self) -> Vec<String> {
        let result = |call: String| call.split_once(" = ").unwrap().1.to_owned();
        self.log().lines().filter_map(parse_call).map(result).collect()
    }

    /// Returns what the program has seen.
    fn done(&self) -> String {
        fs::read_to_string(self.scratch.file("done")).unwrap_or_default()
    }
}

#[test]
fn faults_are_injected_into_supervised_calls() {
    let copying = Copying::new();
    let [whole, short] = ["4096 (kernel, supervised)", "3616 (kernel, supervised)"];
    let end = "0 (kernel, supervised)";
    let eio = "-1 EIO (Input/output error) (none, INJECTED, supervised)";
    let [equal, once] = ["20000 bytes, 0 errors, equal\n", "20000 bytes, 1 errors, equal\n"];
    for (fault, results, done) in [
        ("error=EIO:when=2", vec![whole, eio, whole, whole, whole, short, end], once),
        ("error=EIO:when=2:per=thread", vec![whole, eio, whole, whole, whole, short, end], once),
        ("error=EIO:when=2:per=path", vec![whole, eio, whole, whole, whole, short, end], once),
        ("error=EIO:when=2:per=tree", vec![whole, eio, whole, whole, whole, short, end], once),
        ("error=EIO:when=2:hook=seccomp", vec![whole, eio, whole, whole, whole, short, end], once),
        (
            "error=EIO:when=2:hook=copy_file_range",
            vec![whole, eio, whole, whole, whole, short, end],
            once,
        ),
        ("error=EIO:path=*/elsewhere", vec![whole, whole, whole, whole, short, end], equal),
        ("error=EIO:hook=sendfile", vec![whole, whole, whole, whole, short, end], equal),
        (
            "short=1000:when=1",
            vec![
                "1000 (kernel, INJECTED, supervised)",
                whole,
                whole,
                whole,
                whole,
                "2616 (kernel, supervised)",
                end,
            ],
            equal,
        ),
        (
            "short=50%:when=2",
            vec![
                whole,
                "2048 (kernel, INJECTED, supervised)",
                whole,
                whole,
                whole,
                "1568 (kernel, supervised)",
                end,
            ],
            equal,
        ),
        (
            "zero:when=3",
            vec![whole, whole, "0 (none, INJECTED, supervised)"],
            "8192 bytes, 0 errors, different\n",
        ),
        (
            "delay_enter=1ms:when=1",
            vec!["4096 (kernel, DELAYED, supervised)", whole, whole, whole, short, end],
            equal,
        ),
        (
            "delay_exit=1ms:when=6",
            vec![whole, whole, whole, whole, short, "0 (kernel, DELAYED, supervised)"],
            equal,
        ),
    ] {
        let output = copying.run(&["--inject", fault]);
        assert_eq!(output.status, Some(0), "{fault} {output:#?}");
        assert_eq!(copying.results(), results, "{fault}");
        assert_eq!(copying.done(), done, "{fault}");
    }
}

/// A supervised call is one of the hook seccomp, and of the hook that is called like it.
#[test]
fn faults_of_hooks_hit_supervised_calls_if_seccomp_is_watched() {
    let copying = Copying::new();
    let fault = "error=EIO:when=2:hook=copy_file_range";
    let output = copying.run(&["--hooks", "seccomp", "--inject", fault]);
    assert_eq!(output.status, Some(0), "{output:#?}");
    assert_eq!(copying.done(), "20000 bytes, 1 errors, equal\n");
    for fault in ["error=EIO:hook=syscall", "error=EIO:hook=sendfile64"] {
        let output = copying.run(&["--hooks", "seccomp", "--inject", fault]);
        assert_eq!(output.status, Some(125), "{output:#?}");
    }
}

/// Of a program that only the supervisor could see, the launcher says what keeps the supervisor off.
#[test]
fn the_reason_for_no_supervisor_is_given() {
    let copying = Copying::new();
    for (options, reason) in [
        (&["--hooks", "copy_file_range"][..], "--hooks without seccomp"),
        (&["--forward", "next"], "--forward next"),
        (&["--reach", "preload"], "turned off by --reach preload"),
    ] {
        let run = Run::bare(launcher()).args(["trace"]).args(options).args(["--"]);
        let output = run.args(Copying::words()).within(copying.scratch.path()).output();
        let lines: Vec<_> = output.stderr.lines().collect();
        let why = format!(
            " is a statically linked program: nothing can be preloaded into it, and there is no \
             supervisor ({reason})"
        );
        let (before, after) = (lines[0], lines[1]);
        assert!(before.ends_with(&format!("{why}; its copies will not be seen")), "{output:#?}");
        assert!(after.starts_with("cfr: no copy was seen: ") && after.ends_with(&why), "{after}");
        assert_eq!((output.status, lines.len()), (Some(0), 2), "{output:#?}");
    }
}

/// A program that the library is loaded into may still make system calls by instruction.
#[test]
fn a_zero_is_not_proven_without_the_supervisor() {
    let test = "supervisor::settings::a_zero_is_not_proven_without_the_supervisor";
    if cfg!(not(target_arch = "x86_64")) {
        return skip(test, "the instruction is x86-64's");
    }
    let text = "#include <fcntl.h>\n#include <unistd.h>\n\
                static long call(long number, long a, long b, long c, long d, long e) {\n\
                register long d_ __asm__(\"r10\") = d, e_ __asm__(\"r8\") = e, f __asm__(\"r9\") = 0;\n\
                __asm__ volatile(\"syscall\" : \"+a\"(number) : \"D\"(a), \"S\"(b), \"d\"(c), \"r\"(d_),\n\
                \"r\"(e_), \"r\"(f) : \"rcx\", \"r11\", \"memory\"); return number; }\n\
                int main(void) {\n\
                int in = open(\"from\", O_RDONLY), out = open(\"to\", O_RDWR | O_CREAT, 0600);\n\
                return call(326, in, 0, out, 0, 20000) != 20000; }";
    let program = cfr_testkit::compile_text(text, "copies_by_instruction", &[]);
    let copying = Copying::new();
    let said = "; but calls may have been missed: only the supervisor sees system calls by \
                instruction and programs without libcfr.so or the shared counters (static, Go, 32-bit, \
                another user's, in another namespace, with a cleaned environment), and there is none \
                (turned off by --reach preload)";
    for (expression, by_preload, by_all) in [
        ("calls=0", 123, 123),
        ("no error", 123, 0),
        ("calls<=1", 123, 0),
        ("bytes<30K", 123, 0),
        ("no emulated", 0, 0),
        ("injected=0", 0, 0),
        ("programs=1", 0, 0),
        ("calls=1", 123, 0),
        ("calls>=1", 123, 0),
    ] {
        for (reach, status) in [("preload", by_preload), ("all", by_all)] {
            let words = ["run", "--reach", reach, "--expect", expression, "--"];
            let run = Run::bare(launcher()).args(words).args([&program]);
            let output = run.within(copying.scratch.path()).output();
            assert_eq!(output.status, Some(status), "{expression} {reach} {output:#?}");
            let is_zero = !["calls=1", "calls>=1"].contains(&expression);
            if status == 123 && reach == "preload" && is_zero {
                let line = output.stderr.lines().next().unwrap();
                assert!(line.ends_with(said), "{expression} {line}");
            }
        }
    }
}

/// A program is another one after execve(2), and so is each child.
#[test]
fn calls_are_counted_for_each_process() {
    let copying = Copying::new();
    let log = copying.scratch.file("log");
    let run = trace(&log, &["--inject", "error=EIO:when=1"]);
    let script = "\"$@\" && \"$@\" && exec \"$@\"";
    let run = run.args(["sh", "-c", script, "sh"]).args(Copying::words());
    run.within(copying.scratch.path()).ok();
    let results = copying.results();
    let injected: Vec<_> = results.iter().map(|result| result.contains("INJECTED")).collect();
    let once = [&[true][..], &[false; CALLS]].concat();
    assert_eq!(injected, once.repeat(3), "{results:#?}");
}

/// The stack is where it was, as under a debugger.
#[test]
fn calls_are_counted_anew_after_an_exec_at_the_same_addresses() {
    let test = "supervisor::settings::calls_are_counted_anew_after_an_exec_at_the_same_addresses";
    if find_program("setarch").is_none() {
        return skip(test, "setarch is not installed");
    }
    let text = "#include <fcntl.h>\n#include <stdio.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n\
                int main(int c, char **v) {\n\
                int in = open(\"from\", O_RDONLY), out = open(\"to\", O_RDWR | O_CREAT, 0600);\n\
                for (int i = 0; i < 2; i++)\n\
                dprintf(1, \"%ld\\n\", (long)syscall(SYS_copy_file_range, in, 0, out, 0, 10L, 0L));\n\
                close(in), close(out);\n\
                if (v[1][0]-- > '0') execv(\"/proc/self/exe\", v);\n\
                return 0; }";
    let program = cfr_testkit::compile_text(text, "copies_and_execs_itself", &["-static"]);
    let copying = Copying::new();
    for before in [&[][..], &["setarch", "-R"]] {
        let run = trace(&copying.scratch.file("log"), &["--inject", "error=EIO:when=1"]);
        let run = run.args(before).args([&program]).args(["3"]).within(copying.scratch.path());
        assert_eq!(run.ok().stdout, "-1\n10\n".repeat(4), "{before:?}");
    }
}

#[test]
fn an_injected_signal_ends_the_call() {
    let copying = Copying::new();
    for (signal, number) in [("SIGTERM", libc::SIGTERM), ("SIGKILL", libc::SIGKILL)] {
        let output = copying.run(&["--inject", &format!("signal={signal}:when=3")]);
        assert_eq!(output.status, Some(128 + number), "{output:#?}");
        let log = copying.log();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines.len(), 3, "{log}");
        assert!(lines[2].contains(" = ? (unfinished"), "{log}");
        // Nothing was copied by that call.
        let target = fs::metadata(copying.scratch.file("to")).unwrap();
        assert_eq!(target.len(), 2 * 4096, "{signal}");
    }
}

#[test]
fn an_injected_signal_is_handled() {
    let scratch = Scratch::new();
    let source = scratch.random("from", BYTES);
    let program = compile("drivers/long_copy.c", "long_copy", &["-static"]);
    let log = scratch.file("log");
    let run = trace(&log, &["--inject", "signal=SIGALRM"]).args([&program, &source]);
    let output = run.args([scratch.file("to")]).args(["0"]).ok();
    assert_eq!(output.stdout, "begins\nlate\n");
    let copied = fs::read(scratch.file("to")).unwrap();
    assert!(copied == fs::read(source).unwrap());
}

#[test]
fn supervised_copies_are_emulated_verified_and_looked_at() {
    let copying = Copying::new();
    for (options, notes) in [
        (&["--backend", "emulate"][..], "(emulated, supervised)"),
        (&["--verify=yes"], "(kernel, supervised)"),
        (&["--shared=yes"], "(kernel, supervised, not shared)"),
        (&["--dialect", "freebsd-15"], "(kernel, supervised)"),
        (&["--dialect", "linux-5.3"], "(kernel, supervised)"),
    ] {
        let output = copying.run(options);
        assert_eq!(output.status, Some(0), "{options:?} {output:#?}");
        assert_eq!(copying.done(), "20000 bytes, 0 errors, equal\n", "{options:?}");
        let results = copying.results();
        assert_eq!(results.len(), CALLS, "{options:?} {results:#?}");
        let noted = results.iter().filter(|result| result.ends_with(notes)).count();
        assert!(noted >= CALLS - 1, "{options:?} {results:#?}");
    }
}

#[test]
fn the_json_log_has_all_keys_and_the_hook() {
    let copying = Copying::new();
    let output = copying.run(&["--format", "json"]);
    assert_eq!(output.status, Some(0), "{output:#?}");
    let log = copying.log();
    let lines = parse("json", log.as_bytes()).unwrap();
    assert_eq!((lines.calls, lines.messages.len()), (CALLS, 0));
    for line in log.lines() {
        let line = read_json(line);
        assert_eq!((&line["hook"], &line["comm"]), (&"seccomp".into(), &"keeps_copying".into()));
        assert_eq!(line["call"], "copy_file_range");
        assert_eq!(line["pid"], line["tid"]);
    }
}

#[test]
fn each_process_has_its_own_log() {
    let copying = Copying::new();
    let logs = copying.scratch.file("logs");
    fs::create_dir(&logs).unwrap();
    let run = trace(&logs.join("%e.%p.%%.log"), &[]).args(["sh", "-c", "\"$@\"; \"$@\"", "sh"]);
    run.args(Copying::words()).within(copying.scratch.path()).ok();
    let mut names = Vec::new();
    for entry in fs::read_dir(&logs).unwrap() {
        let (name, path) = entry.map(|entry| (entry.file_name(), entry.path())).unwrap();
        let log = fs::read_to_string(path).unwrap();
        let pid = log.split(' ').next().unwrap();
        assert_eq!(name.to_str().unwrap(), format!("keeps_copying.{pid}.%.log"));
        assert_eq!(log.lines().count(), CALLS, "{log}");
        names.push(name);
    }
    assert_eq!(names.len(), 2, "{names:?}");
}

/// The library passes its calls by the cookie also if settings of the program's own switch it off.
#[test]
fn a_program_that_switches_the_library_off_is_named() {
    const NAMED: &str = "1 program does not watch all its calls (CFR_LOG, CFR_HOOKS)";
    let copying = Copying::new();
    for (options, setting, status) in [
        (&["run", "--expect", "calls=0"][..], "CFR_HOOKS=sendfile64", 123),
        (&["trace"], "CFR_HOOKS=sendfile64", 0),
        (&["trace"], "CFR_LOG=off", 0),
    ] {
        let run =
            Run::bare(launcher()).args(options).args(["--reach", "all", "--", "env", setting]);
        let output = run.args(["cp", "from", "to"]).within(copying.scratch.path()).output();
        assert_eq!(output.status, Some(status), "{options:?} {setting} {output:#?}");
        assert!(output.stderr.contains(NAMED), "{options:?} {setting} {output:#?}");
    }
}

/// Also if the supervisor may not act for the program.
#[test]
fn a_pipe_is_no_target() {
    let test = "supervisor::settings::a_pipe_is_no_target";
    if find_program("python3").is_none() {
        return skip(test, "python3 is not installed");
    }
    let copying = Copying::new();
    let send = "import os; r, w = os.pipe(); os.sendfile(w, os.open('from', 0), 0, 10)";
    let script = "ulimit -f 100000; exec env -u LD_PRELOAD python3 -c \"$0\"";
    let run = Run::bare(launcher()).args(["run", "--reach", "all", "--expect", "calls=0", "--"]);
    let output = run.args(["sh", "-c", script, send]).within(copying.scratch.path()).output();
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
}

#[test]
fn expectations_hold_or_not() {
    let copying = Copying::new();
    for (options, status) in [
        (&["--expect", "calls=6"][..], 0),
        (&["--reach", "all", "--expect", "calls=6"], 0),
        (&["--expect", "calls=0"], 123),
        (&["--expect", "no error"], 0),
        (&["--expect", "bytes=20000"], 0),
        (&["--inject", "error=EIO:when=2", "--expect", "no error"], 123),
    ] {
        let output = copying.expect(options);
        assert_eq!(output.status, Some(status), "{options:?} {output:#?}");
    }
}

/// A zero is proven by the supervisor.
#[test]
fn no_call_is_proven_or_not() {
    let program =
        cfr_testkit::compile_text("int main(void) { return 0; }", "returns_0", &["-static"]);
    for (options, status) in [
        (&[][..], 0),
        (&["--reach", "all"], 0),
        (&["--reach", "preload"], 123),
        (&["--hooks", "copy_file_range"], 123),
    ] {
        let words = ["--expect", "calls=0", "--expect", "no error", "--"];
        let run = Run::bare(launcher()).args(["run"]).args(options).args(words);
        let output = run.args([&program]).output();
        assert_eq!(output.status, Some(status), "{options:?} {output:#?}");
    }
    let output = Run::bare(launcher()).args(["trace"]).args([&program]).ok();
    assert!(output.stderr.starts_with("cfr: no copy was made by "), "{output:#?}");
}

#[test]
fn the_summary_and_the_results_count_supervised_calls() {
    let copying = Copying::new();
    let (results, summary) = (copying.scratch.file("results"), copying.scratch.file("summary"));
    let output = copying.expect(&[
        "--reach",
        "all",
        "--format",
        "json",
        &format!("--summary={}", summary.display()),
        "--results",
        results.to_str().unwrap(),
        "--expect",
        "calls=6",
    ]);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
    let results = read_json(&fs::read_to_string(results).unwrap());
    let summary = read_json(&fs::read_to_string(summary).unwrap());
    for counted in [&results["summary"], &summary["summary"]] {
        assert_eq!((&counted["calls"], &counted["bytes"]), (&CALLS.into(), &BYTES.into()));
        assert_eq!(counted["hooks"]["seccomp"], CALLS);
        assert_eq!(counted["programs"], 1, "{counted}");
    }
}

/// A program is one that was executed, with all processes and threads that it makes.
#[test]
fn supervised_programs_are_counted() {
    let text = "#include <fcntl.h>\n#include <pthread.h>\n#include <sys/syscall.h>\n\
                #include <sys/wait.h>\n#include <unistd.h>\n\
                static void *copy(void *none) {\n\
                int in = open(\"from\", O_RDONLY), out = open(\"to\", O_RDWR | O_CREAT, 0600);\n\
                if (syscall(SYS_copy_file_range, in, 0, out, 0, 10L, 0L) != 10) _exit(1);\n\
                return none; }\n\
                int main(int c, char **v) { pthread_t thread; int status; copy(0);\n\
                if (pthread_create(&thread, 0, copy, 0) || pthread_join(thread, 0)) return 2;\n\
                for (int i = 0; i < 2; i++) if (!fork()) { copy(0); _exit(0); }\n\
                for (int i = 0; i < 2; i++) if (wait(&status) < 0 || status) return 3;\n\
                if (c > 1) execv(v[1], v + 1);\n\
                return c > 1; }";
    let flags = ["-static", "-pthread"];
    let alone = cfr_testkit::compile_text(text, "copies_in_many_ways", &flags);
    let preloaded = cfr_testkit::compile_text(text, "copies_in_many_ways_dynamic", &flags[1..]);
    let copying = Copying::new();
    // Twice the static program, which executes the other one once, and the shell.
    let script = "\"$1\" && \"$1\" \"$2\"";
    let expected = ["--expect", "programs=4", "--expect", "calls=12"];
    let run = Run::bare(launcher()).args(["run", "--reach", "all", "--summary"]).args(expected);
    let run = run.args(["--", "sh", "-c", script, "sh"]).args([alone, preloaded]);
    let output = run.within(copying.scratch.path()).output();
    assert_eq!(output.status, Some(0), "{output:#?}");
    assert!(output.stderr.contains("summary of sh, 4 programs: 12 calls"), "{output:#?}");
}

#[test]
fn a_static_program_is_swept() {
    let copying = Copying::new();
    let words = ["sweep", "--check", "cmp from to", "--"];
    let run = Run::bare(launcher()).args(words).args(Copying::words());
    let output = run.within(copying.scratch.path()).output();
    // It copies on after an error, and nothing tells it that a zero is no end of file.
    let cases = output.stdout.lines().find(|line| line.contains(" cases in ")).unwrap_or_default();
    assert!(cases.contains(" passed") && !cases.starts_with("0 cases"), "{output:#?}");
    assert!(output.stdout.lines().any(|line| line.starts_with("EXDEV ")), "{output:#?}");
    // Its reach can be set, and the line that repeats a case has it.
    let swept = |reach| {
        let words = ["sweep", "--reach", reach, "--only", "zero@copy_file_range:first"];
        let run = Run::bare(launcher()).args(words).args(["--check", "cmp from to", "--"]);
        run.args(Copying::words()).within(copying.scratch.path()).output()
    };
    let all = swept("all");
    assert!(all.stdout.contains("cfr sweep --check 'cmp from to' --reach all --only "), "{all:#?}");
    let alone = swept("preload");
    assert_eq!(alone.status, Some(125), "{alone:#?}");
    assert!(alone.stderr.contains("cannot inject faults: "), "{alone:#?}");
    assert!(alone.stderr.contains("(turned off by --reach preload)"), "{alone:#?}");
    let other = swept("some").stderr;
    let said = "cfr: invalid value 'some' for --reach: expected auto, preload or all\n";
    assert_eq!(other, said);
}

#[test]
fn a_32_bit_program_makes_its_calls_itself() {
    let test = "supervisor::settings::a_32_bit_program_makes_its_calls_itself";
    if cfg!(not(target_arch = "x86_64")) {
        return skip(test, "the program is for 32-bit x86");
    }
    let scratch = Scratch::new();
    let (source, program) = (scratch.random("from", 10_000), scratch.file("copies_32"));
    Run::bare("cc")
        .args(["-m32", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-pie", "-no-pie", "-static"])
        .args(["-fno-stack-protector", "-nostdlib", "-nostartfiles", "-o"])
        .args([&program, &project().join("c-tests/drivers/copies_32.c")])
        .ok();
    let target = scratch.file("to");
    let bare = Run::bare(&program).args([&source, &target]).output();
    if bare.status != Some(0) {
        return skip(test, &format!("32-bit programs do not run here: {bare:?}"));
    }
    fs::remove_file(&target).unwrap();
    let log = scratch.file("log");
    trace(&log, &[]).args([&program, &source, &target]).ok();
    assert!(fs::read(&target).unwrap() == fs::read(&source).unwrap());
    let log = fs::read_to_string(log).unwrap();
    let calls: Vec<_> = log.lines().collect();
    assert_eq!(calls.len(), 2, "{log}");
    for (call, name) in calls.into_iter().zip(["copy_file_range(3<", "sendfile(4<"]) {
        assert!(call.contains(name), "{log}");
        assert!(call.contains(", 5000") && call.contains("= ? (let through: a 32-bit"), "{log}");
    }
    let run = Run::bare(launcher()).args(["run", "--expect", "no error", "--"]);
    let output = run.args([&program, &source, &target]).output();
    assert_eq!(output.status, Some(123), "{output:#?}");
    assert!(output.stderr.contains("2 calls were let through"), "{output:#?}");
    let output = Run::bare(launcher()).args(["run", "-c"]).args([&program, &source, &target]).ok();
    assert!(output.stderr.contains(": 2 calls, 2 results unknown\n"), "{output:#?}");
    assert!(!output.stderr.contains("time of a call") && !output.stderr.contains("slowest"));
}

/// The next library's calls are the supervisor's.
#[test]
fn calls_that_are_passed_to_the_next_library_are_counted_once() {
    let scratch = Scratch::new();
    scratch.random("a", 1000);
    for words in [&["env", "CFR_FORWARD=next", "cat", "a"][..], &["cat", "a"]] {
        let run =
            Run::bare(launcher()).args(["run", "--reach", "all", "--expect", "calls=2", "--"]);
        let run = run.args(words).stdout(scratch.file("b")).within(scratch.path());
        let output = run.output();
        assert_eq!(output.status, Some(0), "{words:?}: {output:#?}");
    }
}
