//! Decompresses a log that gzip(1) or zstd(1) has compressed, as it is read.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};

/// The first bytes of a file of each kind: RFC 1952, section 2.3.1; RFC 8878, section 3.1.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The number of compressed bytes that are read at once.
const CHUNK: usize = 128 << 10;

/// Returns the content of a file, decompressed if it is compressed.
pub(super) fn content(mut file: impl Read + 'static) -> io::Result<Box<dyn Read>> {
    let mut start = Vec::new();
    file.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
    let (is_gzip, is_zstd) = (start.starts_with(&GZIP), start.starts_with(&ZSTD));
    let whole = Cursor::new(start).chain(file);
    if is_gzip {
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, whole));
        return Ok(Box::new(GzipMembers { decoder, has_data: false }));
    }
    if is_zstd {
        let input = BufReader::with_capacity(CHUNK, whole);
        let decoder = FrameDecoder::new();
        return Ok(Box::new(ZstdFrames { input, decoder, is_in_frame: false, has_data: false }));
    }
    Ok(Box::new(whole))
}

/// The members of a gzip file, one after another.
struct GzipMembers<R> {
    decoder: R,
    has_data: bool,
}

impl<R: Read> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.decoder.read(buffer) {
            // The header of the next member is none.
            Err(error) if error.kind() == ErrorKind::InvalidInput && self.has_data => {
                Err(behind("gzip"))
            }
            read => {
                self.has_data |= matches!(read, Ok(1..));
                read
            }
        }
    }
}

/// Returns the error of a file with other data behind the compressed ones.
fn behind(kind: &str) -> io::Error {
    let why = format!("data that are not of {kind} follow the compressed data");
    io::Error::new(ErrorKind::InvalidData, why)
}

/// The frames of a zstd file, one after another.
struct ZstdFrames<R> {
    input: BufReader<R>,
    decoder: FrameDecoder,
    is_in_frame: bool,
    has_data: bool,
}

impl<R: Read> ZstdFrames<R> {
    /// Begins the next frame, or skips it if it holds no data. Returns whether there was one.
    fn next_frame(&mut self) -> io::Result<bool> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        match self.decoder.reset(&mut self.input) {
            Ok(()) => self.is_in_frame = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => self.skip(length)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(
                _,
            ))) if self.has_data => return Err(behind("zstd")),
            Err(_) => return Err(self.failure()),
        }
        Ok(true)
    }

    /// Returns why the decoder has failed, in the words of gzip(1): it names its own parts.
    fn failure(&mut self) -> io::Error {
        match self.input.fill_buf() {
            Ok([]) => io::Error::new(ErrorKind::UnexpectedEof, "unexpected end of file"),
            Ok(_) => io::Error::new(ErrorKind::InvalidData, "the zstd data are damaged"),
            Err(error) => error,
        }
    }

    /// Skips `len` bytes, or all if there are fewer.
    fn skip(&mut self, len: u32) -> io::Result<()> {
        let mut left = len as usize;
        while left > 0 {
            let bytes = self.input.fill_buf()?.len().min(left);
            if bytes == 0 {
                break;
            }
            self.input.consume(bytes);
            left -= bytes;
        }
        Ok(())
    }
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                continue;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.input, one);
                decoded.map_err(|_| self.failure())?;
            }
            match self.decoder.read(buffer)? {
                0 if self.decoder.is_finished() && !buffer.is_empty() => self.is_in_frame = false,
                bytes => {
                    self.has_data |= bytes > 0;
                    return Ok(bytes);
                }
            }
        }
    }
}
