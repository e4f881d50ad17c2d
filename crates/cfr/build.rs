//! Tells the launcher where its library may be installed.

use std::env;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBCFR_LIBDIR");
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    // Debian's name for the directory of this architecture's libraries.
    println!("cargo:rustc-env=CFR_MULTIARCH={architecture}-linux-gnu");
}
