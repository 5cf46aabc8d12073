//! Reads a sealed file from front to back, once, without seeking: what an import does with a file
//! or a pipe. Nothing that it gives counts before the closing superblock has proved it.

use std::io::Read;

use bytes::Bytes;

use crate::error::{Context, Error, Result};
use crate::format::change_list::{self, ChangeList};
use crate::format::delta::{self, Section};
use crate::format::link::{LINK_LEN, Link};
use crate::format::seal::Closing;
use crate::format::superblock::{FileKind, SUPERBLOCK_LEN, Superblock};
use crate::format::{FRAME_HEADER_LEN, FrameHeader, FrameKind, block, checkpoint, run};
use crate::hash::Hash;
use crate::store::RawBlock;

/// A sealed file that is being read.
pub struct StreamReader<'a> {
    input: &'a mut dyn Read,
    name: String,
    offset: u64,
    content: blake3::Hasher,
    superblock: Superblock,
    /// Nothing may follow.
    is_last: bool,
}

/// A delta as it is stored, checked by its hash.
#[derive(Clone)]
pub struct Delta {
    /// The whole frame.
    pub frame: Bytes,
    header: FrameHeader,
    /// Where it stands.
    pub at: u64,
    /// The directory nodes that its table is compressed against.
    pub context: Vec<Hash>,
    table_len: usize,
    table: Bytes,
    payloads: Bytes,
}

impl Delta {
    /// Number of entries that come out of it.
    pub fn count(&self) -> u64 {
        self.header.count.get().into()
    }

    /// Bytes of the entries that come out of it.
    pub fn raw_len(&self) -> usize {
        self.header.raw_len.get() as usize
    }

    /// What it is made of, each section with its payload; `encodings` are those of the context,
    /// one after another.
    pub fn sections(&self, encodings: &[u8]) -> Result<Vec<(Section, Bytes)>> {
        let parts = delta::Parts {
            context: self.context.clone(),
            table_len: self.table_len,
            table: &self.table,
            payloads: &self.payloads,
        };
        let mut start = 0;
        let sections = delta::sections(self.at, &self.header, &parts, encodings)?;
        let with_payload = |section: Section| {
            let end = start + section.payload_len;
            let payload = self.payloads.slice(start..end);
            start = end;
            (section, payload)
        };
        Ok(sections.into_iter().map(with_payload).collect())
    }
}

/// The next part of a sealed file.
pub enum Part {
    /// A block, checked by its hash, and where it stands.
    Block(u64, RawBlock),
    /// A delta, checked by its hash.
    Delta(Delta),
    /// A part of the list of changes.
    Changes(ChangeList),
    /// What follows leads from one version to another, and where this stands.
    Link(u64, Link),
    /// The end: everything before it is what was written.
    End(Box<Closing>),
}

impl<'a> StreamReader<'a> {
    /// Reads the head of the file called `name`, which ends where the input ends.
    pub fn new(input: &'a mut dyn Read, name: impl Into<String>) -> Result<Self> {
        Ok(StreamReader { is_last: true, ..StreamReader::first(input, name)? })
    }

    /// Reads the head of the file called `name`, which other files may follow.
    pub fn first(input: &'a mut dyn Read, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let mut head = Vec::with_capacity(SUPERBLOCK_LEN);
        input
            .take(SUPERBLOCK_LEN as u64)
            .read_to_end(&mut head)
            .context(|| format!("reading {name}"))?;
        let superblock = Superblock::parse(&name, 0, &head)?;
        if superblock.file_kind() == Some(FileKind::Database) {
            let detail = "is a database, not an export or a patch".into();
            return Err(Error::Foreign { what: name, detail });
        }
        let mut content = blake3::Hasher::new();
        content.update(&head);
        let offset = head.len() as u64;
        Ok(StreamReader { input, name, offset, content, superblock, is_last: false })
    }

    /// The file's name in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The head.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn damaged(&self, offset: u64, detail: impl Into<String>) -> Error {
        Error::damaged(self.name.clone(), offset, detail)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => {
                    let end = self.offset + filled as u64;
                    return Err(self.damaged(end, "the file ends here: it is cut off"));
                }
                read => filled += read,
            }
        }
        self.offset += buffer.len() as u64;
        Ok(())
    }

    /// Reads once; an interruption is none.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => return read.context(|| format!("reading {}", self.name)),
            }
        }
    }

    /// The next part.
    pub fn next_part(&mut self) -> Result<Part> {
        loop {
            let at = self.offset;
            let mut start = [0; FRAME_HEADER_LEN];
            self.fill(&mut start)?;
            let header = FrameHeader::parse(&start)
                .ok_or_else(|| self.damaged(at, "expected a frame, found other bytes"))?;
            match header.frame_kind() {
                Some(FrameKind::Block) => return self.block(at, &header, &start),
                Some(FrameKind::Run) => {
                    if header.body_len.get() != run::body_len(u64::from(header.count.get())) {
                        return Err(self.damaged(at, "a run of a length that no run has"));
                    }
                    self.content.update(&start);
                    self.skip(header.body_len.get())?;
                }
                Some(FrameKind::Checkpoint)
                    if header.body_len.get() <= checkpoint::BODY_LEN_MAX =>
                {
                    self.content.update(&start);
                    self.skip(header.body_len.get())?;
                }
                Some(FrameKind::Delta) => return self.delta(at, &header, &start),
                Some(FrameKind::Changes) => return self.changes(at, &header, &start),
                Some(FrameKind::Link) if header.body_len.get() == LINK_LEN as u64 => {
                    let frame = self.frame(&header, &start)?;
                    let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
                    return Ok(Part::Link(at, self.named(Link::parse(at, &header, body))?));
                }
                Some(FrameKind::Closing) => return self.end(at, &header),
                None => return Err(header.newer().in_file(&self.name)),
                _ => return Err(self.damaged(at, "a frame that no sealed file holds")),
            }
        }
    }

    fn block(&mut self, at: u64, header: &FrameHeader, start: &[u8]) -> Result<Part> {
        self.named(block::check_header(at, header))?;
        let frame = self.frame(header, start)?;
        Ok(Part::Block(at, self.named(RawBlock::parse(at, header, frame))?))
    }

    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.in_file(&self.name))
    }

    /// A whole frame whose length was held against the limits.
    fn frame(&mut self, header: &FrameHeader, start: &[u8]) -> Result<Bytes> {
        let mut frame = vec![0; usize::try_from(header.frame_len()).unwrap_or(usize::MAX)];
        frame[..FRAME_HEADER_LEN].copy_from_slice(start);
        self.fill(&mut frame[FRAME_HEADER_LEN..])?;
        self.content.update(&frame);
        Ok(Bytes::from(frame))
    }

    fn delta(&mut self, at: u64, header: &FrameHeader, start: &[u8]) -> Result<Part> {
        self.named(delta::check_header(at, header))?;
        let frame = self.frame(header, start)?;
        let body = frame.slice(FRAME_HEADER_LEN..);
        let delta::Parts { context, table_len, table, payloads } =
            self.named(delta::parse(at, header, &body))?;
        let (table, payloads) = (body.slice_ref(table), body.slice_ref(payloads));
        let header = *header;
        Ok(Part::Delta(Delta { frame, header, at, context, table_len, table, payloads }))
    }

    fn changes(&mut self, at: u64, header: &FrameHeader, start: &[u8]) -> Result<Part> {
        self.named(change_list::check_header(at, header))?;
        let frame = self.frame(header, start)?;
        let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        Ok(Part::Changes(self.named(change_list::parse(at, header, body))?))
    }

    fn skip(&mut self, mut len: u64) -> Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        while len > 0 {
            let part = usize::try_from(len).unwrap_or(usize::MAX).min(buffer.len());
            self.fill(&mut buffer[..part])?;
            self.content.update(&buffer[..part]);
            len -= part as u64;
        }
        Ok(())
    }

    fn end(&mut self, at: u64, header: &FrameHeader) -> Result<Part> {
        let mut body = vec![0; size_of::<Closing>()];
        if header.body_len.get() != body.len() as u64 {
            return Err(self.damaged(at, "a closing superblock of another length"));
        }
        self.fill(&mut body)?;
        let closing = Closing::parse(at, header, &body)
            .map_err(|_| self.damaged(at, "the closing superblock does not have its hash"))?;
        if closing.content != *self.content.finalize().as_bytes() {
            return Err(self.damaged(at, "the file does not have the hash it was sealed with"));
        }
        if closing.target != self.superblock.target || closing.base != self.superblock.base {
            return Err(self.damaged(at, "a closing superblock of another file"));
        }
        if self.is_last && self.read(&mut [0])? > 0 {
            return Err(self.damaged(self.offset, "expected the end of the file, found more bytes"));
        }
        Ok(Part::End(Box::new(closing)))
    }
}
