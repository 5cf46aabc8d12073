//! Files with holes, in the four forms that GNU tar has given them: which of a file's bytes an
//! archive holds. Other programs write them unasked: bsdtar the newest, Rust's builder the oldest.

use aeordb::Error;
use aeordb::internals::limits::FILE_LEN_MAX;
use tar::{GnuExtSparseHeader, GnuSparseHeader};

use super::read::damaged;
use crate::service::problem::Problem;

/// What the keys of records about holes start with.
pub const PREFIX: &[u8] = b"GNU.sparse.";
/// Most segments of a file: they are in memory while it is read.
const SEGMENTS_MAX: usize = 256 * 1024;
/// Digits of a number in a map that stands before the bytes, its line feed among them.
pub const NUMBER_LEN_MAX: usize = 21;

/// Bytes of a file that are in the archive; what is between two segments is zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub offset: u64,
    pub len: u64,
}

/// What records say of a file's holes.
#[derive(Default)]
pub struct Records {
    /// The name of the file: its path may be made up.
    pub name: Option<Vec<u8>>,
    pub size: Option<u64>,
    form: (u64, u64),
    offset: Option<u64>,
    map: Option<Map>,
}

impl Records {
    /// A record, its key without what all of them start with.
    pub fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Problem> {
        if key == b"name" {
            self.name = Some(value.to_vec());
            return Ok(());
        }
        let mut numbers = value.split(|byte| *byte == b',').map(number);
        if key == b"map" {
            let map = self.map.get_or_insert_default();
            while let Some(offset) = numbers.next() {
                map.push(offset?, numbers.next().unwrap_or_else(|| number(b""))?)?;
            }
            return Ok(());
        }
        let value = number(value);
        match key {
            b"major" => self.form.0 = value?,
            b"minor" => self.form.1 = value?,
            b"size" | b"realsize" => self.size = Some(value?),
            b"offset" => self.offset = Some(value?),
            b"numbytes" => {
                let offset = self.offset.take().ok_or_else(|| bad("a length without an offset"))?;
                self.map.get_or_insert_default().push(offset, value?)?;
            }
            // As many as there are.
            b"numblocks" => {
                self.map.get_or_insert_default();
            }
            _ => return Err(bad("a record that is not known")),
        }
        Ok(())
    }

    /// True if the map stands before the bytes of the file.
    pub fn map_is_before_bytes(&self) -> Result<bool, Problem> {
        match self.form {
            (0, _) => Ok(false),
            (1, 0) => Ok(true),
            (major, minor) => Err(bad(format!("form {major}.{minor} is not known"))),
        }
    }

    /// What the records themselves say of where bytes are; `None` if nothing.
    pub fn map(&mut self) -> Option<Map> {
        self.map.take()
    }
}

/// Where a file's bytes are, in order.
#[derive(Default)]
pub struct Map {
    segments: Vec<Segment>,
    end: u64,
    len: u64,
}

impl Map {
    /// Adds a segment.
    pub fn push(&mut self, offset: u64, len: u64) -> Result<(), Problem> {
        if offset < self.end {
            return Err(bad(format!("a segment at {offset} begins before {}", self.end)));
        }
        self.end = offset.checked_add(len).ok_or_else(|| bad("a segment without an end"))?;
        self.len += len;
        if len > 0 {
            self.segments.push(Segment { offset, len });
        }
        if self.segments.len() > SEGMENTS_MAX {
            let (limit, found) = (SEGMENTS_MAX as u64, self.segments.len() as u64);
            let what = "segments of a sparse file in an archive".into();
            return Err(Error::Limit { what, limit, found }.into());
        }
        Ok(())
    }

    /// Adds those of a header that are used.
    pub fn extend(&mut self, found: &[GnuSparseHeader]) -> Result<(), Problem> {
        for segment in found.iter().take_while(|segment| !segment.is_empty()) {
            let bad = |error| bad(format!("a segment: {error}"));
            self.push(segment.offset().map_err(bad)?, segment.length().map_err(bad)?)?;
        }
        Ok(())
    }

    /// The segments of a file of `size` bytes, of which the archive holds `stored`.
    pub fn finish(self, size: u64, stored: u64) -> Result<Vec<Segment>, Problem> {
        if size > FILE_LEN_MAX {
            let what = "a file of an archive".into();
            return Err(Error::Limit { what, limit: FILE_LEN_MAX, found: size }.into());
        }
        if self.end > size || self.len != stored {
            return Err(bad(format!(
                "its segments have {} bytes and end at {}, it has {size} and the archive {stored}",
                self.len, self.end
            )));
        }
        Ok(self.segments)
    }
}

/// A block with more of a map in the oldest form.
pub fn more(block: &[u8; super::BLOCK_LEN]) -> GnuExtSparseHeader {
    let mut header = GnuExtSparseHeader::new();
    header.as_mut_bytes().copy_from_slice(block);
    header
}

/// A decimal number.
pub fn number(digits: &[u8]) -> Result<u64, Problem> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| plain);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| bad("a number is missing"))
}

/// What is wrong with the holes of a file.
pub fn bad(detail: impl std::fmt::Display) -> Problem {
    damaged(format!("the holes of a sparse file: {detail}"))
}
