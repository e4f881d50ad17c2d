//! How a hazard's program is built and started, and what is loaded beside it.

use crate::mode::{Backend, Mode, Saying};
use crate::table::{Hazard, Stage};
use cfr_testkit::{Filesystems, Host, Run, Scratch, compile, find_program, library};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// They wait, look at paths, and count calls by thread and path.
const HARMLESS_FAULTS: &str = "delay_enter=1ns:delay_exit=1ns;error=EIO:path=/nowhere/*:per=path;\
                               zero:per=thread:when=1000000000";

/// A user without privileges, by number.
const NOBODY: &str = "65534";

/// A hazard that can be run.
pub struct Staged {
    bare: Host,
    /// The same program, where it is built otherwise for the library.
    with_library: Option<Host>,
    /// Where it runs.
    pub place: PathBuf,
    /// What is preloaded in every mode: before the library's place, and behind it.
    before: Option<PathBuf>,
    behind: Option<PathBuf>,
    /// The library comes by its own way, without `LD_PRELOAD`.
    is_opened: bool,
    /// What is in the environment in every mode.
    environment: Vec<(&'static str, &'static str)>,
    /// Holds what the programs are started from.
    _scratch: Option<Scratch>,
}

impl Staged {
    /// Builds what the hazard needs.
    ///
    /// # Errors
    ///
    /// Why it cannot be tried here.
    pub fn new(hazard: &Hazard, filesystems: &Filesystems) -> Result<Staged, String> {
        let source = format!("{}.c", hazard.program);
        let name = format!("torture-{}", hazard.name.replace(' ', "-"));
        let host = |flags: &[&str]| Host::of([compile(&source, &name, flags)], hazard.words);
        let mut staged = Staged {
            bare: host(&[]),
            with_library: None,
            place: std::env::temp_dir(),
            before: None,
            behind: None,
            is_opened: false,
            environment: Vec::new(),
            _scratch: None,
        };
        match hazard.stage {
            Stage::Plain => {}
            Stage::Sanitized(sanitizer) => {
                let runtime = match sanitizer {
                    "address" => "libasan.so",
                    _ => "libtsan.so",
                };
                staged.before = Some(installed(runtime)?);
                // Of code that it has not compiled it sees no locks; and a thread that is not joined
                // yet when the process forks is no leak.
                let options = "ignore_noninstrumented_modules=1:report_thread_leaks=0";
                staged.environment.push(("TSAN_OPTIONS", options));
                staged.bare = host(&[&format!("-fsanitize={sanitizer}")]);
            }
            Stage::Behind(other) => staged.before = Some(beside(other)?),
            Stage::Before(other) => staged.behind = Some(beside(other)?),
            Stage::Opening(other) => {
                let other = beside(other)?;
                let word = other.to_str().expect("UTF-8");
                staged.bare = Host::of([compile(&source, &name, &[])], &[word]);
            }
            Stage::Opened(more) => {
                staged.is_opened = true;
                let more: Vec<_> =
                    more.iter().map(|other| beside(other)).collect::<Result<_, _>>()?;
                let of = |library: &Path| {
                    let words = std::iter::once(library).chain(more.iter().map(PathBuf::as_path));
                    let words: Vec<_> = words.map(|word| word.to_str().expect("UTF-8")).collect();
                    Host::of([compile(&source, &name, &[])], &words)
                };
                staged.bare = of(Path::new("libc.so.6"));
                staged.with_library = Some(of(&library()));
            }
            Stage::SetUserId => {
                let scratch = Scratch::new();
                staged.bare = set_user_id(&source, &name, &scratch, None)?;
                staged.with_library = Some(set_user_id(&source, &name, &scratch, Some(library()))?);
                staged._scratch = Some(scratch);
            }
            Stage::Hook(hook) => {
                staged.environment.push(("HOOK", hook));
                if hook.starts_with('F') {
                    let point = filesystems.get("btrfs").ok_or("no btrfs to share blocks on")?;
                    point.clone_into(&mut staged.place);
                }
            }
        }
        Ok(staged)
    }

    /// The program for this mode.
    pub fn host(&self, mode: Mode) -> &Host {
        match (mode, &self.with_library) {
            (Mode::Library(..), Some(host)) => host,
            _ => &self.bare,
        }
    }

    /// What is preloaded in this mode, as LD_PRELOAD has it.
    fn preloaded(&self, mode: Mode) -> String {
        let ours = (matches!(mode, Mode::Library(..)) && !self.is_opened).then(library);
        let all: Vec<_> = [&self.before, &ours, &self.behind]
            .into_iter()
            .flatten()
            .map(|path| path.to_str().expect("UTF-8"))
            .collect();
        all.join(":")
    }

    /// Who starts the program in this mode.
    pub fn starter(&self, mode: Mode) -> Vec<OsString> {
        if mode != Mode::Strace {
            return Vec::new();
        }
        let mut words: Vec<_> = ["strace", "-f", "-o", "/dev/null"].map(OsString::from).into();
        let preloaded = self.preloaded(mode);
        if !preloaded.is_empty() {
            // Not into strace itself.
            words.extend(["-E".into(), format!("LD_PRELOAD={preloaded}").into()]);
        }
        words
    }

    /// The environment for this mode.
    pub fn prepare(&self, mode: Mode, mut run: Run, log: &Path) -> Run {
        let preloaded = self.preloaded(mode);
        if !preloaded.is_empty() && mode != Mode::Strace {
            run = run.env("LD_PRELOAD", preloaded);
        }
        for (name, value) in &self.environment {
            run = run.env(name, value);
        }
        let Mode::Library(saying, backend) = mode else { return run };
        if backend == Backend::Emulate {
            run = run.env("CFR_BACKEND", "emulate");
        }
        if self.is_opened {
            run = run.env("CFR_LOG", "info");
        }
        // Its calls are those of whoever comes next.
        if self.behind.is_some() {
            run = run.env("CFR_FORWARD", "next");
        }
        match saying {
            Saying::Nothing => run.env("CFR_LOG", "off"),
            Saying::TextOnStderr => run,
            Saying::TextInFile => run.env("CFR_LOG_FILE", log),
            Saying::JsonInFile => run.env("CFR_LOG_FILE", log).env("CFR_LOG_FORMAT", "json"),
            Saying::Summary => run.env("CFR_LOG", "off").env("CFR_SUMMARY", "yes"),
            Saying::Faults => run.env("CFR_LOG_FILE", log).env("CFR_INJECT", HARMLESS_FAULTS),
        }
    }
}

/// A library of c-tests/, by its source, or one that is installed.
fn beside(other: &str) -> Result<PathBuf, String> {
    match other.strip_suffix(".c") {
        Some(name) => Ok(compile(other, &format!("torture-{name}.so"), &["-shared", "-fPIC"])),
        None => installed(other),
    }
}

/// A library that the compiler finds.
fn installed(library: &str) -> Result<PathBuf, String> {
    let path = Command::new("cc").arg(format!("-print-file-name={library}")).output();
    let path = path.map_err(|error| format!("cc: {error}"))?.stdout;
    let path = String::from_utf8_lossy(&path);
    fs::canonicalize(path.trim()).map_err(|_| format!("{library} is not installed"))
}

/// A copy of the program that is root's whoever starts it, and is started by somebody else. The
/// dynamic linker ignores LD_PRELOAD there: the library is linked, by a path that is spelled out.
fn set_user_id(
    source: &str,
    name: &str,
    scratch: &Scratch,
    library: Option<PathBuf>,
) -> Result<Host, String> {
    if !is_root() {
        return Err("only root may become another user".to_owned());
    }
    find_program("setpriv").ok_or("setpriv is not installed")?;
    scratch.open_to_all();
    let kind = if library.is_some() { "linked" } else { "plain" };
    let flags = match library {
        None => Vec::new(),
        Some(library) => {
            let copy = scratch.write("libcfr.so.0", &fs::read(library).expect("the library"));
            let below = scratch.path().display();
            let copy = copy.to_str().expect("UTF-8").to_owned();
            vec!["-Wl,--no-as-needed".to_owned(), copy, format!("-Wl,-rpath,{below}")]
        }
    };
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let compiled = compile(source, &format!("{name}-{kind}"), &flags);
    let program = scratch.write(kind, &fs::read(compiled).expect("the program"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("it is ours");
    let starter = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
    Ok(Host::of(starter.map(OsString::from).into_iter().chain([program.into()]), &[]))
}

fn is_root() -> bool {
    // SAFETY: no arguments.
    unsafe { libc::geteuid() == 0 }
}
