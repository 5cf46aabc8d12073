//! Canonical bytes: how numbers and byte strings are written, and read back in one way only.
//!
//! Numbers are LEB128 varints of minimal length or fixed little-endian; byte strings have their
//! length before them. The decoder borrows from its input, so it allocates only for error texts.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::error::{Error, Result};
use crate::hash::{HASH_LEN, Hash};

/// Bytes of the longest varint.
pub const VARINT_LEN_MAX: usize = 10;

/// Appends canonical bytes to a buffer.
pub struct Encoder<'b> {
    out: &'b mut Vec<u8>,
}

impl<'b> Encoder<'b> {
    /// An encoder that appends to `out`.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        Encoder { out }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian, two's complement.
    pub fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A LEB128 varint: 1 to [`VARINT_LEN_MAX`] bytes.
    pub fn varint(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.out.push(low & 0x7f);
                return;
            }
            self.out.push(low | 0x80);
        }
    }

    /// A hash.
    pub fn hash(&mut self, hash: &Hash) {
        self.out.extend_from_slice(hash.as_bytes());
    }

    /// Bytes as they are, without length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A varint length, then the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }
}

/// Reads canonical bytes. Every error names `what` is read and the offset in it.
#[derive(Clone)]
pub struct Decoder<'a> {
    what: &'static str,
    input: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of `input`, the encoding of a `what`.
    pub fn new(what: &'static str, input: &'a [u8]) -> Self {
        Decoder { what, input, rest: input }
    }

    /// Bytes read so far.
    pub fn offset(&self) -> usize {
        self.input.len().saturating_sub(self.rest.len())
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// True at the end of the input.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// An error at the present offset.
    #[cold]
    pub fn error(&self, detail: impl Into<String>) -> Error {
        Error::damaged(self.what, self.offset() as u64, detail)
    }

    /// An error about what only a newer program can have written: the input is named by its hash.
    #[cold]
    pub fn newer(&self, needs: impl Into<String>) -> Error {
        Error::newer(self.what, needs)
    }

    /// The next `len` bytes, whatever they are.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.error(format!("expected {len} bytes, found {}", self.rest.len()))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.error(format!("expected {N} bytes, found {}", self.rest.len()))),
        }
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian, two's complement.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A hash.
    pub fn hash(&mut self) -> Result<Hash> {
        Ok(Hash::new(self.array::<HASH_LEN>()?))
    }

    /// A LEB128 varint of minimal length.
    pub fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(self.error("expected a varint below 2^64, found a larger one"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift != 0 {
                    return Err(
                        self.error("expected a varint of minimal length, found a longer one")
                    );
                }
                return Ok(value);
            }
        }
        Err(self.error(format!("expected a varint of {VARINT_LEN_MAX} bytes at most, found more")))
    }

    /// A varint of `min` to `max`, the number of a `field`.
    pub fn varint_in(&mut self, field: &str, min: u64, max: u64) -> Result<u64> {
        let value = self.varint()?;
        if value < min || value > max {
            return Err(self.error(format!("expected {field} of {min} to {max}, found {value}")));
        }
        Ok(value)
    }

    /// A varint length of `min` to `max`, then so many bytes: a `field`.
    pub fn bytes_in(&mut self, field: &str, min: usize, max: usize) -> Result<&'a [u8]> {
        let len = self.varint_in(field, min as u64, max as u64)?;
        // Not above `max`, so it fits; if it did not, there would not be so many bytes either.
        self.raw(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// The end of the input.
    pub fn finish(&self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.error(format!("expected the end, found {} more bytes", self.rest.len())))
    }
}

#[cfg(test)]
mod tests;
