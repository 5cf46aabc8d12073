//! Superblocks: the first bytes of a file. A database has two slots that are rewritten in turn; a
//! sealed file has one head that is written once.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::{Error, Result};
use crate::format::check_numbers;

/// First bytes of every file of ours. The bytes after the name show a transfer that changed line
/// ends or dropped high bits.
pub const MAGIC: [u8; 8] = *b"aeordb\x8a\n";
/// The format that this program writes.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes of a superblock.
pub const SUPERBLOCK_LEN: usize = size_of::<Superblock>();
/// Offsets of a database's two slots.
pub const SLOTS: [u64; 2] = [0, 4096];
/// Where a database's frames start.
pub const DATABASE_START: u64 = 8192;
/// Where a sealed file's frames start.
pub const SEALED_START: u64 = SUPERBLOCK_LEN as u64;
/// Required feature: items have attribute sets.
pub const EXTENDED: u64 = 1;
/// Required feature: what the frames of a sealed file hold is encrypted.
pub const ENCRYPTED: u64 = 2;
/// Feature bits that a reader must know, and this one does.
pub const REQUIRED_KNOWN: u64 = EXTENDED | ENCRYPTED;

/// What a file is. The number is what the file stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FileKind {
    /// A database that grows.
    Database = 1,
    /// One version, sealed.
    Export = 2,
    /// The difference of two versions, sealed.
    Patch = 3,
}

impl FileKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Database => "database",
            FileKind::Export => "export",
            FileKind::Patch => "patch",
        }
    }
}

/// A superblock.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Superblock {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT_VERSION`].
    pub format: U32,
    /// A [`FileKind`].
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Features without which the file cannot be read.
    pub required: U64,
    /// Features that a reader may ignore.
    pub optional: U64,
    /// Databases: random, made once. Sealed files: the first half of their target's hash.
    pub file_id: [u8; 16],
    /// Databases: number of this superblock; the slot with the higher one is newer.
    pub sequence: U64,
    /// Databases: offset of the commit that sealed the last checkpoint; zero if there is none.
    pub commit: U64,
    /// Databases: end of the last commit that was synced when this was written.
    pub durable_to: U64,
    /// Patches: the version they start from; else zero.
    pub base: [u8; 32],
    /// Sealed files: the version they hold or lead to; else zero.
    pub target: [u8; 32],
    /// Zero.
    pub reserved_end: [u8; 88],
    /// BLAKE3 of the bytes before.
    pub check: [u8; 32],
}

const _: () = assert!(SUPERBLOCK_LEN == 256);

impl Superblock {
    /// A superblock of a file of this kind, without a checkpoint and without its check.
    pub fn new(kind: FileKind, file_id: [u8; 16]) -> Self {
        Superblock {
            magic: MAGIC,
            format: FORMAT_VERSION.into(),
            kind: kind as u8,
            reserved: [0; 3],
            required: 0.into(),
            optional: 0.into(),
            file_id,
            sequence: 0.into(),
            commit: 0.into(),
            durable_to: 0.into(),
            base: [0; 32],
            target: [0; 32],
            reserved_end: [0; 88],
            check: [0; 32],
        }
    }

    /// Fills in the check.
    pub fn sealed(mut self) -> Self {
        self.check = self.expected_check();
        self
    }

    fn expected_check(&self) -> [u8; 32] {
        let bytes = self.as_bytes();
        let (checked, _) = bytes.split_at_checked(bytes.len() - 32).unwrap_or_default();
        *blake3::hash(checked).as_bytes()
    }

    /// Reads a superblock of the file called `what`.
    pub fn parse(what: &str, offset: u64, bytes: &[u8]) -> Result<Self> {
        let foreign = |detail: &str| Error::Foreign { what: what.into(), detail: detail.into() };
        if bytes.get(..MAGIC.len()) != Some(&MAGIC) {
            return Err(foreign("is not an aeordb file"));
        }
        if bytes.len() < SUPERBLOCK_LEN {
            return Err(Error::damaged(what, offset, "the superblock is cut off"));
        }
        let superblock = Superblock::whole(bytes)
            .ok_or_else(|| Error::damaged(what, offset, "the superblock does not have its hash"))?;
        if let Some(needs) = superblock.needs() {
            return Err(Error::newer(what, needs));
        }
        let numbers = [superblock.sequence, superblock.commit, superblock.durable_to];
        check_numbers("superblock", offset, numbers.map(U64::get))
            .map_err(|error| error.in_file(what))?;
        Ok(superblock)
    }

    /// True if what the frames hold is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.required.get() & ENCRYPTED != 0
    }

    /// The features that whoever takes entries from the file must know: all but how it keeps them.
    pub fn features(&self) -> u64 {
        self.required.get() & !ENCRYPTED
    }

    /// What a program must know to read the file, if it is more than this one does.
    fn needs(&self) -> Option<String> {
        let unknown = self.required.get() & !REQUIRED_KNOWN;
        if self.format.get() != FORMAT_VERSION {
            let found = self.format.get();
            Some(format!("format version {found}, this program reads version {FORMAT_VERSION}"))
        } else if unknown != 0 {
            Some(format!("features that this program does not know (bits {unknown:#x})"))
        } else if self.file_kind().is_none() {
            Some(format!("files of kind {}", self.kind))
        } else if self.reserved != [0; 3] || self.reserved_end != [0; 88] {
            Some("fields of a superblock that this program does not know".into())
        } else if self.is_encrypted() && self.file_kind() == Some(FileKind::Database) {
            Some("databases that are encrypted".into())
        } else {
            None
        }
    }

    /// The superblock that these bytes start with, if they have its hash, whatever it says.
    pub fn whole(bytes: &[u8]) -> Option<Self> {
        let (superblock, _) = Superblock::read_from_prefix(bytes).ok()?;
        (superblock.expected_check() == superblock.check).then_some(superblock)
    }

    /// The file's kind.
    pub fn file_kind(&self) -> Option<FileKind> {
        [FileKind::Database, FileKind::Export, FileKind::Patch]
            .into_iter()
            .find(|kind| *kind as u8 == self.kind)
    }
}
