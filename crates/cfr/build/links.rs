//! The links through which LD_PRELOAD names the library, so that one value suits every program of a
//! tree (docs/design/launcher.md):
//!
//!     libcfr/64-bit/libcfr.so               -> ../../libcfr.so
//!     libcfr/32-bit/libcfr.so               the stub
//!     libcfr/before-libasan.so/PLATFORM     -> ../64-bit or ../32-bit
//!
//! They are made beside the built library, because cargo has no step after a build. `make install`
//! copies them.

use crate::stub::Stub;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

/// The values of `$PLATFORM` (ld.so(8)) in the programs that a machine runs, and the stub.
struct Machine {
    native: &'static [&'static str],
    small: &'static [&'static str],
    stub: Stub,
}

const X86_64: Machine = Machine {
    // glibc 2.26 to 2.36 replaces the kernel's value by two more on processors of Intel.
    native: &["x86_64", "haswell", "xeon_phi"],
    small: &["i386", "i486", "i586", "i686"],
    stub: Stub { machine: 3, flags: 0 }, // EM_386
};

const AARCH64: Machine = Machine {
    native: &["aarch64"],
    small: &["v7l", "v8l"],
    stub: Stub { machine: 40, flags: 0x0500_0000 }, // EM_ARM, EF_ARM_EABI_VER5
};

/// The name for a dynamic linker that replaces nothing: musl's.
const UNREPLACED: &str = "$PLATFORM";

/// Makes the links beside the library, if `out` is where cargo usually puts it. Changes no file that
/// is right: programs may be using it.
pub(crate) fn make(out: &Path, architecture: &str) -> io::Result<()> {
    let machine = if architecture == "x86_64" { X86_64 } else { AARCH64 };
    // TARGET/PROFILE/build/PACKAGE-HASH/out
    let Some(build) = out.ancestors().nth(2).filter(|path| path.ends_with("build")) else {
        return Ok(());
    };
    let links = build.with_file_name("libcfr");
    let platforms = links.join("before-libasan.so");
    for directory in [&links.join("64-bit"), &links.join("32-bit"), &platforms] {
        fs::create_dir_all(directory)?;
    }
    link("../../libcfr.so", &links.join("64-bit/libcfr.so"))?;
    write(&machine.stub.bytes(), &links.join("32-bit/libcfr.so"))?;
    for platform in machine.native.iter().chain(&[UNREPLACED]) {
        link("../64-bit", &platforms.join(platform))?;
    }
    for platform in machine.small {
        link("../32-bit", &platforms.join(platform))?;
    }
    Ok(())
}

fn link(to: &str, path: &Path) -> io::Result<()> {
    if fs::read_link(path).is_ok_and(|old| old == Path::new(to)) {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        fs::remove_file(path)?;
    }
    symlink(to, path)
}

/// Writes the stub. Cargo runs this again if the file is missing, or newer than the last run: so it
/// gets the oldest time.
fn write(stub: &[u8], path: &Path) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", path.display());
    if fs::read(path).is_ok_and(|old| old == stub) {
        return Ok(());
    }
    let new = path.with_extension("new");
    fs::write(&new, stub)?;
    File::options().write(true).open(&new)?.set_modified(SystemTime::UNIX_EPOCH)?;
    fs::rename(new, path)
}
