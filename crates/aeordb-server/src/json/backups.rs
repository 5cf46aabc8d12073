//! What is said of exports, patches and the files that hold them.

use aeordb::backup::{
    Change, ExportReport, ImportReport, Info, ListedChange, MergeReport, OnConflict, PatchReport,
    VerifyReport,
};
use aeordb::db::FileKind;
use aeordb::object::{Item, Path};
use serde_json::{Map, Value, json};

use super::{insert_item, insert_name, named};

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
    let mut json = json!({
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
    });
    if let (Some(merge), Some(object)) = (&report.merge, json.as_object_mut()) {
        object.insert("merge".into(), self::merge(merge));
    }
    if let (Some(bytes), Some(object)) = (report.undo_bytes, json.as_object_mut()) {
        object.insert("undo_bytes".into(), bytes.into());
    }
    json
}

/// What a merge did.
fn merge(merge: &MergeReport) -> Value {
    let side = |item: &Option<Item>| {
        item.as_ref().map(|item| {
            let mut object = Map::new();
            insert_item(&mut object, item);
            object
        })
    };
    let conflicts = merge.conflicts.iter().map(|conflict| {
        let mut object = named("path", conflict.path.as_bytes());
        object.insert("base".into(), side(&conflict.base).into());
        object.insert("ours".into(), side(&conflict.ours).into());
        object.insert("theirs".into(), side(&conflict.theirs).into());
        Value::Object(object)
    });
    json!({
        "base": merge.base.to_string(),
        "ours": merge.ours.to_string(),
        "theirs": merge.theirs.to_string(),
        "taken": merge.taken,
        "same": merge.same,
        "resolved": match merge.on_conflict {
            OnConflict::LeaveOut => Value::Null,
            OnConflict::Ours => "ours".into(),
            OnConflict::Theirs => "theirs".into(),
        },
        "conflicts": conflicts.collect::<Vec<_>>(),
    })
}

/// What a file is; its name, if it is to have one, stands before.
pub fn info(info: &Info) -> Value {
    let patch = info.kind == FileKind::Patch;
    json!({
        "kind": info.kind.name(),
        "format": info.format,
        "version": info.version.to_string(),
        "base": info.base.map(|base| base.to_string()),
        "files": info.files,
        "directories": info.directories,
        "bytes": info.bytes,
        "objects": info.entries,
        "chunks": info.chunks,
        "file_bytes": info.file_bytes,
        "stored_bytes": info.stored_bytes,
        "raw_bytes": info.raw_bytes,
        "void_bytes": info.void_bytes,
        "snapshots": info.snapshots,
        "history": info.history,
        "files_added": patch.then_some(info.files_added),
        "files_modified": patch.then_some(info.files_modified),
        "files_deleted": patch.then_some(info.files_deleted),
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

/// A change that a patch lists.
pub fn listed_change(change: &ListedChange) -> Map<String, Value> {
    let mut object = named("path", change.path.as_bytes());
    let word = match change.letter {
        'A' => "added",
        'D' => "deleted",
        'R' => "renamed",
        _ => "modified",
    };
    object.insert("change".into(), word.into());
    if let Some(from) = &change.from {
        insert_name(&mut object, "from", from.as_bytes());
    }
    object
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
    let newer = report
        .newer
        .iter()
        .map(|newer| json!({ "offset": newer.offset, "what": newer.what, "needs": newer.needs }));
    json!({
        "kind": report.kind.name(),
        "deep": report.deep,
        "versions": report.versions,
        "objects": report.entries,
        "blocks": report.blocks,
        "bytes": report.bytes,
        "unproved": report.unproved,
        "torn_tail": report.torn_tail,
        "damages": damages.collect::<Vec<_>>(),
        "newer": newer.collect::<Vec<_>>(),
    })
}
