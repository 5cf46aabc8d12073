//! Names of entries: 32-byte BLAKE3 hashes, separated by kind.
//!
//! A chunk is named by the plain hash of its bytes, so that the name of a one-chunk file is what
//! `b3sum` prints. Every other kind hashes its canonical encoding under a derive-key context of
//! its own, so that no stored bytes can be mistaken for an entry of another kind.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::error::{Error, Result};

/// Bytes in a hash.
pub const HASH_LEN: usize = 32;

/// A 32-byte BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash([u8; HASH_LEN]);

impl Hash {
    /// All zeros: the hash of nothing, used where a root is absent.
    pub const ZERO: Hash = Hash([0; HASH_LEN]);

    /// The hash with these bytes.
    pub const fn new(bytes: [u8; HASH_LEN]) -> Self {
        Hash(bytes)
    }

    /// The plain BLAKE3 hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// The bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; HASH_LEN] {
        &self.0
    }

    /// True for [`Hash::ZERO`].
    pub fn is_zero(&self) -> bool {
        self.0 == [0; HASH_LEN]
    }

    /// The first eight bytes as a little-endian number: uniform, for tables and split decisions.
    pub fn low_u64(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl From<blake3::Hash> for Hash {
    fn from(hash: blake3::Hash) -> Self {
        Hash(*hash.as_bytes())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        blake3::Hash::from_hex(text)
            .map(Hash::from)
            .map_err(|_| Error::invalid(format!("'{text}' is not a hash of 64 hex digits")))
    }
}

/// What an entry is. The number is what the file stores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A piece of a file's bytes.
    Chunk = 1,
    /// A node of a long file's chunk list.
    List = 2,
    /// A node of a directory index.
    Directory = 3,
    /// A version: the root directory and its counts.
    Version = 4,
    /// A node of a system map: snapshots, history, keys. Never exported.
    System = 5,
    /// Owner, flags and extended attributes, which many files may share.
    Attributes = 6,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 6] =
        [Kind::Chunk, Kind::List, Kind::Directory, Kind::Version, Kind::System, Kind::Attributes];

    /// The kind with this stored number.
    pub fn from_u8(number: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// The word that errors and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Chunk => "chunk",
            Kind::List => "chunk list",
            Kind::Directory => "directory index",
            Kind::Version => "version",
            Kind::System => "system map",
            Kind::Attributes => "attribute set",
        }
    }

    /// The name of an entry of this kind with this canonical encoding.
    pub fn hash(self, encoding: &[u8]) -> Hash {
        // Deriving the context's key costs two compressions; a clone of it costs none.
        static HASHERS: LazyLock<[blake3::Hasher; 5]> = LazyLock::new(|| {
            [
                blake3::Hasher::new_derive_key("aeordb v1 chunk list"),
                blake3::Hasher::new_derive_key("aeordb v1 directory index"),
                blake3::Hasher::new_derive_key("aeordb v1 version"),
                blake3::Hasher::new_derive_key("aeordb v1 system map"),
                blake3::Hasher::new_derive_key("aeordb v1 attributes"),
            ]
        });
        let [list, directory, version, system, attributes] = &*HASHERS;
        let hasher = match self {
            Kind::Chunk => return Hash::of(encoding),
            Kind::List => list,
            Kind::Directory => directory,
            Kind::Version => version,
            Kind::System => system,
            Kind::Attributes => attributes,
        };
        hasher.clone().update(encoding).finalize().into()
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Hash);

        impl $name {
            /// The kind of entry that this names.
            pub const KIND: Kind = $kind;

            /// The name of the entry with this canonical encoding.
            pub fn of(encoding: &[u8]) -> Self {
                $name($kind.hash(encoding))
            }

            /// The hash itself.
            pub fn hash(&self) -> &Hash {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                text.parse().map($name)
            }
        }
    };
}

typed_id!(
    /// Names a chunk: the plain BLAKE3 hash of its bytes.
    ChunkId,
    Kind::Chunk
);
typed_id!(
    /// Names a node of a chunk list.
    ListId,
    Kind::List
);
typed_id!(
    /// Names a node of a directory index.
    DirectoryId,
    Kind::Directory
);
typed_id!(
    /// Names a version.
    VersionId,
    Kind::Version
);
typed_id!(
    /// Names an attribute set.
    AttributesId,
    Kind::Attributes
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_have_another_name_in_every_kind() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.hash(b"same")).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn a_chunk_is_named_as_b3sum_names_its_bytes() {
        assert_eq!(
            Kind::Chunk.hash(b"").to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
    }

    #[test]
    fn a_hash_reads_back_what_it_prints_and_nothing_else() {
        let hash = Hash::of(b"x");
        assert_eq!(hash.to_string().parse::<Hash>().unwrap(), hash);
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(65)] {
            assert!(bad.parse::<Hash>().is_err(), "{bad:?} was read");
        }
    }
}
