//! docs/results/programs.md: what programs in use do under each fault, found by `cfr sweep`.

use super::texts::wrapped;
use cfr_testkit::{
    Run, Scratch, compile_go, compile_rust, find_program, launcher, project, read_json, skip,
};
use serde_json::Value;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A program in use.
struct Program {
    /// The heading of its section on the page.
    name: &'static str,
    /// The command that must be installed and prints the version.
    tool: &'static str,
    /// The command that copies `a` to `b`.
    words: &'static [&'static str],
    /// Whether the file has a hole, with which a program that copies data by data makes more
    /// calls.
    has_hole: bool,
    about: &'static str,
}

static PROGRAMS: [Program; 12] = [
    Program {
        name: "GNU cp",
        tool: "cp",
        words: &["cp", "a", "b"],
        has_hole: false,
        about: "It tries a reflink first, which tmpfs refuses, and then calls copy_file_range. If the file has \
                holes, it reads and writes instead.",
    },
    Program {
        name: "Rust's std::fs::copy",
        tool: "rustc",
        words: &["fs_copy", "a", "b"],
        has_hole: false,
        about: "`fs_copy` is `tests/programs/fs_copy.rs`, which only calls the function.",
    },
    Program {
        name: "Python's shutil.copyfile",
        tool: "python3",
        words: &["python3", "-c", "import shutil; shutil.copyfile('a', 'b')"],
        has_hole: false,
        about: "It calls sendfile(2). If the first call fails, in most cases it reads and writes instead.",
    },
    Program {
        name: "a loop of Python's os.copy_file_range",
        tool: "python3",
        words: &[
            "python3",
            "-c",
            "import os; a = os.open('a', os.O_RDONLY); b = os.open('b', os.O_WRONLY | os.O_CREAT)\n\
             while os.copy_file_range(a, b, 1 << 18): pass",
        ],
        has_hole: false,
        about: "A loop to the end of the file, as scripts often have it. Every error ends the script. The loop takes \
                a 0 for the end; if it counted the bytes that are left, it would notice the difference.",
    },
    Program {
        name: "Node.js fs.copyFileSync",
        tool: "node",
        words: &["node", "-e", "require('fs').copyFileSync('a', 'b')"],
        has_hole: false,
        about: "It calls copy_file_range by syscall(2), and sendfile(2) after some errors. It repeats the call until all \
                bytes are copied, so it never ends if every call returns 0.",
    },
    Program {
        name: "qemu-img convert -C",
        tool: "qemu-img",
        words: &["qemu-img", "convert", "-m", "1", "-C", "-f", "raw", "-O", "raw", "a", "b"],
        has_hole: true,
        about: "It copies each run of data by itself, here one before and one after a hole. After any error it reads and \
                writes instead. `-m 1` keeps the calls in the same order in each run.",
    },
    Program {
        name: "PHP's copy",
        tool: "php",
        words: &["php", "-r", "exit(copy('a', 'b') ? 0 : 1);"],
        has_hole: false,
        about: "After some errors it copies in another way.",
    },
    Program {
        name: "Ruby's FileUtils.cp",
        tool: "ruby",
        words: &["ruby", "-r", "fileutils", "-e", "FileUtils.cp('a', 'b')"],
        has_hole: false,
        about: "`IO.copy_stream` copies for it. After some errors it calls sendfile(2).",
    },
    Program {
        name: "Deno.copyFileSync",
        tool: "deno",
        words: &["deno", "eval", "Deno.copyFileSync('a', 'b')"],
        has_hole: false,
        about: "It calls Rust's std::fs::copy. `node:fs` of Deno does the same.",
    },
    Program {
        name: "Bun's fs.copyFileSync",
        tool: "bun",
        words: &["bun", "-e", "require('fs').copyFileSync('a', 'b')"],
        has_hole: false,
        about: "It tries a reflink by instruction, and then copy_file_range by syscall(2). If an error comes after some                 bytes are copied, it begins again without emptying the target: the copy is too long, and Bun reports                 success.",
    },
    Program {
        name: "busybox cp",
        tool: "busybox",
        words: &["busybox", "cp", "a", "b"],
        has_hole: false,
        about: "A static program, of which the supervisor sees the calls. It calls sendfile(2), and reads and writes                 after any error.",
    },
    Program {
        name: "Go's io.Copy",
        tool: "go",
        words: &["io_copy", "a", "b"],
        has_hole: false,
        about: "`io_copy` is `tests/programs/io_copy.go`, which only calls the function. The supervisor sees its calls.",
    },
];

/// A program in use that copies by none of the hooks.
struct OtherProgram {
    tool: &'static str,
    /// The shell command that copies `a`.
    script: &'static str,
}

static OTHERS: [OtherProgram; 4] = [
    OtherProgram { tool: "rsync", script: "rsync a b" },
    OtherProgram { tool: "rclone", script: "rclone copyto a b" },
    OtherProgram {
        tool: "restic",
        script: "restic init && restic backup a && restic restore latest --target b",
    },
    OtherProgram { tool: "tar", script: "tar -c a | tar -x -C b" },
];

/// The directories with the files to copy.
const SOLID: &str = "solid";
const HOLED: &str = "holed";

/// The text before the programs.
const INTRODUCTION: &str = "\
# Programs

How programs in common use react to each result that a copy can have. `cfr sweep` made the tables:
it runs a program once for each fault, at the first, second and last call through each hook, at
every call, and in the middle of a copy and near its end. The file `a` has 1 MiB and is on tmpfs, so
the kernel copies, and there are no reflinks. `cmp a b` checks the copy.

`UPDATE=1 cargo test docs` writes this page. The tests sweep the programs again, and fail if a
program of the same version reacts in another way.

| result | meaning |
|---|---|
| `passed` | the program succeeded, and the copy is right: it continued, or copied in another way |
| `failed` | the program reported an error. That is correct, but if other programs pass, its users lack a copy that they could have |
| **WRONG** | the program reported success, and the copy is wrong |
| **HUNG** | the program did not end |
| **CRASHED** | a signal ended the program |
| `missed` | the fault applied to no call, because the program copied in another way this time |
| `-` | the hook cannot return this, or there is no such call |

The faults that are not errors:

* `short=1` and `short=50%` are real copies of at most one byte, or of half of the rest. With
  `signal` a SIGURG arrives, and the copy is short. Every program must handle these.
* `zero` is a 0 before the end of the file, which kernels returned for files in /proc (profile
  [`procfs`](../reference/profiles.md#procfs)). If a program takes it for the end, the rest is lost.
  Most second calls only look for the end: there a `zero` is right, and an error changes nothing,
  because all bytes are copied already.

`every` is every call through that hook; calls through other hooks are not changed. `middle` is the
call after a short copy of a third, `end` the call after two short copies, with a quarter left. A
table with the heading `After` has the calls that a program makes only after that fault, which is
kept.
";

/// The text before the programs that have no section.
const OTHERS_INTRODUCTION: &str = "\
## Programs that copy in another way

These call none of the hooks. The tests hold them to `--expect calls=0` and `--expect
'written_otherwise>=1M'`.

| version | command |
|---|---|
";

const TEST: &str = "docs::programs::the_swept_programs_have_their_page";

#[test]
fn the_swept_programs_have_their_page() {
    let path = project().join("docs/results/programs.md");
    let there = fs::read_to_string(&path).unwrap_or_default();
    let page = page(&there);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let differs = page.lines().zip(there.lines()).find(|(swept, shown)| swept != shown);
    assert!(there == page, "UPDATE=1 cargo test docs: {differs:#?}");
}

/// Returns the page. The sections of programs that are installed in the page's version are swept
/// anew; with `UPDATE=1` those of any version.
fn page(there: &str) -> String {
    let is_update = std::env::var_os("UPDATE").is_some();
    let shared_memory = Path::new("/dev/shm");
    if let Err(reason) = can_copy(shared_memory) {
        skip(TEST, &reason);
        return there.to_owned();
    }
    let scratch = Scratch::below(shared_memory);
    files(&scratch);
    let mut sections = Vec::new();
    for program in &PROGRAMS {
        let old = there
            .split("\n## ")
            .find(|section| section.lines().next() == Some(program.name))
            .map(|section| format!("{}\n", section.trim_end()));
        let told = old.as_deref().and_then(|section| section.lines().nth(2));
        let section = match (version(program.tool), old.clone()) {
            (Some(version), Some(_)) if is_update || told == Some(&version) => {
                Some(section(program, &version, &scratch))
            }
            (Some(version), None) => Some(section(program, &version, &scratch)),
            (Some(version), old) => {
                let told = told.unwrap_or_default();
                skip(TEST, &format!("{}: here is {version}, the page has {told}", program.name));
                old
            }
            (None, old) => {
                skip(TEST, &format!("{}: {} is not installed", program.name, program.tool));
                old
            }
        };
        sections.extend(section.map(|section| (program.name, section)));
    }
    let mut page = format!("{INTRODUCTION}\n{}\n{}", overview(&sections), others(there, &scratch));
    for (_, section) in sections {
        page.push_str("\n## ");
        page.push_str(&section);
    }
    page
}

/// Returns the section of the programs that copy in another way. A row is made anew if its program is
/// installed in the page's version; with `UPDATE=1` in any version.
fn others(there: &str, scratch: &Scratch) -> String {
    let is_update = std::env::var_os("UPDATE").is_some();
    let mut section = OTHERS_INTRODUCTION.to_owned();
    for OtherProgram { tool, script } in &OTHERS {
        let end = format!("| `{}` |", script.replace('|', "\\|"));
        let old = there.lines().find(|line| line.ends_with(&end));
        let told = old.and_then(|line| line.strip_prefix("| ")?.split(" |").next());
        match (version(tool), told) {
            (Some(version), told) if is_update || told.is_none_or(|told| told == version) => {
                let place = scratch.file(tool);
                fs::create_dir(&place).unwrap();
                let content = fs::read(scratch.file(SOLID).join("a")).unwrap();
                fs::write(place.join("a"), content).unwrap();
                fs::create_dir_all(place.join(if script.ends_with(" a b") { "c" } else { "b" }))
                    .unwrap();
                let output = Run::bare(launcher())
                    .args(["run", "--expect", "calls=0", "--expect", "written_otherwise>=1M"])
                    .args(["sh", "-c", script])
                    .env("RESTIC_PASSWORD", "none")
                    .env("RESTIC_REPOSITORY", "r")
                    .within(&place)
                    .output();
                assert_eq!(output.status, Some(0), "{tool} copies in another way now: {output:#?}");
                let _ = writeln!(section, "| {version} {end}");
            }
            (found, told) => {
                let told = told.unwrap_or_default();
                let reason = match found {
                    Some(found) => format!("{tool}: here is {found}, the page has {told}"),
                    None => format!("{tool}: {tool} is not installed"),
                };
                skip(TEST, &reason);
                section.extend(old.map(|line| format!("{line}\n")));
            }
        }
    }
    section
}

/// Reports whether the kernel can copy files there, as everywhere on tmpfs.
fn can_copy(place: &Path) -> Result<(), String> {
    let output = Run::bare(launcher()).args(["probe", "--format", "json"]).args([place]).output();
    let is_probed = output.status == Some(0);
    let probed = if is_probed { read_json(&output.stdout) } else { Value::Null };
    let [copies, reflink] =
        ["copy_file_range", "reflink"].map(|fact| &probed["paths"][0][fact]["value"]);
    match (copies.as_bool(), reflink.as_bool()) {
        (Some(true), Some(false)) => Ok(()),
        _ => Err(format!("{}: not as on tmpfs", place.display())),
    }
}

/// Returns the program's version without what distributions add.
fn version(tool: &str) -> Option<String> {
    let words: &[&str] = match tool {
        "busybox" => &[],
        "go" | "rclone" | "restic" => &["version"],
        _ => &["--version"],
    };
    let output = Run::bare(find_program(tool)?).args(words).output();
    let line = output.stdout.lines().next()?;
    let line = ["(GNU coreutils) ", "(GNU tar) ", " version"]
        .into_iter()
        .fold(line.to_owned(), |line, word| line.replace(word, ""));
    let version = line.split(" (").next()?.split("  protocol").next()?.split(" compiled").next()?;
    let name = match tool {
        "node" => "Node.js ",
        "bun" => "Bun ",
        _ => "",
    };
    Some(format!("{name}{}", version.replace("  ", " ")))
}

/// Creates the files to copy: one of data, and one of data, a hole and data.
fn files(scratch: &Scratch) {
    for name in [SOLID, HOLED] {
        fs::create_dir(scratch.file(name)).unwrap();
    }
    scratch.random(&format!("{SOLID}/a"), 1 << 20);
    let bytes = fs::read(scratch.random("data", 256 << 10)).unwrap();
    let (begin, end) = bytes.split_at(128 << 10);
    let file = File::create(scratch.file(HOLED).join("a")).unwrap();
    file.write_all_at(begin, 0).unwrap();
    file.write_all_at(end, (1 << 20) - end.len() as u64).unwrap();
}

/// Returns the program's section of the page, made by a sweep.
fn section(program: &Program, version: &str, scratch: &Scratch) -> String {
    let mut path = std::env::var_os("PATH").unwrap();
    let own = match program.tool {
        "rustc" => Some(compile_rust("fs_copy")),
        "go" => Some(compile_go("io_copy")),
        _ => None,
    };
    if let Some(own) = own {
        path.push(":");
        path.push(own.parent().unwrap());
    }
    let from = if program.has_hole { HOLED } else { SOLID };
    let options = ["sweep", "--fresh", "--from", from, "--check", "cmp a b"];
    let output = Run::bare(launcher())
        .args(options)
        .args(["--format", "json", "--"])
        .args(program.words)
        .env("PATH", path)
        .env("TMPDIR", scratch.path())
        .within(scratch.path())
        .output();
    let report = read_json(&output.stdout);
    let quoted = program
        .words
        .iter()
        .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() });
    let command = quoted.collect::<Vec<_>>().join(" ").replace('\n', "\n    ");
    let mut text =
        format!("{}\n\n{version}\n\n    {command}\n\n{}\n", program.name, wrapped(program.about));
    let hooks = report["baseline"]["hooks"].as_array().unwrap().iter().map(|hook| {
        let calls = hook["calls"].as_u64().unwrap();
        format!(
            "{calls} call{} of {}",
            if calls == 1 { "" } else { "s" },
            hook["hook"].as_str().unwrap()
        )
    });
    let _ = write!(text, "\nWithout faults: {}.\n\n", hooks.collect::<Vec<_>>().join(", "));
    let cases = report["cases"].as_array().unwrap();
    for cases in cases.chunk_by(|one, next| one["after"] == next["after"]) {
        if let Some(after) = cases[0]["after"].as_str() {
            let _ = write!(text, "\nAfter {after}:\n\n");
        }
        text.push_str(&table(cases));
    }
    text
}

/// A row for each fault, a column for each hook and position.
fn table(cases: &[Value]) -> String {
    let word = |case: &Value, key: &str| case[key].as_str().unwrap().to_owned();
    let mut faults = Vec::new();
    let mut hooks: Vec<String> = Vec::new();
    for hook in cases.iter().map(|case| word(case, "hook")) {
        if !hooks.contains(&hook) {
            hooks.push(hook);
        }
    }
    let mut columns = Vec::new();
    for hook in hooks {
        for position in ["first", "second", "last", "every", "middle", "end"] {
            let column = (hook.clone(), position.to_owned());
            if cases.iter().any(|case| (word(case, "hook"), word(case, "position")) == column) {
                columns.push(column);
            }
        }
    }
    for case in cases {
        let fault = word(case, "fault");
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    let mut text = String::from("| |");
    for (hook, position) in &columns {
        let _ = write!(text, " {hook}, {position} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(columns.len()));
    for fault in faults {
        let _ = write!(text, "| {fault} |");
        for (hook, position) in &columns {
            let case = cases.iter().find(|case| {
                let place = [word(case, "fault"), word(case, "hook"), word(case, "position")];
                place.each_ref() == [&fault, hook, position]
            });
            let outcome = match case {
                Some(case) if case["bad"] == true => {
                    format!("**{}**", word(case, "outcome").to_uppercase())
                }
                Some(case) => word(case, "outcome"),
                None => "-".to_owned(),
            };
            let _ = write!(text, " {outcome} |");
        }
        text.push('\n');
    }
    text
}

/// Compares all programs: what their sections say of calls that copy.
fn overview(sections: &[(&str, String)]) -> String {
    let tables: Vec<_> = sections.iter().map(|(_, section)| rows(section)).collect();
    let mut faults: Vec<&String> = Vec::new();
    for (fault, _) in tables.iter().flatten() {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults.sort_by_key(|fault| !fault.starts_with('E'));
    let mut text = String::from(
        "## All programs\n\nWithout reflinks. A cell has several results if they differ between calls or hooks; the \
         sections\nbelow show each call.\n\n| |",
    );
    for (name, _) in sections {
        let _ = write!(text, " {name} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(sections.len()));
    for fault in faults {
        let _ = write!(text, "| {fault} |");
        for table in &tables {
            let outcomes = table.iter().find(|(name, _)| name == fault);
            let outcomes = outcomes.map_or("-".to_owned(), |(_, outcomes)| outcomes.join(", "));
            let _ = write!(text, " {outcomes} |");
        }
        text.push('\n');
    }
    text
}

/// Returns each fault of a section's table with its outcomes at calls that copy, each outcome
/// once.
fn rows(section: &str) -> Vec<(String, Vec<String>)> {
    let is_row = |line: &&str| line.starts_with('|');
    // The first table: that of the program's own calls.
    let lines = section.lines().skip_while(|line| !is_row(line)).take_while(is_row);
    let mut lines = lines.map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    });
    let heading = lines.next().unwrap_or_default();
    let rows = lines.skip(1).map(|cells| {
        let mut outcomes = Vec::new();
        for (outcome, column) in cells.iter().zip(&heading).skip(1) {
            if outcome != "-" && !column.starts_with("ioctl") && !outcomes.contains(outcome) {
                outcomes.push(outcome.clone());
            }
        }
        // A case that was missed shows nothing.
        if outcomes.len() > 1 {
            outcomes.retain(|outcome| outcome != "missed");
        }
        (cells[0].clone(), outcomes)
    });
    rows.filter(|(_, outcomes)| !outcomes.is_empty()).collect()
}
