//! The manual pages: well-formed, complete, and in step with `--help`.

use cfr_shared::settings::TABLE;
use cfr_testkit::{
    Run, Scratch, find_program, launcher, library, project, read_foreign_json, read_json,
    read_json_lines, skip,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;

/// The page that documents a command of `cfr`.
fn page_of(command: &str) -> String {
    match command {
        "run" => "cfr-trace.1".to_owned(),
        command => format!("cfr-{command}.1"),
    }
}

fn read(page: &str) -> String {
    let path = project().join("man").join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// The file names of all pages, sorted.
fn pages() -> Vec<String> {
    let names = fs::read_dir(project().join("man")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn help(words: &[&str]) -> String {
    Run::bare(launcher()).args(words).args(["--help"]).ok().stdout
}

/// The lines of the section `title` of a help text, without the title.
fn section<'a>(help: &'a str, title: &str) -> impl Iterator<Item = &'a str> {
    let lines = help.lines().skip_while(move |line| *line != title).skip(1);
    lines.take_while(|line| !line.is_empty())
}

/// The options that a help text lists, as `--log` and `-o`.
fn options_of_help(help: &str) -> BTreeSet<String> {
    let lines = section(help, "Options:");
    let is_first = |line: &&str| line.len() - line.trim_start().len() <= 6;
    let words = lines.filter(is_first).flat_map(|line| {
        let names = line.trim_start().split("  ").next().unwrap_or_default();
        names.split([' ', ',', '=', '[', '<'])
    });
    words.filter(|word| word.starts_with('-')).map(str::to_owned).collect()
}

/// The options that a page documents: those of `.It Fl`.
fn options_of_page(page: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with(".It Fl ")) {
        let mut is_flag = false;
        for word in line.split(' ').skip(1) {
            match word {
                "Fl" => is_flag = true,
                "Ar" | "Cm" | "Ev" | "Ns" | "Op" | "Oo" | "Oc" | "Pq" => is_flag = false,
                word if is_flag && word != "," => {
                    options.insert(format!("-{word}"));
                }
                _ => {}
            }
        }
    }
    options
}

#[test]
fn every_page_is_well_formed() {
    let Some(mandoc) = find_program("mandoc") else {
        return skip("docs::man::every_page_is_well_formed", "mandoc is not installed");
    };
    for page in pages() {
        let output = Run::bare(&mandoc)
            .args(["-T", "lint", "-W", "warning", &page])
            .within(project().join("man"))
            .output();
        assert_eq!((output.status, output.stdout.as_str()), (Some(0), ""), "{page}");
    }
}

#[test]
fn every_page_is_named_by_cfr_1_or_by_a_page_that_it_names() {
    let all = pages();
    let mut named = BTreeSet::from(["cfr.1".to_owned()]);
    while let Some(more) = all.iter().find(|page| {
        let (name, section) = page.rsplit_once('.').unwrap();
        let reference = format!(".Xr {name} {section}");
        !named.contains(*page) && named.iter().any(|from| read(from).contains(&reference))
    }) {
        named.insert(more.clone());
    }
    assert_eq!(named.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn every_command_has_a_page() {
    let help = help(&[]);
    let overview = read("cfr.1");
    let commands: Vec<_> = section(&help, "Commands:")
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"trace") && commands.contains(&"sweep"), "{commands:?}");
    for command in commands {
        assert!(overview.contains(&format!(".It Cm {command} ")), "{command}");
        if command != "help" {
            assert!(read(&page_of(command)).contains(".Sh SYNOPSIS"), "{command}");
        }
    }
}

#[test]
fn a_page_has_the_options_of_its_command_and_no_other() {
    assert_eq!(options_of_page(&read("cfr.1")), options_of_help(&help(&[])));
    for command in [
        "trace", "run", "sweep", "report", "summary", "probe", "inspect", "dialects", "profiles",
        "completions",
    ] {
        let page = options_of_page(&read(&page_of(command)));
        let help = options_of_help(&help(&[command]));
        assert!(help.contains("--help") && help.contains("-h"), "{command}: {help:?}");
        assert_eq!(page, help, "{command}");
    }
}

#[test]
fn every_setting_is_in_libcfr_7_and_every_option_of_one_in_cfr_trace_1() {
    let (library, launcher) = (read("libcfr.7"), read("cfr-trace.1"));
    for setting in &TABLE {
        let variable = setting.variable;
        assert!(library.contains(&format!("\n.It Ev {variable}\n")), "{variable}");
        assert!(launcher.contains(&format!("Ev {variable}\n")), "{variable}");
        if let Some(option) = setting.option {
            let is_documented = launcher.lines().any(|line| {
                line.starts_with(".It Fl ")
                    && line.contains(&format!("Fl -{option} "))
                    && line.ends_with(&format!(" Pq Ev {variable}"))
            });
            assert!(is_documented, "--{option} with {variable}");
        }
    }
}

#[test]
fn every_dialect_is_in_libcfr_7() {
    let page = read("libcfr.7");
    for dialect in cfr_engine::dialect::ALL {
        assert!(page.contains(&format!(".It Cm {}", dialect.name)), "{}", dialect.name);
    }
}

#[test]
fn every_profile_is_in_cfr_profiles_1() {
    let page = read("cfr-profiles.1");
    for name in crate::cli::profiles::names() {
        assert!(page.contains(&format!(".It Cm {name}\n")), "{name}");
    }
}

/// `man cfr-NAME` and `man cfr NAME` find a page by these.
#[test]
fn every_page_has_its_name() {
    for page in pages() {
        let (name, section) = page.rsplit_once('.').unwrap();
        let text = read(&page);
        let title = format!(".Dt {} {section}\n", name.to_uppercase());
        assert!(text.contains(&title), "{page}");
        assert!(text.contains(&format!(".Nm {name}")), "{page}");
    }
}

/// Adds the keys of all objects in `value`; those of `maps` have names of other things as keys.
fn add_keys(value: &Value, maps: &[&str], keys: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| add_keys(item, maps, keys)),
        Value::Object(fields) => {
            for (key, field) in fields {
                keys.insert(key.clone());
                match field {
                    Value::Object(of_names) if maps.contains(&key.as_str()) => {
                        of_names.values().for_each(|one| add_keys(one, maps, keys));
                    }
                    field => add_keys(field, maps, keys),
                }
            }
        }
        _ => {}
    }
}

/// Checks that a macro line of the page names each key of this JSON.
fn names_every_key(page: &str, json: &str, maps: &[&str], least: usize) {
    let mut keys = BTreeSet::new();
    for line in json.lines() {
        add_keys(&read_foreign_json(line), maps, &mut keys);
    }
    assert!(keys.len() >= least, "{page}: {keys:?}");
    let text = read(page);
    for key in keys {
        let is_named =
            |line: &str| line.starts_with('.') && line.split(' ').any(|word| word == key);
        assert!(text.lines().any(is_named), "{page}: {key}");
    }
}

#[test]
fn every_json_key_is_in_a_page() {
    let scratch = Scratch::new();
    scratch.random("a", 100_000);
    let cfr = |words: &[&str]| Run::bare(launcher()).args(words).within(scratch.path()).ok();
    cfr(&[
        "trace",
        "--format",
        "json",
        "-o",
        "log",
        "--inject",
        "error=EXDEV:when=1",
        "cp",
        "a",
        "b",
    ]);
    cfr(&[
        "run", "--format", "json", "--summary=sum", "--expect", "calls>=1", "--results", "res",
        "cp", "a", "c",
    ]);
    let written = |name: &str| {
        let text = fs::read_to_string(scratch.file(name)).unwrap();
        read_json_lines(&text);
        text
    };
    names_every_key("libcfr.7", &written("log"), &[], 30);
    names_every_key("cfr-trace.1", &written("sum"), &["methods", "hooks", "errors"], 25);
    let results = read_json(&written("res"));
    let own: Map<_, _> = results
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .filter(|(key, _)| key != "summary")
        .collect();
    names_every_key("cfr-expect.7", &Value::Object(own).to_string(), &[], 10);
    let report = cfr(&["report", "--format", "json", "log"]).stdout;
    names_every_key("cfr-report.1", &report, &[], 40);
    let inspected = cfr(&["inspect", "--format", "json", "cp"]).stdout;
    names_every_key("cfr-inspect.1", &inspected, &[], 25);
}

/// Returns what is between a line that begins with `start` and the next one that begins with `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(&format!("\n{start}")).unwrap_or_else(|| panic!("{start}")) + 1;
    &text[from..from + text[from..].find(&format!("\n{end}")).unwrap_or_else(|| panic!("{end}"))]
}

/// A program can be written from the pages alone: they have the structs of the header.
#[test]
fn the_pages_and_the_header_have_the_same_structs() {
    let header = fs::read_to_string(project().join("include/cfr.h")).unwrap();
    for (page, name) in [
        ("cfr_copy.3", "struct cfr_options {"),
        ("cfr_copy.3", "struct cfr_outcome {"),
        ("cfr_configure.3", "struct cfr_stats {"),
    ] {
        let page = read(page);
        let members = |text: &str| {
            let lines = between(text, name, "};").lines().skip(1).map(str::trim);
            lines.filter(|line| line.ends_with(';')).map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(members(&header).len() > 5);
        assert_eq!(members(&page), members(&header), "{name}");
    }
}

#[test]
fn the_program_of_cfr_copy_3_copies_and_tells_how() {
    let scratch = Scratch::new();
    let page = read("cfr_copy.3");
    let program = between(&page, "#include <cfr.h>", ".Ed").replace("\\e", "\\");
    let include = format!("-I{}", project().join("include").display());
    std::os::unix::fs::symlink(library(), scratch.file("libcfr.so.0")).unwrap();
    let program = Run::bare("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .args([scratch.file("told"), scratch.write("told.c", program.as_bytes())])
        .args([include.into(), scratch.file("libcfr.so.0")]);
    program.ok();
    let told = |from: &str| {
        let run = Run::bare(scratch.file("told")).args([from, "b"]).within(scratch.path());
        run.env("LD_LIBRARY_PATH", scratch.path()).env("CFR_BACKEND", "emulate").output()
    };
    scratch.random("a", 5000);
    let output = told("a");
    assert_eq!((output.status, output.stdout.as_str()), (Some(0), "5000 bytes: emulated\n"));
    assert!(fs::read(scratch.file("a")).unwrap() == fs::read(scratch.file("b")).unwrap());
    let output = told("missing");
    assert_eq!(
        (output.status, output.stderr.as_str()),
        (Some(1), "cfr_copy: Bad file descriptor\n")
    );
    assert!(output.stdout.starts_with("refused: fd_in is not open"), "{output:#?}");
}
