//! Runs a program, bare or with the library.

use super::{library, parse_call};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The time after which a program is killed and the test fails.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// A program to run. Its environment has no `CFR_` variable and no `LD_PRELOAD` except those set here.
pub struct Run {
    command: Command,
    input: Vec<u8>,
    target: Option<File>,
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
        Run { command, input: Vec::new(), target: None }
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

    /// Runs the program until it ends. If it runs longer than 120 s, kills it and fails the test.
    pub fn output(mut self) -> Output {
        let stdout = self.target.take().map_or_else(Stdio::piped, Stdio::from);
        self.command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let shown = format!("{:?}", self.command);
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().map(read_all);
        let stderr = read_all(child.stderr.take().expect("piped"));
        // A program may end without reading its input.
        let _ = stdin.write_all(&self.input);
        drop(stdin);
        let status = wait(&mut child, &shown);
        Output {
            status: status.code(),
            signal: status.signal(),
            stdout: stdout.map_or_else(String::new, |reader| reader.join().expect("reads")),
            stderr: stderr.join().expect("reads"),
        }
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

fn read_all(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, shown: &str) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return status;
        }
        if begun.elapsed() > TIME_LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{shown}: still running after {TIME_LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the path of `name` in a directory of `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|path| path.join(name)).find(|path| path.is_file())
}
