//! A program of c-tests/ as a host: run over and over, each time in a new directory, and everything
//! that it leaves.

use super::{Output, Run, Scratch, compile};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// A program to run, over and over.
pub struct Host {
    /// The program, and its words before and after the log's path.
    command: Vec<OsString>,
    words: Vec<OsString>,
}

/// What came of it.
pub struct Outcome {
    /// What it wrote and how it ended.
    pub output: Output,
    /// Everything that it left, by its path in the directory that it ran in.
    pub files: BTreeMap<String, Left>,
    /// How many calls it reports.
    pub calls: usize,
    /// The log file's bytes.
    pub log: Vec<u8>,
}

/// What a program leaves under a name.
#[derive(PartialEq, Eq)]
pub enum Left {
    /// A regular file.
    File(Vec<u8>),
    /// Anything else.
    Other(fs::FileType),
}

impl Host {
    /// Of `c-tests/hazards/PROGRAM.c`, compiled for this test, with these words after the log's path.
    pub fn new(test: &str, program: &str, words: &[&str]) -> Host {
        Host::of([compile(&format!("hazards/{program}.c"), &format!("hazard-{test}"), &[])], words)
    }

    /// Of a command line that was made elsewhere.
    pub fn of<S: Into<OsString>>(command: impl IntoIterator<Item = S>, words: &[&str]) -> Host {
        Host {
            command: command.into_iter().map(Into::into).collect(),
            words: words.iter().map(OsString::from).collect(),
        }
    }

    /// Runs it with the environment that `prepare` gives it, who is told the log's path.
    pub fn run(&self, prepare: impl FnOnce(Run, &Path) -> Run) -> Outcome {
        self.run_in::<OsString>(&std::env::temp_dir(), [], prepare)
    }

    /// The same, in a directory below this one, and started by another program.
    pub fn run_in<S: Into<OsString>>(
        &self,
        place: &Path,
        starter: impl IntoIterator<Item = S>,
        prepare: impl FnOnce(Run, &Path) -> Run,
    ) -> Outcome {
        let (data, logs) = (Scratch::below(place), Scratch::new());
        // Some become other users.
        for directory in [&data, &logs] {
            directory.open_to_all();
        }
        let log = logs.file("log");
        let mut command = starter.into_iter().map(Into::into).chain(self.command.iter().cloned());
        let run = Run::bare(command.next().expect("a program"))
            .args(command)
            .args([log.as_os_str()])
            .args(&self.words)
            .within(data.path());
        let output = prepare(run, &log).output();
        let mut files = BTreeMap::new();
        read_files(data.path(), "", &mut files);
        // What is no report stays among the files.
        let calls = files.get("calls").and_then(reported);
        if calls.is_some() {
            files.remove("calls");
        }
        Outcome {
            output,
            files,
            calls: calls.unwrap_or_default(),
            log: if log.is_file() { fs::read(&log).expect("the log") } else { Vec::new() },
        }
    }
}

impl Outcome {
    /// Whether the program says, by automake's status for it, that it cannot run here: why.
    pub fn cannot(&self) -> Option<&str> {
        (self.output.status == Some(77)).then(|| self.output.stdout.trim())
    }

    /// In what the host did something else than in `bare`.
    pub fn difference(&self, bare: &Outcome) -> Option<String> {
        let ended = |outcome: &Outcome| {
            let Output { status, signal, stdout, .. } = &outcome.output;
            (*status, *signal, stdout.clone())
        };
        if ended(self) != ended(bare) {
            let (now, then) = (ended(self), ended(bare));
            return Some(format!("ended {now:?}, bare {then:?}: {:?}", self.end_of_stderr()));
        }
        if self.host_lines() != bare.host_lines() {
            let (now, then) = (self.end_of_stderr(), bare.end_of_stderr());
            return Some(format!("standard error {now:?}, bare {then:?}"));
        }
        let names = |outcome: &Outcome| outcome.files.keys().cloned().collect::<Vec<_>>();
        if names(self) != names(bare) {
            return Some(format!("left {:?}, bare {:?}", names(self), names(bare)));
        }
        self.files.iter().zip(bare.files.values()).find_map(|((name, left), in_bare)| {
            let held = match left {
                Left::File(bytes) => String::from_utf8_lossy(bytes.get(..400).unwrap_or(bytes)),
                Left::Other(kind) => format!("{kind:?}").into(),
            };
            (left != in_bare).then(|| format!("{name} holds {held:?}"))
        })
    }

    /// The host did the same as without us.
    #[track_caller]
    pub fn must_equal(&self, bare: &Outcome, what: impl std::fmt::Debug) {
        let difference = self.difference(bare);
        assert_eq!(difference, None, "{what:?}");
    }

    /// What the host itself wrote to standard error, and not who watches it.
    fn host_lines(&self) -> Vec<&str> {
        let watchers = ["cfr: ", "strace: "];
        let is_hosts = |line: &&str| !watchers.iter().any(|start| line.starts_with(start));
        self.output.stderr.lines().filter(is_hosts).collect()
    }

    /// The end of standard error, for a message.
    fn end_of_stderr(&self) -> String {
        let stderr: Vec<_> = self.output.stderr.chars().collect();
        stderr.get(stderr.len().saturating_sub(600)..).unwrap_or_default().iter().collect()
    }
}

/// The sum of what the program and its children report, a number a line.
fn reported(left: &Left) -> Option<usize> {
    let Left::File(bytes) = left else { return None };
    let numbers = str::from_utf8(bytes).ok()?.lines().map(str::parse::<usize>);
    numbers.sum::<Result<_, _>>().ok()
}

/// Everything below `directory`, by its path from where the first call began.
fn read_files(directory: &Path, before: &str, files: &mut BTreeMap<String, Left>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if kind.is_dir() {
            read_files(&entry.path(), &format!("{name}/"), files);
        }
        let left = match kind.is_file() {
            // One that ends at some terabyte, say.
            true => {
                fs::read(entry.path()).map_or_else(|error| panic!("{name}: {error}"), Left::File)
            }
            false => Left::Other(kind),
        };
        files.insert(name, left);
    }
}
