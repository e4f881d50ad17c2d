//! Numbers as a page shows them.

use cfr_shared::format::{Bytes, Time};

/// Formats a count with a comma between thousands.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its noun: `1 call`, `2 calls`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// Formats bytes, without decimals for a multiple of the unit.
pub(crate) fn round_bytes(count: u64) -> String {
    Bytes(count).to_string().replace(".00 ", " ")
}

/// Formats a duration in nanoseconds, without decimals for a multiple of the unit.
pub(crate) fn round_time(ns: u64) -> String {
    Time(ns).to_string().replace(".00 ", " ")
}

/// Returns which part of the whole it is, from 0 to 1.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        let shown = [0, 999, 1_000, 1_234_567, u64::MAX].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
        assert_eq!([counted(1, "call"), counted(1_000, "call")], ["1 call", "1,000 calls"]);
        assert_eq!([4096, 1536].map(round_bytes), ["4 KiB", "1.50 KiB"]);
    }
}
