//! What a constant in code is passed to.

/// What is called after a constant is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiver {
    /// The kernel, by the system call instruction at this offset in the code.
    Kernel(usize),
    /// The function whose address the program reads at this address.
    AtSlot(u64),
    /// The function at this address. It may be a stub that jumps to a function of another file.
    Function(u64),
    Unknown,
}
