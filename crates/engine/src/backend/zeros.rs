//! Finds blocks of zeros in a buffer.

/// The unit in which zeros become holes, in bytes: no filesystem has smaller holes.
pub(super) const BLOCK: usize = 4096;

/// Returns how many of the bytes for `offset` are before the first block boundary.
fn before_first_block(offset: u64) -> usize {
    let block = BLOCK as u64;
    usize::try_from((block - offset % block) % block).unwrap_or(0)
}

/// Reports whether the bytes for `offset` have a whole block of zeros.
pub(super) fn has_zero_block(bytes: &[u8], offset: u64) -> bool {
    let blocks = bytes.get(before_first_block(offset)..).unwrap_or_default();
    blocks.chunks_exact(BLOCK).any(is_zero)
}

/// Returns the length of the leading blocks that are all zeros or all data, and whether they are
/// zeros. Partial blocks are data.
pub(super) fn leading_run(bytes: &[u8], offset: u64) -> (usize, bool) {
    let first = before_first_block(offset);
    if first > 0 {
        return (first.min(bytes.len()), false);
    }
    let mut blocks = bytes.chunks(BLOCK).map(|block| block.len() == BLOCK && is_zero(block));
    let begins = blocks.next().unwrap_or(false);
    let alike = 1 + blocks.take_while(|is_hole| *is_hole == begins).count();
    ((alike * BLOCK).min(bytes.len()), begins)
}

/// Compares the bytes with themselves shifted by one: they are all equal to the first if each is
/// equal to the next.
fn is_zero(bytes: &[u8]) -> bool {
    match bytes {
        [first, rest @ ..] => *first == 0 && bytes.get(..rest.len()) == Some(rest),
        [] => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_aligned_block_of_zeros_counts() {
        let mut bytes = [0u8; 3 * BLOCK];
        assert!(has_zero_block(&bytes, 0) && has_zero_block(&bytes, 1));
        for block in 0..3 {
            bytes[block * BLOCK + 4095] = 1;
        }
        assert!(!has_zero_block(&bytes, 0));
        // 4095 zeros and a 1 before each boundary: no block of zeros at any offset.
        assert!((0..4096).all(|offset| !has_zero_block(&bytes, offset)));
        bytes[BLOCK + 4095] = 0;
        assert!(has_zero_block(&bytes, 0) && !has_zero_block(&bytes[..BLOCK], 0));
        assert!(
            has_zero_block(&bytes[10..], 10) && !has_zero_block(&bytes[BLOCK + 1..2 * BLOCK], 1)
        );
    }

    #[test]
    fn the_leading_run_ends_at_the_first_block_of_the_other_kind() {
        let mut bytes = [0u8; 3 * BLOCK];
        assert_eq!(leading_run(&bytes, 0), (3 * BLOCK, true));
        assert_eq!(leading_run(&bytes, 1), (4095, false));
        bytes[BLOCK] = 1;
        assert_eq!(leading_run(&bytes, 0), (BLOCK, true));
        assert_eq!(leading_run(&bytes[BLOCK..], 0), (BLOCK, false));
        assert_eq!(leading_run(&bytes[..100], 0), (100, false));
        assert_eq!(leading_run(&[], 0), (0, false));
    }
}
