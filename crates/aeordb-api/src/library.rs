//! The library's values as what travels.

mod errors;
mod reports;

use std::collections::BTreeMap;

use aeordb::backup;
use aeordb::db::{self, EditReport, Promotion};
use aeordb::hash::{DirectoryId, Hash, VersionId};
use aeordb::object::{self, Attributes, SpecialKind};

use crate::files::{Edit, StoredTree};
use crate::item::{Item, Kind};
use crate::versions::{self, ChangeKind, HistoryEntry, Snapshot};
use crate::{BadName, Digest, Mode, Name, Time};

impl From<VersionId> for Digest {
    fn from(version: VersionId) -> Self {
        version.0.into()
    }
}

impl From<DirectoryId> for Digest {
    fn from(directory: DirectoryId) -> Self {
        directory.0.into()
    }
}

impl From<Hash> for Digest {
    fn from(hash: Hash) -> Self {
        Digest(*hash.as_bytes())
    }
}

impl From<Digest> for VersionId {
    fn from(digest: Digest) -> Self {
        VersionId(Hash::new(digest.0))
    }
}

impl From<BadName> for aeordb::Error {
    fn from(bad: BadName) -> Self {
        aeordb::Error::invalid(bad.to_string())
    }
}

impl From<&object::Item> for Item {
    fn from(item: &object::Item) -> Self {
        let Attributes { mode, mtime, .. } = item.attributes();
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

impl From<&EditReport> for Edit {
    fn from(report: &EditReport) -> Self {
        Edit {
            version: report.version.into(),
            previous: report.previous.into(),
            files: report.files,
            directories: report.directories,
            bytes: report.bytes,
        }
    }
}

impl From<&backup::GraftReport> for StoredTree {
    fn from(report: &backup::GraftReport) -> Self {
        StoredTree {
            version: report.version.into(),
            previous: report.previous.into(),
            new_bytes: report.new_bytes,
        }
    }
}

impl From<&Promotion> for versions::Promotion {
    fn from(promotion: &Promotion) -> Self {
        versions::Promotion { head: promotion.head.into(), previous: promotion.previous.into() }
    }
}

impl From<&db::Snapshot> for Snapshot {
    fn from(snapshot: &db::Snapshot) -> Self {
        Snapshot {
            name: snapshot.name.clone(),
            version: snapshot.version.into(),
            created_at: Time(snapshot.created_at),
            metadata: snapshot.metadata.clone(),
        }
    }
}

impl From<&db::HistoryEntry> for HistoryEntry {
    fn from(entry: &db::HistoryEntry) -> Self {
        HistoryEntry {
            sequence: entry.sequence,
            time: Time(entry.time),
            version: entry.version.into(),
            what: entry.what.clone(),
            promoted: entry.promoted,
        }
    }
}

impl From<&backup::Change> for versions::Change {
    fn from(change: &backup::Change) -> Self {
        use backup::Change::{Added, Deleted, Modified, Renamed};
        let (kind, path, item, from) = match change {
            Added { path, item } => (ChangeKind::Added, path, item, None),
            Modified { path, new, .. } => (ChangeKind::Modified, path, new, None),
            Deleted { path, item } => (ChangeKind::Deleted, path, item, None),
            Renamed { from, to, item } => (ChangeKind::Renamed, to, item, Some(from)),
        };
        let from = from.map(|from| Name::new(from.as_bytes()));
        let (path, item) = (Name::new(path.as_bytes()), item.into());
        let (from, from_b64) = from.map_or((None, None), |from| (Some(from.text), from.b64));
        versions::Change { path: path.text, path_b64: path.b64, change: kind, from, from_b64, item }
    }
}
