//! Content-defined chunking: where a file is cut into chunks.
//!
//! FastCDC of 2020 with normalization level 1 (the default of the crate and of the paper's
//! authors): one mask bit more before the average, one less after it. Minimum, average and maximum
//! are those of [`limits`](crate::limits); they and the cuts are part of format version 1, since
//! equal files must have equal chunks wherever they are stored.
//!
//! A cut depends on the bytes since the cut before and on nothing else, and never looks at the
//! first `CHUNK_LEN_MIN` bytes, so a file up to that length is one chunk unseen.

use std::io::{self, Read};
use std::sync::LazyLock;

use crate::error::{Error, Result};
use crate::hash::{ChunkId, Hash};
use crate::limits::{CHUNK_LEN_AVG, CHUNK_LEN_MAX, CHUNK_LEN_MIN};

const BITS: usize = CHUNK_LEN_AVG.ilog2() as usize;
const MASK_BEFORE_AVG: u64 = fastcdc::v2020::MASKS[BITS + 1];
const MASK_AFTER_AVG: u64 = fastcdc::v2020::MASKS[BITS - 1];
// The crate wants even lengths, and picks its masks by the logarithm.
const _: () = assert!(
    CHUNK_LEN_AVG.is_power_of_two()
        && CHUNK_LEN_MIN.is_multiple_of(2)
        && CHUNK_LEN_MAX.is_multiple_of(2)
);

/// Bytes that [`ChunkReader`] reads at once: four of the largest chunks.
const READ_LEN: usize = 4 * CHUNK_LEN_MAX;

/// The largest chunk of zeros. The chunker ends none before as long as zeros last: what it goes by
/// is the same after each of them, and ends no chunk.
pub static ZEROS: [u8; CHUNK_LEN_MAX] = [0; CHUNK_LEN_MAX];

/// Its name.
pub static ZEROS_ID: LazyLock<ChunkId> = LazyLock::new(|| ChunkId(Hash::of(&ZEROS)));

/// Length of the first chunk of `window`. `None` if that takes more bytes than are there: then
/// give `CHUNK_LEN_MAX` at least, or all of the rest with `last`.
pub fn cut(window: &[u8], last: bool) -> Option<usize> {
    if window.is_empty() || (window.len() < CHUNK_LEN_MAX && !last) {
        return None;
    }
    if window.len() <= CHUNK_LEN_MIN {
        return Some(window.len());
    }
    let (_, len) = fastcdc::v2020::cut(
        window,
        CHUNK_LEN_MIN,
        CHUNK_LEN_AVG,
        CHUNK_LEN_MAX,
        MASK_BEFORE_AVG,
        MASK_AFTER_AVG,
        MASK_BEFORE_AVG << 1,
        MASK_AFTER_AVG << 1,
    );
    Some(len)
}

/// The chunks of data that is in memory; none for no data.
pub fn chunks(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (chunk, rest) = data.split_at_checked(cut(data, true)?)?;
        data = rest;
        Some(chunk)
    })
}

/// Whether a chunk can stand in a file where `next` are the first bytes of the chunk after it, or
/// the file ends with it if there are none: whether the chunker ends a chunk here and nowhere
/// before. Two bytes of `next` decide. `window` is room to work in.
pub fn is_cut(chunk: &[u8], next: &[u8], window: &mut Vec<u8>) -> bool {
    let next = next.split_at_checked(NEXT_LEN).map_or(next, |(start, _)| start);
    if next.is_empty() || chunk.len() == CHUNK_LEN_MAX {
        return cut(chunk, true) == Some(chunk.len());
    }
    window.clear();
    window.extend_from_slice(chunk);
    window.extend_from_slice(next);
    cut(window, true) == Some(chunk.len())
}

/// Bytes after a cut that a cut depends on: they are looked at in pairs.
const NEXT_LEN: usize = 2;

/// Cuts a stream that arrives in pieces of any size; the cuts do not depend on the pieces.
#[derive(Default)]
pub struct Chunker {
    /// The start of a chunk whose end has not arrived: less than `CHUNK_LEN_MAX` between calls.
    carry: Vec<u8>,
}

impl Chunker {
    /// A chunker at the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece and hands every chunk that is complete to `chunk`. Stops at the first
    /// error of `chunk`; what arrived is then lost.
    pub fn push(
        &mut self,
        mut piece: &[u8],
        mut chunk: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        // What was carried needs bytes of the piece to be cut.
        while !self.carry.is_empty() {
            let carried = self.carry.len();
            let (head, _) = piece.split_at(piece.len().min(CHUNK_LEN_MAX.saturating_sub(carried)));
            self.carry.extend_from_slice(head);
            let Some(len) = cut(&self.carry, false) else { return Ok(()) };
            let (first, _) = self.carry.split_at(len);
            chunk(first)?;
            if len >= carried {
                // The bytes behind the cut are all still in the piece.
                piece = piece.split_at(len - carried).1;
                self.carry.clear();
            } else {
                piece = piece.split_at(head.len()).1;
                self.carry.drain(..len);
            }
        }
        while let Some(len) = cut(piece, false) {
            let (first, rest) = piece.split_at(len);
            chunk(first)?;
            piece = rest;
        }
        self.carry.extend_from_slice(piece);
        Ok(())
    }

    /// Hands the rest to `chunk`; the chunker is at the start of a file again.
    pub fn finish(&mut self, chunk: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let rest = std::mem::take(&mut self.carry);
        chunks(&rest).try_for_each(chunk)?;
        self.carry = rest;
        self.carry.clear();
        Ok(())
    }
}

/// What may know of bytes that they are zeros before they are read.
pub trait Sparse: Read {
    /// How many of the next bytes are known to be zeros.
    fn zeros(&mut self) -> u64;
    /// Passes over so many of them.
    fn skip(&mut self, zeros: u64);
}

impl<S: Sparse + ?Sized> Sparse for &mut S {
    fn zeros(&mut self) -> u64 {
        (**self).zeros()
    }

    fn skip(&mut self, zeros: u64) {
        (**self).skip(zeros);
    }
}

/// What knows of no zeros.
pub struct Dense<R>(pub R);

impl<R: Read> Read for Dense<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Sparse for Dense<R> {
    fn zeros(&mut self) -> u64 {
        0
    }

    fn skip(&mut self, _: u64) {}
}

/// Cuts what a reader gives, in one buffer that is reused from file to file.
#[derive(Default)]
pub struct ChunkReader {
    buffer: Vec<u8>,
}

impl ChunkReader {
    /// A reader without buffer; it is allocated when the first file is read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `input` to its end and hands every chunk to `chunk`, with how often it comes there in a
    /// row; returns the bytes read. `what` names the input in errors.
    pub fn read<R: Sparse>(
        &mut self,
        mut input: R,
        what: &str,
        mut chunk: impl FnMut(&[u8], u64) -> Result<()>,
    ) -> Result<u64> {
        self.buffer.resize(READ_LEN, 0);
        let mut total = 0u64;
        let mut filled = 0;
        loop {
            let (carried, _) = self.buffer.split_at(filled);
            let zeros = input.zeros();
            // What is carried is less than a chunk: with zeros before it and behind, it is one.
            let chunks = zeros.saturating_add(filled as u64) / CHUNK_LEN_MAX as u64;
            if zeros > 0 && chunks > 0 && carried.iter().all(|byte| *byte == 0) {
                let len = chunks * CHUNK_LEN_MAX as u64;
                chunk(&ZEROS, chunks)?;
                input.skip(len - filled as u64);
                total += len;
                filled = 0;
            }
            let ended = fill(&mut input, &mut self.buffer, &mut filled)
                .map_err(|source| Error::Io { what: format!("reading {what}"), source })?;
            let (mut window, _) = self.buffer.split_at(filled);
            while let Some(len) = cut(window, ended) {
                let (first, rest) = window.split_at(len);
                chunk(first, 1)?;
                total += len as u64;
                window = rest;
            }
            if ended {
                return Ok(total);
            }
            let rest = window.len();
            self.buffer.copy_within(filled - rest..filled, 0);
            filled = rest;
        }
    }
}

/// Reads until `buffer` is full (false) or the input has ended (true); `filled` bytes are there.
fn fill<R: Read>(input: &mut R, buffer: &mut [u8], filled: &mut usize) -> io::Result<bool> {
    while let Some(room) = buffer.get_mut(*filled..).filter(|room| !room.is_empty()) {
        match input.read(room) {
            Ok(0) => return Ok(true),
            Ok(len) => *filled += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
