//! The crates can be packaged, and what is packaged compiles.

use cfr_testkit::{BUILD_LIMIT, Run, Scratch, project};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The crates that another program may link, by folder of crates/.
const LIBRARIES: [&str; 4] = ["sys", "engine", "shared", "observe"];

/// `cargo package` of every crate of the product. The libraries are compiled from their packages:
/// cargo's own verification would look for those they depend on in a registry.
#[test]
fn what_is_packaged_compiles() {
    let scratch = Scratch::new();
    Run::bare(env!("CARGO"))
        .args(["package", "--quiet", "--offline", "--no-verify", "--exclude-lockfile"])
        .args(["--allow-dirty", "--workspace", "--exclude", "cfr-testkit", "--target-dir"])
        .args([scratch.file("target")])
        .within(project())
        .limit(BUILD_LIMIT)
        .ok();
    let version = env!("CARGO_PKG_VERSION");
    let package = |name: &str| scratch.file(&format!("target/package/{name}-{version}.crate"));
    for name in ["cfr", "libcfr"] {
        assert!(package(name).is_file(), "{name}");
    }

    let (mut members, mut patches) = (String::new(), String::new());
    for folder in LIBRARIES {
        let name = format!("cfr-{folder}");
        Run::bare("tar").args(["-xf"]).args([package(&name)]).within(scratch.path()).ok();
        let unpacked = scratch.file(&format!("{name}-{version}"));
        assert!(unpacked.join("README.md").is_file(), "{name}");
        let manifest = fs::read_to_string(unpacked.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("publish = false"), "{manifest}");
        write!(members, "\"{name}-{version}\", ").unwrap();
        writeln!(patches, "{name} = {{ path = \"{name}-{version}\" }}").unwrap();
    }
    let workspace = format!(
        "[workspace]\nmembers = [{members}]\nresolver = \"3\"\n[patch.crates-io]\n{patches}"
    );
    scratch.write("Cargo.toml", workspace.as_bytes());
    // The versions of other crates that are here.
    scratch.write("Cargo.lock", &fs::read(project().join("Cargo.lock")).unwrap());
    Run::bare(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--workspace", "--target-dir"])
        .args([Path::new(env!("CARGO_TARGET_TMPDIR")).join("packaged-crates")])
        .within(scratch.path())
        .limit(BUILD_LIMIT)
        .ok();
}

#[test]
fn every_library_says_that_it_makes_no_promise() {
    for folder in LIBRARIES {
        let readme = project().join("crates").join(folder).join("README.md");
        let text = fs::read_to_string(readme).unwrap();
        assert!(text.contains("**It makes no promise yet.**"), "{folder}");
    }
}
