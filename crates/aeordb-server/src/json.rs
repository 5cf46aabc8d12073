//! What the library's values look like in JSON: the order of members is part of the interface.

use aeordb::backup::{Change, ExportReport, ImportReport, PatchReport, VerifyReport};
use aeordb::db::{EditReport, HistoryEntry, Promotion, Snapshot};
use aeordb::gc::GcReport;
use aeordb::object::{Item, Path};
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::keys::Key;

/// Nanoseconds since 1970 as RFC 3339 in UTC, with all digits that are not zero.
pub fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(i128::from(nanoseconds))
        .map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}

/// Adds a name or path: as text, and in base64 beside it when it is not text.
pub fn insert_name(object: &mut Map<String, Value>, key: &str, bytes: &[u8]) {
    object.insert(key.into(), String::from_utf8_lossy(bytes).into());
    if std::str::from_utf8(bytes).is_err() {
        object.insert(format!("{key}_b64"), BASE64.encode(bytes).into());
    }
}

/// An object that starts with a name or path.
pub fn named(key: &str, bytes: &[u8]) -> Map<String, Value> {
    let mut object = Map::new();
    insert_name(&mut object, key, bytes);
    object
}

/// Adds what there is to say of an item.
pub fn insert_item(object: &mut Map<String, Value>, item: &Item) {
    let mut member = |name: &str, value: Value| object.insert(name.into(), value);
    match item {
        Item::File(file) => {
            member("kind", "file".into());
            member("size", file.size.into());
            member("modified", file.mtime.map(time).into());
            member("content_type", file.content_type.clone().into());
            member("hash", file.content_hash.to_string().into());
            if let Some(mode) = file.mode {
                member("mode", format!("{mode:04o}").into());
            }
            if !file.metadata.is_empty() {
                let mut metadata = Map::new();
                for (key, value) in &file.metadata {
                    insert_name(&mut metadata, &String::from_utf8_lossy(key), value);
                }
                member("metadata", metadata.into());
            }
        }
        Item::Symlink(link) => {
            member("kind", "symlink".into());
            member("size", link.target.len().into());
            member("modified", link.mtime.map(time).into());
            member("content_type", Value::Null);
            member("hash", Value::Null);
            insert_name(object, "target", &link.target);
        }
        Item::Directory(directory) => {
            member("kind", "directory".into());
            member("size", directory.totals.bytes.into());
            member("modified", directory.mtime.map(time).into());
            member("content_type", Value::Null);
            member("hash", directory.root.to_string().into());
            if let Some(mode) = directory.mode {
                member("mode", format!("{mode:04o}").into());
            }
            member("files", directory.totals.files.into());
            member("directories", directory.totals.directories.into());
        }
    }
}

/// What an export holds.
pub fn export(report: &ExportReport, output: &str) -> Value {
    json!({
        "version": report.version.to_string(),
        "files": report.files,
        "chunks": report.chunks,
        "directories": report.directories,
        "output": output,
        "bytes": report.bytes,
    })
}

/// What a patch holds.
pub fn patch(report: &PatchReport, output: &str) -> Value {
    json!({
        "from": report.from.to_string(),
        "to": report.to.to_string(),
        "files_added": report.files_added,
        "files_modified": report.files_modified,
        "files_deleted": report.files_deleted,
        "chunks": report.chunks,
        "directories": report.directories,
        "output": output,
        "bytes": report.bytes,
    })
}

/// What an import did.
pub fn import(report: &ImportReport) -> Value {
    json!({
        "version": report.version.to_string(),
        "kind": report.kind.name(),
        "entries": report.entries,
        "chunks": report.chunks,
        "files": report.files,
        "directories": report.directories,
        "deletions": report.deletions,
        "promoted": report.promoted,
        "new_entries": report.new_entries,
        "new_bytes": report.new_bytes,
    })
}

/// What a promotion did.
pub fn promotion(promotion: &Promotion) -> Value {
    json!({ "head": promotion.head.to_string(), "previous": promotion.previous.to_string() })
}

/// What a change of paths did.
pub fn edit(report: &EditReport) -> Value {
    json!({
        "version": report.version.to_string(),
        "previous": report.previous.to_string(),
        "files": report.files,
        "directories": report.directories,
        "bytes": report.bytes,
    })
}

/// A snapshot.
pub fn snapshot(snapshot: &Snapshot) -> Value {
    json!({
        "name": snapshot.name,
        "version": snapshot.version.to_string(),
        "created_at": time(snapshot.created_at),
        "metadata": snapshot.metadata,
    })
}

/// An entry of history.
pub fn history(entry: &HistoryEntry) -> Value {
    json!({
        "sequence": entry.sequence,
        "time": time(entry.time),
        "version": entry.version.to_string(),
        "what": entry.what,
        "promoted": entry.promoted,
    })
}

/// A changed path.
pub fn change(change: &Change) -> Value {
    let (word, path, item): (&str, &Path, &Item) = match change {
        Change::Added { path, item } => ("added", path, item),
        Change::Modified { path, new, .. } => ("modified", path, new),
        Change::Deleted { path, item } => ("deleted", path, item),
        Change::Renamed { to, item, .. } => ("renamed", to, item),
    };
    let mut object = named("path", path.as_bytes());
    object.insert("change".into(), word.into());
    if let Change::Renamed { from, .. } = change {
        insert_name(&mut object, "from", from.as_bytes());
    }
    insert_item(&mut object, item);
    Value::Object(object)
}

/// A key, without its secret, which nobody has.
pub fn key(key: &Key) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.rights.names(),
        "created_at": time(key.created_at),
        "expires_at": key.expires_at.map(time),
        "revoked_at": key.revoked_at.map(time),
    })
}

/// What a collection did.
pub fn gc(report: &GcReport, dry_run: bool) -> Value {
    json!({
        "dry_run": dry_run,
        "entries_live": report.entries_live,
        "bytes_live": report.bytes_live,
        "entries_collected": report.entries_collected,
        "bytes_collected": report.bytes_collected,
        "bytes_released": report.bytes_released,
        "bytes_deferred": report.bytes_deferred,
    })
}

/// What a verification found.
pub fn verify(report: &VerifyReport) -> Value {
    let damages = report.damages.iter().map(|damage| {
        let paths = damage.paths.iter().map(|(version, path)| {
            let mut object = named("path", path.as_bytes());
            object.insert("version".into(), version.to_string().into());
            Value::Object(object)
        });
        let paths: Vec<Value> = paths.collect();
        json!({ "offset": damage.offset, "what": damage.what, "paths": paths })
    });
    json!({
        "kind": report.kind.name(),
        "deep": report.deep,
        "versions": report.versions,
        "entries": report.entries,
        "blocks": report.blocks,
        "bytes": report.bytes,
        "unproved": report.unproved,
        "torn_tail": report.torn_tail,
        "damages": damages.collect::<Vec<_>>(),
    })
}
