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

use crate::problem::Problem;

/// The record of a pax header that holds a file's content type.
pub const CONTENT_TYPE: &str = "AEORDB.content-type";
/// The record of a pax header that says which of `mode` and `mtime` are not known.
pub const UNKNOWN: &str = "AEORDB.unknown";

/// Bytes of a block.
const BLOCK_LEN: usize = 512;
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

/// The first pax record, `LENGTH KEY=VALUE` and a line feed, and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let len: usize = std::str::from_utf8(bytes.get(..space)?).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(len)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, rest))
}

/// Seconds since 1970 as pax writes them, a decimal fraction with a sign, in nanoseconds.
fn nanoseconds(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let whole = seconds.parse::<i64>().ok()?.checked_mul(1_000_000_000)?;
    whole.checked_add(fraction.parse().ok()?)?.checked_mul(sign)
}

/// A time as pax writes it.
pub fn seconds(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::{Tarball, nanoseconds, record, seconds};

    /// Reads all of an archive; gives how many entries it has if it is whole.
    fn entries(bytes: &[u8]) -> Option<usize> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (mut archive, mut count) = (Tarball::new(file).ok()?, 0);
        while let Some(entry) = archive.next_entry().ok()? {
            archive.contents(&entry).read_to_end(&mut Vec::new()).unwrap();
            count += 1;
        }
        Some(count)
    }

    #[test]
    fn an_archive_that_was_changed_or_cut_off_anywhere_is_read_or_refused() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        builder.append_pax_extensions([("mtime", &b"-1.5"[..])]).unwrap();
        builder.append_data(&mut header, "n".repeat(120), &b"abc"[..]).unwrap();
        builder.append_data(&mut header, "b", &b"abc"[..]).unwrap();
        let whole = builder.into_inner().unwrap();
        assert_eq!(entries(&whole), Some(2));
        for len in 0..whole.len() {
            assert_eq!(entries(&whole[..len]), None, "{len}");
        }
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] = changed[place].wrapping_add(1);
            entries(&changed);
        }
    }

    #[test]
    fn times_of_pax_headers_are_exact_before_and_after_1970() {
        for (text, time) in [
            ("0", 0),
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.5", 1_700_000_000_500_000_000),
            ("1.000000001", 1_000_000_001),
            ("1.0000000019", 1_000_000_001),
            ("-1.5", -1_500_000_000),
            ("-0.25", -250_000_000),
        ] {
            assert_eq!(nanoseconds(text), Some(time), "{text}");
            assert_eq!(nanoseconds(&seconds(time)), Some(time), "{text}");
        }
        for text in ["", "x", "1.x", "--1", "-", ".", "1.5.5", "99999999999999999999"] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_pax_record_is_as_long_as_it_says() {
        assert_eq!(record(b"8 a=b\nc\nrest"), Some((&b"a"[..], &b"b\nc"[..], &b"rest"[..])));
        for bytes in [&b""[..], b"8", b"8 a=b\n", b"6 a=b", b"x a=b\n", b"3 a\n", b"0 a=b\n"] {
            assert_eq!(record(bytes), None, "{bytes:?}");
        }
    }
}
