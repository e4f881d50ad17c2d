//! Functions of the C library that the library can do without: a C library may lack them, and the
//! process must load all the same.

/// Evaluates to the address of the C function of this name, a `*mut c_void`; NULL if no library of
/// the process has it.
///
/// Rust has weak references only with an unstable feature (`linkage`). The assembler makes one with
/// `.weak`, and the dynamic linker puts the address, or 0, into the global offset table.
macro_rules! weak_address {
    ($name:literal) => {{
        let address: *mut core::ffi::c_void;
        // SAFETY: one load from the global offset table, which does not change after the dynamic
        // linker has relocated this library.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            core::arch::asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        // SAFETY: the same load.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            core::arch::asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) address,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        address
    }};
}

pub(crate) use weak_address;
