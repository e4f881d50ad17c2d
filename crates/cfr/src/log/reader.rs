//! Reads the lines of a log, each in bounded memory.

use super::decompressed;
use crate::term::failure::{Failure, describe, printable};
use crate::term::status_line;
use cfr_shared::format::Bytes;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The longest line of a log, in bytes without its newline. The library's lines are shorter:
/// PIPE_BUF.
const MAX_LINE: usize = 64 << 10;

/// The number of bytes read at once.
const CHUNK: usize = 256 << 10;

/// The width of the progress bar, in characters.
const CELLS: u64 = 20;

/// The time between two updates of the progress bar.
const INTERVAL: Duration = Duration::from_millis(100);

/// A log that is being read.
pub(crate) struct LogReader {
    /// The name, printable.
    pub(crate) name: String,
    /// The number of the current line, from 1.
    pub(crate) number: u64,
    input: BufReader<Box<dyn Read>>,
    line: Vec<u8>,
    /// The bytes of the file that are read.
    position: Rc<Cell<u64>>,
    bar: Option<ProgressBar>,
}

impl LogReader {
    /// Opens a log; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<LogReader, Failure> {
        let (name, file) = if path == Path::new("-") {
            let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            ("standard input".to_owned(), file)
        } else {
            (printable(path), File::open(path))
        };
        let file = file.map_err(|error| cannot_read(&name, &error))?;
        let metadata = file.metadata().map_err(|error| cannot_read(&name, &error))?;
        // Files in /proc have size 0.
        let size = Some(metadata.len()).filter(|&size| metadata.is_file() && size > 0);
        // Without this limit, a log that grows faster than it is read would never end.
        let position = Rc::new(Cell::new(0));
        let file = Counted { file: file.take(size.unwrap_or(u64::MAX)), bytes: position.clone() };
        let content = decompressed::content(file).map_err(|error| cannot_read(&name, &error))?;
        let input = BufReader::with_capacity(CHUNK, content);
        let bar = size.map(|size| ProgressBar::new(&name, size));
        Ok(LogReader { name, number: 0, input, line: Vec::new(), position, bar })
    }

    /// Opens the log of a run of a sweep, which is a short one and has no name.
    pub(crate) fn open_unnamed(path: &Path) -> Result<LogReader, Failure> {
        let name = "the log of a run".to_owned();
        let file = File::open(path).map_err(|error| cannot_read(&name, &error))?;
        let input: Box<dyn Read> = Box::new(file);
        let input = BufReader::with_capacity(CHUNK, input);
        Ok(LogReader {
            name,
            number: 0,
            input,
            line: Vec::new(),
            position: Rc::default(),
            bar: None,
        })
    }

    /// Returns the next line, without its newline; `None` at the end. A line that is too long
    /// becomes a zero byte, which is not a line of a log either.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        match self.advance() {
            Err(error) => Err(cannot_read(&self.name, &error)),
            Ok(0) => Ok(None),
            Ok(_) => {
                self.number += 1;
                if let Some(bar) = &mut self.bar {
                    bar.advance(self.position.get());
                }
                Ok(Some(self.line.strip_suffix(b"\n").unwrap_or(&self.line)))
            }
        }
    }

    /// Reads a line. Returns the number of bytes read.
    fn advance(&mut self) -> io::Result<usize> {
        const LIMIT: u64 = MAX_LINE as u64 + 1;
        self.line.clear();
        let read = self.input.by_ref().take(LIMIT).read_until(b'\n', &mut self.line)?;
        if self.line.len() <= MAX_LINE || self.line.ends_with(b"\n") {
            return Ok(read);
        }
        self.line.clear();
        self.line.push(0);
        Ok(read + self.input.skip_until(b'\n')?)
    }
}

/// A file that counts the bytes that are read from it.
struct Counted<R> {
    file: R,
    bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.bytes.set(self.bytes.get() + bytes as u64);
        Ok(bytes)
    }
}

fn cannot_read(name: &str, error: &io::Error) -> Failure {
    Failure::new(format!("cannot read {name}: {}", describe(error)))
}

/// The progress of reading one log.
struct ProgressBar {
    name: String,
    read: u64,
    size: u64,
    begun: Instant,
    next: Instant,
}

impl ProgressBar {
    fn new(name: &str, size: u64) -> ProgressBar {
        let begun = Instant::now();
        let bar =
            ProgressBar { name: name.to_owned(), read: 0, size, begun, next: begun + INTERVAL };
        bar.show();
        bar
    }

    /// Notes that so many bytes are read.
    fn advance(&mut self, read: u64) {
        // Reading the clock for every line would be slow.
        if read != std::mem::replace(&mut self.read, read) && Instant::now() >= self.next {
            self.next = Instant::now() + INTERVAL;
            self.show();
        }
    }

    fn show(&self) {
        let share = |of: u64| u128::from(self.read) * u128::from(of) / u128::from(self.size);
        let bar: String = (0..CELLS)
            .map(|cell| if u128::from(cell) < share(CELLS) { '#' } else { '.' })
            .collect();
        let ns = self.begun.elapsed().as_nanos().max(1);
        let speed = u128::from(self.read) * 1_000_000_000 / ns;
        let speed = Bytes(u64::try_from(speed).unwrap_or(u64::MAX));
        status_line::show(&format!("[{bar}] {:3}% {speed}/s {}", share(100), self.name));
    }
}
