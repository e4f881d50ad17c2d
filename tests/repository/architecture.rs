//! The house's rules that a compiler does not hold.

use cfr_testkit::project;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The only files with unsafe code: system calls and foreign pointers, the hooks, and the one way
/// in which the launcher can hand an ignored signal on.
const MAY_BE_UNSAFE: [&str; 3] = ["crates/sys/src/", "src/hooks/", "crates/cfr/src/run/child.rs"];
const MAY_EXPORT: [&str; 6] = [
    "src/hooks/copy_file_range.rs",
    "src/hooks/ioctl.rs",
    "src/hooks/exit.rs",
    "src/hooks/sendfile.rs",
    "src/hooks/syscall.rs",
    "src/capi.rs",
];

fn sources(below: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut places = vec![project().join(below)];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                places.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(project()).unwrap().display().to_string()
}

/// A file's code without comments and without its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn unsafe_code_stands_in_its_files_only() {
    let mut blocks = 0;
    for path in
        ["crates/sys/src", "crates/engine/src", "crates/shared/src", "src", "crates/cfr/src"]
            .into_iter()
            .flat_map(sources)
    {
        let (name, code) = (shown(&path), code(&path));
        let count = code.matches("unsafe {").count();
        blocks += count;
        assert!(count == 0 || MAY_BE_UNSAFE.iter().any(|place| name.starts_with(place)), "{name}");
        let exports = code.contains("unsafe(no_mangle)");
        assert_eq!(exports, MAY_EXPORT.contains(&name.as_str()), "{name}");
    }
    assert!(blocks > 0, "the test looks for nothing");
}

/// In each crate a file uses only what stands above it in the list of `lib.rs` or `main.rs`.
#[test]
fn dependencies_run_one_way() {
    for root in [
        "crates/engine/src/lib.rs",
        "crates/shared/src/lib.rs",
        "src/lib.rs",
        "crates/cfr/src/main.rs",
    ] {
        let root = project().join(root);
        let text = fs::read_to_string(&root).unwrap();
        let order: BTreeMap<&str, usize> = text
            .lines()
            .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
            .filter_map(|line| line.strip_suffix(';'))
            .enumerate()
            .map(|(place, module)| (module, place))
            .collect();
        assert!(order.len() > 3, "{}", shown(&root));
        let directory = root.parent().unwrap();
        for path in sources(&shown(directory)) {
            let inside = path.strip_prefix(directory).unwrap();
            let module = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let Some(&own) = order.get(module.trim_end_matches(".rs")) else { continue };
            for used in code(&path).split("crate::").skip(1) {
                let used = used.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                let used = used.into_iter().next().unwrap();
                let Some(&place) = order.get(used) else { continue };
                assert!(place <= own, "{} uses {used}, which stands below it", shown(&path));
            }
        }
    }
}

/// No crate links the hooks, and each crate depends only on those before it.
#[test]
fn crates_depend_one_way() {
    let manifest = |path: &str| fs::read_to_string(project().join(path)).unwrap();
    let depends = |manifest: &str, on: &str| {
        manifest.lines().any(|line| line.split(['.', ' ']).next() == Some(on))
    };
    let order = ["cfr-sys", "cfr-engine", "cfr-shared", "cfr", "cfr-testkit"];
    for (place, name) in order.iter().enumerate() {
        let folder = name.strip_prefix("cfr-").unwrap_or(name);
        let manifest = manifest(&format!("crates/{folder}/Cargo.toml"));
        assert!(!depends(&manifest, "libcfr"), "{name} links the hooks");
        for later in &order[place + 1..] {
            assert!(!depends(&manifest, later), "{name} depends on {later}");
        }
    }
}

/// Nothing in the preloaded library may use the allocator, threads' locals or the standard
/// streams by name; what it may use of std is this short.
#[test]
fn the_library_uses_little_of_std() {
    const MAY_USE: [&str; 5] = [
        "std::panic::{AssertUnwindSafe, catch_unwind}",
        "std::panic::catch_unwind",
        "std::panic::set_hook",
        "std::sync::Mutex",
        "std::sync::{Mutex, MutexGuard, TryLockError}",
    ];
    for path in sources("src") {
        let code = code(&path);
        for (at, _) in code.match_indices("std::") {
            let rest = &code[at..];
            assert!(
                MAY_USE.iter().any(|used| rest.starts_with(used)),
                "{}: {}",
                shown(&path),
                rest.lines().next().unwrap()
            );
        }
        for word in ["thread_local", "String", "Vec<", "format!", "println!", ".lock()", "unwrap()"]
        {
            assert!(!code.contains(word), "{}: {word}", shown(&path));
        }
    }
}
