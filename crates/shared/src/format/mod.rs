//! How an event is written: one file a format.
//!
//! [`EventWriter`] is for a subscriber that turns each event into a line.

mod escape;
mod json;
mod piece;
mod summary;
mod summary_json;
mod summary_table;
mod text;
mod units;

pub use escape::printable;
pub use json::KEYS as JSON_KEYS;
pub use summary::Summary;
pub use units::Bytes;

use crate::line::Line;
use crate::record::Record;
use core::fmt::{self, Write};
use piece::Piece;
use tracing::field::{Field, Visit};

/// The formats of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// strace's grammar.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// Every format, by its name in `CFR_LOG_FORMAT`.
    pub const ALL: [(&'static str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];
}

/// `{:?}` is the line of the text log, `{:#?}` the object of the JSON log.
impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let as_json = f.alternate();
        let out = &mut Piece::new(f);
        if as_json {
            json::record(out, self);
        } else {
            text::record(out, self);
        }
        Ok(())
    }
}

/// Who says a message, and when.
#[derive(Clone, Copy, Debug)]
pub struct MessageMeta {
    /// Nanoseconds since 1970.
    pub time_ns: u64,
    /// Process.
    pub pid: i32,
    /// Thread.
    pub tid: i32,
    /// Level, in lower case.
    pub level: &'static str,
    /// Whether it is about a call, and not about the library itself.
    pub is_about_call: bool,
}

/// Writes a message into a line.
pub fn write_message(
    line: &mut Line<'_>,
    format: Format,
    meta: &MessageMeta,
    message: &dyn fmt::Debug,
) {
    match format {
        Format::Text => text::message(line, meta, message),
        Format::Json => json::message(line, meta, message),
    }
}

/// Writes one event into a line: a `tracing` visitor, to be given to `Event::record`.
pub struct EventWriter<'a, 'b> {
    line: &'a mut Line<'b>,
    format: Format,
    meta: Option<MessageMeta>,
}

impl<'a, 'b> EventWriter<'a, 'b> {
    /// For the event of a call.
    pub fn for_call(line: &'a mut Line<'b>, format: Format) -> Self {
        EventWriter { line, format, meta: None }
    }

    /// For a message: what the library says of itself, not of one call.
    pub fn for_message(line: &'a mut Line<'b>, format: Format, meta: MessageMeta) -> Self {
        EventWriter { line, format, meta: Some(meta) }
    }
}

impl Visit for EventWriter<'_, '_> {
    fn record_debug(&mut self, _field: &Field, message: &dyn fmt::Debug) {
        match (self.format, &self.meta) {
            (Format::Text, None) => drop(write!(self.line, "{message:?}")),
            (Format::Json, None) => drop(write!(self.line, "{message:#?}")),
            (format, Some(meta)) => write_message(self.line, format, meta, message),
        }
    }

    // An event has its message and nothing else; what is not there is not compiled in: the
    // formatting of floating-point numbers alone would be 15 KiB of the library.
    fn record_f64(&mut self, _field: &Field, _value: f64) {}
    fn record_i64(&mut self, _field: &Field, _value: i64) {}
    fn record_u64(&mut self, _field: &Field, _value: u64) {}
    fn record_i128(&mut self, _field: &Field, _value: i128) {}
    fn record_u128(&mut self, _field: &Field, _value: u128) {}
    fn record_bool(&mut self, _field: &Field, _value: bool) {}
    fn record_str(&mut self, _field: &Field, _value: &str) {}
    fn record_bytes(&mut self, _field: &Field, _value: &[u8]) {}
}
