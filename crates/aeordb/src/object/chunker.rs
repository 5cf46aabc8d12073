//! Content-defined chunking: where a file is cut into chunks.

use std::io::Read;

use crate::error::Result;

/// Length of the first chunk of `window`. `None` if that takes more bytes than are there: then
/// give at least `CHUNK_LEN_MAX`, or all of the rest with `last`.
pub fn cut(_window: &[u8], _last: bool) -> Option<usize> {
    todo!()
}

/// The chunks of data that is in memory.
pub fn chunks(_data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::empty()
}

/// Cuts a stream that arrives in pieces of any size; the cuts do not depend on the pieces.
#[derive(Default)]
pub struct Chunker {}

impl Chunker {
    /// A chunker at the start of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece and hands every chunk that is complete to `chunk`.
    pub fn push(&mut self, _piece: &[u8], _chunk: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        todo!()
    }

    /// Hands the rest to `chunk`; the chunker is at the start of a file again.
    pub fn finish(&mut self, _chunk: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        todo!()
    }
}

/// Cuts what a reader gives, in one buffer that is reused from file to file.
#[derive(Default)]
pub struct ChunkReader {}

impl ChunkReader {
    /// A reader without buffer; it is allocated when the first file is read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `input` to its end and hands every chunk to `chunk`; returns the bytes read. `what`
    /// names the input in errors.
    pub fn read<R: Read>(
        &mut self,
        _input: R,
        _what: &str,
        _chunk: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        todo!()
    }
}
