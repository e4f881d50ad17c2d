//! Runs a program, bare or with the library.

use super::{Running, library, parse_call};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The time after which a program is killed and the test fails: more than a program needs on a busy
/// machine, and more than the limits of the C programs (c-tests/check.h).
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// A program to run. Its environment has no `CFR_` variable and no `LD_PRELOAD` except those set here.
pub struct Run {
    command: Command,
    input: Vec<u8>,
    target: Option<File>,
    limit: Duration,
}

/// How a program ended and what it wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit status; `None` if a signal ended the program.
    pub status: Option<i32>,
    /// The signal that ended the program.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Prepares a run without the library.
    pub fn bare(program: impl AsRef<OsStr>) -> Run {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CFR_") {
                command.env_remove(&name);
            }
        }
        command.env_remove("LD_PRELOAD");
        command.env("LC_ALL", "C");
        Run { command, input: Vec::new(), target: None, limit: TIME_LIMIT }
    }

    /// Prepares a run with the library preloaded.
    pub fn preloaded(program: impl AsRef<OsStr>) -> Run {
        Run::bare(program).env("LD_PRELOAD", library())
    }

    /// Adds arguments to the command line.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Run {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    pub fn within(mut self, directory: impl AsRef<Path>) -> Run {
        self.command.current_dir(directory);
        self
    }

    /// Sets the bytes of standard input.
    pub fn input(mut self, bytes: &[u8]) -> Run {
        self.input = bytes.to_vec();
        self
    }

    /// Redirects standard output to a new file at `path`.
    pub fn stdout(mut self, path: impl AsRef<Path>) -> Run {
        self.target = Some(File::create(path).expect("can be created"));
        self
    }

    /// Returns the underlying command, for settings without a method here.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Sets the time after which the program is killed and the test fails.
    pub fn limit(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    /// Starts the program. Its standard input stays open; the bytes of [`Run::input`] are not written.
    pub fn start(self) -> Running {
        let shown = format!("{:?}", self.command);
        self.try_start().unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    fn try_start(self) -> io::Result<Running> {
        let stdout = self.target.map_or_else(Stdio::piped, Stdio::from);
        Running::start(self.command, stdout, self.limit)
    }

    /// Runs the program until it ends. If it runs longer than the limit, kills it and fails the test.
    #[track_caller]
    pub fn output(self) -> Output {
        let shown = format!("{:?}", self.command);
        self.try_output().unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    /// Does the same. Returns the error if the program cannot be started.
    #[track_caller]
    pub(super) fn try_output(mut self) -> io::Result<Output> {
        let input = mem::take(&mut self.input);
        let mut running = self.try_start()?;
        // A program may end without reading its input.
        let _ = running.stdin().write_all(&input);
        Ok(running.output())
    }

    /// Runs the program until it ends, and fails the test if its status is not 0.
    #[track_caller]
    pub fn ok(self) -> Output {
        let shown = format!("{:?}", self.command);
        let output = self.output();
        assert_eq!(output.status, Some(0), "{shown}\n{output:#?}");
        output
    }
}

impl Output {
    /// Returns the calls of the text log on standard error, as [`parse_call`] does, without the prefix
    /// `cfr: `. Other lines are left out.
    pub fn calls(&self) -> Vec<String> {
        self.stderr
            .lines()
            .filter_map(|line| line.strip_prefix("cfr: "))
            .filter_map(parse_call)
            .collect()
    }
}

/// Returns the path of `name` in a directory of `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|path| path.join(name)).find(|path| path.is_file())
}
