//! docs/guide/ci.md: the examples for CI services and test runners, run with cp as the program.

use super::pages::{assert_shown, with_launcher};
use cfr_testkit::{Run, Scratch, find_program, project, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A fenced block of the page.
struct Block {
    /// The file that the line before it names.
    file: Option<String>,
    language: String,
    text: String,
}

/// Returns the blocks of a section of the page.
fn blocks(section: &str) -> Vec<Block> {
    let page = fs::read_to_string(project().join("docs/guide/ci.md")).unwrap();
    let (_, text) = page.split_once(&format!("\n## {section}\n")).expect("the section is there");
    let text = text.split("\n## ").next().unwrap();
    let mut blocks = Vec::new();
    let mut parts = text.split("\n```");
    let mut before = parts.next().unwrap();
    while let (Some(block), Some(after)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').unwrap();
        let named = before.trim_end().lines().last().unwrap_or_default();
        let file = named.strip_prefix('`').and_then(|name| name.strip_suffix("`:"));
        blocks.push(Block {
            file: file.map(str::to_owned),
            language: language.to_owned(),
            text: format!("{text}\n"),
        });
        before = after;
    }
    assert!(blocks.iter().any(|block| block.file.is_some()), "{section} has a file");
    blocks
}

/// Creates the project that is tested, with the files of the blocks.
fn project_with(blocks: &[Block]) -> Scratch {
    let scratch = Scratch::new();
    fs::create_dir(scratch.file("data")).unwrap();
    scratch.random("data/a", 1_000_000);
    let program = scratch.write("program", b"#!/bin/sh\nexec cp \"$1\" \"$2\"\n");
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    for block in blocks {
        if let Some(name) = &block.file {
            let file = scratch.file(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, &block.text).unwrap();
        }
    }
    scratch
}

/// Runs the commands of a section, each of which is shown with its output.
fn run_section(test: &str, section: &str, tool: &str) {
    if find_program(tool).is_none() {
        return skip(&format!("docs::ci::{test}"), &format!("no {tool}"));
    }
    let blocks = blocks(section);
    let scratch = project_with(&blocks);
    let shells: Vec<_> = blocks.iter().filter(|block| block.language == "sh").collect();
    assert!(!shells.is_empty(), "{section} has commands");
    for Block { text, .. } in shells {
        let typed: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
        let run = Run::bare("sh").args(["-euc", &typed.join("\n")]).within(scratch.path());
        let output = run.env("PATH", with_launcher()).output();
        assert_eq!(output.status, Some(0), "{section}: {output:#?}");
        assert_shown(section, text, &output);
    }
    // A program whose copy is wrong fails the tests.
    scratch.write("program", b"#!/bin/sh\ncp \"$1\" \"$2\" && truncate -s -1 \"$2\"\n");
    let typed: Vec<_> = blocks
        .iter()
        .filter(|block| block.language == "sh")
        .flat_map(|block| block.text.lines().filter_map(|line| line.strip_prefix("$ ")))
        .collect();
    let run = Run::bare("sh").args(["-euc", &typed.join("\n")]).within(scratch.path());
    let output = run.env("PATH", with_launcher()).output();
    assert!(output.status.is_some_and(|status| status != 0), "{section}: {output:#?}");
}

/// Runs the commands of a job, which this Ruby expression finds in the file, as its service does.
fn run_job(test: &str, section: &str, commands: &str) {
    if find_program("ruby").is_none() {
        return skip(&format!("docs::ci::{test}"), "no ruby");
    }
    let blocks = blocks(section);
    let scratch = project_with(&blocks);
    let file = blocks.iter().find_map(|block| block.file.clone()).unwrap();
    let script = format!("job = YAML.load_file(ARGV[0], aliases: false); puts({commands})");
    // `on` is a word for true in YAML 1.1, which does not matter here.
    let ruby = Run::bare("ruby").args(["-r", "yaml", "-e", &script]).args([scratch.file(&file)]);
    let found = ruby.ok().stdout;
    assert!(found.matches("cfr ").count() >= 2, "{found}");
    let run = Run::bare("bash").args(["-e", "-o", "pipefail", "-c", &found]);
    let output = run.within(scratch.path()).env("PATH", with_launcher()).output();
    assert_eq!(output.status, Some(0), "{section}: {output:#?}");
    assert_reports(scratch.path(), &blocks);
}

/// The job keeps files that are there.
fn assert_reports(place: &Path, blocks: &[Block]) {
    for report in ["copies.json", "sweep.html", "sweep.xml"] {
        assert!(blocks.iter().any(|block| block.text.contains(&format!(" {report}"))), "{report}");
        assert!(fs::metadata(place.join(report)).unwrap().len() > 100, "{report}");
    }
}

#[test]
fn the_job_of_github_actions_runs() {
    // Its installation needs a released package.
    let commands = "job['jobs']['copies']['steps'].select { |step| step['run'] && \
                    step['name'] != 'Install cfr' }.map { |step| step['run'] }";
    run_job("the_job_of_github_actions_runs", "GitHub Actions", commands);
}

#[test]
fn the_job_of_gitlab_runs() {
    run_job("the_job_of_gitlab_runs", "GitLab", "job['copies']['script']");
}

#[test]
fn the_tests_of_ctest_run() {
    run_section("the_tests_of_ctest_run", "CTest", "ctest");
}

#[test]
fn the_tests_of_meson_run() {
    run_section("the_tests_of_meson_run", "Meson", "meson");
}

#[test]
fn the_tests_of_pytest_run() {
    run_section("the_tests_of_pytest_run", "pytest", "pytest");
}
