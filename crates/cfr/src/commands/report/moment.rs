//! Points in time, in the log's format.

use serde::Serializer;
use std::time::{Duration, UNIX_EPOCH};

/// The latest time that RFC 3339 can express, in microseconds since 1970.
const LAST: u64 = 253_402_300_799_999_999;

/// Formats microseconds since 1970 as RFC 3339, UTC.
pub(super) fn rfc3339(time_us: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_micros(time_us.min(LAST));
    humantime::format_rfc3339_micros(time).to_string()
}

/// Serializes microseconds since 1970 as RFC 3339, UTC.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn as_rfc3339<S: Serializer>(time_us: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*time_us))
}
