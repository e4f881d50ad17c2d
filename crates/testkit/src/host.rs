//! A program of c-tests/ as a host of the library. Each run has a new directory, and everything that
//! the run leaves is compared with a run without the library.

use super::{Output, Run, Scratch, compile};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// A program that is run repeatedly. It gets the path of the log as an argument.
pub struct Host {
    /// The program, and its arguments before the path of the log.
    command: Vec<OsString>,
    /// The arguments after the path of the log.
    args: Vec<OsString>,
}

/// The result of one run of a [`Host`].
pub struct HostRun {
    pub output: Output,
    /// Everything in the directory that it ran in, by relative path.
    pub files: BTreeMap<String, LeftFile>,
    /// The number of calls that the program reports.
    pub calls: usize,
    /// The contents of the log file; empty if there is none.
    pub log: Vec<u8>,
}

/// A directory entry that a program leaves.
#[derive(PartialEq, Eq)]
pub enum LeftFile {
    /// A regular file and its contents.
    Regular(Vec<u8>),
    /// A directory or a special file.
    Other(fs::FileType),
}

impl Host {
    /// Compiles `c-tests/hazards/PROGRAM.c` for the test `test`. `args` follow the path of the log.
    pub fn new(test: &str, program: &str, args: &[&str]) -> Host {
        Host::of([compile(&format!("hazards/{program}.c"), &format!("hazard-{test}"), &[])], args)
    }

    /// Creates a host from a command line. `args` follow the path of the log.
    pub fn of<S: Into<OsString>>(command: impl IntoIterator<Item = S>, args: &[&str]) -> Host {
        Host {
            command: command.into_iter().map(Into::into).collect(),
            args: args.iter().map(OsString::from).collect(),
        }
    }

    /// Runs the program in a new directory. `prepare` gets the run and the path of the log, and sets
    /// the environment.
    pub fn run(&self, prepare: impl FnOnce(Run, &Path) -> Run) -> HostRun {
        self.run_in::<OsString>(&std::env::temp_dir(), [], prepare)
    }

    /// Runs the program in a new directory below `parent`. `wrapper` is a command that starts it, such
    /// as strace; it may be empty.
    pub fn run_in<S: Into<OsString>>(
        &self,
        parent: &Path,
        wrapper: impl IntoIterator<Item = S>,
        prepare: impl FnOnce(Run, &Path) -> Run,
    ) -> HostRun {
        let (data, logs) = (Scratch::below(parent), Scratch::new());
        // Some programs change their user.
        for directory in [&data, &logs] {
            directory.open_to_all();
        }
        let log = logs.file("log");
        let mut command = wrapper.into_iter().map(Into::into).chain(self.command.iter().cloned());
        let run = Run::bare(command.next().expect("a program"))
            .args(command)
            .args([log.as_os_str()])
            .args(&self.args)
            .within(data.path());
        let output = prepare(run, &log).output();
        let mut files = BTreeMap::new();
        read_files(data.path(), "", &mut files);
        // A file of this name that is not a report stays among the files.
        let calls = files.get("calls").and_then(reported_calls);
        if calls.is_some() {
            files.remove("calls");
        }
        HostRun {
            output,
            files,
            calls: calls.unwrap_or_default(),
            log: if log.is_file() { fs::read(&log).expect("the log") } else { Vec::new() },
        }
    }
}

impl HostRun {
    /// Returns the reason if the program cannot run on this machine. It then exits with automake's
    /// status for a skipped test, 77.
    pub fn skip_reason(&self) -> Option<&str> {
        (self.output.status == Some(77)).then(|| self.output.stdout.trim())
    }

    /// Describes the first difference from the bare run, if there is one: status, signal, standard
    /// output, the host's own lines on standard error, or a file.
    pub fn difference(&self, bare: &HostRun) -> Option<String> {
        let end = |run: &HostRun| {
            let Output { status, signal, stdout, .. } = &run.output;
            (*status, *signal, stdout.clone())
        };
        if end(self) != end(bare) {
            let (with, without) = (end(self), end(bare));
            return Some(format!("end: {with:?}, bare {without:?}: {:?}", self.end_of_stderr()));
        }
        if self.host_lines() != bare.host_lines() {
            let (with, without) = (self.end_of_stderr(), bare.end_of_stderr());
            return Some(format!("standard error: {with:?}, bare {without:?}"));
        }
        let names = |run: &HostRun| run.files.keys().cloned().collect::<Vec<_>>();
        if names(self) != names(bare) {
            return Some(format!("files: {:?}, bare {:?}", names(self), names(bare)));
        }
        self.files.iter().zip(bare.files.values()).find_map(|((name, file), in_bare)| {
            let content = match file {
                LeftFile::Regular(bytes) => {
                    String::from_utf8_lossy(bytes.get(..400).unwrap_or(bytes))
                }
                LeftFile::Other(kind) => format!("{kind:?}").into(),
            };
            (file != in_bare).then(|| format!("file {name} differs; it holds {content:?}"))
        })
    }

    /// Fails the test if the run differs from the bare one. `what` is printed with the difference.
    #[track_caller]
    pub fn must_equal(&self, bare: &HostRun, what: impl std::fmt::Debug) {
        let difference = self.difference(bare);
        assert_eq!(difference, None, "{what:?}");
    }

    /// Returns the lines of standard error without those of the library and strace.
    fn host_lines(&self) -> Vec<&str> {
        let observers = ["cfr: ", "strace: "];
        let is_hosts = |line: &&str| !observers.iter().any(|start| line.starts_with(start));
        self.output.stderr.lines().filter(is_hosts).collect()
    }

    /// Returns the last 600 characters of standard error, for a message.
    fn end_of_stderr(&self) -> String {
        let stderr: Vec<_> = self.output.stderr.chars().collect();
        stderr.get(stderr.len().saturating_sub(600)..).unwrap_or_default().iter().collect()
    }
}

/// Returns the sum of the calls that the program and its children report, one number a line.
fn reported_calls(file: &LeftFile) -> Option<usize> {
    let LeftFile::Regular(bytes) = file else { return None };
    let numbers = str::from_utf8(bytes).ok()?.lines().map(str::parse::<usize>);
    numbers.sum::<Result<_, _>>().ok()
}

/// Adds everything below `directory` to `files`, by relative path; `prefix` is that of `directory`.
fn read_files(directory: &Path, prefix: &str, files: &mut BTreeMap<String, LeftFile>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            read_files(&entry.path(), &format!("{name}/"), files);
        }
        let file = if kind.is_file() {
            // Reading fails for a sparse file that is larger than memory.
            fs::read(entry.path()).map_or_else(|error| panic!("{name}: {error}"), LeftFile::Regular)
        } else {
            LeftFile::Other(kind)
        };
        files.insert(name, file);
    }
}
