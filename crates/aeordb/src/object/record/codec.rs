//! The canonical encoding of items.
//!
//! An item is a type byte, a bit mask of the optional fields that are there, the fields that are
//! always there, the optional fields in the order of their bits (set and link after the time),
//! and for a file its chunk list.
//! Nothing that follows from the rest is stored: the content hash of a file of one chunk is the
//! chunk's id, its length is the file's.

#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::{
    Attributes, Content, Device, FileRecord, HardLink, Item, MODE_MAX, Special, SpecialKind,
    Subdirectory, Symlink, Totals,
};
use crate::error::{Error, Result};
use crate::hash::{AttributesId, ChunkId, DirectoryId, ListId};
use crate::limits::{
    CHUNK_LEN_MAX, CHUNK_LEN_MIN, CONTENT_TYPE_LEN_MAX, FILE_LEN_MAX, INLINE_CHUNKS_MAX,
    METADATA_LEN_MAX, METADATA_PAIRS_MAX, SYMLINK_LEN_MAX, VALUE_LEN_MAX,
};
use crate::object::encoding::{Decoder, Encoder};
use crate::object::list;
use crate::object::record::ChunkRef;

pub(super) mod kind {
    pub const FILE: u8 = 1;
    pub const SYMLINK: u8 = 2;
    pub const DIRECTORY: u8 = 3;
    pub const FIFO: u8 = 4;
    pub const CHARACTER_DEVICE: u8 = 5;
    pub const BLOCK_DEVICE: u8 = 6;
    pub const SOCKET: u8 = 7;
}

/// Bits of the mask. A reader that does not know a bit cannot read the item.
mod field {
    pub const MODE: u64 = 1;
    pub const MTIME: u64 = 1 << 1;
    pub const CONTENT_TYPE: u64 = 1 << 2;
    pub const METADATA: u64 = 1 << 3;
    pub const CONTENT_HASH: u64 = 1 << 4;
    pub const CHUNK_LIST: u64 = 1 << 5;
    pub const SET: u64 = 1 << 6;
    pub const LINK: u64 = 1 << 7;

    pub const OF_FILE: u64 = OF_SPECIAL | CONTENT_TYPE | METADATA | CONTENT_HASH | CHUNK_LIST;
    pub const OF_SYMLINK: u64 = MTIME | SET | LINK;
    pub const OF_SPECIAL: u64 = OF_DIRECTORY | LINK;
    pub const OF_DIRECTORY: u64 = MODE | MTIME | SET;
}

// Every item fits a tree entry, with room for the fields that are reserved.
const _: () = assert!(
    METADATA_LEN_MAX + 6 * METADATA_PAIRS_MAX + CONTENT_TYPE_LEN_MAX + 40 * INLINE_CHUNKS_MAX + 96
        < VALUE_LEN_MAX
        && SYMLINK_LEN_MAX + 96 < VALUE_LEN_MAX
);

impl Item {
    /// The canonical encoding. `Invalid` or `Limit` if a field cannot be stored.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(96);
        self.encode_into(&mut out)?;
        Ok(out)
    }

    /// Appends the canonical encoding to `out`. After an error what was appended is no item.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<()> {
        let mut encoder = Encoder::new(out);
        match self {
            Item::File(file) => encode_file(file, &mut encoder),
            Item::Symlink(link) => encode_symlink(link, &mut encoder),
            Item::Directory(directory) => encode_directory(directory, &mut encoder),
            Item::Special(special) => encode_special(special, &mut encoder),
        }
    }

    /// The item with this canonical encoding; `Damaged` for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Item> {
        let mut decoder = Decoder::new("directory entry", bytes);
        let (kind, mask) = decode_head(&mut decoder)?;
        let item = match kind {
            kind::FILE => Item::File(decode_file(&mut decoder, mask)?),
            kind::SYMLINK => Item::Symlink(decode_symlink(&mut decoder, mask)?),
            kind::DIRECTORY => Item::Directory(decode_directory(&mut decoder, mask)?),
            kind => Item::Special(decode_special(&mut decoder, kind, mask)?),
        };
        decoder.finish()?;
        Ok(item)
    }

    /// [`Item::totals`] of the item with this encoding, of which only the start is read.
    pub fn totals_of(bytes: &[u8]) -> Result<Totals> {
        let mut decoder = Decoder::new("directory entry", bytes);
        let (kind, _) = decode_head(&mut decoder)?;
        match kind {
            kind::FILE => {
                Ok(Totals { files: 1, directories: 0, bytes: decode_size(&mut decoder)? })
            }
            kind if kind != kind::DIRECTORY => Ok(Totals { files: 1, directories: 0, bytes: 0 }),
            _ => {
                decoder.hash()?;
                decode_totals(&mut decoder)
            }
        }
    }
}

fn limit(what: &str, limit: usize, found: usize) -> Error {
    Error::Limit { what: what.to_owned(), limit: limit as u64, found: found as u64 }
}

fn encode_attributes(attributes: &Attributes, encoder: &mut Encoder) -> Result<()> {
    if let Some(mode) = attributes.mode.filter(|mode| *mode > MODE_MAX) {
        return Err(Error::invalid(format!("mode {mode:o} is more than permission bits")));
    }
    encode_bits(attributes, encoder);
    Ok(())
}

/// Appends the attributes that are there; of a mode, the bits that it may have.
pub(in crate::object) fn encode_bits(attributes: &Attributes, encoder: &mut Encoder) {
    let Attributes { mode, mtime, set, link } = *attributes;
    if let Some(mode) = mode {
        encoder.varint((mode & MODE_MAX).into());
    }
    if let Some(mtime) = mtime {
        encoder.i64(mtime);
    }
    if let Some(set) = set {
        encoder.hash(set.hash());
    }
    if let Some(HardLink { up, group }) = link {
        encoder.varint(up.into());
        encoder.raw(&group);
    }
}

fn encode_file(file: &FileRecord, encoder: &mut Encoder) -> Result<()> {
    let implied_hash = file.content.implied_hash();
    let mut mask = attribute_bits(&file.attributes);
    for (bit, present) in [
        (field::CONTENT_TYPE, file.content_type.is_some()),
        (field::METADATA, !file.metadata.is_empty()),
        (field::CONTENT_HASH, implied_hash.is_none()),
        (field::CHUNK_LIST, matches!(file.content, Content::List { .. })),
    ] {
        mask |= if present { bit } else { 0 };
    }
    encoder.u8(kind::FILE);
    encoder.varint(mask);
    check_content(file.size, &file.content).map_err(Error::invalid)?;
    encoder.varint(file.size);
    encode_attributes(&file.attributes, encoder)?;
    if let Some(content_type) = &file.content_type {
        check_content_type(content_type.as_bytes()).map_err(Error::invalid)?;
        encoder.bytes(content_type.as_bytes());
    }
    encode_metadata(&file.metadata, encoder)?;
    match implied_hash {
        None => encoder.hash(&file.content_hash),
        Some(implied) if implied == file.content_hash => {}
        Some(implied) => {
            let found = file.content_hash;
            return Err(Error::invalid(format!(
                "content hash is {found}, its chunks say {implied}"
            )));
        }
    }
    match &file.content {
        Content::Inline(chunks) => {
            encoder.varint(chunks.len() as u64);
            for chunk in chunks {
                encoder.hash(chunk.id.hash());
                // The length of an only chunk is the file's.
                if chunks.len() > 1 {
                    encoder.varint(chunk.len.into());
                }
            }
        }
        Content::List { root, chunks } => {
            encoder.hash(root.hash());
            encoder.varint(*chunks);
        }
    }
    Ok(())
}

fn encode_metadata(metadata: &BTreeMap<Vec<u8>, Vec<u8>>, encoder: &mut Encoder) -> Result<()> {
    if metadata.is_empty() {
        return Ok(());
    }
    if metadata.len() > METADATA_PAIRS_MAX {
        return Err(limit("number of metadata pairs", METADATA_PAIRS_MAX, metadata.len()));
    }
    let len = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if len > METADATA_LEN_MAX {
        return Err(limit("length of metadata", METADATA_LEN_MAX, len));
    }
    encoder.varint(metadata.len() as u64);
    for (name, value) in metadata {
        if name.is_empty() {
            return Err(Error::invalid("a metadata name is empty"));
        }
        encoder.bytes(name);
        encoder.bytes(value);
    }
    Ok(())
}

fn encode_symlink(link: &Symlink, encoder: &mut Encoder) -> Result<()> {
    if link.target.len() > SYMLINK_LEN_MAX {
        return Err(limit("length of a link's target", SYMLINK_LEN_MAX, link.target.len()));
    }
    if link.target.is_empty() || link.target.contains(&0) {
        return Err(Error::invalid("a link's target is empty or has a NUL byte in it"));
    }
    let mask = attribute_bits(&link.attributes);
    if mask & !field::OF_SYMLINK != 0 {
        return Err(Error::invalid("a symbolic link has no mode"));
    }
    encoder.u8(kind::SYMLINK);
    encoder.varint(mask);
    encoder.bytes(&link.target);
    encode_attributes(&link.attributes, encoder)
}

fn encode_directory(directory: &Subdirectory, encoder: &mut Encoder) -> Result<()> {
    if directory.totals.directories == 0 {
        return Err(Error::invalid("a directory's totals do not count itself"));
    }
    if directory.attributes.link.is_some() {
        return Err(Error::invalid("a directory has one path"));
    }
    encoder.u8(kind::DIRECTORY);
    encoder.varint(attribute_bits(&directory.attributes));
    encoder.hash(directory.root.hash());
    encode_totals(&directory.totals, encoder);
    encode_attributes(&directory.attributes, encoder)
}

fn encode_special(special: &Special, encoder: &mut Encoder) -> Result<()> {
    encoder.u8(match special.what {
        SpecialKind::Fifo => kind::FIFO,
        SpecialKind::CharacterDevice(_) => kind::CHARACTER_DEVICE,
        SpecialKind::BlockDevice(_) => kind::BLOCK_DEVICE,
        SpecialKind::Socket => kind::SOCKET,
    });
    encoder.varint(attribute_bits(&special.attributes));
    if let Some(Device { major, minor }) = special.what.device() {
        encoder.varint(major.into());
        encoder.varint(minor.into());
    }
    encode_attributes(&special.attributes, encoder)
}

fn decode_special(decoder: &mut Decoder, kind: u8, mask: u64) -> Result<Special> {
    let mut number = || {
        let number = decoder.varint_in("a number of a device", 0, u32::MAX.into())?;
        Ok::<_, Error>(u32::try_from(number).unwrap_or(u32::MAX))
    };
    let mut device = || Ok::<_, Error>(Device { major: number()?, minor: number()? });
    let what = match kind {
        kind::FIFO => SpecialKind::Fifo,
        kind::CHARACTER_DEVICE => SpecialKind::CharacterDevice(device()?),
        kind::BLOCK_DEVICE => SpecialKind::BlockDevice(device()?),
        _ => SpecialKind::Socket,
    };
    Ok(Special { what, attributes: decode_attributes(decoder, mask)? })
}

/// Appends totals: files, directories, bytes.
pub(in crate::object) fn encode_totals(totals: &Totals, encoder: &mut Encoder) {
    encoder.varint(totals.files);
    encoder.varint(totals.directories);
    encoder.varint(totals.bytes);
}

/// The mask of the attributes that are there.
pub(in crate::object) fn attribute_bits(attributes: &Attributes) -> u64 {
    let Attributes { mode, mtime, set, link } = attributes;
    let mode = if mode.is_some() { field::MODE } else { 0 };
    let mtime = if mtime.is_some() { field::MTIME } else { 0 };
    let set = if set.is_some() { field::SET } else { 0 };
    let link = if link.is_some() { field::LINK } else { 0 };
    mode | mtime | set | link
}

fn decode_head(decoder: &mut Decoder) -> Result<(u8, u64)> {
    let kind = decoder.u8()?;
    let known = match kind {
        kind::FILE => field::OF_FILE,
        kind::SYMLINK => field::OF_SYMLINK,
        kind::DIRECTORY => field::OF_DIRECTORY,
        kind::FIFO..=kind::SOCKET => field::OF_SPECIAL,
        _ => return Err(decoder.newer(format!("entries of type {kind}"))),
    };
    let mask = decoder.varint()?;
    let unknown = mask & !known;
    if unknown != 0 {
        let needs = format!("fields of an entry of type {kind} (bits {unknown:#x})");
        return Err(decoder.newer(needs));
    }
    Ok((kind, mask))
}

fn decode_size(decoder: &mut Decoder) -> Result<u64> {
    decoder.varint_in("a size", 0, FILE_LEN_MAX)
}

/// Reads what [`encode_totals`] writes, for a directory: it counts itself.
pub(in crate::object) fn decode_totals(decoder: &mut Decoder) -> Result<Totals> {
    Ok(Totals {
        files: decoder.varint()?,
        directories: decoder.varint_in("a number of directories", 1, u64::MAX)?,
        bytes: decoder.varint()?,
    })
}

/// Reads the mask and the attributes of a root directory, which has one at least.
pub(in crate::object) fn decode_root_attributes(decoder: &mut Decoder) -> Result<Attributes> {
    let mask = decoder.varint_in("a mask", 1, u64::MAX)?;
    let unknown = mask & !field::OF_DIRECTORY;
    if unknown != 0 {
        return Err(decoder.newer(format!("fields of a root directory (bits {unknown:#x})")));
    }
    decode_attributes(decoder, mask)
}

fn decode_attributes(decoder: &mut Decoder, mask: u64) -> Result<Attributes> {
    let mode = if mask & field::MODE != 0 {
        let mode = decoder.varint_in("a mode", 0, MODE_MAX.into())?;
        u32::try_from(mode).ok()
    } else {
        None
    };
    let mtime = if mask & field::MTIME != 0 { Some(decoder.i64()?) } else { None };
    let set = if mask & field::SET != 0 { Some(AttributesId(decoder.hash()?)) } else { None };
    let link = if mask & field::LINK != 0 { Some(decode_link(decoder)?) } else { None };
    Ok(Attributes { mode, mtime, set, link })
}

fn decode_link(decoder: &mut Decoder) -> Result<HardLink> {
    let up = decoder.varint_in("a number of directories", 0, u16::MAX.into())?;
    let group = decoder.raw(8)?.first_chunk().copied().unwrap_or_default();
    Ok(HardLink { up: u16::try_from(up).unwrap_or(u16::MAX), group })
}

fn decode_file(decoder: &mut Decoder, mask: u64) -> Result<FileRecord> {
    let size = decode_size(decoder)?;
    let attributes = decode_attributes(decoder, mask)?;
    let content_type = if mask & field::CONTENT_TYPE != 0 {
        let bytes = decoder.bytes_in("a content type's length", 1, CONTENT_TYPE_LEN_MAX)?;
        check_content_type(bytes).map_err(|detail| decoder.error(detail))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    } else {
        None
    };
    let metadata =
        if mask & field::METADATA != 0 { decode_metadata(decoder)? } else { BTreeMap::new() };
    let stored_hash = if mask & field::CONTENT_HASH != 0 { Some(decoder.hash()?) } else { None };
    let content = if mask & field::CHUNK_LIST != 0 {
        Content::List { root: ListId(decoder.hash()?), chunks: decoder.varint()? }
    } else {
        Content::Inline(decode_inline(decoder, size)?)
    };
    check_content(size, &content).map_err(|detail| decoder.error(detail))?;
    let content_hash = match (stored_hash, content.implied_hash()) {
        (Some(hash), None) | (None, Some(hash)) => hash,
        (Some(_), Some(_)) => {
            return Err(
                decoder.error("expected no content hash beside one chunk or none, found one")
            );
        }
        (None, None) => return Err(decoder.error("expected a content hash, found none")),
    };
    Ok(FileRecord { size, content_hash, attributes, content_type, metadata, content })
}

fn decode_inline(decoder: &mut Decoder, size: u64) -> Result<Vec<ChunkRef>> {
    let count = decoder.varint_in("a number of chunks", 0, INLINE_CHUNKS_MAX as u64)?;
    let mut chunks = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let id = ChunkId(decoder.hash()?);
        let len = if count == 1 { size } else { decoder.varint()? };
        let len = u32::try_from(len).map_err(|_| {
            decoder.error(format!("expected a chunk of {CHUNK_LEN_MAX} bytes at most, found {len}"))
        })?;
        chunks.push(ChunkRef { id, len });
    }
    Ok(chunks)
}

fn decode_metadata(decoder: &mut Decoder) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let count = decoder.varint_in("a number of metadata pairs", 1, METADATA_PAIRS_MAX as u64)?;
    let mut metadata = BTreeMap::new();
    let mut room = METADATA_LEN_MAX;
    let mut previous: &[u8] = &[];
    for _ in 0..count {
        let name = decoder.bytes_in("a metadata name's length", 1, room)?;
        room = room.saturating_sub(name.len());
        if name <= previous {
            return Err(decoder.error("expected metadata names in ascending order"));
        }
        previous = name;
        let value = decoder.bytes_in("a metadata value's length", 0, room)?;
        room = room.saturating_sub(value.len());
        metadata.insert(name.to_vec(), value.to_vec());
    }
    Ok(metadata)
}

fn decode_symlink(decoder: &mut Decoder, mask: u64) -> Result<Symlink> {
    let target = decoder.bytes_in("a link target's length", 1, SYMLINK_LEN_MAX)?;
    if target.contains(&0) {
        return Err(decoder.error("expected a link target without NUL"));
    }
    let attributes = decode_attributes(decoder, mask)?;
    Ok(Symlink { target: target.to_vec(), attributes })
}

fn decode_directory(decoder: &mut Decoder, mask: u64) -> Result<Subdirectory> {
    let root = DirectoryId(decoder.hash()?);
    let totals = decode_totals(decoder)?;
    let attributes = decode_attributes(decoder, mask)?;
    Ok(Subdirectory { root, attributes, totals })
}

/// A content type goes into response headers, so it cannot hold a line break.
fn check_content_type(bytes: &[u8]) -> std::result::Result<(), String> {
    if bytes.is_empty() || bytes.len() > CONTENT_TYPE_LEN_MAX {
        return Err(format!(
            "expected a content type of 1 to {CONTENT_TYPE_LEN_MAX} bytes, found {}",
            bytes.len()
        ));
    }
    match bytes.iter().find(|byte| !(0x20..0x7f).contains(*byte)) {
        Some(byte) => {
            Err(format!("expected a content type of printable ASCII, found byte {byte:#04x}"))
        }
        None => Ok(()),
    }
}

/// Whether a chunk list can be that of a file of `size` bytes.
fn check_content(size: u64, content: &Content) -> std::result::Result<(), String> {
    if size > FILE_LEN_MAX {
        return Err(format!("expected a file of {FILE_LEN_MAX} bytes at most, found {size}"));
    }
    match content {
        Content::Inline(chunks) => {
            if chunks.len() > INLINE_CHUNKS_MAX {
                return Err(format!(
                    "expected {INLINE_CHUNKS_MAX} chunks at most, found {}",
                    chunks.len()
                ));
            }
            list::check_lens(chunks, true)?;
            let sum: u64 = chunks.iter().map(|chunk| u64::from(chunk.len)).sum();
            if sum != size {
                return Err(format!("expected chunks of {size} bytes together, found {sum}"));
            }
        }
        Content::List { chunks, .. } => {
            let least = (INLINE_CHUNKS_MAX as u64 + 1).max(size.div_ceil(CHUNK_LEN_MAX as u64));
            let most = (size / CHUNK_LEN_MIN as u64).saturating_add(1);
            if !(least..=most).contains(chunks) {
                return Err(format!(
                    "expected {least} to {most} chunks for {size} bytes, found {chunks}"
                ));
            }
        }
    }
    Ok(())
}
