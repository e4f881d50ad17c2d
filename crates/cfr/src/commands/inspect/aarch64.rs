//! Finds system call instructions in the code of aarch64: its instructions are aligned words.

use super::receiver::Receiver;

/// `svc #0`
const SVC: u32 = 0xd400_0001;
/// `movz` of 32 bits, without constant and register; with the bit [`WIDE`] of 64 bits.
const MOVZ: u32 = 0x5280_0000;
/// `movk` of the upper half of 32 bits.
const MOVK: u32 = 0x72a0_0000;
const WIDE: u32 = 1 << 31;
/// `b` and `bl`, without the distance in their lower 26 bits.
const B: u32 = 0x1400_0000;
const BL: u32 = 0x9400_0000;
const DISTANCE: u32 = 0x03ff_ffff;
/// `br` and `blr`, without their register; `ret`.
const BR: u32 = 0xd61f_0000;
const BLR: u32 = 0xd63f_0000;
const RET: u32 = 0xd65f_03c0;
/// `bti c`, with which a function or a stub may begin.
const BTI_C: u32 = 0xd503_245f;
/// `adrp` and `ldr` of 64 bits, without address, offset and registers: together they read an address
/// from memory. The masks keep the register that is written.
const ADRP: u32 = 0x9000_0000;
const ADRP_MASK: u32 = 0x9f00_001f;
const LDR: u32 = 0xf940_0000;
const LDR_MASK: u32 = 0xffc0_001f;
/// The registers of a stub.
const X16: u32 = 16;
const X17: u32 = 17;
/// The number of instructions before a system call in which its number may be loaded.
const MAX_LOAD_DISTANCE: usize = 12;
/// The number of instructions before a call in which its first argument may be loaded.
const MAX_ARGUMENT_DISTANCE: usize = 24;
/// The number of instructions that may be between the halves of a constant.
const MAX_HALVES_DISTANCE: usize = 4;
/// The number of instructions after a constant in which a call may receive it.
const MAX_CALL_DISTANCE: usize = 16;

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

/// Returns the offsets behind the instructions that load the constant, in two halves if it does not
/// fit in one.
pub(super) fn constants(code: &[u8], constant: u32) -> Vec<usize> {
    let upper = MOVK | constant >> 16 << 5;
    let all = words(code);
    let load = |(at, word): (usize, u32)| {
        let register = word & 0x1f;
        if !is_movz(word, constant, register) {
            return None;
        }
        if constant >> 16 == 0 {
            return Some(at + 1);
        }
        let mut next = all.clone().skip(at + 1).take(MAX_HALVES_DISTANCE);
        next.position(|next| next & !WIDE == upper | register).map(|halves| at + 1 + halves + 1)
    };
    all.clone().enumerate().filter_map(load).map(|at| at * WORD).collect()
}

/// Returns what is called next after `at`, where an instruction ends that loads a constant. The code
/// is loaded at `address`.
pub(super) fn receiver(code: &[u8], at: usize, address: u64) -> Receiver {
    let next = words(code.get(at..).unwrap_or_default()).take(MAX_CALL_DISTANCE);
    for (number, word) in next.enumerate() {
        let here = at + number * WORD;
        if word == SVC {
            return Receiver::Kernel(here);
        }
        if matches!(word & !DISTANCE, B | BL) {
            // 26 bits with a sign, in words of 4 bytes.
            let distance = i64::from((word << 6).cast_signed() >> 4);
            let target = address.wrapping_add(here as u64).wrapping_add_signed(distance);
            return Receiver::Function(target);
        }
        if matches!(word & !(0x1f << 5), BR | BLR) {
            let slot = slot_of_register(code, here, address, word >> 5 & 0x1f);
            return slot.map_or(Receiver::Unknown, Receiver::AtSlot);
        }
        if word == RET {
            break;
        }
    }
    Receiver::Unknown
}

/// Returns the address from which the register gets its value shortly before `at`.
fn slot_of_register(code: &[u8], at: usize, address: u64, register: u32) -> Option<u64> {
    let start = at.saturating_sub(MAX_LOAD_DISTANCE * WORD);
    let before =
        words(code.get(start..at)?).zip((address.wrapping_add(start as u64)..).step_by(WORD));
    let before: Vec<_> = before.collect();
    let mut before = before.into_iter().rev();
    let (load, _) = before.find(|(word, _)| word & LDR_MASK == LDR | register)?;
    let (page, here) = before.find(|(word, _)| word & ADRP_MASK == ADRP | load >> 5 & 0x1f)?;
    Some(slot(page, load, here))
}

/// Returns the address that `adrp` at the address `here` and `ldr` read together.
fn slot(adrp: u32, load: u32, here: u64) -> u64 {
    // 21 bits with a sign, the lower two apart, in pages of 4 KiB.
    let pages = (adrp >> 5 & 0x7_ffff) << 2 | adrp >> 29 & 3;
    let distance = i64::from((pages << 11).cast_signed() >> 11) << 12;
    let offset = u64::from(load >> 10 & 0xfff) * 8;
    (here & !0xfff).wrapping_add_signed(distance).wrapping_add(offset)
}

/// Returns the address from which a stub of the procedure linkage table reads its target; `None` if
/// the code, which is loaded at `address`, is no stub.
pub(super) fn stub(code: &[u8], address: u64) -> Option<u64> {
    let mut instructions = words(code).zip((address..).step_by(WORD));
    let (adrp, here) = instructions.find(|(word, _)| *word != BTI_C)?;
    let (load, _) = instructions.next()?;
    let is_stub =
        adrp & ADRP_MASK == ADRP | X16 && load & LDR_MASK == LDR | X17 && load >> 5 & 0x1f == X16;
    is_stub.then(|| slot(adrp, load, here))
}

/// Returns the addresses at which stubs of this slot may begin. The code is loaded at `address`.
pub(super) fn stubs(code: &[u8], address: u64, slot: u64) -> Vec<u64> {
    let starts = (0..code.len()).step_by(WORD);
    let is_stub = |at: &usize| {
        let here = address.wrapping_add(*at as u64);
        code.get(*at..).and_then(|rest| stub(rest, here)) == Some(slot)
    };
    starts.filter(is_stub).map(|at| address.wrapping_add(at as u64)).collect()
}

/// Returns the offsets of what may be calls, and what they call. The code is loaded at `address`.
pub(super) fn calls(code: &[u8], address: u64) -> impl Iterator<Item = (usize, Receiver)> {
    let is_call =
        |word: u32| matches!(word & !DISTANCE, B | BL) || matches!(word & !(0x1f << 5), BR | BLR);
    let all = words(code).enumerate().filter(move |(_, word)| is_call(*word));
    all.map(move |(at, _)| (at * WORD, receiver(code, at * WORD, address)))
}

/// Reports whether no constant is loaded shortly before `at` as the first argument of a call.
pub(super) fn has_unknown_argument(code: &[u8], at: usize) -> bool {
    let before = words(code.get(..at).unwrap_or_default()).rev().take(MAX_ARGUMENT_DISTANCE);
    let mut before = before.take_while(|word| !matches!(word & !DISTANCE, B | BL) && *word != RET);
    let written = before.find(|word| writes_first_argument(*word));
    written.is_none_or(|word| word & !WIDE & 0xffe0_001f != MOVZ)
}

/// Reports whether the instruction writes x0: its lowest five bits name the register, of those that compute
/// and those that load.
fn writes_first_argument(word: u32) -> bool {
    const LOADS: u32 = 1 << 22;
    let class = word >> 25 & 0xf;
    let computes = matches!(class, 0b1000 | 0b1001 | 0b0101 | 0b1101);
    let loads = class & 0b0101 == 0b0100 && word & LOADS != 0;
    word & 0x1f == 0 && (computes || loads)
}

/// Returns the offsets behind the instructions that load the constant as the first argument of a
/// call.
pub(super) fn first_arguments(code: &[u8], constant: u32) -> Vec<usize> {
    let loads = words(code).enumerate().filter(|(_, word)| is_movz(*word, constant, 0));
    loads.map(|(at, _)| (at + 1) * WORD).collect()
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
        assert_eq!((first_arguments(&other, 285), first_arguments(&call, 285)), (vec![4], vec![]));
        // mov w1, #0x9409; nop; movk w1, #0x4004, lsl #16
        let reflink = code(&[0x5292_8121, 0xd503_201f, 0x72a8_0081]);
        assert_eq!(constants(&reflink, 0x4004_9409), [12]);
        assert!(constants(&reflink, 0x4020_9409).is_empty());
        // mov x1, #0x9409; movk x1, #0x4004, lsl #16: ioctl(2) takes an unsigned long.
        assert_eq!(constants(&code(&[0xd292_8121, 0xf2a8_0081]), 0x4004_9409), [8]);
    }

    #[test]
    fn the_receiver_of_a_constant_is_the_next_call() {
        // mov w8, #29; svc #0
        assert_eq!(receiver(&code(&[0x5280_03a8, SVC]), 0, 0x1000), Receiver::Kernel(4));
        // nop; bl .-16; bl .+8; b .+4
        let calls = code(&[0xd503_201f, 0x97ff_fffc, 0x9400_0002, 0x1400_0001]);
        assert_eq!(receiver(&calls, 0, 0x1000), Receiver::Function(0xff4));
        assert_eq!(receiver(&calls, 8, 0x1000), Receiver::Function(0x1010));
        assert_eq!(receiver(&calls, 12, 0x1000), Receiver::Function(0x1010));
        // adrp x2, 0x1f000; ldr x2, [x2, #4000]; nop; blr x2: of another register too
        let pointer = code(&[0xf000_00e2, 0xf947_d042, 0xd503_201f, 0xd63f_0040]);
        assert_eq!(receiver(&pointer, 8, 0x640), Receiver::AtSlot(0x1_ffa0));
        let other = code(&[0xf000_00e2, 0xf947_d042, 0xd503_201f, 0xd63f_0060]);
        assert_eq!(receiver(&other, 8, 0x640), Receiver::Unknown);
        // blr x8; svc #0, and past the end
        assert_eq!(receiver(&code(&[0xd63f_0100, SVC]), 0, 0), Receiver::Unknown);
        assert_eq!(receiver(&calls, 16, 0), Receiver::Unknown);
    }

    #[test]
    fn a_stub_has_the_address_of_its_slot() {
        // adrp x16, 0x1f000; ldr x17, [x16, #4000]: with and without bti c
        let words = [BTI_C, 0xf000_00f0, 0xf947_d211];
        assert_eq!(stub(&code(&words), 0x640), Some(0x1_ffa0));
        assert_eq!(stub(&code(&words[1..]), 0x640), Some(0x1_ffa0));
        // adrp x16, .-0x1000
        assert_eq!(stub(&code(&[0xf0ff_fff0, 0xf940_0211]), 0x5640), Some(0x4000));
        // stp x29, x30, [sp, #-16]!
        assert_eq!(stub(&code(&[0xa9bf_7bfd, 0xf000_00f0, 0xf947_d211]), 0x640), None);
    }

    #[test]
    fn an_argument_that_is_no_constant_is_unknown() {
        // mov w0, #39; nop; bl .+8; add w0, w0, #300; bl .-16
        let words = code(&[0x5280_04e0, 0xd503_201f, 0x9400_0002, 0x1104_b000, 0x97ff_fffc]);
        let found: Vec<_> = calls(&words, 0x1000).collect();
        let [first, second] = [(8, 0x1010), (16, 0x1000)];
        assert_eq!(found, [first, second].map(|(at, to)| (at, Receiver::Function(to))));
        assert!(!has_unknown_argument(&words, 8) && has_unknown_argument(&words, 16));
        // mov w0, #39; ldr w0, [x1]: at the call that follows
        assert!(has_unknown_argument(&code(&[0x5280_04e0, 0xb940_0020]), 8));
        let stub = code(&[BTI_C, 0xf000_00f0, 0xf947_d211]);
        assert_eq!(stubs(&stub, 0x640, 0x1_ffa0), [0x640, 0x644]);
        assert!(stubs(&stub, 0x640, 0x1_ffa8).is_empty());
    }
}
