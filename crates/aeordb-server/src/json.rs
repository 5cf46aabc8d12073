//! What the library's values look like in JSON, over HTTP as on the command line: the order of
//! members is part of the interface.

mod backups;
#[cfg(test)]
mod tests;

use aeordb::compact::CompactReport;
use aeordb::db::{EditReport, HistoryEntry, Promotion, Snapshot};
use aeordb::files::PutReport;
use aeordb::gc::GcReport;
use aeordb::object::Item;
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::keys::Key;

pub use backups::{change, export, import, info, listed_change, patch, verify};

/// Nanoseconds since 1970 as RFC 3339 in UTC, with all digits that are not zero.
pub fn time(nanoseconds: i64) -> String {
    Timestamp::from_nanosecond(i128::from(nanoseconds))
        .map_or_else(|_| nanoseconds.to_string(), |time| time.to_string())
}

/// The last bits of a mode, as `chmod` takes them.
pub fn mode(mode: u32) -> String {
    format!("{:04o}", mode & 0o7777)
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
            member("modified", file.attributes.mtime.map(time).into());
            member("content_type", file.content_type.clone().into());
            member("hash", file.content_hash.to_string().into());
            if let Some(mode) = file.attributes.mode {
                member("mode", self::mode(mode).into());
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
            member("modified", link.attributes.mtime.map(time).into());
            member("content_type", Value::Null);
            member("hash", Value::Null);
            insert_name(object, "target", &link.target);
        }
        Item::Directory(directory) => {
            member("kind", "directory".into());
            member("size", directory.totals.bytes.into());
            member("modified", directory.attributes.mtime.map(time).into());
            member("content_type", Value::Null);
            member("hash", directory.root.to_string().into());
            if let Some(mode) = directory.attributes.mode {
                member("mode", self::mode(mode).into());
            }
            member("files", directory.totals.files.into());
            member("directories", directory.totals.directories.into());
        }
    }
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

/// What a put did.
pub fn put(report: &PutReport) -> Value {
    json!({
        "version": report.version.to_string(),
        "previous": report.previous.to_string(),
        "files": report.files,
        "directories": report.directories,
        "bytes": report.bytes,
        "files_new": report.files_new,
        "files_changed": report.files_changed,
        "files_unchanged": report.files_unchanged,
        "files_deleted": report.files_deleted,
        "new_bytes": report.new_bytes,
        "skipped": report.skipped,
        "unreadable": report.unreadable,
        "unsettled": report.unsettled,
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

/// What a compaction did.
pub fn compact(report: &CompactReport, dry_run: bool) -> Value {
    json!({
        "dry_run": dry_run,
        "entries_live": report.entries_live,
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
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
