//! The product as it is shipped, and C programs against it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// The project's directory.
pub fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), PathBuf::from)
}

/// `cargo build` with these words; does next to nothing where all is fresh.
fn cargo_build(words: &[&str]) {
    let done = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked"])
        .args(words)
        .current_dir(project())
        .output()
        .expect("cargo runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The directory with `libcfr.so` and `cfr`, built with the profile that CFR_TEST_PROFILE names:
/// `release` unless `make quick` says `dev`, which builds in seconds.
fn product() -> &'static Path {
    static PRODUCT: LazyLock<PathBuf> = LazyLock::new(|| {
        let profile = std::env::var("CFR_TEST_PROFILE").unwrap_or_else(|_| "release".to_owned());
        cargo_build(&["--profile", &profile, "--workspace"]);
        target().join(if profile == "dev" { "debug" } else { &profile })
    });
    &PRODUCT
}

/// The library.
pub fn library() -> PathBuf {
    product().join("libcfr.so")
}

/// The launcher.
pub fn launcher() -> PathBuf {
    product().join("cfr")
}

/// Copies launcher and library into `directory`, and returns the path of the launcher there. For
/// tests that start programs as another user, who may not be able to enter the project's directory.
pub fn copy_product(directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).expect("can be created");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("it is ours");
    // Written by another process: a descriptor of this one, open for writing, would be inherited by
    // a program that another test starts at this moment, and executing the copy would be ETXTBSY.
    let mut install = Command::new("install");
    let files = [launcher(), library()];
    let done =
        install.args(["-m", "755"]).args(files).arg(directory).status().expect("install runs");
    assert!(done.success(), "{}", directory.display());
    directory.join("cfr")
}

/// A library whose flow panics at each of its steps in turn.
pub fn library_with_panics() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let target = target().join("panics");
        let target = target.to_str().expect("a path in UTF-8");
        cargo_build(&["--package", "libcfr", "--features", "panic-points", "--target-dir", target]);
        Path::new(target).join("debug/libcfr.so")
    });
    &LIBRARY
}

/// Compiles `c-tests/SOURCE` with these further words for the compiler and returns the program
/// (or whatever the words make of it) under `name`.
pub fn compile(source: &str, name: &str, words: &[&str]) -> PathBuf {
    once(name, |program| {
        let compiler = if source.ends_with(".cc") { "c++" } else { "cc" };
        let mut command = Command::new(compiler);
        command
            .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .arg(program)
            .arg("-I")
            .arg(project().join("c-tests"))
            .arg(project().join("c-tests").join(source))
            .args(words);
        command
    })
}

/// Compiles a program of somebody else's words, in C, with the compiler's own taste in warnings.
pub fn compile_text(text: &str, name: &str, words: &[&str]) -> PathBuf {
    once(name, |program| {
        let source = program.with_extension("c");
        fs::write(&source, text).expect("target/ can be written");
        let mut command = Command::new("cc");
        command.args(["-O1", "-w", "-o"]).arg(program).args(words).arg(source);
        command
    })
}

/// Compiles `tests/programs/NAME.rs`, a program that links nothing of ours.
pub fn compile_rust(name: &str) -> PathBuf {
    once(name, |program| {
        let mut command = Command::new("rustc");
        command
            .args(["--edition", "2024", "-O", "-o"])
            .arg(program)
            .arg(project().join("tests/programs").join(name).with_extension("rs"));
        command
    })
}

/// Runs a compiler once for each name, however many tests want what it makes.
fn once(name: &str, compiler: impl FnOnce(&Path) -> Command) -> PathBuf {
    static DONE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut done = DONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let directory = target().join("c-tests");
    let name = &name.replace('/', "-");
    let program = directory.join(name);
    if done.contains(name) {
        return program;
    }
    fs::create_dir_all(&directory).expect("target/ can be written");
    // Another run of the tests may be executing the one that stands there.
    let new = directory.join(format!("{name}.{}", std::process::id()));
    let output = compiler(&new).output().expect("a compiler is installed");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&new, &program).expect("the same directory");
    done.insert(name.to_owned());
    program
}
