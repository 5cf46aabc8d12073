//! Sealed files: exports and patches. Written once from front to back, to a disk or a pipe; their
//! last bytes prove all bytes before them.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use zerocopy::IntoBytes;

use crate::crew::Crew;
use crate::error::{Context, Error, Result};
use crate::format::block::TableEntry;
use crate::format::checkpoint::{Checkpoint, RunRef};
use crate::format::link::Link;
use crate::format::run::Record;
use crate::format::seal::{CLOSING_FRAME_LEN, Closing};
use crate::format::superblock::{FileKind, SEALED_START, Superblock};
use crate::format::{FRAME_HEADER_LEN, FrameKind};
use crate::hash::{Hash, Kind, VersionId};
use crate::limits::RECENT_ENTRIES_MAX;
use crate::log::content_hash::ContentHash;
use crate::log::index::Index;
use crate::log::packer::{Packed, Packer};
use crate::log::recover::{self, State};
use crate::log::source::Source;
use crate::log::{Log, run_writer};
use crate::store::{RawBlock, Receive, Root};

/// Writes a sealed file.
pub struct SealedWriter<'a> {
    out: &'a mut dyn Write,
    file_id: [u8; 16],
    offset: u64,
    content: ContentHash,
    packer: Packer,
    records: Vec<Record>,
    runs: Vec<RunRef>,
    closing: Closing,
}

impl<'a> SealedWriter<'a> {
    /// Starts a file that holds `target`, or leads from `base` to it. Whoever reads it must know the
    /// features `required`.
    pub fn new(
        out: &'a mut dyn Write,
        crew: Arc<Crew>,
        base: Option<&VersionId>,
        target: &VersionId,
        required: u64,
    ) -> Result<Self> {
        let kind = if base.is_some() { FileKind::Patch } else { FileKind::Export };
        let mut file_id = [0; 16];
        for (id, byte) in file_id.iter_mut().zip(target.0.as_bytes()) {
            *id = *byte;
        }
        let mut superblock = Superblock::new(kind, file_id);
        superblock.required = required.into();
        superblock.target = *target.0.as_bytes();
        superblock.base = base.map(|base| *base.0.as_bytes()).unwrap_or_default();
        let closing =
            Closing { target: superblock.target, base: superblock.base, ..Closing::default() };
        let mut writer = SealedWriter {
            out,
            file_id,
            offset: 0,
            content: ContentHash::new(),
            packer: Packer::new(crew),
            records: Vec::new(),
            runs: Vec::new(),
            closing,
        };
        writer.write(superblock.sealed().as_bytes())?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_shared(&Bytes::copy_from_slice(bytes))
    }

    fn write_shared(&mut self, bytes: &Bytes) -> Result<()> {
        self.content.update(bytes);
        self.offset += bytes.len() as u64;
        self.out.write_all(bytes).context(|| "writing the output".into())
    }

    /// Adds an entry that is not in the file yet.
    pub fn push(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<()> {
        self.packer.push(kind, hash, encoding);
        self.drain(false)
    }

    /// Adds a block as it is; none of its entries is in the file yet.
    pub fn push_block(&mut self, block: &RawBlock) -> Result<()> {
        self.packer.push_block(block);
        self.drain(false)
    }

    /// Writes a block before anything that comes next, also deltas. Only for patches, whose entries
    /// nobody looks up in the file.
    pub fn push_block_here(&mut self, frame: &[u8], entries: &[TableEntry]) -> Result<()> {
        self.write(frame)?;
        self.count(frame, entries.iter().map(|entry| (entry.kind, entry.len)));
        Ok(())
    }

    /// Writes a delta of so many entries and bytes that somebody else has made; how many of them are
    /// chunks is for the caller to say at the end.
    pub fn push_delta_here(&mut self, frame: &[u8], entries: u64, raw_len: usize) -> Result<()> {
        self.write(frame)?;
        self.closing.entries += entries;
        self.closing.raw_bytes += raw_len as u64;
        self.closing.stored_bytes += frame.len() as u64;
        Ok(())
    }

    /// Says what the entries that come next lead from and to.
    pub fn push_link(&mut self, link: &Link) -> Result<()> {
        self.write(&link.encode())
    }

    fn count(&mut self, frame: &[u8], entries: impl Iterator<Item = (Kind, u32)>) {
        for (kind, len) in entries {
            self.closing.raw_bytes += u64::from(len);
            self.closing.chunks += u64::from(kind == Kind::Chunk);
            self.closing.entries += 1;
        }
        self.closing.stored_bytes += frame.len() as u64;
    }

    /// Adds a delta, whose entries nobody finds in the file by name.
    pub fn push_delta(&mut self, frame: &[u8], entries: &[(Kind, u32)]) -> Result<()> {
        self.write(frame)?;
        self.count(frame, entries.iter().copied());
        Ok(())
    }

    /// Adds a part of the list of changes.
    pub fn push_changes(&mut self, frame: &[u8]) -> Result<()> {
        self.write(frame)
    }

    /// Closes the blocks that are being filled, so that what comes next stands after them.
    pub fn end_section(&mut self) -> Result<()> {
        self.packer.close_all();
        self.drain(false)
    }

    fn drain(&mut self, all: bool) -> Result<()> {
        while let Some(packed) = self.packer.next(all) {
            self.write_block(packed?)?;
        }
        Ok(())
    }

    fn write_block(&mut self, packed: Packed) -> Result<()> {
        let at = self.offset;
        self.write_shared(&packed.frame)?;
        for (entry, ordinal) in packed.entries.iter().zip(0u16..) {
            self.records.push(Record::new(&entry.hash, at, ordinal, packed.tag()));
        }
        self.count(&packed.frame, packed.entries.iter().map(|entry| (entry.kind, entry.len)));
        self.packer.written(&packed);
        if self.records.len() >= RECENT_ENTRIES_MAX {
            self.write_run()?;
        }
        Ok(())
    }

    /// An export finds its entries by an index. A patch is read from front to back, and at the
    /// size that patches have an index would be a good part of it.
    fn write_run(&mut self) -> Result<()> {
        if self.closing.base != [0; 32] {
            self.records.clear();
        }
        let mut records = std::mem::take(&mut self.records);
        records.sort_unstable_by_key(|record| record.hash);
        let mut frame = vec![0; FRAME_HEADER_LEN];
        let start = self.offset;
        let written = run_writer::write_run(start, records.into_iter().map(Ok), |bytes, at| {
            if at == start {
                frame.splice(..FRAME_HEADER_LEN, bytes.iter().copied());
            } else {
                frame.extend_from_slice(bytes);
            }
            Ok(())
        })?;
        if let Some((run, _)) = written {
            self.write(&frame)?;
            self.runs.push(run);
        }
        Ok(())
    }

    /// Writes the index and the closing superblock. `counts` fills in what only the caller knows.
    pub fn finish(mut self, counts: impl FnOnce(&mut Closing)) -> Result<(Closing, u64)> {
        self.packer.close_all();
        self.drain(true)?;
        self.write_run()?;
        let checkpoint = Checkpoint { runs: std::mem::take(&mut self.runs), voids: Vec::new() };
        if !checkpoint.runs.is_empty() {
            self.closing.checkpoint = self.offset.into();
            let frame = checkpoint.encode(self.file_id, self.offset);
            self.write(&frame)?;
        }
        counts(&mut self.closing);
        self.closing.offset = self.offset.into();
        self.closing.content = *self.content.finish().as_bytes();
        let frame = self.closing.encode();
        let written = self.out.write_all(&frame).and_then(|()| self.out.flush());
        written.context(|| "writing the output".into())?;
        Ok((self.closing, self.offset + frame.len() as u64))
    }
}

impl Receive for SealedWriter<'_> {
    fn receive(&mut self, kind: Kind, hash: Hash, encoding: &[u8]) -> Result<()> {
        self.push(kind, hash, encoding)
    }

    fn receive_block(&mut self, block: &RawBlock) -> Result<()> {
        self.push_block(block)
    }
}

/// The closing superblock of a sealed file, checked against its head.
pub fn closing(source: &Source, superblock: &Superblock) -> Result<Closing> {
    let len = source.file_len()?;
    let cut_off = |at| {
        source.damaged(
            at,
            "expected the closing superblock at the end, found none: the file is cut off",
        )
    };
    let at = len.checked_sub(CLOSING_FRAME_LEN as u64).ok_or_else(|| cut_off(len))?;
    let (header, body) =
        recover::small_frame(source, at, FrameKind::Closing).map_err(|error| match error {
            Error::Damaged { .. } => cut_off(at),
            other => other,
        })?;
    let closing = source.named(Closing::parse(at, &header, &body))?;
    if closing.target != superblock.target || closing.base != superblock.base {
        return Err(source.damaged(at, "a closing superblock of another file"));
    }
    Ok(closing)
}

/// Opens a sealed file for reading.
pub fn open(source: Arc<Source>, superblock: Superblock) -> Result<Log> {
    let closing = closing(&source, &superblock)?;
    let at = closing.checkpoint.get();
    let checkpoint = if at == 0 {
        Checkpoint::default()
    } else {
        recover::parse_checkpoint(&source, superblock.file_id, at)?
    };
    let root = Root { head: Some(VersionId(Hash::new(closing.target))), ..Root::default() };
    let state = State {
        superblock,
        next_slot: 0,
        lost_slot: None,
        root,
        index: Arc::new(Index::new(source.clone(), SEALED_START, &checkpoint)),
        end: closing.offset.get() + CLOSING_FRAME_LEN as u64,
        commit_hash: [0; 32],
        checkpoint,
        checkpoint_at: at,
        checkpoint_commit: 0,
        tail_start: 0,
        proven_to: 0,
        not_indexed_to: None,
        damages: Vec::new(),
        doubt: None,
    };
    let kind = superblock.file_kind().unwrap_or(FileKind::Export);
    Ok(Log::new(source, superblock, kind, &state))
}
