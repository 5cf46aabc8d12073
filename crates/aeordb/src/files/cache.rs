//! The local cache of unchanged files: what the file system said of each file when it was last read,
//! and its token: the hash of its bytes, with that of what else is kept of it. It is outside the
//! database and never decides alone: a file is taken as unchanged only if the database has just that
//! at that path. Any defect of it means that files are read.
//!
//! It is read and written in the order of the walk, a block at a time: magic, then blocks of
//! length, check and entries.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path as LocalPath, PathBuf};

use crate::files::scan::Stat;
use crate::hash::{HASH_LEN, Hash};
use crate::object::FileRecord;
use crate::object::encoding::{Decoder, Encoder};

const MAGIC: &[u8] = b"aeordb cache 2\n";
/// Bytes of entries after which a block is closed, and most that one may have.
const BLOCK_LEN_TARGET: usize = 64 * 1024;
const BLOCK_LEN_MAX: usize = 128 * 1024;
/// Longest key, in bytes.
const KEY_LEN_MAX: usize = 16 * 1024;

/// The key of what is called `name` in the directory with the key `directory`. Names are parted by
/// a byte that is in none and below all others, so that keys ascend as the walk goes.
pub fn key(directory: &[u8], name: &[u8]) -> Vec<u8> {
    [directory, b"\0", name].concat()
}

/// What a file that was read is known by: the hash of its bytes, and that of its attribute set.
pub fn token(record: &FileRecord) -> Hash {
    let mut token = *record.content_hash.as_bytes();
    if let Some(set) = &record.attributes.set {
        token.iter_mut().zip(set.hash().as_bytes()).for_each(|(byte, other)| *byte ^= other);
    }
    Hash::new(token)
}

/// Where the cache of one local tree is.
#[derive(Clone)]
pub struct CacheFile(Option<PathBuf>);

impl CacheFile {
    /// The cache in `directory` for the tree that `identity` names; with `None` there is none.
    pub fn new(directory: Option<&LocalPath>, identity: &[u8]) -> Self {
        CacheFile(directory.map(|directory| directory.join(Hash::of(identity).to_string())))
    }

    /// What was known when the cache was last written.
    pub fn known(&self) -> Known {
        let open = || {
            let mut file = File::open(self.0.as_ref()?).ok()?;
            let mut magic = [0; MAGIC.len()];
            file.read_exact(&mut magic).ok()?;
            (magic == MAGIC).then_some(file)
        };
        Known { file: open(), block: Vec::new(), position: 0, next: None }
    }

    /// Begins a new cache. `started`: the time at which the tree is looked at.
    pub fn remember(&self, started: i64) -> Remembered {
        let begin = |path: &PathBuf| {
            own_directory(path.parent()?)?;
            let temporary = path.with_extension("tmp");
            // One that a killed run left may be readable for others.
            let _ = fs::remove_file(&temporary);
            let mut options = File::options();
            let created = options.write(true).create_new(true).mode(0o600).open(temporary);
            let mut file = BufWriter::new(created.ok()?);
            file.write_all(MAGIC).ok()?;
            Some((path.clone(), file))
        };
        Remembered { file: self.0.as_ref().and_then(begin), block: Vec::new(), started }
    }
}

/// Makes a directory that is its owner's alone: names and sizes of files that others may not read
/// are in it.
fn own_directory(path: &LocalPath) -> Option<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).ok()?;
    let mode = fs::metadata(path).ok()?.mode();
    match mode & 0o077 {
        0 => Some(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).ok(),
    }
}

/// What is known of files.
pub struct Known {
    /// `None` at the end, and where the cache is not sound.
    file: Option<File>,
    block: Vec<u8>,
    position: usize,
    next: Option<(Vec<u8>, Stat, Hash)>,
}

impl Known {
    /// Nothing is known.
    pub fn nothing() -> Self {
        Known { file: None, block: Vec::new(), position: 0, next: None }
    }

    /// The token that the file had when it looked just like this. Keys ascend from call to call.
    pub fn find(&mut self, key: &[u8], stat: &Stat) -> Option<Hash> {
        while self.next.as_ref().is_none_or(|(next, ..)| next.as_slice() < key) {
            self.next = self.read_next();
            self.next.as_ref()?;
        }
        let (next, known, hash) = self.next.as_ref()?;
        (next.as_slice() == key && known == stat).then_some(*hash)
    }

    fn read_next(&mut self) -> Option<(Vec<u8>, Stat, Hash)> {
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

fn decode(decoder: &mut Decoder<'_>) -> Option<(Vec<u8>, Stat, Hash)> {
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

/// What is to be known the next time. Whatever goes wrong with it costs time later, nothing else.
pub struct Remembered {
    file: Option<(PathBuf, BufWriter<File>)>,
    block: Vec<u8>,
    started: i64,
}

impl Remembered {
    /// Remembers a file, unless it changed within `tick` nanoseconds before the start, so that its
    /// times might not tell of another change. Keys ascend.
    pub fn push(&mut self, key: &[u8], stat: &Stat, tick: i64, hash: &Hash) {
        let changed = stat.mtime.max(stat.ctime);
        if key.len() > KEY_LEN_MAX || changed.saturating_add(tick) >= self.started {
            return;
        }
        let mut encoder = Encoder::new(&mut self.block);
        encoder.bytes(key);
        encoder.varint(stat.size);
        encoder.i64(stat.mtime);
        encoder.i64(stat.ctime);
        encoder.varint(stat.inode);
        encoder.varint(stat.device);
        encoder.hash(hash);
        if self.block.len() >= BLOCK_LEN_TARGET {
            self.write_block();
        }
    }

    fn write_block(&mut self) {
        if let Some((_, file)) = &mut self.file
            && write_block(file, &self.block).is_err()
        {
            self.give_up();
        }
        self.block.clear();
    }

    /// Puts the new cache in the place of the old one.
    pub fn save(mut self) {
        if !self.block.is_empty() {
            self.write_block();
        }
        if let Some((path, mut file)) = self.file.take()
            && (file.flush().is_err() || fs::rename(path.with_extension("tmp"), &path).is_err())
        {
            let _ = fs::remove_file(path.with_extension("tmp"));
        }
    }

    fn give_up(&mut self) {
        if let Some((path, _)) = self.file.take() {
            let _ = fs::remove_file(path.with_extension("tmp"));
        }
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn write_block(file: &mut impl Write, block: &[u8]) -> io::Result<()> {
    let len = u32::try_from(block.len()).map_err(io::Error::other)?;
    file.write_all(&len.to_le_bytes())?;
    file.write_all(Hash::of(block).as_bytes())?;
    file.write_all(block)
}
