//! What a listing shows of an item.

use std::collections::BTreeMap;

use aeordb::object::{Item, Totals};

use crate::text;

/// A file, directory or symbolic link as it is shown.
pub struct View<'a> {
    pub kind: &'static str,
    /// Bytes of a file, of all files below a directory, of a link's target.
    pub size: u64,
    pub modified: Option<i64>,
    pub mode: Option<u32>,
    pub content_type: Option<&'a str>,
    pub hash: Option<String>,
    pub target: Option<&'a [u8]>,
    pub totals: Option<Totals>,
    pub metadata: Option<&'a BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl<'a> View<'a> {
    /// What there is to show of `item`.
    pub fn of(item: &'a Item) -> Self {
        match item {
            Item::File(file) => View {
                kind: "file",
                size: file.size,
                modified: file.attributes.mtime,
                mode: file.attributes.mode,
                content_type: file.content_type.as_deref(),
                hash: Some(file.content_hash.to_string()),
                target: None,
                totals: None,
                metadata: Some(&file.metadata),
            },
            Item::Symlink(link) => View {
                kind: "symlink",
                size: u64::try_from(link.target.len()).unwrap_or(u64::MAX),
                modified: link.attributes.mtime,
                mode: None,
                content_type: None,
                hash: None,
                target: Some(&link.target),
                totals: None,
                metadata: None,
            },
            Item::Directory(directory) => View {
                kind: "directory",
                size: directory.totals.bytes,
                modified: directory.attributes.mtime,
                mode: directory.attributes.mode,
                content_type: None,
                hash: Some(directory.root.to_string()),
                target: None,
                totals: Some(directory.totals),
                metadata: None,
            },
        }
    }

    /// The columns of a long listing, before the name.
    pub fn columns(&self, human: bool) -> String {
        format!(
            "{:<9}  {:<10}  {:>12}  {}  {:<24}  ",
            self.kind,
            text::mode(self.kind, self.mode),
            if human { text::size(self.size) } else { self.size.to_string() },
            self.modified.map_or_else(|| format!("{:<20}", "-"), text::time),
            self.content_type.map_or_else(|| "-".to_owned(), text::printable),
        )
    }
}
