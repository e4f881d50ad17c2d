//! Finds the libraries that a program needs, and those that they need.

use super::image::{Image, Role, is_c_library, is_libc};
use super::search::{Loader, Search};
use crate::program::elf::Native;
use crate::program::library::is_ours;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Names the libraries that glibc preloads into every program.
const PRELOAD: &str = "/etc/ld.so.preload";
/// The most names of libraries that are searched for: large programs have a tenth of it.
const MAX_NAMES: usize = 4096;

/// The result of the search.
#[derive(Default)]
pub(super) struct Libraries {
    /// The files in load order, without the C library.
    pub(super) images: Vec<Image>,
    pub(super) missing: Vec<Missing>,
    /// The C library.
    pub(super) c_library: Option<PathBuf>,
}

/// A library that was not found or cannot be read.
pub(super) struct Missing {
    pub(super) name: OsString,
    /// The file that needs it, or the list that names it.
    pub(super) by: PathBuf,
}

/// A library to find.
struct Wanted {
    name: OsString,
    /// The index of the loader that needs it.
    by: usize,
    role: Role,
    /// The list that names it, if no file does.
    list: Option<&'static str>,
}

/// Finds all libraries of the program at `path`. Ignores the environment if the program is
/// `privileged`.
pub(super) fn find(path: &Path, native: &Native, privileged: bool) -> Libraries {
    let environment = |name| std::env::var_os(name).filter(|_| !privileged).unwrap_or_default();
    let search = Search::new(&environment("LD_LIBRARY_PATH"), native);
    // musl's dynamic linker is the C library too.
    let musl = native.linker.clone().filter(|linker| native.has_musl() && linker.exists());
    let mut found = Libraries { c_library: musl, ..Libraries::default() };
    let mut loaders = vec![loader(path.to_owned(), native, None)];
    let mut wanted = named_in_list(&environment("LD_PRELOAD"), "LD_PRELOAD", Role::Preloaded);
    // These load after libcfr.so, as if the program needed them.
    if !native.has_musl() {
        let list = OsString::from_vec(system_preloads());
        wanted.extend(named_in_list(&list, PRELOAD, Role::Needed));
    }
    wanted.extend(needed(native, 0));
    // Names under which a library is loaded. A second request for a name gets the same library.
    let mut known = BTreeSet::new();
    let mut next = 0;
    while let Some(library) = wanted.get(next).filter(|_| known.len() < MAX_NAMES) {
        next += 1;
        if found.c_library.is_none() && is_libc(&library.name) {
            let library = search.library(&library.name, library.by, &loaders);
            found.c_library = library.map(|(path, ..)| path);
        }
        let is_skipped = is_c_library(&library.name) || is_ours(library.name.as_bytes());
        if is_skipped || !known.insert(library.name.clone()) {
            continue;
        }
        let (name, by, role) = (library.name.clone(), library.by, library.role);
        let loaded = search.library(&name, by, &loaders).and_then(|(path, source, native)| {
            let soname = native.dynamic.as_ref().and_then(|dynamic| dynamic.soname.clone());
            let file = path.canonicalize().ok().map(PathBuf::into_os_string);
            let others = [soname, file].into_iter().flatten().filter(|other| *other != name);
            let fresh: Vec<_> = others.map(|other| known.insert(other)).collect();
            if fresh.contains(&false) {
                return Some(());
            }
            found.images.push(Image::read(path.clone(), role, &source, &native)?);
            wanted.extend(needed(&native, loaders.len()));
            loaders.push(loader(path, &native, Some(by)));
            Some(())
        });
        if loaded.is_none() {
            let list = wanted.get(next - 1).and_then(|library| library.list);
            let by = list.map(PathBuf::from).or(loaders.get(by).map(|by| by.path.clone()));
            found.missing.push(Missing { name, by: by.unwrap_or_default() });
        }
    }
    found
}

fn loader(path: PathBuf, native: &Native, parent: Option<usize>) -> Loader {
    let dynamic = native.dynamic.as_ref();
    Loader {
        path,
        rpath: dynamic.and_then(|dynamic| dynamic.rpath.clone()),
        runpath: dynamic.and_then(|dynamic| dynamic.runpath.clone()),
        parent,
    }
}

fn needed(native: &Native, by: usize) -> Vec<Wanted> {
    let names = native.dynamic.iter().flat_map(|dynamic| &dynamic.needed);
    names.map(|name| Wanted { name: name.clone(), by, role: Role::Needed, list: None }).collect()
}

/// Returns the libraries of the list named `called`.
fn named_in_list(list: &OsStr, called: &'static str, role: Role) -> Vec<Wanted> {
    let names = list
        .as_bytes()
        .split(|byte| b" :\t\n".contains(byte))
        .filter(|name| !name.is_empty())
        .map(|name| OsStr::from_bytes(name).to_owned());
    names.map(|name| Wanted { name, by: 0, role, list: Some(called) }).collect()
}

/// Returns the libraries of [`PRELOAD`], without its comments.
fn system_preloads() -> Vec<u8> {
    let text = fs::read(PRELOAD).unwrap_or_default();
    let lines = text
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b'#').next());
    lines.collect::<Vec<_>>().join(&b' ')
}
