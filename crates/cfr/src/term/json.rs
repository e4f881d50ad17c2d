//! JSON output. Characters that could control a terminal are escaped in strings, as in the log.

use crate::term::failure::{Failure, is_control};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::fmt::Display;
use std::io::{self, Write};

struct EscapingFormatter;

impl Formatter for EscapingFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(is_control) {
            let (before, from) = rest.split_at(at);
            to.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            // All such characters are below U+10000.
            write!(to, "\\u{:04x}", characters.next().map_or(0, u32::from))?;
            rest = characters.as_str();
        }
        to.write_all(rest.as_bytes())
    }
}

/// Returns a name as a string. A byte that is not UTF-8 becomes U+0000 and its two hexadecimal digits,
/// as in the log: a path has no zero byte, so the bytes can be recovered.
pub(crate) fn name(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\0{byte:02x}")));
    }
    text
}

/// Writes a value on one line, without a newline.
pub(crate) fn write(to: impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(to, EscapingFormatter)).map_err(io::Error::from)
}

/// Returns a value as a line with a newline.
pub(crate) fn to_line(value: &impl Serialize) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let cannot = |why: &dyn Display| Failure::new(format!("cannot write the report: {why}"));
    write(&mut bytes, value).map_err(|error| cannot(&error))?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| cannot(&error))
}

/// Adds the keys of one JSON object to another. `more` may have a newline at its end.
pub(crate) fn joined(object: &str, more: &str) -> String {
    let (object, more) = (object.strip_suffix('}'), more.strip_prefix('{'));
    format!("{},{}", object.unwrap_or_default(), more.unwrap_or_default())
}
