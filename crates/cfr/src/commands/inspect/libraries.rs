//! Finds the libraries that a program needs, and those that they need, as ld.so(8) does.

use super::cache::Cache;
use super::image::{Image, Role, is_c_library};
use crate::program::elf::{self, Elf, ElfFile, Native};
use crate::program::library::is_ours;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The directories that the dynamic linker searches last.
const DEFAULT: [&str; 6] = [
    concat!("/lib/", env!("CFR_MULTIARCH")),
    concat!("/usr/lib/", env!("CFR_MULTIARCH")),
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// The values of `$LIB`, which distributions set differently.
const LIB: [&str; 3] = [concat!("lib/", env!("CFR_MULTIARCH")), "lib64", "lib"];
/// Names the libraries that are preloaded into every program.
const PRELOAD: &str = "/etc/ld.so.preload";
/// The most names of libraries that are searched for, in how many directories, and how many
/// directories of one list: large programs have a tenth of it.
const MAX_NAMES: usize = 4096;
const MAX_DIRECTORIES: usize = 1024;
const MAX_DIRECTORIES_OF_LIST: usize = 256;

/// The result of the search.
#[derive(Default)]
pub(super) struct Libraries {
    /// The files in load order, without the C library.
    pub(super) images: Vec<Image>,
    pub(super) missing: Vec<Missing>,
}

/// A library that was not found or cannot be read.
pub(super) struct Missing {
    pub(super) name: OsString,
    /// The file that needs it, or the list that names it.
    pub(super) by: PathBuf,
}

/// A file that needs libraries.
struct Loader {
    path: PathBuf,
    rpath: Option<OsString>,
    runpath: Option<OsString>,
    /// The index of the loader that needed this file.
    parent: Option<usize>,
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
    let search = Search {
        cache: Cache::read(),
        environment: directories(&environment("LD_LIBRARY_PATH"), b":;", Path::new("")),
    };
    let mut found = Libraries::default();
    let mut loaders = vec![loader(path.to_owned(), native, None)];
    let mut wanted = named_in_list(&environment("LD_PRELOAD"), "LD_PRELOAD", Role::Preloaded);
    // These load after libcfr.so, as if the program needed them.
    wanted.extend(named_in_list(&OsString::from_vec(system_preloads()), PRELOAD, Role::Needed));
    wanted.extend(needed(native, 0));
    // Names under which a library is loaded. A second request for a name gets the same library.
    let mut known = BTreeSet::new();
    let mut next = 0;
    while let Some(library) = wanted.get(next).filter(|_| known.len() < MAX_NAMES) {
        next += 1;
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

/// The directories that are searched whichever file needs the library.
struct Search {
    cache: Cache,
    /// The directories of `LD_LIBRARY_PATH`.
    environment: Vec<PathBuf>,
}

impl Search {
    /// Finds the library `name` for the loader `by`. Skips files that are not libraries for this
    /// machine, as the dynamic linker does.
    fn library(
        &self,
        name: &OsStr,
        by: usize,
        loaders: &[Loader],
    ) -> Option<(PathBuf, ElfFile, Native)> {
        let origin = |loader: &Loader| loader.path.parent().map(Path::to_owned).unwrap_or_default();
        let asking = loaders.get(by)?;
        if name.as_bytes().contains(&b'/') {
            return expanded(name, &origin(asking)).into_iter().find_map(open);
        }
        let directories_of = |list: &Option<OsString>, loader: &Loader| {
            list.as_ref().map_or_else(Vec::new, |list| directories(list, b":", &origin(loader)))
        };
        let mut searched = Vec::new();
        if asking.runpath.is_none() {
            let mut loader = Some(asking);
            while let Some(this) = loader {
                if this.runpath.is_none() {
                    searched.extend(directories_of(&this.rpath, this));
                }
                loader = this.parent.and_then(|parent| loaders.get(parent));
            }
        }
        searched.extend(self.environment.iter().cloned());
        searched.extend(directories_of(&asking.runpath, asking));
        let mut searched = searched.iter().take(MAX_DIRECTORIES);
        let cached = || self.cache.find(name).and_then(open);
        let last = || DEFAULT.iter().find_map(|directory| open(Path::new(directory).join(name)));
        searched.find_map(|directory| open(directory.join(name))).or_else(cached).or_else(last)
    }
}

fn open(path: PathBuf) -> Option<(PathBuf, ElfFile, Native)> {
    let source = ElfFile::open(&path).ok()?;
    match elf::read(&source) {
        Elf::Native(native) => Some((path, source, *native)),
        Elf::Other | Elf::Foreign(_) => None,
    }
}

/// Returns the directories of a list. An empty entry is the working directory, an empty list is
/// none.
fn directories(list: &OsStr, separators: &[u8], origin: &Path) -> Vec<PathBuf> {
    if list.is_empty() {
        return Vec::new();
    }
    let words =
        list.as_bytes().split(|byte| separators.contains(byte)).take(MAX_DIRECTORIES_OF_LIST);
    words
        .flat_map(|word| match word {
            [] => vec![PathBuf::from(".")],
            _ => expanded(OsStr::from_bytes(word), origin),
        })
        .collect()
}

/// Replaces `$ORIGIN`, `$LIB` and `$PLATFORM` as the dynamic linker does.
fn expanded(path: &OsStr, origin: &Path) -> Vec<PathBuf> {
    let replaced = |path: &[u8], name: &str, value: &[u8]| {
        let braced = format!("${{{name}}}");
        let path = replace(path, braced.as_bytes(), value);
        replace(&path, format!("${name}").as_bytes(), value)
    };
    let bytes = path.as_bytes();
    if !bytes.contains(&b'$') {
        return vec![path.into()];
    }
    let bytes = replaced(bytes, "ORIGIN", origin.as_os_str().as_bytes());
    let bytes = replaced(&bytes, "PLATFORM", std::env::consts::ARCH.as_bytes());
    let mut paths: Vec<_> = LIB.iter().map(|lib| replaced(&bytes, "LIB", lib.as_bytes())).collect();
    paths.dedup();
    paths.into_iter().map(|path| OsString::from_vec(path).into()).collect()
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = bytes;
    while let Some(at) = memchr::memmem::find(rest, from) {
        replaced.extend(rest.iter().take(at));
        replaced.extend(to);
        rest = rest.get(at + from.len()..).unwrap_or_default();
    }
    replaced.extend(rest);
    replaced
}
