//! Where the dynamic linkers of glibc and musl search for a library: ld.so(8), musl's
//! ldso/dynlink.c.

use super::cache::Cache;
use crate::program::elf::{self, Elf, ElfFile, Native};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The directories that glibc's dynamic linker searches last.
const DEFAULT: [&str; 6] = [
    concat!("/lib/", env!("CFR_MULTIARCH")),
    concat!("/usr/lib/", env!("CFR_MULTIARCH")),
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// The dynamic linker of the system's C library. Its directories and its list are known.
const LINKER: &str = if cfg!(target_arch = "x86_64") {
    "/lib64/ld-linux-x86-64.so.2"
} else {
    "/lib/ld-linux-aarch64.so.1"
};
/// The end of the path of a list of libraries, as a dynamic linker of glibc holds it.
const LIST: &[u8] = b"/ld.so.cache";
const LIST_OF_SYSTEM: &str = "/etc/ld.so.cache";
/// The bytes that are read of a dynamic linker: five times the usual size.
const MAX_BYTES_OF_LINKER: u64 = 1 << 20;
/// The directories that musl's dynamic linker searches last if it has no file that names others.
const DEFAULT_OF_MUSL: &[u8] = b"/lib:/usr/local/lib:/usr/lib";
/// The values of `$LIB`, which distributions set differently.
const LIB: [&str; 3] = [concat!("lib/", env!("CFR_MULTIARCH")), "lib64", "lib"];
/// The most directories that are searched, and of one list: large programs have a tenth of it.
const MAX_DIRECTORIES: usize = 1024;
const MAX_DIRECTORIES_OF_LIST: usize = 256;
/// The bytes that are read of a file with a list: as many directories have room.
const MAX_BYTES_OF_LIST: u64 = 1 << 20;

/// A file that needs libraries.
pub(super) struct Loader {
    pub(super) path: PathBuf,
    pub(super) rpath: Option<OsString>,
    pub(super) runpath: Option<OsString>,
    /// The index of the loader that needed this file.
    pub(super) parent: Option<usize>,
}

/// What is searched whichever file needs the library.
pub(super) struct Search {
    /// The directories of `LD_LIBRARY_PATH`.
    environment: Vec<PathBuf>,
    system: System,
}

/// What is searched last.
enum System {
    /// The list of ldconfig(8), then the directories that the dynamic linker is built with.
    Glibc(Cache, Vec<PathBuf>),
    Musl(Vec<PathBuf>),
}

/// Returns what glibc's dynamic linker searches last. One that the program brings has a list and
/// directories of its own, as in Nix; they are strings in its file.
fn system_of_glibc(linker: Option<&Path>) -> System {
    let own = linker.filter(|linker| {
        let canonical = |path: &Path| path.canonicalize().ok();
        linker.exists() && canonical(linker) != canonical(Path::new(LINKER))
    });
    let mut bytes = Vec::new();
    let read = own.and_then(|linker| {
        let file = elf::open_regular(linker).ok()?;
        file.take(MAX_BYTES_OF_LINKER).read_to_end(&mut bytes).ok()
    });
    if read.is_none() {
        let directories = DEFAULT.into_iter().map(PathBuf::from).collect();
        return System::Glibc(Cache::read(Path::new(LIST_OF_SYSTEM)), directories);
    }
    let paths = bytes
        .split(|byte| *byte == 0)
        .filter(|string| string.starts_with(b"/") && string.len() > 1)
        .map(OsStr::from_bytes);
    let list = paths.clone().find(|path| path.as_bytes().ends_with(LIST));
    let cache = list.map_or_else(Cache::default, |list| Cache::read(Path::new(list)));
    let directories = paths.filter(|path| path.as_bytes().ends_with(b"/"));
    System::Glibc(cache, directories.take(MAX_DIRECTORIES_OF_LIST).map(PathBuf::from).collect())
}

/// Returns the directories that this dynamic linker of musl searches last. /lib/ld-musl-x86_64.so.1
/// reads /etc/ld-musl-x86_64.path.
fn directories_of_musl(linker: &Path) -> System {
    let root = linker.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let list = root.join(format!("etc/ld-musl-{}.path", std::env::consts::ARCH));
    let mut bytes = Vec::new();
    let read = elf::open_regular(&list)
        .and_then(|file| file.take(MAX_BYTES_OF_LIST).read_to_end(&mut bytes));
    let list = read.map_or(DEFAULT_OF_MUSL, |_| bytes.as_slice());
    let words = list.split(|byte| b":\n".contains(byte)).filter(|word| !word.is_empty());
    let words = words.take(MAX_DIRECTORIES_OF_LIST);
    System::Musl(words.map(|word| OsStr::from_bytes(word).into()).collect())
}

impl Search {
    /// Returns the search for the libraries of a program, with this LD_LIBRARY_PATH.
    pub(super) fn new(environment: &OsStr, program: &Native) -> Search {
        let linker = program.linker.as_deref().filter(|_| program.has_musl());
        Search {
            environment: directories(environment, b":;", Path::new("")),
            system: linker
                .map_or_else(|| system_of_glibc(program.linker.as_deref()), directories_of_musl),
        }
    }

    /// Finds the library `name` for the loader `by`. Skips files that are not libraries for this
    /// machine, as the dynamic linker does.
    pub(super) fn library(
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
        let directories_of = |list: Option<&OsString>, loader: &Loader| {
            list.map_or_else(Vec::new, |list| directories(list, b":", &origin(loader)))
        };
        // The loader, the one that needed it, and so on.
        let chain = || {
            std::iter::successors(Some(asking), |this| this.parent.and_then(|at| loaders.get(at)))
        };
        let mut searched = Vec::new();
        if let System::Musl(system) = &self.system {
            searched.extend(self.environment.iter().cloned());
            for this in chain() {
                searched
                    .extend(directories_of(this.runpath.as_ref().or(this.rpath.as_ref()), this));
            }
            searched.extend(system.iter().cloned());
        } else {
            if asking.runpath.is_none() {
                for this in chain().filter(|this| this.runpath.is_none()) {
                    searched.extend(directories_of(this.rpath.as_ref(), this));
                }
            }
            searched.extend(self.environment.iter().cloned());
            searched.extend(directories_of(asking.runpath.as_ref(), asking));
        }
        let mut searched = searched.iter().take(MAX_DIRECTORIES);
        let found = searched.find_map(|directory| open(directory.join(name)));
        let System::Glibc(cache, directories) = &self.system else { return found };
        let last = || directories.iter().find_map(|directory| open(directory.join(name)));
        found.or_else(|| cache.find(name).and_then(open)).or_else(last)
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
