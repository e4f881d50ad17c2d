//! Numbers with units, for people.

use crate::line::Line;
use core::fmt::{self, Write};
use core::num::NonZero;

const KILO: NonZero<u64> = NonZero::<u64>::MIN.saturating_add(999);
const KIBI: NonZero<u64> = NonZero::<u64>::MIN.saturating_add(1023);

/// A number of bytes, shown in KiB, MiB, ...
///
/// ```
/// use cfr_shared::format::{Bytes, Time};
///
/// assert_eq!(Bytes(3 << 19).to_string(), "1.50 MiB");
/// assert_eq!(Time(1_250).to_string(), "1.25 us");
/// ```
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        in_units(f, self.0, KIBI, "B", &UNITS)
    }
}

/// A duration in nanoseconds, shown in us, ms, ...
pub struct Time(pub u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_units(f, self.0, KILO, "ns", &["us", "ms", "s", "ks"])
    }
}

/// Writes a value with two decimals, rounded down, and pads it to the width of its column.
fn in_units(
    f: &mut fmt::Formatter<'_>,
    value: u64,
    step: NonZero<u64>,
    smallest: &str,
    larger: &[&str],
) -> fmt::Result {
    let mut buffer = [0; 32];
    let mut text = Line::new(&mut buffer);
    let (mut unit, mut size) = (smallest, NonZero::<u64>::MIN);
    for next in larger {
        if value / size < step.get() {
            break;
        }
        (unit, size) = (next, size.saturating_mul(step));
    }
    match size.get() {
        1 => write!(text, "{value} {unit}")?,
        _ => write!(text, "{}.{:02} {unit}", value / size, value % size * 100 / size)?,
    }
    f.pad(core::str::from_utf8(text.as_bytes()).unwrap_or_default())
}

/// A part of a whole, shown as whole percents.
pub(super) struct Share {
    pub(super) part: u64,
    pub(super) whole: u64,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredfold = self.part.checked_mul(100);
        let percent = match hundredfold {
            Some(hundredfold) => hundredfold / self.whole.max(1),
            None => self.part / (self.whole / 100).max(1),
        };
        let mut buffer = [0; 24];
        let mut text = Line::new(&mut buffer);
        write!(text, "{percent}%")?;
        f.pad(core::str::from_utf8(text.as_bytes()).unwrap_or_default())
    }
}

/// A count with its noun: `1 call`, `2 calls`.
pub(super) struct Count(pub(super) u64, pub(super) &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn numbers_have_units() {
        assert_eq!(format!("{}", Bytes(0)), "0 B");
        assert_eq!(format!("{}", Bytes(1023)), "1023 B");
        assert_eq!(format!("{}", Bytes(1536)), "1.50 KiB");
        assert_eq!(format!("{}", Bytes(u64::MAX)), "16383.99 PiB");
        assert_eq!(format!("{:>10}|", Time(999)), "    999 ns|");
        assert_eq!(format!("{}", Time(1_234_567)), "1.23 ms");
        assert_eq!(format!("{}", Time(61_000_000_000)), "61.00 s");
    }

    #[test]
    fn shares_and_counts() {
        let share = |part, whole| format!("{:>4}", Share { part, whole });
        assert_eq!([share(1, 3), share(3, 3), share(0, 0)], [" 33%", "100%", "  0%"]);
        assert_eq!(share(u64::MAX / 2, u64::MAX), " 50%");
        assert_eq!(format!("{}, {}", Count(1, "call"), Count(0, "error")), "1 call, 0 errors");
    }
}
