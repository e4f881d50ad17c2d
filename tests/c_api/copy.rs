//! cfr_copy: the options and the outcome of one call.

use super::Linked;
use cfr_testkit::{
    Filesystems, Run, Scratch, compiler, find_program, is_foreign, is_root, library, project, skip,
};
use std::fs;
use std::path::Path;

const SIZE: usize = 1 << 20;

/// What cfr_copy answered and told, as the driver prints it, and the text of the rule.
#[derive(Debug)]
struct Done {
    line: String,
    text: Option<String>,
    stderr: String,
}

impl Done {
    /// Returns the value of a word, or the result and errno by `result` and `errno`.
    fn get(&self, name: &str) -> &str {
        let mut words = self.line.split(' ');
        match name {
            "result" => words.next(),
            "errno" => words.nth(1),
            _ => words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')),
        }
        .unwrap()
    }

    #[track_caller]
    fn is(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.get(name), *value, "{name} of {self:?}");
        }
    }
}

struct Copies(Linked);

impl Copies {
    fn new(linked: Linked) -> Copies {
        linked.scratch.random("in", SIZE);
        Copies(linked)
    }

    /// Copies a new file, and checks that the bytes told of are in the target.
    fn make(&self, flags: &str, options: &[&str], variables: &[(&str, &str)]) -> Done {
        let words = ["in", "out", "1048576", flags];
        let mut run = self.0.run(words.iter().chain(options));
        for (variable, value) in variables {
            run = run.env(variable, value);
        }
        let output = run.ok();
        let mut lines = output.stdout.lines().map(str::to_owned);
        let line = lines.next().unwrap();
        let done = Done { line, text: lines.next(), stderr: output.stderr };
        let bytes: usize = done.get("bytes").parse().unwrap();
        let copied = fs::read(self.0.scratch.file("out")).unwrap();
        let source = fs::read(self.0.scratch.file("in")).unwrap();
        let start = options.iter().find_map(|word| word.strip_prefix("off_in="));
        let start: usize = start.map_or(0, |start| start.parse().unwrap());
        assert!(copied == source[start..start + bytes], "{done:?}");
        fs::remove_file(self.0.scratch.file("out")).unwrap();
        done
    }
}

#[test]
fn a_host_may_call_it_anywhere() {
    let linked = Linked::new("copies_as_host");
    let children = if is_foreign() {
        let reason = "qemu may hang in a child that a program with threads forks";
        skip("c_api::copy::a_host_may_call_it_anywhere, its children", reason);
        "0"
    } else {
        "10"
    };
    for (variable, value) in [
        ("CFR_LOG", ""),
        ("CFR_LOG", "trace"),
        ("CFR_LOG_FORMAT", "json"),
        ("CFR_HOOKS", "syscall"),
        ("CFR_SUMMARY", "yes"),
    ] {
        let mut run = linked.run([children]).env(variable, value);
        if variable != "CFR_LOG" {
            run = run.env("CFR_LOG", "info");
        }
        let output = run.env("CFR_LOG_FILE", "log").output();
        assert_eq!(output.stdout, "ok\n", "{variable}={value}: {output:#?}");
    }
}

#[test]
fn each_option_is_of_one_call() {
    let copies = Copies::new(Linked::new("copy_with_options"));
    let whole = [("result", "1048576"), ("errno", "0"), ("bytes", "1048576"), ("error", "0")];
    for (options, method) in [
        (&[][..], "kernel"),
        (&["backend=1"], "kernel"),
        (&["backend=2"], "kernel"),
        (&["backend=3"], "emulated"),
        (&["verify=1"], "kernel"),
    ] {
        let done = copies.make("0", options, &[]);
        done.is(&whole);
        done.is(&[("method", method), ("flags", "0"), ("rule", ""), ("dialect", "extended")]);
        assert_eq!((done.text.as_deref(), done.stderr.as_str()), (None, ""));
    }
    // The environment says otherwise.
    let variables = [("CFR_BACKEND", "emulate"), ("CFR_DIALECT", "linux")];
    copies.make("0", &[], &variables).is(&[("method", "emulated"), ("dialect", "linux-5.19")]);
    copies.make("0", &["backend=1"], &variables).is(&[("method", "kernel")]);
    let done = copies.make("0", &["dialect=proposal-2015", "off_in=1"], &variables);
    done.is(&[
        ("result", "-1"),
        ("errno", "22"),
        ("bytes", "0"),
        ("error", "22"),
        ("method", "none"),
    ]);
    done.is(&[("rule", "past-end"), ("dialect", "proposal-2015")]);
    assert!(done.text.unwrap().contains("(copy_file_range(2) of the proposal, v4"));
    // checks=off: the rule is not looked at.
    let options = ["dialect=proposal-2015", "off_in=1", "checks=3"];
    copies.make("0", &options, &[]).is(&[("result", "1048575"), ("rule", "")]);
}

#[test]
fn default_flags_of_the_process_hold_if_the_dialect_of_the_call_has_them() {
    let copies = Copies::new(Linked::new("copy_with_options"));
    let variables = [("CFR_DEFAULT_FLAGS", "COPY_FR_COPY")];
    copies.make("0", &[], &variables).is(&[("flags", "1")]);
    copies.make("0", &["dialect=linux"], &variables).is(&[("flags", "0"), ("errno", "0")]);
}

#[test]
fn a_call_is_logged_counted_and_hit_by_faults() {
    let copies = Copies::new(Linked::new("copy_with_options"));
    let logged = [("CFR_LOG", "info")];
    let done = copies.make("0", &["backend=3", "shared=1"], &logged);
    assert!(done.stderr.contains(", 1048576, 0) = 1048576 (emulated"), "{}", done.stderr);
    let faults = [("CFR_LOG", "info"), ("CFR_INJECT", "error=EIO")];
    let done = copies.make("0", &[], &faults);
    done.is(&[("result", "-1"), ("errno", "5"), ("error", "5"), ("method", "none"), ("rule", "")]);
    assert!(done.stderr.contains("(none, INJECTED)"), "{}", done.stderr);
    let done = copies.make("0", &[], &[("CFR_INJECT", "short=4096")]);
    done.is(&[("result", "4096"), ("bytes", "4096"), ("method", "kernel")]);
    // A line names the dialect of the call.
    let json = [("CFR_LOG", "info"), ("CFR_LOG_FORMAT", "json")];
    let done = copies.make("0", &["dialect=linux-5.3"], &json);
    assert!(done.stderr.contains("\"dialect\":\"linux-5.3\""), "{}", done.stderr);
    let done = copies.make("0", &[], &[("CFR_SUMMARY", "yes")]);
    assert!(done.stderr.contains("kernel"), "{}", done.stderr);
    // Calls of a hook that is not watched are carried out, and nothing more.
    let unwatched =
        [("CFR_LOG", "info"), ("CFR_HOOKS", "syscall"), ("CFR_INJECT", "error=EIO:hook=syscall")];
    let done = copies.make("0", &["backend=3"], &unwatched);
    done.is(&[("errno", "0"), ("method", "emulated")]);
    assert_eq!(done.stderr, "");
}

/// "Reflink, else copy" in one call.
#[test]
fn blocks_are_shared_or_else_copied_and_the_outcome_says_which() {
    let test = "c_api::copy::blocks_are_shared_or_else_copied_and_the_outcome_says_which";
    for (name, place) in Filesystems::mount(test).iter() {
        let copies = Copies::new(Linked::below("copy_with_options", place));
        let shares = matches!(name, "xfs" | "btrfs");
        let done = copies.make("2", &["else_copy=1", "shared=1"], &[("CFR_LOG", "info")]);
        done.is(&[("result", "1048576"), ("errno", "0"), ("bytes", "1048576"), ("rule", "")]);
        let calls = done.stderr.matches(" copy_file_range(3").count();
        if shares {
            done.is(&[("method", "reflink"), ("flags", "2"), ("shared", "1")]);
            assert_eq!(calls, 1, "{name}: {}", done.stderr);
        } else {
            done.is(&[("method", "kernel"), ("flags", "0")]);
            assert_ne!(done.get("shared"), "1", "{name}: {done:?}");
            assert_eq!(calls, 2, "{name}: {}", done.stderr);
        }
        // Without the option it fails.
        let alone = copies.make("2", &[], &[]);
        let errno = if shares { "0" } else { "95" };
        alone.is(&[("errno", errno), ("rule", if shares { "" } else { "cannot-reflink" })]);
        // Default flags are not those of the copy.
        let variables = [("CFR_DEFAULT_FLAGS", "COPY_FR_REFLINK")];
        copies.make("2", &["else_copy=1"], &variables).is(&[("errno", "0")]);
        // In a dialect without the flag.
        let done = copies.make("2", &["else_copy=1", "dialect=linux"], &[]);
        done.is(&[("errno", "0"), ("flags", "0"), ("method", "kernel")]);
        // A range that no filesystem shares.
        if shares {
            let done = copies.make("2", &["else_copy=1", "off_in=100"], &[]);
            done.is(&[("result", "1048476"), ("flags", "0"), ("method", "kernel")]);
        }
        // An error that a copy would meet too is not followed by one.
        let faults = [("CFR_INJECT", "error=ENOSPC:when=1")];
        copies.make("2", &["else_copy=1"], &faults).is(&[("errno", "28"), ("flags", "2")]);
    }
}

/// The options are the program's own; the variables are its caller's.
#[test]
fn a_privileged_program_has_its_options_and_no_variables() {
    let test = "c_api::copy::a_privileged_program_has_its_options_and_no_variables";
    if !is_root() || find_program("setpriv").is_none() {
        return skip(test, "needs root and setpriv(1)");
    }
    if is_foreign() {
        return skip(test, "qemu starts a set-user-ID program without privileges");
    }
    let scratch = Scratch::new();
    scratch.open_to_all();
    scratch.random("in", 5000);
    let at = |name: &str| scratch.file(name).display().to_string();
    let install = |mode: &str, from: &Path, to: &str| {
        Run::bare("install").args(["-m", mode]).args([from, &scratch.file(to)]).ok();
    };
    install("755", &library(), "libcfr.so.0");
    let program = Run::bare(compiler("cc"))
        .args(["-std=gnu17", &format!("-I{}", project().join("include").display())])
        .args([project().join("c-tests/drivers/copy_with_options.c")])
        .args([at("libcfr.so.0"), format!("-Wl,-rpath,{}", at("")), "-o".into(), at("program")]);
    program.ok();
    install("4755", &scratch.file("program"), "privileged");
    let output = Run::bare("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args([at("privileged").as_str(), "in", "out", "5000", "0", "backend=3"])
        .env("CFR_LOG", "info")
        .env("CFR_LOG_FILE", at("log"))
        .env("CFR_INJECT", "error=EIO")
        .within(scratch.path())
        .ok();
    assert!(output.stdout.starts_with("5000 0 "), "{output:#?}");
    assert!(output.stdout.contains("method=emulated"), "{output:#?}");
    assert_eq!(output.stderr, "");
    assert!(!scratch.file("log").exists());
}
