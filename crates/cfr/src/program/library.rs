//! Where libcfr.so is, and how the dynamic linker is told of it.

use crate::term::failure::{Failure, plain, told};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where `make install` put the library, if it was told.
const INSTALLED: Option<&str> = option_env!("LIBCFR_LIBDIR");

/// Finds the library: beside the launcher in a build tree, in the library directory where both
/// are installed.
pub(crate) fn find() -> Result<PathBuf, Failure> {
    let launcher = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot tell where I am: {}", told(&error))))?;
    let here = launcher.parent().unwrap_or(Path::new("/"));
    let prefix = here.parent().unwrap_or(here);
    let multiarch = concat!("lib/", env!("CFR_MULTIARCH"));
    let mut places = vec![here.join("libcfr.so")];
    places.extend(["lib", multiarch, "lib64"].map(|place| prefix.join(place).join("libcfr.so.0")));
    places.extend(INSTALLED.map(|place| Path::new(place).join("libcfr.so.0")));
    let found = places.iter().find(|place| place.is_file()).ok_or_else(|| {
        let looked: Vec<_> = places.iter().map(plain).collect();
        Failure::new(format!("cannot find libcfr.so; looked for {}", looked.join(", ")))
    })?;
    // The dynamic linker looks from the program's working directory, not from ours.
    let found = found
        .canonicalize()
        .map_err(|error| Failure::new(format!("{}: {}", plain(found), told(&error))))?;
    loadable(&found).map(|()| found)
}

/// The dynamic linker splits LD_PRELOAD at spaces and colons and expands dollar signs, and knows
/// no way to quote them (ld.so(8)).
fn loadable(path: &Path) -> Result<(), Failure> {
    let bytes = path.as_os_str().as_bytes();
    let Some(&culprit) = bytes.iter().find(|byte| b" :$\t\n".contains(byte)) else {
        return Ok(());
    };
    Err(Failure::new(format!(
        "libcfr.so stands at '{}', and the dynamic linker takes no {} in LD_PRELOAD; \
         install or move it to a path without one",
        plain(path),
        match culprit {
            b' ' => "space",
            b':' => "colon",
            b'$' => "dollar sign",
            _ => "tab or newline",
        }
    )))
}

/// The value of LD_PRELOAD that loads `library` behind what `before` already holds: whoever
/// preloads something else keeps what he has, and we see what becomes of it.
pub(crate) fn preload_list(before: Option<OsString>, library: &Path, first: &[&str]) -> OsString {
    let before = without_ours(before);
    let kept = before.as_bytes().split(|&byte| byte == b':').filter(|entry| !entry.is_empty());
    let ours = std::iter::once(library.as_os_str().as_bytes());
    joined(first.iter().map(|name| name.as_bytes()).chain(kept).chain(ours))
}

/// What a value of LD_PRELOAD loads besides a libcfr.so.
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

/// A libcfr.so that was preloaded already: one is enough.
pub(crate) fn is_ours(entry: &[u8]) -> bool {
    let name = Path::new(OsStr::from_bytes(entry)).file_name();
    name.is_some_and(|name| name.as_bytes().starts_with(b"libcfr.so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(before: Option<&str>, first: &[&str]) -> String {
        preload_list(before.map(OsString::from), Path::new("/l/libcfr.so"), first)
            .into_string()
            .expect("UTF-8")
    }

    #[test]
    fn what_was_preloaded_stays() {
        assert_eq!(list(None, &[]), "/l/libcfr.so");
        assert_eq!(list(Some("a.so b.so:c.so"), &[]), "a.so:b.so:c.so:/l/libcfr.so");
        assert_eq!(list(Some("/old/libcfr.so.0 a.so"), &[]), "a.so:/l/libcfr.so");
        assert_eq!(list(Some("a.so"), &["libasan.so.8"]), "libasan.so.8:a.so:/l/libcfr.so");
    }

    #[test]
    fn what_the_dynamic_linker_would_split_is_refused() {
        for path in ["/a b/libcfr.so", "/a:b/libcfr.so", "/$LIB/libcfr.so", "/a\nb/libcfr.so"] {
            assert!(loadable(Path::new(path)).is_err(), "{path}");
        }
        assert!(loadable(Path::new("/usr/lib/libcfr.so.0")).is_ok());
    }
}
