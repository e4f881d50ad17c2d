//! schema/cfr.schema.json: it has the words and the keys of the code, another validator agrees with
//! the one of the tests, and all JSON that tests read goes through that one.

use super::texts::add_files;
use cfr_engine::call::Method;
use cfr_engine::dialect;
use cfr_engine::hook::Hook;
use cfr_shared::format::JSON_KEYS;
use cfr_testkit::{
    Run, Scratch, find_program, is_described, project, read_foreign_json, read_json_lines, skip,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

fn schema() -> Value {
    let text = fs::read_to_string(project().join("schema/cfr.schema.json")).unwrap();
    read_foreign_json(&text)
}

/// A line for every form of a record: tests/golden.rs of crates/shared.
fn golden_lines() -> Vec<Value> {
    let path = project().join("crates/shared/tests/data/golden.json");
    read_json_lines(&fs::read_to_string(path).unwrap())
}

#[test]
fn the_schema_has_the_words_of_the_code() {
    let schema = schema();
    let words = |place: &str| schema.pointer(place).unwrap().as_array().unwrap().clone();
    let hooks: Vec<Value> = Hook::ALL.into_iter().map(|hook| hook.name().into()).collect();
    assert_eq!(words("/$defs/hook/enum"), hooks);
    let mut methods: Vec<Value> = Method::ALL.into_iter().map(|one| one.name().into()).collect();
    methods.push(Value::Null);
    assert_eq!(words("/$defs/call/properties/method/enum"), methods);
    let dialects: Vec<Value> = dialect::ALL.into_iter().map(|one| one.name.into()).collect();
    assert_eq!(words("/$defs/call/properties/dialect/enum"), dialects);
}

#[test]
fn the_schema_has_the_keys_of_a_line_in_their_order() {
    let schema = schema();
    let keys = |place: &str| schema.pointer(place).unwrap().as_array().unwrap().clone();
    let mut expected: Vec<Value> = JSON_KEYS.into_iter().map(Value::from).collect();
    assert_eq!(keys("/$defs/call/required"), expected);
    expected.extend(["level".into(), "message".into()]);
    assert_eq!(keys("/$defs/message/required"), expected);
}

/// "Keys, always present": a key that is described is required.
#[test]
fn every_key_of_the_schema_is_required() {
    let mut todo = vec![schema()];
    let mut objects = 0;
    while let Some(next) = todo.pop() {
        if let Some(properties) = next.get("properties").filter(|_| next["type"] == "object") {
            let names: BTreeSet<_> = properties.as_object().unwrap().keys().cloned().collect();
            let required = next["required"].as_array().unwrap().iter();
            let required: BTreeSet<_> =
                required.map(|name| name.as_str().unwrap().into()).collect();
            assert_eq!(names, required);
            objects += 1;
        }
        match next {
            Value::Object(object) => todo.extend(object.into_iter().map(|(_, value)| value)),
            Value::Array(items) => todo.extend(items),
            _ => {}
        }
    }
    assert!(objects > 30, "{objects}");
}

/// Returns lines that are not as described, each with one change.
fn damaged_lines() -> Vec<Value> {
    let mut damaged = Vec::new();
    for line in golden_lines().into_iter().step_by(7) {
        for key in JSON_KEYS {
            let mut missing = line.clone();
            missing.as_object_mut().unwrap().remove(key);
            let mut wrong = line.clone();
            wrong[key] = json!({"an": "object"});
            damaged.extend([missing, wrong]);
        }
        for (key, value) in [
            ("pid", json!(0)),
            ("tid", json!(4_194_305)),
            ("hook", json!("fcopyfile")),
            ("request", json!("FICLONES")),
            ("flag_names", json!([1])),
            ("ret", json!(-2)),
            ("duration_ns", json!(-1)),
        ] {
            let mut wrong = line.clone();
            wrong[key] = value;
            damaged.push(wrong);
        }
    }
    damaged
}

#[test]
fn a_line_that_is_not_as_described_is_found() {
    for line in damaged_lines() {
        is_described(&line).unwrap_err();
    }
    let mut line = golden_lines().swap_remove(0);
    line["duration"] = json!(1);
    assert_eq!(is_described(&line).unwrap_err(), ": duration is not described");
    line["duration_ns"] = json!("1");
    line.as_object_mut().unwrap().remove("duration");
    let found = is_described(&line).unwrap_err();
    assert_eq!(found, "/duration_ns: \"1\" is not of type [\"integer\",\"null\"]");
    line["time"] = json!("2026-11-22 10:01:41");
    line["duration_ns"] = json!(1);
    let found = is_described(&line).unwrap_err();
    assert_eq!(found, "/time: \"2026-11-22 10:01:41\" is not a time");
}

/// Debian's python3-jsonschema: the schema is one, and both validators agree about lines. A key that
/// is not described is allowed for readers, so that a later version may add keys.
#[test]
fn another_validator_agrees() {
    const SCRIPT: &str = "
import json, sys
from jsonschema import Draft202012Validator as Validator
schema = json.load(open(sys.argv[1]))
Validator.check_schema(schema)
validator = Validator(schema)
for line in sys.stdin:
    print(validator.is_valid(json.loads(line)))
";
    let test = "docs::schema::another_validator_agrees";
    let has_it = find_program("python3").is_some()
        && Run::bare("python3").args(["-c", "import jsonschema"]).output().status == Some(0);
    if !has_it {
        return skip(test, "python3-jsonschema is not installed");
    }
    let mut later = golden_lines().swap_remove(0);
    later["added_later"] = json!(true);
    let good = [golden_lines(), vec![later]].concat();
    let damaged = damaged_lines();
    let scratch = Scratch::new();
    let mut input = String::new();
    for line in good.iter().chain(&damaged) {
        input.push_str(&line.to_string());
        input.push('\n');
    }
    let lines = scratch.write("lines", input.as_bytes());
    let output = Run::bare("sh")
        .args(["-c", "exec python3 -c \"$0\" \"$1\" < \"$2\"", SCRIPT])
        .args([&project().join("schema/cfr.schema.json"), &lines])
        .ok();
    let verdicts: Vec<_> = output.stdout.lines().map(|line| line == "True").collect();
    assert_eq!(verdicts.len(), good.len() + damaged.len());
    for (line, verdict) in good.iter().chain(&damaged).zip(&verdicts) {
        assert_eq!(*verdict, good.contains(line), "{line}");
    }
    eprintln!("schema: {} lines valid, {} damaged ones not", good.len(), damaged.len());
}

/// What `read_json` and `parse` of the testkit read is held against the schema.
#[test]
fn no_test_reads_json_past_the_schema() {
    let mut files = Vec::new();
    add_files("tests", &mut files);
    let sources = files.iter().filter(|file| file.ends_with(".rs"));
    for file in sources.filter(|file| *file != "tests/docs/schema.rs") {
        let text = fs::read_to_string(project().join(file)).unwrap();
        assert!(!text.contains("serde_json::from_"), "{file}: use read_json of the testkit");
    }
}
