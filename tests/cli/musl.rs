//! Programs that are linked with musl, in the tree of a traced program of glibc.

use cfr_testkit::{Output, Run, Scratch, find_program, launcher, parse, project, read_json, skip};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Compiles with musl-gcc, which finds the kernel's headers only if it is told.
fn compile(flags: &[&str], source: &Path, program: &Path) {
    let headers = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    Run::bare("musl-gcc")
        .args(["-O0", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(["-idirafter", "/usr/include", "-idirafter", &headers])
        .args(["-o".as_ref(), program, source])
        .args(flags)
        .ok();
}

/// c-tests/drivers/each_hook.c, linked with musl, and its files.
struct MuslProgram {
    scratch: Scratch,
    program: PathBuf,
}

/// The hooks that it copies through, in its order.
const HOOKS: [&str; 4] = ["copy_file_range", "syscall", "sendfile", "ioctl"];
const SHELL: [&str; 4] = ["sh", "-c", "\"$@\"; exit $?", "sh"];

impl MuslProgram {
    /// `None`, after a report, if there is no musl.
    fn new(test: &str) -> Option<MuslProgram> {
        if find_program("musl-gcc").is_none() {
            skip(test, "musl-gcc is not installed");
            return None;
        }
        let scratch = Scratch::new();
        scratch.random("from", 5000);
        let program = scratch.file("program");
        compile(&[], &project().join("c-tests/drivers/each_hook.c"), &program);
        Some(MuslProgram { scratch, program })
    }

    fn words(&self) -> [PathBuf; 4] {
        [self.program.clone(), "".into(), self.scratch.file("from"), self.scratch.file("to")]
    }

    /// Runs the program as a child of a shell, under the launcher with these words.
    fn child(&self, words: &[&str]) -> Output {
        Run::bare(launcher()).args(words).args(["--"]).args(SHELL).args(self.words()).output()
    }

    /// Returns the copy of its first 3000 bytes.
    #[track_caller]
    fn assert_copied(&self) {
        let from = fs::read(self.scratch.file("from")).unwrap();
        assert!(from.get(..3000) == Some(&fs::read(self.scratch.file("to")).unwrap()));
    }
}

fn hooks(output: &Output) -> Vec<String> {
    let name = |call: String| call.split('(').next().unwrap().to_owned();
    output.calls().into_iter().map(name).collect()
}

/// Counts the lines of standard error.
fn call_lines(output: &Output) -> usize {
    output.stderr.lines().count()
}

#[test]
fn a_musl_program_is_traced_as_a_child_and_by_itself() {
    let test = "cli::musl::a_musl_program_is_traced_as_a_child_and_by_itself";
    let Some(musl) = MuslProgram::new(test) else { return };
    for before in [&[][..], &SHELL, &["env"]] {
        let run = Run::bare(launcher()).args(["trace"]).args(before).args(musl.words());
        let output = run.output();
        assert_eq!((output.status, output.stdout.as_str()), (Some(0), ""), "{output:#?}");
        assert_eq!(hooks(&output), HOOKS, "{output:#?}");
        // Nothing else on standard error.
        assert_eq!(call_lines(&output), HOOKS.len(), "{output:#?}");
        musl.assert_copied();
    }
}

#[test]
fn the_copies_of_a_musl_child_are_emulated() {
    let Some(musl) = MuslProgram::new("the_copies_of_a_musl_child_are_emulated") else { return };
    let output = musl.child(&["trace", "--backend", "emulate"]);
    assert_eq!(output.status, Some(0), "{output:#?}");
    let calls = output.calls();
    for call in calls.iter().take(2) {
        assert!(call.ends_with(" = 1000 (emulated)"), "{output:#?}");
    }
    assert_eq!(calls.len(), HOOKS.len(), "{output:#?}");
    musl.assert_copied();
}

#[test]
fn faults_are_injected_into_a_musl_child() {
    let Some(musl) = MuslProgram::new("faults_are_injected_into_a_musl_child") else { return };
    // The program exits with the number of the call that failed.
    for (fault, status) in [
        ("error=EIO:hook=copy_file_range", 91),
        ("short=50%:hook=syscall", 92),
        ("zero:hook=sendfile", 93),
        ("error=EXDEV:hook=ioctl", 0),
    ] {
        let output = musl.child(&["trace", "--inject", fault]);
        assert_eq!(output.status, Some(status), "{fault}: {output:#?}");
        let injected = output.calls().iter().filter(|call| call.contains("INJECTED")).count();
        assert_eq!(injected, 1, "{fault}: {output:#?}");
    }
}

#[test]
fn a_summary_covers_a_musl_child() {
    let Some(musl) = MuslProgram::new("a_summary_covers_a_musl_child") else { return };
    let output = musl.child(&["run", "-c", "--format", "json", "--expect", "calls=4"]);
    assert_eq!(output.status, Some(0), "{output:#?}");
    let summary = read_json(&output.stderr);
    let summary = &summary["summary"];
    // The shell and the program.
    assert_eq!((&summary["programs"], &summary["calls"]), (&json!(2), &json!(4)));
    let hooks = summary["hooks"].as_object().unwrap();
    for hook in HOOKS {
        assert_eq!(hooks[hook], 1, "{output:#?}");
    }
}

#[test]
fn the_log_of_a_musl_child_is_json() {
    let Some(musl) = MuslProgram::new("the_log_of_a_musl_child_is_json") else { return };
    let log = musl.scratch.file("log");
    let output = musl.child(&["trace", "--format", "json", "-o", log.to_str().unwrap()]);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{output:#?}");
    let lines = parse("json", &fs::read(&log).unwrap()).unwrap();
    assert_eq!((lines.calls, lines.messages), (HOOKS.len(), Vec::new()));
    let report = Run::bare(launcher()).args(["report".as_ref(), log.as_os_str()]).ok().stdout;
    assert!(report.contains("program"), "{report}");
}

fn inspected(program: &Path) -> Value {
    let words = ["inspect".as_ref(), "--format".as_ref(), "json".as_ref(), program.as_os_str()];
    read_json(&Run::bare(launcher()).args(words).ok().stdout)
}

#[test]
fn a_musl_program_is_inspected_with_its_libraries() {
    let test = "cli::musl::a_musl_program_is_inspected_with_its_libraries";
    let Some(musl) = MuslProgram::new(test) else { return };
    let found = inspected(&musl.program);
    assert_eq!((&found["verdict"], &found["preload"]), (&json!("preload sees"), &json!("sees")));
    assert_eq!((&found["why"], &found["missing"]), (&Value::Null, &json!([])));
    assert_eq!(found["c_library"], found["dynamic_linker"]);

    let program = musl.scratch.file("static");
    compile(&["-static"], &project().join("c-tests/drivers/each_hook.c"), &program);
    let found = inspected(&program);
    assert_eq!((&found["verdict"], &found["static"]), (&json!("supervisor sees"), &json!(true)));
    let calls = found["files"][0]["by_instruction"]["calls"].as_array().unwrap();
    let ioctl = json!({"call": "ioctl", "asks_for": ["FICLONE"], "seen_by": "supervisor"});
    assert!(calls.contains(&ioctl), "{found:#}");

    let file = |name: &str, text: &str| musl.scratch.write(name, text.as_bytes());
    let source =
        file("copies.c", "void copy_file_range(void); void f(void) { copy_file_range(); }");
    let library = musl.scratch.file("libcopies.so");
    compile(&["-shared", "-fPIC"], &source, &library);
    let source = file("main.c", "void f(void); int main(void) { f(); }");
    let program = musl.scratch.file("main");
    let search = format!("-L{}", musl.scratch.path().display());
    compile(&[&search, "-lcopies", "-Wl,-rpath,$ORIGIN"], &source, &program);
    let found = inspected(&program);
    assert_eq!((&found["verdict"], &found["missing"]), (&json!("preload sees"), &json!([])));
    assert_eq!(found["files"][1]["path"], json!(library));
    compile(&[&search, "-lcopies"], &source, &program);
    let found = inspected(&program);
    assert_eq!(found["missing"][0]["name"], "libcopies.so");
}

/// It preloads the library if it is executed by its own name.
#[test]
fn the_dynamic_linker_of_musl_is_not_a_static_program() {
    let test = "cli::musl::the_dynamic_linker_of_musl_is_not_a_static_program";
    let Some(musl) = MuslProgram::new(test) else { return };
    let linker = inspected(&musl.program)["dynamic_linker"].as_str().unwrap().to_owned();
    let found = inspected(Path::new(&linker));
    assert_eq!((&found["preload"], &found["static"]), (&json!("sees"), &json!(false)));
    let output = Run::bare(launcher()).args(["trace", &linker]).args(musl.words()).ok();
    assert_eq!(hooks(&output), HOOKS, "{output:#?}");
    assert_eq!(call_lines(&output), HOOKS.len(), "{output:#?}");
}
