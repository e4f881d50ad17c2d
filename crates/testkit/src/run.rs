//! Running a program, bare or with the library, and what came of it.

use super::library;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No program of the tests takes this long.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// A program about to run, with an environment that holds no setting of ours but those given.
pub struct Run {
    command: Command,
    input: Vec<u8>,
    target: Option<File>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// The bare program.
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

    /// The program with the library preloaded.
    pub fn preloaded(program: impl AsRef<OsStr>) -> Run {
        Run::bare(program).env("LD_PRELOAD", library())
    }

    /// Adds words to the command line.
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Run {
        self.command.args(words);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    /// Runs it in this directory.
    pub fn within(mut self, directory: impl AsRef<Path>) -> Run {
        self.command.current_dir(directory);
        self
    }

    /// Gives it this as standard input.
    pub fn input(mut self, bytes: &[u8]) -> Run {
        self.input = bytes.to_vec();
        self
    }

    /// Sends its standard output to a new file of this name.
    pub fn stdout(mut self, path: impl AsRef<Path>) -> Run {
        self.target = Some(File::create(path).expect("can be created"));
        self
    }

    /// For what the other methods do not offer.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Runs it to its end. A program that takes too long is killed, and the test fails.
    pub fn output(mut self) -> Output {
        let stdout = self.target.take().map_or_else(Stdio::piped, Stdio::from);
        self.command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let shown = format!("{:?}", self.command);
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let mut stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().map(read_all);
        let stderr = read_all(child.stderr.take().expect("piped"));
        // A program that does not read is no error of ours.
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

    /// Runs it to its end, which must be a success.
    #[track_caller]
    pub fn ok(self) -> Output {
        let shown = format!("{:?}", self.command);
        let output = self.output();
        assert_eq!(output.status, Some(0), "{shown}\n{output:#?}");
        output
    }
}

impl Output {
    /// The lines of the text log on standard error, without what each line begins with: `cfr: `,
    /// the process and the time. Other lines are left out.
    pub fn calls(&self) -> Vec<String> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("cfr: ")).filter_map(call).collect()
    }
}

/// The call of a line of the text log, without process and time, and without how long it took.
pub fn call(line: &str) -> Option<String> {
    let mut words = line.splitn(3, ' ');
    words.next()?.parse::<u32>().ok()?;
    words.next()?.parse::<f64>().ok()?;
    let call = words.next()?;
    let (call, duration) = call.rsplit_once(" <")?;
    duration.strip_suffix('>')?.parse::<f64>().ok()?;
    Some(call.to_owned())
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
        if let Some(status) = child.try_wait().expect("a child of ours") {
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

/// Where a program stands on the PATH.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|place| place.join(name)).find(|place| place.is_file())
}
