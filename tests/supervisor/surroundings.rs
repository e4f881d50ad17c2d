//! The supervisor works wherever the launcher is started: without standard descriptors, with few
//! descriptors, below another supervisor, for many programs at a time.

use super::trace;
use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, compile_text, copy_product, find_program, is_root,
    launcher, parse_call, skip,
};
use std::fs;
use std::path::Path;

const BYTES: usize = 20_000;

/// Returns a static program that copies `from` to `to` by calls of this many bytes.
fn words(bytes: &str) -> Vec<String> {
    let program = compile("drivers/keeps_copying.c", "keeps_copying", &["-static"]);
    let program = program.to_str().unwrap();
    [program, "from", "to", bytes, "0", "done"].map(str::to_owned).to_vec()
}

fn calls(log: &Path) -> Vec<String> {
    let log = fs::read_to_string(log).unwrap_or_default();
    log.lines().filter_map(parse_call).collect()
}

/// Runs the launcher by a shell that does `before` first. Returns its output and its log's calls.
fn started_after(before: &str) -> (Output, Vec<String>) {
    let scratch = Scratch::new();
    scratch.random("from", BYTES);
    let log = scratch.file("log");
    let run = Run::bare("sh").args(["-c", &format!("{before}; exec \"$@\""), "sh"]);
    let run = run.args([launcher()]).args(["trace", "--reach", "all", "-o"]).args([&log]);
    let output = run.args(["--"]).args(words("1000000")).within(scratch.path()).ok();
    let done = fs::read_to_string(scratch.file("done")).unwrap();
    assert_eq!(done, "20000 bytes, 0 errors, equal\n", "{before}");
    (output, calls(&log))
}

#[test]
fn standard_descriptors_may_be_closed() {
    for closed in ["exec 0<&-", "exec 1>&-", "exec 2>&-", "exec 0<&- 1>&-", "exec 0<&- 1>&- 2>&-"] {
        let (output, calls) = started_after(closed);
        assert_eq!(calls.len(), 2, "{closed} {output:#?}");
        for call in calls {
            assert!(call.ends_with(" (kernel, supervised)"), "{closed} {call}");
        }
    }
}

#[test]
fn descriptors_and_memory_may_be_few() {
    for limit in ["ulimit -n 24", "ulimit -v 400000"] {
        let (output, calls) = started_after(limit);
        assert_eq!((calls.len(), output.stderr.as_str()), (2, ""), "{limit} {output:#?}");
    }
}

/// The launcher runs the program without a supervisor rather than with one that cannot be started.
#[test]
fn a_program_runs_with_few_descriptors_as_without_the_launcher() {
    for limit in 7..24 {
        let scratch = Scratch::new();
        scratch.random("from", BYTES);
        let before = format!("ulimit -n {limit}; exec \"$@\"");
        let run = Run::bare("sh").args(["-c", &before, "sh"]).args([launcher()]);
        let run = run.args(["run", "--reach", "all", "--"]).args(words("1000000"));
        let output = run.within(scratch.path()).ok();
        let done = fs::read_to_string(scratch.file("done")).unwrap();
        assert_eq!(done, "20000 bytes, 0 errors, equal\n", "ulimit -n {limit}");
        // Whether root's supervisor takes privileges is known without a descriptor.
        assert!(!is_root() || !output.stderr.contains("privileges"), "{output:#?}");
    }
}

/// Names below /dev and /proc are about the process that opens them.
#[test]
fn the_log_may_be_a_descriptor_of_the_launchers() {
    let scratch = Scratch::new();
    scratch.random("from", BYTES);
    for (name, to) in
        [("/dev/stdout", "> log"), ("/dev/fd/3", "3> log"), ("/proc/self/fd/3", "3> log")]
    {
        let before = format!("exec \"$@\" {to}");
        let run = Run::bare("sh").args(["-c", &before, "sh"]).args([launcher()]);
        let run = run.args(["trace", "--reach", "all", "-o", name, "--"]).args(words("1000000"));
        run.within(scratch.path()).ok();
        assert_eq!(calls(&scratch.file("log")).len(), 2, "{name}");
    }
}

/// The kernel allows one supervisor: the inner launcher says so, and the outer one sees the calls.
#[test]
fn one_supervisor_is_below_another() {
    let scratch = Scratch::new();
    scratch.random("from", BYTES);
    let [outer, inner] = ["outer", "inner"].map(|name| scratch.file(name));
    let run = trace(&outer, &[]).args([launcher()]).args(["trace", "--reach", "all", "-o"]);
    let run = run.args([&inner]).args(["--"]).args(words("1000000"));
    let output = run.within(scratch.path()).ok();
    let said = ", and there is no supervisor (this process has one already, and can have no second; if it is \
                that of a cfr, its log has the calls); ";
    assert!(output.stderr.lines().next().unwrap().contains(said), "{output:#?}");
    assert_eq!((calls(&outer).len(), calls(&inner).len()), (2, 0), "{output:#?}");
}

/// The outer launcher's supervisor sees what the library passes to the next one, and the inner one
/// says so.
#[test]
fn the_inner_launcher_names_the_calls_that_only_the_outer_one_sees() {
    const LEFT: &str = "1 program leaves its calls to the supervisor of the cfr that runs this one (--forward next)";
    let scratch = Scratch::new();
    scratch.random("from", BYTES);
    let run = |inner: &[&str]| {
        let outer = ["run", "--reach", "all", "--expect", "calls>0", "--"];
        let run = Run::bare(launcher()).args(outer).args([launcher()]).args(inner);
        run.args(["--", "cp", "from", "to"]).within(scratch.path()).output()
    };
    let seen = format!("cfr: no copy was seen: {LEFT}\n");
    for reach in ["preload", "auto"] {
        for command in [&["trace"][..], &["run", "--summary"]] {
            let inner = [command, &["--reach", reach, "--forward", "next"]].concat();
            let output = run(&inner);
            assert_eq!(output.status, Some(0), "{inner:?}: {output:#?}");
            assert!(output.stderr.ends_with(&seen), "{inner:?}: {output:#?}");
        }
    }
    for expression in ["calls=0", "no error"] {
        let output =
            run(&["run", "--reach", "preload", "--forward", "next", "--expect", expression]);
        assert_eq!(output.status, Some(123), "{output:#?}");
        assert!(output.stderr.contains(LEFT), "{output:#?}");
    }
    // Without it both see each call.
    let output = run(&["run", "--reach", "preload", "--expect", "calls>0"]);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
}

/// More than the supervisor has threads for.
#[test]
fn many_programs_wait_in_their_calls_at_a_time() {
    // Fewer than are carried out at a time: more would be let through, without a line.
    const PROGRAMS: usize = 200;
    let scratch = Scratch::new();
    scratch.random("from", BYTES);
    let log = scratch.file("log");
    let script = format!(
        "for i in $(seq {PROGRAMS}); do \"$1\" from to.$i 1000000 0 done.$i & done; wait; \
         cat done.* | sort | uniq -c"
    );
    let program = words("1").swap_remove(0);
    let run = trace(&log, &["--inject", "delay_enter=500ms:when=1"]);
    let output = run.args(["sh", "-c", &script, "sh", &program]).within(scratch.path()).ok();
    let expected = format!("{PROGRAMS} 20000 bytes, 0 errors, equal");
    assert_eq!(output.stdout.trim(), expected, "{output:#?}");
    assert_eq!(calls(&log).len(), 2 * PROGRAMS);
}

/// The supervisor passes the stats on to a program that may not open them: also if the program gets
/// the processor late, and a signal to handle meanwhile.
#[test]
fn the_stats_reach_a_program_that_waits_for_the_processor() {
    let test = "supervisor::surroundings::the_stats_reach_a_program_that_waits_for_the_processor";
    if !is_root() || find_program("setpriv").is_none() || find_program("chrt").is_none() {
        return skip(test, "needs root, setpriv(1) and chrt(1)");
    }
    const RUNS: usize = 8;
    let scratch = Scratch::new();
    scratch.open_to_all();
    scratch.random("from", BYTES);
    let product = copy_product(&scratch.file("product"));
    let busy = || Run::bare("sh").args(["-c", "while :; do :; done"]).start();
    let processors = std::thread::available_parallelism().unwrap().get();
    let busy: Vec<_> = (0..processors).map(|_| busy()).collect();
    for _ in 0..RUNS {
        let run = Run::bare(&product).args(["run", "--reach=all", "--expect", "bytes=20000", "--"]);
        let run = run.args(["chrt", "--idle", "0", "setpriv", "--reuid=64999", "--regid=64999"]);
        let output = run.args(["--clear-groups", "cp", "from", "to"]).within(scratch.path());
        let output = output.output();
        assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
        fs::remove_file(scratch.file("to")).unwrap();
    }
    for busy in busy {
        busy.send(libc::SIGKILL);
        busy.output();
    }
}

/// The sum over the tree may pass a limit that no program reaches.
#[test]
fn a_limit_on_processor_time_is_that_of_each_process() {
    const CALLS: usize = 40_000;
    const PROGRAMS: usize = 4;
    let scratch = Scratch::new();
    scratch.random("from", CALLS - 1);
    let log = scratch.file("log");
    let script = "\"$@\" & for n in 2 3 4; do \"$1\" from to$n 1 0 done$n & done; wait; cat done*";
    // A program needs a third of it.
    let run = Run::bare("sh").args(["-c", "ulimit -S -t 2; exec \"$@\"", "sh"]).args([launcher()]);
    let run = run.args(["trace", "--reach", "all", "-o"]).args([&log]).args(["sh", "-c", script]);
    let output = run.args(["sh"]).args(words("1")).within(scratch.path()).output();
    let done = format!("{} bytes, 0 errors, equal\n", CALLS - 1);
    assert_eq!((output.stdout, output.stderr.as_str()), (done.repeat(PROGRAMS), ""));
    assert_eq!(calls(&log).len(), PROGRAMS * CALLS);
}

/// More calls than are carried out at a time, and none of them ends.
#[test]
fn a_copy_beside_a_frozen_filesystem_is_answered() {
    let test = "supervisor::surroundings::a_copy_beside_a_frozen_filesystem_is_answered";
    let filesystems = Filesystems::mount(test);
    let Some(ext4) = filesystems.get("ext4") else { return skip(test, "no ext4") };
    let program = compile("drivers/frozen_copies.c", "frozen_copies", &["-static", "-pthread"]);
    let scratch = Scratch::new();
    let run = trace(&scratch.file("log"), &[]).args([&program, ext4, scratch.path()]);
    assert_eq!(run.args(["300"]).ok().stdout, "1000 beside, 300 whole\n");
}

/// Before Linux 6.9: the descriptors of threads are those of the first one, unless a thread has its own,
/// or the first one has ended.
#[test]
fn a_thread_that_the_kernel_does_not_open_is_supervised_if_it_shares_its_descriptors() {
    let text = "#define _GNU_SOURCE\n#include <fcntl.h>\n#include <pthread.h>\n#include <sched.h>\n\
                #include <stdio.h>\n#include <stdlib.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n\
                static pthread_t first;\n\
                static void *copy(void *how) {\n\
                if (how && *(char *)how == 'o') unshare(CLONE_FILES);\n\
                if (how && *(char *)how == 'e') pthread_join(first, 0);\n\
                int in = open(\"from\", O_RDONLY), out = open(\"to\", O_RDWR | O_CREAT, 0600);\n\
                printf(\"%ld\\n\", (long)syscall(SYS_copy_file_range, in, 0, out, 0, 10L, 0L));\n\
                if (how && *(char *)how == 'e') exit(0);\n\
                return 0; }\n\
                int main(void) { pthread_t thread; copy(0);\n\
                for (const char *how = \"so\"; *how; how++)\n\
                if (pthread_create(&thread, 0, copy, (void *)how) || pthread_join(thread, 0)) return 1;\n\
                first = pthread_self();\n\
                if (pthread_create(&thread, 0, copy, \"e\")) return 1;\n\
                pthread_exit(0); }";
    let program = compile_text(text, "copies_in_threads", &["-static", "-pthread"]);
    let failing = compile("drivers/failing_system_call.c", "failing_system_call", &[]);
    let scratch = Scratch::new();
    scratch.random("from", BYTES);
    let log = scratch.file("log");
    let run = Run::bare(failing).args(["pidfd_thread", "EINVAL"]).args([launcher()]);
    let run = run.args(["trace", "--reach", "all", "-o"]).args([&log]).args([&program]);
    assert_eq!(run.within(scratch.path()).ok().stdout, "10\n10\n10\n10\n");
    let log = fs::read_to_string(log).unwrap();
    let ends: Vec<_> = log.lines().map(|line| line.split_once(" = ").unwrap().1).collect();
    assert!(ends[..2].iter().all(|end| end.starts_with("10 (kernel, supervised)")), "{log}");
    let own = "? (let through: not the first thread's descriptors, before Linux 6.9)";
    assert_eq!(ends[2..], [own; 2], "{log}");
}
