//! The program to be run: where it is, and whether a preload can see it.

use crate::program::elf::{self, Elf, Source};
use crate::term::failure::{CANNOT_EXECUTE, Failure, NOT_FOUND, plain, told};
use rustix::fs::{Access, StatVfsMountFlags};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many interpreters of interpreters the kernel follows: execve(2).
const INTERPRETERS: u32 = 4;

/// It has scripts without a first line, as under execvp(3).
pub(crate) const SHELL: &str = "/bin/sh";

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
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Failure::with_status(NOT_FOUND, format!("{shown}: there is no such program"))
        }
        _ => Failure::with_status(CANNOT_EXECUTE, format!("{shown}: {}", told(&error))),
    })?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "is a directory" } else { "is no regular file" };
        return Err(Failure::with_status(CANNOT_EXECUTE, format!("{shown}: {what}")));
    }
    rustix::fs::access(path, Access::EXEC_OK).map_err(|_| {
        Failure::with_status(CANNOT_EXECUTE, format!("{shown}: may not be executed (chmod +x)"))
    })
}

/// What becomes of a program when it is executed.
#[derive(Debug)]
pub(crate) struct Executable {
    /// The scripts that lead to it, the program that was asked for first, and any env(1) between.
    pub(crate) scripts: Vec<PathBuf>,
    /// The file that the kernel loads in the end.
    pub(crate) file: PathBuf,
    /// What it is.
    pub(crate) elf: Elf,
}

/// Follows the program at `path` to the file that will be loaded: where it is a script that is its
/// interpreter, or what env(1) will find, or the shell.
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
    Source::open(path).map_or(Elf::Other, |source| elf::read(&source))
}

/// The words of the first line of a script; `None` where it is none.
fn first_line(path: &Path) -> Option<Vec<OsString>> {
    let start = start(path).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let words = line.split(|&byte| byte == b' ' || byte == b'\t').filter(|word| !word.is_empty());
    Some(words.map(|word| OsStr::from_bytes(word).to_owned()).collect())
}

/// The program that env(1) executes, with the options that first lines have.
fn through_env(arguments: &[OsString]) -> Option<PathBuf> {
    let name = arguments.iter().find(|word| {
        let word = word.as_bytes();
        !word.starts_with(b"-") && !word.contains(&b'=')
    })?;
    find(name).ok()
}

/// As much of the file as the kernel looks at to tell what it is.
fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    elf::open_regular(path)?.take(256).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether a shell would take the file for a script without a first line of its own: not where that
/// line holds a zero byte.
pub(crate) fn is_text(path: &Path) -> bool {
    start(path).is_ok_and(|start| {
        let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        !line.contains(&0)
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
    /// It must not be preloaded, for the program would not start; why.
    Fatal(String),
    /// Loaded in the usual order it ends the program; this library must be loaded before it.
    After(String),
}

/// Says whether a preload will see what the program does.
pub(crate) fn visibility(program: &Executable) -> Visibility {
    let shown = plain(&program.file);
    // The rights of a script are those of its interpreter.
    if let Some(why) = privileged(&program.file) {
        return Visibility::Unseen(format!(
            "{shown} is {why}: the dynamic linker drops LD_PRELOAD"
        ));
    }
    match &program.elf {
        Elf::Other => Visibility::Seen,
        Elf::Foreign(machine) => Visibility::Unseen(format!(
            "{shown} is a program for {machine}, libcfr.so is not: it cannot be loaded there"
        )),
        Elf::Native(native) if native.linker.is_none() && !native.is_linker() => {
            let language = if native.go { "Go program" } else { "program" };
            Visibility::Unseen(format!(
                "{shown} is a statically linked {language}: no dynamic linker, nothing is preloaded"
            ))
        }
        Elf::Native(native) if native.musl() => Visibility::Fatal(format!(
            "{shown} is linked with musl, libcfr.so with glibc: it cannot be loaded there"
        )),
        Elf::Native(native) if native.go => Visibility::Bypassed(format!(
            "{shown} is a Go program, which asks the kernel without the C library"
        )),
        Elf::Native(native) => native.sanitizer().map_or(Visibility::Seen, Visibility::After),
    }
}

/// Why the kernel will start the program with more rights than ours (`AT_SECURE`); `None` where
/// it will not.
fn privileged(path: &Path) -> Option<String> {
    const SET_USER_ID: u32 = 0o4000;
    // Without the right to execute it marked mandatory locking.
    const SET_GROUP_ID: u32 = 0o2010;
    // As in containers: then nobody gains anything.
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
