//! Finds system call instructions in the code of x86-64.
//!
//! The two bytes of `syscall` also occur inside other instructions. Code can only be decoded
//! forwards from the start of an instruction, but decoding from any byte finds the right boundaries
//! after a few instructions. So decoding starts from several earlier bytes, and most of these
//! attempts must decode to the same instruction.

use super::receiver::Receiver;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use memchr::memmem;

/// The most bytes before an instruction from which decoding starts.
const MAX_DISTANCE: usize = 128;
/// The number of attempts; each starts at the byte after the start of the one before.
const ATTEMPTS: usize = 16;
/// The attempts that must decode to the instruction.
const MIN_SUCCESSES: usize = 12;
/// The number of instructions before a system call in which its number may be loaded.
const MAX_LOAD_DISTANCE: usize = 12;
/// The number of instructions before a call in which its first argument may be loaded.
const MAX_ARGUMENT_DISTANCE: usize = 24;
/// The number of instructions after a constant in which a call may receive it.
const MAX_CALL_DISTANCE: usize = 16;

const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// `call` and `jmp` of a function, by a distance of 32 bits behind the byte.
const NEAR: [u8; 2] = [0xe8, 0xe9];
/// `call` and `jmp` of the function whose address is read at a distance of 32 bits behind the bytes.
const CALL_SLOT: [u8; 2] = [0xff, 0x15];
const JUMP_SLOT: [u8; 2] = [0xff, 0x25];
/// The bytes of the distance.
const DISTANCE: usize = 4;
/// The bytes that a stub may have before its `jmp`: `bnd`, `endbr64`, both.
const BEFORE_JUMP: [u64; 4] = [0, 1, 4, 5];

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
        let before = decoded(code.get(start..at + SYSCALL.len())?, at - start);
        if let Some(before) = before.filter(|(_, last)| *last == Code::Syscall) {
            successes += 1;
            number = number.or_else(|| loaded(&before.0));
        }
    }
    (successes >= MIN_SUCCESSES.min(attempts)).then_some(number)
}

/// Returns the instructions before the offset `last`, and the one there, if decoding finds its start.
fn decoded(code: &[u8], last: usize) -> Option<(Vec<Instruction>, Code)> {
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    while decoder.position() < last {
        instructions.push(decoder.decode());
    }
    (decoder.position() == last).then(|| (instructions, decoder.decode().code()))
}

/// Returns the addresses at which stubs of this slot may begin. The code is loaded at `address`.
pub(super) fn stubs(code: &[u8], address: u64, slot: u64) -> Vec<u64> {
    let jumps = memmem::find_iter(code, &JUMP_SLOT)
        .filter(|at| target(code, at + JUMP_SLOT.len(), address) == Some(slot));
    let starts =
        |at| BEFORE_JUMP.map(|before| address.wrapping_add(at as u64).wrapping_sub(before));
    jumps.flat_map(starts).collect()
}

/// Returns the offsets of what may be calls, and what they call. The code is loaded at `address`.
pub(super) fn calls(code: &[u8], address: u64) -> impl Iterator<Item = (usize, Receiver)> {
    let near = memchr::memchr2_iter(NEAR[0], NEAR[1], code)
        .filter_map(move |at| Some((at, Receiver::Function(target(code, at + 1, address)?))));
    let by_slot = memmem::find_iter(code, &CALL_SLOT).filter_map(move |at| {
        Some((at, Receiver::AtSlot(target(code, at + CALL_SLOT.len(), address)?)))
    });
    near.chain(by_slot)
}

/// Returns the address at the distance that is at `at`, counted from its end.
fn target(code: &[u8], at: usize, address: u64) -> Option<u64> {
    let distance = i32::from_le_bytes(*code.get(at..)?.first_chunk()?);
    let end = address.wrapping_add((at + DISTANCE) as u64);
    Some(end.wrapping_add_signed(distance.into()))
}

/// Reports whether the bytes at `at` are an instruction, and no constant is loaded shortly before as the
/// first argument of a call.
pub(super) fn has_unknown_argument(code: &[u8], at: usize) -> bool {
    let first = at.saturating_sub(MAX_DISTANCE);
    let attempts = if first == 0 { 1 } else { ATTEMPTS };
    let rest = |start| code.get(start..);
    let found = (first..).take(attempts).filter_map(|start| decoded(rest(start)?, at - start));
    let constants: Vec<_> = found.map(|(before, _)| is_constant_loaded(&before)).collect();
    constants.len() >= MIN_SUCCESSES.min(attempts) && !constants.contains(&true)
}

/// Reports whether edi holds a constant after these instructions.
fn is_constant_loaded(before: &[Instruction]) -> bool {
    for instruction in before.iter().rev().take(MAX_ARGUMENT_DISTANCE) {
        match instruction.mnemonic() {
            Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push => {}
            Mnemonic::Call | Mnemonic::Ret | Mnemonic::Jmp | Mnemonic::INVALID => return false,
            _ if is_first_argument(instruction.op0_register()) => {
                let is_zeroed = instruction.mnemonic() == Mnemonic::Xor
                    && instruction.op0_register() == instruction.op1_register();
                let moves = [Code::Mov_r32_imm32, Code::Mov_rm64_imm32, Code::Mov_r64_imm64];
                return is_zeroed || moves.contains(&instruction.code());
            }
            _ => {}
        }
    }
    false
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

/// Reports whether the register holds the first argument of a call, or a part of it.
fn is_first_argument(register: Register) -> bool {
    matches!(register, Register::RDI | Register::EDI | Register::DI | Register::DIL)
}

/// Returns the offsets behind the occurrences of the constant.
pub(super) fn constants(code: &[u8], constant: u32) -> Vec<usize> {
    let bytes = constant.to_le_bytes();
    memmem::find_iter(code, &bytes).map(|at| at + bytes.len()).collect()
}

/// Returns what is called next after `at`, where an instruction ends that loads a constant. The code
/// is loaded at `address`.
pub(super) fn receiver(code: &[u8], at: usize, address: u64) -> Receiver {
    let Some(rest) = code.get(at..) else { return Receiver::Unknown };
    let start = address.wrapping_add(at as u64);
    let instructions = Decoder::with_ip(64, rest, start, DecoderOptions::NONE).into_iter();
    for instruction in instructions.take(MAX_CALL_DISTANCE) {
        match instruction.mnemonic() {
            Mnemonic::Syscall => {
                let at = instruction.ip().wrapping_sub(address);
                return usize::try_from(at).map_or(Receiver::Unknown, Receiver::Kernel);
            }
            Mnemonic::Call | Mnemonic::Jmp => {
                return match slot(&instruction) {
                    Some(slot) => Receiver::AtSlot(slot),
                    None if instruction.op0_kind() == OpKind::NearBranch64 => {
                        Receiver::Function(instruction.near_branch_target())
                    }
                    None => Receiver::Unknown,
                };
            }
            Mnemonic::Ret | Mnemonic::INVALID => break,
            _ => {}
        }
    }
    Receiver::Unknown
}

/// Returns the address from which a call or jump reads its target.
fn slot(instruction: &Instruction) -> Option<u64> {
    instruction.is_ip_rel_memory_operand().then(|| instruction.ip_rel_memory_address())
}

/// Returns the address from which a stub of the procedure linkage table reads its target; `None` if
/// the code, which is loaded at `address`, is no stub.
pub(super) fn stub(code: &[u8], address: u64) -> Option<u64> {
    let mut instructions = Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter();
    let first = instructions.find(|instruction| instruction.mnemonic() != Mnemonic::Endbr64)?;
    slot(&first).filter(|_| first.mnemonic() == Mnemonic::Jmp)
}

/// Returns the offsets behind the instructions that load the constant as the first argument of a
/// call: `mov edi, constant`.
pub(super) fn first_arguments(code: &[u8], constant: u32) -> Vec<usize> {
    let [a, b, c, d] = constant.to_le_bytes();
    let bytes = [0xbf, a, b, c, d];
    // With this prefix the instruction loads another register.
    const OTHER: u8 = 0x41;
    memmem::find_iter(code, &bytes)
        .filter(|at| at.checked_sub(1).and_then(|before| code.get(before)) != Some(&OTHER))
        .map(|at| at + bytes.len())
        .collect()
}
