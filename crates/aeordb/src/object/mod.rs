//! What a version is made of: chunks, chunk lists, file records, attribute sets, directory trees,
//! versions, and their canonical encodings.
//!
//! Invariants: equal content has equal bytes and so equal names, whatever the order of edits; a
//! decoder does no I/O, allocates nothing beyond what it has checked and cannot panic; there is no
//! second encoding of anything, `encode(decode(x)) == x` for every `x` that decodes.

pub mod apply;
pub mod attributes;
pub mod chunker;
pub mod encoding;
pub mod list;
pub mod name;
pub mod path;
pub mod record;
pub mod reference;
pub mod tree;
pub mod version;

pub use apply::{apply, resolve};
pub use attributes::{AttributeSet, Owner, XattrValue};
pub use list::{ChunkRef, ListBuilder, ListReader};
pub use name::Name;
pub use path::Path;
pub use record::{
    Attributes, Content, Device, FileRecord, HardLink, Item, Special, SpecialKind, Subdirectory,
    Symlink, Totals,
};
pub use reference::Reference;
pub use version::Version;
