//! The list of changes of a patch: what it does to which path, for whoever looks at a patch
//! without its base. An import holds it against the trees.
//!
//! Body: zstd-compressed records, or raw where that is smaller: a letter, the length of the path
//! (two bytes), the path; for `R` the length of the new path and the new path follow.

use crate::error::{Error, Result};
use crate::format::{FrameHeader, FrameKind, compression, damaged};
use crate::limits::{CHANGES_LEN_MAX, PATH_LEN_MAX};

/// Bytes of records after which a part of the list is closed.
const PART_LEN_TARGET: usize = 256 * 1024;

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeRecord {
    /// `A` added, `M` modified, `D` deleted, `R` renamed.
    pub letter: u8,
    /// The path; of what was renamed the old one.
    pub path: Vec<u8>,
    /// The new path of what was renamed; else empty.
    pub to: Vec<u8>,
}

/// Packs changes into frames.
#[derive(Default)]
pub struct ChangeListWriter {
    raw: Vec<u8>,
    count: u32,
}

impl ChangeListWriter {
    /// Adds a change; returns a frame when one is full.
    pub fn push(&mut self, letter: u8, path: &[u8], to: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        self.raw.push(letter);
        for path in std::iter::once(path).chain(to) {
            let len = u16::try_from(path.len()).map_err(|_| Error::Limit {
                what: "a path".into(),
                limit: PATH_LEN_MAX as u64,
                found: path.len() as u64,
            })?;
            self.raw.extend_from_slice(&len.to_le_bytes());
            self.raw.extend_from_slice(path);
        }
        self.count += 1;
        if self.raw.len() >= PART_LEN_TARGET { self.finish() } else { Ok(None) }
    }

    /// The frame of what was added since the last, if anything was.
    pub fn finish(&mut self) -> Result<Option<Vec<u8>>> {
        if self.count == 0 {
            return Ok(None);
        }
        let mut body = Vec::new();
        let shrunk = compression::compress(&self.raw, &mut body)?;
        if !shrunk {
            body = self.raw.clone();
        }
        let mut header = FrameHeader::new(FrameKind::Changes, body.len() as u64);
        header.codec = u8::from(shrunk);
        header.count = self.count.into();
        header.raw_len = u32::try_from(self.raw.len()).unwrap_or(u32::MAX).into();
        let header = header.sealed([body.as_slice()]);
        self.raw.clear();
        self.count = 0;
        Ok(Some([zerocopy::IntoBytes::as_bytes(&header), &body].concat()))
    }
}

/// Checks the lengths that a header gives, before anything is read or allocated for it.
pub fn check_header(offset: u64, header: &FrameHeader) -> Result<()> {
    let raw_len = u64::from(header.raw_len.get());
    let found = header.body_len.get().max(raw_len);
    if found > CHANGES_LEN_MAX as u64 || header.body_len.get() > raw_len {
        let what = format!("the list of changes at offset {offset}");
        return Err(Error::Limit { what, limit: CHANGES_LEN_MAX as u64, found });
    }
    Ok(())
}

/// Reads a part of the list.
pub fn parse(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<Vec<ChangeRecord>> {
    check_header(offset, header)?;
    let bad = |detail: &str| damaged(offset, detail);
    if header.expected_hash([body]) != header.hash {
        return Err(bad("the list of changes does not have the hash it was written with"));
    }
    let raw_len = header.raw_len.get() as usize;
    let raw = match header.codec {
        0 => body.to_vec(),
        1 => compression::decompress(body, raw_len)
            .map_err(|_| bad("the list of changes does not decompress"))?,
        _ => return Err(bad("a list of changes with an unknown codec")),
    };
    if raw.len() != raw_len {
        return Err(bad("a list of changes of another length than it says"));
    }
    let mut records = Vec::new();
    let mut rest = raw.as_slice();
    while let Some((letter, after)) = rest.split_first() {
        let (path, after) = field(after).ok_or_else(|| bad("a change that is cut off"))?;
        let (to, after) = match letter {
            b'A' | b'M' | b'D' => (Vec::new(), after),
            b'R' => field(after).ok_or_else(|| bad("a change that is cut off"))?,
            _ => return Err(bad("a change of an unknown letter")),
        };
        records.push(ChangeRecord { letter: *letter, path, to });
        rest = after;
    }
    if records.len() != header.count.get() as usize {
        return Err(bad("a list of changes of another count than it says"));
    }
    Ok(records)
}

fn field(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let (path, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    Some((path.to_vec(), rest))
}
