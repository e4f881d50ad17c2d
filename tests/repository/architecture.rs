//! Rules of this repository that the compiler does not check.

use cfr_testkit::project;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The only files with unsafe code: system calls and foreign pointers, the hooks, the C API, and the one
/// way in which the launcher can hand an ignored signal on and install the supervisor's filter.
const MAY_BE_UNSAFE: [&str; 4] =
    ["crates/sys/src/", "src/hooks/", "src/capi/", "crates/cfr/src/run/start.rs"];
const MAY_EXPORT: [&str; 9] = [
    "src/hooks/copy_file_range.rs",
    "src/hooks/ioctl.rs",
    "src/hooks/exit.rs",
    "src/hooks/sendfile.rs",
    "src/hooks/syscall.rs",
    "src/capi/configure.rs",
    "src/capi/copy.rs",
    "src/capi/stats.rs",
    "src/capi/text.rs",
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
    let text = text.split("#[cfg(test)]\npub(super) mod tests").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn unsafe_code_stands_in_its_files_only() {
    let mut blocks = 0;
    for path in [
        "crates/sys/src",
        "crates/engine/src",
        "crates/shared/src",
        "crates/observe/src",
        "src",
        "crates/cfr/src",
    ]
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

/// What a list of modules says if its order is the order of dependency. The lists of `lib.rs` and
/// `main.rs` need not say it.
const ORDERED: &str = "A file uses only files above it in this list.";

/// In each ordered list of modules, a module uses only those above it.
#[test]
fn dependencies_run_one_way() {
    for root in [
        "crates/sys/src/lib.rs",
        "crates/engine/src/lib.rs",
        "crates/shared/src/lib.rs",
        "crates/observe/src/lib.rs",
        "src/lib.rs",
        "crates/cfr/src/main.rs",
    ] {
        let directory = project().join(root).parent().unwrap().to_owned();
        let files = sources(&shown(&directory));
        let lists: BTreeMap<_, _> = files
            .iter()
            .map(|file| (module(&directory, file), listed(file)))
            .filter(|(module, list)| module.is_empty() || !list.is_empty())
            .collect();
        assert!(lists.get(&Vec::new()).is_some_and(|list| list.len() > 3), "{root}");
        if root.contains("/cfr/") {
            assert!(lists.len() >= 11, "the lists of the command do not say that they are ordered");
        }
        for file in &files {
            let user = module(&directory, file);
            for used in used_paths(&code(file), &user) {
                if let Some((list, above, below)) = wrong_order(&lists, &user, &used) {
                    let list = list.join("::");
                    panic!("{}: {above} is listed above {below} in {list}", shown(file));
                }
            }
        }
    }
}

/// What two commands share stands in a module of its own.
#[test]
fn no_command_uses_another() {
    for path in sources("crates/cfr/src/commands") {
        assert!(!code(&path).contains("crate::commands"), "{}", shown(&path));
    }
}

/// The order test sees what it should.
#[test]
fn a_use_of_a_later_module_is_found() {
    let lists = BTreeMap::from([
        (vec![], vec!["a".to_owned(), "b".to_owned()]),
        (vec!["b".to_owned()], vec!["c".to_owned(), "d".to_owned()]),
    ]);
    let user = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    let is_wrong = |file: &str, code: &str| {
        let user = user(file);
        used_paths(code, &user).iter().any(|used| wrong_order(&lists, &user, used).is_some())
    };
    assert!(is_wrong("a", "use crate::b::Thing;"));
    assert!(is_wrong("b::c", "use super::d::Thing;"));
    assert!(is_wrong("b::c", "use super::{Own, d::{self, Thing}};"));
    assert!(is_wrong("b::c", "fn f() { crate::b::d::f() }"));
    assert!(is_wrong("b::c::deep", "use super::super::d;"));
    assert!(!is_wrong("b::d", "use super::{Own, c::Thing}; use crate::a; use super::super::a::X;"));
    assert!(!is_wrong("b", "use self::d::Thing; use crate::b::d;"));
    assert!(!is_wrong("b::c", "use other::d::Thing; use super::Thing;"));
}

/// A path of modules below the root of a crate.
type Module = Vec<String>;

/// Returns the module that a file holds.
fn module(directory: &Path, file: &Path) -> Module {
    let inside = file.strip_prefix(directory).unwrap().with_extension("");
    let names = inside.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| !["mod", "lib", "main"].contains(&name.as_str())).collect()
}

/// Returns the modules that a file declares, in order; none if the order has no meaning.
fn listed(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    if !text.contains(ORDERED) && file.file_name().is_some_and(|name| name == "mod.rs") {
        return Vec::new();
    }
    let declared = text.lines().filter_map(|line| {
        let line = line.strip_suffix(';')?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["mod", name] | [_, "mod", name] => Some(name.to_owned()),
            _ => None,
        }
    });
    declared.collect()
}

/// Returns every path in the code that begins with `crate::` or `super::`, from the crate's root.
fn used_paths(code: &str, user: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = &code[..at];
        // A part of a path that was found already, or `$crate::`.
        if before.ends_with("::") || before.ends_with(is_name) || before.ends_with('$') {
            continue;
        }
        let mut rest = &code[at..];
        let mut base = if rest.starts_with("crate::") { Vec::new() } else { user.to_vec() };
        rest = rest.strip_prefix("crate::").unwrap_or(rest);
        while let Some(more) = rest.strip_prefix("super::") {
            base.pop();
            rest = more;
        }
        add_tree(rest, &base, &mut found);
    }
    found
}

/// Adds the paths of a tree of names, such as `a::{b, c::D}`. Returns what follows the tree.
fn add_tree<'a>(text: &'a str, base: &[String], found: &mut Vec<Module>) -> &'a str {
    let mut path = base.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut items) = rest.strip_prefix('{') {
            loop {
                items = items.trim_start_matches([',', ' ', '\n']);
                match items.strip_prefix('}') {
                    Some(after) => return after,
                    None if items.is_empty() => return items,
                    None => {
                        let after = add_tree(items, &path, found);
                        // `name as other`, or `*`.
                        items = after.trim_start_matches(|letter| !",}".contains(letter));
                    }
                }
            }
        }
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        if !name.is_empty() {
            path.push(name.to_owned());
        }
        match after.strip_prefix("::") {
            Some(more) if !name.is_empty() => rest = more,
            _ => {
                found.push(path);
                return after;
            }
        }
    }
}

/// Returns the list in which a used module stands below the module that uses it, and both.
fn wrong_order<'a>(
    lists: &'a BTreeMap<Module, Vec<String>>,
    user: &'a [String],
    used: &'a [String],
) -> Option<(&'a [String], &'a str, &'a str)> {
    let common = user.iter().zip(used).take_while(|(a, b)| a == b).count();
    let (above, below) = (user.get(common)?, used.get(common)?);
    let list = lists.get(&user[..common])?;
    let place = |name: &String| list.iter().position(|listed| listed == name);
    (place(above)? < place(below)?).then(|| (&user[..common], above.as_str(), below.as_str()))
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

/// So that each has default signals, no inherited descriptor and a time limit.
#[test]
fn only_the_harness_starts_programs() {
    let forbidden = ["process", "Command"].join("::");
    for path in ["tests", "benches", "crates/shared/tests"].into_iter().flat_map(sources) {
        assert!(!code(&path).contains(&forbidden), "{}", shown(&path));
    }
}

/// The preloaded library is linked without the standard library; and no crate of it names what a host
/// could be blocked or ended by. (Unit tests, which are left out, may.)
#[test]
fn the_library_uses_nothing_of_std() {
    for path in
        ["src", "crates/sys/src", "crates/engine/src", "crates/shared/src", "crates/observe/src"]
            .into_iter()
            .flat_map(sources)
    {
        let code = code(&path);
        for word in [
            "std::", "alloc::", "thread_local", "String::", "Vec<", "format!", "println!",
            ".lock()", "unwrap()",
        ] {
            let is_allocator = word == "alloc::" && path.ends_with("crates/sys/src/memory.rs");
            assert!(is_allocator || !code.contains(word), "{}: {word}", shown(&path));
        }
    }
}
