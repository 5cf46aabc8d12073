//! The local cache of unchanged files: what the file system said of each file when its bytes were
//! last read, and what their hash was. It is outside the database and never decides alone: a file
//! is taken as unchanged only if the database has that content at that path. Any defect of it
//! means that files are read.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path as LocalPath, PathBuf};

use crate::files::scan::Stat;
use crate::hash::{HASH_LEN, Hash};
use crate::object::encoding::{Decoder, Encoder};

const MAGIC: &[u8] = b"aeordb cache 1\n";
/// Largest cache that is read: some ten million files.
const LEN_MAX: u64 = 2 << 30;
/// A file that changed this shortly before it was looked at may change again without its times
/// saying so: the clocks of file systems tick this coarsely at worst, in nanoseconds.
const RACY: i64 = 100_000_000;

/// What is remembered of the files of one local tree.
pub struct Cache {
    path: Option<PathBuf>,
    known: HashMap<Vec<u8>, (Stat, Hash)>,
    now: HashMap<Vec<u8>, (Stat, Hash)>,
    started: i64,
}

impl Cache {
    /// The cache in `directory` for the tree that `identity` names; with `None` nothing is
    /// remembered. `started`: the time at which the tree is looked at.
    pub fn open(
        directory: Option<&LocalPath>,
        identity: &[u8],
        started: i64,
        forget: bool,
    ) -> Self {
        let path = directory.map(|directory| directory.join(Hash::of(identity).to_string()));
        let known = match &path {
            Some(path) if !forget => read(path).unwrap_or_default(),
            _ => HashMap::new(),
        };
        Cache { path, known, now: HashMap::new(), started }
    }

    /// The hash that the file had when it looked just like this.
    pub fn known(&self, path: &[u8], stat: &Stat) -> Option<Hash> {
        self.known.get(path).filter(|(known, _)| known == stat).map(|(_, hash)| *hash)
    }

    /// Remembers a file, unless its times are too fresh to be trusted.
    pub fn remember(&mut self, path: Vec<u8>, stat: Stat, hash: Hash) {
        if self.path.is_some() && stat.mtime.max(stat.ctime).saturating_add(RACY) < self.started {
            self.now.insert(path, (stat, hash));
        }
    }

    /// Writes what is remembered. That this fails costs time later, nothing else.
    pub fn save(self) {
        let Some(path) = &self.path else { return };
        if self.now != self.known {
            let _ = write(path, &self.now);
        }
    }
}

fn read(path: &LocalPath) -> Option<HashMap<Vec<u8>, (Stat, Hash)>> {
    if fs::metadata(path).ok()?.len() > LEN_MAX {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let (body, check) = bytes.split_last_chunk::<HASH_LEN>()?;
    if Hash::of(body) != Hash::new(*check) {
        return None;
    }
    let mut decoder = Decoder::new("the cache", body.strip_prefix(MAGIC)?);
    let mut known = HashMap::new();
    while !decoder.is_empty() {
        let path = decoder.bytes_in("a path", 1, 8192).ok()?.to_vec();
        let stat = Stat {
            size: decoder.varint().ok()?,
            mtime: decoder.i64().ok()?,
            ctime: decoder.i64().ok()?,
            inode: decoder.varint().ok()?,
            device: decoder.varint().ok()?,
        };
        known.insert(path, (stat, decoder.hash().ok()?));
    }
    Some(known)
}

fn write(path: &LocalPath, known: &HashMap<Vec<u8>, (Stat, Hash)>) -> std::io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    let mut encoder = Encoder::new(&mut bytes);
    for (path, (stat, hash)) in known {
        encoder.bytes(path);
        encoder.varint(stat.size);
        encoder.i64(stat.mtime);
        encoder.i64(stat.ctime);
        encoder.varint(stat.inode);
        encoder.varint(stat.device);
        encoder.hash(hash);
    }
    let check = Hash::of(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::File::create(&temporary).and_then(|mut file| file.write_all(&bytes));
    match written.and_then(|()| fs::rename(&temporary, path)) {
        Ok(()) => Ok(()),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}
