//! Finds a program, and determines whether a preload can see its copies.

use crate::program::elf::{self, Elf, ElfFile};
use crate::term::failure::{CANNOT_EXECUTE, Failure, NOT_FOUND, describe, printable};
use rustix::fs::{Access, StatVfsMountFlags};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The depth of interpreters that the kernel follows: execve(2).
const INTERPRETERS: u32 = 4;

/// The shell, which runs scripts without a `#!` line, as in execvp(3).
pub(crate) const SHELL: &str = "/bin/sh";

/// Finds a program as execvp(3) does.
pub(crate) fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.is_empty() {
        return Err(Failure::with_status(NOT_FOUND, "the name of the program is empty"));
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
    let shown = printable(name);
    let here = Path::new(".").join(name);
    let hint = if executable(&here).is_ok() {
        format!("; did you mean {}?", printable(&here))
    } else if shown.contains(' ') {
        "; arguments are words of their own, and a line for the shell needs sh -c".to_owned()
    } else {
        String::new()
    };
    Err(refused.unwrap_or_else(|| {
        Failure::with_status(NOT_FOUND, format!("{shown}: not found on the PATH{hint}"))
    }))
}

fn executable(path: &Path) -> Result<(), Failure> {
    let shown = printable(path);
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Failure::with_status(NOT_FOUND, format!("{shown}: no such program"))
        }
        _ => Failure::with_status(CANNOT_EXECUTE, format!("{shown}: {}", describe(&error))),
    })?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "is a directory" } else { "is not a regular file" };
        return Err(Failure::with_status(CANNOT_EXECUTE, format!("{shown}: {what}")));
    }
    rustix::fs::access(path, Access::EXEC_OK).map_err(|_| {
        Failure::with_status(CANNOT_EXECUTE, format!("{shown}: not executable (chmod +x)"))
    })
}

/// A program, followed through its scripts.
#[derive(Debug)]
pub(crate) struct Executable {
    /// The scripts and any env(1) between, the program that was asked for first.
    pub(crate) scripts: Vec<PathBuf>,
    /// The file that the kernel loads.
    pub(crate) file: PathBuf,
    pub(crate) elf: Elf,
}

/// Follows a script to the file that the kernel loads: its interpreter, the program that env(1)
/// finds, or the shell.
pub(crate) fn follow(path: &Path) -> Executable {
    let mut scripts = Vec::new();
    let mut file = path.to_owned();
    for _ in 0..INTERPRETERS {
        let Some(words) = first_line(&file) else { break };
        let Some((interpreter, arguments)) = words.split_first() else { break };
        scripts.push(std::mem::replace(&mut file, interpreter.into()));
        if file.file_name() == Some(OsStr::new("env"))
            && let Some(found) = through_env(arguments)
        {
            scripts.push(std::mem::replace(&mut file, found));
        }
    }
    let mut elf = read(&file);
    if matches!(elf, Elf::Other) && is_text(&file) {
        scripts.push(std::mem::replace(&mut file, SHELL.into()));
        elf = read(&file);
    }
    Executable { scripts, file, elf }
}

fn read(path: &Path) -> Elf {
    ElfFile::open(path).map_or(Elf::Other, |source| elf::read(&source))
}

/// Returns the words of the `#!` line; `None` if the file has none.
fn first_line(path: &Path) -> Option<Vec<OsString>> {
    let start = start(path).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let words = line.split(|&byte| byte == b' ' || byte == b'\t').filter(|word| !word.is_empty());
    Some(words.map(|word| OsStr::from_bytes(word).to_owned()).collect())
}

/// Returns the program that env(1) executes, past its options and variables.
fn through_env(arguments: &[OsString]) -> Option<PathBuf> {
    let name = arguments.iter().find(|word| {
        let word = word.as_bytes();
        !word.starts_with(b"-") && !word.contains(&b'=')
    })?;
    find(name).ok()
}

/// Returns the bytes that the kernel reads to determine the type of a file.
fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    elf::open_regular(path)?.take(256).read_to_end(&mut start)?;
    Ok(start)
}

/// Reports whether a shell would run the file as a script without `#!`: its first line has no zero
/// byte.
pub(crate) fn is_text(path: &Path) -> bool {
    start(path).is_ok_and(|start| {
        let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        !line.contains(&0)
    })
}

/// Reports whether the kernel or a shell executes the file by itself, without a handler of
/// binfmt_misc.
pub(crate) fn has_known_format(path: &Path) -> bool {
    is_text(path) || start(path).is_ok_and(|start| start.starts_with(b"\x7fELF"))
}

/// Whether a preload can see the copies of a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    Seen,
    /// The library is loaded, but the program does not use the C library; with the reason.
    Bypassed(String),
    /// The library is not loaded; with the reason.
    Unseen(String),
}

/// Determines whether a preload can see the copies of a program.
pub(crate) fn visibility(program: &Executable) -> Visibility {
    let shown = printable(&program.file);
    // A script runs with the privileges of its interpreter.
    if let Some(why) = privileged(&program.file) {
        return Visibility::Unseen(format!(
            "{shown} is {why}: the dynamic linker drops LD_PRELOAD"
        ));
    }
    match &program.elf {
        Elf::Other => Visibility::Seen,
        Elf::Foreign(machine) => Visibility::Unseen(format!(
            "{shown} is a program for {machine}: libcfr.so cannot be loaded into it"
        )),
        Elf::Native(native) if native.linker.is_none() && !native.is_linker(&program.file) => {
            let language = if native.go { "Go program" } else { "program" };
            Visibility::Unseen(format!(
                "{shown} is a statically linked {language}: nothing can be preloaded into it"
            ))
        }
        Elf::Native(native) if native.go => Visibility::Bypassed(format!(
            "{shown} is a Go program, which makes system calls without the C library"
        )),
        Elf::Native(_) => Visibility::Seen,
    }
}

/// Returns the reason why the kernel starts the program with more privileges (`AT_SECURE`); `None`
/// if it does not.
pub(crate) fn privileged(path: &Path) -> Option<String> {
    const SET_USER_ID: u32 = 0o4000;
    // Without the execute bit, this bit means mandatory locking.
    const SET_GROUP_ID: u32 = 0o2010;
    // No program gains privileges then, e.g. in containers.
    if rustix::thread::no_new_privs().unwrap_or(false) {
        return None;
    }
    let mount = rustix::fs::statvfs(path).ok()?;
    if mount.f_flag.contains(StatVfsMountFlags::NOSUID) {
        return None;
    }
    let metadata = fs::metadata(path).ok()?;
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    if metadata.mode() & SET_USER_ID != 0 && metadata.uid() != user.as_raw() {
        return Some("set-user-ID".into());
    }
    if metadata.mode() & SET_GROUP_ID == SET_GROUP_ID && metadata.gid() != group.as_raw() {
        return Some("set-group-ID".into());
    }
    let mut value = [0; 64];
    let capable = rustix::fs::getxattr(path, "security.capability", &mut value).is_ok();
    (capable && !user.is_root()).then(|| "a program with capabilities of its own".into())
}
