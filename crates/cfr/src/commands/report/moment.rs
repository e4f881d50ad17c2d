//! Points in time, as the log writes them.

use serde::Serializer;
use std::time::{Duration, UNIX_EPOCH};

/// The last that RFC 3339 can write, in microseconds since 1970.
const LAST: u64 = 253_402_300_799_999_999;

/// Microseconds since 1970 in RFC 3339, UTC.
pub(super) fn rfc3339(time_us: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_micros(time_us.min(LAST));
    humantime::format_rfc3339_micros(time).to_string()
}

/// The same, to be serialized.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn as_rfc3339<S: Serializer>(time_us: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*time_us))
}
