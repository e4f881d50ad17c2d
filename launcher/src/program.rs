//! The program to be run: where it is, and whether a preload can see it.

use crate::elf::{self, Elf, Native};
use crate::failure::{CANNOT_EXECUTE, Failure, NOT_FOUND, plain, told};
use rustix::fs::Access;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many interpreters of interpreters the kernel follows: execve(2).
const INTERPRETERS: u32 = 4;

/// Finds `name` as execvp(3) does.
pub(crate) fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.is_empty() {
        return Err(Failure::with_status(NOT_FOUND, "'': not found: a program has a name"));
    }
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return executable(&path).map(|()| path);
    }
    let list = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let mut refused = None;
    for directory in std::env::split_paths(&list) {
        let path = directory.join(name);
        match executable(&path) {
            Ok(()) => return Ok(path),
            Err(failure) if failure.status == CANNOT_EXECUTE => refused = refused.or(Some(failure)),
            Err(_) => {}
        }
    }
    let shown = plain(name);
    Err(refused.unwrap_or_else(|| {
        Failure::with_status(NOT_FOUND, format!("{shown}: not found on the PATH"))
    }))
}

fn executable(path: &Path) -> Result<(), Failure> {
    let shown = plain(path);
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            Failure::with_status(NOT_FOUND, format!("{shown}: there is no such program"))
        }
        _ => Failure::with_status(CANNOT_EXECUTE, format!("{shown}: {}", told(&error))),
    })?;
    if metadata.is_dir() {
        return Err(Failure::with_status(CANNOT_EXECUTE, format!("{shown}: is a directory")));
    }
    rustix::fs::access(path, Access::EXEC_OK).map_err(|_| {
        Failure::with_status(CANNOT_EXECUTE, format!("{shown}: may not be executed (chmod +x)"))
    })
}

/// Whether a preload sees what a program does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    /// It does.
    Seen,
    /// It is loaded, but the program does not go through the C library; why.
    Bypassed(String),
    /// It is not even loaded; why.
    Unseen(String),
    /// Loaded in the usual order it ends the program; this library must be loaded before it.
    After(String),
}

/// Says whether a preload will see what the program at `path` does.
pub(crate) fn visibility(path: &Path) -> Visibility {
    let shown = plain(path);
    if let Some(why) = privileged(path) {
        return Visibility::Unseen(format!(
            "{shown} is {why}: the dynamic linker drops LD_PRELOAD"
        ));
    }
    let (path, elf) = interpreted(path);
    let shown = plain(path);
    match elf {
        Elf::Other => Visibility::Seen,
        Elf::Foreign(machine) => Visibility::Unseen(format!(
            "{shown} is a program for {machine}, libcfr.so is not: it cannot be loaded there"
        )),
        Elf::Native(Native { dynamic: false, go, .. }) => {
            let language = if go { "Go program" } else { "program" };
            Visibility::Unseen(format!(
                "{shown} is a statically linked {language}: no dynamic linker, nothing is preloaded"
            ))
        }
        Elf::Native(Native { go: true, .. }) => Visibility::Bypassed(format!(
            "{shown} is a Go program, which asks the kernel without the C library"
        )),
        Elf::Native(Native { needs_asan: Some(library), .. }) => Visibility::After(library),
        Elf::Native(_) => Visibility::Seen,
    }
}

/// The file that the kernel will load: the program, or its interpreter where it is a script.
fn interpreted(path: &Path) -> (PathBuf, Elf) {
    let mut path = path.to_owned();
    for _ in 0..INTERPRETERS {
        match interpreter(&path) {
            Some(next) => path = next,
            None => break,
        }
    }
    let elf = elf::read(&path);
    (path, elf)
}

/// The interpreter that the first line of a script names.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    fs::File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let word = line.split(|&byte| byte == b' ' || byte == b'\t').find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsString::from(OsStr::from_bytes(word))))
}

/// Why the kernel will start the program with more rights than ours (`AT_SECURE`); `None` where
/// it will not.
fn privileged(path: &Path) -> Option<String> {
    const SET_USER_ID: u32 = 0o4000;
    const SET_GROUP_ID: u32 = 0o2000;
    // As in containers: then nobody gains anything.
    if rustix::thread::no_new_privs().unwrap_or(false) {
        return None;
    }
    let metadata = fs::metadata(path).ok()?;
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    if metadata.mode() & SET_USER_ID != 0 && metadata.uid() != user.as_raw() {
        return Some("set-user-ID".into());
    }
    if metadata.mode() & SET_GROUP_ID != 0 && metadata.gid() != group.as_raw() {
        return Some("set-group-ID".into());
    }
    let mut value = [0; 64];
    let capable = rustix::fs::getxattr(path, "security.capability", &mut value).is_ok();
    (capable && !user.is_root()).then(|| "a program with capabilities of its own".into())
}
