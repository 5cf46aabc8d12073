//! What snapshots may be called, and what is changed of them.

use std::collections::BTreeMap;

use globset::{Glob, GlobMatcher};

use crate::db::{Database, Purpose, Snapshot};
use crate::error::{Error, Result};
use crate::limits::{METADATA_LEN_MAX, SNAPSHOT_NAME_LEN_MAX};

/// What is to be another of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotEdit {
    /// Its name.
    pub name: Option<String>,
    /// Metadata that is set, or removed where there is no value.
    pub metadata: BTreeMap<String, Option<String>>,
    /// Whether it is held.
    pub held: Option<bool>,
}

/// Names that can be typed, listed and put into a URL, and that nothing else can be mistaken for:
/// `/` and `:` may be in them, but what ends a name before a path, `:/`, may not.
pub(crate) fn check_snapshot_name(name: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::invalid(format!("snapshot name '{name}' {why}")));
    if name.is_empty() || name.len() > SNAPSHOT_NAME_LEN_MAX {
        return refuse("must have 1 to 255 bytes");
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || c == '~') {
        return refuse("must not hold white space, control characters or '~'");
    }
    if name.starts_with(['/', ':']) || name.ends_with(['/', ':']) {
        return refuse("must not begin or end with '/' or ':'");
    }
    if name.contains(":/") || name.contains("@{") || name.contains("..") {
        return refuse("must not hold ':/' (a path follows), '@{' (a time) or '..' (two versions)");
    }
    if name.split('/').any(|part| part.is_empty() || part == ".") {
        return refuse("must not hold '//' or '/./': URLs lose them");
    }
    if name == "HEAD" || name == "latest" || name.starts_with('-') {
        return refuse("is reserved");
    }
    // Dates are digits alone, and what a hash begins with hardly ever is.
    let hex = name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let date = name.len() < 64 && name.bytes().all(|byte| byte.is_ascii_digit());
    if hex && !date {
        return refuse("could be taken for a version's hash or the start of one");
    }
    Ok(())
}

/// Text that can be read again.
pub(crate) fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<()> {
    let longest = metadata.iter().flat_map(|(key, value)| [key.len(), value.len()]).max();
    match longest.filter(|len| *len > METADATA_LEN_MAX) {
        Some(len) => {
            let (what, limit) =
                ("the length of a snapshot's metadata".into(), METADATA_LEN_MAX as u64);
            Err(Error::Limit { what, limit, found: len as u64 })
        }
        None => Ok(()),
    }
}

/// What may have been a name, under the rules of any time.
pub(crate) fn could_be_snapshot_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= SNAPSHOT_NAME_LEN_MAX
        && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Which snapshots are meant: those whose name fits a pattern and that have this metadata.
#[derive(Clone, Debug, Default)]
pub struct SnapshotFilter {
    name: Option<GlobMatcher>,
    metadata: BTreeMap<String, String>,
}

impl SnapshotFilter {
    /// Those with this metadata; with a pattern, those whose whole name fits it: `*` stands for
    /// anything, `/` too.
    pub fn new(name: Option<&str>, metadata: BTreeMap<String, String>) -> Result<Self> {
        let compile = |pattern: &str| {
            let refuse = |error: globset::Error| {
                Error::invalid(format!("the pattern '{pattern}': {}", error.kind()))
            };
            Glob::new(pattern).map(|glob| glob.compile_matcher()).map_err(refuse)
        };
        Ok(SnapshotFilter { name: name.map(compile).transpose()?, metadata })
    }

    /// True if a snapshot of this name and metadata is meant.
    pub fn takes(&self, name: &str, metadata: &BTreeMap<String, String>) -> bool {
        let fits = self.name.as_ref().is_none_or(|pattern| pattern.is_match(name));
        fits && self.metadata.iter().all(|(key, value)| metadata.get(key) == Some(value))
    }
}

impl Database {
    /// Changes what is said of a snapshot, its name, or whether it is held.
    pub fn edit_snapshot(&self, name: &str, edit: &SnapshotEdit) -> Result<Snapshot> {
        // A full disk lets nobody be kept from letting go.
        let purpose = match edit.held {
            Some(false) => Purpose::Removal,
            _ => Purpose::Growth,
        };
        let mut writer = self.writer_for(purpose)?;
        let (snapshot, changed) = writer.edit_snapshot(name, edit)?;
        if changed {
            writer.commit()?;
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests;
