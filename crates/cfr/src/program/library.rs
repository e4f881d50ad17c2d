//! The library to preload, and the value of LD_PRELOAD.

use crate::program::preload_path::preload_path;
use crate::term::failure::{Failure, describe, printable};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The directory to which `make install` installs the library, if it was set.
const INSTALLED: Option<&str> = option_env!("LIBCFR_LIBDIR");

/// The library to preload.
pub(crate) struct Library {
    /// The path for LD_PRELOAD.
    path: PathBuf,
    /// Whether AddressSanitizer's runtime lets a library of this path be loaded before it.
    pub(crate) is_before_sanitizer: bool,
}

/// Finds the library: in a build tree beside the launcher, else in the library directory of the
/// same prefix.
pub(crate) fn find() -> Result<Library, Failure> {
    let launcher = std::env::current_exe().map_err(|error| {
        Failure::new(format!("cannot determine the path of cfr: {}", describe(&error)))
    })?;
    let here = launcher.parent().unwrap_or(Path::new("/"));
    let prefix = here.parent().unwrap_or(here);
    let multiarch = concat!("lib/", env!("CFR_MULTIARCH"));
    let mut paths = vec![here.join("libcfr.so")];
    paths.extend(["lib", multiarch, "lib64"].map(|name| prefix.join(name).join("libcfr.so.0")));
    let installed = INSTALLED.filter(|directory| !directory.is_empty());
    paths.extend(installed.map(|directory| Path::new(directory).join("libcfr.so.0")));
    let found = paths.iter().find(|path| path.is_file()).ok_or_else(|| {
        let looked: Vec<_> = paths.iter().map(printable).collect();
        Failure::new(format!(
            "cannot find libcfr.so in {}; cargo install leaves it out: use make install or a package, \
             or put libcfr.so.0 of the same version at one of these paths",
            looked.join(", ")
        ))
    })?;
    // The dynamic linker resolves a relative path from the program's working directory.
    let found = found
        .canonicalize()
        .map_err(|error| Failure::new(format!("{}: {}", printable(found), describe(&error))))?;
    loadable(&found)?;
    Ok(match preload_path(&found) {
        Some(path) => Library { path, is_before_sanitizer: true },
        None => Library { path: found, is_before_sanitizer: false },
    })
}

/// Fails if the dynamic linker cannot load the path: it splits LD_PRELOAD at spaces and colons,
/// expands dollar signs, and has no quoting (ld.so(8)).
fn loadable(path: &Path) -> Result<(), Failure> {
    let bytes = path.as_os_str().as_bytes();
    let Some(&culprit) = bytes.iter().find(|byte| b" :$\t\n".contains(byte)) else {
        return Ok(());
    };
    Err(Failure::new(format!(
        "libcfr.so is at '{}', and LD_PRELOAD cannot hold a path with a {}; \
         install it at another path",
        printable(path),
        match culprit {
            b' ' => "space",
            b':' => "colon",
            b'$' => "dollar sign",
            _ => "tab or newline",
        }
    )))
}

impl Library {
    /// Returns the value of LD_PRELOAD that loads the library after the libraries in `before`: these
    /// stay, and the calls that they make are seen.
    pub(crate) fn preload_list(&self, before: Option<OsString>) -> OsString {
        let before = without_ours(before);
        let kept = before.as_bytes().split(|&byte| byte == b':').filter(|entry| !entry.is_empty());
        joined(kept.chain([self.path.as_os_str().as_bytes()]))
    }
}

/// Returns the value of LD_PRELOAD without libcfr.so.
pub(crate) fn without_ours(before: Option<OsString>) -> OsString {
    let before = before.unwrap_or_default();
    let entries = before.as_bytes().split(|&byte| byte == b' ' || byte == b':');
    joined(entries.filter(|entry| !entry.is_empty() && !is_ours(entry)))
}

fn joined<'a>(entries: impl Iterator<Item = &'a [u8]>) -> OsString {
    let mut list = Vec::new();
    for entry in entries {
        if !list.is_empty() {
            list.push(b':');
        }
        list.extend_from_slice(entry);
    }
    OsString::from_vec(list)
}

/// Reports whether the entry of LD_PRELOAD is a libcfr.so.
pub(crate) fn is_ours(entry: &[u8]) -> bool {
    let name = Path::new(OsStr::from_bytes(entry)).file_name();
    name.is_some_and(|name| name.as_bytes().starts_with(b"libcfr.so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(before: Option<&str>) -> String {
        let library = Library { path: "/l/libcfr.so".into(), is_before_sanitizer: false };
        library.preload_list(before.map(OsString::from)).into_string().expect("UTF-8")
    }

    #[test]
    fn earlier_preloads_stay() {
        assert_eq!(list(None), "/l/libcfr.so");
        assert_eq!(list(Some("a.so b.so:c.so")), "a.so:b.so:c.so:/l/libcfr.so");
        assert_eq!(list(Some("/old/libcfr.so.0 a.so")), "a.so:/l/libcfr.so");
        assert_eq!(list(Some("/old/$PLATFORM/libcfr.so:a.so")), "a.so:/l/libcfr.so");
    }

    #[test]
    fn a_path_that_the_dynamic_linker_would_split_is_refused() {
        for path in ["/a b/libcfr.so", "/a:b/libcfr.so", "/$LIB/libcfr.so", "/a\nb/libcfr.so"] {
            assert!(loadable(Path::new(path)).is_err(), "{path}");
        }
        assert!(loadable(Path::new("/usr/lib/libcfr.so.0")).is_ok());
    }
}
