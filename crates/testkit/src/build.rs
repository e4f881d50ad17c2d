//! Builds the product and the test programs.

use super::Run;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// The limit of a build, which may wait for another build in the same directory.
pub const BUILD_LIMIT: Duration = Duration::from_secs(1800);

/// Returns the root directory of the project.
pub fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| project().join("target"), PathBuf::from)
}

/// Runs `cargo build` with `args`.
fn cargo_build(args: &[&str]) {
    let run = Run::bare(env!("CARGO")).args(["build", "--quiet", "--locked"]).args(args);
    run.within(project()).limit(BUILD_LIMIT).ok();
}

/// Builds `libcfr.so` and `cfr` and returns their directory. `CFR_TEST_PROFILE` names the profile:
/// `release` by default; `make quick` sets `dev`, which builds in seconds.
fn product() -> &'static Path {
    static PRODUCT: LazyLock<PathBuf> = LazyLock::new(|| {
        let profile = std::env::var("CFR_TEST_PROFILE").unwrap_or_else(|_| "release".to_owned());
        cargo_build(&["--profile", &profile, "--workspace"]);
        target().join(if profile == "dev" { "debug" } else { &profile })
    });
    &PRODUCT
}

/// Returns the directory that `CFR_TEST_USERLAND` names, if the C programs are to be built for another
/// C library or machine: `cc` and `c++` in it are the compilers, and `libcfr.so` is the library that is
/// preloaded. tests/scripts/userlands.sh makes such directories.
pub fn userland() -> Option<PathBuf> {
    std::env::var_os("CFR_TEST_USERLAND").map(PathBuf::from)
}

/// Returns the name or path of the compiler `name`.
pub fn compiler(name: &str) -> PathBuf {
    userland().map_or_else(|| PathBuf::from(name), |userland| userland.join(name))
}

/// Returns the path of the built `libcfr.so`.
pub fn library() -> PathBuf {
    userland().unwrap_or_else(|| product().to_owned()).join("libcfr.so")
}

/// Reports whether the library is for another machine, so that no program of this one loads it.
pub fn is_foreign() -> bool {
    // e_machine of the ELF header.
    let machine = |path: &Path| fs::read(path).ok()?.get(18..20).map(<[u8]>::to_vec);
    userland().is_some() && machine(&library()) != machine(Path::new("/proc/self/exe"))
}

/// Builds `libcfr.so` without optimization and returns its path.
pub fn unoptimized_library() -> PathBuf {
    cargo_build(&["--package", "libcfr"]);
    target().join("debug/libcfr.so")
}

/// Returns the path of the built `cfr`.
pub fn launcher() -> PathBuf {
    product().join("cfr")
}

/// Copies launcher and library into `directory` and returns the path of the launcher there. Tests that
/// start programs as another user need it: that user may not be allowed to enter the project.
pub fn copy_product(directory: &Path) -> PathBuf {
    fs::create_dir_all(directory).expect("can be created");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
        .expect("the test's own directory");
    // install(1) writes the files. If this process wrote them, a program that another test starts at
    // the same time would inherit a writable descriptor, and executing the copy would fail with ETXTBSY.
    let install = Run::bare("install").args(["-m", "755"]);
    install.args([launcher(), library()]).args([directory]).ok();
    directory.join("cfr")
}

/// Compiles `c-tests/SOURCE` with the compiler flags `flags` and returns the path of the result, which
/// is called `name`: a program, or a shared library if the flags say so.
pub fn compile(source: &str, name: &str, flags: &[&str]) -> PathBuf {
    once(name, |program| {
        let sources = project().join("c-tests");
        Run::bare(compiler(if source.ends_with(".cc") { "c++" } else { "cc" }))
            .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
            .args([program, Path::new("-I"), &sources, &sources.join(source)])
            .args(flags)
    })
}

/// Compiles C source text, without warnings, and returns the path of the program.
pub fn compile_text(text: &str, name: &str, flags: &[&str]) -> PathBuf {
    once(name, |program| {
        let source = program.with_extension("c");
        fs::write(&source, text).expect("target/ can be written");
        let compiler = Run::bare(compiler("cc"));
        compiler.args(["-O1", "-w", "-o"]).args([program]).args(flags).args([source])
    })
}

/// Compiles `tests/programs/NAME.rs`, which uses no crate, and returns the path of the program.
pub fn compile_rust(name: &str) -> PathBuf {
    once(name, |program| {
        let source = project().join("tests/programs").join(name).with_extension("rs");
        Run::bare("rustc").args(["--edition", "2024", "-O", "-o"]).args([program, &source])
    })
}

/// Compiles a Go program of tests/programs and returns its path.
#[must_use]
pub fn compile_go(name: &str) -> PathBuf {
    once(name, |program| {
        let source = project().join("tests/programs").join(name).with_extension("go");
        let cache = target().join("go-cache");
        Run::bare("go").args(["build", "-o"]).args([program, &source]).env("GOCACHE", cache)
    })
}

/// Runs the compiler once for each name, even if several tests ask for the same program.
fn once(name: &str, compiler: impl FnOnce(&Path) -> Run) -> PathBuf {
    static DONE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut done = DONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let directory = userland().unwrap_or_else(target).join("c-tests");
    let name = &name.replace('/', "-");
    let program = directory.join(name);
    if done.contains(name) {
        return program;
    }
    fs::create_dir_all(&directory).expect("target/ can be written");
    // Another run of the tests may be executing the existing file, which then cannot be written.
    let new = directory.join(format!("{name}.{}", std::process::id()));
    compiler(&new).limit(BUILD_LIMIT).ok();
    fs::rename(&new, &program).expect("the same directory");
    done.insert(name.to_owned());
    program
}
