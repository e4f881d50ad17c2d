//! The links through which LD_PRELOAD names the library (docs/design/launcher.md):
//!
//!     libcfr/64-bit/libcfr.so                  -> ../../libcfr.so
//!     libcfr/before-libasan.so/ARCHITECTURE    -> ../64-bit
//!
//! They are made beside the built library, because cargo has no step after a build. `make install`
//! copies them.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes the links beside the library, if `out` is where cargo usually puts it. Changes no link that
/// is right: programs may be using it.
pub(crate) fn make(out: &Path, architecture: &str) -> io::Result<()> {
    // TARGET/PROFILE/build/PACKAGE-HASH/out
    let Some(build) = out.ancestors().nth(2).filter(|path| path.ends_with("build")) else {
        return Ok(());
    };
    let links = build.with_file_name("libcfr");
    for directory in ["64-bit", "before-libasan.so"] {
        fs::create_dir_all(links.join(directory))?;
    }
    link("../../libcfr.so", &links.join("64-bit/libcfr.so"))?;
    link("../64-bit", &links.join("before-libasan.so").join(architecture))
}

/// Makes a link. Cargo runs this again if it is missing.
fn link(to: &str, path: &Path) -> io::Result<()> {
    if fs::read_link(path).is_ok_and(|old| old == Path::new(to)) {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path)?;
    }
    symlink(to, path)
}
