//! Reads tar archives that are in a file: what of their headers a tree has, and where the bytes of
//! its files are. An archive is whole only with the two empty blocks that end it: a transfer that
//! was cut off between two entries must not pass for a smaller tree.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use aeordb::Error;
use aeordb::error::Context;
use aeordb::limits::CONTENT_TYPE_LEN_MAX;
use tar::{EntryType, Header};

use super::pax::{nanoseconds, record};
use super::{BLOCK_LEN, CONTENT_TYPE, UNKNOWN};
use crate::problem::Problem;

/// Longest header that extends another, in bytes: it is held in memory.
const EXTENSION_LEN_MAX: u64 = 64 * 1024;

/// An entry of an archive.
pub struct Entry {
    pub kind: EntryType,
    pub path: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Last modification, in nanoseconds since 1970.
    pub mtime: Option<i64>,
    pub content_type: Option<String>,
    /// Where its bytes begin.
    start: u64,
    len: u64,
}

/// What the headers before an entry say of it.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    len: Option<u64>,
    mtime: Option<i64>,
    content_type: Option<String>,
    unknown: String,
}

/// An archive in a file.
pub struct Tarball {
    file: File,
    len: u64,
    at: u64,
}

fn damaged(detail: impl std::fmt::Display) -> Problem {
    Problem::damaged_upload(format!("the archive: {detail}"))
}

fn reading() -> String {
    "reading an archive".into()
}

impl Tarball {
    /// The archive in `file`, from its start.
    pub fn new(file: File) -> Result<Self, Problem> {
        let len = file.metadata().context(reading)?.len();
        Ok(Tarball { file, len, at: 0 })
    }

    /// The next entry; `None` at the end of a whole archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Problem> {
        let mut extension = Extension::default();
        loop {
            let at = self.at;
            let block = self.block()?;
            if block.iter().all(|byte| *byte == 0) {
                return match self.block()?.iter().all(|byte| *byte == 0) {
                    true => Ok(None),
                    false => Err(damaged(format!("one empty block alone at offset {at}"))),
                };
            }
            let header = Header::from_byte_slice(&block);
            if header.cksum().ok() != Some(sum(&block)) {
                return Err(damaged(format!("no header at offset {at}")));
            }
            let bad = |error: io::Error| damaged(format!("a header at offset {at}: {error}"));
            let len = header.entry_size().map_err(bad)?;
            match header.entry_type() {
                EntryType::XHeader => self.extend(&mut extension, len)?,
                // What it says of all entries, a comment as a rule, is nothing that is kept.
                EntryType::XGlobalHeader => drop(self.payload(len)?),
                EntryType::GNULongName => extension.path = Some(until_nul(self.payload(len)?)),
                EntryType::GNULongLink => extension.link = Some(until_nul(self.payload(len)?)),
                _ => return self.entry(header, extension, len).map(Some),
            }
        }
    }

    /// The bytes of an entry.
    pub fn contents(&self, entry: &Entry) -> Contents<'_> {
        Contents { file: &self.file, at: entry.start, left: entry.len }
    }

    fn block(&mut self) -> Result<[u8; BLOCK_LEN], Problem> {
        let mut block = [0; BLOCK_LEN];
        if self.len.saturating_sub(self.at) < BLOCK_LEN as u64 {
            return Err(damaged(format!(
                "it ends at offset {} without the two empty blocks that end a whole one",
                self.len
            )));
        }
        self.file.read_exact_at(&mut block, self.at).context(reading)?;
        self.at += BLOCK_LEN as u64;
        Ok(block)
    }

    /// Passes over so many bytes, and what fills their last block; gives where they begin.
    fn pass(&mut self, len: u64) -> Result<u64, Problem> {
        let start = self.at;
        let whole = len.checked_next_multiple_of(BLOCK_LEN as u64);
        match whole.and_then(|whole| start.checked_add(whole)) {
            Some(end) if end <= self.len => self.at = end,
            _ => return Err(damaged(format!("an entry at offset {start} is cut off"))),
        }
        Ok(start)
    }

    fn payload(&mut self, len: u64) -> Result<Vec<u8>, Problem> {
        if len > EXTENSION_LEN_MAX {
            let what = "an extended header of an archive".into();
            return Err(Error::Limit { what, limit: EXTENSION_LEN_MAX, found: len }.into());
        }
        let start = self.pass(len)?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, start).context(reading)?;
        Ok(bytes)
    }

    fn extend(&mut self, extension: &mut Extension, len: u64) -> Result<(), Problem> {
        let at = self.at;
        let bytes = self.payload(len)?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (key, value, next) =
                record(rest).ok_or_else(|| damaged(format!("no pax records at offset {at}")))?;
            extension.take(key, value)?;
            rest = next;
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, extension: Extension, len: u64) -> Result<Entry, Problem> {
        let path = extension.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = match header.entry_type() {
            EntryType::GNUSparse => return Err(sparse(&path)),
            // As the first writers of archives said it.
            EntryType::Regular if path.ends_with(b"/") => EntryType::Directory,
            kind => kind,
        };
        let len = match kind {
            // They have no bytes, whatever the header says.
            EntryType::Directory | EntryType::Link | EntryType::Symlink => 0,
            _ => extension.len.unwrap_or(len),
        };
        let link = extension.link.or_else(|| Some(header.link_name_bytes()?.into_owned()));
        let known = |what: &str| !extension.unknown.split(' ').any(|unknown| unknown == what);
        let seconds = header.mtime().ok().map(u64::cast_signed);
        let mtime = seconds.and_then(|seconds| seconds.checked_mul(1_000_000_000));
        Ok(Entry {
            kind,
            path,
            link: link.unwrap_or_default(),
            mode: header.mode().ok().map(|mode| mode & 0o7777).filter(|_| known("mode")),
            mtime: extension.mtime.or(mtime).filter(|_| known("mtime")),
            content_type: extension.content_type,
            start: self.pass(len)?,
            len,
        })
    }
}

impl Extension {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Problem> {
        let text = || {
            let key = String::from_utf8_lossy(key);
            std::str::from_utf8(value).map_err(|_| damaged(format!("{key} is not text")))
        };
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => {
                let len = text()?.parse();
                self.len = Some(len.map_err(|_| damaged("a size that is no number"))?);
            }
            b"mtime" => {
                let time = nanoseconds(text()?);
                self.mtime = Some(time.ok_or_else(|| damaged("an mtime that is no time"))?);
            }
            _ if key == CONTENT_TYPE.as_bytes() => {
                if value.len() > CONTENT_TYPE_LEN_MAX {
                    let (limit, found) = (CONTENT_TYPE_LEN_MAX as u64, value.len() as u64);
                    return Err(Error::Limit { what: CONTENT_TYPE.into(), limit, found }.into());
                }
                self.content_type = Some(text()?.to_owned());
            }
            _ if key == UNKNOWN.as_bytes() => text()?.clone_into(&mut self.unknown),
            _ if key.starts_with(b"GNU.sparse.") => {
                return Err(sparse(self.path.as_deref().unwrap_or(b"a file")));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The holes of such a file are in a form of their own: taken for its bytes, they would be wrong.
fn sparse(path: &[u8]) -> Problem {
    let path = String::from_utf8_lossy(path);
    Problem::invalid(format!("{path} is a sparse file: make the archive without --sparse"))
}

/// The sum of a header's bytes, in which its own field counts as spaces.
fn sum(block: &[u8; BLOCK_LEN]) -> u32 {
    let counted = |(place, byte): (usize, &u8)| match place {
        148..156 => u32::from(b' '),
        _ => u32::from(*byte),
    };
    block.iter().enumerate().map(counted).sum()
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    bytes
}

/// The bytes of an entry.
pub struct Contents<'t> {
    file: &'t File,
    at: u64,
    left: u64,
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
