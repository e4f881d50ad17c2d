//! Sets the linker options of libcfr.so and generates its headers.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcfr.so.0");
    // The log's descriptors stay open until the process ends, so dlclose(3) must not unload the code
    // that owns them.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // No code of the C compiler's start files: the library links no C library.
    println!("cargo:rustc-cdylib-link-arg=-nostartfiles");
    for option in OPTIONAL {
        if links_with(option) {
            println!("cargo:rustc-cdylib-link-arg={option}");
        }
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    header("cbindgen.toml", &["src/hooks/copy_file_range.rs", "src/capi.rs"], &out.join("cfr.h"))?;
    header("cbindgen-linux-copy.toml", &["crates/engine/src/flags.rs"], &out.join("linux-copy.h"))
}

/// Options that are used if the linker knows them. LLVM's, which Rust uses on x86-64, knows all.
const OPTIONAL: [&str; 3] = [
    // Merges functions with the same instructions. No code compares addresses of functions.
    "-Wl,--icf=all",
    // The next two make the file two segments instead of four, which saves a sixth of the time at load.
    // What they give up, docs/design/build-and-size.md says.
    "-Wl,--no-rosegment",
    "-Wl,-z,norelro",
];

/// Reports whether an empty library links with this option.
fn links_with(option: &str) -> bool {
    let variable = |name| env::var(name).unwrap_or_default();
    let linker = variable("RUSTC_LINKER");
    let out = PathBuf::from(variable("OUT_DIR"));
    let empty = out.join("empty.rs");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--crate-type=cdylib", "--target", &variable("TARGET")]);
    rustc.arg(format!("-Clink-arg={option}"));
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    if !linker.is_empty() {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let library = out.join("empty.so");
    std::fs::write(&empty, "").is_ok()
        && rustc.arg("-o").arg(library).arg(empty).output().is_ok_and(|ran| ran.status.success())
}

/// Generates a header. It is committed in include/; a test compares that copy with this one.
fn header(config: &str, sources: &[&str], path: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={config}");
    let mut builder = cbindgen::Builder::new().with_config(cbindgen::Config::from_file(config)?);
    for source in sources {
        println!("cargo:rerun-if-changed={source}");
        builder = builder.with_src(source);
    }
    builder.generate()?.write_to_file(path);
    Ok(())
}
