//! Reading local files. A file that changes while it is read is read again; what is stored is
//! always what was read, and its hash is of that.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};
use crate::files::beneath::Tree;
use crate::files::extended::{Keep, Kept};
use crate::files::scan::{Facts, Stat};
use crate::hash::{ChunkId, Hash};
use crate::object::chunker::{self, Sparse};
use crate::object::{ChunkRef, Item};

/// Files above this are read in pieces, by the thread that stores them.
pub const SMALL_LEN_MAX: u64 = 1024 * 1024;
/// Bytes of the blocks that a system counts.
const BLOCK_LEN: u64 = 512;
/// How often a file that changes while it is read is read.
pub const ATTEMPTS: usize = 3;
/// So much further than it was long at the start a file is read: one that grows as fast as it is
/// read would never end.
const GROWTH_MAX: u64 = 256 * 1024 * 1024;

/// A file that is to be read, and what the database has at its place.
pub struct Wanted {
    pub tree: Arc<Tree>,
    /// Where it is in the tree.
    pub below: PathBuf,
    pub name: Vec<u8>,
    pub old: Option<Box<Item>>,
}

impl Wanted {
    /// The path by which people know it.
    pub fn path(&self) -> PathBuf {
        self.tree.path_of(&self.below)
    }
}

/// A small file that was read.
pub struct ReadFile {
    pub wanted: Wanted,
    /// `None` if it is small no more.
    pub outcome: Result<Option<Small>>,
}

/// The bytes of a small file, and the hashes and lengths of its chunks.
pub struct Small {
    pub bytes: Vec<u8>,
    pub hash: Hash,
    pub chunks: Vec<ChunkRef>,
    pub seen: Seen,
}

/// What a file looked like when it was read.
pub struct Seen {
    pub kept: Kept,
    /// Device and inode, if it has several paths.
    pub linked: Option<(u64, u64)>,
    pub stat: Stat,
    /// It looked the same before and after, and as long as it was; or it gave the same bytes twice,
    /// as a file does whose length nobody knows before it is read.
    pub settled: bool,
}

/// A file that is open for reading.
pub struct Opened {
    file: File,
    kept: Kept,
    linked: Option<(u64, u64)>,
    before: Stat,
    /// Bytes that may still be read.
    left: u64,
    holes: Option<Holes>,
    failed: bool,
}

/// Where a file has no blocks: there it is zeros.
struct Holes {
    /// The next byte that is read.
    at: u64,
    /// The bytes around it that are of one sort, up to here.
    end: u64,
    is_hole: bool,
}

impl Holes {
    /// Looks what is at the place that is read next. What does not say where it has holes has none.
    fn look(&mut self, file: &File) {
        if self.at < self.end {
            return;
        }
        (self.is_hole, self.end) = match seek(file, SeekFrom::Data(self.at)) {
            Ok(data) if data > self.at => (true, data),
            Ok(_) => match seek(file, SeekFrom::Hole(self.at)) {
                Ok(hole) if hole > self.at => (false, hole),
                _ => (false, u64::MAX),
            },
            // No data up to the end, wherever that is now.
            Err(Errno::NXIO) => match file.metadata() {
                Ok(found) if found.len() > self.at => (true, found.len()),
                _ => (false, u64::MAX),
            },
            Err(_) => (false, u64::MAX),
        };
    }
}

impl Opened {
    /// Opens what was a file a moment ago: a FIFO in its place must not hang us, and no link is
    /// followed.
    pub fn open(tree: &Tree, below: &LocalPath, keep: &Keep) -> Result<Opened> {
        let path = tree.path_of(below);
        let file = tree.file(below).context(|| format!("opening {}", path.display()))?;
        let facts = Facts::of_handle(&file).context(|| format!("looking at {}", path.display()))?;
        let Some(before) = facts.file() else {
            return Err(Error::invalid(format!("{} is not a file any more", path.display())));
        };
        let (kept, linked) = (keep.of_handle(&file, &facts), facts.linked());
        let left = match before.size {
            // Files that the system makes up as they are read have no length.
            0 => u64::MAX,
            size => size.saturating_add(GROWTH_MAX),
        };
        // As `cp` does: who has all his blocks is not asked.
        let found = file.metadata().context(|| format!("looking at {}", path.display()))?;
        let is_sparse = before.size > SMALL_LEN_MAX && found.blocks() < before.size / BLOCK_LEN;
        let holes = is_sparse.then_some(Holes { at: 0, end: 0, is_hole: false });
        Ok(Opened { file, kept, linked, before, left, holes, failed: false })
    }

    /// Whether reading has failed.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// What the file looked like, now that `len` bytes were read of it, the `same` as before or not.
    pub fn seen(&self, len: u64, same: bool) -> Seen {
        let after = self.file.metadata().ok().and_then(|metadata| Facts::of(&metadata).file());
        let still = after == Some(self.before);
        let settled = still && (self.before.size == len || same);
        let (kept, linked) = (self.kept.clone(), self.linked);
        Seen { kept, linked, stat: self.before, settled }
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..len).unwrap_or_default();
        let read = match &mut self.holes {
            None => self.file.read(buffer),
            Some(holes) => {
                holes.look(&self.file);
                let len = usize::try_from(holes.end - holes.at).unwrap_or(usize::MAX);
                let len = len.min(buffer.len());
                let buffer = buffer.get_mut(..len).unwrap_or_default();
                match holes.is_hole {
                    true => {
                        buffer.fill(0);
                        Ok(len)
                    }
                    false => self.file.read_at(buffer, holes.at),
                }
            }
        };
        match &read {
            Ok(read) => {
                self.left -= *read as u64;
                if let Some(holes) = &mut self.holes {
                    holes.at += *read as u64;
                }
            }
            Err(error) => self.failed = error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}

impl Sparse for Opened {
    fn zeros(&mut self) -> u64 {
        let Some(holes) = &mut self.holes else { return 0 };
        holes.look(&self.file);
        if holes.is_hole { self.left.min(holes.end - holes.at) } else { 0 }
    }

    fn skip(&mut self, zeros: u64) {
        self.left = self.left.saturating_sub(zeros);
        if let Some(holes) = &mut self.holes {
            holes.at += zeros;
        }
    }
}

/// Reads a small file.
pub fn read_small(wanted: Wanted, keep: &Keep) -> ReadFile {
    let outcome = read_settled(&wanted.tree, &wanted.below, keep);
    ReadFile { wanted, outcome }
}

fn read_settled(tree: &Tree, below: &LocalPath, keep: &Keep) -> Result<Option<Small>> {
    let what = || format!("reading {}", tree.path_of(below).display());
    let mut bytes = Vec::new();
    let mut last = None;
    let mut attempt = 1;
    loop {
        let mut opened = Opened::open(tree, below, keep)?;
        let size = usize::try_from(opened.before.size.min(SMALL_LEN_MAX)).unwrap_or(0);
        bytes.clear();
        bytes.reserve(size.saturating_add(1));
        (&mut opened).take(SMALL_LEN_MAX + 1).read_to_end(&mut bytes).context(what)?;
        let len = bytes.len() as u64;
        if len > SMALL_LEN_MAX {
            return Ok(None);
        }
        let hash = (opened.before.size != len).then(|| Hash::of(&bytes));
        let seen = opened.seen(len, hash.is_some() && hash == last);
        if seen.settled || attempt == ATTEMPTS {
            return Ok(Some(small(bytes, seen)));
        }
        attempt += 1;
        last = hash;
    }
}

fn small(bytes: Vec<u8>, seen: Seen) -> Small {
    let mut chunks = Vec::new();
    for chunk in chunker::chunks(&bytes) {
        let len = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        chunks.push(ChunkRef { id: ChunkId(Hash::of(chunk)), len });
    }
    let hash = match chunks.as_slice() {
        [one] => one.id.0,
        _ => Hash::of(&bytes),
    };
    Small { bytes, hash, chunks, seen }
}
