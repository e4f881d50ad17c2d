//! The C library that programs use here: its name, its version, whether it has the function.
//!
//! It is read as a file, because the dynamic linker would return a preloaded function.

use super::fact::{Fact, Finding};
use crate::program::elf;
use std::path::{Path, PathBuf};

pub(super) fn facts() -> Vec<Fact> {
    let found = std::fs::read_to_string("/proc/self/maps").ok().and_then(|maps| mapped(&maps));
    let (name, version, symbol) = match &found {
        Some((name, path)) => {
            let version = std::fs::read(path).ok().and_then(|content| version(&content));
            (*name, version, elf::defines(path, "copy_file_range"))
        }
        None => ("", None, None),
    };
    let unknown = || Finding::unknown("the C library of cfr was not found in /proc/self/maps");
    let cuts = version.as_deref().map(cuts_results);
    vec![
        Fact {
            key: "name",
            label: "name",
            finding: if name.is_empty() { unknown() } else { Finding::name(name) },
        },
        Fact {
            key: "version",
            label: "version",
            finding: version
                .map_or_else(|| Finding::unknown("not found in the file"), Finding::name),
        },
        Fact {
            key: "copy_file_range",
            label: "copy_file_range",
            finding: match symbol {
                Some(true) => Finding::yes(),
                Some(false) => Finding::no().with_note("programs need syscall(2)"),
                None => unknown(),
            },
        },
        Fact {
            key: "cuts_results",
            label: "cuts results",
            finding: match cuts {
                Some(true) => Finding::yes().with_note(
                    "glibc 2.41 and 2.42 return an int: counts above 2147483647 are wrong, \
                     unless the distribution has fixed it (BZ 33245)",
                ),
                Some(false) => Finding::no(),
                None => Finding::unknown("only glibc 2.41 and 2.42 do"),
            },
        },
    ]
}

/// Returns name and path of the C library among the mapped files (proc_pid_maps(5)).
fn mapped(maps: &str) -> Option<(&'static str, PathBuf)> {
    maps.lines().find_map(|line| {
        let path = Path::new(line.get(line.find('/')?..)?);
        let file = path.file_name()?.to_str()?;
        let name = match file {
            "libc.so.6" => "glibc",
            // Until glibc 2.33 the file had its version in its name.
            _ if file.starts_with("libc-2.") => "glibc",
            _ if file.starts_with("ld-musl-") || file.starts_with("libc.musl-") => "musl",
            _ => return None,
        };
        Some((name, path.to_owned()))
    })
}

/// Returns the version from the banner that glibc prints if it is run: "GNU C Library (...) stable
/// release version 2.36."
fn version(content: &[u8]) -> Option<String> {
    const BEGIN: &[u8] = b"GNU C Library ";
    const BEFORE: &[u8] = b"release version ";
    let banner =
        content.get(find(content, BEGIN)?..)?.split(|&byte| byte == b'\n' || byte == 0).next()?;
    let rest = banner.get(find(banner, BEFORE)? + BEFORE.len()..)?;
    let number = rest.split(|byte| !byte.is_ascii_digit() && *byte != b'.').next()?;
    let number = std::str::from_utf8(number).ok()?.trim_end_matches('.');
    (!number.is_empty()).then(|| number.to_owned())
}

fn find(content: &[u8], sought: &[u8]) -> Option<usize> {
    content.windows(sought.len()).position(|window| window == sought)
}

/// Reports whether this version of glibc returns the result of copy_file_range as an int
/// (<https://sourceware.org/bugzilla/show_bug.cgi?id=33245>).
fn cuts_results(version: &str) -> bool {
    let release = version.split('.').take(2).collect::<Vec<_>>().join(".");
    release == "2.41" || release == "2.42"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_tells_the_version() {
        let banner =
            |text: &str| version(format!("\0x\0GNU C Library {text}\nCopyright").as_bytes());
        assert_eq!(banner("(Debian GLIBC 2.36-9) stable release version 2.36.").unwrap(), "2.36");
        assert_eq!(
            banner("(GNU libc) development release version 2.42.9000.").unwrap(),
            "2.42.9000"
        );
        assert_eq!(banner("(GNU libc)"), None);
        assert_eq!(version(b"release version 2.36."), None);
    }

    #[test]
    fn two_versions_cut_results() {
        for (version, cuts) in
            [("2.40", false), ("2.41", true), ("2.42", true), ("2.42.9000", true), ("2.4", false)]
        {
            assert_eq!(cuts_results(version), cuts, "{version}");
        }
    }

    #[test]
    fn the_library_is_found_among_the_mapped_files() {
        let line = |path: &str| format!("7f-80 r-xp 00000000 fe:00 12 {path}\n");
        let maps = format!("{}{}", line("[heap]"), line("/usr/lib/libc.so.6"));
        assert_eq!(mapped(&maps), Some(("glibc", "/usr/lib/libc.so.6".into())));
        assert_eq!(mapped(&line("/lib/ld-musl-x86_64.so.1")).unwrap().0, "musl");
        assert_eq!(mapped(&line("/usr/lib/libcfr.so")), None);
    }
}
