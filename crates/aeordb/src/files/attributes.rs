//! What is kept of a local file beside its content, read from its file system. What a listing shows
//! of it is known already; the rest is asked for here, and nowhere else.

use std::fs::File;
use std::path::Path as LocalPath;

use crate::files::beneath::Tree;
use crate::files::rights;
use crate::files::scan::Entry;
use crate::object::Attributes;

/// Those of what is at `path`, which is no link, where the system shows `shown`.
pub fn of_path(path: &LocalPath, shown: Attributes) -> Attributes {
    with_rights(shown, |mode| rights::of_path(path, mode))
}

/// Those of an open file.
pub fn of_file(file: &File, shown: Attributes) -> Attributes {
    with_rights(shown, |mode| rights::of_file(file, mode))
}

/// Those of an entry of `directory` that is no link. The bits that the system shows are its
/// permissions, or the mask of a list; asking which of them costs a call, which bits that the
/// database has, too, are spared.
pub fn of_entry(
    entry: &Entry,
    kept: Option<&Attributes>,
    tree: &Tree,
    directory: &LocalPath,
) -> Attributes {
    let shown = entry.attributes.clone();
    if kept.is_some_and(|kept| kept.mode == shown.mode) {
        return shown;
    }
    match tree.directory(directory) {
        Ok(handle) => with_rights(shown, |mode| rights::of_entry(&handle, &entry.name, mode)),
        Err(_) => shown,
    }
}

fn with_rights(shown: Attributes, of: impl FnOnce(u32) -> u32) -> Attributes {
    Attributes { mode: shown.mode.map(of), ..shown }
}
