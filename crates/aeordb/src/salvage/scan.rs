//! The frames of a damaged file, found without its superblocks, its commits and its index.
//!
//! From a place that is sure, one frame leads to the next: its header has its check. After broken
//! bytes the next frame is looked for, and what is found may be bytes of a file that is stored here:
//! it counts only if it has its hash, and its length leads on only so far, until a frame says
//! itself where it stands. A header with one flipped bit is put right: its check says which.

use bytes::Bytes;
use zerocopy::IntoBytes;

use crate::error::{Error, Result};
use crate::format::block;
use crate::format::checkpoint::{self, Checkpoint, RunRef};
use crate::format::commit::{COMMIT_FRAME_LEN, Commit};
use crate::format::seal::Closing;
use crate::format::superblock::{
    DATABASE_START, FileKind, SEALED_START, SLOTS, SUPERBLOCK_LEN, Superblock,
};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::hash::{Hash, Kind};
use crate::log::frames;
use crate::log::source::Source;
use crate::monitor::Monitor;
use crate::salvage::broken::Broken;
use crate::salvage::rest::{SECTOR, rest_of};
use crate::store::{Block, RawBlock};

/// Bytes that a search reads at a time, and what is passed over where a disk does not read.
const WINDOW: u64 = 64 * 1024;
/// Broken places that are told: a file may be broken all through.
const BROKEN_MAX: usize = 10_000;
/// Bytes of a header that its check covers, and the check.
const CHECKED_LEN: usize = 32;

/// Entries of one block, each verified by its name.
pub struct Found {
    /// Where the block stands.
    pub at: u64,
    /// The block, if all of it is sound.
    pub whole: Option<RawBlock>,
    /// What of it is sound.
    pub entries: Vec<(Kind, Hash, Bytes)>,
}

/// What is known of the file beside its entries.
#[derive(Default)]
pub struct Scan {
    /// The newest sound superblock.
    pub superblock: Option<Superblock>,
    /// The newest commit that is whole and stands where it says.
    pub newest: Option<Commit>,
    /// The version that a sealed file says it holds.
    pub target: Option<Hash>,
    /// Blocks that were found.
    pub blocks: u64,
    /// What is broken, in the order of the file, as far as it is told.
    pub broken: Vec<Broken>,
    /// Where the last of what is broken stands.
    pub last_broken: u64,
    /// Entries are lost, or bytes that may have been entries.
    pub lacks: bool,
    /// A later commit than the newest was acknowledged.
    pub behind: bool,
}

impl Scan {
    /// Holds what was found against what the superblocks say.
    fn conclude(&mut self, len: u64) {
        let durable_to = self.superblock.map_or(0, |superblock| superblock.durable_to.get());
        let end = |commit: Commit| commit.offset.get() + COMMIT_FRAME_LEN as u64;
        self.behind = self.newest.map_or(DATABASE_START, end) < durable_to;
        if len < durable_to {
            let what = format!("the file ends here, of at least {durable_to} bytes");
            self.broken(len, what);
            self.lacks = true;
        }
    }

    fn broken(&mut self, offset: u64, what: impl Into<String>) {
        self.last_broken = self.last_broken.max(offset);
        if self.broken.len() < BROKEN_MAX {
            self.broken.push(Broken { offset, what: what.into() });
        }
    }
}

/// Goes through the file and gives every entry that is sound to `take`.
pub fn scan(
    source: &Source,
    monitor: &Monitor,
    take: &mut dyn FnMut(Found) -> Result<()>,
) -> Result<Scan> {
    let len = source.file_len()?;
    monitor.expect(0, len);
    let mut scanner = Scanner { source, monitor, len, sure: true, scan: Scan::default() };
    let mut at = scanner.start()?;
    while at < len {
        monitor.check()?;
        let next = scanner.step(at, take)?;
        monitor.advance(0, next - at);
        at = next;
    }
    scanner.scan.conclude(len);
    Ok(scanner.scan)
}

struct Scanner<'a> {
    source: &'a Source,
    monitor: &'a Monitor,
    len: u64,
    /// It is certain that frames of this file are being followed, not of one that is stored in it.
    sure: bool,
    scan: Scan,
}

impl Scanner<'_> {
    /// Where the first frame stands, by the superblocks if one of them is left.
    fn start(&mut self) -> Result<u64> {
        for offset in SLOTS {
            let mut buffer = [0; SUPERBLOCK_LEN];
            let read = self.source.media().read_at(&mut buffer, offset).unwrap_or(0);
            let bytes = buffer.get(..read).unwrap_or_default();
            match Superblock::parse(self.source.name(), offset, bytes) {
                Ok(found) if found.file_kind() == Some(FileKind::Patch) => return Err(self.patch()),
                Ok(found) if found.is_encrypted() => return Err(self.encrypted()),
                Ok(found) => {
                    let newer =
                        self.scan.superblock.is_none_or(|one| one.sequence < found.sequence);
                    self.scan.superblock = if newer { Some(found) } else { self.scan.superblock };
                    if found.file_kind() != Some(FileKind::Database) {
                        self.scan.target = Some(Hash::new(found.target));
                        return Ok(SEALED_START);
                    }
                }
                Err(error @ Error::Newer { .. }) => return Err(error),
                Err(error) => self.scan.broken(offset, said(error)),
            }
        }
        if self.scan.superblock.is_some() {
            return Ok(DATABASE_START);
        }
        let sealed = frames::frame(self.source, SEALED_START, self.len).is_ok_and(|f| f.is_some());
        let database =
            frames::frame(self.source, DATABASE_START, self.len).is_ok_and(|f| f.is_some());
        Ok(if database && !sealed { DATABASE_START } else { SEALED_START })
    }

    fn patch(&self) -> Error {
        let detail = "is a patch: it holds differences, which nobody reads alone; make it again";
        Error::invalid(format!("{} {detail}", self.source.name()))
    }

    fn encrypted(&self) -> Error {
        let detail = "is encrypted: parts of it are not saved one by one; fetch it again";
        Error::invalid(format!("{} {detail}", self.source.name()))
    }

    /// Looks at what stands at `at`, and says where to go on.
    fn step(&mut self, at: u64, take: &mut dyn FnMut(Found) -> Result<()>) -> Result<u64> {
        let header = match frames::frame(self.source, at, self.len) {
            Ok(None) | Err(Error::Io { .. }) if self.sure => self.mended(at),
            Ok(header) => header,
            Err(Error::Io { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(header) = header {
            let next = at + header.frame_len();
            match self.frame(at, &header, take) {
                Ok(true) => return Ok(next),
                Ok(false) => {}
                Err(error @ (Error::Damaged { .. } | Error::Limit { .. })) if self.sure => {
                    self.scan.broken(at, said(error));
                    return Ok(next);
                }
                // What a stored file of a newer program has in it is no matter.
                Err(Error::Newer { .. }) if !self.sure => {}
                Err(Error::Damaged { .. } | Error::Limit { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if self.sure {
            self.scan.broken(at, "expected a frame, found other bytes");
            self.scan.lacks = true;
        }
        self.sure = false;
        self.search(at + 1)
    }

    /// The header that stood at `at`, if one flipped bit is all that is wrong with it.
    fn mended(&mut self, at: u64) -> Option<FrameHeader> {
        let bytes = self.source.bytes(at, FRAME_HEADER_LEN).ok()?;
        let header = (0..CHECKED_LEN * 8).find_map(|bit| {
            let mut tried = bytes.clone();
            *tried.get_mut(bit / 8)? ^= 1 << (bit % 8);
            FrameHeader::parse(&tried)
        })?;
        let end = at.checked_add(header.frame_len())?;
        if end > self.len {
            return None;
        }
        self.scan.broken(at, "a flipped bit in the header of a frame, which its check puts right");
        Some(header)
    }

    /// The next place that looks like a frame.
    fn search(&self, mut at: u64) -> Result<u64> {
        while at < self.len {
            self.monitor.check()?;
            // The search reads beyond the end of a window as far as a magic may lie across it.
            let end = (at + WINDOW).min(self.len);
            match frames::next_frame(self.source, at..end, self.len) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => at = if end < self.len { end - 3 } else { end },
                Err(Error::Io { .. }) => at = self.search_sector(at, end)?,
                Err(error) => return Err(error),
            }
        }
        Ok(self.len)
    }

    /// The same where a disk does not read all.
    fn search_sector(&self, at: u64, end: u64) -> Result<u64> {
        let mut from = at;
        while from < end {
            let to = (from / SECTOR + 1) * SECTOR;
            match frames::next_frame(self.source, from..to.min(end), self.len) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) | Err(Error::Io { .. }) => from = to,
                Err(error) => return Err(error),
            }
        }
        Ok(end.max(at + 1))
    }

    /// Takes what is in a frame. False: it is none of this file, or nothing says so.
    fn frame(
        &mut self,
        at: u64,
        header: &FrameHeader,
        take: &mut dyn FnMut(Found) -> Result<()>,
    ) -> Result<bool> {
        match header.frame_kind() {
            Some(FrameKind::Block) => return self.block(at, header, take),
            Some(FrameKind::Commit) => {
                let commit = self.own(at, header, Commit::parse)?;
                let newest = self.scan.newest.filter(|one| one.sequence >= commit.sequence);
                self.scan.newest = newest.or(Some(commit));
            }
            Some(FrameKind::Checkpoint) => drop(self.own(at, header, Checkpoint::parse)?),
            Some(FrameKind::Run) => {
                let records = u64::from(header.count.get());
                let run = RunRef { offset: at.into(), records: records.into() };
                self.legible(at, self.source.read_page(&run, 0))?;
            }
            Some(FrameKind::Closing) => {
                let body = self.body(at, header)?;
                let closing = self.source.named(Closing::parse(at, header, &body))?;
                self.scan.target = Some(Hash::new(closing.target));
            }
            Some(FrameKind::Delta) if self.sure => return Err(self.patch()),
            Some(FrameKind::Keys | FrameKind::Proof) if self.sure => return Err(self.encrypted()),
            Some(FrameKind::Delta | FrameKind::Keys | FrameKind::Proof) => return Ok(false),
            Some(FrameKind::Void | FrameKind::Changes | FrameKind::Link) => return Ok(self.sure),
            None => return self.source.named(Err(header.newer())),
        }
        self.sure = true;
        Ok(true)
    }

    /// A frame that says in which file and where it stands. Which file that is, is known from the
    /// superblocks at best.
    fn own<T>(
        &self,
        at: u64,
        header: &FrameHeader,
        parse: impl FnOnce([u8; 16], u64, &FrameHeader, &[u8]) -> Result<T>,
    ) -> Result<T> {
        let body = self.body(at, header)?;
        let said = body.first_chunk::<16>().copied().unwrap_or_default();
        let file_id = self.scan.superblock.map_or(said, |superblock| superblock.file_id);
        self.source.named(parse(file_id, at, header, &body))
    }

    /// The body of a frame that is small enough to be held in memory.
    fn body(&self, at: u64, header: &FrameHeader) -> Result<Vec<u8>> {
        let len = header.body_len.get();
        let bounded = usize::try_from(len).ok().filter(|_| len <= checkpoint::BODY_LEN_MAX);
        let len = bounded.ok_or_else(|| self.source.damaged(at, "a frame that is too long"))?;
        self.legible(at, self.source.bytes(at + FRAME_HEADER_LEN as u64, len))
    }

    /// What the disk does not read is as lost as what does not have its hash.
    fn legible<T>(&self, at: u64, read: Result<T>) -> Result<T> {
        read.map_err(|error| match error {
            Error::Io { .. } => self.source.damaged(at, error.to_string()),
            error => error,
        })
    }

    /// A block as it is stored, checked by its hash.
    fn raw_block(&self, at: u64, header: &FrameHeader) -> Result<RawBlock> {
        self.source.named(block::check_header(at, header))?;
        // Bounded by the limits that the header was held against.
        let len = usize::try_from(header.frame_len()).unwrap_or(usize::MAX);
        let mut frame = self.source.bytes(at, len)?;
        // The header may have been put right.
        if let Some(head) = frame.get_mut(..FRAME_HEADER_LEN) {
            head.copy_from_slice(header.as_bytes());
        }
        self.source.named(RawBlock::parse(at, header, Bytes::from(frame)))
    }

    fn block(
        &mut self,
        at: u64,
        header: &FrameHeader,
        take: &mut dyn FnMut(Found) -> Result<()>,
    ) -> Result<bool> {
        let read = self.legible(at, self.raw_block(at, header));
        let decoded = read.and_then(|raw| raw.decode(at).map(|block| (raw, block)));
        match decoded {
            Ok((raw, block)) => {
                let entries = verified(&block, at);
                let all = entries.len() == block.head.entries.len();
                if !all {
                    self.scan.broken(at, "a block with entries that do not have their hash");
                    self.scan.lacks = true;
                }
                self.scan.blocks += 1;
                take(Found { at, whole: all.then_some(raw), entries })?;
                Ok(true)
            }
            Err(error @ (Error::Damaged { .. } | Error::Limit { .. })) if self.sure => {
                self.scan.broken(at, said(error));
                self.scan.blocks += 1;
                let entries = rest_of(self.source, at, header).unwrap_or_default();
                self.scan.lacks |= entries.len() as u64 != u64::from(header.count.get());
                take(Found { at, whole: None, entries })?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}

/// What an error says beside the file and the place.
fn said(error: Error) -> String {
    match error {
        Error::Damaged { detail, .. } => detail,
        error => error.to_string(),
    }
}

/// The entries of a decoded block that have their hash.
fn verified(block: &Block, at: u64) -> Vec<(Kind, Hash, Bytes)> {
    let entries = block.head.entries.iter().enumerate();
    entries
        .filter_map(|(ordinal, entry)| {
            block.verified(ordinal, at).ok().map(|bytes| (entry.kind, entry.hash, bytes))
        })
        .collect()
}
