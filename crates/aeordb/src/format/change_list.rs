//! The list of changes of a patch: what it does to which path, for whoever looks at a patch
//! without its base. An import holds it against the trees.
//!
//! Records stand in the order of paths, in parts that are read one by one. Body of a part: a mark
//! of each record (five bytes), then the payload, zstd-compressed or raw: a code of each record,
//! for each the number of bytes that its path has in common with the one before and the number of
//! the others (varints), then those others. The code is three times what was there plus what is
//! there: 0 nothing, 1 a file or symbolic link, 2 a directory.
//!
//! The mark is a truncated hash of the item that was there, or of the one that is there, or the
//! exclusive or of both. So lists can be put together without the trees: marks of one path add up,
//! and what comes to nothing is no change. A deletion and an addition of one mark are a renaming.

use crate::error::{Error, Result};
use crate::format::{FrameHeader, FrameKind, compression, damaged, newer};
use crate::limits::{CHANGES_LEN_MAX, PATH_LEN_MAX};

/// Bytes of paths after which a part of the list is closed.
const PART_LEN_TARGET: usize = 256 * 1024;
/// Bytes of a mark: two items of one path have the same by accident once in 10^12 times.
pub const MARK_LEN: usize = 5;

/// A truncated hash of an item, or of two.
pub type Mark = [u8; MARK_LEN];

/// What is at a path. The number is what the file stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Sort {
    /// Nothing.
    Nothing = 0,
    /// A file or a symbolic link.
    File = 1,
    /// A directory.
    Directory = 2,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeRecord {
    /// The path.
    pub path: Vec<u8>,
    /// What was there.
    pub before: Sort,
    /// What is there.
    pub after: Sort,
    /// Tells what was there and what is there apart.
    pub mark: Mark,
}

impl ChangeRecord {
    /// `A` added, `M` modified, `D` deleted.
    pub fn letter(&self) -> char {
        match (self.before, self.after) {
            (Sort::Nothing, _) => 'A',
            (_, Sort::Nothing) => 'D',
            _ => 'M',
        }
    }

    fn code(&self) -> u8 {
        self.before as u8 * 3 + self.after as u8
    }
}

/// Codes are below this.
const CODES: u8 = 9;

/// What a code stands for; `None` if for nothing.
fn sorts(code: u8) -> Option<(Sort, Sort)> {
    let sort = |number| match number {
        0 => Some(Sort::Nothing),
        1 => Some(Sort::File),
        2 => Some(Sort::Directory),
        _ => None,
    };
    let sorts = (sort(code / 3)?, sort(code % 3)?);
    (sorts != (Sort::Nothing, Sort::Nothing)).then_some(sorts)
}

/// Packs changes into frames.
#[derive(Default)]
pub struct ChangeListWriter {
    marks: Vec<u8>,
    codes: Vec<u8>,
    lengths: Vec<u8>,
    paths: Vec<u8>,
    last: Vec<u8>,
}

impl ChangeListWriter {
    /// Adds a change, whose path is above the one before; returns a frame when one is full.
    pub fn push(&mut self, change: &ChangeRecord) -> Result<Option<Vec<u8>>> {
        let path = change.path.as_slice();
        let common = self.last.iter().zip(path).take_while(|(a, b)| a == b).count();
        let rest = path.get(common..).unwrap_or_default();
        self.marks.extend_from_slice(&change.mark);
        self.codes.push(change.code());
        push_varint(&mut self.lengths, common);
        push_varint(&mut self.lengths, rest.len());
        self.paths.extend_from_slice(rest);
        path.clone_into(&mut self.last);
        let len = self.paths.len() + self.lengths.len() + self.codes.len();
        if len >= PART_LEN_TARGET { self.finish() } else { Ok(None) }
    }

    /// The frame of what was added since the last, if anything was.
    pub fn finish(&mut self) -> Result<Option<Vec<u8>>> {
        let done = std::mem::take(self);
        if done.codes.is_empty() {
            return Ok(None);
        }
        let raw = [done.codes.as_slice(), &done.lengths, &done.paths].concat();
        let mut payload = Vec::new();
        let shrunk = compression::compress(&raw, &mut payload)?;
        let payload = if shrunk { &payload } else { &raw };
        let body_len = done.marks.len() + payload.len();
        let mut header = FrameHeader::new(FrameKind::Changes, body_len as u64);
        header.codec = u8::from(shrunk);
        header.count = u32::try_from(done.codes.len()).unwrap_or(u32::MAX).into();
        header.raw_len = u32::try_from(raw.len()).unwrap_or(u32::MAX).into();
        let body = [done.marks.as_slice(), payload].concat();
        let header = header.sealed([body.as_slice()]);
        Ok(Some([zerocopy::IntoBytes::as_bytes(&header), &body].concat()))
    }
}

fn push_varint(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Checks the lengths that a header gives, before anything is read or allocated for it.
pub fn check_header(offset: u64, header: &FrameHeader) -> Result<()> {
    let raw_len = u64::from(header.raw_len.get());
    let marks_len = u64::from(header.count.get()) * MARK_LEN as u64;
    let body_len = header.body_len.get();
    // A record takes a code, two lengths and a byte of its path at least.
    let unsound = body_len < marks_len
        || body_len - marks_len > raw_len
        || u64::from(header.count.get()) * 4 > raw_len;
    if raw_len > CHANGES_LEN_MAX as u64 || unsound {
        let what = format!("the list of changes at offset {offset}");
        let found = body_len.max(raw_len);
        return Err(Error::Limit { what, limit: CHANGES_LEN_MAX as u64, found });
    }
    Ok(())
}

/// A part of the list whose records are read one by one: what they would take all together has
/// little to do with what they take in the file.
#[derive(Debug)]
pub struct ChangeList {
    offset: u64,
    marks: Vec<Mark>,
    raw: Vec<u8>,
    /// The next record, and where in `raw` its lengths and the rest of its path start.
    next: usize,
    lengths: usize,
    paths: usize,
    last: Vec<u8>,
}

/// Reads a part of the list.
pub fn parse(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<ChangeList> {
    check_header(offset, header)?;
    let bad = |detail: &str| damaged(offset, detail);
    if header.expected_hash([body]) != header.hash {
        return Err(bad("the list of changes does not have the hash it was written with"));
    }
    let raw_len = header.raw_len.get() as usize;
    let count = header.count.get() as usize;
    let (marks, payload) = body
        .split_at_checked(count * MARK_LEN)
        .ok_or_else(|| bad("a list of changes that is cut off"))?;
    let raw = match header.codec {
        0 => payload.to_vec(),
        1 => compression::decompress(payload, raw_len)
            .map_err(|_| bad("the list of changes does not decompress"))?,
        other => return Err(newer(format!("lists of changes of codec {other}"))),
    };
    if raw.len() != raw_len {
        return Err(bad("a list of changes of another length than it says"));
    }
    let marks = marks.as_chunks::<MARK_LEN>().0.to_vec();
    let mut list =
        ChangeList { offset, marks, raw, next: 0, lengths: count, paths: count, last: Vec::new() };
    // Where the lengths end the paths start.
    for _ in 0..2 * count {
        list.paths = list.varint(list.paths).ok_or_else(|| bad("a change without a length"))?.1;
    }
    Ok(list)
}

impl ChangeList {
    /// Where the part stands in its file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// A number and where it ends.
    fn varint(&self, mut at: usize) -> Option<(usize, usize)> {
        let mut number = 0usize;
        for shift in [0, 7, 14] {
            let byte = *self.raw.get(at)?;
            at += 1;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some((number, at));
            }
        }
        None
    }

    fn record(&mut self) -> Option<ChangeRecord> {
        let mark = *self.marks.get(self.next)?;
        let (before, after) = sorts(*self.raw.get(self.next)?)?;
        let (common, at) = self.varint(self.lengths)?;
        let (rest, at) = self.varint(at)?;
        if common + rest > PATH_LEN_MAX {
            return None;
        }
        let end = self.paths + rest;
        let mut path = self.last.get(..common)?.to_vec();
        path.extend_from_slice(self.raw.get(self.paths..end)?);
        self.next += 1;
        (self.lengths, self.paths) = (at, end);
        path.clone_into(&mut self.last);
        Some(ChangeRecord { path, before, after, mark })
    }
}

impl Iterator for ChangeList {
    type Item = Result<ChangeRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.marks.len() {
            let whole = self.paths == self.raw.len();
            self.paths = self.raw.len();
            return (!whole)
                .then(|| Err(damaged(self.offset, "a list of changes with more in it")));
        }
        let record = self.record().ok_or_else(|| match self.raw.get(self.next) {
            Some(code) if *code >= CODES => newer(format!("changes of code {code}")),
            _ => damaged(self.offset, "a change that cannot be read"),
        });
        if record.is_err() {
            self.next = self.marks.len();
            self.paths = self.raw.len();
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests;
