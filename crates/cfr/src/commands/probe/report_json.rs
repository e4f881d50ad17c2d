//! The report as one JSON object. Its keys are documented in cfr-probe(1) and do not change.

use super::fact::{Answer, Fact};
use super::report::ProbeReport;
use crate::term::failure::Failure;
use crate::term::json;
use serde_json::{Map, Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Returns the report as JSON, on one line.
pub(super) fn render(report: &ProbeReport) -> Result<String, Failure> {
    let paths = report.probed.iter().map(|path| {
        let mut object = object(&path.facts);
        object.insert("path".to_owned(), string(&path.path));
        Value::Object(object)
    });
    let pairs = report.pairs.iter().map(|pair| {
        let mut object = object(&pair.facts);
        object.insert("from".to_owned(), string(&pair.from));
        object.insert("to".to_owned(), string(&pair.to));
        Value::Object(object)
    });
    let failed = report.refused.iter().map(|(path, refusal)| {
        json!({
            "path": string(path),
            "errno": refusal.errno.name(),
            "message": refusal.message,
        })
    });
    let whole = json!({
        "kernel": object(&report.kernel),
        "libc": object(&report.c_library),
        "paths": paths.collect::<Vec<_>>(),
        "pairs": pairs.collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
    });
    json::to_line(&whole)
}

fn object(facts: &[Fact]) -> Map<String, Value> {
    facts.iter().map(|fact| (fact.key.to_owned(), finding(fact))).collect()
}

fn finding(fact: &Fact) -> Value {
    let finding = &fact.finding;
    let value = match &finding.value {
        Answer::Yes => true.into(),
        Answer::No => false.into(),
        Answer::Unknown => Value::Null,
        Answer::Bytes(count) | Answer::AtLeast(count) => (*count).into(),
        Answer::Name(name) => string(name),
    };
    json!({
        "value": value,
        "at_least": matches!(finding.value, Answer::AtLeast(_)),
        "errno": finding.errno.map(|errno| {
            errno.name().map_or_else(|| errno.0.to_string(), str::to_owned)
        }),
        "note": finding.note,
    })
}

fn string(name: impl AsRef<OsStr>) -> Value {
    json::name(name.as_ref().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_a_string() {
        assert_eq!(string("/a b\n"), json!("/a b\n"));
        assert_eq!(string(OsStr::from_bytes(b"/caf\xe9/\xff")), json!("/caf\0e9/\0ff"));
    }
}
