//! System calls by instruction, in the code of x86-64.
//!
//! The two bytes of `syscall` also occur inside of other instructions. Code can only be decoded
//! forwards, from the start of an instruction, but who starts anywhere falls into step after a
//! few: so it is decoded from several places before, and what most of them arrive at counts.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, Register};
use memchr::memmem;

/// How far before an instruction the decoding starts, in bytes: at most.
const RUN_UP: usize = 128;
/// From how many places, a byte apart.
const STARTS: usize = 16;
/// How many of them must arrive.
const ENOUGH: usize = 12;
/// How many instructions before a system call its number may be loaded.
const NEAR: usize = 12;

const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Where the two bytes stand in `code`.
pub(super) fn candidates(code: &[u8]) -> impl Iterator<Item = usize> {
    memmem::find_iter(code, &SYSCALL)
}

/// Whether the bytes at `at` are an instruction, and if so the number of the system call, where it
/// is loaded just before: `Some(None)` where it is not.
pub(super) fn system_call(code: &[u8], at: usize) -> Option<Option<u32>> {
    let first = at.saturating_sub(RUN_UP);
    // At the begin of the code there is one place only from which to start, and that is the right one.
    let starts = if first == 0 { 1 } else { STARTS };
    let mut arrived = 0;
    let mut number = None;
    for start in (first..).take(starts) {
        if let Some(before) = decoded(code.get(start..at + SYSCALL.len())?) {
            arrived += 1;
            number = number.or_else(|| loaded(&before));
        }
    }
    (arrived >= ENOUGH.min(starts)).then_some(number)
}

/// The instructions before the last, if decoding arrives at a last one that is a system call.
fn decoded(code: &[u8]) -> Option<Vec<Instruction>> {
    let last = code.len().checked_sub(SYSCALL.len())?;
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    while decoder.position() < last {
        instructions.push(decoder.decode());
    }
    (decoder.position() == last && decoder.decode().code() == Code::Syscall).then_some(instructions)
}

/// The constant in eax after these instructions.
fn loaded(before: &[Instruction]) -> Option<u32> {
    for instruction in before.iter().rev().take(NEAR) {
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

/// The register with the number, or a part of it.
fn is_number(register: Register) -> bool {
    matches!(register, Register::RAX | Register::EAX | Register::AX | Register::AL)
}

/// Whether the constant stands in the code.
pub(super) fn holds(code: &[u8], constant: u32) -> bool {
    memmem::find(code, &constant.to_le_bytes()).is_some()
}

/// Whether the constant is loaded as the first argument of a call: `mov edi, constant`.
pub(super) fn passes(code: &[u8], constant: u32) -> bool {
    let [a, b, c, d] = constant.to_le_bytes();
    // With this prefix it is another register's.
    const OTHER: u8 = 0x41;
    memmem::find_iter(code, &[0xbf, a, b, c, d])
        .any(|at| at.checked_sub(1).and_then(|before| code.get(before)) != Some(&OTHER))
}
