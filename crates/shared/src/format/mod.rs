//! The formats of the log, one file each.
//!
//! **`Debug` is a format here.** `{:?}` of a [`Record`] is its line in the text log, `{:#?}` (alternate)
//! its object in the JSON log. The reason is `tracing`: an event carries its message as
//! `&dyn Debug`, and no other trait reaches a subscriber. So a record is formatted once, directly
//! into the buffer of the subscriber that is installed: the library's own (which uses [`EventWriter`])
//! or any other, for example tracing-subscriber's.
//!
//! A file uses only files above it in this list.

mod piece;

mod escape;

mod units;

mod json;

mod text;

mod summary;

mod summary_json;

mod summary_table;

pub use escape::printable;
pub use json::KEYS as JSON_KEYS;
pub use summary::{Run, Summary};
pub use units::{Bytes, Time};

use crate::line::Line;
use crate::record::{Context, Record};
use cfr_engine::diag::CallLine;
use core::fmt::{self, Write};
use piece::{MAX_PIECE, Piece};
use tracing::field::{Field, Visit};

/// The formats of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// strace's format.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl Format {
    /// Every format with its name in `CFR_LOG_FORMAT`.
    pub const ALL: [(&'static str, Format); 2] = [("text", Format::Text), ("json", Format::Json)];
}

/// The most bytes of both paths in a line that is probably not longer than a piece.
const MAX_SHORT_PATHS: usize = MAX_PIECE - 600;

/// Formats a record for the log: text by `{:?}`, JSON by `{:#?}`. See the head of this file.
impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let as_json = f.alternate();
        write_record(&mut Piece::new(f), self, as_json);
        Ok(())
    }
}

impl CallLine for Record<'_> {
    fn pass(&self, as_json: bool, take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let len = |path: Option<&[u8]>| path.map_or(0, <[u8]>::len);
        let Context { path_in, path_out, .. } = self.context;
        if len(path_in) + len(path_out) > MAX_SHORT_PATHS {
            return false;
        }
        let mut out = Piece::alone();
        write_record(&mut out, self, as_json);
        out.whole().is_some_and(take)
    }
}

/// Both formats in one function, which is compiled once.
#[inline(never)]
fn write_record(out: &mut Piece, record: &Record<'_>, as_json: bool) {
    if as_json {
        json::record(out, record);
    } else {
        text::record(out, record);
    }
}

/// The origin of a message.
#[derive(Clone, Copy, Debug)]
pub struct MessageMeta {
    /// Nanoseconds since 1970.
    pub time_ns: u64,
    pub pid: i32,
    pub tid: i32,
    /// The level in lower case.
    pub level: &'static str,
    /// Whether the message is about a call; if not it is about the library.
    pub is_about_call: bool,
}

/// Appends a message to a line.
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

/// Writes an event into a line. A `tracing` visitor, for `Event::record`.
pub struct EventWriter<'a, 'b> {
    line: &'a mut Line<'b>,
    format: Format,
    meta: Option<MessageMeta>,
}

impl<'a, 'b> EventWriter<'a, 'b> {
    /// Creates a writer for the event of a call.
    pub fn for_call(line: &'a mut Line<'b>, format: Format) -> Self {
        EventWriter { line, format, meta: None }
    }

    /// Creates a writer for a message.
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

    // Our events have no field but the message. The default methods would format every type, and
    // floating-point numbers alone take 15 KiB of code.
    fn record_f64(&mut self, _field: &Field, _value: f64) {}
    fn record_i64(&mut self, _field: &Field, _value: i64) {}
    fn record_u64(&mut self, _field: &Field, _value: u64) {}
    fn record_i128(&mut self, _field: &Field, _value: i128) {}
    fn record_u128(&mut self, _field: &Field, _value: u128) {}
    fn record_bool(&mut self, _field: &Field, _value: bool) {}
    fn record_str(&mut self, _field: &Field, _value: &str) {}
    fn record_bytes(&mut self, _field: &Field, _value: &[u8]) {}
}
