//! Finds system call instructions in the code of x86-64.
//!
//! The two bytes of `syscall` also occur inside other instructions. Code can only be decoded
//! forwards from the start of an instruction, but decoding from any byte finds the right boundaries
//! after a few instructions. So decoding starts from several earlier bytes, and most of these
//! attempts must decode to the same instruction.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, Register};
use memchr::memmem;

/// The most bytes before an instruction from which decoding starts.
const MAX_DISTANCE: usize = 128;
/// The number of attempts; each starts at the byte after the start of the one before.
const ATTEMPTS: usize = 16;
/// The attempts that must decode to the instruction.
const MIN_SUCCESSES: usize = 12;
/// The number of instructions before a system call in which its number may be loaded.
const MAX_LOAD_DISTANCE: usize = 12;

const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Returns the offsets of the two bytes in `code`.
pub(super) fn candidates(code: &[u8]) -> impl Iterator<Item = usize> {
    memmem::find_iter(code, &SYSCALL)
}

/// Returns the number of the system call, if the bytes at `at` are an instruction: `Some(None)` if
/// the number is not loaded shortly before.
pub(super) fn system_call(code: &[u8], at: usize) -> Option<Option<u32>> {
    let first = at.saturating_sub(MAX_DISTANCE);
    // At the beginning of the code only the first byte is known to start an instruction.
    let attempts = if first == 0 { 1 } else { ATTEMPTS };
    let mut successes = 0;
    let mut number = None;
    for start in (first..).take(attempts) {
        if let Some(before) = decoded(code.get(start..at + SYSCALL.len())?) {
            successes += 1;
            number = number.or_else(|| loaded(&before));
        }
    }
    (successes >= MIN_SUCCESSES.min(attempts)).then_some(number)
}

/// Returns the instructions before the last two bytes, if decoding finds a system call there.
fn decoded(code: &[u8]) -> Option<Vec<Instruction>> {
    let last = code.len().checked_sub(SYSCALL.len())?;
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    while decoder.position() < last {
        instructions.push(decoder.decode());
    }
    (decoder.position() == last && decoder.decode().code() == Code::Syscall).then_some(instructions)
}

/// Returns the constant in eax after these instructions.
fn loaded(before: &[Instruction]) -> Option<u32> {
    for instruction in before.iter().rev().take(MAX_LOAD_DISTANCE) {
        match instruction.code() {
            Code::Mov_r32_imm32 | Code::Mov_rm64_imm32 | Code::Mov_r64_imm64
                if is_number(instruction.op0_register()) =>
            {
                return u32::try_from(instruction.immediate(1)).ok();
            }
            _ => {}
        }
        let writes = is_number(instruction.op0_register())
            && !matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push);
        let elsewhere = matches!(
            instruction.mnemonic(),
            Mnemonic::Call | Mnemonic::Ret | Mnemonic::Jmp | Mnemonic::Syscall | Mnemonic::INVALID
        );
        if writes || elsewhere {
            return None;
        }
    }
    None
}

/// Reports whether the register holds the number of a system call, or a part of it.
fn is_number(register: Register) -> bool {
    matches!(register, Register::RAX | Register::EAX | Register::AX | Register::AL)
}

/// Reports whether the code contains the constant.
pub(super) fn holds(code: &[u8], constant: u32) -> bool {
    memmem::find(code, &constant.to_le_bytes()).is_some()
}

/// Reports whether the code loads the constant as the first argument of a call: `mov edi,
/// constant`.
pub(super) fn passes(code: &[u8], constant: u32) -> bool {
    let [a, b, c, d] = constant.to_le_bytes();
    // With this prefix the instruction loads another register.
    const OTHER: u8 = 0x41;
    memmem::find_iter(code, &[0xbf, a, b, c, d])
        .any(|at| at.checked_sub(1).and_then(|before| code.get(before)) != Some(&OTHER))
}
