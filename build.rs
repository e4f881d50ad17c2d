//! Sets the linker options of libcfr.so and generates its headers.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let target = env::var("TARGET")?.to_uppercase().replace('-', "_");
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    for argument in link_arguments(&out) {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
    header(
        "cbindgen.toml",
        &[
            "src/hooks/copy_file_range.rs",
            "src/capi/text.rs",
            "src/capi/copy.rs",
            "src/capi/configure.rs",
            "src/capi/stats.rs",
        ],
        &out.join("cfr.h"),
    )?;
    header("cbindgen-linux-copy.toml", &["crates/engine/src/flags.rs"], &out.join("linux-copy.h"))
}

const SONAME: &str = "-soname=libcfr.so.0";

/// Linker options that are used if the linker knows them. LLVM's, which Rust uses on x86-64, knows all.
const OPTIONAL: [&str; 3] = [
    // Merges functions with the same instructions. No code compares addresses of functions.
    "--icf=all",
    // The next two make the file two segments instead of four, which saves a sixth of the time at load.
    // What they give up, docs/design/build-and-size.md says.
    "--no-rosegment", "-znorelro",
];

/// Begins each segment at a page of its own. Otherwise the one that is written begins in the middle of a
/// page, and reaches into one more. Not for machines whose pages may have 64 KiB.
const WHOLE_PAGES: &str = "-zseparate-loadable-segments";

/// Returns the arguments for the program that links the library: a C compiler, or the linker itself, as
/// rustc's own in a cross build.
fn link_arguments(out: &Path) -> Vec<String> {
    let through_compiler = |option: &str| format!("-Wl,{option}");
    let is_linker = !links_with(out, &through_compiler(SONAME)) && links_with(out, SONAME);
    let argument =
        |option: &str| if is_linker { option.to_owned() } else { through_compiler(option) };
    // The log's descriptors stay open until the process ends, so dlclose(3) must not unload the code
    // that owns them.
    let mut arguments = vec![argument(SONAME), argument("-znodelete")];
    if !is_linker {
        // No code of the C compiler's start files: the library links no C library.
        arguments.push("-nostartfiles".to_owned());
    }
    let has_small_pages = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    let optional = OPTIONAL.into_iter().chain(has_small_pages.then_some(WHOLE_PAGES));
    arguments.extend(optional.map(argument).filter(|it| links_with(out, it)));
    arguments
}

/// Reports whether an empty library links with this argument. The library uses no C library, because a
/// cross build may have none.
fn links_with(out: &Path, argument: &str) -> bool {
    const EMPTY: &str = "#![no_std]\n#[panic_handler]\n\
                         fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n";
    let variable = |name| env::var(name).unwrap_or_default();
    let linker = variable("RUSTC_LINKER");
    let empty = out.join("empty.rs");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--crate-type=cdylib", "-Cpanic=abort", "--target", &variable("TARGET")]);
    rustc.arg(format!("-Clink-arg={argument}"));
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    if !linker.is_empty() {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let library = out.join("empty.so");
    std::fs::write(&empty, EMPTY).is_ok()
        && rustc.arg("-o").arg(library).arg(empty).output().is_ok_and(|ran| ran.status.success())
}

/// Generates a header. It is committed in include/; a test compares that copy with this one.
fn header(config: &str, sources: &[&str], path: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={config}");
    let mut config = cbindgen::Config::from_file(config)?;
    if let Some(text) = &mut config.after_includes {
        for part in ["", "_MAJOR", "_MINOR", "_PATCH"] {
            let number = env::var(format!("CARGO_PKG_VERSION{part}"))?;
            *text = text.replace(&format!("@VERSION{part}@"), &number);
        }
    }
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources {
        println!("cargo:rerun-if-changed={source}");
        builder = builder.with_src(source);
    }
    let mut text = Vec::new();
    builder.generate()?.write(&mut text);
    // C89 has no comments of this kind.
    let text = String::from_utf8(text)?.replace("// __cplusplus", "/* __cplusplus */");
    let text = text.replace("}  // extern \"C\"", "} /* extern \"C\" */");
    Ok(std::fs::write(path, with_short_comments(&text))?)
}

/// Writes a comment of one line in one line.
fn with_short_comments(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut short = String::new();
    while let Some(line) = lines.next() {
        short.push_str(line);
        if line.trim() == "/**" {
            let first = lines.next().unwrap_or_default();
            if lines.peek().is_some_and(|next| next.trim() == "*/") {
                lines.next();
                short.push_str(first.trim_start().trim_start_matches('*'));
                short.push_str(" */");
            } else {
                short.push('\n');
                short.push_str(first);
            }
        }
        short.push('\n');
    }
    short
}
