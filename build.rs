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
    link_unwinder();
    pack_relocations();
    fold_functions();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    header("cbindgen.toml", &["src/hooks/copy_file_range.rs", "src/capi.rs"], &out.join("cfr.h"))?;
    header("cbindgen-linux-copy.toml", &["crates/engine/src/flags.rs"], &out.join("linux-copy.h"))
}

/// Links the unwinder from the static libgcc_eh: loading libgcc_s into every process costs more than
/// loading libcfr.so. If the C compiler has no libgcc_eh, libgcc_s is linked.
fn link_unwinder() {
    println!("cargo:rerun-if-env-changed=CC");
    // A cross build sets its linker, which is a compiler for the target.
    let cc = env::var_os("RUSTC_LINKER").or_else(|| env::var_os("CC")).unwrap_or("cc".into());
    let Ok(found) = Command::new(cc).arg("-print-file-name=libgcc_eh.a").output() else {
        return;
    };
    let path = String::from_utf8_lossy(&found.stdout);
    let path = Path::new(path.trim());
    if let Some(directory) = path.parent().filter(|_| path.is_absolute()) {
        println!("cargo:rustc-link-search=native={}", directory.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Packs relative relocations (DT_RELR) if the dynamic linker knows them: glibc 2.36 and later. A
/// relocation then takes a bit instead of 24 bytes. The library requires that glibc then.
fn pack_relocations() {
    let is_native = env::var_os("HOST") == env::var_os("TARGET");
    let Ok(version) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return };
    let version = String::from_utf8_lossy(&version.stdout);
    let minor = version.trim().strip_prefix("glibc 2.").and_then(|minor| minor.parse().ok());
    if is_native && minor.is_some_and(|minor: u32| minor >= 36) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,pack-relative-relocs");
    }
}

/// Merges functions with the same instructions if the linker can do so, as LLVM's can. Linking an
/// empty library shows whether it can. No code compares addresses of functions.
fn fold_functions() {
    const FOLD: &str = "-Wl,--icf=all";
    let variable = |name| env::var(name).unwrap_or_default();
    let linker = variable("RUSTC_LINKER");
    let out = PathBuf::from(variable("OUT_DIR"));
    let empty = out.join("empty.rs");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args([
        "--crate-type=cdylib",
        "--target",
        &variable("TARGET"),
        &format!("-Clink-arg={FOLD}"),
    ]);
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    if !linker.is_empty() {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let library = out.join("empty.so");
    let linked = std::fs::write(&empty, "").is_ok()
        && rustc.arg("-o").arg(library).arg(empty).output().is_ok_and(|ran| ran.status.success());
    if linked {
        println!("cargo:rustc-cdylib-link-arg={FOLD}");
    }
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
