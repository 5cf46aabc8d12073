//! Attribute sets: who owns a file, its flags, and its extended attributes. An entry of their own,
//! because a machine has few of them and many files.

#![deny(clippy::indexing_slicing)]

mod extended;
mod known;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::hash::{AttributesId, ChunkId, Hash, Kind};
use crate::limits::{
    CHUNK_LEN_MAX, ENTRY_LEN_MAX, OWNER_NAME_LEN_MAX, XATTR_INLINE_LEN_MAX, XATTR_LEN_MAX,
    XATTR_NAME_LEN_MAX, XATTR_NAMES_LEN_MAX,
};
use crate::object::encoding::{Decoder, Encoder};
use crate::object::record::ChunkRef;
use crate::store::{AppendEntries, ReadEntries};

pub use extended::{Extended, StoredSets};
pub use known::KnownSets;

// An attribute that is not in the set is one chunk.
const _: () = assert!(XATTR_LEN_MAX <= CHUNK_LEN_MAX);

/// Bits of the mask.
mod field {
    pub const OWNER: u64 = 1;
    pub const FLAGS: u64 = 1 << 1;
    pub const XATTRS: u64 = 1 << 2;
    pub const ALL: u64 = OWNER | FLAGS | XATTRS;
}

/// Flags of an inode that a restore can set.
pub mod flags {
    /// Bytes can only be added.
    pub const APPEND: u64 = 1;
    /// Nothing about the file can change.
    pub const IMMUTABLE: u64 = 1 << 1;
    /// `dump` leaves the file out.
    pub const NODUMP: u64 = 1 << 2;
    /// All of them.
    pub const ALL: u64 = APPEND | IMMUTABLE | NODUMP;
}

/// The access control lists: that of a file, and the one that what is made in a directory gets.
pub const LISTS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// True for the name of an access control list.
pub fn is_list(name: &[u8]) -> bool {
    LISTS.contains(&name)
}

/// Highest number of a user or a group; the next one stands for none.
pub const OWNER_NUMBER_MAX: u32 = u32::MAX - 1;

/// Who owns a file.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Owner {
    /// Number of the user, at most [`OWNER_NUMBER_MAX`].
    pub user: u32,
    /// Number of the group, at most [`OWNER_NUMBER_MAX`].
    pub group: u32,
    /// Name of the user, at most `OWNER_NAME_LEN_MAX` bytes; empty if the system had none.
    pub user_name: Vec<u8>,
    /// Name of the group, likewise.
    pub group_name: Vec<u8>,
}

/// The bytes of an extended attribute.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum XattrValue {
    /// Up to `XATTR_INLINE_LEN_MAX` bytes.
    Inline(Vec<u8>),
    /// More, up to `XATTR_LEN_MAX`: a chunk.
    Chunk(ChunkRef),
}

impl XattrValue {
    /// Stores a value, if it is too long for the set. `Limit` for one that is too long at all.
    pub fn store<S: AppendEntries + ?Sized>(store: &mut S, value: &[u8]) -> Result<XattrValue> {
        if value.len() <= XATTR_INLINE_LEN_MAX {
            return Ok(XattrValue::Inline(value.to_vec()));
        }
        if value.len() > XATTR_LEN_MAX {
            return Err(limit("length of an extended attribute", XATTR_LEN_MAX, value.len()));
        }
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        Ok(XattrValue::Chunk(ChunkRef { id: ChunkId(store.append(Kind::Chunk, value)?), len }))
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match self {
            XattrValue::Inline(bytes) => bytes.len() as u64,
            XattrValue::Chunk(chunk) => chunk.len.into(),
        }
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if these are the bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        match self {
            XattrValue::Inline(own) => own == bytes,
            XattrValue::Chunk(chunk) => {
                u64::from(chunk.len) == bytes.len() as u64 && *chunk.id.hash() == Hash::of(bytes)
            }
        }
    }

    /// The bytes.
    pub fn read<S: ReadEntries + ?Sized>(&self, store: &S) -> Result<Vec<u8>> {
        match self {
            XattrValue::Inline(bytes) => Ok(bytes.clone()),
            XattrValue::Chunk(chunk) => {
                let bytes = store.read(Kind::Chunk, chunk.id.hash())?;
                if bytes.len() as u64 != u64::from(chunk.len) {
                    let (expected, found) = (chunk.len, bytes.len());
                    let detail = format!("expected {expected} bytes, found {found}");
                    return Err(Error::damaged(format!("chunk {}", chunk.id), 0, detail));
                }
                Ok(bytes.to_vec())
            }
        }
    }
}

/// What a file system keeps of a file beside its mode, its time and its bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct AttributeSet {
    /// Who owns it.
    pub owner: Option<Owner>,
    /// Bits of [`flags`].
    pub flags: u64,
    /// Extended attributes by name: 1 to `XATTR_NAME_LEN_MAX` bytes without NUL.
    pub xattrs: BTreeMap<Vec<u8>, XattrValue>,
}

fn limit(what: &str, limit: usize, found: usize) -> Error {
    Error::Limit { what: what.to_owned(), limit: limit as u64, found: found as u64 }
}

impl AttributeSet {
    /// True if it says nothing: there is no entry for that.
    pub fn is_empty(&self) -> bool {
        self.mask() == 0
    }

    fn mask(&self) -> u64 {
        let bit = |present: bool, bit| if present { bit } else { 0 };
        bit(self.owner.is_some(), field::OWNER)
            | bit(self.flags != 0, field::FLAGS)
            | bit(!self.xattrs.is_empty(), field::XATTRS)
    }

    /// The chunks that hold what is too long for the set.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkRef> {
        self.xattrs.values().filter_map(|value| match value {
            XattrValue::Inline(_) => None,
            XattrValue::Chunk(chunk) => Some(*chunk),
        })
    }

    /// Stores the set; `None` if it says nothing.
    pub fn store<S: AppendEntries + ?Sized>(&self, store: &mut S) -> Result<Option<AttributesId>> {
        if self.is_empty() {
            return Ok(None);
        }
        let encoding = self.encode()?;
        Ok(Some(AttributesId(store.append(Kind::Attributes, &encoding)?)))
    }

    /// The set of this name.
    pub fn read<S: ReadEntries + ?Sized>(store: &S, id: &AttributesId) -> Result<AttributeSet> {
        AttributeSet::decode(&store.read(Kind::Attributes, id.hash())?)
    }

    /// The canonical encoding. `Invalid` or `Limit` if a field cannot be stored, or if there is none.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(64);
        let mut encoder = Encoder::new(&mut out);
        if self.is_empty() {
            return Err(Error::invalid("an attribute set says nothing"));
        }
        encoder.varint(self.mask());
        if let Some(owner) = &self.owner {
            encode_owner(owner, &mut encoder)?;
        }
        if self.flags & !flags::ALL != 0 {
            return Err(Error::invalid(format!("flags {:#x} are not known", self.flags)));
        }
        if self.flags != 0 {
            encoder.varint(self.flags);
        }
        if !self.xattrs.is_empty() {
            encode_xattrs(&self.xattrs, &mut encoder)?;
        }
        if out.len() > ENTRY_LEN_MAX {
            return Err(limit("length of an attribute set", ENTRY_LEN_MAX, out.len()));
        }
        Ok(out)
    }

    /// The set with this canonical encoding; `Damaged` for anything else.
    pub fn decode(bytes: &[u8]) -> Result<AttributeSet> {
        let mut decoder = Decoder::new("attribute set", bytes);
        if bytes.len() > ENTRY_LEN_MAX {
            let found = bytes.len();
            return Err(
                decoder.error(format!("expected {ENTRY_LEN_MAX} bytes at most, found {found}"))
            );
        }
        let mask = decoder.varint_in("a mask", 1, u64::MAX)?;
        let unknown = mask & !field::ALL;
        if unknown != 0 {
            return Err(decoder.newer(format!("fields of an attribute set (bits {unknown:#x})")));
        }
        let mut set = AttributeSet::default();
        if mask & field::OWNER != 0 {
            set.owner = Some(decode_owner(&mut decoder)?);
        }
        if mask & field::FLAGS != 0 {
            set.flags = decoder.varint_in("flags", 1, u64::MAX)?;
            let unknown = set.flags & !flags::ALL;
            if unknown != 0 {
                return Err(decoder.newer(format!("flags of a file (bits {unknown:#x})")));
            }
        }
        if mask & field::XATTRS != 0 {
            set.xattrs = decode_xattrs(&mut decoder)?;
        }
        decoder.finish()?;
        Ok(set)
    }
}

fn encode_owner(owner: &Owner, encoder: &mut Encoder) -> Result<()> {
    for number in [owner.user, owner.group] {
        if number > OWNER_NUMBER_MAX {
            return Err(Error::invalid(format!("{number} is no number of a user or a group")));
        }
        encoder.varint(number.into());
    }
    for name in [&owner.user_name, &owner.group_name] {
        if name.len() > OWNER_NAME_LEN_MAX {
            return Err(limit("length of an owner's name", OWNER_NAME_LEN_MAX, name.len()));
        }
        encoder.bytes(name);
    }
    Ok(())
}

fn decode_owner(decoder: &mut Decoder) -> Result<Owner> {
    let mut number = || decoder.varint_in("a number of an owner", 0, OWNER_NUMBER_MAX.into());
    // Not above the maximum, so they fit.
    let [user, group] =
        [number()?, number()?].map(|number| u32::try_from(number).unwrap_or(OWNER_NUMBER_MAX));
    let mut name = || decoder.bytes_in("an owner's name's length", 0, OWNER_NAME_LEN_MAX);
    let (user_name, group_name) = (name()?.to_vec(), name()?.to_vec());
    Ok(Owner { user, group, user_name, group_name })
}

fn encode_xattrs(xattrs: &BTreeMap<Vec<u8>, XattrValue>, encoder: &mut Encoder) -> Result<()> {
    let names = xattrs.keys().map(|name| name.len() + 1).sum();
    if names > XATTR_NAMES_LEN_MAX {
        let what = "names of extended attributes together";
        return Err(limit(what, XATTR_NAMES_LEN_MAX, names));
    }
    encoder.varint(xattrs.len() as u64);
    for (name, value) in xattrs {
        if name.len() > XATTR_NAME_LEN_MAX {
            let what = "length of an extended attribute's name";
            return Err(limit(what, XATTR_NAME_LEN_MAX, name.len()));
        }
        if name.is_empty() || name.contains(&0) {
            let why = "an extended attribute's name is empty or has a NUL byte in it";
            return Err(Error::invalid(why));
        }
        encoder.bytes(name);
        match value {
            XattrValue::Inline(bytes) if bytes.len() <= XATTR_INLINE_LEN_MAX => {
                encoder.bytes(bytes);
            }
            XattrValue::Chunk(chunk) if is_chunk_len(chunk.len.into()) => {
                encoder.varint(chunk.len.into());
                encoder.hash(chunk.id.hash());
            }
            _ => return Err(Error::invalid("an extended attribute is not where its length says")),
        }
    }
    Ok(())
}

fn is_chunk_len(len: u64) -> bool {
    len > XATTR_INLINE_LEN_MAX as u64 && len <= XATTR_LEN_MAX as u64
}

fn decode_xattrs(decoder: &mut Decoder) -> Result<BTreeMap<Vec<u8>, XattrValue>> {
    // A name and the byte that counts for it.
    let most = XATTR_NAMES_LEN_MAX as u64 / 2;
    let count = decoder.varint_in("a number of extended attributes", 1, most)?;
    let mut xattrs = BTreeMap::new();
    let mut room = XATTR_NAMES_LEN_MAX;
    let mut previous: &[u8] = &[];
    for _ in 0..count {
        let most = XATTR_NAME_LEN_MAX.min(room.saturating_sub(1));
        let name = decoder.bytes_in("an extended attribute's name's length", 1, most)?;
        room = room.saturating_sub(name.len() + 1);
        if name <= previous {
            return Err(decoder.error("expected extended attributes in ascending order"));
        }
        if name.contains(&0) {
            return Err(decoder.error("expected an extended attribute's name without NUL"));
        }
        previous = name;
        let len = decoder.varint_in("an extended attribute's length", 0, XATTR_LEN_MAX as u64)?;
        let value = if is_chunk_len(len) {
            let id = ChunkId(decoder.hash()?);
            XattrValue::Chunk(ChunkRef { id, len: u32::try_from(len).unwrap_or(u32::MAX) })
        } else {
            XattrValue::Inline(decoder.raw(usize::try_from(len).unwrap_or(usize::MAX))?.to_vec())
        };
        xattrs.insert(name.to_vec(), value);
    }
    Ok(xattrs)
}

#[cfg(test)]
mod tests;
