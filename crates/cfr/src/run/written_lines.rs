//! The lines that the launcher has written to the log file: whether that of a call is among them.

use cfr_shared::line::MAX_LINE;
use memchr::memmem;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the waits are between two questions whether the rings were looked at.
const INTERVAL: Duration = Duration::from_millis(1);

/// The longest wait for the lines that were passed on: the thread may be stopped by a file that takes
/// nothing.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The bytes at the end of the log that are searched for a line, and how many at once.
const MAX_SEARCHED: u64 = 64 << 20;
const PIECE: usize = 1 << 20;

/// The lines that were written.
#[derive(Clone)]
pub(crate) struct WrittenLines {
    path: PathBuf,
    /// How often the thread has looked for lines.
    looks: Arc<AtomicU64>,
}

impl WrittenLines {
    pub(super) fn new(path: PathBuf) -> WrittenLines {
        WrittenLines { path, looks: Arc::default() }
    }

    /// Returns the counter of the looks.
    pub(super) fn looks(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.looks)
    }

    /// Reports of each beginning of a line whether there is one that was written, or passed on before.
    /// The newest lines are searched.
    pub(super) fn have(&self, beginnings: &[Vec<u8>]) -> Vec<bool> {
        self.wait();
        let mut are_there = vec![false; beginnings.len()];
        // If it cannot be read, none is found.
        let _ = self.search(beginnings, &mut are_there);
        are_there
    }

    /// Waits until the lines are in the file that were passed on before. One that was not whole is
    /// passed by a look and taken by the next one, of the second ring a look later; and a look may
    /// have begun before.
    fn wait(&self) {
        let looks = || self.looks.load(Ordering::Acquire);
        let (before, begun) = (looks(), Instant::now());
        while looks() < before + 4 && begun.elapsed() < MAX_WAIT {
            thread::sleep(INTERVAL);
        }
    }

    fn search(&self, beginnings: &[Vec<u8>], are_there: &mut [bool]) -> io::Result<()> {
        let file = File::open(&self.path)?;
        let mut end = file.metadata()?.len();
        let oldest = end.saturating_sub(MAX_SEARCHED);
        let mut piece = vec![0; PIECE + MAX_LINE];
        while end > oldest && are_there.contains(&false) {
            let start = end.saturating_sub(PIECE as u64);
            let read = file.read_at(&mut piece, start)?;
            let text = piece.get(..read).unwrap_or_default();
            for (beginning, is_there) in beginnings.iter().zip(are_there.iter_mut()) {
                *is_there |= memmem::find(text, beginning).is_some();
            }
            end = start;
        }
        Ok(())
    }
}
