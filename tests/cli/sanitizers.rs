//! Programs that are built with a sanitizer, in the tree of a traced program: they end, print and
//! report as without cfr, and their copies are logged.

use cfr_testkit::{Output, Run, Scratch, copy_product, find_program, launcher, project, skip};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A way to build a program with a sanitizer, and a mistake that the sanitizer reports.
struct Kind {
    compiler: &'static str,
    flags: &'static [&'static str],
    /// The mistake of c-tests/drivers/each_hook.c, and a part of the report.
    mistake: (&'static str, &'static str),
}

const OVERFLOW: (&str, &str) = ("overflow", "heap-buffer-overflow");
const RACE: (&str, &str) = ("race", "data race");
const ARITHMETIC: (&str, &str) = ("arithmetic", "signed integer overflow");
const LEAK: (&str, &str) = ("leak", "detected memory leaks");
const UNINITIALIZED: (&str, &str) = ("uninitialized", "use-of-uninitialized-value");
const TAGS: (&str, &str) = ("overflow", "tag-mismatch");
const NONE: (&str, &str) = ("", "");

const fn kind(
    compiler: &'static str,
    flags: &'static [&'static str],
    mistake: (&'static str, &'static str),
) -> Kind {
    Kind { compiler, flags, mistake }
}

const OF_GCC: [Kind; 9] = [
    kind("gcc", &["-fsanitize=address"], OVERFLOW),
    kind("gcc", &["-fsanitize=address", "-static-libasan"], OVERFLOW),
    kind("gcc", &["-fsanitize=address,undefined"], ARITHMETIC),
    kind("gcc", &["-fsanitize=thread"], RACE),
    kind("gcc", &["-fsanitize=thread", "-static-libtsan"], RACE),
    kind("gcc", &["-fsanitize=undefined"], ARITHMETIC),
    kind("gcc", &["-fsanitize=undefined", "-static-libubsan"], ARITHMETIC),
    kind("gcc", &["-fsanitize=leak"], LEAK),
    kind("g++", &["-fsanitize=address"], OVERFLOW),
];

const OF_CLANG: [Kind; 12] = [
    kind("clang", &["-fsanitize=address"], OVERFLOW),
    kind("clang", &["-fsanitize=address", "-shared-libsan"], OVERFLOW),
    kind("clang", &["-fsanitize=thread"], RACE),
    kind("clang", &["-fsanitize=undefined"], ARITHMETIC),
    kind("clang", &["-fsanitize=undefined", "-shared-libsan"], ARITHMETIC),
    kind("clang", &["-fsanitize=leak"], LEAK),
    kind("clang", &["-fsanitize=memory"], UNINITIALIZED),
    // No processor need ignore tags: the memory is mapped once for each.
    kind(
        "clang",
        &["-fsanitize=hwaddress", "-fsanitize-hwaddress-experimental-aliasing", "-Wl,--no-relax"],
        TAGS,
    ),
    // It reports no mistakes.
    kind(
        "clang",
        &["-fsanitize=dataflow", "-fsanitize-ignorelist=c-tests/drivers/each_hook.abilist"],
        NONE,
    ),
    kind("clang++", &["-fsanitize=address"], OVERFLOW),
    kind("clang++", &["-fsanitize=address", "-shared-libsan"], OVERFLOW),
    kind("clang++", &["-fsanitize=thread"], RACE),
];

impl Kind {
    fn name(&self) -> String {
        format!("{} {}", self.compiler, self.flags.join(" "))
    }

    /// Builds the program. The error is the reason why this machine cannot build or run such ones.
    fn build(&self, scratch: &Scratch, number: usize, more: &[&str]) -> Result<PathBuf, String> {
        find_program(self.compiler).ok_or(format!("{} is not installed", self.compiler))?;
        let mut flags: Vec<_> = self.flags.iter().map(ToString::to_string).collect();
        if self.flags.contains(&"-shared-libsan") {
            let directory = Run::bare(self.compiler).args(["-print-runtime-dir"]).ok().stdout;
            flags.push(format!("-Wl,-rpath,{}", directory.trim()));
        }
        let language = if self.compiler.ends_with("++") { "c++" } else { "c" };
        let compile = |source: &Path, name: &str| {
            let program = scratch.file(name);
            let output = Run::bare(self.compiler)
                .args(["-O0", "-g", "-Wall", "-Werror", "-pthread"])
                .args(&flags)
                .args(more)
                .args(["-x", language])
                .args([source, "-o".as_ref(), &program])
                .within(project())
                .output();
            (program, output)
        };
        let nothing = scratch.write("nothing", b"int main(void) { return 0; }\n");
        let (program, output) = compile(&nothing, "bare");
        if output.status != Some(0) {
            let why = output.stderr.lines().last().unwrap_or_default().to_owned();
            return Err(format!("{} builds nothing: {why}", self.name()));
        }
        let output = Run::bare(program).output();
        if output.status != Some(0) {
            return Err(format!("programs of {} do not run: {output:?}", self.name()));
        }
        let source = project().join("c-tests/drivers/each_hook.c");
        let (program, output) = compile(&source, &format!("program-{number}"));
        assert_eq!(output.status, Some(0), "{}: {output:#?}", self.name());
        Ok(program)
    }
}

/// Replaces what differs from run to run: numbers of processes, and addresses.
fn normal(report: &str) -> String {
    let mut shown = String::new();
    let mut rest = report;
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        shown += before;
        let is_hex = from.starts_with("0x");
        let digits = if is_hex { from.strip_prefix("0x").unwrap() } else { from };
        let end = digits
            .find(|letter: char| !(letter.is_ascii_digit() || is_hex && letter.is_ascii_hexdigit()))
            .unwrap_or(digits.len());
        let is_process = ["==", "pid=", "pid ", "tid="].iter().any(|start| before.ends_with(start));
        match &digits[..end] {
            _ if is_hex => shown += "0x",
            _ if is_process => shown += "N",
            number => _ = write!(shown, "{number}"),
        }
        rest = &digits[end..];
    }
    shown + rest
}

/// The commands before a program that make it a part of a tree.
fn trees() -> [(&'static str, Vec<String>); 4] {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shell = ["sh", "-c", "\"$@\"; exit $?", "sh"];
    [
        ("itself", Vec::new()),
        ("a child", words(&shell)),
        ("executed by env", words(&["env"])),
        (
            "a child of a launcher's child",
            [words(&shell), words(&[launcher().to_str().unwrap(), "run"]), words(&shell)].concat(),
        ),
    ]
}

/// A program with its files.
struct Sanitized<'a> {
    scratch: &'a Scratch,
    program: PathBuf,
}

impl Sanitized<'_> {
    fn words(&self, mistake: &str) -> Vec<String> {
        let [program, from, to] =
            [&self.program, &self.scratch.file("from"), &self.scratch.file("to")]
                .map(|path| path.to_str().unwrap().to_owned());
        vec![program, mistake.to_owned(), from, to]
    }

    fn run(&self, command: &[String]) -> Output {
        let (program, args) = command.split_first().unwrap();
        // The tags of hwaddress are the same in each run.
        Run::bare(program).args(args).env("HWASAN_OPTIONS", "random_tags=0").output()
    }

    fn bare(&self, before: &[String], mistake: &str) -> Output {
        self.run(&[before, &self.words(mistake)].concat())
    }

    /// Runs the program after `before` under `launcher`. Returns its output and the hooks of its log.
    fn traced(&self, launcher: &Path, before: &[String], mistake: &str) -> (Output, Vec<String>) {
        let log = self.scratch.file("log");
        let _ = fs::remove_file(&log);
        let trace = [launcher.to_str().unwrap(), "trace", "-o", log.to_str().unwrap()];
        let trace = trace.map(str::to_owned);
        let output = self.run(&[&trace, before, &self.words(mistake)].concat());
        let log = fs::read_to_string(log).unwrap_or_default();
        // A line that explains an error by a rule is not a call.
        let calls = log.lines().filter(|line| !line.ends_with(" ---"));
        let hooks = calls.filter_map(|line| line.split([' ', '(']).nth(2));
        (output, hooks.map(str::to_owned).collect())
    }

    #[track_caller]
    fn must_be_as_bare(&self, name: &str, before: &[String], mistake: &str) {
        let bare = self.bare(before, mistake);
        let (output, hooks) = self.traced(&launcher(), before, mistake);
        assert_same(&output, &bare, name);
        assert_eq!(hooks, HOOKS, "{name}: {output:#?}");
    }
}

/// The hooks that the program copies through, in its order.
const HOOKS: [&str; 4] = ["copy_file_range", "syscall", "sendfile", "ioctl"];

#[track_caller]
fn assert_same(output: &Output, bare: &Output, name: &str) {
    let end = |output: &Output| (output.status, output.signal, output.stdout.clone());
    assert_eq!(end(output), end(bare), "{name}: {output:#?}");
    assert_eq!(normal(&output.stderr), normal(&bare.stderr), "{name}");
}

fn each_is_as_bare(test: &str, kinds: &[Kind]) {
    let scratch = Scratch::new();
    scratch.random("from", 5000);
    for (number, kind) in kinds.iter().enumerate() {
        let program = match kind.build(&scratch, number, &[]) {
            Ok(program) => program,
            Err(why) => {
                skip(test, &why);
                continue;
            }
        };
        let program = Sanitized { scratch: &scratch, program };
        let (mistake, report) = kind.mistake;
        let bare = program.bare(&[], mistake);
        assert!(bare.stderr.contains(report), "{}: {bare:#?}", kind.name());
        for (tree, before) in trees() {
            let name = format!("{}, {tree}", kind.name());
            program.must_be_as_bare(&name, &before, "");
            if !mistake.is_empty() && tree != "executed by env" {
                program.must_be_as_bare(&format!("{name}, {mistake}"), &before, mistake);
            }
        }
    }
}

#[test]
fn programs_of_gcc_are_as_bare() {
    each_is_as_bare("cli::sanitizers::programs_of_gcc_are_as_bare", &OF_GCC);
}

#[test]
fn programs_of_clang_are_as_bare() {
    each_is_as_bare("cli::sanitizers::programs_of_clang_are_as_bare", &OF_CLANG);
}

/// The kinds whose runtime ends the program if another library is loaded before it.
const FIRST: [&Kind; 2] = [&OF_GCC[0], &OF_CLANG[1]];

/// Builds the programs of [`FIRST`] with more flags.
fn build<'a>(test: &str, scratch: &'a Scratch, flags: &[&str]) -> Vec<Sanitized<'a>> {
    scratch.random("from", 5000);
    let mut programs = Vec::new();
    for (number, kind) in FIRST.iter().enumerate() {
        match kind.build(scratch, number, flags) {
            Ok(program) => programs.push(Sanitized { scratch, program }),
            Err(why) => skip(test, &why),
        }
    }
    programs
}

/// Options that a program or its tree sets for the runtime, in place of the user's.
#[test]
fn options_of_a_program_and_of_its_tree_stay() {
    let test = "cli::sanitizers::options_of_a_program_and_of_its_tree_stay";
    let (without, with) = (Scratch::new(), Scratch::new());
    let own = ["-DOPTIONS=\"exitcode=42:verify_asan_link_order=1\""];
    let programs = [build(test, &without, &[]), build(test, &with, &own)];
    for (number, program) in programs.iter().flatten().enumerate() {
        for before in [
            &["sh", "-c", "\"$@\"; exit $?", "sh"][..],
            &["env", "ASAN_OPTIONS=exitcode=43"],
            &["env", "ASAN_OPTIONS=exitcode=44:verify_asan_link_order=1"],
            &["env", "-u", "ASAN_OPTIONS"],
            &[
                "sh",
                "-c",
                "exec env -i \"LD_PRELOAD=$LD_PRELOAD\" \"CFR_LOG=$CFR_LOG\" \
               \"CFR_COOKIE=$CFR_COOKIE\" \"CFR_LOG_FILE=$CFR_LOG_FILE\" \"$@\"",
                "sh",
            ],
        ] {
            let name = format!("program {number}, {before:?}");
            let before: Vec<_> = before.iter().map(ToString::to_string).collect();
            program.must_be_as_bare(&name, &before, "overflow");
        }
    }
}

#[test]
fn the_environment_of_the_tree_has_no_option() {
    let script = ["run", "sh", "-c", "echo ${ASAN_OPTIONS-none}"];
    assert_eq!(Run::bare(launcher()).args(script).ok().stdout, "none\n");
    let options = "exitcode=43";
    let output = Run::bare(launcher()).args(script).env("ASAN_OPTIONS", options).ok();
    assert_eq!(output.stdout, format!("{options}\n"));
}

/// A library without its links is named by its own path, which the runtime does not accept.
#[test]
fn without_the_links_an_option_is_added_to_those_of_the_user() {
    let test = "cli::sanitizers::without_the_links_an_option_is_added_to_those_of_the_user";
    let scratch = Scratch::new();
    let launcher = copy_product(&scratch.file("product"));
    let shown = |options: &str, words: &[&str]| {
        Run::bare(&launcher).args(words).env("ASAN_OPTIONS", options).ok().stdout
    };
    let script = ["run", "sh", "-c", "echo $ASAN_OPTIONS"];
    let within = [&["run", launcher.to_str().unwrap()][..], &script].concat();
    assert_eq!(shown("", &script), "verify_asan_link_order=0\n");
    assert_eq!(shown("exitcode=41", &script), "verify_asan_link_order=0:exitcode=41\n");
    assert_eq!(shown("exitcode=41", &within), "verify_asan_link_order=0:exitcode=41\n");

    for program in build(test, &scratch, &[]) {
        for (tree, before) in trees() {
            let bare = program.bare(&before, "overflow");
            let (output, hooks) = program.traced(&launcher, &before, "overflow");
            assert_same(&output, &bare, tree);
            assert_eq!(hooks, HOOKS, "{tree}: {output:#?}");
        }
        // The user's own word counts.
        let output = Run::bare(&launcher)
            .args(["run", "sh", "-c", "\"$@\"; exit $?", "sh"])
            .args(program.words(""))
            .env("ASAN_OPTIONS", "verify_asan_link_order=1")
            .output();
        assert_eq!(output.status, Some(1), "{output:#?}");
        assert!(output.stderr.contains("runtime does not come first"), "{output:#?}");
    }
}
