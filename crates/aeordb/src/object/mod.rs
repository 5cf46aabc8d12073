//! What a version is made of: chunks, chunk lists, file records, attribute sets, directory trees,
//! versions, and their canonical encodings.
//!
//! Invariants: equal content has equal bytes and so equal names, whatever the order of edits; a
//! decoder does no I/O, allocates nothing beyond what it has checked and cannot panic; there is no
//! second encoding of anything, `encode(decode(x)) == x` for every `x` that decodes.

pub(crate) mod apply;
mod as_path;
pub(crate) mod attributes;
pub(crate) mod chunker;
pub(crate) mod encoding;
pub(crate) mod hard_link;
pub(crate) mod list;
pub(crate) mod name;
pub(crate) mod path;
pub(crate) mod record;
pub(crate) mod reference;
pub(crate) mod tree;
pub(crate) mod version;

pub use apply::{apply, resolve};
pub use as_path::AsPath;
pub use attributes::{AttributeSet, Owner, XattrValue};
pub use list::{ListBuilder, ListReader};
pub use name::Name;
pub use path::Path;
pub use record::{
    Attributes, ChunkRef, Content, Device, FileRecord, HardLink, Item, Special, SpecialKind,
    Subdirectory, Symlink, Totals,
};
pub use reference::Reference;
pub use version::Version;
