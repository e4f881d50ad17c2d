//! JUnit XML for continuous integration: a test case for each case.
//!
//! A wrong, damaged or failed case is a failure, a hung or crashed one an error, a missed one is
//! skipped.

use super::outcome::Outcome;
use super::report::{CaseReport, SweepReport};
use crate::term::failure::Failure;
use quick_xml::se::Serializer;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename = "testsuites")]
struct TestSuites {
    testsuite: TestSuite,
}

#[derive(Serialize)]
struct TestSuite {
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@tests")]
    tests: usize,
    #[serde(rename = "@failures")]
    failures: usize,
    #[serde(rename = "@errors")]
    errors: usize,
    #[serde(rename = "@skipped")]
    skipped: usize,
    #[serde(rename = "@time")]
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Properties>,
    testcase: Vec<TestCase>,
}

#[derive(Serialize)]
struct Properties {
    property: Vec<Property>,
}

#[derive(Serialize)]
struct Property {
    #[serde(rename = "@name")]
    name: &'static str,
    #[serde(rename = "@value")]
    value: String,
}

#[derive(Serialize)]
struct TestCase {
    #[serde(rename = "@classname")]
    classname: String,
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@time")]
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<TestFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TestFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Skipped>,
    #[serde(rename = "system-out")]
    output: String,
}

#[derive(Serialize)]
struct TestFailure {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@message")]
    message: String,
    #[serde(rename = "$text")]
    text: String,
}

#[derive(Serialize)]
struct Skipped {
    #[serde(rename = "@message")]
    message: String,
}

pub(super) fn render(report: &SweepReport) -> Result<String, Failure> {
    let program = report.program.join(" ");
    let name = report.program.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name));
    let not_run = report.interrupted.as_ref().map(|signal| not_run(name, signal));
    let cases = report.cases.iter().map(|row| case(name, row)).chain(not_run);
    let cases: Vec<_> = cases.collect();
    let suite = TestSuite {
        name: readable(&format!("cfr sweep -- {program}")),
        tests: cases.len(),
        failures: cases.iter().filter(|case| case.failure.is_some()).count(),
        errors: cases.iter().filter(|case| case.error.is_some()).count(),
        skipped: cases.iter().filter(|case| case.skipped.is_some()).count(),
        time: seconds(report.duration_ns),
        properties: properties(report),
        testcase: cases,
    };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut serializer = Serializer::new(&mut text);
    serializer.indent(' ', 2);
    let written = TestSuites { testsuite: suite }.serialize(serializer);
    written.map_err(|error| Failure::new(format!("cannot write JUnit XML: {error}")))?;
    text.push('\n');
    Ok(text)
}

/// Returns a property for each hook whose targets were not all tried with each fault.
fn properties(report: &SweepReport) -> Option<Properties> {
    let targets = report.targets.iter();
    let property = |targets: String| Property { name: "targets", value: readable(&targets) };
    let property: Vec<_> = targets.map(|targets| property(targets.to_string())).collect();
    (!property.is_empty()).then_some(Properties { property })
}

/// Returns the test case for those that were not run.
fn not_run(program: &str, signal: &str) -> TestCase {
    TestCase {
        classname: readable(program),
        name: "the other cases".to_owned(),
        time: seconds(0),
        failure: None,
        error: Some(TestFailure {
            kind: "interrupted",
            message: format!("interrupted by {signal}"),
            text: String::new(),
        }),
        skipped: None,
        output: String::new(),
    }
}

fn case(program: &str, row: &CaseReport) -> TestCase {
    let id = &row.id;
    let failure = || TestFailure {
        kind: row.outcome.name(),
        message: readable(&row.why),
        text: readable(&id.reproduce),
    };
    let is_error = matches!(row.outcome, Outcome::Hung | Outcome::Crashed);
    let mut output = format!("{}: {}\n", row.outcome.name(), row.why);
    for line in row.last_lines() {
        output.push_str(&line);
        output.push('\n');
    }
    TestCase {
        classname: readable(&format!("{program}.{}", id.hook)),
        name: id.name.clone(),
        time: seconds(row.duration_ns),
        failure: (row.bad && !is_error).then(failure),
        error: (row.bad && is_error).then(failure),
        skipped: (row.outcome == Outcome::Missed)
            .then(|| Skipped { message: "the fault applied to no call".to_owned() }),
        output: readable(&output),
    }
}

/// Formats seconds with three digits after the point, which JUnit readers expect.
fn seconds(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

/// Replaces the characters that XML 1.0 cannot hold (production 2, Char).
fn readable(text: &str) -> String {
    let is_char = |character: char| matches!(character, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|character| if is_char(character) { character } else { '\u{fffd}' }).collect()
}
