//! What is recorded at paths, as what travels. Owner, flags and extended attributes stand in entries
//! of their own: those that are damaged hide no file.

use std::collections::BTreeMap;

use aeordb::backup::{self, differences};
use aeordb::db::{Reader, Traced};
use aeordb::internals::log::View;
use aeordb::internals::object::attributes::{KnownSets, flags};
use aeordb::object::{self, AttributeSet, Attributes, SpecialKind, XattrValue};
use data_encoding::HEXLOWER;

use crate::item::{Flag, HardLink, Item, Kind, Xattr};
use crate::problem::Cause;
use crate::versions::{Change, ChangeKind, PathVersion};
use crate::{Mode, Name, Time};

/// Says what a database records.
pub struct Describe<'r> {
    sets: KnownSets<'r, View>,
}

impl<'r> Describe<'r> {
    /// What this reader reads.
    pub fn new(reader: &'r Reader) -> Self {
        Describe { sets: KnownSets::new(reader.view()) }
    }

    /// An item, with what its set says.
    pub fn item(&mut self, item: &object::Item) -> Item {
        let mut shown = plain(item);
        match self.sets.of(item.attributes().set.as_ref()) {
            Ok(set) => describe(&set, &mut shown),
            Err(error) => shown.unread = Some(Cause::from(&error).kind().to_owned()),
        }
        shown
    }

    /// A change, with what of it differs.
    pub fn change(&mut self, change: &backup::Change) -> Change {
        use backup::Change::{Added, Deleted, Modified, Renamed};
        let (kind, path, item, from) = match change {
            Added { path, item } => (ChangeKind::Added, path, item, None),
            Modified { path, new, .. } => (ChangeKind::Modified, path, new, None),
            Deleted { path, item } => (ChangeKind::Deleted, path, item, None),
            Renamed { from, to, item } => (ChangeKind::Renamed, to, item, Some(from)),
        };
        let differs = match change {
            Modified { old, new, .. } => differences(&mut self.sets, old, new),
            Added { .. } | Deleted { .. } | Renamed { .. } => Vec::new(),
        };
        let from = from.map(|from| Name::new(from.as_bytes()));
        let (path, item) = (Name::new(path.as_bytes()), self.item(item));
        let (from, from_b64) = from.map_or((None, None), |from| (Some(from.text), from.b64));
        let differs = differs.iter().map(ToString::to_string).collect();
        let (path, path_b64) = (path.text, path.b64);
        Change { path, path_b64, change: kind, from, from_b64, differs, item }
    }
}

/// Says which version changed a path, and how.
impl Describe<'_> {
    /// `None` if nothing was at the path before, and nothing is.
    pub fn traced(&mut self, path: &object::Path, traced: Traced) -> Option<PathVersion> {
        let Traced { known, before, after } = traced;
        let path = path.clone();
        let change = match (before, after) {
            (None, None) => return None,
            (None, Some(item)) => backup::Change::Added { path, item },
            (Some(item), None) => backup::Change::Deleted { path, item },
            (Some(old), Some(new)) => backup::Change::Modified { path, old, new },
        };
        Some(PathVersion {
            version: known.version.into(),
            time: known.time.map(Time),
            what: known.what,
            snapshots: known.snapshots,
            change: self.change(&change),
        })
    }
}

/// Adds what a set says.
fn describe(set: &AttributeSet, shown: &mut Item) {
    let text = |name: &[u8]| (!name.is_empty()).then(|| Name::new(name).text);
    if let Some(owner) = &set.owner {
        (shown.uid, shown.gid) = (Some(owner.user), Some(owner.group));
        (shown.user, shown.group) = (text(&owner.user_name), text(&owner.group_name));
    }
    let known = [
        (flags::APPEND, Flag::Append),
        (flags::IMMUTABLE, Flag::Immutable),
        (flags::NODUMP, Flag::Nodump),
    ];
    shown.flags =
        known.iter().filter(|(bit, _)| set.flags & bit != 0).map(|(_, flag)| *flag).collect();
    let xattr = |(name, value): (&Vec<u8>, &XattrValue)| {
        let Name { text, b64 } = Name::new(name);
        Xattr { name: text, name_b64: b64, size: value.len() }
    };
    shown.xattrs = set.xattrs.iter().map(xattr).collect();
}

/// An item without what its set says.
pub(super) fn plain(item: &object::Item) -> Item {
    let Attributes { mode, mtime, link, .. } = item.attributes();
    let nothing = Item {
        kind: Kind::File,
        size: 0,
        modified: mtime.map(Time),
        content_type: None,
        hash: None,
        mode: mode.map(Mode),
        metadata: BTreeMap::new(),
        target: None,
        target_b64: None,
        files: None,
        directories: None,
        uid: None,
        gid: None,
        user: None,
        group: None,
        flags: Vec::new(),
        xattrs: Vec::new(),
        hardlink: link.map(|link| HardLink { up: link.up, group: HEXLOWER.encode(&link.group) }),
        unread: None,
        major: None,
        minor: None,
    };
    match item {
        object::Item::File(file) => Item {
            size: file.size,
            content_type: file.content_type.clone(),
            hash: Some(file.content_hash.into()),
            metadata: metadata(&file.metadata),
            ..nothing
        },
        object::Item::Symlink(link) => {
            let Name { text, b64 } = Name::new(&link.target);
            Item {
                kind: Kind::Symlink,
                size: u64::try_from(link.target.len()).unwrap_or(u64::MAX),
                target: Some(text),
                target_b64: b64,
                ..nothing
            }
        }
        object::Item::Special(special) => Item {
            kind: match special.what {
                SpecialKind::Fifo => Kind::Fifo,
                SpecialKind::CharacterDevice(_) => Kind::Chardev,
                SpecialKind::BlockDevice(_) => Kind::Blockdev,
                SpecialKind::Socket => Kind::Socket,
            },
            major: special.what.device().map(|device| device.major),
            minor: special.what.device().map(|device| device.minor),
            ..nothing
        },
        object::Item::Directory(directory) => Item {
            kind: Kind::Directory,
            size: directory.totals.bytes,
            hash: Some(directory.root.into()),
            files: Some(directory.totals.files),
            directories: Some(directory.totals.directories),
            ..nothing
        },
    }
}

fn metadata(metadata: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for (key, value) in metadata {
        let (key, value) = (String::from_utf8_lossy(key).into_owned(), Name::new(value));
        if let Some(b64) = value.b64 {
            shown.insert(format!("{key}_b64"), b64);
        }
        shown.insert(key, value.text);
    }
    shown
}
