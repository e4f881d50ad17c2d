//! examples/: each is built with an installed libcfr, as its first lines say, and run.

use super::files::Installed;
use cfr_testkit::{
    BUILD_LIMIT, Filesystems, Output, Run, Scratch, find_program, launcher, project, skip,
};
use std::fs;
use std::path::{Path, PathBuf};

const SIZE: usize = 300_001;

/// An installed libcfr, and a directory to build in.
struct Builder {
    installed: Installed,
    scratch: Scratch,
}

impl Builder {
    /// Reports a skip of `test` if one of these programs is not installed.
    fn new(test: &str, needed: &[&str]) -> Option<Builder> {
        let missing = needed.iter().find(|name| find_program(name).is_none());
        if let Some(missing) = missing {
            skip(test, &format!("{missing} is not installed"));
            return None;
        }
        Some(Builder { installed: Installed::new(), scratch: Scratch::new() })
    }

    /// A program that finds the installed library, and from which pkg-config finds it.
    fn run(&self, program: impl AsRef<std::ffi::OsStr>) -> Run {
        Run::bare(program)
            .env("PKG_CONFIG_PATH", self.installed.file("lib/pkgconfig"))
            .env("LD_LIBRARY_PATH", self.installed.file("lib"))
            .within(self.scratch.path())
            .limit(BUILD_LIMIT)
    }

    /// Compiles an example with the line that its first comment shows. Returns the program.
    fn compiled(&self, source: &str) -> PathBuf {
        let source = example(source);
        let text = fs::read_to_string(&source).unwrap();
        let lines = text.lines().map(|line| line.trim_start_matches(['/', '*', ' ']));
        let mut lines = lines.filter(|line| line.starts_with("cc ") || line.starts_with("c++ "));
        let shown = lines.next().expect("the comment shows how it is compiled");
        let warnings = "-Wall -Wextra -Wconversion -pedantic -Werror";
        let (compiler, rest) = shown.split_once(' ').unwrap();
        let line = format!("{compiler} {warnings} {rest}");
        self.scratch.write(source.file_name().unwrap().to_str().unwrap(), text.as_bytes());
        self.run("sh").args(["-ec", &line]).ok();
        self.scratch.file(shown.rsplit(' ').next().unwrap())
    }
}

fn example(name: &str) -> PathBuf {
    project().join("examples").join(name)
}

/// Runs a program that copies or shares, and returns what it printed.
#[track_caller]
fn copies(run: Run) -> String {
    let scratch = Scratch::new();
    let (source, target) = (scratch.random("source", SIZE), scratch.file("target"));
    let output = run.args([&source, &target]).ok();
    assert!(fs::read(source).unwrap() == fs::read(target).unwrap(), "{output:#?}");
    output.stdout
}

/// What an example prints that shares or copies, where blocks cannot be shared or can.
#[track_caller]
fn assert_told(told: &str) {
    let ways = ["kernel", "reflink", "emulated"].map(|way| format!("{SIZE} bytes: {way}\n"));
    assert!(ways.iter().any(|way| way == told), "{told:?}");
}

/// Holds the messages and the files that `reflink` and `dedupe` leave, on filesystems with and without
/// shared blocks.
#[test]
fn c() {
    let test = "install::examples::c";
    let Some(builder) = Builder::new(test, &["cc", "pkg-config"]) else { return };
    let [reflink, dedupe, copy] =
        ["reflink", "dedupe", "copy"].map(|name| builder.compiled(&format!("c/{name}.c")));
    for (name, place) in Filesystems::mount(test).iter() {
        let shares = matches!(name, "xfs" | "btrfs");
        let scratch = Scratch::below(place);
        // Its end is within a block.
        let source = scratch.random("source", SIZE);
        let content = fs::read(&source).unwrap();
        let [shared, equal, other] = ["shared", "equal", "other"].map(|name| scratch.file(name));
        let run = |program: &Path, target: &Path| -> Output {
            builder.run(program).args([source.as_path(), target]).output()
        };

        let output = run(&reflink, &shared);
        if shares {
            assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{name}");
            assert!(fs::read(&shared).unwrap() == content, "{name}");
            // A file that was there before is not replaced and not removed.
            let output = run(&reflink, &shared);
            assert!(output.stderr.ends_with(": File exists\n"), "{output:#?}");
            assert!(fs::read(&shared).unwrap() == content, "{name}");
        } else {
            assert_eq!(output.status, Some(1), "{name}: {output:#?}");
            let why = ": Operation not supported: the filesystem cannot share blocks";
            assert!(output.stderr.contains(why), "{name}: {output:#?}");
            assert!(!shared.exists(), "{name}");
        }

        fs::write(&equal, &content).unwrap();
        let output = run(&dedupe, &equal);
        let expected = if shares { SIZE } else { 0 };
        let told = format!("{expected} bytes are shared now\n");
        assert_eq!((output.status, output.stdout), (Some(i32::from(!shares)), told), "{name}");
        if shares {
            let mut changed = content.clone();
            changed[SIZE / 2] ^= 1;
            fs::write(&other, &changed).unwrap();
            let output = run(&dedupe, &other);
            assert_eq!(output.status, Some(1), "{name}: {output:#?}");
            assert!(output.stderr.starts_with("dedupe: the files differ somewhere after byte "));
            assert!(fs::read(&other).unwrap() == changed, "{name}");
        }

        let output = run(&copy, &other);
        assert_eq!((output.status, output.stderr.as_str()), (Some(0), ""), "{name}");
        assert!(fs::read(&other).unwrap() == content, "{name}");
    }
}

/// Whatever the call answers, the bytes are right.
#[test]
fn the_copy_loop_passes_a_sweep() {
    let test = "install::examples::the_copy_loop_passes_a_sweep";
    let Some(builder) = Builder::new(test, &["cc", "pkg-config"]) else { return };
    let copy = builder.compiled("c/copy.c");
    builder.scratch.random("a", SIZE);
    let options = ["sweep", "--check-files", "a", "b", "--setup", "rm -f b", "--must-pass", "all"];
    let swept = builder.run(launcher()).args(options);
    let output = swept.args(["--".as_ref(), copy.as_os_str(), "a".as_ref(), "b".as_ref()]).ok();
    assert!(output.stdout.contains(" passed; none is bad"), "{output:#?}");
    // A file of /proc has no size.
    let output = builder.run(&copy).args(["/proc/version", "version"]).output();
    assert_eq!(output.status, Some(0), "{output:#?}");
    let version = fs::read_to_string(builder.scratch.file("version")).unwrap();
    assert_eq!(version, fs::read_to_string("/proc/version").unwrap());
}

#[test]
fn cpp() {
    let Some(builder) = Builder::new("install::examples::cpp", &["c++", "pkg-config"]) else {
        return;
    };
    let program = builder.compiled("cpp/copy.cc");
    assert_told(&copies(builder.run(&program)));
    let output = builder.run(program).args(["missing", "b"]).output();
    assert_eq!(output.status, Some(1));
    assert_eq!(output.stderr, "copy: missing: No such file or directory\n");
}

#[test]
fn cmake() {
    let test = "install::examples::cmake";
    let Some(builder) = Builder::new(test, &["cmake", "make", "c++"]) else { return };
    // A tree that was moved, as one unpacked from the tarball: its old place is gone.
    let moved = builder.scratch.file("moved");
    fs::rename(builder.installed.file(""), &moved).unwrap();
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", moved.display());
    let configure = |source: &Path, more: &str| {
        let words = [&prefix, "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", more];
        let run = builder.run("cmake").args(["-S".as_ref(), source.as_os_str()]);
        run.args(["-B", "build"]).args(words).output()
    };
    let output = configure(&example("cmake"), "-DCMAKE_INSTALL_PREFIX=out");
    assert_eq!(output.status, Some(0), "{output:#?}");
    builder.run("cmake").args(["--build", "build"]).ok();
    // Without LD_LIBRARY_PATH: CMake has noted where the library is, also when it is installed.
    builder.run("cmake").args(["--install", "build"]).ok();
    for program in ["build/copy", "out/bin/copy"] {
        assert_told(&copies(Run::bare(builder.scratch.file(program))));
    }

    // A version that is not the installed one is not found.
    let text = fs::read_to_string(example("cmake/CMakeLists.txt")).unwrap();
    assert!(text.contains("find_package(cfr 0.1 REQUIRED)"));
    fs::create_dir(builder.scratch.file("later")).unwrap();
    for version in ["0.99", "99.0"] {
        let list = text.replace("find_package(cfr 0.1 ", &format!("find_package(cfr {version} "));
        fs::write(builder.scratch.file("later/CMakeLists.txt"), list).unwrap();
        let _ = fs::remove_dir_all(builder.scratch.file("build"));
        let output = configure(&builder.scratch.file("later"), "-DUNUSED=");
        assert_ne!(output.status, Some(0), "{output:#?}");
        let found = concat!("cfrConfig.cmake, version: ", env!("CARGO_PKG_VERSION"));
        assert!(output.stderr.contains(found), "{output:#?}");
    }
}

#[test]
fn meson() {
    let test = "install::examples::meson";
    let Some(builder) = Builder::new(test, &["meson", "cc", "pkg-config"]) else { return };
    let source = example("meson");
    builder.run("meson").args(["setup", "--werror"]).args([&source]).args(["build"]).ok();
    builder.run("meson").args(["compile", "-C", "build"]).ok();
    let program = builder.scratch.file("build/copy");
    assert_eq!(copies(builder.run(program)), "");
    for name in ["dedupe", "reflink"] {
        let output = builder.run(builder.scratch.file("build").join(name)).output();
        assert_eq!(output.status, Some(2));
        assert_eq!(output.stderr, format!("usage: {name} SOURCE TARGET\n"));
    }
}

/// Without LD_LIBRARY_PATH: the build script has noted where the library is.
#[test]
fn rust_ffi() {
    let Some(builder) = Builder::new("install::examples::rust_ffi", &["pkg-config"]) else {
        return;
    };
    builder
        .run(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .args([example("rust-ffi/Cargo.toml")])
        .args(["--target-dir", "target"])
        .ok();
    assert_told(&copies(Run::bare(builder.scratch.file("target/debug/rust-ffi"))));
}

#[test]
fn python() {
    let Some(builder) = Builder::new("install::examples::python", &["python3"]) else { return };
    let script = example("python/copy.py");
    assert_told(&copies(builder.run("python3").args([&script])));
    let output = builder.run("python3").args([script.as_path(), Path::new("a")]).output();
    assert_eq!(output.stderr, "usage: copy.py SOURCE TARGET\n");
}
