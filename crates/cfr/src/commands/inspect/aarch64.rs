//! Finds system call instructions in the code of aarch64: its instructions are aligned words.

/// `svc #0`
const SVC: u32 = 0xd400_0001;
/// `movz` of 32 bits, without constant and register; with the bit [`WIDE`] of 64 bits.
const MOVZ: u32 = 0x5280_0000;
/// `movk` of the upper half of 32 bits.
const MOVK: u32 = 0x72a0_0000;
const WIDE: u32 = 1 << 31;
/// The number of instructions before a system call in which its number may be loaded.
const MAX_LOAD_DISTANCE: usize = 12;
/// The number of instructions that may be between the halves of a constant.
const MAX_HALVES_DISTANCE: usize = 4;

const WORD: usize = 4;

fn words(code: &[u8]) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone {
    let (words, _) = code.as_chunks::<WORD>();
    words.iter().map(|word| u32::from_le_bytes(*word))
}

/// Reports whether `word` loads the lower half of `constant` into `register`, whatever the width.
fn is_movz(word: u32, constant: u32, register: u32) -> bool {
    word & !WIDE == MOVZ | (constant & 0xffff) << 5 | register
}

/// Returns the offsets of the system call instructions in `code`.
pub(super) fn candidates(code: &[u8]) -> impl Iterator<Item = usize> {
    words(code).enumerate().filter(|(_, word)| *word == SVC).map(|(at, _)| at * WORD)
}

/// Returns the number of the system call at `at`: `Some(None)` if it is not loaded shortly before.
pub(super) fn system_call(code: &[u8], at: usize) -> Option<Option<u32>> {
    const NUMBER: u32 = 8;
    let before = words(code.get(..at)?).rev().take(MAX_LOAD_DISTANCE);
    let number = before
        .take_while(|word| *word != SVC)
        .find(|word| word & !WIDE & 0xffe0_001f == MOVZ | NUMBER)
        .map(|word| word >> 5 & 0xffff);
    Some(number)
}

/// Reports whether the code loads the constant, in two halves if it does not fit in one.
pub(super) fn holds(code: &[u8], constant: u32) -> bool {
    let upper = MOVK | constant >> 16 << 5;
    let all = words(code);
    all.clone().enumerate().any(|(at, word)| {
        let register = word & 0x1f;
        is_movz(word, constant, register)
            && (constant >> 16 == 0
                || all
                    .clone()
                    .skip(at + 1)
                    .take(MAX_HALVES_DISTANCE)
                    .any(|next| next == upper | register))
    })
}

/// Reports whether the code loads the constant as the first argument of a call.
pub(super) fn passes(code: &[u8], constant: u32) -> bool {
    words(code).any(|word| is_movz(word, constant, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// The instructions as GNU as assembles them.
    #[test]
    fn numbers_and_constants_are_found() {
        // mov x8, #285; mov x0, x1; svc #0
        let call = code(&[0xd280_23a8, 0xaa01_03e0, SVC]);
        assert_eq!(candidates(&call).collect::<Vec<_>>(), [8]);
        assert_eq!(system_call(&call, 8), Some(Some(285)));
        // mov w0, #285; svc #0: another register.
        let other = code(&[0x5280_23a0, SVC]);
        assert_eq!(system_call(&other, 4), Some(None));
        assert!(passes(&other, 285) && !passes(&call, 285));
        // mov w1, #0x9409; nop; movk w1, #0x4004, lsl #16
        let reflink = code(&[0x5292_8121, 0xd503_201f, 0x72a8_0081]);
        assert!(holds(&reflink, 0x4004_9409) && !holds(&reflink, 0x4020_9409));
    }
}
