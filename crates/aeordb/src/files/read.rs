//! Reading local files. A file that changes while it is read is read again; what is stored is
//! always what was read, and its hash is of that.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as LocalPath, PathBuf};

use nix::fcntl::OFlag;

use crate::error::{Context, Error, Result};
use crate::files::rights;
use crate::files::scan::Stat;
use crate::hash::{ChunkId, Hash};
use crate::object::chunker;
use crate::object::{ChunkRef, Item};

/// Files above this are read in pieces, by the thread that stores them.
pub const SMALL_LEN_MAX: u64 = 1024 * 1024;
/// How often a file that changes while it is read is read.
const ATTEMPTS: usize = 3;

/// A file that is to be read, and what the database has at its place.
pub struct Wanted {
    pub path: PathBuf,
    pub name: Vec<u8>,
    pub old: Option<Box<Item>>,
}

/// A small file that was read.
pub struct ReadFile {
    pub wanted: Wanted,
    pub outcome: Result<Small>,
}

/// The bytes of a small file, and the hashes and lengths of its chunks.
pub struct Small {
    pub bytes: Vec<u8>,
    pub hash: Hash,
    pub chunks: Vec<ChunkRef>,
    pub seen: Seen,
}

/// What a file looked like when it was read.
#[derive(Clone, Copy)]
pub struct Seen {
    pub mode: u32,
    pub stat: Stat,
    /// It looked the same before and after.
    pub settled: bool,
}

/// A file that is open for reading.
pub struct Opened {
    pub file: File,
    mode: u32,
    before: Stat,
}

impl Opened {
    /// Opens what was a file a moment ago: a FIFO in its place must not hang us, and a link is not
    /// followed.
    pub fn open(path: &LocalPath) -> Result<Opened> {
        let what = || format!("opening {}", path.display());
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        let mut options = File::options();
        let file = options.read(true).custom_flags(flags.bits()).open(path).context(what)?;
        Opened::look(file, path)
    }

    fn look(file: File, path: &LocalPath) -> Result<Opened> {
        let metadata = file.metadata().context(|| format!("looking at {}", path.display()))?;
        if !metadata.is_file() {
            return Err(Error::invalid(format!("{} is not a file any more", path.display())));
        }
        let mode = rights::of_file(&file, &metadata);
        Ok(Opened { file, mode, before: Stat::of(&metadata) })
    }

    /// What the file looked like, now that `len` bytes were read of it.
    pub fn seen(&self, len: u64) -> Seen {
        let after = self.file.metadata().ok().map(|metadata| Stat::of(&metadata));
        let settled = after == Some(self.before) && self.before.size == len;
        Seen { mode: self.mode, stat: self.before, settled }
    }
}

/// Reads a small file.
pub fn read_small(wanted: Wanted) -> ReadFile {
    let outcome = read_settled(&wanted.path);
    ReadFile { wanted, outcome }
}

fn read_settled(path: &LocalPath) -> Result<Small> {
    let what = || format!("reading {}", path.display());
    let mut opened = Opened::open(path)?;
    let mut bytes = Vec::new();
    let mut attempt = 1;
    loop {
        let size = usize::try_from(opened.before.size.min(SMALL_LEN_MAX)).unwrap_or(0);
        bytes.clear();
        bytes.reserve(size.saturating_add(1));
        (&opened.file).take(2 * SMALL_LEN_MAX).read_to_end(&mut bytes).context(what)?;
        let seen = opened.seen(bytes.len() as u64);
        if seen.settled || attempt == ATTEMPTS {
            return Ok(small(bytes, seen));
        }
        attempt += 1;
        opened.file.rewind().context(what)?;
        opened = Opened::look(opened.file, path)?;
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
