//! `cfr dialects`, and how the launcher handles settings that contradict each other.
//! tests/conformance/ checks the rules themselves.

use cfr_engine::dialect::{ALL, Dialect, FORWARDED, Phase, Rule};
use cfr_testkit::{
    Filesystems, Output, Run, Scratch, compile, find_program, launcher, library, project,
    read_json, skip,
};

fn cfr<const COUNT: usize>(words: [&str; COUNT]) -> Output {
    Run::bare(launcher()).args(words).output()
}

/// Returns the tables: the dialects, then the calls that are only forwarded.
fn tables() -> impl Iterator<Item = (&'static str, &'static [Rule])> {
    let forwarded = FORWARDED.iter().map(|calls| (calls.name, calls.rules));
    ALL.into_iter().map(|dialect| (dialect.name, dialect.rules)).chain(forwarded)
}

/// Every rule has its result, reason and source.
#[test]
fn every_dialect_is_printed_with_its_rules_in_order() {
    let text = cfr(["dialects"]).stdout;
    let mut rest = text.as_str();
    for (name, rules) in tables() {
        for rule in rules {
            let errno = rule.ruling.errno().map_or("0", |errno| errno.name().unwrap());
            for word in [rule.id, errno, rule.why, rule.source.text()] {
                let at = rest.find(word);
                rest = &rest[at.unwrap_or_else(|| panic!("{name} {word}\n{text}"))..];
            }
        }
    }
}

#[test]
fn a_dialect_is_found_by_its_name_and_its_alias() {
    let by_name = cfr(["dialects", "freebsd-14"]).stdout;
    assert!(by_name.starts_with("freebsd-14 (or freebsd): ") && !by_name.contains("linux-5"));
    assert_eq!(cfr(["dialects", "freebsd"]).stdout, by_name);
}

#[test]
fn the_rules_of_a_forwarded_call_are_found_by_each_of_its_names() {
    let by_name = cfr(["dialects", "FICLONERANGE"]).stdout;
    assert!(by_name.starts_with("FICLONE, FICLONERANGE: ") && by_name.contains("unaligned"));
    assert!(!by_name.contains("FIDEDUPERANGE"), "{by_name}");
    assert_eq!(cfr(["dialects", "ficlone"]).stdout, by_name);
    assert!(cfr(["dialects", "sendfile"]).stdout.starts_with("sendfile: "));
}

#[test]
fn a_name_in_the_wrong_case_gets_a_hint() {
    for (name, near) in [("Linux", "linux"), ("FreeBSD-14", "freebsd-14"), ("SENDFILE", "")] {
        let output = Run::bare(launcher()).args(["dialects", name]).output();
        if near.is_empty() {
            assert_eq!(output.status, Some(0), "{output:#?}");
            continue;
        }
        assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{output:#?}");
        assert!(output.stderr.ends_with(&format!("; did you mean {near}?\n")), "{output:#?}");
    }
    let output = Run::bare(launcher()).args(["dialects", "minix"]).output();
    assert!(output.stderr.ends_with(", FIDEDUPERANGE or sendfile\n"), "{output:#?}");
}

#[test]
fn json_has_the_same_rules_as_the_text() {
    let output = Run::bare(launcher()).args(["dialects", "--format", "json"]).ok();
    let dialects = read_json(&output.stdout);
    assert_eq!(dialects.as_array().unwrap().len(), tables().count());
    for (shown, (name, rules)) in dialects.as_array().unwrap().iter().zip(tables()) {
        assert_eq!(shown["name"], name);
        assert_eq!(shown["rules"].as_array().unwrap().len(), rules.len());
        for (shown, rule) in shown["rules"].as_array().unwrap().iter().zip(rules) {
            assert_eq!(
                (shown["id"].as_str(), shown["why"].as_str()),
                (Some(rule.id), Some(rule.why))
            );
            let phase = if rule.phase == Phase::Check { "check" } else { "copy" };
            assert_eq!(shown["phase"], phase, "{}", rule.id);
        }
    }
    assert_eq!(
        dialects[0]["flags"],
        serde_json::json!(["COPY_FR_COPY", "COPY_FR_REFLINK", "COPY_FR_DEDUP"])
    );
}

#[test]
fn an_unknown_dialect_is_an_error_that_lists_the_known_ones() {
    let output = cfr(["dialects", "freebsd-12"]);
    assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""));
    for name in ["'freebsd-12'", "freebsd-14", "glibc-2.27", "extended"] {
        assert!(output.stderr.contains(name), "{}", output.stderr);
    }
}

/// Otherwise every call of the program would fail.
#[test]
fn the_launcher_refuses_default_flags_that_the_dialect_does_not_have() {
    for (dialect, flag, expected) in [
        ("linux", "COPY_FR_REFLINK", "linux-5.19 does not have this flag; expected 0\n"),
        (
            "extended",
            "COPY_FILE_RANGE_CLONE",
            "expected 0, COPY_FR_COPY, COPY_FR_REFLINK or COPY_FR_DEDUP\n",
        ),
        ("freebsd-15", "COPY_FR_COPY", "expected 0 or COPY_FILE_RANGE_CLONE\n"),
    ] {
        let output = cfr(["run", "--dialect", dialect, "--default-flags", flag, "echo", "ran"]);
        assert_eq!((output.status, output.stdout.as_str()), (Some(125), ""), "{dialect} {flag}");
        let message = format!("cfr: invalid value '{flag}' for --default-flags: the dialect ");
        assert!(output.stderr.starts_with(&message), "{output:?}");
        assert!(output.stderr.ends_with(expected), "{output:?}");
    }
    let output = cfr(["run", "--default-flags", "COPY_FR_REFLINK", "echo", "ran"]);
    assert_eq!((output.status, output.stdout.as_str()), (Some(0), "ran\n"));
}

/// It warns, and calls without flags have none.
#[test]
fn the_library_ignores_default_flags_that_the_dialect_does_not_have() {
    let scratch = Scratch::new();
    let (source, target) = (scratch.random("source", 1000), scratch.file("target"));
    let program = compile("drivers/syscall_copy.c", "syscall_copy", &[]);
    let run = |name: &str, value: &str| {
        Run::preloaded(&program)
            .args([&source, &target])
            .env("CFR_DIALECT", "freebsd")
            .env("CFR_DEFAULT_FLAGS", "COPY_FR_REFLINK")
            .env(name, value)
            .output()
    };
    let output = run("CFR_LOG", "info");
    assert_eq!(output.status, Some(0), "{output:?}");
    let warning = "cfr: invalid value 'COPY_FR_REFLINK' for CFR_DEFAULT_FLAGS: the dialect freebsd-14 does not";
    assert_eq!(output.stderr.matches(warning).count(), 1, "{output:?}");
    assert!(output.calls()[0].ends_with(" = 1000 (kernel)"), "{output:?}");
    assert_eq!(run("CFR_LOG", "off").status, Some(0));
    assert_eq!(run("CFR_STRICT", "yes").status, Some(125));
}

/// Other calls still go to the kernel.
#[test]
fn flags_work_without_a_log() {
    let scratch = Scratch::new();
    let source = scratch.random("source", 100_000);
    let include = format!("-I{}", project().join("include").display());
    let program = compile("drivers/own_wrapper.c", "own_wrapper", &[&include]);
    let run = |settings: &[(&str, &str)]| {
        let mut run = Run::bare(&program)
            .args(["copy".as_ref(), source.as_path(), &scratch.file("target")])
            .env("LD_PRELOAD", library());
        for (name, value) in settings {
            run = run.env(name, value);
        }
        run.output()
    };
    let output = run(&[("CFR_LOG", "off")]);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""));
    let output = run(&[("CFR_LOG", "off"), ("CFR_FORWARD", "next")]);
    assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""));
    // At a hook that is not watched the flags reach the kernel, which refuses them.
    let output = run(&[("CFR_LOG", "off"), ("CFR_HOOKS", "copy_file_range")]);
    assert_eq!(output.status, Some(1), "{output:?}");
    for dialect in ["linux-5.19", "freebsd", "glibc-2.27"] {
        let output = run(&[("CFR_LOG", "off"), ("CFR_DIALECT", dialect)]);
        assert!(output.stderr.contains("Invalid argument"), "{dialect} {output:?}");
    }
}

/// What each level of the log reports of a call that broke a rule.
#[test]
fn each_log_level_reports_a_broken_rule_in_its_detail() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"0123456789");
    let script = "import os, sys\n\
                  fd = os.open(sys.argv[1], os.O_RDWR)\n\
                  try: os.copy_file_range(fd, fd, 5, 0, 1)\n\
                  except OSError as error: assert error.errno == 22\n\
                  os.copy_file_range(fd, fd, 5, 0, 5)\n";
    let Some(python) = find_program("python3") else {
        return skip(
            "cli::dialects::each_log_level_reports_a_broken_rule_in_its_detail",
            "python3 is not installed",
        );
    };
    let lines = |level: &str, dialect: &str| {
        let output = Run::preloaded(&python)
            .args(["-c".as_ref(), script.as_ref(), source.as_os_str()])
            .env("CFR_LOG", level)
            .env("CFR_DIALECT", dialect)
            .ok();
        let count = |word: &str| output.stderr.matches(word).count();
        (
            count(" copy_file_range(3"),
            count("--- warn: rule overlap: "),
            count("--- debug: rule overlap: "),
        )
    };
    // In one dialect the kernel refuses the call, in the other the library.
    for (level, by_kernel, by_library) in [
        ("off", (0, 0, 0), (0, 0, 0)),
        ("error", (0, 0, 0), (0, 0, 0)),
        ("warn", (0, 0, 0), (1, 1, 0)),
        ("info", (2, 0, 0), (2, 1, 0)),
        ("debug", (2, 0, 1), (2, 1, 0)),
    ] {
        assert_eq!(lines(level, "extended"), by_kernel, "{level}");
        assert_eq!(lines(level, "freebsd-14"), by_library, "{level}");
    }
}

/// Two manual pages recommend this loop for files with holes.
#[test]
fn a_loop_over_data_keeps_the_holes() {
    const TEST: &str = "cli::dialects::a_loop_over_data_keeps_the_holes";
    let script = "import os, sys\n\
                  def data(fd):\n    \
                      at, size = 0, os.fstat(fd).st_size\n    \
                      while at < size:\n        \
                          try: begin = os.lseek(fd, at, os.SEEK_DATA)\n        \
                          except OSError: return\n        \
                          at = os.lseek(fd, begin, os.SEEK_HOLE)\n        \
                          yield begin, at\n\
                  source = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n\
                  target = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)\n\
                  for at in range(0, 8 << 20, 1 << 20): os.pwrite(source, b'x' * 70000, at)\n\
                  os.ftruncate(source, 9 << 20)\n\
                  for begin, end in list(data(source)):\n    \
                      while begin < end:\n        \
                          done = os.copy_file_range(source, target, end - begin, begin, begin)\n        \
                          assert 0 < done <= end - begin\n        \
                          begin += done\n\
                  os.ftruncate(target, 9 << 20)\n\
                  found = list(data(source))\n\
                  assert found == list(data(target)) and len(found) == 8, found\n\
                  assert os.pread(source, 9 << 20, 0) == os.pread(target, 9 << 20, 0)\n";
    let Some(python) = find_program("python3") else {
        return skip(TEST, "python3 is not installed");
    };
    let filesystems = Filesystems::mount(TEST);
    for (name, place) in filesystems.iter().filter(|(name, _)| *name != "overlay") {
        for dialect in ["freebsd-14", "freebsd-15", "linux-4.15"] {
            let scratch = Scratch::below(place);
            let files = [scratch.file("source"), scratch.file("target")];
            let output = Run::preloaded(&python)
                .args(["-c".as_ref(), script.as_ref(), files[0].as_os_str(), files[1].as_os_str()])
                .env("CFR_DIALECT", dialect)
                .output();
            assert_eq!(output.status, Some(0), "{name} {dialect}: {output:?}");
            assert!(output.calls().len() >= 8, "{name} {dialect}: {output:?}");
        }
    }
}

/// docs/reference/dialects.md, generated from the tables of the library.
pub fn page() -> String {
    let mut page = String::from(
        "# Dialects\n\nThe rules of each dialect, in the order of precedence: if a call breaks several rules, the\n\
         first one decides. A rule of phase *check* is evaluated before bytes move; a rule of phase\n\
         *copy* explains an error that the kernel or the emulation finds while it copies. This page is\n\
         generated from the library's tables (`UPDATE=1 cargo test docs`); `cfr dialects` prints the\n\
         same rules.\n",
    );
    for dialect in ALL {
        page.push_str(&section(dialect));
    }
    page.push_str(
        "\n## Calls that the kernel alone carries out\n\nThese rules explain errors in every dialect, in the \
         order in which the kernel checks. They decide\nnothing.\n",
    );
    for calls in &FORWARDED {
        page.push_str(&format!("\n### {}\n\n{}.\n\n", calls.name, upper_first(calls.about)));
        page.push_str("| | rule | answer | condition | source |\n|---|---|---|---|---|\n");
        for (number, rule) in calls.rules.iter().enumerate() {
            let answer = rule.ruling.errno().map_or("0", |errno| errno.name().unwrap());
            let (id, why, source) = (rule.id, rule.why, rule.source.text());
            page.push_str(&format!("| {} | {id} | {answer} | {why} | {source} |\n", number + 1));
        }
    }
    page
}

fn upper_first(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + rest
}

fn section(dialect: &Dialect) -> String {
    let alias = dialect.alias.map_or_else(String::new, |alias| format!(", `{alias}`"));
    let flags: Vec<_> = dialect.modes.iter().filter_map(|mode| mode.name()).collect();
    let flags = if flags.is_empty() { "none".to_owned() } else { flags.join(", ") };
    let mut section = format!(
        "\n## `{}`{alias}\n\n{}.\nFlags beside 0: {flags}.\n\n\
         | | rule | answer | phase | condition | source |\n|---|---|---|---|---|---|\n",
        dialect.name, dialect.about
    );
    for (number, rule) in dialect.rules.iter().enumerate() {
        let answer = rule.ruling.errno().map_or("0", |errno| errno.name().unwrap());
        let phase = if rule.phase == Phase::Check { "check" } else { "copy" };
        let (id, why, source) = (rule.id, rule.why, rule.source.text());
        section.push_str(&format!(
            "| {} | {id} | {answer} | {phase} | {why} | {source} |\n",
            number + 1
        ));
    }
    section
}
