//! Replies of a server as the values that the library has for them, so that they are shown as if
//! the database were here.

use std::collections::BTreeMap;

use aeordb::backup::{
    Change, Conflict, Damage, ImportReport, Info, MergeReport, Newer, OnConflict, VerifyReport,
};
use aeordb::db::{EditReport, FileKind, HistoryEntry, Promotion, Snapshot};
use aeordb::gc::GcReport;
use aeordb::hash::{DirectoryId, Hash, VersionId};
use aeordb::object::{Attributes, Content, FileRecord, Item, Path, Subdirectory, Symlink, Totals};
use aeordb::{Error, Result};
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::Value;

fn bad(what: &str) -> Error {
    Error::invalid(format!("the server's reply has no {what} as this program knows it"))
}

pub fn text(value: &Value, name: &str) -> Result<String> {
    value[name].as_str().map(str::to_owned).ok_or_else(|| bad(name))
}

pub fn number(value: &Value, name: &str) -> Result<u64> {
    value[name].as_u64().ok_or_else(|| bad(name))
}

fn flag(value: &Value, name: &str) -> Result<bool> {
    value[name].as_bool().ok_or_else(|| bad(name))
}

pub fn version(value: &Value, name: &str) -> Result<VersionId> {
    value[name].as_str().and_then(|text| text.parse().ok()).ok_or_else(|| bad(name))
}

pub fn time(value: &Value, name: &str) -> Result<i64> {
    let time: Option<Timestamp> = value[name].as_str().and_then(|text| text.parse().ok());
    time.and_then(|time| i64::try_from(time.as_nanosecond()).ok()).ok_or_else(|| bad(name))
}

/// A name or path: in base64 where it is not text.
pub fn bytes(value: &Value, name: &str) -> Result<Vec<u8>> {
    match value[format!("{name}_b64")].as_str() {
        Some(encoded) => BASE64.decode(encoded.as_bytes()).map_err(|_| bad(name)),
        None => Ok(text(value, name)?.into_bytes()),
    }
}

pub fn path(value: &Value, name: &str) -> Result<Path> {
    Path::parse(&bytes(value, name)?)
}

/// A file, directory or link, without where its content is.
pub fn item(value: &Value) -> Result<Item> {
    let hash = |name: &str| -> Result<Hash> { Ok(version(value, name)?.0) };
    let mtime = value["modified"].is_string().then(|| time(value, "modified")).transpose()?;
    let mode = value["mode"].as_str().and_then(|mode| u32::from_str_radix(mode, 8).ok());
    let attributes = Attributes { mode, mtime };
    match value["kind"].as_str() {
        Some("file") => {
            let mut metadata = BTreeMap::new();
            for (key, _) in value["metadata"].as_object().into_iter().flatten() {
                if !key.ends_with("_b64") {
                    metadata.insert(key.clone().into_bytes(), bytes(&value["metadata"], key)?);
                }
            }
            Ok(Item::File(FileRecord {
                size: number(value, "size")?,
                content_hash: hash("hash")?,
                attributes,
                content_type: value["content_type"].as_str().map(str::to_owned),
                metadata,
                content: Content::Inline(Vec::new()),
            }))
        }
        Some("symlink") => {
            let (target, attributes) = (bytes(value, "target")?, attributes.of_link());
            Ok(Item::Symlink(Symlink { target, attributes }))
        }
        Some("directory") => Ok(Item::Directory(Subdirectory {
            root: DirectoryId(hash("hash")?),
            attributes,
            totals: Totals {
                files: number(value, "files")?,
                directories: number(value, "directories")?,
                bytes: number(value, "size")?,
            },
        })),
        _ => Err(bad("kind")),
    }
}

pub fn snapshot(value: &Value) -> Result<Snapshot> {
    let metadata = value["metadata"].as_object().into_iter().flatten();
    let metadata = metadata.map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").into()));
    Ok(Snapshot {
        name: text(value, "name")?,
        version: version(value, "version")?,
        created_at: time(value, "created_at")?,
        metadata: metadata.collect(),
    })
}

pub fn history(value: &Value) -> Result<HistoryEntry> {
    Ok(HistoryEntry {
        sequence: number(value, "sequence")?,
        time: time(value, "time")?,
        version: version(value, "version")?,
        what: text(value, "what")?,
        promoted: flag(value, "promoted")?,
    })
}

pub fn change(value: &Value) -> Result<Change> {
    let (path, item) = (path(value, "path")?, item(value)?);
    Ok(match value["change"].as_str() {
        Some("added") => Change::Added { path, item },
        Some("modified") => Change::Modified { path, old: item.clone(), new: item },
        Some("deleted") => Change::Deleted { path, item },
        Some("renamed") => Change::Renamed { from: self::path(value, "from")?, to: path, item },
        _ => return Err(bad("change")),
    })
}

pub fn edit(value: &Value) -> Result<EditReport> {
    Ok(EditReport {
        version: version(value, "version")?,
        previous: version(value, "previous")?,
        files: number(value, "files")?,
        directories: number(value, "directories")?,
        bytes: number(value, "bytes")?,
    })
}

pub fn promotion(value: &Value) -> Result<Promotion> {
    Ok(Promotion { head: version(value, "head")?, previous: version(value, "previous")? })
}

fn kind(value: &Value) -> Result<FileKind> {
    match value["kind"].as_str() {
        Some("database") => Ok(FileKind::Database),
        Some("export") => Ok(FileKind::Export),
        Some("patch") => Ok(FileKind::Patch),
        _ => Err(bad("kind")),
    }
}

pub fn import(value: &Value) -> Result<ImportReport> {
    let version = version(value, "version")?;
    let merged = |merge: MergeReport| MergeReport { version, ..merge };
    Ok(ImportReport {
        kind: kind(value)?,
        version,
        base: None,
        entries: number(value, "entries")?,
        chunks: number(value, "chunks")?,
        files: number(value, "files")?,
        directories: number(value, "directories")?,
        deletions: number(value, "deletions")?,
        promoted: flag(value, "promoted")?,
        new_entries: number(value, "new_entries")?,
        new_bytes: number(value, "new_bytes")?,
        merge: value["merge"].is_object().then(|| merge(&value["merge"])).transpose()?.map(merged),
        undo_bytes: value["undo_bytes"].as_u64(),
    })
}

fn merge(value: &Value) -> Result<MergeReport> {
    let side = |conflict: &Value, name: &str| {
        let side = &conflict[name];
        side.is_object().then(|| item(side)).transpose()
    };
    let conflicts = value["conflicts"].as_array().into_iter().flatten().map(|conflict| {
        Ok(Conflict {
            path: path(conflict, "path")?,
            base: side(conflict, "base")?,
            ours: side(conflict, "ours")?,
            theirs: side(conflict, "theirs")?,
        })
    });
    let ours = version(value, "ours")?;
    Ok(MergeReport {
        version: ours,
        base: version(value, "base")?,
        ours,
        theirs: version(value, "theirs")?,
        taken: number(value, "taken")?,
        same: number(value, "same")?,
        on_conflict: match value["resolved"].as_str() {
            Some("ours") => OnConflict::Ours,
            Some("theirs") => OnConflict::Theirs,
            _ => OnConflict::LeaveOut,
        },
        conflicts: conflicts.collect::<Result<_>>()?,
    })
}

pub fn info(value: &Value) -> Result<Info> {
    let of_patch = |name: &str| value[name].as_u64().unwrap_or(0);
    Ok(Info {
        kind: kind(value)?,
        format: u32::try_from(number(value, "format")?).map_err(|_| bad("format"))?,
        version: version(value, "version")?,
        base: value["base"].is_string().then(|| version(value, "base")).transpose()?,
        files: number(value, "files")?,
        directories: number(value, "directories")?,
        chunks: number(value, "chunks")?,
        entries: number(value, "objects")?,
        bytes: number(value, "bytes")?,
        file_bytes: number(value, "file_bytes")?,
        stored_bytes: number(value, "stored_bytes")?,
        raw_bytes: number(value, "raw_bytes")?,
        snapshots: number(value, "snapshots")?,
        history: number(value, "history")?,
        void_bytes: number(value, "void_bytes")?,
        files_added: of_patch("files_added"),
        files_modified: of_patch("files_modified"),
        files_deleted: of_patch("files_deleted"),
    })
}

pub fn gc(value: &Value) -> Result<GcReport> {
    Ok(GcReport {
        entries_live: number(value, "entries_live")?,
        bytes_live: number(value, "bytes_live")?,
        entries_collected: number(value, "entries_collected")?,
        bytes_collected: number(value, "bytes_collected")?,
        bytes_released: number(value, "bytes_released")?,
        bytes_deferred: number(value, "bytes_deferred")?,
    })
}

pub fn verify(value: &Value) -> Result<VerifyReport> {
    let damages = value["damages"].as_array().into_iter().flatten().map(|damage| {
        let paths = damage["paths"].as_array().into_iter().flatten();
        let paths = paths.map(|hit| Ok((version(hit, "version")?, path(hit, "path")?)));
        Ok(Damage {
            offset: number(damage, "offset")?,
            what: text(damage, "what")?,
            paths: paths.collect::<Result<_>>()?,
        })
    });
    let newer = value["newer"].as_array().into_iter().flatten().map(|newer| {
        Ok(Newer {
            offset: number(newer, "offset")?,
            what: text(newer, "what")?,
            needs: text(newer, "needs")?,
        })
    });
    Ok(VerifyReport {
        kind: kind(value)?,
        deep: flag(value, "deep")?,
        versions: number(value, "versions")?,
        entries: number(value, "objects")?,
        blocks: number(value, "blocks")?,
        bytes: number(value, "bytes")?,
        unproved: number(value, "unproved")?,
        torn_tail: number(value, "torn_tail")?,
        damages: damages.collect::<Result<_>>()?,
        newer: newer.collect::<Result<_>>()?,
    })
}
