//! Tells the launcher where its library may be installed, and makes the links through which
//! LD_PRELOAD names the library.

#[path = "build/stub.rs"]
mod stub;

#[path = "build/links.rs"]
mod links;

use std::env;
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed=LIBCFR_LIBDIR");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    // Debian's name for the directory of this architecture's libraries.
    println!("cargo:rustc-env=CFR_MULTIARCH={architecture}-linux-gnu");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    links::make(&out, &architecture)?;
    Ok(())
}
