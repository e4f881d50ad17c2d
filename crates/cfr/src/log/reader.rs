//! A LOG: its lines, one after the other, each in bounded memory.

use crate::term::failure::{Failure, plain, told};
use crate::term::status_line;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest line that may be one of a log, in bytes, without its newline. The library's are
/// shorter: PIPE_BUF.
const LONGEST: usize = 64 << 10;

/// How much is read at once, in bytes.
const CHUNK: usize = 256 << 10;

/// How many cells the bar has.
const CELLS: u64 = 20;

/// Between one look of the bar and the next.
const PACE: Duration = Duration::from_millis(100);

/// A log that is read.
pub(crate) struct Log {
    /// Its name, harmless.
    pub(crate) name: String,
    /// The number of the latest line, from 1.
    pub(crate) number: u64,
    input: BufReader<Take<File>>,
    line: Vec<u8>,
    bar: Option<Bar>,
}

impl Log {
    /// Opens it; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Log, Failure> {
        let (name, file) = if path == Path::new("-") {
            let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            ("standard input".to_owned(), file)
        } else {
            (plain(path), File::open(path))
        };
        let file = file.map_err(|error| cannot_read(&name, &error))?;
        let metadata = file.metadata().map_err(|error| cannot_read(&name, &error))?;
        // Files of /proc say that they are empty.
        let size = Some(metadata.len()).filter(|&size| metadata.is_file() && size > 0);
        // A log that grows faster than it is read would have no end.
        let input = BufReader::with_capacity(CHUNK, file.take(size.unwrap_or(u64::MAX)));
        let bar = size.map(|size| Bar::new(&name, size));
        Ok(Log { name, number: 0, input, line: Vec::new(), bar })
    }

    /// The next line, without its newline; `None` at the end. A line that is too long to be one
    /// of a log is empty, which is none either.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        match self.advance() {
            Err(error) => Err(cannot_read(&self.name, &error)),
            Ok(0) => Ok(None),
            Ok(bytes) => {
                self.number += 1;
                if let Some(bar) = &mut self.bar {
                    bar.advance(bytes);
                }
                Ok(Some(self.line.strip_suffix(b"\n").unwrap_or(&self.line)))
            }
        }
    }

    /// Reads a line: how many bytes it took.
    fn advance(&mut self) -> io::Result<usize> {
        const MOST: u64 = LONGEST as u64 + 1;
        self.line.clear();
        let read = self.input.by_ref().take(MOST).read_until(b'\n', &mut self.line)?;
        if self.line.len() <= LONGEST || self.line.ends_with(b"\n") {
            return Ok(read);
        }
        self.line.clear();
        Ok(read + self.input.skip_until(b'\n')?)
    }
}

fn cannot_read(name: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read {name}: {}", told(error)))
}

/// How far the reading of one log is.
struct Bar {
    name: String,
    read: u64,
    size: u64,
    begun: Instant,
    next: Instant,
}

impl Bar {
    fn new(name: &str, size: u64) -> Bar {
        let begun = Instant::now();
        let bar = Bar { name: name.to_owned(), read: 0, size, begun, next: begun + PACE };
        bar.show();
        bar
    }

    fn advance(&mut self, bytes: usize) {
        let chunks = self.read / CHUNK as u64;
        self.read += bytes as u64;
        // The clock is not asked at each line.
        if self.read / CHUNK as u64 != chunks && Instant::now() >= self.next {
            self.next = Instant::now() + PACE;
            self.show();
        }
    }

    fn show(&self) {
        let share = |of: u64| u128::from(self.read) * u128::from(of) / u128::from(self.size);
        let bar: String = (0..CELLS)
            .map(|cell| if u128::from(cell) < share(CELLS) { '#' } else { '.' })
            .collect();
        let speed = self.read as f64 / self.begun.elapsed().as_secs_f64() / 1e6;
        status_line::show(&format!("[{bar}] {:3}% {speed:.0} MB/s {}", share(100), self.name));
    }
}
