//! The bytes of the cache: magic, then blocks of length, check and entries.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path as LocalPath;

use crate::files::scan::Stat;
use crate::hash::{HASH_LEN, Hash};
use crate::object::encoding::{Decoder, Encoder};

const MAGIC: &[u8] = b"aeordb cache 2\n";
/// Bytes of entries after which a block is closed, and most that one may have.
const BLOCK_LEN_TARGET: usize = 64 * 1024;
const BLOCK_LEN_MAX: usize = 128 * 1024;
/// Longest key, in bytes.
pub const KEY_LEN_MAX: usize = 16 * 1024;

/// Key, what the file looked like, its token.
pub type Entry = (Vec<u8>, Stat, Hash);

/// A cache that is read, as far as it is sound.
pub struct Stream {
    /// `None` at the end, and where the cache is not sound.
    file: Option<File>,
    block: Vec<u8>,
    position: usize,
    next: Option<Entry>,
}

impl Stream {
    /// That of `path`, if there is one.
    pub fn open(path: &LocalPath) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic).ok()?;
        let file = (magic == MAGIC).then_some(file)?;
        Some(Stream { file: Some(file), block: Vec::new(), position: 0, next: None })
    }

    /// The entry with this key. Keys ascend from call to call.
    pub fn find(&mut self, key: &[u8]) -> Option<&Entry> {
        while self.next.as_ref().is_none_or(|(next, ..)| next.as_slice() < key) {
            self.next = self.read_next();
            self.next.as_ref()?;
        }
        self.next.as_ref().filter(|(next, ..)| next.as_slice() == key)
    }

    fn read_next(&mut self) -> Option<Entry> {
        if self.position >= self.block.len() {
            self.position = 0;
            self.block = self.read_block()?;
        }
        let mut decoder = Decoder::new("the cache", self.block.get(self.position..)?);
        let entry = decode(&mut decoder);
        self.position += decoder.offset();
        if entry.is_none() {
            self.file = None;
            self.block.clear();
        }
        entry
    }

    fn read_block(&mut self) -> Option<Vec<u8>> {
        // Put back only when all is well.
        let mut file = self.file.take()?;
        let (mut len, mut check) = ([0; 4], [0; HASH_LEN]);
        file.read_exact(&mut len).ok()?;
        file.read_exact(&mut check).ok()?;
        let len =
            usize::try_from(u32::from_le_bytes(len)).ok().filter(|len| *len <= BLOCK_LEN_MAX)?;
        let mut block = vec![0; len];
        file.read_exact(&mut block).ok()?;
        if Hash::of(&block) != Hash::new(check) {
            return None;
        }
        self.file = Some(file);
        Some(block)
    }
}

fn decode(decoder: &mut Decoder<'_>) -> Option<Entry> {
    let key = decoder.bytes_in("a key", 1, KEY_LEN_MAX).ok()?.to_vec();
    let stat = Stat {
        size: decoder.varint().ok()?,
        mtime: decoder.i64().ok()?,
        ctime: decoder.i64().ok()?,
        inode: decoder.varint().ok()?,
        device: decoder.varint().ok()?,
    };
    Some((key, stat, decoder.hash().ok()?))
}

/// A cache that is written.
pub struct Blocks {
    file: BufWriter<File>,
    block: Vec<u8>,
}

impl Blocks {
    /// A new one at `path`.
    pub fn create(path: &LocalPath) -> Option<Self> {
        // One that was left there may be readable for others.
        let _ = fs::remove_file(path);
        let mut options = File::options();
        let created = options.write(true).create_new(true).mode(0o600).open(path);
        let mut file = BufWriter::new(created.ok()?);
        file.write_all(MAGIC).ok()?;
        Some(Blocks { file, block: Vec::new() })
    }

    /// Adds an entry. Keys ascend.
    pub fn add(&mut self, key: &[u8], stat: &Stat, hash: &Hash) -> io::Result<()> {
        let mut encoder = Encoder::new(&mut self.block);
        encoder.bytes(key);
        encoder.varint(stat.size);
        encoder.i64(stat.mtime);
        encoder.i64(stat.ctime);
        encoder.varint(stat.inode);
        encoder.varint(stat.device);
        encoder.hash(hash);
        if self.block.len() >= BLOCK_LEN_TARGET { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let len = u32::try_from(self.block.len()).map_err(io::Error::other)?;
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(Hash::of(&self.block).as_bytes())?;
        self.file.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }

    /// Gives the system all that was added.
    pub fn flush(&mut self) -> io::Result<()> {
        self.end_block()?;
        self.file.flush()
    }
}

/// Writes what is in either to `path`; of what is in both, what the `newer` says. `None` if that does
/// not work.
pub fn merge(mut newer: Stream, mut older: Stream, path: &LocalPath) -> Option<()> {
    let mut merged = Blocks::create(path)?;
    let (mut new, mut old) = (newer.read_next(), older.read_next());
    loop {
        let is_new = match (&new, &old) {
            (None, None) => break,
            (Some((new, ..)), Some((old, ..))) => new <= old,
            (new, _) => new.is_some(),
        };
        let entry = if is_new { &new } else { &old };
        let (key, stat, hash) = entry.as_ref()?;
        merged.add(key, stat, hash).ok()?;
        let is_same = matches!((&new, &old), (Some((new, ..)), Some((old, ..))) if new == old);
        if is_same || !is_new {
            old = older.read_next();
        }
        if is_new {
            new = newer.read_next();
        }
    }
    merged.flush().ok()
}
