//! JUnit XML, as continuous integration reads it: a test case a point.
//!
//! What is wrong or had to pass is a failure, what hung or crashed an error, what was missed is skipped.

use super::outcome::Outcome;
use super::report::{Report, Row};
use crate::term::failure::Failure;
use quick_xml::se::Serializer;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename = "testsuites")]
struct Suites {
    testsuite: Suite,
}

#[derive(Serialize)]
struct Suite {
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
    testcase: Vec<Case>,
}

#[derive(Serialize)]
struct Case {
    #[serde(rename = "@classname")]
    classname: String,
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@time")]
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Trouble>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Trouble>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Reason>,
    #[serde(rename = "system-out")]
    output: String,
}

#[derive(Serialize)]
struct Trouble {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "@message")]
    message: String,
    #[serde(rename = "$text")]
    text: String,
}

#[derive(Serialize)]
struct Reason {
    #[serde(rename = "@message")]
    message: String,
}

/// The document.
pub(super) fn written(report: &Report) -> Result<String, Failure> {
    let program = report.program.join(" ");
    let name = report.program.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name));
    let cases: Vec<_> = report.points.iter().map(|row| case(name, row)).collect();
    let suite = Suite {
        name: readable(&format!("cfr sweep -- {program}")),
        tests: cases.len(),
        failures: cases.iter().filter(|case| case.failure.is_some()).count(),
        errors: cases.iter().filter(|case| case.error.is_some()).count(),
        skipped: cases.iter().filter(|case| case.skipped.is_some()).count(),
        time: seconds(report.duration_ns),
        testcase: cases,
    };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut serializer = Serializer::new(&mut text);
    serializer.indent(' ', 2);
    let written = Suites { testsuite: suite }.serialize(serializer);
    written.map_err(|error| Failure::new(format!("cannot write JUnit XML: {error}")))?;
    text.push('\n');
    Ok(text)
}

fn case(program: &str, row: &Row) -> Case {
    let place = &row.place;
    let trouble = || Trouble {
        kind: row.outcome.name(),
        message: readable(&row.why),
        text: readable(&place.reproduce),
    };
    let is_error = matches!(row.outcome, Outcome::Hung | Outcome::Crashed);
    let mut output = format!("{}: {}\n", row.outcome.name(), row.why);
    for line in row.last_lines() {
        output.push_str(&line);
        output.push('\n');
    }
    Case {
        classname: readable(&format!("{program}.{}", place.hook)),
        name: place.name(),
        time: seconds(row.duration_ns),
        failure: (row.bad && !is_error).then(trouble),
        error: (row.bad && is_error).then(trouble),
        skipped: (row.outcome == Outcome::Missed)
            .then(|| Reason { message: "no call met the fault".to_owned() }),
        output: readable(&output),
    }
}

/// With three digits behind the point, as its readers expect.
fn seconds(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

/// Without the characters that XML 1.0 has no way to hold: production 2, Char.
fn readable(text: &str) -> String {
    let is_char = |character: char| matches!(character, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|character| if is_char(character) { character } else { '\u{fffd}' }).collect()
}
