//! Reads tar archives that are in a file: what of their headers a tree has, and where the bytes of
//! its files are. An archive is whole only with the two empty blocks that end it: a transfer that
//! was cut off between two entries must not pass for a smaller tree.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use aeordb::Error;
use aeordb::error::Context;
use aeordb::files::{Numbers, with_list};
use aeordb::internals::limits::CONTENT_TYPE_LEN_MAX;
use aeordb::internals::object::attributes::{Extended, LISTS};
use aeordb::object::{Attributes, Device};
use tar::{EntryType, Header};

use super::extended::Said;
use super::pax::{nanoseconds, record};
use super::sparse::{self, Map, Segment};
use super::{BLOCK_LEN, CONTENT_TYPE, UNKNOWN};
use crate::service::problem::Problem;

/// Longest header that extends another, in bytes: it is held in memory. That of a dump has the names
/// of a directory, that of a sparse file its segments.
const EXTENSION_LEN_MAX: u64 = 4 * 1024 * 1024;
/// Kinds of entries that GNU tar alone has: the name of an archive, a directory of a dump, the rest
/// of a file that another volume begins.
const LABEL: u8 = b'V';
const DUMPED: u8 = b'D';
const CONTINUED: u8 = b'M';
/// Bytes of a map of segments that are read at once.
const MAP_PIECE_LEN: usize = 64 * 1024;

/// An entry of an archive.
pub struct Entry {
    pub kind: EntryType,
    pub path: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// What the archive says of a file system's attributes; links too have a mode here.
    pub attributes: Attributes,
    /// Owner, flags and extended attributes.
    pub extended: Extended,
    /// The numbers of a device.
    pub device: Device,
    pub content_type: Option<String>,
    /// Its bytes, holes among them.
    pub size: u64,
    /// Where in the archive its segments begin, one behind the other.
    start: u64,
    segments: Vec<Segment>,
}

impl Entry {
    /// How many of its bytes the archive has not.
    pub fn holes_len(&self) -> u64 {
        let held = self.segments.iter().map(|segment| segment.len).sum();
        self.size.saturating_sub(held)
    }
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
    said: Said,
    sparse: Option<sparse::Records>,
}

/// An archive in a file.
pub struct Tarball {
    file: File,
    len: u64,
    at: u64,
    /// What is said of all entries that say nothing else.
    global: Extension,
    numbers: Numbers,
}

/// What is wrong with the bytes of an archive.
pub fn damaged(detail: impl std::fmt::Display) -> Problem {
    Problem::damaged_upload(format!("the archive: {detail}"))
}

fn reading() -> String {
    "reading an archive".into()
}

impl Tarball {
    /// The archive in `file`, from its start.
    pub fn new(file: File) -> Result<Self, Problem> {
        let len = file.metadata().context(reading)?.len();
        let (global, numbers) = (Extension::default(), Numbers::new());
        Ok(Tarball { file, len, at: 0, global, numbers })
    }

    /// The next entry; `None` at the end of a whole archive.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Problem> {
        let mut extension = Extension { mtime: self.global.mtime, ..Extension::default() };
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
                return Err(match packed(&block).filter(|_| at == 0) {
                    Some(form) => Problem::unsupported(format!(
                        "the archive is packed by {form}: send it unpacked, as in {form} -dc | curl"
                    )),
                    None => damaged(format!("no header at offset {at}")),
                });
            }
            let bad = |error: io::Error| damaged(format!("a header at offset {at}: {error}"));
            // GNU tar leaves it empty where there are no bytes.
            let blank = header.as_old().size.iter().all(|byte| matches!(byte, 0 | b' '));
            let len = if blank { 0 } else { header.entry_size().map_err(bad)? };
            match header.entry_type() {
                EntryType::XHeader => self.extend(&mut extension, len)?,
                // A comment as a rule, at most what a tree has of all entries: a time, an owner.
                EntryType::XGlobalHeader => {
                    let mut global = Extension::default();
                    self.extend(&mut global, len)?;
                    let before = std::mem::take(&mut self.global);
                    self.global.mtime = global.mtime.or(before.mtime);
                    self.global.said = global.said.or_owner_of(&before.said);
                    extension.mtime = extension.mtime.or(self.global.mtime);
                }
                kind if kind.as_byte() == LABEL => drop(self.pass(len)?),
                EntryType::GNULongName => extension.path = Some(until_nul(self.payload(len)?)),
                EntryType::GNULongLink => extension.link = Some(until_nul(self.payload(len)?)),
                _ => return self.entry(header, extension, len).map(Some),
            }
        }
    }

    /// The bytes of an entry.
    pub fn contents<'t>(&'t self, entry: &'t Entry) -> Contents<'t> {
        let (at, size, segments) = (entry.start, entry.size, entry.segments.as_slice());
        Contents { file: &self.file, at, place: 0, size, segments }
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

    fn entry(
        &mut self,
        header: &Header,
        mut extension: Extension,
        len: u64,
    ) -> Result<Entry, Problem> {
        let mut sparse = extension.sparse.take();
        let named = sparse.as_mut().and_then(|sparse| sparse.name.take()).or(extension.path);
        let path = named.unwrap_or_else(|| header.path_bytes().into_owned());
        let (kind, len) = match header.entry_type() {
            // As the first writers of archives said it.
            EntryType::Regular if path.ends_with(b"/") => (EntryType::Directory, 0),
            // They have no bytes, whatever the header says.
            kind @ (EntryType::Directory | EntryType::Link | EntryType::Symlink) => (kind, 0),
            // A directory of a dump: its bytes are the names in it.
            kind if kind.as_byte() == DUMPED => {
                self.pass(extension.len.unwrap_or(len))?;
                (EntryType::Directory, 0)
            }
            kind if kind.as_byte() == CONTINUED => return Err(continued(&path)),
            kind => (kind, extension.len.unwrap_or(len)),
        };
        let (kind, size, start, segments) = match (kind, sparse) {
            (EntryType::GNUSparse, _) => {
                let (size, segments) = self.oldest_map(header, len)?;
                (EntryType::Regular, size, self.pass(len)?, segments)
            }
            (EntryType::Regular | EntryType::Continuous, Some(records)) => {
                let (size, start, segments) = self.map_of_records(records, len)?;
                (kind, size, start, segments)
            }
            _ => (kind, len, self.pass(len)?, vec![Segment { offset: 0, len }]),
        };
        let said = extension.said.or_owner_of(&self.global.said);
        let link = extension.link.or_else(|| Some(header.link_name_bytes()?.into_owned()));
        let known = |what: &str| !extension.unknown.split(' ').any(|unknown| unknown == what);
        let seconds = header.mtime().ok().map(u64::cast_signed);
        let mtime = seconds.and_then(|seconds| seconds.checked_mul(1_000_000_000));
        let extended = said.extended(header, known("owner"), &self.numbers);
        let extended = extended.map_err(|problem| problem.of_entry(&path))?;
        let device = match kind {
            EntryType::Char | EntryType::Block => said.device(header),
            _ => Ok(Device::default()),
        };
        let device = device.map_err(|problem| problem.of_entry(&path))?;
        let mode = header.mode().ok().map(|mode| mode & 0o7777).filter(|_| known("mode"));
        let list = LISTS.first().and_then(|list| extended.xattrs.get(*list));
        // The bits of the group are the mask of the list, where there is one.
        let mode = mode.map(|mode| list.map_or(mode, |list| with_list(mode, list)));
        Ok(Entry {
            kind,
            path,
            link: link.unwrap_or_default(),
            attributes: Attributes {
                mode,
                mtime: extension.mtime.or(mtime).filter(|_| known("mtime")),
                ..Attributes::default()
            },
            extended,
            device,
            content_type: extension.content_type,
            size,
            start,
            segments,
        })
    }

    /// The size and the segments of a file as its header and the blocks behind it say them.
    fn oldest_map(&mut self, header: &Header, len: u64) -> Result<(u64, Vec<Segment>), Problem> {
        let header = header.as_gnu().ok_or_else(|| sparse::bad("a header without a map"))?;
        let mut map = Map::default();
        map.extend(&header.sparse)?;
        let mut goes_on = header.isextended != [0];
        while goes_on {
            let block = sparse::more(&self.block()?);
            map.extend(&block.sparse)?;
            goes_on = block.isextended != [0];
        }
        let size = header.real_size().map_err(sparse::bad)?;
        Ok((size, map.finish(size, len)?))
    }

    /// The size of a file, where its segments begin, and which they are. Their map is in the
    /// records, or stands before them.
    fn map_of_records(
        &mut self,
        mut records: sparse::Records,
        len: u64,
    ) -> Result<(u64, u64, Vec<Segment>), Problem> {
        let before = records.map_is_before_bytes()?;
        let map = records.map();
        let size = records.size.ok_or_else(|| sparse::bad("no size"))?;
        let start = self.pass(len)?;
        let (map, used) = match map {
            _ if before => self.map_before(start, len)?,
            Some(map) => (map, 0),
            None => return Err(sparse::bad("no map")),
        };
        Ok((size, start + used, map.finish(size, len - used)?))
    }

    /// The map that stands before the bytes of a file: decimal numbers with a line feed each, first
    /// how many segments there are; and how many bytes it takes.
    fn map_before(&self, start: u64, len: u64) -> Result<(Map, u64), Problem> {
        let segment = Segment { offset: 0, len };
        let (file, segments) = (&self.file, std::slice::from_ref(&segment));
        let bytes = Contents { file, at: start, place: 0, size: len, segments };
        let mut bytes = BufReader::with_capacity(MAP_PIECE_LEN, bytes);
        let mut used = 0;
        let mut next = || -> Result<u64, Problem> {
            let (mut line, most) = (Vec::new(), sparse::NUMBER_LEN_MAX as u64);
            used += (&mut bytes).take(most).read_until(b'\n', &mut line).context(reading)? as u64;
            sparse::number(line.strip_suffix(b"\n").unwrap_or_default())
        };
        let mut map = Map::default();
        for _ in 0..next()? {
            map.push(next()?, next()?)?;
        }
        let used = used.next_multiple_of(BLOCK_LEN as u64);
        (used <= len).then_some((map, used)).ok_or_else(|| sparse::bad("a map without an end"))
    }
}

impl Extension {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Problem> {
        let text = || {
            let key = String::from_utf8_lossy(key);
            std::str::from_utf8(value).map_err(|_| damaged(format!("{key} is not text")))
        };
        if let Some(key) = key.strip_prefix(sparse::PREFIX) {
            return self.sparse.get_or_insert_default().take(key, value);
        }
        match key {
            // Without a value a record takes back what one for all entries said.
            b"path" | b"linkpath" | b"size" | b"mtime" if value.is_empty() => self.take_back(key),
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
            _ => drop(self.said.take(key, value)?),
        }
        Ok(())
    }

    fn take_back(&mut self, key: &[u8]) {
        match key {
            b"path" => self.path = None,
            b"linkpath" => self.link = None,
            b"size" => self.len = None,
            _ => self.mtime = None,
        }
    }
}

/// The rest of a file of another archive: alone it would be taken for a file.
fn continued(path: &[u8]) -> Problem {
    let path = String::from_utf8_lossy(path);
    Problem::invalid(format!("{path} began in another volume: an archive of volumes is not taken"))
}

/// The program that unpacks what is no archive but a packed one, by its first bytes.
fn packed(block: &[u8; BLOCK_LEN]) -> Option<&'static str> {
    let known: [(&[u8], &str); 7] = [
        (b"\x1f\x8b", "gzip"),
        (b"\x1f\x9d", "uncompress"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"LZIP", "lzip"),
    ];
    known.iter().find(|(start, _)| block.starts_with(start)).map(|(_, form)| *form)
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

/// The bytes of an entry: those that the archive has, and zeros where it has none.
pub struct Contents<'t> {
    file: &'t File,
    /// Where in the archive the next byte is that it has.
    at: u64,
    /// Where in the entry the next byte is.
    place: u64,
    size: u64,
    segments: &'t [Segment],
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some((segment, rest)) = self.segments.split_first()
            && segment.offset + segment.len <= self.place
        {
            self.segments = rest;
        }
        let (end, is_hole) = match self.segments.first() {
            Some(segment) if segment.offset <= self.place => (segment.offset + segment.len, false),
            Some(segment) => (segment.offset, true),
            None => (self.size, true),
        };
        let most = usize::try_from(end.saturating_sub(self.place)).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let read = match is_hole {
            true => {
                buffer.fill(0);
                most
            }
            false => self.file.read_at(buffer, self.at)?,
        };
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.place += read as u64;
        if !is_hole {
            self.at += read as u64;
        }
        Ok(read)
    }
}
