//! Builds and starts the program of a hazard, and loads the libraries beside it.

use crate::mode::{Backend, LogOutput, Mode};
use crate::table::{Hazard, Setup};
use cfr_testkit::{
    Filesystems, Host, Run, Scratch, compile, find_program, is_foreign, is_root, launcher, library,
    userland,
};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Faults that exercise delays, paths and counts by thread and by path, and change no result.
const HARMLESS_FAULTS: &str = "delay_enter=1ns:delay_exit=1ns;error=EIO:path=/nowhere/*:per=path:when=1+;\
                               zero:per=thread:when=1000000000";

/// The number of the user nobody.
const NOBODY: &str = "65534";

/// A hazard's program, ready to run in every mode.
pub struct PreparedHost {
    bare: Host,
    /// The program for the modes with the library, if it differs.
    with_library: Option<Host>,
    /// The directory in which the program's own is created.
    pub directory: PathBuf,
    /// The library before libcfr.so in `LD_PRELOAD`, in every mode.
    preloaded_first: Option<PathBuf>,
    /// The library after libcfr.so in `LD_PRELOAD`, in every mode.
    preloaded_last: Option<PathBuf>,
    /// Whether the program loads libcfr.so itself, without `LD_PRELOAD`.
    opens_library: bool,
    /// Whether the supervisor writes a log.
    is_logged_supervised: bool,
    /// Environment variables of every mode.
    environment: Vec<(&'static str, &'static str)>,
    /// Holds the set-user-ID programs until they have run.
    _scratch: Option<Scratch>,
}

impl PreparedHost {
    /// Builds the program and the libraries that the hazard needs.
    ///
    /// # Errors
    ///
    /// Returns the reason if the hazard cannot run on this machine.
    pub fn new(hazard: &Hazard, filesystems: &Filesystems) -> Result<PreparedHost, String> {
        if is_foreign()
            && let Some(reason) = not_emulated(hazard.program)
        {
            return Err(reason.to_owned());
        }
        let source = format!("hazards/{}.c", hazard.program);
        let name = format!("hazard-{}", hazard.name.replace(' ', "-"));
        let program = |flags: &[&str]| Host::of([compile(&source, &name, flags)], hazard.args);
        let mut host = PreparedHost {
            bare: program(&[]),
            with_library: None,
            directory: std::env::temp_dir(),
            preloaded_first: None,
            preloaded_last: None,
            opens_library: false,
            is_logged_supervised: hazard.is_logged_supervised(),
            environment: Vec::new(),
            _scratch: None,
        };
        match hazard.setup {
            Setup::Plain => {}
            Setup::Sanitized(sanitizer) => {
                let runtime = match sanitizer {
                    "address" => "libasan.so",
                    _ => "libtsan.so",
                };
                host.preloaded_first = Some(installed(runtime)?);
                // ThreadSanitizer reports a thread that is not yet joined when the process forks.
                host.environment.push(("TSAN_OPTIONS", "report_thread_leaks=0"));
                host.bare = program(&[&format!("-fsanitize={sanitizer}")]);
            }
            Setup::PreloadedAfter(other) => host.preloaded_first = Some(shared_library(other)?),
            Setup::PreloadedBefore(other) => host.preloaded_last = Some(shared_library(other)?),
            Setup::InitializedFirst(other) => {
                host.preloaded_last = Some(compiled_library(other, &["-Wl,-z,initfirst"]));
            }
            Setup::OpensOther(other) => {
                let other = shared_library(other)?;
                let arg = other.to_str().expect("UTF-8");
                host.bare = Host::of([compile(&source, &name, &[])], &[arg]);
            }
            Setup::OpensLibrary(others) => {
                host.opens_library = true;
                let others: Vec<_> =
                    others.iter().map(|other| shared_library(other)).collect::<Result<_, _>>()?;
                let opening = |library: &Path| {
                    let paths = std::iter::once(library).chain(others.iter().map(PathBuf::as_path));
                    let args: Vec<_> = paths.map(|path| path.to_str().expect("UTF-8")).collect();
                    Host::of([compile(&source, &name, &[])], &args)
                };
                host.bare = opening(Path::new("libc.so.6"));
                host.with_library = Some(opening(&library()));
            }
            Setup::SetUserId => {
                let scratch = Scratch::new();
                host.bare = set_user_id(&source, &name, &scratch, None)?;
                host.with_library = Some(set_user_id(&source, &name, &scratch, Some(library()))?);
                host._scratch = Some(scratch);
            }
            Setup::Hook(hook) => {
                host.environment.push(("HOOK", hook));
                if hook.starts_with('F') {
                    let mount_point =
                        filesystems.get("btrfs").ok_or("btrfs, which shares blocks, is missing")?;
                    mount_point.clone_into(&mut host.directory);
                }
            }
        }
        Ok(host)
    }

    /// Returns the program to run in `mode`.
    pub fn program(&self, mode: Mode) -> &Host {
        match (mode, &self.with_library) {
            (Mode::Library(..), Some(host)) => host,
            _ => &self.bare,
        }
    }

    /// Returns the value of `LD_PRELOAD` in `mode`.
    fn preloaded(&self, mode: Mode) -> String {
        let ours = (matches!(mode, Mode::Library(..)) && !self.opens_library).then(library);
        let all: Vec<_> = [&self.preloaded_first, &ours, &self.preloaded_last]
            .into_iter()
            .flatten()
            .map(|path| path.to_str().expect("UTF-8"))
            .collect();
        all.join(":")
    }

    /// Returns the command that starts the program in `mode`: strace, the launcher, or none.
    pub fn wrapper(&self, mode: Mode) -> Vec<OsString> {
        let preloaded = self.preloaded(mode);
        let has_preloaded = !preloaded.is_empty();
        let preloaded = format!("LD_PRELOAD={preloaded}");
        let words: &[&str] = match mode {
            // -E sets the variable for the program and not for strace itself.
            Mode::Strace if has_preloaded => &["strace", "-f", "-o", "/dev/null", "-E", &preloaded],
            Mode::Strace => &["strace", "-f", "-o", "/dev/null"],
            // env(1) takes the library out again.
            Mode::Supervised if has_preloaded => &["run", "--reach=all", "--", "env", &preloaded],
            Mode::Supervised => &["run", "--reach=all", "--", "env", "-u", "LD_PRELOAD"],
            Mode::Bare | Mode::Library(..) => return Vec::new(),
        };
        let launcher = (mode == Mode::Supervised).then(|| launcher().into_os_string());
        launcher.into_iter().chain(words.iter().map(OsString::from)).collect()
    }

    /// Sets the environment variables of `mode`.
    pub fn prepare(&self, mode: Mode, mut run: Run, log: &Path) -> Run {
        let preloaded = self.preloaded(mode);
        if !preloaded.is_empty() && !matches!(mode, Mode::Strace | Mode::Supervised) {
            run = run.env("LD_PRELOAD", preloaded);
        }
        for (name, value) in &self.environment {
            run = run.env(name, value);
        }
        if mode == Mode::Supervised {
            return if self.is_logged_supervised {
                run.env("CFR_LOG", "info").env("CFR_LOG_FILE", log)
            } else {
                run.env("CFR_LOG", "off")
            };
        }
        let Mode::Library(output, backend) = mode else { return run };
        if backend == Backend::Emulate {
            run = run.env("CFR_BACKEND", "emulate");
        }
        if self.opens_library {
            run = run.env("CFR_LOG", "info");
        }
        // The library behind libcfr.so must get the calls.
        if self.preloaded_last.is_some() {
            run = run.env("CFR_FORWARD", "next");
        }
        match output {
            LogOutput::Off => run.env("CFR_LOG", "off"),
            LogOutput::TextOnStderr => run,
            LogOutput::TextInFile => run.env("CFR_LOG_FILE", log),
            LogOutput::JsonInFile => run.env("CFR_LOG_FILE", log).env("CFR_LOG_FORMAT", "json"),
            LogOutput::Summary => run.env("CFR_LOG", "off").env("CFR_SUMMARY", "yes"),
            LogOutput::Faults => run.env("CFR_LOG_FILE", log).env("CFR_INJECT", HARMLESS_FAULTS),
        }
    }
}

/// Returns why a program for another machine cannot show under qemu's user emulation what it shows on
/// that machine.
fn not_emulated(program: &str) -> Option<&'static str> {
    match program {
        "vfork_copies" | "vfork_often" => Some("qemu makes vfork(2) a fork(2)"),
        "vfork_exec" => Some("it starts programs of this machine"),
        "forks_from_threads" => Some("qemu may hang in a child that a program with threads forks"),
        _ => None,
    }
}

/// Returns a shared library: compiled if `other` is a source in c-tests/, or the installed one.
fn shared_library(other: &str) -> Result<PathBuf, String> {
    if other.ends_with(".c") { Ok(compiled_library(other, &[])) } else { installed(other) }
}

/// Compiles a source in c-tests/ to a shared library.
fn compiled_library(source: &str, flags: &[&str]) -> PathBuf {
    let name = source.replace(['/', '.'], "-");
    let name = format!("hazard-{name}{}.so", flags.concat().replace(',', "-"));
    compile(source, &name, &[&["-shared", "-fPIC"], flags].concat())
}

/// Returns the path at which the compiler finds `library`.
fn installed(library: &str) -> Result<PathBuf, String> {
    if userland().is_some() {
        return Err(format!("{library} of the other userland is not installed"));
    }
    let path = Run::bare("cc").args([format!("-print-file-name={library}")]).ok().stdout;
    fs::canonicalize(path.trim()).map_err(|_| format!("{library} is not installed"))
}

/// Returns the program as set-user-ID root, started by the user nobody. The dynamic linker then
/// ignores `LD_PRELOAD`, so the library is linked, by an absolute path.
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
            let directory = scratch.path().display();
            let copy = copy.to_str().expect("UTF-8").to_owned();
            vec!["-Wl,--no-as-needed".to_owned(), copy, format!("-Wl,-rpath,{directory}")]
        }
    };
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let compiled = compile(source, &format!("{name}-{kind}"), &flags);
    let program = scratch.write(kind, &fs::read(compiled).expect("the program"));
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).expect("the test's own file");
    let starter = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
    Ok(Host::of(starter.map(OsString::from).into_iter().chain([program.into()]), &[]))
}
