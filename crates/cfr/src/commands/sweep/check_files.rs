//! `--check-files`: what a run does to the files that it copies.

use crate::term::failure::{Failure, describe, printable};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Component::ParentDir;
use std::path::{Path, PathBuf};

/// The bytes that are read at a time.
const PIECE: usize = 128 << 10;

/// The content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    len: u64,
    /// SipHash of the bytes: one of 2^64 changes is not noticed.
    hash: u64,
}

impl Content {
    /// Reads the content of a regular file; `None` if it does not exist.
    fn read(path: &Path) -> io::Result<Option<Content>> {
        let Some(mut file) = open(path)? else { return Ok(None) };
        let mut hasher = DefaultHasher::new();
        let mut len = 0;
        loop {
            let piece = file.fill_buf()?;
            if piece.is_empty() {
                return Ok(Some(Content { len, hash: hasher.finish() }));
            }
            hasher.write(piece);
            let count = piece.len();
            len += count as u64;
            file.consume(count);
        }
    }
}

/// Opens a regular file; `None` if it does not exist. To open a pipe could take for ever.
fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    let opened = fs::metadata(path).and_then(|status| {
        if status.is_file() {
            File::open(path)
        } else {
            Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
        }
    });
    match opened {
        Ok(file) => Ok(Some(BufReader::with_capacity(PIECE, file))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Returns a target that is not in the directory of a run: all runs have it in common.
pub(super) fn common_target(pairs: &[[PathBuf; 2]]) -> Option<&Path> {
    let is_outside =
        |path: &&Path| path.is_absolute() || path.components().any(|one| one == ParentDir);
    pairs.iter().map(|[_, target]| target.as_path()).find(is_outside)
}

/// Reports whether both paths lead to one file.
fn are_one(paths: &[PathBuf; 2]) -> bool {
    let [source, target] = paths.each_ref().map(|path| fs::metadata(path).ok());
    source.zip(target).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

/// A source and its target before a run.
struct PairBefore {
    names: [String; 2],
    paths: [PathBuf; 2],
    source: Content,
    target: Option<Content>,
}

/// All pairs of `--check-files` before a run.
pub(super) struct FilesBefore {
    pairs: Vec<PairBefore>,
}

/// What a run did to the files.
pub(super) struct FilesAfter {
    /// The first thing that is wrong.
    pub(super) violation: Option<String>,
    /// For each pair, whether the source is gone.
    pub(super) gone: Vec<bool>,
}

impl FilesBefore {
    /// Reads the files before a run in this directory.
    pub(super) fn read(pairs: &[[PathBuf; 2]], work_dir: &Path) -> Result<FilesBefore, Failure> {
        let pairs = pairs.iter().map(|pair| PairBefore::read(pair, work_dir));
        Ok(FilesBefore { pairs: pairs.collect::<Result<_, _>>()? })
    }

    /// Compares the files after the run. `may_move` tells for each pair whether the source may be
    /// gone.
    pub(super) fn compare(&self, has_succeeded: bool, may_move: &[bool]) -> FilesAfter {
        let mut after = FilesAfter { violation: None, gone: Vec::new() };
        for (index, pair) in self.pairs.iter().enumerate() {
            let [source, target] = pair.paths.each_ref().map(|path| Content::read(path));
            after.gone.push(matches!(source, Ok(None)));
            let may_move = may_move.get(index).is_none_or(|&may_move| may_move);
            let compare = || pair.compare(source, target, has_succeeded, may_move).err();
            after.violation = after.violation.or_else(compare);
        }
        after
    }
}

impl PairBefore {
    fn read(pair: &[PathBuf; 2], work_dir: &Path) -> Result<PairBefore, Failure> {
        let names = pair.each_ref().map(printable);
        let paths = pair.each_ref().map(|path| work_dir.join(path));
        let [source, target] = pair.each_ref().map(|path| {
            Content::read(&work_dir.join(path)).map_err(|error| {
                let (path, error) = (printable(path), describe(&error));
                Failure::new(format!("--check-files: cannot read {path}: {error}"))
            })
        });
        let [name, _] = &names;
        let source = source?.ok_or_else(|| {
            Failure::new(format!(
                "--check-files: no file {name} before the run; expected the source first"
            ))
        })?;
        if are_one(&paths) {
            let [source, target] = &names;
            return Err(Failure::new(format!(
                "--check-files: {source} and {target} are the same file; expected a source and its target"
            )));
        }
        Ok(PairBefore { names, paths, source, target: target? })
    }

    /// Returns what is wrong as an error.
    fn compare(
        &self,
        source: io::Result<Option<Content>>,
        target: io::Result<Option<Content>>,
        has_succeeded: bool,
        may_move: bool,
    ) -> Result<(), String> {
        let [a, b] = &self.names;
        let unreadable =
            |name: &str, error: io::Error| format!("cannot read {name}: {}", describe(&error));
        let source = source.map_err(|error| unreadable(a, error))?;
        let target = target.map_err(|error| unreadable(b, error))?;
        let is_complete = target == Some(self.source);
        match source {
            None if may_move && is_complete => return Ok(()),
            None if may_move && has_succeeded => {}
            None => return Err(format!("{a} is gone")),
            Some(now) if now == self.source && are_one(&self.paths) => {
                return Err(format!("{b} is no copy: it is the file {a}"));
            }
            Some(now) if now == self.source => {}
            Some(now) if now.len == self.source.len => return Err(format!("{a} has changed")),
            Some(now) => {
                let before = self.source.len;
                return Err(format!("{a} has changed: {} bytes instead of {before}", now.len));
            }
        }
        if is_complete || (!has_succeeded && (target.is_none() || target == self.target)) {
            return Ok(());
        }
        let Some(now) = target else { return Err(format!("{b} is missing")) };
        let is_new = has_succeeded || self.target.is_none();
        let all = self.source.len;
        Err(match now.len {
            _ if !is_new => {
                format!("{b} is neither as before nor complete: {} of {all} bytes", now.len)
            }
            len if len < all => format!("{b} is incomplete: {len} of {all} bytes"),
            len if len > all => format!("{b} is too long: {len} bytes instead of {all}"),
            _ => match self.first_difference() {
                Some(offset) => format!("{b} differs from {a} at offset {offset}"),
                None => format!("{b} has other bytes than {a}"),
            },
        })
    }

    /// Returns the offset of the first byte in which the files differ; `None` if it is not found.
    fn first_difference(&self) -> Option<u64> {
        let [mut source, mut target] = self.paths.each_ref().map(|path| open(path).ok().flatten());
        let (source, target) = (source.as_mut()?, target.as_mut()?);
        let mut offset = 0;
        loop {
            let (one, other) = (source.fill_buf().ok()?, target.fill_buf().ok()?);
            let count = one.len().min(other.len());
            if count == 0 {
                return None;
            }
            if let Some(at) = one.iter().zip(other).position(|(one, other)| one != other) {
                return Some(offset + at as u64);
            }
            offset += count as u64;
            source.consume(count);
            target.consume(count);
        }
    }
}
