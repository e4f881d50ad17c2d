//! Pages of docs/ agree with the code: settings, dialects, profiles; recipes run.

#[path = "../../crates/cfr/src/cli/settings_help.rs"]
pub(crate) mod settings_help;

use cfr_shared::settings::TABLE;
use cfr_testkit::{Output, Run, Scratch, find_program, launcher, library, project, skip};
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;

/// The table of settings as docs/reference/settings.md shows it.
fn settings_table() -> String {
    let mut table =
        String::from("| variable | option | values | default | |\n|---|---|---|---|---|\n");
    for setting in &TABLE {
        let help = settings_help::of(setting);
        let short = help.short.map_or(String::new(), |short| format!("`-{short}` "));
        let option = match setting.option {
            Some(option) => format!("{short}`--{option}`"),
            None => "the launcher's own".to_owned(),
        };
        writeln!(
            table,
            "| `{}` | {option} | {} | {} | {} |",
            setting.variable, setting.values, setting.default, help.text
        )
        .unwrap();
    }
    table
}

/// The keys of a fault as docs/reference/faults.md shows them.
fn faults_table() -> String {
    let mut table = String::from("| key | expected |\n|---|---|\n");
    for (_, name, expected) in cfr_shared::inject::KEYS {
        let expected = expected.replace('\\', "\\\\").replace('*', "\\*").replace('<', "&lt;");
        writeln!(table, "| `{name}` | {expected} |").unwrap();
    }
    table
}

/// Compares a table with that of a page, which stands between two comments; UPDATE=1 rewrites it.
fn has_table(page: &str, what: &str, table: &str) {
    let marks = [
        format!("<!-- {what}: generated, UPDATE=1 cargo test docs -->\n"),
        format!("<!-- end of {what} -->"),
    ];
    let path = project().join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(&marks[0]).expect("the page marks the table's begin");
    let (shown, after) = rest.split_once(&marks[1]).expect("the page marks the table's end");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, [before, &marks[0], table, &marks[1], after].concat()).unwrap();
    } else {
        assert_eq!(shown, table, "UPDATE=1 cargo test docs");
    }
}

#[test]
fn the_settings_have_their_table() {
    has_table("docs/reference/settings.md", "settings", &settings_table());
}

#[test]
fn the_faults_have_their_table() {
    has_table("docs/reference/faults.md", "faults", &faults_table());
}

/// The launcher lists the names when one is wrong.
#[test]
fn every_name_of_an_expectation_has_its_row() {
    let output = Run::bare(launcher()).args(["run", "--expect", "bogus=1", "true"]).output();
    let (_, names) = output.stderr.split_once(": expected ").expect("the names");
    let page = fs::read_to_string(project().join("docs/reference/expectations.md")).unwrap();
    let names: Vec<_> = names.trim().split(", ").filter(|name| !name.contains(' ')).collect();
    assert!(names.len() > 25, "{output:#?}");
    for name in names {
        assert!(page.contains(&format!("`{name}")), "{name}");
    }
}

/// Each row ends with a command and its status.
#[test]
fn the_exit_statuses_are_those_of_the_page() {
    let page = fs::read_to_string(project().join("docs/reference/exit-statuses.md")).unwrap();
    let path = format!("{}:/usr/bin:/bin", launcher().parent().unwrap().display());
    let mut count = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let Some((command, status)) = row.rsplit_once("` is ") else { continue };
        let command = command.rsplit_once("| `").expect("a command").1;
        let status = status.trim_end_matches(" |").parse().expect("a status");
        let scratch = Scratch::new();
        scratch.random("a", 1000);
        let run = Run::bare("sh").args(["-c", command]).within(scratch.path());
        let output = run.env("PATH", &path).output();
        assert_eq!(output.status, Some(status), "{command}: {output:#?}");
        count += 1;
    }
    assert!(count > 10, "{count} rows");
}

#[test]
fn the_dialects_have_their_page() {
    let path = project().join("docs/reference/dialects.md");
    let page = crate::cli::dialects::page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page).unwrap();
    } else {
        assert!(fs::read_to_string(&path).unwrap() == page, "UPDATE=1 cargo test docs");
    }
}

#[test]
fn the_profiles_have_their_page() {
    let path = project().join("docs/reference/profiles.md");
    let page = crate::cli::profiles::page();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page).unwrap();
    } else {
        assert!(fs::read_to_string(&path).unwrap() == page, "UPDATE=1 cargo test docs");
    }
}

/// Every `sh` block of the page, in one directory that has two files at first, with `cfr` on the PATH
/// and the library as `$LIBCFR`. Lines that begin with `$ ` are what the reader types.
#[test]
fn the_recipes_run() {
    let page = fs::read_to_string(project().join("docs/guide/recipes.md")).unwrap();
    let path = with_launcher();
    let mut count = 0;
    let scratch = Scratch::new();
    scratch.random("a", 1_000_000);
    scratch.random("c", 10_000);
    for (number, block) in page.split("```sh\n").skip(1).enumerate() {
        let (script, _) = block.split_once("```").expect("the block ends");
        let typed: Vec<_> = script.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        assert!(!typed.is_empty(), "recipe {number}: nothing to type\n{script}");
        let tools = ["python3", "node", "php", "qemu-img", "rustc", "jq", "cc"];
        if let Some(missing) = tools.into_iter().find(|tool| {
            script.split_whitespace().any(|word| word == *tool) && find_program(tool).is_none()
        }) {
            skip("docs::pages::the_recipes_run", &format!("recipe {number}: no {missing}"));
            count += 1;
            continue;
        }
        let output = Run::bare("sh")
            .args(["-euc", &typed.join("\n")])
            .within(scratch.path())
            .env("PATH", &path)
            .env("LIBCFR", library())
            .env("LIBCFR_INCLUDE", project().join("include"))
            .output();
        assert_eq!(output.status, Some(0), "recipe {number}:\n{script}\n{output:#?}");
        assert_shown(&format!("recipe {number}"), script, &output);
        count += 1;
    }
    assert!(count >= 6, "{count} recipes");
}

/// Returns the PATH with the launcher's directory.
pub(super) fn with_launcher() -> OsString {
    let path = std::env::var_os("PATH").unwrap();
    let mut path: Vec<_> = std::env::split_paths(&path).collect();
    path.insert(0, launcher().parent().unwrap().to_owned());
    std::env::join_paths(path).unwrap()
}

/// The output has what a block shows of it; `...` stands for what differs from run to run.
#[track_caller]
pub(super) fn assert_shown(name: &str, block: &str, output: &Output) {
    for shown in block.lines().filter(|line| !line.starts_with("$ ")) {
        let all = format!("{}{}", output.stdout, output.stderr);
        let found = all.lines().any(|line| holds(line, shown));
        assert!(found, "{name} shows {shown:?}\n{all}");
    }
}

/// Whether the line holds the pieces between the `...`, in their order.
fn holds(line: &str, shown: &str) -> bool {
    let mut rest = line;
    shown.split("...").all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}
