//! `make install`: the installed files, and programs built with them.

use crate::repository::exact_costs::EXPORTS;
use cfr_testkit::{
    BUILD_LIMIT, Output, Run, Scratch, copy_product, find_program, launcher, library, project, skip,
};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the directory that cargo builds into, and builds what is not built yet.
fn target() -> PathBuf {
    assert!(library().is_file());
    launcher().ancestors().nth(2).expect("TARGET/release/cfr").to_owned()
}

/// A `make` that builds into `target`.
fn make_in(target: &Path) -> Run {
    let mut run = Run::bare("make")
        .args(["--silent", "--no-print-directory"])
        .env("CARGO_TARGET_DIR", target)
        .within(project());
    // An outer make and a packager set these.
    for name in [
        "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "PREFIX", "BINDIR", "LIBDIR", "INCDIR",
        "MANDIR", "DATADIR", "INSTALL", "LIBCFR_LIBDIR",
    ] {
        run.command().env_remove(name);
    }
    run
}

/// Runs `make` with these arguments on the product that the tests have built. It must not rebuild
/// anything: a launcher with another LIBCFR_LIBDIR would replace the one that other tests run.
fn make(words: &[String]) -> Output {
    let scratch = Scratch::new();
    let built = format!("BUILT={}", scratch.file("built").display());
    make_in(&target()).args(["CARGO=true", &built]).args(words).ok()
}

/// Installs the product below `DIRECTORY/p`, as for a package of the prefix /p.
pub(super) fn make_files(directory: &Path) {
    let destination = format!("DESTDIR={}", directory.display());
    make(&["files".to_owned(), destination, "PREFIX=/p".to_owned()]);
}

/// Returns the names that the library exports, sorted.
pub(super) fn exported(library: &Path) -> Vec<String> {
    let options = ["--dynamic", "--defined-only", "--format=posix"];
    let listed = Run::bare("nm").args(options).args([library]).ok().stdout;
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    let mut names: Vec<_> = names.map(str::to_owned).collect();
    names.sort();
    names
}

fn install(words: &[String]) {
    make(&[&["install".to_owned()], words].concat());
}

/// Returns every file and link below `directory`, by relative path.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                todo.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(directory).expect("below it").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn expected_below(prefix: &str, libdir: &str) -> Vec<PathBuf> {
    let pages = fs::read_dir(project().join("man")).expect("a directory").map(|page| {
        let name = page.expect("an entry").file_name().into_string().expect("UTF-8");
        let section = name.rsplit('.').next().expect("a section");
        format!("{prefix}/share/man/man{section}/{name}")
    });
    let files = [
        format!("{prefix}/bin/cfr"),
        format!("{prefix}/include/cfr/cfr.h"),
        format!("{prefix}/include/cfr/linux/copy.h"),
        format!("{libdir}/libcfr.so"),
        format!("{libdir}/libcfr.so.0"),
        format!("{libdir}/libcfr.so.{VERSION}"),
        format!("{libdir}/libcfr/64-bit/libcfr.so"),
        format!("{libdir}/libcfr/32-bit/libcfr.so"),
        format!("{libdir}/pkgconfig/cfr.pc"),
        format!("{libdir}/cmake/cfr/cfrConfig.cmake"),
        format!("{libdir}/cmake/cfr/cfrConfigVersion.cmake"),
        format!("{prefix}/share/man/man1/cfr-run.1"),
        format!("{prefix}/share/cfr/cfr.schema.json"),
        format!("{prefix}/share/bash-completion/completions/cfr"),
        format!("{prefix}/share/zsh/site-functions/_cfr"),
        format!("{prefix}/share/fish/vendor_completions.d/cfr.fish"),
    ];
    let platforms: &[&str] = if cfg!(target_arch = "x86_64") {
        &["x86_64", "haswell", "xeon_phi", "$PLATFORM", "i386", "i486", "i586", "i686"]
    } else {
        &["aarch64", "$PLATFORM", "v7l", "v8l"]
    };
    let links = platforms.iter().map(|name| format!("{libdir}/libcfr/before-libasan.so/{name}"));
    let files = pages.chain(files).chain(links);
    let mut expected: Vec<_> =
        files.map(|path| PathBuf::from(path.trim_start_matches('/'))).collect();
    expected.sort();
    expected
}

/// Installed in its final place, and used there.
pub(super) struct Installed(Scratch);

impl Installed {
    pub(super) fn new() -> Installed {
        let scratch = Scratch::new();
        install(&[format!("PREFIX={}", scratch.file("p").display())]);
        Installed(scratch)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.file("p").join(name)
    }
}

#[test]
fn every_file_is_where_packagers_look() {
    let scratch = Scratch::new();
    let directories = [
        format!("DESTDIR={}", scratch.path().display()),
        "PREFIX=/usr".to_owned(),
        "LIBDIR=/usr/lib/x".to_owned(),
    ];
    install(&directories);
    assert_eq!(files(scratch.path()), expected_below("/usr", "/usr/lib/x"));

    let libdir = scratch.file("usr/lib/x");
    let real = format!("libcfr.so.{VERSION}");
    for (link, to) in [
        ("libcfr.so", "libcfr.so.0"),
        ("libcfr.so.0", real.as_str()),
        ("libcfr/64-bit/libcfr.so", "../../libcfr.so.0"),
    ] {
        assert_eq!(fs::read_link(libdir.join(link)).unwrap(), Path::new(to));
    }
    for (file, mode) in [
        ("usr/bin/cfr", 0o755),
        ("usr/include/cfr/cfr.h", 0o644),
        ("usr/lib/x/pkgconfig/cfr.pc", 0o644),
        ("usr/lib/x/libcfr/32-bit/libcfr.so", 0o644),
        ("usr/share/cfr/cfr.schema.json", 0o644),
        ("usr/share/man/man1/cfr.1", 0o644),
        ("usr/share/man/man1/cfr-run.1", 0o644),
        ("usr/share/man/man7/libcfr.7", 0o644),
    ] {
        let metadata = fs::metadata(scratch.file(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{file}");
    }

    let cmake = fs::read_to_string(libdir.join("cmake/cfr/cfrConfig.cmake")).unwrap();
    assert!(cmake.contains(" \"/usr/lib/x\" \"/usr/include/cfr\")"), "{cmake}");
    let pc = fs::read_to_string(libdir.join("pkgconfig/cfr.pc")).unwrap();
    for line in [
        "prefix=/usr".to_owned(),
        "libdir=/usr/lib/x".to_owned(),
        "includedir=/usr/include/cfr".to_owned(),
        format!("Version: {VERSION}"),
    ] {
        assert!(pc.lines().any(|found| found == line), "no {line} in\n{pc}");
    }
    for path in [scratch.path(), project()] {
        assert!(!pc.contains(path.to_str().unwrap()), "{path:?} in\n{pc}");
    }
    assert!(!pc.contains('@'), "{pc}");

    make(&[&["uninstall".to_owned()], &directories[..]].concat());
    assert!(files(scratch.path()).is_empty());
    assert!(!scratch.file("usr/include/cfr").exists());
    assert!(!scratch.file("usr/share/cfr").exists());
    assert!(!libdir.join("libcfr").exists() && !libdir.join("cmake").exists());
}

#[test]
fn only_what_is_ours_is_uninstalled() {
    let installed = Installed::new();
    let [theirs_in_lib, theirs_in_include] =
        ["lib/libcfr.so.9", "include/cfr/other.h"].map(|name| {
            let path = installed.file(name);
            fs::write(&path, "").unwrap();
            path
        });
    make(&["uninstall".to_owned(), format!("PREFIX={}", installed.file("").display())]);
    assert!(theirs_in_lib.exists() && theirs_in_include.exists());
    assert_eq!(files(&installed.file("")).len(), 2);
}

#[test]
fn an_installed_launcher_finds_the_installed_library() {
    let installed = Installed::new();
    let scratch = Scratch::new();
    let (from, to) = (scratch.random("a", 5000), scratch.file("b"));
    let script = "echo $LD_PRELOAD; cp \"$0\" \"$1\"";
    let output =
        Run::bare(installed.file("bin/cfr")).args(["trace", "sh", "-c", script]).args([&from, &to]);
    let output = output.ok();
    assert_eq!(fs::read(from).unwrap(), fs::read(to).unwrap());
    let calls = output.calls();
    assert!(calls.iter().any(|call| call.ends_with(" = 5000 (kernel)")), "{output:#?}");
    let real = installed.file(&format!("lib/libcfr.so.{VERSION}")).canonicalize().unwrap();
    let entry = Path::new(output.stdout.trim());
    assert_eq!(entry.canonicalize().unwrap(), real);
    assert!(entry.starts_with(installed.file("lib/libcfr/before-libasan.so")), "{output:#?}");
}

/// `make run` runs what was built, in whatever way the directory is named.
#[test]
fn make_finds_what_cargo_built() {
    let absolute = target().canonicalize().unwrap();
    let root = project().canonicalize().unwrap();
    let up: PathBuf = root.components().skip(1).map(|_| "..").collect();
    let relative = up.join(absolute.strip_prefix("/").unwrap());
    for target in [absolute, relative] {
        let scratch = Scratch::new();
        let built = format!("BUILT={}", scratch.file("built").display());
        let output = make_in(&target).args(["run", "CARGO=true", &built]).ok();
        assert!(output.stdout.contains("(b equals a)"), "{output:#?}");
    }
}

/// `make install` calls cargo if a source changed or another LIBDIR is to be compiled in, else not.
#[test]
fn make_install_builds_only_what_is_not_built() {
    // A copy of the product, so that nothing is written beside the real one.
    let scratch = Scratch::new();
    let place = scratch.file("target/release");
    copy_product(&place);
    fs::create_dir_all(place.join("libcfr/64-bit")).unwrap();
    let calls = scratch.file("calls");
    let cargo =
        scratch.write("cargo", b"#!/bin/sh\necho \"$1 ${LIBCFR_LIBDIR-none}\" >> \"$CALLS\"\n");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let install = |words: &[String]| {
        let _ = fs::remove_file(&calls);
        make_in(&scratch.file("target"))
            .args(["install", "PREFIX=/p"])
            .args([format!("DESTDIR={}", scratch.file("root").display())])
            .args([format!("CARGO={}", cargo.display())])
            .args(words)
            .env("CALLS", &calls)
            .ok();
        fs::read_to_string(&calls).unwrap_or_default()
    };
    assert_eq!(install(&[]), "build none\n");
    assert_eq!(install(&[]), "");
    assert_eq!(install(&["PREFIX=/other".to_owned()]), "", "one launcher suits every prefix");
    let elsewhere = ["LIBDIR=/p/x".to_owned()];
    assert_eq!(install(&elsewhere), "build /p/x\n");
    assert_eq!(install(&elsewhere), "");
    let source = scratch.write("source", b"");
    let touch = |date: &str| Run::bare("touch").args(["-d", date]).args([&source]).ok();
    let with_source = [format!("SOURCES={}", source.display()), elsewhere[0].clone()];
    touch("2 hours ago");
    assert_eq!(install(&with_source), "");
    touch("now");
    assert_eq!(install(&with_source), "build /p/x\n");
}

/// `make install` looks at each file that cargo has read, so that a change is not left out.
#[test]
fn make_knows_the_sources_that_cargo_knows() {
    let real = |path: PathBuf| path.canonicalize().unwrap();
    let sources = make_in(&target()).args(["sources", "--eval=sources: ; @echo $(SOURCES)"]).ok();
    let sources = sources.stdout.split_whitespace().map(|path| real(project().join(path)));
    let sources: BTreeSet<_> = sources.collect();
    let place = launcher();
    let target = real(target());
    for product in ["cfr.d", "libcfr.d"] {
        // PRODUCT: FILE...
        let read = fs::read_to_string(place.with_file_name(product)).unwrap();
        let read: Vec<_> =
            read.split_whitespace().skip(1).map(|path| real(PathBuf::from(path))).collect();
        let ours = read.iter().filter(|path| path.is_file() && !path.starts_with(&target));
        let unknown: Vec<_> = ours.filter(|path| !sources.contains(*path)).collect();
        assert!(read.len() > 20 && unknown.is_empty(), "{product}: {unknown:#?}");
    }
}

/// A library directory that the launcher cannot guess from where it stands is compiled into it.
#[test]
fn a_launcher_knows_a_library_directory_elsewhere() {
    let place = target().join("elsewhere");
    // The same directory in each run, so that the launcher is not rebuilt.
    let (libdir, target) = (place.join("lib/x"), place.join("target"));
    fs::create_dir_all(&libdir).unwrap();
    Run::bare(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--package", "cfr", "--target-dir"])
        .args([&target])
        .env("LIBCFR_LIBDIR", &libdir)
        .env("CARGO_PROFILE_DEV_DEBUG", "none")
        .within(project())
        .limit(BUILD_LIMIT)
        .ok();
    // Renamed into place, because another run of the tests may have the old file loaded.
    let scratch = Scratch::below(&libdir);
    Run::bare("cp").args([&library(), &scratch.file("libcfr.so.0")]).ok();
    fs::rename(scratch.file("libcfr.so.0"), libdir.join("libcfr.so.0")).unwrap();
    fs::create_dir(scratch.file("bin")).unwrap();
    let alone = scratch.file("bin/cfr");
    Run::bare("cp").args([&target.join("debug/cfr"), &alone]).ok();
    let output = Run::bare(alone).args(["trace", "sh", "-c", "echo $LD_PRELOAD"]).ok();
    let expected = libdir.join("libcfr.so.0").canonicalize().unwrap();
    assert_eq!(Path::new(output.stdout.trim()), expected);
}

#[test]
fn a_program_is_built_by_pkg_config() {
    let test = "install::files::a_program_is_built_by_pkg_config";
    if find_program("pkg-config").is_none() {
        return skip(test, "pkg-config is not installed");
    }
    let installed = Installed::new();
    let scratch = Scratch::new();
    let source = scratch.write(
        "prog.c",
        b"#include <cfr.h>\n#include <linux/copy.h>\n#include <stdio.h>\n\
          int main(void) { return printf(\"%s %d\\n\", cfr_version(), COPY_FR_REFLINK) < 0; }\n",
    );
    // As in a README: the shell splits the output of pkg-config.
    let line = "cc -Wall -Wextra -Werror -o \"$1\" \"$0\" $(pkg-config --cflags --libs cfr)";
    Run::bare("sh")
        .args(["-e", "-c", line])
        .args([&source, &scratch.file("prog")])
        .env("PKG_CONFIG_PATH", installed.file("lib/pkgconfig"))
        .ok();
    let output = Run::bare(scratch.file("prog")).env("LD_LIBRARY_PATH", installed.file("lib")).ok();
    assert_eq!(output.stdout, format!("{VERSION} 2\n"));

    let version = Run::bare("pkg-config")
        .args(["--modversion", "cfr"])
        .env("PKG_CONFIG_PATH", installed.file("lib/pkgconfig"))
        .ok();
    assert_eq!(version.stdout.trim(), VERSION);
    let needed =
        Run::bare("readelf").args(["--dynamic", "--wide"]).args([scratch.file("prog")]).ok();
    assert!(needed.stdout.contains("Shared library: [libcfr.so.0]"), "{}", needed.stdout);
}

#[test]
fn the_installed_library_is_stripped_and_exports_its_names() {
    let installed = Installed::new();
    let library = installed.file("lib/libcfr.so");
    assert_eq!(exported(&library), EXPORTS);

    let headers = Run::bare("readelf").args(["--dynamic", "--sections", "--wide"]).args([&library]);
    let headers = headers.ok().stdout;
    assert!(headers.contains("Library soname: [libcfr.so.0]"), "{headers}");
    for section in [".symtab", ".debug_info", ".debug_line"] {
        assert!(!headers.contains(section), "{section} is still there");
    }
}
