//! Reports of the verbs.

use aeordb::backup::{
    Conflict, ExportReport, ImportReport, Info, ListedChange, MergeReport, PatchReport,
    VerifyReport,
};
use aeordb::compact::CompactReport;
use aeordb::files::{Did, GetReport, PutReport, Told};
use aeordb::gc::GcReport;
use aeordb::monitor;
use aeordb::object::{Item, Path, Totals};
use aeordb::salvage::{self, SalvageReport};
use aeordb::{Error, backup, db};

use super::describe::plain;
use crate::backups::{self, FileKind, OnConflict, Side};
use crate::versions::ChangeKind;
use crate::{Name, Time, command, jobs};

impl From<db::FileKind> for FileKind {
    fn from(kind: db::FileKind) -> Self {
        match kind {
            db::FileKind::Database => FileKind::Database,
            db::FileKind::Export => FileKind::Export,
            db::FileKind::Patch => FileKind::Patch,
        }
    }
}

impl From<FileKind> for db::FileKind {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Database => db::FileKind::Database,
            FileKind::Export => db::FileKind::Export,
            FileKind::Patch => db::FileKind::Patch,
        }
    }
}

impl backups::Export {
    /// What the export in the file `output` holds.
    pub fn new(report: &ExportReport, output: &str) -> Self {
        backups::Export {
            version: report.version.into(),
            files: report.files,
            chunks: report.chunks,
            directories: report.directories,
            output: output.into(),
            bytes: report.bytes,
        }
    }
}

impl backups::Patch {
    /// What the patch in the file `output` holds.
    pub fn new(report: &PatchReport, output: &str) -> Self {
        backups::Patch {
            from: report.from.into(),
            to: report.to.into(),
            files_added: report.files_added,
            files_modified: report.files_modified,
            files_deleted: report.files_deleted,
            chunks: report.chunks,
            directories: report.directories,
            output: output.into(),
            bytes: report.bytes,
        }
    }
}

impl From<&Info> for backups::Info {
    fn from(info: &Info) -> Self {
        let patch = info.kind == db::FileKind::Patch;
        backups::Info {
            kind: info.kind.into(),
            format: info.format,
            version: info.version.into(),
            base: info.base.map(Into::into),
            files: info.files,
            directories: info.directories,
            bytes: info.bytes,
            objects: info.entries,
            chunks: info.chunks,
            file_bytes: info.file_bytes,
            stored_bytes: info.stored_bytes,
            raw_bytes: info.raw_bytes,
            void_bytes: info.void_bytes,
            snapshots: info.snapshots,
            history: info.history,
            unfinished: info.unfinished.iter().map(unfinished).collect(),
            files_added: patch.then_some(info.files_added),
            files_modified: patch.then_some(info.files_modified),
            files_deleted: patch.then_some(info.files_deleted),
            encryption: match info.encryption {
                backup::Encryption::None => None,
                backup::Encryption::Opened => Some(backups::Encryption::Opened),
                backup::Encryption::Unopened => Some(backups::Encryption::Unopened),
            },
        }
    }
}

fn unfinished((one, stored): &(db::Unfinished, Totals)) -> backups::Unfinished {
    let Name { text: path, b64: path_b64 } = Name::new(one.path.as_bytes());
    backups::Unfinished {
        path,
        path_b64,
        version: one.version.into(),
        files: stored.files,
        directories: stored.directories,
        bytes: stored.bytes,
        time: Time(one.time),
        kept_until: Time(one.kept_until()),
    }
}

/// The same of a server; `None` if what it says is no path.
fn unfinished_there(one: backups::Unfinished) -> Option<(db::Unfinished, Totals)> {
    let path = Name::bytes(&one.path, one.path_b64.as_deref()).ok()?;
    let (version, time) = (one.version.into(), one.time.0);
    let path = Path::parse(&path).ok()?;
    let stored = Totals { files: one.files, directories: one.directories, bytes: one.bytes };
    Some((db::Unfinished { path, version, time }, stored))
}

/// What a server has, so that it stands among files.
impl From<backups::Info> for Info {
    fn from(info: backups::Info) -> Self {
        Info {
            kind: info.kind.into(),
            format: info.format,
            version: info.version.into(),
            base: info.base.map(Into::into),
            files: info.files,
            directories: info.directories,
            chunks: info.chunks,
            entries: info.objects,
            bytes: info.bytes,
            file_bytes: info.file_bytes,
            stored_bytes: info.stored_bytes,
            raw_bytes: info.raw_bytes,
            snapshots: info.snapshots,
            history: info.history,
            void_bytes: info.void_bytes,
            unfinished: info.unfinished.into_iter().filter_map(unfinished_there).collect(),
            files_added: info.files_added.unwrap_or_default(),
            files_modified: info.files_modified.unwrap_or_default(),
            files_deleted: info.files_deleted.unwrap_or_default(),
            encryption: match info.encryption {
                None => backup::Encryption::None,
                Some(backups::Encryption::Opened) => backup::Encryption::Opened,
                Some(backups::Encryption::Unopened) => backup::Encryption::Unopened,
            },
        }
    }
}

impl OnConflict {
    /// What the library is told, if changes are to be applied to HEAD.
    pub fn options(self) -> Option<backup::OnConflict> {
        match self {
            OnConflict::Merge(false) => None,
            OnConflict::Merge(true) => Some(backup::OnConflict::LeaveOut),
            OnConflict::Side(Side::Ours) => Some(backup::OnConflict::Ours),
            OnConflict::Side(Side::Theirs) => Some(backup::OnConflict::Theirs),
        }
    }
}

impl From<&ImportReport> for backups::Import {
    fn from(report: &ImportReport) -> Self {
        backups::Import {
            version: report.version.into(),
            kind: report.kind.into(),
            entries: report.entries,
            chunks: report.chunks,
            files: report.files,
            directories: report.directories,
            deletions: report.deletions,
            promoted: report.promoted,
            new_entries: report.new_entries,
            new_bytes: report.new_bytes,
            merge: report.merge.as_ref().map(Into::into),
            undo_bytes: report.undo_bytes,
        }
    }
}

impl From<&MergeReport> for backups::Merge {
    fn from(merge: &MergeReport) -> Self {
        backups::Merge {
            base: merge.base.into(),
            ours: merge.ours.into(),
            theirs: merge.theirs.into(),
            taken: merge.taken,
            same: merge.same,
            resolved: match merge.on_conflict {
                backup::OnConflict::LeaveOut => None,
                backup::OnConflict::Ours => Some(Side::Ours),
                backup::OnConflict::Theirs => Some(Side::Theirs),
            },
            conflicts: merge.conflicts.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Conflict> for backups::Conflict {
    fn from(conflict: &Conflict) -> Self {
        let side = |item: &Option<Item>| item.as_ref().map(super::describe::plain);
        let Name { text, b64 } = Name::new(conflict.path.as_bytes());
        backups::Conflict {
            path: text,
            path_b64: b64,
            base: side(&conflict.base),
            ours: side(&conflict.ours),
            theirs: side(&conflict.theirs),
        }
    }
}

impl From<&VerifyReport> for jobs::Verification {
    fn from(report: &VerifyReport) -> Self {
        let damage = |damage: &backup::Damage| {
            let hit = |(version, path): &(aeordb::hash::VersionId, Path)| {
                let Name { text, b64 } = Name::new(path.as_bytes());
                jobs::Hit { path: text, path_b64: b64, version: (*version).into() }
            };
            let paths = damage.paths.iter().map(hit).collect();
            jobs::Damage { offset: damage.offset, what: damage.what.clone(), paths }
        };
        let newer = |newer: &backup::Newer| jobs::Newer {
            offset: newer.offset,
            what: newer.what.clone(),
            needs: newer.needs.clone(),
        };
        jobs::Verification {
            kind: report.kind.into(),
            deep: report.deep,
            versions: report.versions,
            objects: report.entries,
            blocks: report.blocks,
            bytes: report.bytes,
            unproved: report.unproved,
            torn_tail: report.torn_tail,
            damages: report.damages.iter().map(damage).collect(),
            newer: report.newer.iter().map(newer).collect(),
            sample: report.sample.map(|share| share.to_string()),
            pass: report.pass.as_ref().map(jobs::Pass::from),
            unopened: report.unopened,
        }
    }
}

/// What a server found, so that more can be counted in.
impl TryFrom<jobs::Verification> for VerifyReport {
    type Error = Error;

    fn try_from(found: jobs::Verification) -> Result<Self, Error> {
        let damage = |damage: jobs::Damage| {
            let hit = |hit: jobs::Hit| Ok((hit.version.into(), Path::parse(&hit.path()?)?));
            let paths = damage.paths.into_iter().map(hit).collect::<Result<_, Error>>()?;
            Ok(backup::Damage { offset: damage.offset, what: damage.what, paths })
        };
        let newer = |newer: jobs::Newer| {
            let jobs::Newer { offset, what, needs } = newer;
            backup::Newer { offset, what, needs }
        };
        Ok(VerifyReport {
            kind: found.kind.into(),
            deep: found.deep,
            versions: found.versions,
            entries: found.objects,
            blocks: found.blocks,
            bytes: found.bytes,
            unproved: found.unproved,
            torn_tail: found.torn_tail,
            damages: found.damages.into_iter().map(damage).collect::<Result<_, Error>>()?,
            newer: found.newer.into_iter().map(newer).collect(),
            sample: found.sample.map(|share| share.parse()).transpose()?,
            pass: found.pass.map(backup::Pass::from),
            unopened: found.unopened,
        })
    }
}

impl jobs::Collection {
    /// What a collection did, or with `dry_run` would do.
    pub fn new(report: &GcReport, dry_run: bool) -> Self {
        jobs::Collection {
            dry_run,
            entries_live: report.entries_live,
            bytes_live: report.bytes_live,
            entries_collected: report.entries_collected,
            bytes_collected: report.bytes_collected,
            bytes_released: report.bytes_released,
            bytes_deferred: report.bytes_deferred,
        }
    }
}

impl From<&monitor::Progress> for jobs::Progress {
    fn from(progress: &monitor::Progress) -> Self {
        jobs::Progress {
            files: progress.files,
            bytes: progress.bytes,
            files_expected: progress.files_expected,
            bytes_expected: progress.bytes_expected,
        }
    }
}

impl command::Compaction {
    /// What a compaction did, or with `dry_run` would do.
    pub fn new(report: &CompactReport, dry_run: bool) -> Self {
        command::Compaction {
            dry_run,
            entries_live: report.entries_live,
            bytes_before: report.bytes_before,
            bytes_after: report.bytes_after,
        }
    }
}

impl From<&Told<'_>> for command::Doing {
    fn from(told: &Told<'_>) -> Self {
        let Name { text, b64 } = Name::new(told.path.as_bytes());
        let item = plain(told.item);
        command::Doing {
            path: text,
            path_b64: b64,
            change: match told.did {
                Did::Added => ChangeKind::Added,
                Did::Modified => ChangeKind::Modified,
                Did::Deleted => ChangeKind::Deleted,
            },
            kind: item.kind,
            size: item.size,
        }
    }
}

impl From<&PutReport> for command::Put {
    fn from(report: &PutReport) -> Self {
        command::Put {
            version: report.version.into(),
            previous: report.previous.into(),
            files: report.files,
            directories: report.directories,
            bytes: report.bytes,
            files_new: report.files_new,
            files_changed: report.files_changed,
            files_unchanged: report.files_unchanged,
            files_deleted: report.files_deleted,
            new_bytes: report.new_bytes,
            skipped: report.skipped,
            unreadable: report.unreadable,
            excluded: report.excluded,
            mount_points: report.mounts,
            unsettled: report.unsettled,
            snapshot: None,
        }
    }
}

impl From<&GetReport> for command::Get {
    fn from(report: &GetReport) -> Self {
        command::Get {
            version: report.version.into(),
            files: report.files,
            directories: report.directories,
            bytes: report.bytes,
            unchanged: report.unchanged,
            kept: report.kept,
            excluded: report.excluded,
            deleted: report.deleted,
            failed: report.failed,
            damaged: report.damaged,
            newer: report.newer,
            lacking: report.lacking,
        }
    }
}

impl command::ListedChange {
    /// A change that the patch called `patch` lists.
    pub fn new(patch: &[u8], change: &ListedChange) -> Self {
        let (path, patch) = (Name::new(change.path.as_bytes()), Name::new(patch));
        let from = change.from.as_ref().map(|from| Name::new(from.as_bytes()));
        let (from, from_b64) = from.map_or((None, None), |from| (Some(from.text), from.b64));
        command::ListedChange {
            path: path.text,
            path_b64: path.b64,
            change: match change.letter {
                'A' => ChangeKind::Added,
                'D' => ChangeKind::Deleted,
                'R' => ChangeKind::Renamed,
                _ => ChangeKind::Modified,
            },
            from,
            from_b64,
            patch: patch.text,
            patch_b64: patch.b64,
        }
    }
}

impl command::Salvage {
    /// What was saved into the file `output`.
    pub fn new(report: &SalvageReport, output: &str) -> Self {
        let partial = report.partial.iter();
        let broken = report.broken.iter();
        command::Salvage {
            version: report.head.map(Into::into),
            complete: report.is_complete(),
            head_is_last: report.head_is_last,
            names_uncertain: report.names_uncertain,
            names_lacking: report.names_lacking,
            system_lost: report.system_lost,
            versions: report.versions,
            partial: partial
                .map(|(was, left)| command::Partial {
                    version: (*was).into(),
                    left: (*left).into(),
                })
                .collect(),
            snapshots: report.snapshots,
            history: report.history,
            entries: report.entries,
            taken: report.taken,
            lost: report.lost.iter().map(Into::into).collect(),
            more_lost: report.more_lost,
            broken: broken
                .map(|broken| command::Broken {
                    offset: broken.offset,
                    detail: broken.what.clone(),
                })
                .collect(),
            orphans: report.orphans.as_ref().map(|orphans| command::Orphans {
                snapshot: orphans.snapshot.clone(),
                directories: orphans.directories,
                files: orphans.files,
            }),
            output: output.into(),
        }
    }
}

impl From<&salvage::repair::RepairReport> for command::Repair {
    fn from(report: &salvage::repair::RepairReport) -> Self {
        let broken = report.broken.iter();
        command::Repair {
            complete: report.is_complete(),
            changed: report.changed,
            versions: report.versions,
            taken: report.taken,
            healed: report.healed.iter().map(Into::into).collect(),
            lost: report.lost.iter().map(Into::into).collect(),
            more_lost: report.more_lost,
            parity: None,
            broken: broken
                .map(|broken| command::Broken {
                    offset: broken.offset,
                    detail: broken.what.clone(),
                })
                .collect(),
        }
    }
}

impl From<&salvage::Lost> for command::Lost {
    fn from(lost: &salvage::Lost) -> Self {
        let Name { text, b64 } = Name::new(lost.path.as_bytes());
        command::Lost {
            path: text,
            path_b64: b64,
            version: lost.version.into(),
            part: match lost.part {
                salvage::Part::File => command::Part::File,
                salvage::Part::Directory => command::Part::Directory,
                salvage::Part::Names => command::Part::Names,
                salvage::Part::Attributes => command::Part::Attributes,
            },
        }
    }
}
