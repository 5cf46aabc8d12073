//! Encrypted frames. What a frame holds is sealed where it stands: its body, or of a block the table
//! and the payload each by itself, of a run each page. Headers stay as they are, and hashes of frames
//! cover what was sealed, so that whoever has no key still sees that a file is whole.
//!
//! A nonce is the offset of what is sealed. A key belongs to one file, which is written once from front
//! to back, so no two parts of it have one offset; and whatever stands elsewhere does not open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::encryption::FileKey;
use crate::error::{Error, Result};
use crate::format::block::TABLE_ENTRY_LEN;
use crate::format::run::{self, PAGE_CHECK_LEN, PAGE_LEN};
use crate::format::seal::Closing;
use crate::format::superblock::Superblock;
use crate::format::{
    FRAME_HEADER_LEN, FrameHeader, FrameKind, HEADER_CHECKED_LEN, damaged, fixed_body,
};
use crate::hash::HASH_LEN;

/// Bytes by which each sealed part is longer.
pub const TAG_LEN: usize = 16;
/// Largest body of a frame of keys.
pub const KEYS_LEN_MAX: usize = 64 * 1024;
/// What the key of frames is derived under.
const FRAMES: &str = "aeordb v1 encrypted frames";
/// What the key of proofs is derived under.
const PROOF: &str = "aeordb v1 encrypted proof";

/// A page's check gives way to its tag.
const _: () = assert!(PAGE_CHECK_LEN == TAG_LEN);

/// The body of a proof: that whoever had the key closed the file here.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Proof {
    /// BLAKE3 of all bytes before it.
    pub content: [u8; 32],
    /// Keyed BLAKE3 of where it stands, of `content`, and of what the closing superblock says.
    pub mac: [u8; 32],
}

/// Bytes of a proof's frame, which stands right before the closing superblock.
pub const PROOF_FRAME_LEN: usize = FRAME_HEADER_LEN + size_of::<Proof>();

impl Proof {
    /// The frame.
    pub fn encode(&self) -> Vec<u8> {
        let body = self.as_bytes();
        let header = FrameHeader::new(FrameKind::Proof, body.len() as u64).sealed([body]);
        [header.as_bytes(), body].concat()
    }

    /// Reads the proof at `offset`.
    pub fn parse(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<Self> {
        let (proof, rest) = fixed_body::<Proof>("proof", offset, header, body)?;
        match rest {
            [] if header.frame_kind() == Some(FrameKind::Proof) => Ok(*proof),
            _ => Err(damaged(offset, "a proof of another length")),
        }
    }
}

/// The frame of a file's wrapped key.
pub fn encode_keys(wrapped: &[u8]) -> Result<Vec<u8>> {
    if wrapped.len() > KEYS_LEN_MAX {
        let (limit, found) = (KEYS_LEN_MAX as u64, wrapped.len() as u64);
        return Err(Error::Limit { what: "what the recipients take".into(), limit, found });
    }
    let header = FrameHeader::new(FrameKind::Keys, wrapped.len() as u64).sealed([wrapped]);
    Ok([header.as_bytes(), wrapped].concat())
}

/// Checks what the header at `offset`, where the keys must stand, says of them. Gives their length.
pub fn check_keys(offset: u64, header: Option<&FrameHeader>) -> Result<usize> {
    let header = header.ok_or_else(|| damaged(offset, "expected a frame, found other bytes"))?;
    match (header.frame_kind(), usize::try_from(header.body_len.get())) {
        (None, _) => Err(header.newer()),
        (Some(FrameKind::Keys), Ok(len)) if len <= KEYS_LEN_MAX => Ok(len),
        (Some(kind), _) => {
            Err(damaged(offset, format!("expected the file's keys, found a {kind:?}")))
        }
    }
}

/// Checks the body of a frame of keys by its hash.
pub fn check_keys_body(offset: u64, header: &FrameHeader, body: &[u8]) -> Result<()> {
    match header.expected_hash([body]) == header.hash {
        true => Ok(()),
        false => {
            Err(damaged(offset, "the file's keys do not have the hash they were written with"))
        }
    }
}

/// Seals and opens the frames of one file.
pub struct Cipher {
    frames: LessSafeKey,
    proof: [u8; 32],
}

impl Cipher {
    /// The cipher of the file with this head: under another head the same key opens nothing.
    pub fn new(key: &FileKey, head: &Superblock) -> Result<Self> {
        let derived = |context| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            hasher.update(key.as_bytes()).update(head.as_bytes());
            *hasher.finalize().as_bytes()
        };
        let unusable = |_| Error::invalid("a key that the cipher does not take");
        let frames = UnboundKey::new(&AES_256_GCM, &derived(FRAMES)).map_err(unusable)?;
        Ok(Cipher { frames: LessSafeKey::new(frames), proof: derived(PROOF) })
    }

    fn nonce(offset: u64, part: u32) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let bytes = offset.to_le_bytes().into_iter().chain(part.to_le_bytes());
        nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals a part of the frame at `offset` in place; gives the tag.
    fn seal_part(
        &self,
        (offset, part): (u64, u32),
        said: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG_LEN]> {
        let sealed = self.frames.seal_in_place_separate_tag(
            Self::nonce(offset, part),
            Aad::from(said),
            bytes,
        );
        let too_long = || Error::invalid("more than the cipher takes at once");
        let tag = sealed.map_err(|_| too_long())?;
        tag.as_ref().try_into().map_err(|_| too_long())
    }

    /// Opens a part with its tag at the end, in place. What is sealed is opened whole or not at all.
    fn open_part<'b>(
        &self,
        (offset, part): (u64, u32),
        said: &[u8],
        bytes: &'b mut [u8],
    ) -> Result<&'b mut [u8]> {
        let opened = self.frames.open_in_place(Self::nonce(offset, part), Aad::from(said), bytes);
        opened.map_err(|_| damaged(offset, "these bytes were not written here with the file's key"))
    }

    /// A whole frame as it stands at `offset`.
    pub fn seal(&self, offset: u64, frame: &[u8]) -> Result<Vec<u8>> {
        let no_frame = || Error::invalid("these bytes are no frame");
        let header = FrameHeader::parse(frame).ok_or_else(no_frame)?;
        let body = frame.get(FRAME_HEADER_LEN..).unwrap_or_default();
        let stored = FrameHeader {
            body_len: (header.body_len.get() + overhead(&header) as u64).into(),
            ..header
        };
        let (table, rest) = body.split_at_checked(table_len(&header)).ok_or_else(no_frame)?;
        let mut sealed = Vec::with_capacity(frame.len() + overhead(&header));
        sealed.resize(FRAME_HEADER_LEN, 0);
        for (part, number) in parts(&header, table, rest).into_iter().flatten().zip(0..) {
            let start = sealed.len();
            sealed.extend_from_slice(part);
            let bytes = sealed.get_mut(start..).unwrap_or_default();
            let tag = self.seal_part((offset, number), said(&stored), bytes)?;
            sealed.extend_from_slice(&tag);
        }
        let (head, body) = sealed.split_at_mut_checked(FRAME_HEADER_LEN).ok_or_else(no_frame)?;
        head.copy_from_slice(stored.sealed([&*body]).as_bytes());
        Ok(sealed)
    }

    /// Opens the whole frame at `offset`: as it would stand in a file that is not encrypted, but for
    /// its hash, which the header that comes with it lacks as well.
    pub fn open(
        &self,
        offset: u64,
        stored: &FrameHeader,
        mut frame: Vec<u8>,
    ) -> Result<(FrameHeader, Vec<u8>)> {
        let header = plain_header(offset, stored)?;
        let body = frame.get_mut(FRAME_HEADER_LEN..).unwrap_or_default();
        let len = self.open_body(offset, stored, body)?;
        frame.truncate(FRAME_HEADER_LEN + len);
        Ok((header, frame))
    }

    /// Opens the body of the frame at `offset` to the front of it, and gives its length.
    pub fn open_body(&self, offset: u64, stored: &FrameHeader, body: &mut [u8]) -> Result<usize> {
        let header = plain_header(offset, stored)?;
        let cut_off = || damaged(offset, "a sealed frame that is cut off");
        if !matches!(header.frame_kind(), Some(FrameKind::Block)) {
            return Ok(self.open_part((offset, 0), said(stored), body)?.len());
        }
        let len = table_len(&header);
        let (table, payload) =
            body.split_at_mut_checked(len.saturating_add(TAG_LEN)).ok_or_else(cut_off)?;
        self.open_part((offset, 0), said(stored), table)?;
        let payload_len = self.open_part((offset, 1), said(stored), payload)?.len();
        body.copy_within(len + TAG_LEN..len + TAG_LEN + payload_len, len);
        Ok(len + payload_len)
    }

    /// Opens the table of the block at `offset`, which was read with its tag.
    pub fn open_table(&self, offset: u64, stored: &FrameHeader, table: &mut [u8]) -> Result<()> {
        self.open_part((offset, 0), said(stored), table).map(drop)
    }

    /// Seals the pages of the run that stands at `offset`.
    pub fn seal_run(&self, offset: u64, frame: &mut [u8]) -> Result<()> {
        let no_run = || Error::invalid("these bytes are no run");
        let header = FrameHeader::parse(frame).ok_or_else(no_run)?;
        let (head, body) = frame.split_at_mut_checked(FRAME_HEADER_LEN).ok_or_else(no_run)?;
        let mut tags = Vec::new();
        for (page, number) in body.chunks_mut(PAGE_LEN).zip(0u64..) {
            let at = offset + FRAME_HEADER_LEN as u64 + number * PAGE_LEN as u64;
            let (records, check) = page.split_last_chunk_mut::<TAG_LEN>().ok_or_else(no_run)?;
            *check = self.seal_part((at, 0), said(&header), records)?;
            tags.extend_from_slice(check);
        }
        head.copy_from_slice(header.sealed([tags.as_slice()]).as_bytes());
        Ok(())
    }

    /// Opens page `page` of the run at `run` in place; its tag stays behind the records.
    pub fn open_page(&self, run: u64, records: u64, page: u64, bytes: &mut [u8]) -> Result<()> {
        let (at, _) = run::page_at(run, records, page);
        let mut header = FrameHeader::new(FrameKind::Run, run::body_len(records));
        header.count = u32::try_from(records).unwrap_or(u32::MAX).into();
        self.open_part((at, 0), said(&header), bytes).map(drop)
    }

    /// The proof at `offset` of the file that is closed like this.
    pub fn proof(&self, offset: u64, content: [u8; 32], closing: &Closing) -> Proof {
        let mut hasher = blake3::Hasher::new_keyed(&self.proof);
        hasher.update(&offset.to_le_bytes()).update(&content).update(closing.said());
        Proof { content, mac: *hasher.finalize().as_bytes() }
    }

    /// Holds the proof at `offset` against the closing superblock that follows it.
    pub fn check(&self, offset: u64, proof: &Proof, closing: &Closing) -> Result<()> {
        let expected = blake3::Hash::from_bytes(self.proof(offset, proof.content, closing).mac);
        let follows = closing.offset.get() == offset + PROOF_FRAME_LEN as u64;
        // Hashes are compared in constant time.
        match follows && expected == blake3::Hash::from_bytes(proof.mac) {
            true => Ok(()),
            false => Err(damaged(offset, "nobody with the file's key closed it like this")),
        }
    }
}

/// What is sealed along: the fields of the header.
fn said(stored: &FrameHeader) -> &[u8] {
    stored.as_bytes().get(..HEADER_CHECKED_LEN).unwrap_or_default()
}

/// Bytes of the table that is sealed by itself.
fn table_len(header: &FrameHeader) -> usize {
    match header.frame_kind() {
        Some(FrameKind::Block) => (header.count.get() as usize).saturating_mul(TABLE_ENTRY_LEN),
        _ => 0,
    }
}

/// What of a body is sealed by itself.
fn parts<'b>(header: &FrameHeader, table: &'b [u8], rest: &'b [u8]) -> [Option<&'b [u8]>; 2] {
    match header.frame_kind() {
        Some(FrameKind::Block) => [Some(table), Some(rest)],
        _ => [Some(rest), None],
    }
}

/// Bytes by which a frame is longer when it is sealed.
fn overhead(header: &FrameHeader) -> usize {
    match header.frame_kind() {
        Some(FrameKind::Block) => 2 * TAG_LEN,
        _ => TAG_LEN,
    }
}

/// The header of a sealed frame as it would be if it were not sealed, without its check and hash.
pub fn plain_header(offset: u64, stored: &FrameHeader) -> Result<FrameHeader> {
    let len = stored.body_len.get().checked_sub(overhead(stored) as u64);
    let len = len.ok_or_else(|| damaged(offset, "a sealed frame that is too short to be one"))?;
    Ok(FrameHeader { body_len: len.into(), check: 0.into(), hash: [0; HASH_LEN], ..*stored })
}

/// Puts a header with its check and hash before a body that was opened.
pub fn complete(header: FrameHeader, frame: &mut [u8]) -> FrameHeader {
    let Some((head, body)) = frame.split_at_mut_checked(FRAME_HEADER_LEN) else { return header };
    let header = header.sealed([&*body]);
    head.copy_from_slice(header.as_bytes());
    header
}
