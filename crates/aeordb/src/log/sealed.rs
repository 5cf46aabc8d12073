//! Sealed files: exports and patches. Written once from front to back, to a disk or a pipe; their
//! last bytes prove all bytes before them.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use zerocopy::IntoBytes;

use crate::encryption::{self, FileKey, Recipients};
use crate::error::{Context, Error, Result};
use crate::format::block::TableEntry;
use crate::format::checkpoint::{Checkpoint, RunRef};
use crate::format::cipher::{self, Cipher, PROOF_FRAME_LEN, Proof};
use crate::format::link::Link;
use crate::format::run::Record;
use crate::format::seal::{CLOSING_FRAME_LEN, Closing};
use crate::format::superblock::{ENCRYPTED, FileKind, SEALED_START, Superblock};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind};
use crate::hash::{Hash, Kind, VersionId};
use crate::limits::RECENT_ENTRIES_MAX;
use crate::log::checked;
use crate::log::content_hash::ContentHash;
use crate::log::index::Index;
use crate::log::packer::{Packed, Packer};
use crate::log::source::Source;
use crate::log::state::State;
use crate::log::{Log, run_writer};
use crate::pool::Pool;
use crate::store::{RawBlock, Receive, Root};

/// Writes a sealed file.
pub struct SealedWriter<'a> {
    out: &'a mut dyn Write,
    file_id: [u8; 16],
    offset: u64,
    content: ContentHash,
    cipher: Option<Cipher>,
    packer: Packer,
    records: Vec<Record>,
    runs: Vec<RunRef>,
    closing: Closing,
}

impl<'a> SealedWriter<'a> {
    /// Starts a file that holds `target`, or leads from `base` to it. Whoever reads it must know the
    /// features `required`, and be one of the recipients if there are any.
    pub fn new(
        out: &'a mut dyn Write,
        pool: Arc<Pool>,
        base: Option<&VersionId>,
        target: &VersionId,
        required: u64,
        recipients: Option<&dyn Recipients>,
    ) -> Result<Self> {
        let kind = if base.is_some() { FileKind::Patch } else { FileKind::Export };
        let mut file_id = [0; 16];
        for (id, byte) in file_id.iter_mut().zip(target.0.as_bytes()) {
            *id = *byte;
        }
        let mut superblock = Superblock::new(kind, file_id);
        let encrypted = if recipients.is_some() { ENCRYPTED } else { 0 };
        superblock.required = (required | encrypted).into();
        superblock.target = *target.0.as_bytes();
        superblock.base = base.map(|base| *base.0.as_bytes()).unwrap_or_default();
        let closing =
            Closing { target: superblock.target, base: superblock.base, ..Closing::default() };
        let mut writer = SealedWriter {
            out,
            file_id,
            offset: 0,
            content: ContentHash::new(),
            cipher: None,
            packer: Packer::new(pool),
            records: Vec::new(),
            runs: Vec::new(),
            closing,
        };
        let superblock = superblock.sealed();
        writer.write(superblock.as_bytes())?;
        if let Some(recipients) = recipients {
            // A key for this file alone: its nonces are the places of what is written to it, once.
            let key = FileKey::random()?;
            writer.write(&cipher::encode_keys(&recipients.wrap(&key)?)?)?;
            writer.cipher = Some(Cipher::new(&key, &superblock)?);
        }
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

    /// Writes a frame, sealed if the file is encrypted. Gives the first bytes of the hash that it has
    /// in the file.
    fn write_frame(&mut self, frame: &Bytes) -> Result<u64> {
        let sealed = match &self.cipher {
            None => frame.clone(),
            Some(cipher) => Bytes::from(cipher.seal(self.offset, frame)?),
        };
        self.write_shared(&sealed)?;
        Ok(FrameHeader::parse(&sealed).map_or(0, |header| header.tag()))
    }

    /// The same of bytes that are not shared.
    fn write_own(&mut self, frame: &[u8]) -> Result<()> {
        match &self.cipher {
            None => self.write(frame),
            Some(cipher) => {
                let sealed = cipher.seal(self.offset, frame)?;
                self.write_shared(&sealed.into())
            }
        }
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
        self.write_own(frame)?;
        self.count(frame, entries.iter().map(|entry| (entry.kind, entry.len)));
        Ok(())
    }

    /// Writes a delta of so many entries and bytes that somebody else has made; how many of them are
    /// chunks is for the caller to say at the end.
    pub fn push_delta_here(&mut self, frame: &[u8], entries: u64, raw_len: usize) -> Result<()> {
        self.write_own(frame)?;
        self.closing.entries += entries;
        self.closing.raw_bytes += raw_len as u64;
        self.closing.stored_bytes += frame.len() as u64;
        Ok(())
    }

    /// Says what the entries that come next lead from and to.
    pub fn push_link(&mut self, link: &Link) -> Result<()> {
        self.write_own(&link.encode())
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
        self.write_own(frame)?;
        self.count(frame, entries.iter().copied());
        Ok(())
    }

    /// Adds a part of the list of changes.
    pub fn push_changes(&mut self, frame: &[u8]) -> Result<()> {
        self.write_own(frame)
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
        let tag = self.write_frame(&packed.frame)?;
        for (entry, ordinal) in packed.entries.iter().zip(0u16..) {
            self.records.push(Record::new(&entry.hash, at, ordinal, tag));
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
            if let Some(cipher) = &self.cipher {
                cipher.seal_run(start, &mut frame)?;
            }
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
            self.write_own(&frame)?;
        }
        counts(&mut self.closing);
        let mut content = self.content.finish();
        let mut end = Vec::new();
        if let Some(cipher) = &self.cipher {
            let before = *content.finalize().as_bytes();
            end = cipher.proof(self.offset, before, &self.closing).encode();
            content.update(&end);
            self.offset += end.len() as u64;
        }
        self.closing.offset = self.offset.into();
        self.closing.content = *content.finalize().as_bytes();
        let frame = self.closing.encode();
        end.extend_from_slice(&frame);
        let written = self.out.write_all(&end).and_then(|()| self.out.flush());
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
        checked::small_frame(source, at, FrameKind::Closing).map_err(|error| match error {
            Error::Damaged { .. } => cut_off(at),
            other => other,
        })?;
    let closing = source.named(Closing::parse(at, &header, &body))?;
    if closing.target != superblock.target || closing.base != superblock.base {
        return Err(source.damaged(at, "a closing superblock of another file"));
    }
    Ok(closing)
}

/// What opens the frames of an encrypted file, and has proved how it ends.
fn cipher(
    source: &Source,
    superblock: &Superblock,
    closing: &Closing,
) -> Result<Option<Arc<Cipher>>> {
    if !superblock.is_encrypted() {
        return Ok(None);
    }
    let header = source.header(SEALED_START)?;
    let len = source.named(cipher::check_keys(SEALED_START, header.as_ref()))?;
    let wrapped = source.bytes(SEALED_START + FRAME_HEADER_LEN as u64, len)?;
    if let Some(header) = &header {
        source.named(cipher::check_keys_body(SEALED_START, header, &wrapped))?;
    }
    let key = encryption::unwrap(source.name(), &wrapped)?;
    let cipher = source.named(Cipher::new(&key, superblock))?;
    let end = closing.offset.get();
    let at = end.checked_sub(PROOF_FRAME_LEN as u64);
    let at = at.ok_or_else(|| source.damaged(end, "an encrypted file without a proof"))?;
    let (header, body) = checked::small_frame(source, at, FrameKind::Proof)?;
    let proof = source.named(Proof::parse(at, &header, &body))?;
    source.named(cipher.check(at, &proof, closing))?;
    Ok(Some(Arc::new(cipher)))
}

/// Opens a sealed file for reading.
pub fn open(source: Source, superblock: Superblock) -> Result<Log> {
    let closing = closing(&source, &superblock)?;
    let cipher = cipher(&source, &superblock, &closing)?;
    let source = Arc::new(source.with_cipher(cipher));
    let at = closing.checkpoint.get();
    let checkpoint = if at == 0 {
        Checkpoint::default()
    } else {
        checked::parse_checkpoint(&source, superblock.file_id, at)?
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
