//! A histogram of durations, for percentiles.

/// The number of buckets: eight for each power of two, up to 2^41 ns, which is 37 minutes.
pub(super) const BUCKETS: usize = 39 * 8;

/// Returns the index of a duration's bucket.
pub(super) fn bucket(ns: u64) -> usize {
    let exponent = ns.checked_ilog2().unwrap_or(0);
    let index = match exponent {
        0..3 => ns,
        _ => u64::from(exponent - 2) * 8 + (ns >> (exponent - 3)) % 8,
    };
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// Returns the longest duration of a bucket, in nanoseconds.
pub(super) fn upper_bound(index: usize) -> u64 {
    let (power, eighth) = (index / 8, index as u64 % 8);
    match power {
        0 => eighth,
        _ => ((8 + eighth + 1) << (power - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_an_eighth_wide_and_every_duration_has_one() {
        for ns in (0..5000).chain((0..41).map(|power| (1u64 << power) + 1)) {
            let index = bucket(ns);
            let bound_ns = upper_bound(index);
            assert!(bound_ns >= ns && bound_ns <= ns + ns / 8, "{ns} in {index}: {bound_ns}");
            assert!(index == 0 || upper_bound(index - 1) < ns, "{ns} in {index}");
            assert!(bucket(ns + 1) <= index + 1, "{ns} in {index}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
