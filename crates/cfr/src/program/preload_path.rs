//! The path by which LD_PRELOAD names the library. It leads through links that are built and
//! installed beside the library, so that one path suits every program of a tree.

use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the links, relative to the library's. AddressSanitizer's runtime ends the
/// program if the path of the first library contains neither `libasan.so` nor `libclang_rt.asan`.
const LINKS: &str = "libcfr/before-libasan.so";
const RUNTIMES: [&str; 2] = ["libasan.so", "libclang_rt.asan"];

/// The name of a link to the library, and to a library without code for 32-bit programs: glibc's
/// dynamic linker replaces it (ld.so(8)), musl's takes it as it is.
const PLATFORM: &str = "$PLATFORM";

/// The dynamic linkers of 32-bit programs.
const SMALL_LINKERS: &[&str] = if cfg!(target_arch = "x86_64") {
    &["/lib/ld-linux.so.2"]
} else {
    &["/lib/ld-linux-armhf.so.3", "/lib/ld-linux.so.3"]
};

/// Returns the path through the links; `None` if the library has none, for example if it was copied
/// without them.
pub(crate) fn preload_path(library: &Path) -> Option<PathBuf> {
    let links = library.parent()?.join(LINKS);
    let path = |name: &str| links.join(name).join("libcfr.so");
    let leads = |name| path(name).canonicalize().is_ok_and(|found| found == library);
    // A statically linked runtime ends the program if /proc/self/maps, which shows the path without
    // links, has such a name.
    let shown = library.to_string_lossy();
    if RUNTIMES.iter().any(|runtime| shown.contains(runtime)) || !leads(std::env::consts::ARCH) {
        return None;
    }
    let name = if runs_small_programs() && has_platform() && leads(PLATFORM) {
        PLATFORM
    } else {
        std::env::consts::ARCH
    };
    Some(path(name))
}

/// Reports whether this machine can start dynamically linked 32-bit programs. To replace
/// `$PLATFORM`, glibc makes a system call in each program that it loads, so the name is used only
/// then.
fn runs_small_programs() -> bool {
    SMALL_LINKERS.iter().any(|linker| Path::new(linker).exists())
}

/// Reports whether the kernel tells programs their `$PLATFORM` (`AT_PLATFORM` in getauxval(3)), as
/// Linux does, but not every other implementation of its interface.
fn has_platform() -> bool {
    const AT_PLATFORM: u64 = 15;
    let Ok(values) = fs::read("/proc/self/auxv") else { return false };
    let (words, _) = values.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().any(|&[key, value]| {
        u64::from_ne_bytes(key) == AT_PLATFORM && u64::from_ne_bytes(value) != 0
    })
}
