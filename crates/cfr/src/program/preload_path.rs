//! The path by which LD_PRELOAD names the library. It leads through links that are built and
//! installed beside the library.

use std::path::{Path, PathBuf};

/// The directory of the links, relative to the library's. AddressSanitizer's runtime ends the
/// program if the path of the first library holds neither `libasan.so` nor `libclang_rt.asan`.
const LINKS: &str = "libcfr/before-libasan.so";
const RUNTIMES: [&str; 2] = ["libasan.so", "libclang_rt.asan"];

/// Returns the path through the links; `None` if the library has none, for example because it was
/// copied without them.
pub(crate) fn preload_path(library: &Path) -> Option<PathBuf> {
    // A statically linked runtime ends the program if /proc/self/maps, which shows the path without
    // links, holds such a name.
    let shown = library.to_string_lossy();
    if RUNTIMES.iter().any(|runtime| shown.contains(runtime)) {
        return None;
    }
    let path = library.parent()?.join(LINKS).join(std::env::consts::ARCH).join("libcfr.so");
    path.canonicalize().is_ok_and(|found| found == library).then_some(path)
}
