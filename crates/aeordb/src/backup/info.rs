//! Info: what a file is, from its headers.

use std::path::Path as LocalPath;

use crate::db::{Database, FileKind, Options, Unfinished};
use crate::error::{Context, Error, Result};
use crate::format::FrameKind;
use crate::format::block::Class;
use crate::format::seal::Closing;
use crate::format::superblock::{FORMAT_VERSION, SUPERBLOCK_LEN, Superblock};
use crate::hash::{Hash, VersionId};
use crate::log::frames::Seen;
use crate::log::sealed;
use crate::log::source::Source;
use crate::media::open_read;
use crate::object::Totals;

/// What a file is.
#[derive(Clone, Debug)]
pub struct Info {
    /// What the file is.
    pub kind: FileKind,
    /// Version of its format.
    pub format: u32,
    /// HEAD; of a sealed file the version that it holds or leads to.
    pub version: VersionId,
    /// The version that a patch starts from.
    pub base: Option<VersionId>,
    /// Files of the version; of a patch, files added or modified.
    pub files: u64,
    /// Directories of the version; of a patch, those that changed.
    pub directories: u64,
    /// Chunks in the file.
    pub chunks: u64,
    /// Entries in the file.
    pub entries: u64,
    /// Bytes of the version's files; zero for a patch, and for what is encrypted for others.
    pub bytes: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of its blocks.
    pub stored_bytes: u64,
    /// Bytes of its entries before compression.
    pub raw_bytes: u64,
    /// Number of snapshots.
    pub snapshots: u64,
    /// Number of history entries.
    pub history: u64,
    /// Bytes that nothing needs, as far as the last collection knew.
    pub void_bytes: u64,
    /// Puts that have not come to their end: what each put, and how much of it is stored.
    pub unfinished: Vec<(Unfinished, Totals)>,
    /// Patches: files that are only in the target.
    pub files_added: u64,
    /// Patches: files that differ.
    pub files_modified: u64,
    /// Patches: files that are only in the base.
    pub files_deleted: u64,
    /// Whether the file is encrypted, and can be read.
    pub encryption: Encryption,
}

/// Whether a file is encrypted, and can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encryption {
    /// It is not.
    #[default]
    None,
    /// It is, and its key is at hand.
    Opened,
    /// It is, and the rest says what is seen without its key.
    Unopened,
}

/// Looks at a file of any kind. Only headers are read, and of a database the names in it.
pub fn info(path: impl AsRef<LocalPath>) -> Result<Info> {
    let path = path.as_ref();
    let database = match Database::open(path, &Options { workers: 1, ..Options::default() }) {
        Err(Error::Encrypted { .. }) => return unopened(path),
        opened => opened?,
    };
    let log = database.log();
    let reader = database.reader()?;
    let mut info = Info::new(database.kind(), reader.head(), log.source().file_len()?);
    if log.superblock().is_encrypted() {
        info.encryption = Encryption::Opened;
    }
    if database.kind() == FileKind::Patch {
        info.fill(&sealed::closing(log.source(), log.superblock())?);
        return Ok(info);
    }
    let totals = reader.version(&info.version)?.totals;
    info.files = totals.files;
    info.directories = totals.directories;
    info.bytes = totals.bytes;
    info.snapshots = reader.snapshots()?.len() as u64;
    for one in reader.unfinished()? {
        let stored = reader.version(&one.version)?.totals;
        info.unfinished.push((one, stored));
    }
    for entry in reader.history()? {
        entry?;
        info.history += 1;
    }
    info.void_bytes = log.voids().iter().map(|void| void.len.get()).sum();
    for seen in log.frames() {
        let header = match seen? {
            Seen::Frame(_, header) => header,
            // What cannot be counted must not look as if it were not there.
            Seen::Gap(at, len) => {
                let detail = format!("expected a frame, found {len} other bytes");
                return Err(log.source().damaged(at, detail));
            }
        };
        if header.frame_kind() == Some(FrameKind::Block) {
            let count = u64::from(header.count.get());
            info.entries += count;
            info.chunks += if header.class == Class::Chunks as u8 { count } else { 0 };
            info.raw_bytes += u64::from(header.raw_len.get());
            info.stored_bytes += header.frame_len();
        }
    }
    Ok(info)
}

/// What is seen of an encrypted file without its key.
fn unopened(path: &LocalPath) -> Result<Info> {
    let name = path.display().to_string();
    let source = Source::new(open_read(path)?, name.clone());
    let mut head = [0; SUPERBLOCK_LEN];
    source.media().read_exact_at(&mut head, 0).context(|| format!("reading {name}"))?;
    let superblock = Superblock::parse(&name, 0, &head)?;
    let closing = sealed::closing(&source, &superblock)?;
    let kind = superblock.file_kind().unwrap_or(FileKind::Export);
    let mut info = Info::new(kind, VersionId(Hash::new(closing.target)), source.file_len()?);
    info.fill(&closing);
    info.encryption = Encryption::Unopened;
    Ok(info)
}

impl Info {
    /// Of a file of so many bytes, without what is in it.
    fn new(kind: FileKind, version: VersionId, file_bytes: u64) -> Self {
        Info {
            kind,
            format: FORMAT_VERSION,
            version,
            base: None,
            files: 0,
            directories: 0,
            chunks: 0,
            entries: 0,
            bytes: 0,
            file_bytes,
            stored_bytes: 0,
            raw_bytes: 0,
            snapshots: 0,
            history: 0,
            void_bytes: 0,
            unfinished: Vec::new(),
            files_added: 0,
            files_modified: 0,
            files_deleted: 0,
            encryption: Encryption::None,
        }
    }

    /// Fills in what the end of a sealed file says.
    fn fill(&mut self, closing: &Closing) {
        if self.kind == FileKind::Patch {
            self.base = Some(VersionId(Hash::new(closing.base)));
            self.files_added = closing.files_added.get();
            self.files_modified = closing.files_modified.get();
            self.files_deleted = closing.files_deleted.get();
        }
        self.files = closing.files.get();
        self.directories = closing.directories.get();
        self.chunks = closing.chunks.get();
        self.entries = closing.entries.get();
        self.raw_bytes = closing.raw_bytes.get();
        self.stored_bytes = closing.stored_bytes.get();
    }
}

/// Where one of several files stands among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainLink {
    /// Which of the files.
    pub file: usize,
    /// The file that leads to the version that this one starts from. A patch without one is where
    /// the chain is broken.
    pub follows: Option<usize>,
    /// How many files it stands on.
    pub depth: usize,
}

/// Puts files into the order in which they follow each other, whatever order they are in: each
/// before those that stand on it.
pub fn chain(files: &[Info]) -> Vec<ChainLink> {
    let follows: Vec<Option<usize>> =
        files.iter().enumerate().map(|(number, file)| supplier(files, number, file)).collect();
    let mut links: Vec<ChainLink> = Vec::with_capacity(files.len());
    let mut seen = vec![false; files.len()];
    // Those that stand on nothing come first; then what is left goes in circles, as a patch and
    // the one that undoes it.
    let (firsts, rest): (Vec<usize>, Vec<usize>) =
        (0..files.len()).partition(|number| follows.get(*number) == Some(&None));
    for first in firsts.into_iter().chain(rest) {
        let mut waiting = vec![ChainLink { file: first, follows: None, depth: 0 }];
        while let Some(link) = waiting.pop() {
            match seen.get_mut(link.file) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            links.push(link);
            for (file, before) in follows.iter().enumerate().rev() {
                if *before == Some(link.file) {
                    let (follows, depth) = (*before, link.depth + 1);
                    waiting.push(ChainLink { file, follows, depth });
                }
            }
        }
    }
    links
}

/// The file that leads to the version that a patch starts from: a full one if there is one, else
/// the nearest before it, else the first after it.
fn supplier(files: &[Info], number: usize, file: &Info) -> Option<usize> {
    let base = file.base?;
    let others = || {
        let all = files.iter().enumerate();
        all.filter(|(other, one)| *other != number && one.version == base)
    };
    let full = others().find(|(_, one)| one.kind != FileKind::Patch);
    let before = || others().rfind(|(other, _)| *other < number);
    full.or_else(before).or_else(|| others().next()).map(|(other, _)| other)
}
