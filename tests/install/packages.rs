//! packaging/: what the packages are made from. `make packages-check` installs and uses the packages.

use super::files::{exported, make_files};
use cfr_testkit::{Output, Run, Scratch, find_program, launcher, library, project, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The version is that of Cargo.toml, wherever it is written.
#[test]
fn the_version_is_the_same_everywhere() {
    let manifest = read("Cargo.toml");
    let versions: Vec<_> = manifest
        .lines()
        .filter(|line| line.starts_with("version = ") || line.contains("path = \"crates/"))
        .filter_map(|line| line.split("version = \"").nth(1)?.split('"').next())
        .collect();
    assert!(versions.len() > 5, "{versions:?}");
    assert!(versions.iter().all(|version| *version == VERSION), "{versions:?}");
    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find(|line| line.starts_with("## ")).unwrap();
    assert!(newest.starts_with(&format!("## {VERSION} - ")), "{newest}");
}

/// The versions of the symbols tell a package that links the library which library it needs.
#[test]
fn the_symbols_file_has_what_the_library_exports() {
    let file = read("packaging/debian/libcfr0.symbols");
    let mut lines = file.lines();
    assert_eq!(lines.next(), Some("libcfr.so.0 libcfr0 #MINVER#"));
    assert_eq!(lines.next(), Some("* Build-Depends-Package: libcfr-dev"));
    let mut symbols: Vec<_> = lines
        .map(|line| {
            let (symbol, _) = line.trim().split_once("@Base ").expect("SYMBOL@Base VERSION");
            symbol.to_owned()
        })
        .collect();
    symbols.sort();
    assert_eq!(symbols, exported(&library()));
}

/// `cargo binstall` looks for the tarball where a release has it.
#[test]
fn binstall_finds_the_tarball() {
    let manifest = read("crates/cfr/Cargo.toml");
    let value = |key: &str| {
        let line = manifest.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
        let value = line.expect(key).trim_end_matches('"');
        let value = value.replace("{ version }", VERSION).replace("{ target-arch }", "x86_64");
        value.replace("{ bin }", "cfr").replace("{ repo }", "R")
    };
    let name = format!("cfr-{VERSION}-x86_64-linux");
    // Another project's crate of this name is no substitute.
    assert!(manifest.contains("\ndisabled-strategies = [\"quick-install\", \"compile\"]\n"));
    assert_eq!(value("pkg-url"), format!("R/releases/download/v{VERSION}/{name}.tar.gz"));
    assert_eq!(value("bin-dir"), format!("{name}/bin/cfr"));
    let script = read("packaging/packages.py");
    assert!(script.contains("f\"cfr-{release.version}-{architecture}-linux.tar.gz\""));
}

/// `make dist` runs the command that it has built, so this machine's is always built.
#[test]
fn an_architecture_that_cannot_be_built_alone_is_refused() {
    if !python("an_architecture_that_cannot_be_built_alone_is_refused") {
        return;
    }
    let scratch = Scratch::new();
    let here = std::env::consts::ARCH;
    let other = if here == "x86_64" { "aarch64" } else { "x86_64" };
    for (architectures, message) in [
        ("i386", "invalid value 'i386' in ARCHITECTURES: expected x86_64 or aarch64".to_owned()),
        (other, format!("this machine is {here}: expected one of {other}, to run what was built")),
    ] {
        let run = Run::bare("sh").args([project().join("packaging/dist.sh"), scratch.file("out")]);
        let run = run.env("ARCHITECTURES", architectures).env("SOURCE_DATE_EPOCH", "1700000000");
        let output = run.output();
        assert_eq!((output.status, output.stderr.trim()), (Some(1), &*format!("dist: {message}")));
    }
}

fn python(test: &str) -> bool {
    let is_there = find_program("python3").is_some();
    if !is_there {
        skip(test, "python3 is not installed");
    }
    is_there
}

/// The same files give the same archives, whoever owns them, whenever and in whatever order they were
/// made.
#[test]
fn archives_depend_on_their_contents_only() {
    if !python("archives_depend_on_their_contents_only") {
        return;
    }
    let scratch = Scratch::new();
    let script = "
import sys, hashlib
from archive import Tar, Zip, ar
tar, files = Tar(), Zip()
tar.tree(sys.argv[1], 'top/', directories=True)
for name in sys.argv[2].split():
    files.file(name, name.encode(), 0o755)
for data in (tar.bytes(), files.bytes(), ar([('debian-binary', b'2.0\\n'), ('x', b'odd')])):
    print(hashlib.sha256(data).hexdigest())
";
    let sums = |tree: &Path, names: &str, zone: &str| {
        let run = Run::bare("python3").args(["-c", script]).args([tree]).args([names]);
        let run = run.env("PYTHONPATH", project().join("packaging")).env("TZ", zone);
        run.env("PYTHONDONTWRITEBYTECODE", "1").env("SOURCE_DATE_EPOCH", "1700000000").ok().stdout
    };
    let [one, other] = ["one", "other"].map(|name| scratch.file(name));
    for (tree, order) in [(&one, ["a", "b"]), (&other, ["b", "a"])] {
        fs::create_dir_all(tree.join("d")).unwrap();
        for name in order {
            fs::write(tree.join("d").join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("a", tree.join("d/link")).unwrap();
    }
    for (path, mode) in [("one/d/a", 0o600), ("one/d", 0o700)] {
        fs::set_permissions(scratch.file(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    Run::bare("touch").args(["-d", "2001-02-03"]).args([one.join("d/b")]).ok();
    let first = sums(&one, "a b", "UTC");
    assert_eq!(first.lines().count(), 3);
    assert_eq!(first, sums(&other, "b a", "Asia/Tokyo"));
    fs::write(other.join("d/a"), "changed").unwrap();
    assert_ne!(first, sums(&other, "b a", "UTC"));
}

/// A tree as that of the tarball, with the product of this build.
fn unpacked(scratch: &Scratch) -> PathBuf {
    let machine = std::env::consts::ARCH;
    let top = scratch.file(&format!("cfr-{VERSION}-{machine}-linux"));
    make_files(scratch.path());
    fs::rename(scratch.file("p"), &top).unwrap();
    let sums = "find bin include lib share -type f -exec sha256sum {} + > SHA256SUMS";
    Run::bare("sh").args(["-ec", sums]).within(&top).ok();
    Run::bare("cp").args([&project().join("packaging/install.sh"), &top]).ok();
    top
}

fn script(top: &Path, words: &[&str]) -> Output {
    Run::bare("sh").args([top.join("install.sh")]).args(words).output()
}

#[test]
fn the_tarball_is_installed_used_and_removed() {
    let scratch = Scratch::new();
    let top = unpacked(&scratch);
    let prefix = scratch.file("prefix");
    let words = ["--prefix", prefix.to_str().unwrap()];
    // The second time over the first.
    for _ in 0..2 {
        let output = script(&top, &words);
        assert_eq!(output.status, Some(0), "{output:#?}");
        assert_eq!(output.stderr, "");
    }
    let (from, to) = (scratch.random("a", 5000), scratch.file("b"));
    let output = Run::bare(prefix.join("bin/cfr")).args(["trace", "cp"]).args([&from, &to]).ok();
    assert!(output.calls().iter().any(|call| call.ends_with(" = 5000 (kernel)")), "{output:#?}");
    let links = prefix.join("lib/libcfr/before-libasan.so");
    assert_eq!(fs::read_link(links.join(std::env::consts::ARCH)).unwrap(), Path::new("../64-bit"));

    fs::write(prefix.join("lib/theirs"), "").unwrap();
    let removed = script(&top, &["--uninstall", words[0], words[1]]);
    assert_eq!(removed.status, Some(0), "{removed:#?}");
    let left = Run::bare("find").args([&prefix]).args(["!", "-type", "d"]).ok().stdout;
    assert_eq!(left.trim(), prefix.join("lib/theirs").to_str().unwrap());
    assert!(!prefix.join("include/cfr").exists() && !prefix.join("lib/libcfr").exists());
}

#[test]
fn a_damaged_tarball_and_a_bad_prefix_are_refused() {
    let scratch = Scratch::new();
    let top = unpacked(&scratch);
    for (prefix, message) in [
        ("here", "install.sh: not an absolute path: here"),
        ("/a b", "install.sh: the prefix has a space, a colon or a dollar sign: /a b"),
    ] {
        let output = script(&top, &["--prefix", prefix]);
        assert_eq!((output.status, output.stderr.trim()), (Some(2), message));
    }
    fs::write(top.join("include/cfr/cfr.h"), "damaged").unwrap();
    let prefix = scratch.file("prefix");
    let output = script(&top, &["--prefix", prefix.to_str().unwrap()]);
    assert_eq!(output.status, Some(1), "{output:#?}");
    assert!(
        output.stderr.contains("install.sh: a file is damaged: unpack it again"),
        "{output:#?}"
    );
    assert!(!prefix.exists());
}

/// What `cargo install` leaves: the command without its library.
#[test]
fn a_launcher_without_its_library_says_what_to_do() {
    let scratch = Scratch::new();
    let top = unpacked(&scratch);
    fs::remove_dir_all(top.join("lib")).unwrap();
    let output = Run::bare(top.join("bin/cfr")).args(["trace", "true"]).output();
    assert_eq!(output.status, Some(125), "{output:#?}");
    let expected = format!("{}, ", top.join("lib/libcfr.so.0").display());
    assert!(output.stderr.contains(&expected), "{output:#?}");
    assert!(output.stderr.contains("cargo install leaves it out"), "{output:#?}");
}

/// `make dist` ends if a binary would not run everywhere, or tells who built it.
#[test]
fn a_binary_that_needs_something_is_refused() {
    if !python("a_binary_that_needs_something_is_refused") {
        return;
    }
    let script = "
import sys
from binary import faults
print(*faults(open(sys.argv[1], 'rb').read(), sys.argv[2:]), sep='\\n')
";
    let faults = |file: &Path, path: &str| {
        let run = Run::bare("python3").args(["-c", script]).args([file]).args([path]);
        let run = run.env("PYTHONPATH", project().join("packaging"));
        run.env("PYTHONDONTWRITEBYTECODE", "1").ok().stdout
    };
    let dynamic = faults(&launcher(), "/proc/self");
    for fault in ["(PT_INTERP)", "(DT_NEEDED)", "(DT_VERNEED)", "it has the path /proc/self"] {
        assert!(dynamic.contains(fault), "{fault}: {dynamic}");
    }
    assert_eq!(faults(&library(), "/no/such/path"), "\n");
}
