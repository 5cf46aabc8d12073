//! Reads a sealed file from front to back, once, without seeking: what an import does with a file
//! or a pipe. Nothing that it gives counts before the closing superblock has proved it.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use crate::encryption;
use crate::error::{Context, Error, Result};
use crate::format::change_list::{self, ChangeList};
use crate::format::cipher::{self, Cipher, PROOF_FRAME_LEN, Proof};
use crate::format::delta::{self, Section};
use crate::format::link::{LINK_LEN, Link};
use crate::format::seal::Closing;
use crate::format::superblock::{FileKind, SEALED_START, SUPERBLOCK_LEN, Superblock};
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
    /// Opens the frames of an encrypted file.
    cipher: Option<Arc<Cipher>>,
    /// Where the proof of an encrypted file stands.
    proof: Option<(u64, Proof)>,
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
    /// A block or delta of an encrypted file whose key is not at hand, checked by its hash.
    Unopened(FrameHeader),
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
        let mut stream = StreamReader::without_key(input, name.into())?;
        if stream.superblock.is_encrypted() {
            let wrapped = stream.keys()?;
            let key = encryption::unwrap(&stream.name, &wrapped)?;
            stream.cipher = Some(Arc::new(stream.named(Cipher::new(&key, &stream.superblock))?));
        }
        Ok(stream)
    }

    /// Reads the head of the encrypted file called `name` as who has no key for it: what is in it stays
    /// unopened, and the proof of whoever closed it is not asked for.
    pub fn unopened(input: &'a mut dyn Read, name: impl Into<String>) -> Result<Self> {
        let mut stream = StreamReader::without_key(input, name.into())?;
        stream.keys()?;
        Ok(StreamReader { is_last: true, ..stream })
    }

    /// Reads the superblock of the file called `name`.
    fn without_key(input: &'a mut dyn Read, name: String) -> Result<Self> {
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
        let (cipher, proof, is_last) = (None, None, false);
        Ok(StreamReader { input, name, offset, content, superblock, cipher, proof, is_last })
    }

    /// What the head of an encrypted file has for its recipients.
    fn keys(&mut self) -> Result<Vec<u8>> {
        let mut start = [0; FRAME_HEADER_LEN];
        self.fill(&mut start)?;
        let header = FrameHeader::parse(&start);
        let len = self.named(cipher::check_keys(SEALED_START, header.as_ref()))?;
        let mut wrapped = vec![0; len];
        self.fill(&mut wrapped)?;
        if let Some(header) = &header {
            self.named(cipher::check_keys_body(SEALED_START, header, &wrapped))?;
        }
        self.content.update(&start);
        self.content.update(&wrapped);
        Ok(wrapped)
    }

    /// What opens the frames of an encrypted file.
    pub fn cipher(&self) -> Option<&Arc<Cipher>> {
        self.cipher.as_ref()
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
                Some(kind) if self.is_unopened() && !is_index_or_end(kind) => {
                    let unopened = self.unopened_frame(at, kind, &header, &start)?;
                    if matches!(kind, FrameKind::Block | FrameKind::Delta) {
                        return Ok(unopened);
                    }
                }
                Some(FrameKind::Block) => return self.block(at, &header, &start),
                Some(FrameKind::Run) => {
                    if header.body_len.get() != run::body_len(u64::from(header.count.get())) {
                        return Err(self.damaged(at, "a run of a length that no run has"));
                    }
                    self.content.update(&start);
                    self.skip(header.body_len.get())?;
                }
                // What these hold is known before them; what stands here is proved with all bytes.
                Some(FrameKind::Checkpoint)
                    if header.body_len.get() <= checkpoint::BODY_LEN_MAX =>
                {
                    self.content.update(&start);
                    self.skip(header.body_len.get())?;
                }
                Some(FrameKind::Delta) => return self.delta(at, &header, &start),
                Some(FrameKind::Changes) => return self.changes(at, &header, &start),
                Some(FrameKind::Link)
                    if self.plain(at, &header)?.body_len.get() == LINK_LEN as u64 =>
                {
                    let (header, frame) = self.opened(at, &header, &start)?;
                    let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
                    return Ok(Part::Link(at, self.named(Link::parse(at, &header, body))?));
                }
                Some(FrameKind::Proof)
                    if self.superblock.is_encrypted()
                        && header.frame_len() == PROOF_FRAME_LEN as u64 =>
                {
                    self.proof(at, &header, &start)?;
                }
                Some(FrameKind::Closing) => return self.end(at, &header),
                None => return Err(header.newer().in_file(&self.name)),
                _ => return Err(self.damaged(at, "a frame that no sealed file holds")),
            }
        }
    }

    fn is_unopened(&self) -> bool {
        self.superblock.is_encrypted() && self.cipher.is_none()
    }

    /// A sealed frame, held against the limits and its hash.
    fn unopened_frame(
        &mut self,
        at: u64,
        kind: FrameKind,
        header: &FrameHeader,
        start: &[u8],
    ) -> Result<Part> {
        let plain = self.named(cipher::plain_header(at, header))?;
        self.named(match kind {
            FrameKind::Block => block::check_header(at, &plain).map(drop),
            FrameKind::Delta => delta::check_header(at, &plain),
            FrameKind::Changes => change_list::check_header(at, &plain),
            FrameKind::Link if plain.body_len.get() == LINK_LEN as u64 => Ok(()),
            _ => Err(crate::format::damaged(at, "a frame that no sealed file holds")),
        })?;
        let frame = self.frame(header, start)?;
        let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        match header.expected_hash([body]) == header.hash {
            true => Ok(Part::Unopened(*header)),
            false => Err(self.damaged(at, "a frame does not have the hash it was written with")),
        }
    }

    fn block(&mut self, at: u64, header: &FrameHeader, start: &[u8]) -> Result<Part> {
        self.named(block::check_header(at, &self.plain(at, header)?))?;
        let frame = self.frame(header, start)?;
        let block = match &self.cipher {
            None => RawBlock::parse(at, header, Bytes::from(frame)),
            Some(cipher) => cipher
                .open(at, header, frame)
                .and_then(|(header, frame)| RawBlock::opened(at, header, frame)),
        };
        Ok(Part::Block(at, self.named(block)?))
    }

    /// What a header says of what is in the frame.
    fn plain(&self, at: u64, header: &FrameHeader) -> Result<FrameHeader> {
        match &self.cipher {
            None => Ok(*header),
            Some(_) => self.named(cipher::plain_header(at, header)),
        }
    }

    /// A whole frame as it is in a file that is not encrypted; its length was held against the limits.
    fn opened(
        &mut self,
        at: u64,
        header: &FrameHeader,
        start: &[u8],
    ) -> Result<(FrameHeader, Bytes)> {
        let frame = self.frame(header, start)?;
        let Some(cipher) = &self.cipher else { return Ok((*header, Bytes::from(frame))) };
        let (header, mut frame) = self.named(cipher.open(at, header, frame))?;
        let header = cipher::complete(header, &mut frame);
        Ok((header, Bytes::from(frame)))
    }

    /// That whoever had the key closed the file here.
    fn proof(&mut self, at: u64, header: &FrameHeader, start: &[u8]) -> Result<()> {
        let before = *self.content.finalize().as_bytes();
        let frame = self.frame(header, start)?;
        let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        let proof = self.named(Proof::parse(at, header, body))?;
        if proof.content != before {
            return Err(self.damaged(at, "the file does not have the hash that its proof is for"));
        }
        self.proof = Some((at, proof));
        Ok(())
    }

    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.in_file(&self.name))
    }

    /// A whole frame whose length was held against the limits.
    fn frame(&mut self, header: &FrameHeader, start: &[u8]) -> Result<Vec<u8>> {
        let mut frame = vec![0; usize::try_from(header.frame_len()).unwrap_or(usize::MAX)];
        frame[..FRAME_HEADER_LEN].copy_from_slice(start);
        self.fill(&mut frame[FRAME_HEADER_LEN..])?;
        self.content.update(&frame);
        Ok(frame)
    }

    fn delta(&mut self, at: u64, header: &FrameHeader, start: &[u8]) -> Result<Part> {
        self.named(delta::check_header(at, &self.plain(at, header)?))?;
        let (header, frame) = self.opened(at, header, start)?;
        let body = frame.slice(FRAME_HEADER_LEN..);
        let delta::Parts { context, table_len, table, payloads } =
            self.named(delta::parse(at, &header, &body))?;
        let (table, payloads) = (body.slice_ref(table), body.slice_ref(payloads));
        Ok(Part::Delta(Delta { frame, header, at, context, table_len, table, payloads }))
    }

    fn changes(&mut self, at: u64, header: &FrameHeader, start: &[u8]) -> Result<Part> {
        self.named(change_list::check_header(at, &self.plain(at, header)?))?;
        let (header, frame) = self.opened(at, header, start)?;
        let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        Ok(Part::Changes(self.named(change_list::parse(at, &header, body))?))
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
        let closing = self.named(Closing::parse(at, header, &body))?;
        if closing.content != *self.content.finalize().as_bytes() {
            return Err(self.damaged(at, "the file does not have the hash it was sealed with"));
        }
        if closing.target != self.superblock.target || closing.base != self.superblock.base {
            return Err(self.damaged(at, "a closing superblock of another file"));
        }
        if self.superblock.is_encrypted() {
            let without = || self.damaged(at, "an encrypted file without a proof");
            let (at, proof) = self.proof.as_ref().ok_or_else(without)?;
            let checked = self.cipher.as_ref().map(|cipher| cipher.check(*at, proof, &closing));
            self.named(checked.unwrap_or(Ok(())))?;
        }
        if self.is_last && self.read(&mut [0])? > 0 {
            return Err(self.damaged(self.offset, "expected the end of the file, found more bytes"));
        }
        Ok(Part::End(Box::new(closing)))
    }
}

/// What is read alike with and without a key.
fn is_index_or_end(kind: FrameKind) -> bool {
    use FrameKind::{Checkpoint, Closing, Proof, Run};
    matches!(kind, Run | Checkpoint | Proof | Closing)
}
