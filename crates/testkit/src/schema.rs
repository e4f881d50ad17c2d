//! Holds the JSON that the tools print against the installed JSON Schema.
//!
//! It knows the keywords that the schema uses, and panics for any other. It is stricter than JSON
//! Schema in one point: a key that the schema does not describe is a problem here, but allowed for
//! readers, so that a later version may add keys.

use super::{Output, project};
use serde_json::{Map, Value};
use std::fs;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let path = project().join("schema/cfr.schema.json");
    let text = fs::read_to_string(path).expect("the schema");
    serde_json::from_str(&text).expect("a JSON text")
});

/// Parses a document that the tools print as JSON, or a line of a JSON log. Panics if it is not JSON, or
/// not as the schema says.
#[track_caller]
pub fn read_json(text: &str) -> Value {
    let value = read_foreign_json(text);
    if let Err(problems) = is_described(&value) {
        panic!("{problems}\nin {text}");
    }
    value
}

/// Parses lines of JSON, each like [`read_json`].
#[track_caller]
pub fn read_json_lines(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    for line in text.lines() {
        values.push(read_json(line));
    }
    values
}

/// Parses JSON that the tools did not print, or print in a format of other programs.
#[track_caller]
pub fn read_foreign_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// Holds what the library and the launcher wrote as JSON on standard output and error against the
/// schema.
#[track_caller]
pub(crate) fn hold_json(output: &Output) {
    for line in output.stdout.lines().chain(output.stderr.lines()) {
        if STARTS.iter().any(|start| line.starts_with(start)) {
            read_json(line);
        }
    }
}

/// How a line of a JSON log begins, and the results of a program.
const STARTS: [&str; 3] = ["{\"time\":\"", "{\"summary\":{", "{\"held\":"];

/// Holds a document against the schema. The error has a line for each problem.
pub fn is_described(value: &Value) -> Result<(), String> {
    let problems = problems(&SCHEMA, value);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// Returns what is not as the schema says: the place in the value, and what is wrong there.
fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let schema = schema.as_object().expect("a schema is an object");
    let mut found = Vec::new();
    for (keyword, argument) in schema {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => found.extend(problems(definition(argument), value)),
            "anyOf" => found.extend(of_the_closest(array(argument), value)),
            "type" => {
                let is_one = match argument {
                    Value::Array(types) => types.iter().any(|one| is_type(one, value)),
                    one => is_type(one, value),
                };
                if !is_one {
                    found.push(format!(": {value} is not of type {argument}"));
                }
            }
            "enum" if !array(argument).contains(value) => {
                found.push(format!(": {value} is none of {argument}"));
            }
            "const" if argument != value => found.push(format!(": {value} is not {argument}")),
            "enum" | "const" => {}
            "minimum" if is_less(value, argument) => {
                found.push(format!(": {value} is less than {argument}"));
            }
            "maximum" if is_less(argument, value) => {
                found.push(format!(": {value} is more than {argument}"));
            }
            "minimum" | "maximum" => {}
            "format" => {
                assert_eq!(argument, "date-time", "a format that is not known here");
                if value.as_str().is_some_and(|text| !is_date_time(text)) {
                    found.push(format!(": {value} is not a time"));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(below(&index.to_string(), problems(argument, item)));
                }
            }
            "required" => {
                let object = value.as_object();
                let names = array(argument).iter().filter_map(Value::as_str);
                let missing =
                    names.filter(|name| object.is_some_and(|object| !object.contains_key(*name)));
                found.extend(missing.map(|name| format!(": {name} is missing")));
            }
            "properties" => {
                let described = argument.as_object().expect("properties are an object");
                let others = schema.get("additionalProperties");
                found.extend(of_properties(described, others, value));
            }
            "additionalProperties" => {
                if !schema.contains_key("properties") {
                    found.extend(of_properties(&Map::new(), Some(argument), value));
                }
            }
            other => panic!("a keyword that is not known here: {other}"),
        }
    }
    found
}

/// Returns the problems of an object's keys; `others` describes those without a description.
fn of_properties(
    described: &Map<String, Value>,
    others: Option<&Value>,
    value: &Value,
) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        match described.get(key).or(others) {
            Some(schema) => found.extend(below(key, problems(schema, value))),
            None => found.push(format!(": {key} is not described")),
        }
    }
    found
}

/// Returns no problem if one of the alternatives fits, else those of the closest one.
fn of_the_closest(alternatives: &[Value], value: &Value) -> Vec<String> {
    let mut closest: Option<Vec<String>> = None;
    for alternative in alternatives {
        let found = problems(alternative, value);
        if found.is_empty() {
            return found;
        }
        if closest.as_ref().is_none_or(|closest| found.len() < closest.len()) {
            closest = Some(found);
        }
    }
    closest.expect("an alternative")
}

fn below(name: &str, problems: Vec<String>) -> impl Iterator<Item = String> {
    problems.into_iter().map(move |problem| format!("/{name}{problem}"))
}

fn definition(reference: &Value) -> &'static Value {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
    SCHEMA.pointer(pointer.expect("a reference to #/...")).expect("a definition")
}

fn array(argument: &Value) -> &[Value] {
    argument.as_array().expect("the argument is an array")
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("a type is a string") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type that is not known here: {other}"),
    }
}

/// Compares two integers. Anything else has no limits.
fn is_less(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    number(one).zip(number(other)).is_some_and(|(one, other)| one < other)
}

/// Reports whether the text is `YYYY-MM-DDTHH:MM:SS.uuuuuuZ`, the only form that the tools write.
fn is_date_time(text: &str) -> bool {
    const FORM: &str = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    text.len() == FORM.len()
        && text.bytes().zip(FORM.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            form => byte == form,
        })
}
